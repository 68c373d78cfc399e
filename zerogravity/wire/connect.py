"""The Connect protocol's framing and error form, sans-I/O. Facts: language-server-and-google A.5, A.13."""

from __future__ import annotations

from dataclasses import dataclass

from zerogravity.wire import jsonio, narrow

END = 0x02
COMPRESSED = 0x01
MAX_ENVELOPE = 64 << 20


class ConnectError(Exception):
    """The bytes are no Connect stream."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One frame of a stream; ``end`` frames hold ``{}`` or ``{"error": …}``."""

    flags: int
    payload: bytes

    @property
    def end(self) -> bool:
        return bool(self.flags & END)


def envelope(payload: bytes, flags: int = 0) -> bytes:
    """``[1 byte flags][4 bytes length, big endian][payload]``."""
    return bytes((flags,)) + len(payload).to_bytes(4, "big") + payload


class EnvelopeParser:
    """Bytes as they come → complete envelopes."""

    def __init__(self, *, max_size: int = MAX_ENVELOPE) -> None:
        self._buffer = bytearray()
        self._max_size = max_size

    def feed(self, data: bytes) -> list[Envelope]:
        """Raises ConnectError for compressed frames (never negotiated) and oversized ones."""
        self._buffer += data
        found: list[Envelope] = []
        position = 0
        while len(self._buffer) - position >= 5:
            flags = self._buffer[position]
            size = int.from_bytes(self._buffer[position + 1 : position + 5], "big")
            if flags & COMPRESSED:
                raise ConnectError("a compressed frame, though compression was not requested")
            if size > self._max_size:
                raise ConnectError(f"a frame of {size} bytes")
            if len(self._buffer) - position - 5 < size:
                break
            found.append(Envelope(flags, bytes(self._buffer[position + 5 : position + 5 + size])))
            position += 5 + size
        del self._buffer[:position]
        return found


_CODES = {
    400: "invalid_argument", 401: "unauthenticated", 403: "permission_denied", 404: "unimplemented", 429: "unavailable",
    499: "canceled", 500: "unknown", 501: "unimplemented", 502: "unavailable", 503: "unavailable", 504: "unavailable",
}  # fmt: skip


def decode_error(status: int, body: bytes) -> tuple[str, str]:
    """A unary error answer → (Connect code, message). Bodies that are no JSON are taken as text."""
    code = _CODES.get(status, "unknown")
    try:
        error = narrow.an_object(jsonio.loads(body))
    except ValueError:
        error = None
    if error is None:
        return code, body[:200].decode("utf-8", "replace").strip()
    stated = narrow.a_string(error.get("code"))
    return code if stated is None else stated, str(error.get("message") or "")


def end_error(payload: bytes) -> tuple[str, str] | None:
    """The error in an end frame, or None."""
    error = narrow.an_object(narrow.lookup(jsonio.loads(payload), "error")) if payload else None
    return None if error is None else (str(error.get("code", "unknown")), str(error.get("message", "")))
