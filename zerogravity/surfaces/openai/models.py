"""The list of models in OpenAI's form. Facts: wire-openai 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zerogravity.surfaces.common.models import ModelInfo


def listing(infos: Sequence[ModelInfo], query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
    """All of them: this API has no pages of models."""
    return {"object": "list", "data": [entry(info, info.id, query, headers) for info in infos]}


def entry(info: ModelInfo, name: str, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, object]:
    """One of them, under the name that was asked for."""
    return {"id": name, "object": "model", "created": info.created, "owned_by": info.owned_by}
