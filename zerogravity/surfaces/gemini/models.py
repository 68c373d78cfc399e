"""The model list in Google's form. Facts: wire-gemini-and-mapping 1.2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zerogravity.errors import bad_request
from zerogravity.surfaces.base import ModelList
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.surfaces.gemini import field_mask
from zerogravity.surfaces.gemini.urls import fields_parameter
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


def listing(infos: Sequence[ModelInfo], query: Mapping[str, str], headers: Mapping[str, str]) -> Json:
    """GET /v1beta/models?pageSize=&pageToken=, as far as the field mask lets it through."""
    mask = field_mask.parse(fields_parameter(query, headers), field_mask.MODELS)
    return field_mask.masked(list_json(infos, query.get("pageSize", ""), query.get("pageToken", "")), mask)


def entry(info: ModelInfo, name: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Json:
    """GET /v1beta/models/{id}, which answers with the model's own name."""
    return field_mask.masked(model_json(info), field_mask.parse(fields_parameter(query, headers), field_mask.MODEL))


MODELS = ModelList(listing, entry)


def _whole(text: str, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise bad_request(
            f"Invalid value at '{name}' (TYPE_INT32), \"{text[:40]}\"", param=name, code="invalid_argument"
        )
    return int(text)
