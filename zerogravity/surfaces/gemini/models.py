"""The model list and token counts in Google's form. Facts: wire-gemini-and-mapping 1.1, 1.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common import token_estimate
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.wire.narrow import Json

METHODS = ("generateContent", "streamGenerateContent", "countTokens")
PAGE, MAX_PAGE = 50, 1000


def model_json(info: ModelInfo) -> dict[str, Any]:
    """One entry; ``name`` needs its prefix."""
    return {
        "name": f"models/{info.id}",
        "version": "001",
        "displayName": info.display_name,
        "description": f"{info.display_name}, through the language server",
        "inputTokenLimit": info.input_limit,
        "outputTokenLimit": info.output_limit,
        "supportedGenerationMethods": list(METHODS),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": info.thinking,
    }


def list_json(infos: Sequence[ModelInfo], page_size: str = "", page_token: str = "") -> dict[str, Any]:
    """One page. A token only when there is more: the SDK's pager follows it without end. Raises FaultError 400."""
    size = min(_whole(page_size, "pageSize"), MAX_PAGE) or PAGE
    start = _whole(page_token, "pageToken")
    made: dict[str, Any] = {"models": [model_json(info) for info in infos[start : start + size]]}
    if start + size < len(infos):
        made["nextPageToken"] = str(start + size)
    return made


def count_answer(total: int, *, estimated: bool, details: Sequence[Json] = ()) -> Answer:
    """The answer of countTokens."""
    body: dict[str, Any] = {"totalTokens": total}
    if details:
        body["promptTokensDetails"] = list(details)
    return Answer(200, body, token_estimate.MARK if estimated else {})


def estimate(request: Json) -> Answer:
    """countTokens of a request that ``count_request`` has read, without asking anybody. Its body has only Google's own
    members, since typed clients refuse others."""
    counts = token_estimate.by_modality(request)
    details = [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items()]
    return count_answer(sum(counts.values()), estimated=True, details=details)


def _whole(text: str, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise bad_request(
            f"Invalid value at '{name}' (TYPE_INT32), \"{text[:40]}\"", param=name, code="invalid_argument"
        )
    return int(text)
