"""Records → a Gemini stream: SSE events that are exactly ``data: {json}`` with CRLF, or one JSON array.

No comments, no ``event:`` lines, no ``[DONE]``, no heartbeats: google-genai and gemini-cli take anything but data for
broken JSON. A failed turn ends with ``{"error": …}`` and never with a finishReason, except where that is the failure.
Facts: wire-gemini-and-mapping 1.3.
"""

from __future__ import annotations

from zerogravity.core.events import Failed, Record
from zerogravity.core.turn import Turn
from zerogravity.surfaces.gemini.chunks import Chunks
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.errors import google_error_object
from zerogravity.surfaces.gemini.field_mask import masked
from zerogravity.wire import jsonio, sse

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class GeminiEmitter:
    """One reader's stream, in the form that ``alt`` asked for."""

    heartbeat = b""

    def __init__(self, turn: Turn) -> None:
        details = turn.details_as(GeminiDetails)
        self._sse = details.alt == "sse"
        self.content_type = "text/event-stream" if self._sse else "application/json; charset=utf-8"
        self._chunks = Chunks(turn)
        self._mask = details.fields
        self._begun = False

    def begin(self) -> list[bytes]:
        return []

    def feed(self, record: Record) -> list[bytes]:
        texts = self._chunks.feed(record)
        if self._mask is not None:
            texts = [jsonio.dumps(left) for text in texts if (left := masked(jsonio.loads(text), self._mask))]
        terminal = record.terminal
        if isinstance(terminal, Failed) and not terminal.fault.finish:
            texts.append(jsonio.dumps({"error": google_error_object(terminal.fault)}))
        frames = [self._frame(text) for text in texts]
        if terminal is not None and not self._sse:
            frames.append(b"]" if self._begun else b"[]")
        return frames

    def _frame(self, text: bytes) -> bytes:
        # Raw line ends stand only between the tokens of JSON, never inside its strings.
        line = text.translate(_ONE_LINE) if sse.has_line_end(text) else text
        line = sse.escape_separators(line)
        if self._sse:
            return b"data: " + line + b"\r\n\r\n"  # ``sse.encode`` would look for line ends once more
        first, self._begun = not self._begun, True
        return (b"[" if first else b",\r\n") + line
