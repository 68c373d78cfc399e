"""Clients that hold a conversation on any surface: each turn is what the surface's own parser makes of a request that
holds what came before, the answers as the surface gave them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.surfaces.playing import SECRET, SURFACES, context
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Event, Finished, FunctionCall, TextDelta, ThinkingDelta
from zerogravity.core.turn import Turn
from zerogravity.testing.builders import channel

NUMBERS = count(1)
TOOL = {"type": "object", "properties": {"command": {"type": "string"}, "times": {"type": "integer"}}}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "chat": [{"type": "function", "function": {"name": "shell", "parameters": TOOL}}],
    "responses": [{"type": "function", "name": "shell", "parameters": TOOL}],
    "gemini": [{"functionDeclarations": [{"name": "shell", "parameters": TOOL}]}],
    "messages": [{"name": "shell", "input_schema": TOOL}],
}


def said(*texts: str) -> tuple[Event, ...]:
    return tuple(map(TextDelta, texts))


def called(command: str, *, thought: str = "", text: str = "") -> tuple[Event, ...]:
    """A call with a thought and a text before it, as Gemini does it."""
    before: list[Event] = [ThinkingDelta(thought)] if thought else []
    before += [TextDelta(text)] if text else []
    identity = f"call_{next(NUMBERS):08x}"
    return (
        *before,
        FunctionCall(identity, "shell", f'{{"command": "{command}", "times": 1}}', "c2ln"),
    )


def ended(turn: Turn, *events: Event) -> CascadeChannel:
    """The turn's channel, over, with this answer."""
    return channel(turn, *events, end=Finished("stop"))


@dataclass
class Client:
    """What it would send next is ``history``, in the words of ``surface``."""

    surface: str
    history: list[Any] = field(default_factory=list[Any])
    system: str = "You are an agent."
    tools: bool = True
    members: dict[str, Any] = field(default_factory=dict[str, Any])

    def fork(self) -> Client:
        return replace(self, history=copy.deepcopy(self.history))

    def turn(self, **members: Any) -> Turn:
        """Its next turn; ``members``: of the turn."""
        body: dict[str, Any] = {"model": "gemini-3-flash", **({"tools": TOOLS[self.surface]} if self.tools else {})}
        match self.surface:
            case "chat":
                body["messages"] = [{"role": "system", "content": self.system}, *self.history]
            case "responses":
                body |= {"input": list(self.history), "instructions": self.system}
            case "gemini":
                body |= {"contents": list(self.history), "systemInstruction": {"parts": [{"text": self.system}]}}
            case _:
                body |= {"messages": list(self.history), "system": self.system, "max_tokens": 1000}
        body |= self.members
        made = SURFACES[self.surface].parse(copy.deepcopy(body), context(f"turn_{next(NUMBERS):032x}"))
        return replace(made, **members)

    def ask(self, text: str) -> Client:
        match self.surface:
            case "gemini":
                self.history.append({"role": "user", "parts": [{"text": text}]})
            case _:
                self.history.append({"role": "user", "content": text})
        return self

    def hear(self, over: CascadeChannel) -> Client:
        """Keep the answer as it was shown."""
        body = SURFACES[self.surface].answer(over, SECRET).body
        match self.surface:
            case "chat":
                self.history.append(body["choices"][0]["message"])
            case "responses":
                self.history += body["output"]
            case "gemini":
                self.history.append(body["candidates"][0]["content"])
            case _:
                self.history.append({"role": "assistant", "content": body["content"]})
        return self

    def result(self, output: str) -> Client:
        """The result of the last call that was heard."""
        last = self.history[-1]
        match self.surface:
            case "chat":
                identity = last["tool_calls"][-1]["id"]
                self.history.append({"role": "tool", "tool_call_id": identity, "content": output})
            case "responses":
                self.history.append({"type": "function_call_output", "call_id": last["call_id"], "output": output})
            case "gemini":
                part = {"functionResponse": {"name": "shell", "response": {"output": output}}}
                self.history.append({"role": "user", "parts": [part]})
            case _:
                block = {"type": "tool_result", "tool_use_id": last["content"][-1]["id"], "content": output}
                self.history.append({"role": "user", "content": [block]})
        return self


def contents(*texts: str) -> dict[str, Any]:
    """A request in Google's form: user, model, user …"""
    roles = ("user", "model")
    return {"contents": [{"role": roles[place % 2], "parts": [{"text": text}]} for place, text in enumerate(texts)]}


def flat(turn: Turn) -> Sequence[Any]:
    return turn.google_request.get("contents", ())
