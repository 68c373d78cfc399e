"""``system`` and ``messages`` → Google's contents, through ``History``: roles, calls, their results, thoughts.

Messages of one role in a row are one message. A system message keeps its place, as a reminder in the user's name, since
Google knows no such role; before all others it is part of the system instruction. Results come before whatever else is
in their message, and keep their layout, since files are edited by it. Thoughts go back where their signature was made
here, by the family that will answer; otherwise they are dropped: never are they text.
Facts: wire-anthropic 2.1, 2.2, 2.4.
"""

from __future__ import annotations

from typing import Any

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.common.sealed_state import Carried, unseal
from zerogravity.surfaces.messages.content import blocks, joined, nested, parts
from zerogravity.surfaces.messages.identifiers import call_id
from zerogravity.surfaces.messages.thinking import EFFORTS
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
ROLES = ("user", "assistant", "system")
BILLING = "x-anthropic-billing-header:"
REMINDER = "<system-reminder>"
PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."
NO_RESULT = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` block must have "
    "a corresponding `tool_result` block in the next message."
)
NO_CALL = (
    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding "
    "`tool_use` block in the previous message."
)


class Turns:
    """Reads one request's dialogue into a ``History``. ``effort``: what the last system message that names one says.
    ``notes``: what was left out."""

    def __init__(self, history: History, context: Context, family: str) -> None:
        self.effort: str | None = None
        self.notes: list[str] = []
        self._history = history
        self._secret = context.secret
        self._family = family
        self._carried: dict[str, Carried] = {}  # by call id, from thinking blocks
        self._thoughts: list[Part] = []  # signed ones, which go before the next text or call
        self._open: dict[str, str] = {}  # tool_use id → path of its message, while it has no result
        self._answered: set[str] = set()  # tool_use ids of this step that have one
        self._speaker = ""  # whose the last message was that was not left empty

    def system(self, body: Json) -> None:
        """``system``: one text. Raises FaultError 400."""
        texts: list[str] = []
        for kind, block, path in blocks(body, "system", "", required=False):
            if kind != "text":
                self._skip(kind, path)
            elif (text := fields.required_string(block, "text", path=path)).startswith(BILLING):
                self.notes.append(f"{path}: the billing header left out: it is for another provider")
            elif text:
                texts.append(text)
        self._history.system("\n\n".join(texts))

    def read(self, messages: list[object]) -> None:
        """Raises FaultError 400 naming the entry."""
        for message, path in fields.each_object(messages, "messages"):
            match fields.required_string(message, "role", path=path):
                case "user":
                    self._user(message, path)
                case "assistant":
                    self._assistant(message, path)
                case "system":
                    self._reminder(message, path)
                case role:
                    raise fields.invalid_value(f"{path}.role", role, ROLES)
        self._expect_results()
        if self._speaker == "assistant":
            raise bad_request(PREFILL, param="messages", code="invalid_value")

    # -- roles -----------------------------------------------------------------------------------------------

    def _user(self, message: Json, path: str) -> None:
        self._thoughts.clear()
        said: list[Part] = []
        for kind, block, place in blocks(message, "content", path):
            match kind:
                case "tool_result":
                    self._result(block, place)
                case "tool_use":
                    raise _misplaced(kind, "assistant", place)
                case _:
                    said += parts(kind, block, place, self._skip)
        self._history.user(said)
        if said:
            self._speaker = "user"

    def _reminder(self, message: Json, path: str) -> None:
        effort = fields.obj(message, "output_config", path=path) or {}
        self.effort = fields.choice(effort, "effort", EFFORTS, path=f"{path}.output_config") or self.effort
        found = nested(message, "content", path, self._skip)
        texts = [str(part["text"]) for part in found if "text" in part]
        if not self._speaker:
            for text in texts:
                self._history.system(text)
        elif texts:
            self._history.user([{"text": _reminding("\n\n".join(texts))}])
            self._speaker = "user"
        self._history.user([part for part in found if "text" not in part])

    def _assistant(self, message: Json, path: str) -> None:
        if self._speaker == "user":
            self._expect_results()
        for kind, block, place in blocks(message, "content", path):
            match kind:
                case "tool_use":
                    self._call(block, place, path)
                case "tool_result":
                    raise _misplaced(kind, "user", place)
                case "thinking":
                    self._thinking(block, "signature", fields.string(block, "thinking", path=place) or "", place)
                case "redacted_thinking":
                    self._thinking(block, "data", "", place)
                case _:
                    self._model(parts(kind, block, place, self._skip))

    # -- the model's parts -----------------------------------------------------------------------------------

    def _model(self, said: list[Part]) -> None:
        """Parts of the model, after the signed thoughts that led to them."""
        if said:
            for part in [*self._thoughts, *said]:
                self._history.model_part(part)
            self._thoughts.clear()
            self._speaker = "assistant"

    def _thinking(self, block: Json, member: str, text: str, path: str) -> None:
        """A thought, and the signatures that it holds: its own, and that of the call behind it."""
        sealed = fields.string(block, member, path=path)
        carried = unseal(self._secret, sealed) if sealed else None
        if carried is None:
            self._note("thinking left out: it was not signed here")
        for each in carried or ():
            if each.family != self._family:
                self._note("thinking left out: another model signed it")
            elif each.call_id is not None:
                self._carried[each.call_id] = each
            elif whole := "".join(each.before) or text:
                self._thoughts.append({"text": whole, "thought": True, "thoughtSignature": each.signature})

    def _call(self, block: Json, path: str, message: str) -> None:
        own, name = _identity(block, "id", path), fields.required_string(block, "name", path=path)
        given = fields.obj(block, "input", path=path) or {}
        for part in self._thoughts:
            self._history.model_part(part)
        self._thoughts.clear()
        self._history.model_call(
            call_id(own), name, jsonio.text(given), carried=self._carried.get(call_id(own)), param=path
        )
        self._open[own] = message
        self._answered.discard(own)
        self._speaker = "assistant"

    # -- results ---------------------------------------------------------------------------------------------

    def _result(self, block: Json, path: str) -> None:
        own = _identity(block, "tool_use_id", path)
        if own not in self._open:
            several = f"each tool_use must have a single result. Found multiple `tool_result` blocks with id: {own}"
            text = several if own in self._answered else NO_CALL.format(id=own)
            raise bad_request(text, param=path, code="invalid_value")
        failed = fields.boolean(block, "is_error", path=path)
        output = joined(nested(block, "content", path, self._skip, required=False))
        self._history.result(call_id(own), output, error=failed, verbatim=True, param=path)
        del self._open[own]
        self._answered.add(own)
        self._speaker = "user"

    def _expect_results(self) -> None:
        """Raises FaultError 400 if a call of the last step has none."""
        self._answered.clear()
        for path in self._open.values():
            raise bad_request(NO_RESULT.format(ids=", ".join(self._open)), param=path, code="invalid_value")

    # -- what is left out ------------------------------------------------------------------------------------

    def _skip(self, kind: str, path: str) -> None:
        self._note(f"blocks of the type {kind} left out: they cannot be passed on to the model")

    def _note(self, text: str) -> None:
        """Once: a long dialogue has the same many times."""
        if text not in self.notes:
            self.notes.append(text)


def _identity(block: Json, member: str, path: str) -> str:
    value = fields.required_string(block, member, path=path)
    if not value:
        param = f"{path}.{member}"
        raise bad_request(f"Invalid '{param}': it is empty.", param=param, code="invalid_value")
    return value


def _misplaced(kind: str, role: str, path: str) -> FaultError:
    return bad_request(f"`{kind}` blocks can only be in `{role}` messages", param=path, code="invalid_value")


def _reminding(text: str) -> str:
    return text if text.lstrip().startswith(REMINDER) else f"{REMINDER}\n{text}\n</system-reminder>"
