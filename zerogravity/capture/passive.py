"""A Google call that is not ours → the turn it is recorded as. No client asked for it, none is answered.

Facts: language-server-and-google C.3; antigravity-runtime.
"""

from __future__ import annotations

from zerogravity.capture.match import named
from zerogravity.core.family import family_of
from zerogravity.core.google import as_request
from zerogravity.core.turn import PASSIVE, Target, Turn
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

NO_SESSION = "-3750763034362895579"  # the hash of an empty text: every editor's language server sends it
LONGEST = 200  # characters of a conversation's name that are kept


def turn_of(path: str, body: Json, turn_id: str, created: int) -> Turn:
    """The model is the envelope's, or the path's."""
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
        conversation=_conversation(body, request)[:LONGEST],
    )


def _conversation(body: Json, request: Json) -> str:
    """The session that the call names (gemini-cli spells it ``session_id``), or else the cascade. Nothing else shows
    which calls belong together."""
    session = narrow.text(request.get("sessionId")) or narrow.text(request.get("session_id"))
    return session if session not in ("", NO_SESSION) else named(body.get("requestId")) or ""
