"""Google request → which cascade it belongs to and what kind of call it is. Pure; never guesses.

The marker ``.<cid:ID>`` is searched after JSON parsing (Go escapes ``<``) in every part of every user content;
``requestId`` ``agent/<cascade>/…`` is a second witness, and if the two disagree the call is left alone.
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
    r"/(v1internal|v1(?:beta|alpha)?/(?:models|tunedModels)/[^/?]+)(?::|%3[Aa])(?:streamG|g)enerateContent(?:\?|$)"
)
_MARKER = re.compile(r"<cid:([^<>\s]{1,128})>")
_WRAPPER = re.compile(r"<USER_REQUEST>(.*?)</USER_REQUEST>", re.DOTALL)
_WITNESS = re.compile(r"agent/([^/]+)/\d+/[^/]+/\d+")
_LITE = re.compile(r"flash-lite")


@dataclass(frozen=True, slots=True)
class Match:
    """``kind`` ``agent`` may be claimed, ``checkpoint`` never touches a channel, ``other`` is left alone.

    ``reason`` says why, from a closed list (metrics label).
    """

    kind: Kind
    cascade_id: str | None
    reason: str


def is_generate_path(path: str) -> bool:
    """Whether a request path is one of Google's generate calls, of either API."""
    return _PATH.search(path) is not None


def match(path: str, body: Json) -> Match:
    """What this call is. ``body`` is the parsed request, with or without envelope."""
    if not is_generate_path(path):
        return Match("other", None, "path")
    request = body.get("request")
    request = cast("Json", request) if isinstance(request, dict) else body
    cascade_id, ambiguous = _cascade(request)
    witness = _witness(body.get("requestId"))
    if cascade_id is None:
        return Match("other", None, "ambiguous_marker" if ambiguous else "no_marker")
    kind = _kind(body, request)
    if kind == "agent" and witness is not None and witness != cascade_id:
        return Match("other", cascade_id, "witness_disagrees")
    return Match(kind, cascade_id, kind if kind != "other" else "request_type")


def _cascade(request: Json) -> tuple[str | None, bool]:
    """(cascade id, whether markers contradict each other). The last user request's wrapper wins over any other
    place: history and summaries quote older markers."""
    loose: list[str] = []
    wrapped: list[str] = []
    for text in _user_texts(request):
        inside = [found.group(1) for found in _WRAPPER.finditer(text)]
        for request_text in inside:
            found = _MARKER.findall(request_text)
            if len(set(found)) > 1:
                return None, True
            wrapped += found[:1]
        loose += _MARKER.findall(_WRAPPER.sub("", text))
    if wrapped:
        return wrapped[-1], False
    if len(set(loose)) > 1:
        return None, True
    return (loose[0], False) if loose else (None, False)


def _user_texts(request: Json) -> Iterator[str]:
    for content in _objects(request.get("contents")):
        if content.get("role", "user") == "user":
            for part in _objects(content.get("parts")):
                if isinstance(text := part.get("text"), str):
                    yield text


def _kind(body: Json, request: Json) -> Kind:
    kind = body.get("requestType")
    if kind == "checkpoint" or (isinstance(kind, str) and kind not in ("agent", "")):
        return "checkpoint" if kind == "checkpoint" else "other"
    if str(body.get("requestId", "")).startswith("checkpoint/"):
        return "checkpoint"
    return "checkpoint" if _checkpoint_shape(body, request) else "agent"


def _checkpoint_shape(body: Json, request: Json) -> bool:
    """Old builds send no requestType: a summary call has its dummy tool, or no usable tools and a small model, and
    ends with a user entry without marker after a model entry."""
    declared = [
        declaration.get("name")
        for tool in _objects(request.get("tools"))
        for declaration in _objects(tool.get("functionDeclarations"))
    ]
    if "do_not_call" in declared:
        return True
    config = request.get("toolConfig")
    calling = cast("Json", config).get("functionCallingConfig") if isinstance(config, dict) else None
    mode = cast("Json", calling).get("mode") if isinstance(calling, dict) else None
    if mode != "NONE":
        return False
    return _LITE.search(str(body.get("model", ""))) is not None or _ends_with_a_question_of_its_own(request)


def _ends_with_a_question_of_its_own(request: Json) -> bool:
    contents = list(_objects(request.get("contents")))
    if len(contents) < 2 or contents[-2].get("role") != "model":
        return False
    last = "".join(str(part.get("text", "")) for part in _objects(contents[-1].get("parts")))
    return _MARKER.search(last) is None


def _witness(request_id: object) -> str | None:
    found = _WITNESS.fullmatch(request_id) if isinstance(request_id, str) else None
    return found.group(1) if found else None


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, dict):
                yield cast("Json", item)
