"""``messages`` → Google's contents, through ``History``: roles, content parts, calls and their results.

An assistant's thoughts are dropped. The signature of a call, and what Google's own tools did before it, come from
``extra_content.google``. A message's ``name`` becomes part of its text (``names.py``).
Facts: wire-openai 9, 10; wire-gemini-and-mapping 4, 6.
"""

from __future__ import annotations

from typing import Any

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.chat import names
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.history import SERVER_TOOLS, History
from zerogravity.surfaces.common.sealed_state import Carried
from zerogravity.surfaces.openai import content
from zerogravity.surfaces.openai.content import Content
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
LITELLM = ("provider_specific_fields", "thought_signature")
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
TEXTS = {"content", "refusal", "reasoning_content", "reasoning"}  # an assistant's message has one of them, even null


class Messages:
    """Reads one request's messages into a ``History``. ``family``: of the model that will answer; signatures of other
    families are dropped."""

    def __init__(self, history: History, context: Context, family: str) -> None:
        self._history = history
        self._context = context
        self._family = family
        self._index = 0
        self._several = False  # there is more than one assistant
        self._legacy: list[tuple[str, str]] = []  # (name, id) of function_call entries without a result

    def read(self, messages: list[object]) -> None:
        """Raises FaultError 400 naming the entry."""
        known = names.assistants(messages)
        self._several = len(known) > 1
        for index, value in enumerate(messages):
            path, self._index = f"messages[{index}]", index
            message = fields.as_object(value, path)
            if fields.required_string(message, "role", path=path) not in ROLES:
                raise fields.invalid_value(f"{path}.role", message["role"], ROLES)
            name = fields.string(message, "name", path=path)
            match message["role"]:
                case "system" | "developer":
                    for part in names.with_name(name, SYSTEM.read(message, "content", path)):
                        self._history.system(str(part["text"]))
                case "user":
                    self._history.user(names.with_name(name, USER.read(message, "content", path)))
                case "assistant":
                    self._assistant(message, path)
                case "tool":
                    self._tool(message, path)
                case _:
                    self._function(message, path)
        self._history.system(names.instruction(known))

    def _assistant(self, message: Json, path: str) -> None:
        if message.get("audio") is not None:
            raise bad_request("Audio answers are not supported.", param=f"{path}.audio", code="unsupported_parameter")
        fields.string(message, "reasoning_content", path=path)
        refusal = fields.string(message, "refusal", path=path)
        calls = fields.array(message, "tool_calls", path=path) or []
        legacy = fields.obj(message, "function_call", path=path)
        images = fields.array(message, "images", path=path) or []
        parts = ASSISTANT.read(message, "content", path)
        if refusal:
            parts.append({"text": refusal})
        if not (TEXTS & message.keys() or calls or legacy or images):
            raise fields.missing(f"{path}.content")
        signature = signature_of(message)
        if signature is not None and parts and "text" in parts[-1] and not calls:
            parts[-1] = {**parts[-1], "thoughtSignature": signature}
        for part in names.with_name(message.get("name") if self._several else None, parts):
            self._history.model_part(part)
        for image, place in fields.each_object(images, f"{path}.images"):
            self._history.model_part(picture(image, place))
        for call, place in fields.each_object(calls, f"{path}.tool_calls"):
            self._call(call, place)
        if legacy is not None:
            self._legacy_call(legacy, path)

    def _call(self, call: Json, path: str) -> None:
        call_id = fields.required_string(call, "id", path=path)
        if not call_id:
            raise bad_request(f"Invalid '{path}.id': it is empty.", param=f"{path}.id", code="invalid_value")
        kind = fields.choice(call, "type", ("function", "custom"), path=path) or "function"
        inner = fields.required_obj(call, kind, path=path)
        name = fields.required_string(inner, "name", path=f"{path}.{kind}")
        if kind == "custom":
            text = fields.required_string(inner, "input", path=f"{path}.custom")
            arguments = jsonio.text({"input": text})
        else:
            arguments = fields.string(inner, "arguments", path=f"{path}.function") or ""
        known = self._context.recall(call_id)
        carried = self._carried(call, path) if known is None or known.family == self._family else None
        self._history.model_call(call_id, name, arguments, carried=carried, param=path)

    def _legacy_call(self, call: Json, path: str) -> None:
        name = fields.required_string(call, "name", path=f"{path}.function_call")
        arguments = fields.string(call, "arguments", path=f"{path}.function_call") or ""
        call_id = f"function_call_{self._index}"  # the legacy form has no ids
        self._legacy.append((name, call_id))
        carried = self._carried(call, f"{path}.function_call")
        self._history.model_call(call_id, name, arguments, carried=carried, param=f"{path}.function_call")

    def _carried(self, call: Json, path: str) -> Carried | None:
        signature = signature_of(call)
        return Carried(signature, self._family, before=server_tools_of(call, path)) if signature is not None else None

    def _tool(self, message: Json, path: str) -> None:
        call_id = fields.required_string(message, "tool_call_id", path=path)
        parts = USER.read(message, "content", path)
        try:
            self._history.result(call_id, parts, param=f"{path}.tool_call_id")
        except FaultError:
            text = (
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                f"'tool_calls'. There is no call with the id '{call_id}' that still lacks a result."
            )
            raise bad_request(text, param=f"{path}.tool_call_id", code="invalid_value") from None

    def _function(self, message: Json, path: str) -> None:
        name = fields.required_string(message, "name", path=path)
        output = fields.string(message, "content", path=path)
        found = next((entry for entry in self._legacy if entry[0] == name), None)
        if found is None:
            text = (
                "Messages with role 'function' must be a response to a preceding message with 'function_call'. "
                f"There is no call of '{name}' that still lacks a result."
            )
            raise bad_request(text, param=f"{path}.name", code="invalid_value")
        self._legacy.remove(found)
        self._history.result(found[1], output or "", param=path)


