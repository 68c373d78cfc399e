"""countTokens. Facts: wire-gemini-and-mapping 1.1."""

from __future__ import annotations

from typing import Any

from zerogravity.core import token_estimate
from zerogravity.core.google import as_request
from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Answer, Context, Counting
from zerogravity.surfaces.common.parameters import MODELS
from zerogravity.surfaces.common.token_mark import MARK
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.request import count_request
from zerogravity.surfaces.gemini.urls import COUNT, FROM_URL
from zerogravity.wire.narrow import Json


def _parse(body: Json, context: Context) -> Turn:
    """The request is counted as it stands: nothing is suited to the model."""
    target = context.target(body["model"])
    mask = field_mask.parse(body["fields"], field_mask.COUNT)
    counted = count_request({name: value for name, value in body.items() if name not in (*FROM_URL, MODELS.name)})
    return Turn(
        id=context.turn_id,
        surface="gemini",
        model=body["model"],
        target=target,
        google_request=as_request(counted),
        details=GeminiDetails(fields=mask),
        owner=context.owner,
    )


def _answer(turn: Turn, counted: int | None) -> Answer:
    """Only Google's own members, since typed clients refuse others."""
    body: dict[str, Any] = {"totalTokens": counted}
    if counted is None:
        modalities = token_estimate.by_modality(turn.google_request)
        details = [{"modality": name, "tokenCount": tokens} for name, tokens in modalities.items()]
        body = {"totalTokens": sum(modalities.values()), "promptTokensDetails": details}
    masked = field_mask.masked(body, turn.details_as(GeminiDetails).fields)
    return Answer(200, masked, MARK if counted is None else {})


COUNTING = Counting(COUNT, _parse, _answer)
