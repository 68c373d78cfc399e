"""Request body → JSON object, with every limit: type, time, size, structure, encoding.

The structure is measured before parsing: fifteen megabytes of ``[{},{},…]`` become half a gigabyte of objects (T13).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from zerogravity.config import MIB, Limits
from zerogravity.errors import FaultError, Termination, bad_request, internal, shutting_down
from zerogravity.wire import jsonio
from zerogravity.wire.inflate import InflateError, Inflater, TooMuch
from zerogravity.wire.narrow import an_object

PLAIN = frozenset({"", "identity"})
ENCODINGS = PLAIN | {"gzip", "x-gzip", "deflate", "br", "zstd"}
THREAD_FROM = MIB  # below, a thread costs more than it frees
_JSON_TYPE = re.compile(r"application/(?:[\w.!#$&^-]+\+)?json", re.IGNORECASE)
_SLICE = MIB
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},:"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_BACKSLASH = ord("\\")
_BOM = b"\xef\xbb\xbf"
_PAIR = rb"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SURROGATES = re.compile(rb"\\u(?:" + _PAIR + rb"|([dD][89a-fA-F][0-9a-fA-F]{2}))")  # a whole pair, or one alone


REPAIRED = "halves of surrogate pairs in the request: U+FFFD in their place"


@dataclass(frozen=True, slots=True)
class Body:
    """A request's JSON object: its members, its (decompressed) bytes, and notes on what had to be repaired."""

    members: dict[str, object]
    raw: bytes
    notes: tuple[str, ...] = ()


class Arrivals:
    """Bodies that are arriving; at shutdown their rest is not awaited."""

    def __init__(self) -> None:
        self.closed = False
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncGenerator[None]:
        """Raises TimeoutError when the block takes longer, or at shutdown."""
        async with asyncio.timeout(0 if self.closed else seconds) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    async def end(self, _: web.Application) -> None:
        """At shutdown."""
        self.closed = True
        for limit in self._limits:
            if not limit.expired():  # else its reader is about to be woken anyway
                limit.reschedule(asyncio.get_running_loop().time())


ARRIVALS: web.AppKey[Arrivals] = web.AppKey("arrivals", Arrivals)


async def read_json(request: web.Request, limits: Limits, parses: asyncio.Semaphore) -> Body:
    """The body of a request. Raises FaultError with 400, 408, 413 or 415."""
    if not _JSON_TYPE.fullmatch(request.content_type if "Content-Type" in request.headers else ""):
        text = "the request needs Content-Type: application/json"
        raise bad_request(text, code="unsupported_content_type", status=415)
    return await parse(await read(request, limits, parses), limits, parses)


async def read(request: web.Request, limits: Limits, parses: asyncio.Semaphore) -> bytes:
    """The decompressed body."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        text = "this Content-Encoding is not supported; use one of gzip, deflate, br and zstd, once"
        raise bad_request(text, code="unsupported_content_encoding", status=415)
    data = await receive(request, limits)
    if encoding in PLAIN:
        return data
    async with parses:  # a few bytes may become many
        return await asyncio.to_thread(inflate, data, encoding, limits)


async def receive(request: web.Request, limits: Limits) -> bytes:
    """The body as it was sent."""
    length = request.content_length
    if length is not None and length > limits.body_bytes:
        raise too_large(limits)
    seconds = limits.body_seconds + (limits.body_bytes if length is None else length) / MIB
    try:
        async with request.app[ARRIVALS].within(seconds):
            return await request.read()
    except TimeoutError:
        if request.app[ARRIVALS].closed:
            raise FaultError(shutting_down()) from None
        raise bad_request("the request body did not arrive in time", code="request_timeout", status=408) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(limits) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise bad_request("the request body could not be read", code="invalid_body") from None


def inflate(data: bytes, encoding: str, limits: Limits) -> bytes:
    """The plain bytes. aiohttp's own decompression waits for ever for the end of a truncated body."""
    inflater = Inflater(encoding, max_output=limits.body_bytes, max_ratio=limits.body_bytes)
    try:
        return inflater.feed(data) + inflater.end()
    except TooMuch:
        raise too_large(limits) from None
    except InflateError:
        text = f"the request body is not valid {encoding}, or truncated; send it again, or without Content-Encoding"
        raise bad_request(text, code="invalid_body") from None


def too_large(limits: Limits) -> FaultError:
    return bad_request(
        f"the request body is larger than {limits.body_bytes} bytes", code="request_too_large", status=413
    )


async def parse(data: bytes, limits: Limits, parses: asyncio.Semaphore) -> Body:
    """Bytes → object. Large ones in a thread, few at a time: each may need thirty times its size."""
    if len(data) < THREAD_FROM:
        return parse_now(data, limits)
    async with parses:
        return await asyncio.to_thread(parse_now, data, limits)


