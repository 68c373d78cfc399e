"""One upstream answer: bytes → (bytes for the LS, records for the channel). Never raises: a guard point.

The LS gets every event without a function call as identical bytes; the client's calls are hidden from it, and a tail
with a harmless text and a clean STOP ends such an answer, so it neither runs the client's tools nor loops (D.4). It
always ends up with some text, except where the policy waits for its next call: then the unmodified answer makes it
call again.

Traps of mitmproxy's stream callables (measured): one that raises loses the chunk; ``b""`` for a data chunk ends a
chunked body: an empty list is returned instead; the final ``b""`` call may return a tail.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from zerogravity import ids
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import CallOpened, Event, Failed, FunctionCall
from zerogravity.core.policy import Await, Finish, decide
from zerogravity.errors import Fault, Termination, internal, upstream
from zerogravity.wire import google, jsonio
from zerogravity.wire.inflate import InflateError, Inflater
from zerogravity.wire.sse import SseError, SseEvent, SseParser

logger = logging.getLogger("zerogravity.tap")


class Tap:
    """Feeds one channel from one 200 answer.

    ``inflates``  the LS gets plain bytes although Google's were compressed: drop the content-encoding header.
    ``passive``   record only: the LS (or whoever asked) gets identical bytes, whatever they are.
    """

    failures = 0  # of all taps of this process: a metric

    def __init__(
        self,
        channel: CascadeChannel,
        call_no: int,
        *,
        encoding: str = "",
        content_type: str = "text/event-stream",
        passive: bool = False,
    ) -> None:
        self._channel = channel
        self._call_no = call_no
        self._passive = passive
        self._broken = False
        self._ended = False
        self._hid = False  # a call has been kept from the LS
        self._ls_has_text = False
        self._held = bytearray()  # bytes of an event that is not complete yet; the LS gets them with its end
        self._held_from = 0
        self._json_body: bytearray | None = None
        self._inflater: Inflater | None = None
        self._fault: Fault | None = None
        first = len(channel.state.function_calls)
        self._decoder = google.GoogleDecoder(lambda n: ids.derive("call", channel.id, first + n))
        self._parser = SseParser()
        try:
            self._inflater = Inflater(encoding)
        except InflateError as error:
            self._fail(google.garbage(str(error)))
        if "json" in content_type:
            self._json_body = bytearray()
        channel.awaiting = None
        channel.append(call_no, b"", (CallOpened(),))

    @property
    def inflates(self) -> bool:
        return self._inflater is not None and not self._inflater.identity and not self._passive

    def feed(self, chunk: bytes) -> bytes | list[bytes]:
        """mitmproxy's stream callable: a chunk of the body → what the LS gets; ``b""`` is the end of the body."""
        try:
            if chunk:
                return self._chunk(chunk)
            return self._end()
        except Exception:  # guard point: the bytes flow on whatever happens (invariant 5)
            Tap.failures += 1
            self._broken = True
            logger.exception("tap failed; the turn ends, the bytes flow on")
            self._channel.close(Failed(internal("the answer could not be read")))
            held, self._held = bytes(self._held), bytearray()
            return [piece for piece in (held, b"" if self.inflates else chunk) if piece]

    def abort(self, message: str) -> None:
        """The connection broke in the middle of the answer: what has come is kept, the turn fails."""
        if self._ended:
            return
        self._ended = True
        try:
            for event in self._parser.end():
                if event.data.rstrip().endswith(b"}"):
                    self._record(event)
        except SseError:
            pass
        dropped = upstream(502, "upstream_drop", f"the answer broke off: {message}", Termination.UPSTREAM_DROP)
        self._close(self._fault or self._decoder.fault or dropped)

    # -- in order of use -------------------------------------------------------------------------------------

    def _chunk(self, chunk: bytes) -> bytes | list[bytes]:
        if self._broken or self._inflater is None:
            return chunk
        try:
            plain = self._inflater.feed(chunk)
        except InflateError as error:
            self._broken = True
            self._fail(google.garbage(f"the compressed answer can not be read: {error}"))
            return [chunk] if not self.inflates else []
        if self._json_body is not None:
            self._json_body += plain
            if len(self._json_body) > self._parser_limit():
                self._fail(google.garbage("the JSON answer is too large"))
                self._json_body = bytearray()
            return chunk if self._passive else []
        if self._passive:
            for event in self._parser.feed(plain):
                self._record(event)
            return chunk
        return self._forward(plain)

    def _forward(self, plain: bytes) -> bytes | list[bytes]:
        """Complete events go on at once, an incomplete one when it is complete."""
        self._held += plain
        try:
            events = self._parser.feed(plain)
        except SseError as error:
            self._broken = True
            self._fail(google.garbage(str(error)))
            held, self._held = bytes(self._held), bytearray()
            return [held]
        out: list[bytes] = []
        for event in events:
            out += self._event(event)
        return out[0] if len(out) == 1 else out

    def _event(self, event: SseEvent) -> list[bytes]:
        events = self._record(event)
        size = event.span[1] - self._held_from
        raw = bytes(self._held[:size])
        del self._held[:size]
        self._held_from = event.span[1]
        if any(isinstance(found, FunctionCall) for found in events):
            self._hid = True
            return []
        self._ls_has_text = self._ls_has_text or self._channel.state.has_text
        return [raw]

    def _record(self, event: SseEvent) -> tuple[Event, ...]:
        events = self._decoder.decode(event.data)
        self._channel.append(self._call_no, event.data, events, event.span)
        return events

    def _end(self) -> bytes | list[bytes]:
        if self._ended:
            return []
        self._ended = True
        if self._broken:
            return []
        if self._json_body is not None:
            return self._end_json()
        out: list[bytes] = []
        for event in self._parser.end():
            forwarded = self._event(event)
            out += [] if self._passive else forwarded
        if self._held and not self._passive:
            out.append(bytes(self._held))
        try:
            if self._inflater is not None:
                self._inflater.end()
            fault = self._fault or self._decoder.fault
        except InflateError as error:
            fault = upstream(502, "upstream_drop", str(error), Termination.UPSTREAM_DROP)
        waiting = self._close(fault)
        if not waiting and (self._hid or not self._ls_has_text) and not self._passive:
            out.append(self._stop_event())
        return out

    def _end_json(self) -> bytes | list[bytes]:
        """A unary JSON answer (or a JSON array): decoded whole."""
        body = bytes(self._json_body or b"")
        self._record(SseEvent(body, None, (0, len(body))))
        self._close(self._fault or self._decoder.fault)
        if self._passive:
            return []
        if self._channel.state.has_calls:
            return jsonio.dumps(_stop_chunk(self._decoder.model, "ok", envelope=self._decoder.enveloped))
        return body

    def _close(self, fault: Fault | None) -> bool:
        """Append the end of this call and do what the policy says. True: the turn goes on in the LS's next call."""
        channel = self._channel
        channel.append(self._call_no, b"", (self._decoder.close(),))
        decision = decide(channel.state, fault=fault)
        if isinstance(decision, Await) and self._passive:
            decision = Finish(Failed(decision.late))
        match decision:
            case Finish(terminal):
                channel.close(terminal)
                return False
            case Await():
                channel.awaiting = decision
                return not channel.closed

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault
        self._channel.close(Failed(fault))

    def _parser_limit(self) -> int:
        return 32 << 20

    def _stop_event(self) -> bytes:
        return synthetic_stop(self._decoder.model, envelope=self._decoder.enveloped)


def refused(channel: CascadeChannel, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """A non-200 answer: the turn ends with Google's error."""
    call_no = channel.state.calls_opened
    channel.append(call_no, body, (CallOpened(status=status),), (0, len(body)))
    channel.close(Failed(google.decode_error(status, headers, body)))


def synthetic_stop(model: str | None = None, text: str = "ok", *, envelope: bool = True) -> bytes:
    """A whole SSE answer for the LS: some text and a clean STOP, so that it neither retries nor loops (D.5)."""
    return b"data: " + jsonio.dumps(_stop_chunk(model, text, envelope=envelope)) + b"\r\n\r\n"


def _stop_chunk(model: str | None, text: str, *, envelope: bool) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    response: dict[str, Any] = {"candidates": [candidate], "usageMetadata": usage, "responseId": "r-local"}
    if model is not None:
        response["modelVersion"] = model
    if not envelope:
        return response
    return {"response": response, "traceId": "0" * 16, "metadata": {}}
