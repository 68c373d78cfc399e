"""A Google call that is not ours → the turn it is recorded as. No client asked for it, none is answered."""

from __future__ import annotations

from zerogravity.core.family import family_of
from zerogravity.core.google import as_request
from zerogravity.core.turn import PASSIVE, Target, Turn
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def turn_of(path: str, body: Json, turn_id: str, created: int) -> Turn:
    """The model is the envelope's, or the path's."""
    model = body.get("model") or path.rpartition("models/")[2].partition(":")[0]
    name = narrow.text(model) or "unknown"
    request = narrow.an_object(body.get("request"))
    return Turn(
        id=turn_id,
        surface=PASSIVE,
        model=name,
        target=Target(name, "", family=family_of(name)),
        google_request=as_request(body if request is None else request),
        stream=True,
        created=created,
    )
