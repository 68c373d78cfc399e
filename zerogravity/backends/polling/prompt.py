"""A turn → what the language server is told when nothing is put into its request later: the conversation as text.

Without interception the LS's own prompt, tools and settings apply: what cannot be had so is refused, naming it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from zerogravity.core.google import Tool
from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.wire import jsonio

NO_INTERCEPTION = "this needs interception, which is switched off (intercept = false)"
NAMES = {"user": "user", "model": "assistant"}
SCHEMAS = ("responseSchema", "responseJsonSchema")


@dataclass(frozen=True, slots=True)
class Message:
    """What the LS is told as the user's words. ``images``: ``{"base64Data": …, "mimeType": …}`` each."""

    text: str
    images: tuple[Mapping[str, str], ...] = ()


def told_in_full(turn: Turn, schema_params: Mapping[str, str | None] = MappingProxyType({})) -> Message:
    """The whole conversation as one message. Raises FaultError (400) for what only interception can serve.

    ``schema_params``: surface → its parameter that asks for an answer by a schema.
    """
    _refuse(turn, schema_params.get(turn.surface))
    images: list[Mapping[str, str]] = []
    contents = [content for content in turn.google_request.get("contents") or () if isinstance(content, dict)]
    system = _text(turn.google_request.get("systemInstruction") or {}, images, turn)
    entries = [(NAMES.get(str(content.get("role")), "user"), _text(content, images, turn)) for content in contents]
    if not system and [name for name, _ in entries] == ["user"]:
        return Message(entries[0][1], tuple(images))
    blocks = [("instructions", system)] if system else []
    text = "\n\n".join(f"<{name}>\n{words}\n</{name}>" for name, words in (*blocks, *entries))
    return Message(f"{text}\n\nAnswer as the assistant, to the last user entry.", tuple(images))


def unapplied(turn: Turn) -> list[str]:
    """What of a request has no effect here: said in the turn's notices, since the answer is right all the same."""
    names = [name for name in turn.google_request.get("generationConfig") or {} if name not in SCHEMAS]
    names += ["safetySettings"] if turn.google_request.get("safetySettings") else []
    return [f"{name} has no effect without interception: the language server's own applies" for name in names]


def _refuse(turn: Turn, schema_param: str | None) -> None:
    tools = [tool for tool in turn.google_request.get("tools") or () if isinstance(tool, dict)]
    if names := list(_names(tools, turn)):
        text = f"tools cannot be served: {NO_INTERCEPTION}: {', '.join(names[:10])}"
        raise bad_request(text, param="tools", code="unsupported_parameter")
    config = turn.google_request.get("generationConfig") or {}
    if any(config.get(name) for name in SCHEMAS):
        text = f"a schema of the answer cannot be enforced: {NO_INTERCEPTION}"
        raise bad_request(text, param=schema_param, code="unsupported_parameter")


def _names(tools: list[Tool], turn: Turn) -> Iterator[str]:
    """The client's functions by name, Google's own tools by kind."""
    for tool in tools:
        for function in tool.get("functionDeclarations") or ():
            yield turn.client_name(str(function.get("name", "")))
        yield from (kind for kind in tool if kind != "functionDeclarations")


def _text(content: Mapping[str, Any], images: list[Mapping[str, str]], turn: Turn) -> str:
    """One entry's parts as text; pictures are collected and numbered."""
    return "\n".join(filter(None, (_part(part, images, turn) for part in content.get("parts") or ())))


def _part(part: Mapping[str, Any], images: list[Mapping[str, str]], turn: Turn) -> str:
    match part:
        case {"thought": True}:
            return ""  # thinking of earlier answers is not shown to the model again
        case {"text": str(text)}:
            return text
        case {"inlineData": {"mimeType": str(mime), "data": str(data)}}:
            if not mime.startswith("image/"):
                raise bad_request(f"{mime} cannot be sent: {NO_INTERCEPTION}", code="unsupported_value")
            images.append({"base64Data": data, "mimeType": mime})
            return f"[image {len(images)}]"
        case {"fileData": {"fileUri": str(uri)}}:
            return f"[file {uri}]"
        case {"functionCall": {"name": str(name), **rest}}:
            return f"[called {turn.client_name(name)} with {jsonio.text(rest.get('args') or {})}]"
        case {"functionResponse": {"name": str(name), **rest}}:
            return f"[{turn.client_name(name)} answered {jsonio.text(rest.get('response'))}]"
        case _:
            if kinds := sorted(set(part) - {"thoughtSignature"}):
                raise bad_request(f"{', '.join(kinds)} cannot be sent: {NO_INTERCEPTION}", code="unsupported_value")
            return ""
