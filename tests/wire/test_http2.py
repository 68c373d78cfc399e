"""Answers as they come over HTTP/2, in any pieces and between each other: what is told of them, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2_peers import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MOST,
    PADDED,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    REQUEST,
    RST_STREAM,
    SMALL,
    WINDOW_UPDATE,
    Fields,
    Peer,
    Server,
    begun,
    block,
    body,
    broken,
    bytewise,
    cut,
    data,
    frame,
    frames,
    head,
    headers,
    merged,
    window,
)
from zerogravity.wire.http2 import Begun, Broken, Data, Ended, Event

TEXT = (b"content-type", b"text/plain")
OK = block([(b":status", b"200"), TEXT])
HELLO: list[Event] = [begun(1, TEXT), Data(1, b"hello"), Ended(1)]
EMPTY: list[Event] = [begun(1, TEXT), Ended(1)]
WEIGHT = b"\x80\0\0\0\x10"
PUSHED = END_HEADERS | PADDED | PRIORITIZED
TRAILERS = headers(1, [(b"grpc-status", b"0"), (b"x-y", b"z")], END_STREAM)


def sized(length: bytes, *payloads: bytes) -> bytes:
    """An answer that says how long it is, and its frames."""
    frames = [data(1, payload, END_STREAM * (payload is payloads[-1])) for payload in payloads]
    return head(1, (b"content-length", length)) + b"".join(frames)


def told(length: bytes, payload: bytes = b"") -> list[Event]:
    return [begun(1, (b"content-length", length)), *([Data(1, payload)] if payload else []), Ended(1)]


# name: (frames, what is told of them)
ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    "one frame": (head(1, TEXT) + data(1, b"hello", END_STREAM), HELLO),
    "several frames": (head(1, TEXT) + data(1, b"hel") + data(1, b"l") + data(1, b"o", END_STREAM), HELLO),
    "ended by an empty frame": (head(1, TEXT) + data(1, b"hello") + data(1, b"", END_STREAM), HELLO),
    "empty frames between": (
        head(1, TEXT) + data(1, b"") + data(1, b"hel") + data(1, b"") + data(1, b"lo", END_STREAM), HELLO,
    ),
    "no body": (head(1, status=b"204", flags=END_STREAM), [begun(1, status=204), Ended(1)]),
    "an empty body": (head(1, TEXT) + data(1, b"", END_STREAM), EMPTY),
    "padding": (
        frame(HEADERS, 1, b"\3" + OK + bytes(3), END_HEADERS | PADDED)
        + data(1, b"\x05hel" + bytes(5), PADDED) + data(1, b"\0lo", PADDED) + data(1, b"\2\0\0", PADDED | END_STREAM),
        HELLO,
    ),
    "padding that is not empty": (head(1, TEXT) + data(1, b"\3helloxyz", PADDED | END_STREAM), HELLO),
    "priority": (
        frame(HEADERS, 1, WEIGHT + OK, END_HEADERS | PRIORITIZED) + frame(PRIORITY, 1, WEIGHT)
        + frame(PRIORITY, 77, WEIGHT) + data(1, b"hello", END_STREAM), HELLO,
    ),
    "padding and priority": (frame(HEADERS, 1, b"\2" + WEIGHT + OK + bytes(2), PUSHED | END_STREAM), EMPTY),
    "a head in pieces": (
        frame(HEADERS, 1, OK[:7]) + frame(CONTINUATION, 1, OK[7:9]) + frame(CONTINUATION, 1)
        + frame(CONTINUATION, 1, OK[9:], END_HEADERS) + data(1, b"hello", END_STREAM), HELLO,
    ),
    "a head in pieces, the first one empty": (
        frame(HEADERS, 1, b"", END_STREAM) + frame(CONTINUATION, 1, OK, END_HEADERS), EMPTY,
    ),
    "a head in pieces, padded": (
        frame(HEADERS, 1, b"\1" + OK[:9] + b"\0", PADDED | END_STREAM) + frame(CONTINUATION, 1, OK[9:], END_HEADERS),
        EMPTY,
    ),
    "interim answers": (
        head(1, status=b"100") + head(1, (b"link", b"a"), status=b"103") + head(1, TEXT)
        + data(1, b"hello", END_STREAM), HELLO,
    ),
    "trailers": (head(1, TEXT) + data(1, b"hello") + TRAILERS, HELLO),
    "trailers and no body": (head(1, TEXT) + TRAILERS, EMPTY),
    "trailers in pieces": (
        head(1, TEXT) + data(1, b"hello") + frame(HEADERS, 1, b"", END_STREAM)
        + frame(CONTINUATION, 1, block([TEXT]), END_HEADERS), HELLO,
    ),
    "a length": (sized(b"5", b"hel", b"lo"), told(b"5", b"hello")),
    "a length, and an empty frame": (sized(b"5", b"hello", b""), told(b"5", b"hello")),
    "a length, padding and trailers": (
        head(1, (b"content-length", b"5")) + data(1, b"\2hello\0\0", PADDED) + TRAILERS, told(b"5", b"hello"),
    ),
    "the length of nothing": (head(1, (b"content-length", b"0"), flags=END_STREAM), told(b"0")),
    "a length of what is not sent again": (
        head(1, (b"content-length", b"5"), status=b"304", flags=END_STREAM),
        [begun(1, (b"content-length", b"5"), status=304), Ended(1)],
    ),
    "unknown frames": (
        frame(0xA, 0, b"alt") + head(1, TEXT) + frame(0xEE, 1, b"x", 0xFF) + frame(0xC, 99, b"y")
        + data(1, b"hello", END_STREAM), HELLO,
    ),
    "unknown flags": (
        frame(HEADERS, 1, OK, END_HEADERS | 0xD2) + data(1, b"hello", END_STREAM | 0xF6), HELLO,
    ),
    "the reserved bit": (head(1 | 1 << 31, TEXT) + data(1 | 1 << 31, b"hello", END_STREAM), HELLO),
    "any fields": (
        head(1, (b"set-cookie", b"a=1"), (b"x", b""), (b"set-cookie", b"b=\xff"), flags=END_STREAM),
        [begun(1, (b"set-cookie", b"a=1"), (b"x", b""), (b"set-cookie", b"b=\xff")), Ended(1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("split", [lambda raw: [raw], bytewise], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("raw", "events"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read(raw: bytes, events: list[Event], split) -> None:
    peer = Peer()
    assert peer.feed(*split(raw)) == events
    assert peer.client.error is None
    assert peer.client.open == 0
    assert peer.sent(RST_STREAM) == []
    assert peer.end() == []  # a connection that closes now takes nothing away


def test_each_answer_may_come_over_the_same_connection() -> None:
    peer = Peer(0)
    for raw, events in ANSWERS.values():
        stream = peer.client.request(REQUEST, [])
        own = [one._replace(stream=stream) for one in frames(raw) if one.stream & MOST == 1]
        told = peer.feed(b"".join(frame(*one) for one in own))
        assert [type(event) for event in told] == [type(event) for event in events]
    assert peer.client.error is None


# -- refused -----------------------------------------------------------------------------------------------------

S = (b":status", b"200")
INVALID: dict[str, Fields] = {
    "a name in upper case": [S, (b"X-a", b"b")],
    "an empty name": [S, (b"", b"b")],
    "a name with a space": [S, (b"x a", b"b")],
    "a name with an end of line": [S, (b"x\r\na", b"b")],
    "a name with a colon": [S, (b"x:a", b"b")],
    "a name with NUL": [S, (b"x\0", b"b")],
    "a value with CR": [S, (b"x", b"a\rb")],
    "a value with LF": [S, (b"x", b"a\nb: c")],
    "a value with NUL": [S, (b"x", b"a\0b")],
    "no fields": [],
    "no status": [TEXT],
    "two statuses": [S, S],
    "two other statuses": [S, (b":status", b"404")],
    "a status behind a field": [TEXT, S],
    "a second status behind a field": [S, TEXT, S],
    "an empty status and another": [(b":status", b""), S],
    "an unknown pseudo-header": [S, (b":reason", b"OK")],
    "a pseudo-header of requests": [S, (b":path", b"/")],
    "status 101": [(b":status", b"101")],
    "a status that is no number": [(b":status", b"abc")],
    "an empty status": [(b":status", b"")],
    "a status with a sign": [(b":status", b"+20")],
    "a status of two digits": [(b":status", b"20")],
    "a status of four digits": [(b":status", b"2000")],
    "a status and a reason": [(b":status", b"200 OK")],
    "a status below all": [(b":status", b"099")],
    "a length that is no number": [S, (b"content-length", b"five")],
    "a length below zero": [S, (b"content-length", b"-5")],
    "a length with a sign": [S, (b"content-length", b"+5")],
    "two lengths": [S, (b"content-length", b"5"), (b"content-length", b"6")],
    "a length of too many digits": [S, (b"content-length", b"9" * 5000)],
}


@pytest.mark.parametrize("fields", INVALID.values(), ids=INVALID)
def test_an_invalid_head_breaks_its_stream_only(fields: Fields) -> None:
    peer = Peer(2)
    (event,) = peer.feed(headers(1, fields))
    assert isinstance(event, Broken)
    assert (event.stream, event.unprocessed, event.http1) == (1, False, False)
    after = peer.feed(data(1, b"hello") + TRAILERS + head(3) + data(3, b"x", END_STREAM))
    assert after == [begun(3), Data(3, b"x"), Ended(3)]
    assert (peer.client.error, peer.client.open) == (None, 0)
    assert [(frame.stream, frame.number) for frame in peer.sent(RST_STREAM)] == [(1, PROTOCOL_ERROR)]


INVALID_LATER = {
    "an interim answer that ends": head(1, status=b"103", flags=END_STREAM),
    "an invalid interim answer": head(1, (b"x", b"a\nb"), status=b"103"),
    "a body before the head": data(1, b"x"),
    "an empty body before the head": data(1, b"", END_STREAM),
    "a body behind an interim answer": head(1, status=b"100") + data(1, b"x", END_STREAM),
    "a second head": head(1) + head(1),
    "a second head that ends": head(1) + head(1, flags=END_STREAM),
    "trailers that do not end": head(1) + headers(1, [TEXT]),
    "trailers with a pseudo-header": head(1) + headers(1, [(b"a", b"b"), (b":path", b"/")], END_STREAM),
    "a body that is too long": sized(b"5", b"hello!"),
    "a body that is too long by a frame": sized(b"5", b"hello", b"!"),
    "a body that is too short": sized(b"5", b"hell"),
    "a body that is missing": sized(b"5", b""),
    "a length and no body": head(1, (b"content-length", b"5"), flags=END_STREAM),
    "a body that is too short, and trailers": head(1, (b"content-length", b"5")) + data(1, b"hell") + TRAILERS,
    "a body that should be empty": sized(b"0", b"x"),
    "a window that becomes too large": head(1) + window(1, 2**31 - 1),
    "a window that is opened by nothing": head(1) + window(1, 0),
}


@pytest.mark.parametrize("raw", INVALID_LATER.values(), ids=INVALID_LATER)
def test_what_breaks_its_stream_only(raw: bytes) -> None:
    peer = Peer(2)
    events = peer.feed(raw)
    assert Peer(2).feed(*bytewise(raw)) == events
    assert broken(events) == [1]
    assert Ended(1) not in events
    assert (peer.client.error, peer.client.open) == (None, 1)
    assert not any(event.unprocessed or event.http1 for event in events if isinstance(event, Broken))
    assert [type(event) for event in peer.feed(head(3), data(3, b"x", END_STREAM))] == [Begun, Data, Ended]


@pytest.mark.parametrize(
    "field",
    [
        (b"connection", b"close"),
        (b"connection", b"keep-alive, x-secret"),
        (b"transfer-encoding", b"chunked"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"upgrade", b"h2c"),
    ],
)
def test_what_is_about_a_connection_is_not_passed_on(field: tuple[bytes, bytes]) -> None:
    peer = Peer(2)
    events = peer.feed(head(1, field, TEXT, flags=END_STREAM), head(3, flags=END_STREAM))
    assert events[-2:] == [begun(3), Ended(3)]
    assert events[:-2] == [begun(1, TEXT), Ended(1)] or broken(events[:-2]) == [1]
    assert peer.client.error is None


# -- names kept in the table -------------------------------------------------------------------------------------

KEPT = [(b"x-kept", b"in the table"), (b"set-cookie", b"b")]


@pytest.mark.parametrize(
    "before", ["interim", "invalid", "cancelled", "cancelled, in pieces", "ended", "trailers", "cancelled, trailers"]
)
def test_the_table_of_names_holds_what_nobody_reads(before: str) -> None:
    peer, encoder = Peer(2), Encoder()
    fields = [(b":status", b"103" if before == "interim" else b"200"), *KEPT]
    kept = encoder.encode([*fields, (b"X", b"y")] if before == "invalid" else fields)
    if "trailers" in before:
        peer.feed(head(1))
    if before == "ended":
        peer.feed(head(1, flags=END_STREAM))
    if before.startswith("cancelled"):
        peer.client.cancel(1)
    if before.endswith("in pieces"):
        peer.feed(frame(HEADERS, 1, kept[:9]) + frame(CONTINUATION, 1, kept[9:], END_HEADERS))
    else:
        peer.feed(frame(HEADERS, 1, kept, END_HEADERS | ("trailers" in before) * END_STREAM))
    again = encoder.encode([(b":status", b"200"), *KEPT])
    assert len(again) < 10
    assert peer.feed(frame(HEADERS, 3, again, END_HEADERS)) == [begun(3, *KEPT)]


# -- many at once ------------------------------------------------------------------------------------------------


@given(
    bodies=st.lists(st.lists(st.binary(max_size=40), max_size=4), min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
    cuts=st.lists(st.integers(0, 2000)),
)
def test_answers_between_each_other_cut_anywhere(bodies: list[list[bytes]], order, cuts: list[int]) -> None:
    server = Server()
    streams = [server.client.request(REQUEST, []) for _ in bodies]
    assert server.talk() == []
    due = [stream for stream, pieces in zip(streams, bodies, strict=True) for _ in range(len(pieces) + 2)]
    order.shuffle(due)
    left = {stream: [None, *pieces, b"end"] for stream, pieces in zip(streams, bodies, strict=True)}
    for stream in due:
        piece = left[stream].pop(0)
        if piece is None:
            server.answer(stream, (b"x-stream", b"%d" % stream))
        else:
            padding = order.choice([None, 0, 7])
            server.h2.send_data(stream, piece, end_stream=not left[stream], pad_length=padding)
    raw = server.h2.data_to_send()
    events = [event for piece in cut(raw, cuts) for event in server.client.feed(piece)]
    for stream, pieces in zip(streams, bodies, strict=True):
        own = [event for event in events if event.stream == stream]
        assert merged(own) == [
            begun(stream, (b"x-stream", b"%d" % stream)), Data(stream, b"".join(pieces) + b"end"), Ended(stream),
        ]  # fmt: skip
    assert server.talk() == []
    assert server.client.open == 0


@given(
    raw=st.sampled_from([raw for raw, _ in ANSWERS.values()] + list(INVALID_LATER.values())),
    cuts=st.lists(st.integers(0, 150)),
)
def test_any_cuts_tell_the_same(raw: bytes, cuts: list[int]) -> None:
    raw += head(3) + data(3, b"x", END_STREAM)
    whole, pieces = Peer(2), Peer(2)
    assert pieces.feed(*cut(raw, cuts)) == whole.feed(raw)
    assert pieces.client.error == whole.client.error
    assert pieces.client.open == whole.client.open


# -- the client's windows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [1, 3])
def test_a_large_answer_never_stalls(streams: int) -> None:
    """50 MB, by a server that keeps to the windows."""
    server = Server()
    left = {server.client.request(REQUEST, []): 50_000_000 // streams for _ in range(streams)}
    got = dict.fromkeys(left, 0)
    server.talk()
    for stream in left:
        server.answer(stream)
    piece = bytes(SMALL)
    while any(left.values()):
        before = sum(left.values())
        for stream in left:
            while left[stream] and (size := min(server.credit(stream), left[stream])):
                left[stream] -= size
                server.h2.send_data(stream, piece[:size], end_stream=not left[stream])
        for event in server.talk():
            if isinstance(event, Data):
                got[event.stream] += len(event.data)
        assert sum(left.values()) < before
    assert set(got.values()) == {50_000_000 // streams}
    assert server.client.open == 0


class Credit:
    """What a server may still send, by what the client has said."""

    def __init__(self, peer: Peer) -> None:
        self.stream = peer.setting(INITIAL_WINDOW_SIZE, 65_535)
        self.left = {0: 65_535}
        self.take([frame for frame in peer.hello if frame.kind == WINDOW_UPDATE])
        self.whole = self.left[0]

    def take(self, updates: Sequence) -> None:
        for update in updates:
            self.left[update.stream] = self.left.get(update.stream, self.stream) + update.number

    def spend(self, stream: int, size: int) -> None:
        for number in (0, stream):
            self.left[number] = self.left.get(number, self.stream) - size
            assert self.left[number] >= 0, "stalled"


@pytest.mark.parametrize("waste", ["padding", "cancelled", "invalid", "ended"])
def test_a_body_that_nobody_reads_counts_for_the_connections_window(waste: str) -> None:
    peer = Peer(0)
    credit = Credit(peer)
    spent = 0
    while spent <= credit.whole + credit.stream:
        stream = peer.client.request(REQUEST, [])
        match waste:
            case "cancelled":
                peer.client.cancel(stream)
            case "invalid":
                peer.feed(head(stream, (b"X", b"y")))
            case "ended":
                peer.feed(head(stream, flags=END_STREAM))
            case _:
                peer.feed(head(stream))
        size = credit.stream // SMALL * SMALL
        for _ in range(size // SMALL):
            credit.spend(stream, SMALL)
        full = frame(DATA, stream, b"\xff" + bytes(SMALL - 1), PADDED)
        peer.feed(full * (size // SMALL))
        if waste == "padding":
            peer.client.cancel(stream)
        credit.take(peer.sent(WINDOW_UPDATE))
        spent += size
    assert peer.client.error is None


def test_padding_counts_for_a_streams_window() -> None:
    peer = Peer()
    credit = Credit(peer)
    peer.feed(head(1))
    full, spent = data(1, b"\xffx" + bytes(255), PADDED), 0
    while spent <= 2 * credit.stream:
        for _ in range(64):
            credit.spend(1, 257)
        assert body(peer.feed(full * 64)) == b"x" * 64
        credit.take(peer.sent(WINDOW_UPDATE))
        spent += 64 * 257


@pytest.mark.parametrize("end", ["whole", "reset", "cancelled", "goes away", "invalid"])
def test_nothing_of_a_body_is_kept_that_will_not_go_out(end: str) -> None:
    """Also where the server opens its window no more."""
    peer, large = Peer(), bytes(range(256)) * 4096
    kept = sys.getrefcount(large)
    number = peer.client.request(REQUEST, [large])
    assert sys.getrefcount(large) > kept
    match end:
        case "whole":
            peer.feed(head(number, flags=END_STREAM))
        case "reset":
            peer.feed(frame(RST_STREAM, number, bytes(4)))
        case "cancelled":
            peer.client.cancel(number)
        case "goes away":
            peer.feed(frame(7, 0, bytes(8)))
        case _:
            peer.feed(head(number, (b"X", b"y")))
    assert sys.getrefcount(large) == kept