def picture(part: Json, path: str) -> Part:
    """A user's picture, or an assistant's that a client sends back, with its signature."""
    made, signature = content.picture(part, path), signature_of(part)
    return made if signature is None else {**made, "thoughtSignature": signature}


def _file(part: Json, path: str) -> Part:
    return content.file(fields.required_obj(part, "file", path=path), f"{path}.file")


def _left_out(part: Json, path: str) -> None:
    """Thoughts, as clients of other gateways send them back."""


USER = Content({"text": content.text, "image_url": picture, "input_audio": content.audio, "file": _file})
SYSTEM = Content({"text": content.text})
ASSISTANT = Content(
    {"text": content.text, "refusal": content.refusal, "image_url": picture},
    also=dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), _left_out),
    required=False,
)


def signature_of(entry: Json) -> str | None:
    """A thought signature, where Google's own endpoint (``extra_content``) and LiteLLM put it."""
    google = narrow.lookup(entry, "extra_content", "google", "thought_signature")
    return narrow.text(google) or narrow.text(narrow.lookup(entry, *LITELLM)) or None


def server_tools_of(call: Json, path: str) -> tuple[str, ...]:
    """The parts of Google's own tools that a client kept for us with a call. Raises FaultError 400."""
    given = narrow.lookup(call, "extra_content", "google", "server_tools")
    if given is None:
        return ()
    entries, texts = narrow.items(given), list[str]()
    for index, text in enumerate(entries if isinstance(given, list) else [None]):
        try:
            part = jsonio.loads(text.encode("utf-8", "replace")) if isinstance(text, str) else None
        except ValueError:
            part = None
        if not isinstance(text, str) or SERVER_TOOLS.isdisjoint(narrow.members(part)):
            place = f"{path}.extra_content.google.server_tools"
            raise fields.invalid_type(f"{place}[{index}]", "the text of a toolCall or toolResponse part", text)
        texts.append(text)
    return tuple(texts)
