"""A Google call that is not ours → the turn it is recorded as. No client asked for it, none is answered.

Facts: language-server-and-google C.3; antigravity-runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from zerogravity.agents.recognise import recognise
from zerogravity.capture.match import named
from zerogravity.core.family import family_of
from zerogravity.core.google import as_request, session_of
from zerogravity.core.turn import PASSIVE, Target, Turn
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

NONE: Mapping[str, str] = MappingProxyType({})


def turn_of(path: str, body: Json, turn_id: str, created: float, headers: Mapping[str, str] = NONE) -> Turn:
    """The model is the envelope's, or the path's; ``headers`` tell which program it is."""
    model = body.get("model") or path.rpartition("models/")[2].partition(":")[0]
    name = narrow.text(model) or "unknown"
    inner = narrow.an_object(body.get("request"))
    request = body if inner is None else inner
    return Turn(
        id=turn_id,
        surface=PASSIVE,
        model=name,
        target=Target(name, "", family=family_of(name)),
        google_request=as_request(request),
        stream=True,
        created=created,
        client=recognise(headers).client,
        # an editor's requestId names the cascade; nothing else shows which calls belong together
        conversation=session_of(request) or named(body.get("requestId")) or "",
    )
