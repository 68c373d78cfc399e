"""The list of models in Anthropic's form. Facts: wire-anthropic 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zerogravity.errors import bad_request
from zerogravity.surfaces.base import FieldNames, ModelList
from zerogravity.surfaces.common.models import ModelInfo

PAGE, MAX_PAGE = 20, 1000
UNKNOWN = "1970-01-01T00:00:00Z"  # so the API writes a day of release that it does not know
LONGEST = 80  # characters of a client's value that an error repeats


def is_client(headers: FieldNames, query: FieldNames) -> bool:
    """Whether the client is one of Anthropic's kind: its SDKs and Claude Code always send the version."""
    return "anthropic-version" in headers or "x-api-key" in headers


def listing(infos: Sequence[ModelInfo], query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
    """GET /v1/models?limit=&after_id=&before_id=: the page behind a model, or the one that ends before it. The SDKs'
    pagers go on as long as ``has_more`` says so."""
    if "after_id" in query and "before_id" in query:
        raise bad_request("cannot be combined with after_id", param="before_id")
    limit = _limit(query.get("limit"))
    if "before_id" in query:
        end = _place(infos, query, "before_id")
        begin = max(end - limit, 0)
        has_more = begin > 0
    else:
        begin = _place(infos, query, "after_id") + 1 if "after_id" in query else 0
        end = begin + limit
        has_more = end < len(infos)
    data = [model_object(info) for info in infos[begin:end]]
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def entry(info: ModelInfo, name: str, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
    """GET /v1/models/{id}; for an alias, the model that it stands for."""
    return model_object(info)


MODELS = ModelList(listing, entry)


def model_object(info: ModelInfo) -> dict[str, object]:
    return {
        "type": "model",
        "id": info.id,
        "display_name": info.display_name,
        "created_at": UNKNOWN,
        "lifecycle": "active",
        "max_input_tokens": info.input_limit,
        "max_tokens": info.output_limit,
    }


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and len(text) < 16 and 1 <= int(text) <= MAX_PAGE):
        raise bad_request(
            f"Input should be a whole number between 1 and {MAX_PAGE}, not '{text[:LONGEST]}'", param="limit"
        )
    return int(text)


def _place(infos: Sequence[ModelInfo], query: Mapping[str, str], name: str) -> int:
    """Where the model is that the query names as ``name``."""
    place = next((place for place, info in enumerate(infos) if info.id == query[name]), None)
    if place is None:
        raise bad_request(f"no model '{query[name][:LONGEST]}' is in the list", param=name)
    return place
