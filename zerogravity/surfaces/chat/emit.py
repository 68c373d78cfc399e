"""Records → ``chat.completion.chunk`` frames.

The role comes once, since clients concatenate the strings of deltas. A call is two chunks: id, name and empty
arguments, then the arguments; one that the gateway runs is not shown. A failed turn ends with one ``{"error": …}``,
without finish_reason and ``[DONE]``.

Facts: wire-openai 10, 13.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.events import Failed, Record, Terminal, TextDelta, ThinkingDelta
from zerogravity.core.fold import Assembler, Call, Ended, Media, Opened, Step
from zerogravity.core.turn import Turn
from zerogravity.surfaces.chat import completion
from zerogravity.surfaces.chat.details import ChatDetails
from zerogravity.surfaces.openai.answer import chat_usage, refusal
from zerogravity.surfaces.openai.errors import openai_error_object
from zerogravity.wire import jsonio, sse
from zerogravity.wire.json_text import quoted

DONE = b"data: [DONE]\n\n"


class ChatEmitter:
    """One reader's stream."""

    content_type = "text/event-stream"
    heartbeat = b": keep-alive\n\n"

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._details = turn.details_as(ChatDetails)
        self._assembler = Assembler()
        self._calls = 0
        self._shown: list[tuple[Call, bool]] = []  # by index; whether its signature was sent
        self._blobs: dict[str, list[tuple[Media, bool]]] = {"images": [], "files": []}  # as above
        self._head = completion.head(turn, "chat.completion.chunk")
        self._usage: dict[str, Any] = {"usage": None} if self._details.include_usage else {}
        self._before, self._after = self._template()
        self._before_text, self._after_text = self._before + b'{"content":', b"}" + self._after

    def begin(self) -> list[bytes]:
        return [self._delta({"role": "assistant", "content": "", "refusal": None})]

    def feed(self, record: Record) -> list[bytes]:
        frames: list[bytes] = []
        for step in self._assembler.feed(record):
            if isinstance(step, TextDelta):
                frames.append(self._before_text + quoted(step.text) + self._after_text)
            elif not isinstance(step, ThinkingDelta):
                frames += self._step(step)
            elif names := self._details.reasoning:
                frames.append(self._delta(dict.fromkeys(names, step.text)))
        return frames

    def _step(self, step: Step) -> list[bytes]:
        match step:
            case Opened(Call(server="") as call):
                return self._call(call)
            case Opened(Media() as media):
                return [self._media(media)]
            case Ended(terminal):
                return self._end(terminal)
            case _:
                return []

    def _call(self, call: Call) -> list[bytes]:
        if self._calls and self._details.one_call:
            return []
        index, self._calls = self._calls, self._calls + 1
        kind, name, member, text = completion.named_call(self._turn, call)
        if self._details.legacy:
            opening = {"function_call": {"name": name, "arguments": ""}}
            return [self._delta(opening), self._delta({"function_call": {"arguments": call.args_json}})]
        entry = completion.tool_call(self._turn, call)
        self._shown.append((call, "extra_content" in entry))
        first = {"index": index, **entry, kind: {"name": name, member: ""}}
        more = {"index": index, kind: {member: text}}
        return [self._delta({"tool_calls": [first]}), self._delta({"tool_calls": [more]})]

    def _media(self, media: Media) -> bytes:
        (name, (entry,)), *_ = completion.blobs([media]).items()
        shown = self._blobs[name]
        if media.lent:  # it is told at the end, if it is the blob's by then
            entry = {key: value for key, value in entry.items() if key != "extra_content"}
        shown.append((media, "extra_content" in entry))
        return self._delta({name: [{**entry, "index": len(shown) - 1}]})

    def _end(self, terminal: Terminal) -> list[bytes]:
        if isinstance(terminal, Failed):
            return [self._frame({"error": openai_error_object(terminal.fault)})]
        state = self._assembler.state
        frames = self._late_signatures()
        if refused := refusal(terminal, shown=state.emitted):
            frames.append(self._delta({"refusal": refused}))
        if annotations := completion.url_citations(state):
            frames.append(self._delta({"annotations": annotations}))
        frames.append(
            self._chunk([self._choice({}, completion.finish_reason(self._turn, state, terminal))], self._usage)
        )
        if self._usage and state.usage.told:
            frames.append(self._chunk([], {"usage": chat_usage(state.usage)}))
        return [*frames, DONE]

    def _late_signatures(self) -> list[bytes]:
        """Signatures that came after their call, image or text."""
        state = self._assembler.state
        frames: list[bytes] = []
        for index, (call, signed) in enumerate(self._shown):
            if not signed and "extra_content" in (entry := completion.tool_call(self._turn, call)):
                kind, _, member, _ = completion.named_call(self._turn, call)
                late = {"index": index, kind: {member: ""}, "extra_content": entry["extra_content"]}
                frames.append(self._delta({"tool_calls": [late]}))
        for index, (picture, signed) in enumerate(self._blobs["images"]):
            if not signed and picture.signature is not None:
                late = {"index": index, "extra_content": completion.extra_content(picture.signature)}
                frames.append(self._delta({"images": [late]}))
        if (signature := completion.text_signature(state)) is not None:
            frames.append(self._delta({"extra_content": completion.extra_content(signature)}))
        return frames

    # -- frames ----------------------------------------------------------------------------------------------

    def _template(self) -> tuple[bytes, bytes]:
        """The bytes before and after a delta, rendered once."""
        chunk = jsonio.dumps({**self._head, "choices": [self._choice("\x00", None)], **self._usage})
        before, _, after = chunk.partition(jsonio.dumps("\x00"))
        return b"data: " + sse.escape_separators(before), sse.escape_separators(after) + b"\n\n"

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._before + sse.escape_separators(jsonio.dumps(delta)) + self._after

    @staticmethod
    def _choice(delta: object, finish: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any]) -> bytes:
        return self._frame({**self._head, "choices": choices, **usage})

    @staticmethod
    def _frame(value: object) -> bytes:
        return sse.encode(sse.escape_separators(jsonio.dumps(value)))
