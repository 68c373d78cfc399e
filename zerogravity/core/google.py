"""Google's request as types: the members that are read or written here. A client may send more, which stays in the
mapping untouched; what a passive recording holds is narrowed before it is believed.

Facts: wire-gemini-and-mapping 1.1, 2; language-server-and-google C.3; antigravity-runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, cast

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

NO_SESSION = "-3750763034362895579"  # the hash of an empty text: every editor's language server sends it
LONGEST = 200  # characters of a session's name that are kept


class Part(TypedDict, total=False):
    """One of ``text``, ``inlineData``, ``functionCall`` …; ``thought`` and ``thoughtSignature`` with any of them."""

    text: str
    thought: bool
    thoughtSignature: str
    inlineData: dict[str, Any]
    functionCall: dict[str, Any]
    functionResponse: dict[str, Any]


class Content(TypedDict, total=False):
    role: str
    parts: Sequence[Part]


class Tool(TypedDict, total=False):
    functionDeclarations: Sequence[dict[str, Any]]
    googleSearch: dict[str, Any]


class GenerationConfig(TypedDict, total=False):
    maxOutputTokens: int
    thinkingConfig: dict[str, Any]
    responseMimeType: str


class GenerateContentRequest(TypedDict, total=False):
    contents: Sequence[Content]
    systemInstruction: Content
    tools: Sequence[Tool]
    toolConfig: dict[str, Any]
    generationConfig: GenerationConfig
    safetySettings: Sequence[dict[str, Any]]
    cachedContent: str


def as_request(value: Json) -> GenerateContentRequest:
    """A request that a surface has built or read, or a trace holds."""
    return cast("GenerateContentRequest", value)


def session_of(request: Json) -> str:
    """The conversation that a request, without envelope, says it belongs to; empty where it does not say.
    gemini-cli spells it ``session_id``."""
    session = narrow.text(request.get("sessionId")) or narrow.text(request.get("session_id"))
    return "" if session == NO_SESSION else session[:LONGEST]
