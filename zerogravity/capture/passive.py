"""A Google call that is not ours → the turn it is recorded as. Nobody has asked for it, nobody is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.core.family import family_of
from zerogravity.core.google import as_request
from zerogravity.core.turn import Target, Turn

SURFACE = "passive"


def turn_of(path: str, body: Mapping[str, Any], turn_id: str, created: int) -> Turn:
    """The model is the envelope's, or the path's."""
    request = body.get("request")
    model = body.get("model") or path.rpartition("models/")[2].partition(":")[0]
    name = model if isinstance(model, str) and model else "unknown"
    return Turn(
        id=turn_id,
        surface=SURFACE,
        model=name,
        target=Target(name, "", family=family_of(name)),
        google_request=as_request(request if isinstance(request, dict) else body),
        stream=True,
        created=created,
    )
