"""One streamed answer of Google as the language-server stand-in takes it in: chunks → parts, calls, figures.

Reads both spellings of member names, as Go's JSON codec does. Facts: language-server-and-google C.4.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import uuid4

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.google.generate_request import get
from zerogravity.testing.simulator.language_server.state import PlannerStep
from zerogravity.wire.narrow import lookup, members, objects, text

STOP_REASONS = {
    "STOP": "STOP_PATTERN", "MAX_TOKENS": "MAX_TOKENS", "SAFETY": "CONTENT_FILTER", "BLOCKLIST": "CONTENT_FILTER",
    "PROHIBITED_CONTENT": "CONTENT_FILTER", "RECITATION": "CONTENT_FILTER", "SPII": "CONTENT_FILTER",
    "MALFORMED_FUNCTION_CALL": "IMPROPER_FORMAT", "OTHER": "OTHER",
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """One function call that the model wants. ``id``: empty when Google gave none."""

    name: str
    args: object
    id: str

    @property
    def step_form(self) -> Json:
        """As a planner step lists it: the arguments are a string."""
        arguments = json.dumps(self.args, separators=(",", ":"))
        return {"id": self.id or f"call_{uuid4().hex[:8]}", "name": self.name, "argumentsJson": arguments}


@dataclass(slots=True)
class Answer:
    """Everything in the answer of one call. ``parts``: all but the thoughts. ``blocked``: why the prompt was."""

    parts: list[Json] = field(default_factory=list[Json])
    calls: list[Call] = field(default_factory=list[Call])
    thoughts: list[str] = field(default_factory=list[str])
    text: bool = False
    finish: str = ""
    blocked: str = ""
    usage: Object = field(default_factory=dict[str, object])
    model: str = ""
    response_id: str = ""

    def take(self, chunk: Object, step: PlannerStep, *, keep_thinking: bool) -> None:
        """Add one chunk, to this and to the step that grows with it."""
        self.usage = members(get(chunk, "usageMetadata")) or self.usage
        self.model = text(get(chunk, "modelVersion")) or self.model
        self.response_id = text(get(chunk, "responseId")) or self.response_id
        first = objects(chunk.get("candidates"))[:1]
        candidate = first[0] if first else None
        for part in objects(lookup(candidate, "content", "parts")):
            self._take_part(part, step, keep_thinking)
        if reason := text(get(candidate, "finishReason")):
            self.finish = reason
        elif reason := text(get(chunk, "promptFeedback", "blockReason")):
            self.finish, self.blocked = "PROHIBITED_CONTENT", reason

    def _take_part(self, part: Object, step: PlannerStep, keep_thinking: bool) -> None:
        signature, call, words = text(get(part, "thoughtSignature")), get(part, "functionCall"), text(part.get("text"))
        step.signature = signature or step.signature
        if part.get("thought"):
            if words:
                self.thoughts.append(words)
            if words and keep_thinking:
                step.thoughts.append(words)
            return
        if call is not None:
            fields = members(call)
            made = Call(text(fields.get("name")), fields.get("args") or dict[str, object](), text(fields.get("id")))
            self.calls.append(made)
            step.calls.append(made.step_form)
        elif words:
            self.text = True
            step.texts.append(words)
        elif not signature and set(part) <= {"text", "thought"}:
            return
        last = self.parts[-1] if self.parts else {}
        if call is None and words and not signature and set(last) == {"text"}:
            last["text"] += words
        else:
            self.parts.append(dict(part))

    @property
    def content(self) -> list[Json]:
        """The parts that go back to Google: without thoughts, unless there is nothing else."""
        if not self.parts and self.thoughts:
            return [{"text": "".join(self.thoughts), "thought": True}]
        return self.parts

    @property
    def stop_reason(self) -> str:
        """The planner step's ``stopReason``."""
        return "FUNCTION_CALL" if self.calls else STOP_REASONS.get(self.finish, "STOP_PATTERN")