def parse_now(data: bytes, limits: Limits) -> Body:
    """Bytes → object. Raises FaultError 400, which names the position of a syntax error.

    What is JSON by the letter needs no look at its bytes but the count of its elements, before they become objects.
    """
    if len(data) > limits.json_structure and structure_of(data) > limits.json_structure:
        check_structure(data, limits)
    notes: tuple[str, ...] = ()
    try:
        value = jsonio.strict(data)
    except (ValueError, RecursionError):
        value, notes = parse_odd(data, limits)
    if (members := an_object(value)) is None:
        raise bad_request("the request body must be a JSON object", code="invalid_json")
    if jsonio.depth(members) > limits.json_depth:
        raise too_deep(limits)
    return Body(members, data, notes)


def parse_odd(data: bytes, limits: Limits) -> tuple[object, tuple[str, ...]]:
    """What is not quite JSON: refused with the reason, or repaired, with a note on that."""
    check_text(data)
    check_structure(data, limits)
    repaired = repair_surrogates(data)
    try:
        return jsonio.loads(repaired), () if repaired is data else (REPAIRED,)
    except json.JSONDecodeError as error:
        place = f"{error.msg.removesuffix(' at')} at line {error.lineno} column {error.colno}"
        raise bad_request(f"the request body is not valid JSON: {place}", code="invalid_json") from None
    except (ValueError, RecursionError):
        raise bad_request("the request body is not valid JSON", code="invalid_json") from None


def check_text(data: bytes) -> None:
    """JSON is UTF-8 without a byte order mark (RFC 8259, 8.1); any other encoding would have to be guessed (T14)."""
    if data.startswith(_BOM):
        text = "a byte order mark at line 1 column 1 does not belong there; send UTF-8 without it"
        raise bad_request(f"the request body is not valid JSON: {text}", code="invalid_json")
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        raise bad_request(
            f"the request body is not UTF-8: byte {error.start} cannot be read", code="invalid_json"
        ) from None


def repair_surrogates(data: bytes) -> bytes:
    """Half of a surrogate pair becomes U+FFFD, as wherever UTF-16 is decoded: it is no character and could not be
    encoded again. A text that was cut inside a pair (often a tool's result) must not cost its turn."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data
    pieces, position, begin = list[bytes](), 0, 0
    while (found := _SURROGATES.search(data, position)) is not None:
        start = before = found.start()
        while before > position and data[before - 1] == _BACKSLASH:
            before -= 1
        if (start - before) % 2:  # the backslash is itself escaped: a plain text like \\ud800
            position = start + 2
        elif found.group(1):
            pieces += (data[begin:start], b"\\ufffd")
            position = begin = start + 6
        else:
            position = found.end()
    return b"".join((*pieces, data[begin:])) if pieces else data


def structure_of(data: bytes) -> int:
    """An upper bound of a JSON text's elements: its opening brackets, commas and colons, in strings too."""
    return sum(map(data.count, (b"{", b"[", b",", b":")))


def check_structure(data: bytes, limits: Limits) -> None:
    """Refuse bodies that are nested too deep or have too many elements, and NaN and Infinity.

    The cheap upper bounds are all that ordinary requests need; beyond them, what is inside strings does not count.
    """
    deep = data.count(b"{") + data.count(b"[")
    many = structure_of(data)
    odd = b"NaN" in data or b"Infinity" in data
    if deep <= limits.json_depth and many <= limits.json_structure and not odd:
        return
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")  # now each quote begins or ends a string
    inside, count, depth, before = 0, 0, 0, b""
    for start in range(0, len(plain), _SLICE):
        pieces = plain[start : start + _SLICE].split(b'"')
        outside = b"".join(pieces[inside::2])
        inside ^= (len(pieces) - 1) & 1
        words = before + outside  # a word may stand across two slices
        before = words[-8:]
        if b"NaN" in words or b"Infinity" in words:
            raise bad_request("the request body is not valid JSON: NaN and Infinity are not JSON", code="invalid_json")
        structure = outside.translate(None, _NOT_STRUCTURE)
        count += len(structure) - structure.count(b"]") - structure.count(b"}")
        if count > limits.json_structure:
            text = f"the request body has more than {limits.json_structure} JSON elements"
            raise bad_request(text, code="request_too_complex")
        brackets = structure.translate(None, b",:")
        if brackets:
            levels = list(accumulate(map(_STEP.__getitem__, brackets), initial=depth))
            depth = levels[-1]
            if max(levels) > limits.json_depth:
                raise too_deep(limits)


def too_deep(limits: Limits) -> FaultError:
    text = f"the request body is nested deeper than {limits.json_depth} levels"
    return bad_request(text, code="request_too_complex")


def overloaded(message: str) -> FaultError:
    """Too much at once; a retry helps."""
    return FaultError(internal(message, Termination.REJECTED, status=503, code="overloaded", retry_after=1.0))
