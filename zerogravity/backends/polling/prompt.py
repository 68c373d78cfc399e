"""A turn → the user message that a language server gets when nothing is put into its request later: the conversation
as text.

Without interception the LS's own prompt, tools and settings apply: what that rules out is refused, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, members, objects

NO_INTERCEPTION = "this needs interception, which is switched off (intercept = false)"
NAMES = {"user": "user", "model": "assistant"}
SCHEMAS = ("responseSchema", "responseJsonSchema")


@dataclass(frozen=True, slots=True)
class Message:
    """``images``: ``{"base64Data": …, "mimeType": …}`` each."""

    text: str
    images: tuple[Mapping[str, str], ...] = ()


def refuse(turn: Turn, schema_params: Mapping[str, str | None] = MappingProxyType({})) -> None:
    """Raises FaultError (400) for what only interception can serve.

    ``schema_params``: surface → its parameter that asks for an answer by a schema.
    """
    _refuse_settings(turn, schema_params.get(turn.surface))
    system = members(turn.google_request.get("systemInstruction"))
    for content in (system, *objects(turn.google_request.get("contents"))):
        for part in objects(content.get("parts")):
            if (what := _unsendable(part)) is not None:
                raise bad_request(f"{what} cannot be sent: {NO_INTERCEPTION}", code="unsupported_value")


def as_message(turn: Turn) -> Message:
    """The whole conversation as one message, of a turn that ``refuse`` has let pass."""
    images: list[Mapping[str, str]] = []
    system = _text(members(turn.google_request.get("systemInstruction")), images, turn)
    entries = [
        (NAMES.get(str(content.get("role")), "user"), _text(content, images, turn))
        for content in objects(turn.google_request.get("contents"))
    ]
    if not system and [name for name, _ in entries] == ["user"]:
        return Message(entries[0][1], tuple(images))
    blocks = [("instructions", system)] if system else []
    text = "\n\n".join(f"<{name}>\n{words}\n</{name}>" for name, words in (*blocks, *entries))
    return Message(f"{text}\n\nAnswer as the assistant, to the last user entry.", tuple(images))


def unapplied(turn: Turn) -> list[str]:
    """What in a request has no effect here: notices of the turn, since the answer is right all the same."""
    names = [name for name in members(turn.google_request.get("generationConfig")) if name not in SCHEMAS]
    names += ["safetySettings"] if turn.google_request.get("safetySettings") else []
    return [f"{name} has no effect without interception: the language server's own applies" for name in names]


def _refuse_settings(turn: Turn, schema_param: str | None) -> None:
    if names := list(_tool_names(turn)):
        text = f"tools cannot be served: {NO_INTERCEPTION}: {', '.join(names[:10])}"
        raise bad_request(text, param="tools", code="unsupported_parameter")
    config = members(turn.google_request.get("generationConfig"))
    if any(config.get(name) for name in SCHEMAS):
        text = f"a schema of the answer cannot be enforced: {NO_INTERCEPTION}"
        raise bad_request(text, param=schema_param, code="unsupported_parameter")


def _unsendable(part: Json) -> str | None:
    """What in a part cannot be sent as text or as a picture."""
    match part:
        case {"thought": True} | {"text": str()}:
            return None
        case {"inlineData": {"mimeType": str(mime), "data": str()}}:
            return None if mime.startswith("image/") else mime
        case {"fileData": {"fileUri": str()}}:
            return None
        case {"functionCall": {"name": str()}} | {"functionResponse": {"name": str()}}:
            return None
        case _:
            kinds = sorted(set(part) - {"thoughtSignature"})
            return ", ".join(kinds) if kinds else None


def _tool_names(turn: Turn) -> Iterator[str]:
    """The client's functions by name, Google's own tools by kind, MCP servers."""
    for tool in objects(turn.google_request.get("tools")):
        for function in objects(tool.get("functionDeclarations")):
            yield turn.client_name(str(function.get("name", "")))
        yield from (kind for kind in tool if kind != "functionDeclarations")
    yield from (f"MCP server {server.label}" for server in turn.servers)


def _text(content: Json, images: list[Mapping[str, str]], turn: Turn) -> str:
    """One entry's parts as text; pictures are collected and numbered."""
    return "\n".join(filter(None, (_part(part, images, turn) for part in objects(content.get("parts")))))


def _part(part: Json, images: list[Mapping[str, str]], turn: Turn) -> str:
    match part:
        case {"thought": True}:
            return ""  # the model does not get the thinking of earlier answers again
        case {"text": str(text)}:
            return text
        case {"inlineData": {"mimeType": str(mime), "data": str(data)}}:
            images.append({"base64Data": data, "mimeType": mime})
            return f"[image {len(images)}]"
        case {"fileData": {"fileUri": str(uri)}}:
            return f"[file {uri}]"
        case {"functionCall": {"name": str(name), **rest}}:
            return f"[called {turn.client_name(name)} with {jsonio.text(rest.get('args') or {})}]"
        case {"functionResponse": {"name": str(name), **rest}}:
            return f"[{turn.client_name(name)} answered {jsonio.text(rest.get('response'))}]"
        case _:
            return ""
