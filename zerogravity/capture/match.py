"""Google request → which cascade it belongs to and what kind of call it is. Pure; never guesses.

The marker ``.<cid:ID>`` is searched after JSON parsing (Go escapes ``<``) in every part of every user content. The one
inside the last ``<USER_REQUEST>`` wrapper wins over any other: history and summaries quote older ones. The requestId
``agent/<cascade>/…`` names the cascade as well; if the two disagree the call is left alone.

Facts: language-server-and-google C.1, C.3, D.1-D.3; antigravity-runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from zerogravity.core import marker
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json, lookup, objects

Kind = Literal["agent", "checkpoint", "other"]
Ending = Literal["turn", "retry", "order"]

_MODEL = (  # of Google's two public APIs: Gemini, and Vertex with a key or in a project
    r"(?:models|tunedModels|(?:projects/[^/?]+/locations/[^/?]+/)?publishers/[^/?]+/models"
    r"|projects/[^/?]+/locations/[^/?]+/endpoints)/[^/?]+"
)
_PATH = re.compile(
    rf"(?:/[^?]*)?/(?:v1internal|v1(?:alpha|beta|beta1)?/{_MODEL})(?::|%3[Aa])(?:generateContent|streamGenerateContent)"
)
_REQUEST_ID = re.compile(r"agent/([^/]+)/\d+/[^/]+/\d+")
_SMALL_MODEL = "flash-lite"
_DUMMY_TOOL = "do_not_call"  # the summariser's
_NOT_THE_USERS = (marker.REMINDER, *marker.QUOTED)


@dataclass(frozen=True, slots=True)
class Match:
    """``kind`` ``agent`` may be claimed, ``checkpoint`` never touches a channel, ``other`` is left alone.

    ``reason`` says why, from a closed list (metrics label): agent, checkpoint, path, no_marker, ambiguous_marker,
    witness_disagrees, request_type.
    """

    kind: Kind
    cascade_id: str | None
    reason: str


@lru_cache(256)
def is_generate_path(path: str) -> bool:
    """Whether a request path is one of Google's generate calls, of either API, below any base."""
    return _PATH.fullmatch(path.partition("?")[0]) is not None


def match(path: str, body: Json) -> Match:
    """What this call is. ``body`` is the parsed request, with or without envelope."""
    if not is_generate_path(path):
        return Match("other", None, "path")
    request = body if (inner := narrow.an_object(body.get("request"))) is None else inner
    witness = named(body.get("requestId"))
    found = _cascades(request)
    if not found:
        return Match("other", None, "no_marker")
    if len(found) > 1 and witness not in found:
        return Match("other", None, "ambiguous_marker")
    cascade_id = witness if len(found) > 1 and witness is not None else found[0]
    kind = _kind(body, request)
    if kind == "agent" and witness is not None and witness != cascade_id:
        return Match("other", cascade_id, "witness_disagrees")
    return Match(kind, cascade_id, kind if kind != "other" else "request_type")


def _cascades(request: Json) -> list[str]:
    """The cascade id that the markers name; several if they contradict each other at the place that counts.

    A user request without a marker that follows a model's answer is somebody's own turn: then nothing is ours.
    """
    wrapped: list[str] | None = None
    loose: list[str] = []
    answered = False
    for content in objects(request.get("contents")):
        if content.get("role") == "model":
            answered = wrapped is not None
        for text in _user_texts(content):
            for user_request in marker.requests(text):
                if markers := marker.cascades(user_request):
                    wrapped, answered = markers, False
                elif answered:
                    wrapped = []
            loose += marker.cascades(text)
    return list(dict.fromkeys(loose if wrapped is None else wrapped))


def _user_texts(content: Json) -> Iterator[str]:
    if content.get("role", "user") == "user":
        for part in objects(content.get("parts")):
            if isinstance(text := part.get("text"), str):
                yield text


def _kind(body: Json, request: Json) -> Kind:
    kind = body.get("requestType") or None
    if kind == "checkpoint" or str(body.get("requestId", "")).startswith("checkpoint/"):
        return "checkpoint"
    known = kind in (None, "agent")  # old builds name no type
    declared = _declared(request)
    if known and _DUMMY_TOOL in declared:
        return "checkpoint"
    ending = _ending(request)
    no_tools = lookup(request, "toolConfig", "functionCallingConfig", "mode") == "NONE"
    if no_tools and ending == "order":
        return "checkpoint"
    if not known:
        return "other"  # tab, web_search, …
    # A retry is the agent's, whatever precedes it.
    if kind is None and ending != "retry" and (no_tools or not declared) and _is_small(body, request, ending):
        return "checkpoint"
    return "agent"


def _is_small(body: Json, request: Json, ending: Ending) -> bool:
    """Whether a call of an old build, without tools to use, looks like a summary or title call."""
    return _SMALL_MODEL in str(body.get("model", "")) or (ending == "order" and _follows_an_answer(request))


def _declared(request: Json) -> list[object]:
    return [
        declaration.get("name")
        for tool in objects(request.get("tools"))
        for declaration in objects(tool.get("functionDeclarations"))
    ]


def _ending(request: Json) -> Ending:
    """What the user texts after the model's last content, or after a tool's result, end with: a turn's request, a
    retry, or an order of the LS's own. Reminders and quoted history do not count."""
    for content in reversed(objects(request.get("contents"))):
        parts = objects(content.get("parts"))
        if content.get("role", "user") != "user" or any("functionResponse" in part for part in parts):
            break
        for text in reversed(list(_user_texts(content))):
            bare = marker.unnumbered(text)
            if bare.startswith(marker.RETRY):
                return "retry"
            if marker.REQUEST in bare or marker.cascades(bare):
                return "turn"
            if not bare.startswith(_NOT_THE_USERS):
                return "order"
    return "turn"


def _follows_an_answer(request: Json) -> bool:
    """Whether the last content comes right after the model's."""
    contents = objects(request.get("contents"))
    return len(contents) > 1 and contents[-2].get("role") == "model"


def named(request_id: object) -> str | None:
    """The cascade that a requestId names."""
    found = _REQUEST_ID.fullmatch(narrow.text(request_id))
    return found.group(1) if found else None
