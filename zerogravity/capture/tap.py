"""One upstream answer: bytes → (bytes for the LS, records for the channel). Never raises: a guard point.

The LS gets every event without a function call as identical bytes; from the first call of the client's on it gets the
same chunks without the calls, with some text and a clean STOP, so it neither runs the client's tools nor loops (facts
D.4, D.5). It always ends up with some text, except where the policy waits for its next call: then the unmodified
answer makes it call again. Of a call that nobody can run it is told what Google says of such calls, whatever Google
said of this one; what comes behind it is for nobody.

Traps of mitmproxy's stream callables (measured): one that raises loses the chunk; ``b""`` for a data chunk ends a
chunked body: an empty list is returned instead; the final ``b""`` call may return a tail.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from zerogravity import ids
from zerogravity.capture.ls_answer import FILLER, Expected, muted, retry_chunk, stop_chunk
from zerogravity.core.events import AttemptClosed, AttemptOpened, Event, Failed, Notice
from zerogravity.core.policy import Await, Finish, decide
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Fault, garbage, internal
from zerogravity.wire import calls, google, google_errors, jsonio, sse
from zerogravity.wire.inflate import InflateError, Inflater
from zerogravity.wire.json_objects import ObjectParser, ObjectTooLarge, Piece
from zerogravity.wire.sse import SseError, SseEvent, SseParser

Json = dict[str, Any]
logger = logging.getLogger("zerogravity.tap")
_BLANK_LINE = b"\r\n\r\n"


class Tap:
    """Feeds one turn's channel from one 200 answer.

    ``inflates``  the LS gets plain bytes although Google's were compressed: drop the content-encoding header.
    ``passive``   record only: the LS (or whoever asked) gets identical bytes, whatever they are.
    ``expected``  what form of answer the attempt wants; without it, as what comes looks.
    ``failures``  how often the guard had to open, in this process: a metric.

    A JSON body (no ``alt=sse``) is recorded object by object as it comes, but given to the LS whole, at its end.
    """

    failures = 0

    def __init__(
        self,
        running: RunningTurn,
        attempt_no: int,
        *,
        encoding: str = "",
        content_type: str = "text/event-stream",
        passive: bool = False,
        expected: Expected | None = None,
    ) -> None:
        self.inflates = False
        self._running = running
        self._attempt_no = attempt_no
        self._passive = passive
        self._json = "json" in content_type
        self._expected = expected
        self._sse = SseParser()
        self._objects = ObjectParser()
        self._inflater: Inflater | None = None
        self._held = bytearray()  # of an event that is not complete yet; the LS gets it with its end
        self._given = 0  # how much of the plain body is no longer held
        self._broken = False  # the bytes flow on, nothing looks at them any more
        self._unreadable = False  # not even that: what follows cannot be inflated
        self._ended = False
        self._odd, self._halved = b"", False  # how a JSON body begins; whether it ended in the middle of an event
        self._hid = False  # a call has been kept from the LS, which has got some text in its place
        first = len(running.channel.state.function_calls)
        self._decoder = google.GoogleDecoder(
            lambda number: ids.derive("call", running.id, first + number),
            calls.declared_names(running.turn.google_request),
        )
        try:
            running.resume()
            running.append(attempt_no, b"", (AttemptOpened(),))
            self._undo(encoding)
        except Exception:
            logger.exception("the answer cannot be tapped")
            self._guard()

    def feed(self, chunk: bytes) -> list[bytes]:
        """mitmproxy's stream callable: a chunk of the body → what the LS gets; ``b""`` is the end of the body."""
        out: list[bytes] = []
        try:
            self._read(chunk, out)
        except Exception:
            logger.exception("tap failed; the turn ends, the bytes flow on")
            self._guard()
            self._release(out)
        return out

    def abort(self, message: str, fault: Fault | None = None) -> None:
        """The connection broke. What has come is kept; the turn fails, unless the answer was complete but for that.
        ``fault``: why, if it was not Google's doing."""
        if self._ended:
            return
        self._ended = True
        try:
            if not self._broken:
                for piece in self._rest():
                    self._record(piece)
            self._running.append(self._attempt_no, b"", (Notice("dropped", message),))
            self._close(dropped=True, broken=fault)
        except Exception:
            logger.exception("tap failed at a broken connection")
            self._guard()

    # -- the body, in order of use ---------------------------------------------------------------------------

    def _undo(self, encoding: str) -> None:
        try:
            inflater = Inflater(encoding)
        except InflateError as error:
            self._give_up(str(error))
        else:
            if not inflater.identity:
                self._inflater = inflater
                self.inflates = not self._passive

    def _read(self, chunk: bytes, out: list[bytes]) -> None:
        try:
            if chunk:
                self._take(chunk, out)
            else:
                self._finish(out)
        except (SseError, ObjectTooLarge) as error:
            self._give_up(str(error))
            self._release(out)

    def _take(self, chunk: bytes, out: list[bytes]) -> None:
        if self._passive:
            out.append(chunk)
        plain = chunk if self._inflater is None else self._inflate(self._inflater, chunk)
        if self._broken:
            if plain and not self._passive:
                out.append(plain)
            return
        if self._passive or self._json:
            if not self._passive:
                self._held += plain
            if self._json and not self._odd:
                self._odd = plain.lstrip()[:1]
            for piece in self._objects.feed(plain) if self._json else self._sse.feed(plain):
                self._record(piece)
        else:
            self._pass(plain, out)

    def _inflate(self, inflater: Inflater, chunk: bytes) -> bytes:
        if self._unreadable:
            return b""
        try:
            return inflater.feed(chunk)
        except InflateError as error:
            self._unreadable = True
            self._give_up(f"the compressed answer cannot be read: {error}")
            return b""

    def _pass(self, plain: bytes, out: list[bytes], *, last: bool = False) -> None:
        """Complete events go on at once, an incomplete one when it is complete. Nothing is lost if this raises."""
        held = self._held
        buffer: bytes | bytearray = plain
        if held:
            held += plain
            buffer = held
        begin = done = 0  # in the buffer: end of what has been given out, and of what may be
        try:
            for event in self._sse.end() if last else self._sse.feed(plain):
                shown, stop = self._event(event, last=last), event.span[1] - self._given
                if shown is not None:
                    if (start := event.span[0] - self._given) > begin:
                        out.append(bytes(buffer[begin:start]))
                    out += [shown] if shown else []
                    begin = stop
                done = stop
            done = self._sse.boundary - self._given
        finally:
            if done > begin:
                out.append(bytes(buffer[begin:done]))
            self._given += done
            if buffer is held:
                del held[:done]
            elif done < len(buffer):
                held += buffer[done:]

    def _event(self, event: SseEvent, *, last: bool) -> bytes | None:
        """Record it; what the LS gets instead of it, if that is something else."""
        events = self._record(event, last=last)
        if last and _unread(events):
            return b""  # the body ended in the middle of it: the LS would only try again
        if self._decoder.broken is not None:
            return b""
        if not calls.names_a_call(event.data) or event.event == "raw":  # something raw is no event to the LS
            return None
        shown = self._without_calls(event.data)
        return None if shown is None else sse.encode(shown, event=event.event, eol=b"\r\n")

    def _record(self, piece: SseEvent | Piece, *, last: bool = False) -> tuple[Event, ...]:
        events = self._decoder.decode(piece.data)
        if last and piece.data.lstrip()[:1] in (b"{", b"[") and _unread(events):
            self._halved = True
        self._running.append(self._attempt_no, self._decoder.source, events, piece.span)
        return events

    def _rest(self) -> list[SseEvent] | list[Piece]:
        return self._objects.end() if self._json else self._sse.end()

    # -- the end ---------------------------------------------------------------------------------------------

    def _finish(self, out: list[bytes]) -> None:
        if self._ended:
            return
        self._ended = True
        if self._broken:
            if self._unreadable and not self._passive:
                out.append(self._stop())
            return
        dropped, open_end = self._cut(), bool(self._held)
        if self._passive or self._json:
            for piece in self._rest():
                self._record(piece, last=True)
        else:
            self._pass(b"", out, last=True)
        waiting = self._close(dropped=dropped or self._halved)
        if self._passive:
            return
        if self._json:
            out += filter(None, (self._whole(waiting=waiting),))
            self._held.clear()
        elif self._decoder.broken is not None or (not waiting and self._wants_stop()):
            out.append(_BLANK_LINE + self._stop(again=waiting) if open_end else self._stop(again=waiting))

    def _cut(self) -> bool:
        try:
            if self._inflater is not None:
                self._inflater.end()
        except InflateError:
            return True
        return False

    @property
    def _ls_has_text(self) -> bool:
        return self._hid or self._decoder.has_text

    @property
    def _enveloped(self) -> bool:
        """As the call asks for: an answer that is empty, or an error alone, does not show it."""
        return self._decoder.enveloped if self._expected is None else self._expected.envelope

    def _wants_stop(self) -> bool:
        """Whether the LS lacks some text, or a clean end."""
        finish = self._decoder.finish
        ended = finish == "STOP" if self._hid else finish is not None and not finish.startswith("BLOCKED:")
        return not (ended and self._ls_has_text)

    def _whole(self, *, waiting: bool) -> bytes:
        """What the LS gets for a JSON body."""
        body = bytes(self._held)
        if self._decoder.broken is None:
            if waiting:
                return body
            if calls.names_a_call(body) and (shown := self._without_calls(body)) is not None:
                return shown
            if self._ls_has_text:
                return body
        model, envelope = self._decoder.model, self._enveloped
        chunk = jsonio.dumps(
            retry_chunk(model, envelope=envelope) if waiting else stop_chunk(model, FILLER, envelope=envelope)
        )
        begun = body.lstrip()[:1]
        array = begun == b"[" or (not begun and self._expected is not None and self._expected.form == "array")
        return b"[" + chunk + b"]" if array else chunk

    def _without_calls(self, data: bytes) -> bytes | None:
        """A chunk, or an array of them, without its calls; None if it has none, or is cut."""
        try:
            value = jsonio.loads(data)
        except ValueError:
            return None
        chunks = cast("list[Any]", value) if isinstance(value, list) else [value]
        shown = [muted(chunk, "" if self._ls_has_text else FILLER) for chunk in chunks]
        if all(muted is chunk for muted, chunk in zip(shown, chunks, strict=True)):
            return None
        self._hid = True
        return jsonio.dumps(shown if isinstance(value, list) else shown[0])

    def _stop(self, *, again: bool = False) -> bytes:
        """A last event: some text if there was none, STOP, and no figures that would replace the real ones. ``again``:
        one that makes the LS call once more."""
        text, model, envelope = "" if self._ls_has_text else FILLER, self._decoder.model, self._enveloped
        chunk = (
            retry_chunk(model, envelope=envelope) if again else stop_chunk(model, text, envelope=envelope, usage=False)
        )
        return sse.encode(jsonio.dumps(chunk), eol=b"\r\n")

    def _close(self, *, dropped: bool, broken: Fault | None = None) -> bool:
        """Append the end of this attempt and do what the policy says. True: the turn goes on in the LS's next call."""
        running, decoder = self._running, self._decoder
        told_of_it = decoder.broken is not None or self._json
        running.append(self._attempt_no, b"", decoder.close())
        if running.closed:
            return False
        # What broke off after its finishReason lacks nothing but perhaps its last usage figures.
        lacking = decoder.finish is None
        fault = decoder.fault or (broken if lacking else None)
        silent = not decoder.begun
        garbled = decoder.garbled or (silent and (self._sse.odd or self._odd not in (b"", b"{", b"[")))
        state = running.channel.state
        decision = decide(state, fault=fault, dropped=dropped and lacking, garbled=garbled, silent=silent)
        match decision:
            case Finish(terminal):
                running.close(terminal)
            case Await(late=late) if self._passive or (decoder.broken is not None and not told_of_it):
                running.close(Failed(late))  # the LS has had a good end, or its own: nobody asks again
            case Await():
                running.await_attempt(decision)
                return True
        return False

    # -- when it goes wrong ----------------------------------------------------------------------------------

    def _give_up(self, message: str) -> None:
        """The answer cannot be read: the turn ends, the bytes flow on."""
        self._broken = True
        self._running.close(Failed(garbage(message)))

    def _guard(self) -> None:
        self._broken = True
        _fail(self._running)

    def _release(self, out: list[bytes]) -> None:
        if self._held and not self._passive:
            out.append(bytes(self._held))
            self._held.clear()


def _unread(events: tuple[Event, ...]) -> bool:
    return any(isinstance(found, Notice) and found.code == "not_json" for found in events)


def _fail(running: RunningTurn) -> None:
    """Count it and end the turn, whoever may listen to that."""
    Tap.failures += 1
    try:
        running.close(Failed(internal("the answer could not be read")))
    except Exception:
        logger.exception("what follows the end of a turn failed as well")


def refused(running: RunningTurn, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """A non-200 answer: the turn ends with Google's error. Never raises."""
    try:
        attempt_no = running.channel.state.attempts
        running.append(attempt_no, body, (AttemptOpened(status=status), AttemptClosed(None)), (0, len(body)))
        running.close(Failed(google_errors.decode_error(status, headers, body)))
    except Exception:
        logger.exception("a refusal could not be read")
        _fail(running)
