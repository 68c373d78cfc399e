"""Google request → which cascade it belongs to and what kind of call it is. Pure; never guesses.

The marker ``.<cid:ID>`` is searched after JSON parsing (Go escapes ``<``) in every part of every user content. The one
inside the last ``<USER_REQUEST>`` wrapper wins over any other: history and summaries quote older ones. ``requestId``
``agent/<cascade>/…`` is a second witness, and if the two disagree the call is left alone.

| requestType, requestId     | shape                                                   | kind       |
|----------------------------|---------------------------------------------------------|------------|
| checkpoint                 | any                                                     | checkpoint |
| tab, web_search, …         | any                                                     | other      |
| agent, or none (old build) | declares the summariser's dummy tool                    | checkpoint |
| agent, or none             | tool mode NONE, and ends with a question of its own     | checkpoint |
| none                       | the same without tools, or a small model without them   | checkpoint |
| agent, or none             | anything else                                           | agent      |

Facts: language-server-and-google C.1, C.3, D.1-D.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

Kind = Literal["agent", "checkpoint", "other"]
Json = Mapping[str, Any]

_PATH = re.compile(
    r"(?:/[^?]*)?/(?:v1internal|v1(?:beta|alpha)?/(?:models|tunedModels)/[^/?]+)(?::|%3[Aa])"
    r"(?:generateContent|streamGenerateContent)"
)
_MARKER = re.compile(r"<cid:([^<>\s]{1,128})>")
_WITNESS = re.compile(r"agent/([^/]+)/\d+/[^/]+/\d+")
_SMALL_MODEL = "flash-lite"
_DUMMY_TOOL = "do_not_call"


@dataclass(frozen=True, slots=True)
class Match:
    """``kind`` ``agent`` may be claimed, ``checkpoint`` never touches a channel, ``other`` is left alone.

    ``reason`` says why, from a closed list (metrics label): agent, checkpoint, path, no_marker, ambiguous_marker,
    witness_disagrees, request_type.
    """

    kind: Kind
    cascade_id: str | None
    reason: str


def is_generate_path(path: str) -> bool:
    """Whether a request path is one of Google's generate calls, of either API, below any base."""
    return _PATH.fullmatch(path.partition("?")[0]) is not None


def match(path: str, body: Json) -> Match:
    """What this call is. ``body`` is the parsed request, with or without envelope."""
    if not is_generate_path(path):
        return Match("other", None, "path")
    request = body.get("request")
    request = cast("Json", request) if isinstance(request, dict) else body
    witness = _witness(body.get("requestId"))
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
    for content in _objects(request.get("contents")):
        if content.get("role") == "model":
            answered = wrapped is not None
        for text in _user_texts(content):
            for user_request in _user_requests(text):
                if markers := _MARKER.findall(user_request):
                    wrapped, answered = markers, False
                elif answered:
                    wrapped = []
            loose += _MARKER.findall(text)
    return list(dict.fromkeys(loose if wrapped is None else wrapped))


def _user_requests(text: str) -> Iterator[str]:
    for piece in text.split("<USER_REQUEST>")[1:]:
        inside, end, _ = piece.partition("</USER_REQUEST>")
        if end:
            yield inside


def _user_texts(content: Json) -> Iterator[str]:
    if content.get("role", "user") == "user":
        for part in _objects(content.get("parts")):
            if isinstance(text := part.get("text"), str):
                yield text


def _kind(body: Json, request: Json) -> Kind:
    kind = body.get("requestType") or None
    if kind == "checkpoint" or str(body.get("requestId", "")).startswith("checkpoint/"):
        return "checkpoint"
    if kind not in (None, "agent"):
        return "other"
    return "checkpoint" if _summarises(body, request, sure=kind == "agent") else "agent"


def _summarises(body: Json, request: Json, *, sure: bool) -> bool:
    """Whether this has the shape of a summary or title call. ``sure``: it calls itself an agent call, so less of
    it must be odd to be believed."""
    declared = [
        declaration.get("name")
        for tool in _objects(request.get("tools"))
        for declaration in _objects(tool.get("functionDeclarations"))
    ]
    if _DUMMY_TOOL in declared:
        return True
    if _tool_mode(request) != "NONE" and (declared or sure):
        return False
    return _ends_with_a_question_of_its_own(request) or (not sure and _SMALL_MODEL in str(body.get("model", "")))


def _tool_mode(request: Json) -> object:
    config = request.get("toolConfig")
    calling = cast("Json", config).get("functionCallingConfig") if isinstance(config, dict) else None
    return cast("Json", calling).get("mode") if isinstance(calling, dict) else None


def _ends_with_a_question_of_its_own(request: Json) -> bool:
    """A last user text without marker right after a model's answer: nobody's turn, the summariser's order."""
    contents = list(_objects(request.get("contents")))
    if len(contents) < 2 or contents[-2].get("role") != "model":
        return False
    texts = list(_user_texts(contents[-1]))
    return bool(texts) and not any(_MARKER.search(text) for text in texts)


def _witness(request_id: object) -> str | None:
    found = _WITNESS.fullmatch(request_id) if isinstance(request_id, str) else None
    return found.group(1) if found else None


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("Json", item)
