"""How many tokens a request has. Facts: wire-anthropic 0, 1.

The body is a request without ``max_tokens``; what counts is its translation, with system, tools, schemas and media.
"""

from __future__ import annotations

from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer, Context, Counting
from zerogravity.surfaces.common.token_mark import count_of
from zerogravity.surfaces.messages.request import parse
from zerogravity.wire.narrow import Json

_NO_ANSWER = {"max_tokens": 64_000, "stream": False}  # room for any thinking: a tight limit would change the request


def _parse(body: Json, context: Context) -> Turn:
    return parse({**body, **_NO_ANSWER}, context)


def _answer(turn: Turn, counted: int | None) -> Answer:
    tokens, headers = count_of(turn.google_request, counted)
    return Answer(200, {"input_tokens": tokens}, headers)


COUNTING = Counting("/v1/messages/count_tokens", _parse, _answer)
