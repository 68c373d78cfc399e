"""How many tokens a request has. Facts: wire-openai 1."""

from __future__ import annotations

from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer, Context, Counting
from zerogravity.surfaces.common.token_mark import count_of
from zerogravity.surfaces.responses.request import parse
from zerogravity.wire.narrow import Json

_NO_ANSWER = {"store": False, "background": False, "stream": False, "stream_options": None}


def _parse(body: Json, context: Context) -> Turn:
    return parse({**body, **_NO_ANSWER}, context)


def _answer(turn: Turn, counted: int | None) -> Answer:
    tokens, headers = count_of(turn.google_request, counted)
    return Answer(200, {"object": "response.input_tokens", "input_tokens": tokens}, headers)


COUNTING = Counting("/v1/responses/input_tokens", _parse, _answer, any_model=True)
