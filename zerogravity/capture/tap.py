"""One upstream answer: bytes → (bytes for the LS, records for the channel). Never raises: a guard point.

The LS gets every event without a function call as identical bytes. From the client's first call on it gets the same
chunks without the calls, with some text and a clean STOP, so that it neither runs the client's tools nor loops (facts
D.4, D.5). It always gets some text, except where the policy waits for its next call: then the unmodified answer makes
it call again. For a call that cannot be run it gets the finishReason of such calls, and nothing that follows it.
One that has no use for answers gets a last event alone.

Traps of mitmproxy's stream callables (measured): one that raises loses the chunk; ``b""`` for a data chunk ends a
chunked body, so an empty list is returned instead; the final ``b""`` call may return a tail.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from zerogravity import ids
from zerogravity.capture.ls_answer import FILLER, Expected, retry_chunk, stop_chunk, strip_calls
from zerogravity.core.events import AttemptClosed, AttemptOpened, Event, Failed, Notice
from zerogravity.core.policy import Await, Finish, decide
from zerogravity.core.running import RunningTurn
from zerogravity.errors import Fault, garbage, internal
from zerogravity.wire import calls, google, google_errors, jsonio, narrow, sse
from zerogravity.wire.inflate import InflateError, Inflater
from zerogravity.wire.json_objects import ObjectParser, ObjectTooLarge, Piece
from zerogravity.wire.reasons import Api
from zerogravity.wire.sse import SseError, SseEvent, SseParser

logger = logging.getLogger("zerogravity.tap")
_BLANK_LINE = b"\r\n\r\n"


class Tap:
    """Feeds one turn's channel from one 200 answer.

    ``inflates``  the LS gets plain bytes although Google's were compressed: drop the content-encoding header.
    ``passive``   record only: the LS (or any other client) gets identical bytes.
    ``muted``     the LS gets a clean end, and nothing of the answer.
    ``expected``  the form of answer that the attempt asks for; without it, the form of what comes.
    ``failures``  how often the guard had to open, in this process: a metric.

    A JSON body (no ``alt=sse``) is recorded object by object as it comes, but passed on whole, at its end.
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
        muted: bool = False,
        expected: Expected | None = None,
    ) -> None:
        self.inflates = False
        self._running = running
        self._attempt_no = attempt_no
        self._passive = passive
        self._json = "json" in content_type
        self._muted = muted and not self._json
        self._expected = expected
        self._sse = SseParser()
        self._objects = ObjectParser()
        self._inflater: Inflater | None = None
        self._held = bytearray()  # of an event that is not complete yet; the LS gets it with its end
        self._passed = 0  # how much of the plain body is no longer held
        self._unparsed = False  # the bytes flow on, but are not parsed any more
        self._unreadable = False  # not even that: what follows cannot be inflated
        self._ended = False
        self._first_byte = b""  # of a JSON body
        self._truncated = False  # the body ended in the middle of an event
        self._hid_call = False  # a call was kept from the LS, which got some text in its place
        first = len(running.channel.state.function_calls)
        self._decoder = google.GoogleDecoder(
            lambda number: ids.derive("call", running.id, first + number),
            calls.declared_names(running.turn.google_request),
            Api.EDITOR if expected is None else expected.api,
        )
        try:
            running.resume()
            running.append(attempt_no, b"", (AttemptOpened(),))
            self._set_encoding(encoding)
        except Exception:
            logger.exception("the answer cannot be tapped")
            self._guard()

    def feed(self, chunk: bytes) -> list[bytes]:
        """mitmproxy's stream callable: a chunk of the body → what the LS gets. ``b""`` ends the body."""
        out: list[bytes] = []
        self._running.hold()
        try:
            self._read(chunk, out)
        except Exception:
            logger.exception("the tap failed; the turn ends, the bytes flow on")
            self._guard()
            self._pass_held_bytes(out)
        finally:
            self._running.settle()
        return out

    def abort(self, message: str, fault: Fault | None = None) -> None:
        """The connection broke. What has come is kept; the turn fails, unless its answer was complete.
        ``fault``: why, if it was not Google's doing."""
        if self._ended:
            return
        self._ended = True
        try:
            if not self._unparsed:
                for piece in self._rest():
                    self._record(piece)
            self._running.append(self._attempt_no, b"", (Notice("dropped", message),))
            self._close(dropped=True, broken=fault)
        except Exception:
            logger.exception("the tap failed at a broken connection")
            self._guard()

    # -- the body, in order of use ---------------------------------------------------------------------------

    def _set_encoding(self, encoding: str) -> None:
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
            self._pass_held_bytes(out)

    def _take(self, chunk: bytes, out: list[bytes]) -> None:
        if self._passive:
            out.append(chunk)
        plain = chunk if self._inflater is None else self._inflate(self._inflater, chunk)
        if self._unparsed:
            if plain and not self._passive and not self._muted:
                out.append(plain)
            return
        if self._passive or self._json or self._muted:
            if self._json and not self._passive:
                self._held += plain
            if self._json and not self._first_byte:
                self._first_byte = plain.lstrip()[:1]
            for piece in self._objects.feed(plain) if self._json else self._sse.feed(plain):
                self._record(piece)
        else:
            self._pass_on(plain, out)

    def _inflate(self, inflater: Inflater, chunk: bytes) -> bytes:
        if self._unreadable:
            return b""
        try:
            return inflater.feed(chunk)
        except InflateError as error:
            self._unreadable = True
            self._give_up(f"the compressed answer cannot be read: {error}")
            return b""

    def _pass_on(self, plain: bytes, out: list[bytes], *, last: bool = False) -> None:
        """Complete events go on at once, an incomplete one when it is complete. Nothing is lost if this raises."""
        held = self._held
        buffer: bytes | bytearray = plain
        if held:
            held += plain
            buffer = held
        passed, decoder, record = self._passed, self._decoder, self._record
        begin = done = 0  # in the buffer: end of what has been passed on, and of what may be
        try:
            for event in self._sse.end() if last else self._sse.feed(plain):
                events = record(event, last)
                if not decoder.only_text and (shown := self._instead(event, events, last=last)) is not None:
                    if (start := event.span[0] - passed) > begin:
                        out.append(bytes(buffer[begin:start]))
                    out += [shown] if shown else []
                    begin = event.span[1] - passed
                done = event.span[1] - passed
            done = self._sse.boundary - passed
        finally:
            if done > begin:
                out.append(bytes(buffer[begin:done]))
            self._passed += done
            if buffer is held:
                del held[:done]
            elif done < len(buffer):
                held += buffer[done:]

    def _instead(self, event: SseEvent, events: tuple[Event, ...], *, last: bool) -> bytes | None:
        """What the LS gets instead of an event that has been recorded; None: the event itself."""
        if last and _unreadable(events):
            return b""  # the body ended in the middle of it: the LS would only try again
        if self._decoder.broken is not None:
            return b""
        if not calls.names_a_call(event.data) or event.event == "raw":  # the LS ignores what is raw
            return None
        shown = self._without_calls(event.data)
        return None if shown is None else sse.encode(shown, event=event.event, eol=b"\r\n")

    def _record(self, piece: SseEvent | Piece, last: bool = False) -> tuple[Event, ...]:
        decoder = self._decoder
        events = decoder.decode(piece.data)
        if last and piece.data.lstrip()[:1] in (b"{", b"[") and _unreadable(events):
            self._truncated = True
        self._running.append(self._attempt_no, decoder.source, events, piece.span)
        return events

    def _rest(self) -> list[SseEvent] | list[Piece]:
        return self._objects.end() if self._json else self._sse.end()

    # -- the end ---------------------------------------------------------------------------------------------

    def _finish(self, out: list[bytes]) -> None:
        if self._ended:
            return
        self._ended = True
        if self._unparsed:
            if (self._unreadable or self._muted) and not self._passive:
                out.append(self._stop())
            return
        dropped, unterminated = self._compression_is_cut(), bool(self._held)
        if self._passive or self._json or self._muted:
            for piece in self._rest():
                self._record(piece, last=True)
        else:
            self._pass_on(b"", out, last=True)
        waiting = self._close(dropped=dropped or self._truncated)
        if self._passive:
            return
        if self._json:
            out += filter(None, (self._json_body(waiting=waiting),))
            self._held.clear()
        elif self._muted or self._decoder.broken is not None or (not waiting and self._lacks_end()):
            out.append((_BLANK_LINE if unterminated else b"") + self._stop(again=waiting))

    def _compression_is_cut(self) -> bool:
        try:
            if self._inflater is not None:
                self._inflater.end()
        except InflateError:
            return True
        return False

    @property
    def _ls_has_text(self) -> bool:
        return not self._muted and (self._hid_call or self._decoder.has_text)

    @property
    def _enveloped(self) -> bool:
        """As the call asks for: an empty answer, or an error alone, does not show it."""
        return self._decoder.enveloped if self._expected is None else self._expected.envelope

    def _lacks_end(self) -> bool:
        """Whether the LS has no text yet, or no clean end."""
        finish = self._decoder.finish
        ended = finish == "STOP" if self._hid_call else finish is not None and not finish.startswith("BLOCKED:")
        return not (ended and self._ls_has_text)

    def _json_body(self, *, waiting: bool) -> bytes:
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
        """A chunk, or an array of chunks, without its calls; None if it has none, or is no JSON."""
        try:
            value: object = jsonio.loads(data)
        except ValueError:
            return None
        chunks = narrow.items(value) or [value]
        shown = [strip_calls(chunk, "" if self._ls_has_text else FILLER) for chunk in chunks]
        if all(new is old for new, old in zip(shown, chunks, strict=True)):
            return None
        self._hid_call = True
        return jsonio.dumps(shown if isinstance(value, list) else shown[0])

    def _stop(self, *, again: bool = False) -> bytes:
        """A last event: some text if there was none, STOP, and no figures that would replace the real ones. ``again``:
        one that makes the LS call again."""
        text, model, envelope = "" if self._ls_has_text else FILLER, self._decoder.model, self._enveloped
        chunk = (
            retry_chunk(model, envelope=envelope) if again else stop_chunk(model, text, envelope=envelope, usage=False)
        )
        return sse.encode(jsonio.dumps(chunk), eol=b"\r\n")

    def _close(self, *, dropped: bool, broken: Fault | None = None) -> bool:
        """Append the end of this attempt and do what the policy says. True: the turn goes on in the LS's next call."""
        running, decoder = self._running, self._decoder
        retries_broken = decoder.broken is not None or self._json  # before ``close``, which may find one more
        running.append(self._attempt_no, b"", decoder.close())
        if running.closed:
            return False
        incomplete = decoder.finish is None  # after it, nothing is missing but perhaps the last usage figures
        fault = decoder.fault or (broken if incomplete else None)
        silent = not decoder.begun
        garbled = decoder.garbled or (silent and (self._sse.odd or self._first_byte not in (b"", b"{", b"[")))
        state = running.channel.state
        decision = decide(state, fault=fault, dropped=dropped and incomplete, garbled=garbled, silent=silent)
        match decision:
            case Finish(terminal):
                running.close(terminal)
            case Await(late=late) if self._passive or (decoder.broken is not None and not retries_broken):
                running.close(Failed(late))  # the LS has got a clean end, or its own: it does not call again
            case Await():
                running.await_attempt(decision)
                return True
        return False

    # -- when it goes wrong ----------------------------------------------------------------------------------

    def _give_up(self, message: str) -> None:
        """The answer cannot be read: the turn ends, the bytes flow on."""
        self._unparsed = True
        self._running.close(Failed(garbage(message)))

    def _guard(self) -> None:
        self._unparsed = True
        _fail(self._running)

    def _pass_held_bytes(self, out: list[bytes]) -> None:
        if self._held and not self._passive:
            out.append(bytes(self._held))
            self._held.clear()


def _unreadable(events: tuple[Event, ...]) -> bool:
    return any(isinstance(found, Notice) and found.code == "not_json" for found in events)


def _fail(running: RunningTurn) -> None:
    """Count it and end the turn, whatever its callbacks do."""
    Tap.failures += 1
    try:
        running.close(Failed(internal("the answer could not be read")))
    except Exception:
        logger.exception("ending the turn failed as well")


def close_with_error(
    running: RunningTurn, status: int, headers: Mapping[str, str], body: bytes, api: Api = Api.EDITOR
) -> None:
    """A non-200 answer: the turn ends with Google's error. ``api``: which of its APIs answered. Never raises."""
    try:
        attempt_no = running.channel.state.attempts
        running.append(attempt_no, body, (AttemptOpened(status=status), AttemptClosed(None)), (0, len(body)))
        running.close(Failed(google_errors.decode_error(status, headers, body, api)))
    except Exception:
        logger.exception("an error answer could not be read")
        _fail(running)
