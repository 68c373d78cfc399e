"""What is about a whole HTTP/2 connection: its settings, its signs of life, its ends, and the bytes that are none."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2_peers import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    HTTP_1_1_REQUIRED,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MOST,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITIZED,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    SMALL,
    WINDOW_UPDATE,
    Frame,
    Peer,
    Server,
    begun,
    block,
    broken,
    bytewise,
    cut,
    data,
    frame,
    goaway,
    head,
    merged,
    reset,
    settings,
    window,
)
from zerogravity.wire.http1 import MAX_HEAD
from zerogravity.wire.http2 import Broken, Data, Ended, Event, Http2

OK = block([(b":status", b"200")])


# -- settings and signs of life ----------------------------------------------------------------------------------


def test_settings_are_acknowledged() -> None:
    peer = Peer(0)
    peer.feed(settings(), settings((MAX_CONCURRENT_STREAMS, 5), (0xF000, 77), (INITIAL_WINDOW_SIZE, MOST)))
    assert peer.sent() == [Frame(SETTINGS, 0, b"", ACK)] * 2
    peer.feed(frame(SETTINGS, 0, b"", ACK))
    assert peer.sent() == []


def test_a_ping_is_answered() -> None:
    peer = Peer()
    assert peer.feed(frame(PING, 0, b"12345678"), frame(PING, 0, b"abcdefgh", ACK)) == []
    assert peer.sent() == [Frame(PING, 0, b"12345678", ACK)]


def test_a_ping_may_be_sent() -> None:
    server = Server()
    server.talk()
    server.client.ping()
    assert server.talk() == []  # its answer tells nothing
    peer = Peer()
    peer.client.ping()
    (sent,) = peer.sent()
    assert (sent.kind, sent.stream, len(sent.payload), sent.flags) == (PING, 0, 8, 0)


def test_what_is_taken_is_not_sent_again() -> None:
    client = Http2()
    client.request(REQUEST, [b"x"])
    assert client.take()
    assert client.take() == b""


# -- resets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [*range(14), 0xFF, 2**32 - 1])
def test_a_reset_stream_is_broken(code: int) -> None:
    peer = Peer(2)
    (event,) = peer.feed(reset(1, code))
    assert isinstance(event, Broken)
    assert event.unprocessed is (code in (REFUSED_STREAM, HTTP_1_1_REQUIRED))
    assert event.http1 is (code == HTTP_1_1_REQUIRED)
    assert peer.sent() == []
    assert (peer.client.open, peer.client.error) == (1, None)
    assert peer.feed(reset(1, code), head(3, flags=END_STREAM)) == [begun(3), Ended(3)]


def test_a_reset_behind_a_whole_answer_is_nothing() -> None:
    peer = Peer()
    assert peer.feed(head(1, flags=END_STREAM) + reset(1, PROTOCOL_ERROR)) == [begun(1), Ended(1)]
    assert peer.client.error is None


# -- going away --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [NO_ERROR, PROTOCOL_ERROR, 11])
def test_a_server_that_goes_away_finishes_what_it_began(code: int) -> None:
    peer = Peer(3)
    events = peer.feed(goaway(3, code, b"going\xff"))
    assert [(event.stream, event.unprocessed) for event in events if isinstance(event, Broken)] == [(5, True)]
    assert len(events) == 1
    assert (peer.client.open, peer.client.room, peer.client.error) == (2, 0, None)
    assert peer.feed(head(1), data(1, b"x", END_STREAM)) == [begun(1), Data(1, b"x"), Ended(1)]
    events = peer.feed(goaway(1))
    assert [(event.stream, event.unprocessed) for event in events if isinstance(event, Broken)] == [(3, True)]
    assert (peer.client.open, peer.client.room) == (0, 0)
    assert peer.end() == []


def test_the_first_of_two_goodbyes_may_name_no_stream() -> None:
    peer = Peer(2)
    assert peer.feed(goaway(MOST)) == []
    assert (peer.client.open, peer.client.room) == (2, 0)
    assert broken(peer.feed(goaway(1 | 1 << 31))) == [3]
    assert peer.feed(head(1, flags=END_STREAM)) == [begun(1), Ended(1)]


def test_a_body_goes_on_to_a_server_that_goes_away() -> None:
    peer = Peer(0)
    for _ in range(2):
        peer.client.request(REQUEST, [b"x" * 100_000])
    peer.sent()
    assert broken(peer.feed(goaway(1))) == [3]
    peer.feed(window(1, 100_000), window(3, 100_000), window(0, 100_000))
    assert {sent.stream for sent in peer.sent(DATA)} == {1}


def test_frames_for_what_was_left_behind_are_ignored() -> None:
    peer = Peer(2)
    peer.feed(goaway(1))
    assert peer.feed(head(3), data(3, b"x"), reset(3, REFUSED_STREAM), window(3, 5)) == []
    assert peer.client.error is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"max_age", " max_age"),
        (b"", ""),
        (b"a\r\nb", ""),
        (b"\x1b[2J", ""),
        (b"\xff", ""),
        (b"x" * 200, " " + "x" * 100),
    ],
)
def test_a_server_may_say_why_it_goes_away_in_plain_text(text: bytes, shown: str) -> None:
    (event,) = Peer(1).feed(goaway(0, NO_ERROR, text))
    assert event == Broken(1, f"the server goes away: NO_ERROR{shown}", unprocessed=True)


# -- the connection's end ----------------------------------------------------------------------------------------


def test_a_connection_that_closes_breaks_what_is_open() -> None:
    peer = Peer(3)
    peer.feed(head(1), data(1, b"x"), head(3, flags=END_STREAM))
    events = peer.end()
    assert broken(events) == [1, 5]
    assert not any(event.unprocessed or event.http1 for event in events if isinstance(event, Broken))
    assert peer.client.error
    assert (peer.client.open, peer.client.room) == (0, 0)
    assert peer.end() == []
    assert peer.feed(head(1), frame(PING, 0, bytes(8))) == []
    assert peer.sent() == []


def test_a_frame_that_is_cut_by_the_end_tells_what_had_come() -> None:
    peer = Peer()
    events = peer.feed(head(1) + data(1, b"hello") + data(1, b"hello")[:-1])
    assert events[:2] in ([begun(1), Data(1, b"hello")], [begun(1), Data(1, b"hellohell")])
    assert broken(peer.end()) == [1]


# -- what is no connection ---------------------------------------------------------------------------------------

BIG = frame(CONTINUATION, 1, bytes(SMALL))
BOMB = Encoder().encode([(b":status", b"200"), (b"x", b"y" * 4000)], huffman=False) + b"\xbe" * 100  # 400 kB

ERRORS: dict[str, bytes] = {
    "HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "TLS": b"\x15\x03\x03\x00\x02\x02\x28" + bytes(10),
    "a frame that is too large": frame(DATA, 1, bytes(SMALL + 1)),
    "a head that is too large": frame(HEADERS, 1, bytes(SMALL + 1), END_HEADERS),
    "an unknown frame that is too large": frame(0x77, 0, bytes(SMALL + 1)),
    "data for no stream": data(0, b"x"),
    "data for a stream of the server": data(2, b"x"),
    "data for a stream never opened": data(99, b"x"),
    "a head for no stream": head(0),
    "a head for a stream of the server": head(2),
    "a head for a stream never opened": head(99),
    "a promise": frame(PUSH_PROMISE, 1, (2).to_bytes(4) + OK, END_HEADERS),
    "a promise for a stream that has ended": frame(PUSH_PROMISE, 3, (2).to_bytes(4) + OK, END_HEADERS),
    "padding that is too long": data(1, b"\5hello", PADDED) + data(1, b"\6hello", PADDED),
    "padding and nothing else": data(1, b"\1", PADDED),
    "padding without a length": data(1, b"", PADDED),
    "padding of a head that is too long": frame(HEADERS, 1, b"\x7f" + OK, END_HEADERS | PADDED),
    "padding of a head without a length": frame(HEADERS, 1, b"", END_HEADERS | PADDED),
    "padding that reaches into a priority": frame(
        HEADERS, 1, b"\4" + bytes(5), END_HEADERS | PADDED | PRIORITIZED
    ),
    "padding of what was cancelled": data(5, b"\6hello", PADDED),
    "a priority that is too short": frame(HEADERS, 1, bytes(4), END_HEADERS | PRIORITIZED),
    "a head that is not continued": frame(HEADERS, 1, OK) + data(1, b"x"),
    "a head and another one": frame(HEADERS, 1, OK) + frame(HEADERS, 1, OK, END_HEADERS),
    "a head that another stream continues": frame(HEADERS, 1, OK) + frame(CONTINUATION, 3, b"", END_HEADERS),
    "a head and a ping": frame(HEADERS, 1, OK) + frame(PING, 0, bytes(8)),
    "a head and an unknown frame": frame(HEADERS, 1, OK) + frame(0x77, 1),
    "a head of what was cancelled that is not continued": frame(HEADERS, 5, OK) + data(1, b"x"),
    "a continuation of nothing": frame(CONTINUATION, 1, OK, END_HEADERS),
    "a continuation of a whole head": head(1) + frame(CONTINUATION, 1, b"", END_HEADERS),
    "the connection's window opened by nothing": window(0, 0),
    "the connection's window too large": window(0, MOST),
    "the connection's window too large in the end": window(0, MOST - 65_535) + window(0, 1),
    "a window's update that is too short": frame(WINDOW_UPDATE, 0, bytes(3)),
    "a window's update that is too long": frame(WINDOW_UPDATE, 1, bytes(5)),
    "a window's update for a stream never opened": window(99, 1),
    "a window's update for a stream of the server": window(2, 1),
    "a number of the table that is not there": frame(HEADERS, 1, b"\xff\xff\xff\x7f", END_HEADERS),
    "number 0 of the table": frame(HEADERS, 1, b"\x80", END_HEADERS),
    "a number that does not end": frame(HEADERS, 1, b"\xff" + b"\x80" * 9000, END_HEADERS),
    "a table that is too large": frame(HEADERS, 1, b"\x3f\xff\xff\x7f" + OK, END_HEADERS),
    "a name that is cut": frame(HEADERS, 1, b"\0\x7fabc", END_HEADERS),
    "a head that is cut": frame(HEADERS, 1, OK[:-1], END_HEADERS),
    "a name in no code": frame(HEADERS, 1, b"\0\x84\xff\xff\xff\xff\1a", END_HEADERS),
    "a head for what was cancelled that cannot be read": frame(HEADERS, 5, b"\x80", END_HEADERS),
    "a head that is too long": frame(HEADERS, 1, bytes(SMALL)) + BIG * (MAX_HEAD // SMALL),
    "a head that becomes too long": frame(HEADERS, 1, BOMB, END_HEADERS),
    "trailers that become too long": head(1) + frame(HEADERS, 1, BOMB, END_HEADERS | END_STREAM),
    "settings of a stream": frame(SETTINGS, 1),
    "settings that are cut": frame(SETTINGS, 0, bytes(5)),
    "settings acknowledged with settings": frame(SETTINGS, 0, bytes(6), ACK),
    "settings that allow pushes": settings((ENABLE_PUSH, 1)),
    "settings without sense": settings((ENABLE_PUSH, 2)),
    "a first window that is too large": settings((INITIAL_WINDOW_SIZE, 2**31)),
    "a first window too large for a stream": window(1, MOST - 65_535) + settings((INITIAL_WINDOW_SIZE, 65_536)),
    "a largest frame that is too small": settings((MAX_FRAME_SIZE, SMALL - 1)),
    "a largest frame that is too large": settings((MAX_FRAME_SIZE, 2**24)),
    "a ping of a stream": frame(PING, 1, bytes(8)),
    "a ping that is too short": frame(PING, 0, bytes(7)),
    "a ping that is too long": frame(PING, 0, bytes(9), ACK),
    "a goodbye of a stream": frame(GOAWAY, 1, bytes(8)),
    "a goodbye that is too short": frame(GOAWAY, 0, bytes(7)),
    "a reset of no stream": reset(0, 1),
    "a reset of a stream never opened": reset(99, 1),
    "a reset of a stream of the server": reset(2, 1),
    "a reset that is too short": frame(RST_STREAM, 1, bytes(3)),
    "a reset that is too long": frame(RST_STREAM, 1, bytes(5)),
}  # fmt: skip


def peer_of_errors() -> Peer:
    """Streams 1 and 7 are open, 3 has ended, 5 was cancelled."""
    peer = Peer(4)
    peer.feed(head(3, flags=END_STREAM))
    peer.client.cancel(5)
    peer.sent()
    return peer


@pytest.mark.parametrize("raw", ERRORS.values(), ids=ERRORS)
def test_an_error_of_the_connection_ends_it(raw: bytes) -> None:
    peer = peer_of_errors()
    events = peer.feed(raw)
    assert peer.client.error
    assert broken(events) == [1, 7]
    assert not any(event.unprocessed or event.http1 for event in events if isinstance(event, Broken))
    assert (peer.client.open, peer.client.room) == (0, 0)
    *_, last = peer.sent()
    assert last.kind == GOAWAY
    assert (last.payload[:4], last.payload[4:8] != bytes(4)) == (bytes(4), True)
    assert peer.feed(head(7), frame(PING, 0, bytes(8))) == []
    assert peer.end() == []
    assert peer.sent() == []


def test_nothing_is_told_of_what_follows_an_error() -> None:
    peer = Peer(2)
    assert broken(peer.feed(data(0, b"x") + head(1) + head(3))) == [1, 3]


@pytest.mark.parametrize("name", [name for name in ERRORS if len(ERRORS[name]) < 20_000])
def test_an_error_is_the_same_in_any_pieces(name: str) -> None:
    raw = head(1) + data(1, b"hello") + ERRORS[name]
    whole, pieces = peer_of_errors(), peer_of_errors()
    assert pieces.feed(*bytewise(raw)) == whole.feed(raw)
    assert pieces.client.error == whole.client.error


def test_a_frame_that_is_too_large_is_not_waited_for() -> None:
    peer = Peer()
    assert broken(peer.feed(frame(DATA, 1, bytes(SMALL + 1))[:9])) == [1]


def test_what_came_before_an_error_is_not_lost() -> None:
    peer = Peer()
    assert peer.feed(head(1) + data(1, b"hello") + data(0, b"x"))[:2] == [begun(1), Data(1, b"hello")]


def test_a_head_may_be_as_long_as_one_of_http1() -> None:
    peer = Peer()
    fields = [(b":status", b"200"), *[(b"x-%d" % number, b"y" * 4000) for number in range(60)]]
    raw = block(fields)
    pieces = [raw[at : at + SMALL] for at in range(0, len(raw), SMALL)]
    middle = [frame(CONTINUATION, 1, piece) for piece in pieces[1:-1]]
    events = peer.feed(frame(HEADERS, 1, pieces[0]), *middle, frame(CONTINUATION, 1, pieces[-1], END_HEADERS))
    assert events == [begun(1, *fields[1:])]


def test_a_smaller_table_may_be_announced() -> None:
    """A server's encoder chooses its own size, below ours."""
    peer = Peer(2)
    encoder = Encoder()
    encoder.header_table_size = 64
    first = encoder.encode([(b":status", b"200"), (b"x-a", b"b")])
    assert peer.feed(frame(HEADERS, 1, first, END_HEADERS)) == [begun(1, (b"x-a", b"b"))]
    again = encoder.encode([(b":status", b"200"), (b"x-a", b"b")])
    assert peer.feed(frame(HEADERS, 3, again, END_HEADERS)) == [begun(3, (b"x-a", b"b"))]


# -- any bytes ---------------------------------------------------------------------------------------------------


def judge(peer: Peer, events: list[Event]) -> None:
    """Whatever came, the client is in one piece."""
    client = peer.client
    sent = peer.sent()
    assert client.open >= 0
    assert client.room >= 0
    if client.error is not None:
        assert (client.open, client.room) == (0, 0)
        assert sent[-1].kind == GOAWAY
        assert peer.feed(head(1)) == []
    assert client.open == 4 - len(ends(events))
    assert sorted(ends(events) + broken(peer.end())) == [1, 3, 5, 7]


def ends(events: list[Event]) -> list[int]:
    return [event.stream for event in events if isinstance(event, Ended | Broken)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_may_come(raw: bytes, cuts: list[int]) -> None:
    peer = Peer(4)
    judge(peer, peer.feed(*cut(raw, cuts)))


PAYLOADS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", OK, bytes(4), bytes(5), bytes(6), bytes(8), MOST.to_bytes(4), (1).to_bytes(4)]),
    st.binary(max_size=6).map(lambda more: OK + more),
    st.tuples(st.integers(0, 7), st.sampled_from([0, 1, 16_384, 65_535, MOST, 2**32 - 1])).map(
        lambda pair: pair[0].to_bytes(2) + pair[1].to_bytes(4)
    ),
)
FRAMES = st.builds(
    frame,
    st.integers(0, 11),
    st.sampled_from([0, 1, 1, 3, 5, 7, 2, 9, 1 | 1 << 31]),
    PAYLOADS,
    st.sampled_from([0, END_STREAM, END_HEADERS, END_HEADERS | END_STREAM, PADDED, PRIORITIZED, 0xFF]),
)


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(0, 200), max_size=4))
def test_any_frames_may_come(raws: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(raws)
    peer, other = Peer(4), Peer(4)
    events = peer.feed(*cut(raw, cuts))
    assert other.feed(raw) == events
    assert other.client.error == peer.client.error
    judge(peer, events)


@given(st.binary(max_size=60), st.sampled_from([0, END_STREAM]))
def test_any_head_may_come(raw: bytes, flags: int) -> None:
    peer = Peer(4)
    judge(peer, peer.feed(frame(HEADERS, 1, raw, END_HEADERS | flags)))


def session() -> bytes:
    """What h2 sends for three answers between each other and a ping."""
    server = Server()
    for _ in range(4):
        server.client.request(REQUEST, [b"hello"])
    server.talk()
    server.h2.update_settings({MAX_CONCURRENT_STREAMS: 50, HEADER_TABLE_SIZE: 4096})
    for stream in (1, 3, 5):
        server.answer(stream, (b"content-type", b"text/plain"), (b"content-length", b"10"))
        server.h2.send_data(stream, b"hello", pad_length=4)
    server.h2.ping(b"12345678")
    for stream in (3, 1):
        server.h2.send_data(stream, b"world", end_stream=True)
    server.h2.reset_stream(5, REFUSED_STREAM)
    server.answer(7, (b"x", b"y"))
    server.h2.send_headers(7, [(b"grpc-status", b"0")], end_stream=True)
    return server.h2.data_to_send()


SESSION = session()


def test_the_session_is_valid() -> None:
    peer = Peer(4)
    events = peer.feed(SESSION)
    assert [event.stream for event in events if isinstance(event, Ended)] == [3, 1, 7]
    judge(peer, events)


@given(
    flips=st.lists(st.tuples(st.integers(0, len(SESSION) - 1), st.integers(1, 255)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, len(SESSION)), max_size=6),
)
def test_a_session_may_be_damaged_anywhere(flips: list[tuple[int, int]], cuts: list[int]) -> None:
    damaged = bytearray(SESSION)
    for at, flip in flips:
        damaged[at] ^= flip
    peer, other = Peer(4), Peer(4)
    events = peer.feed(*cut(bytes(damaged), cuts))
    assert other.feed(bytes(damaged)) == events
    judge(peer, events)


def test_each_byte_of_a_session_may_be_damaged() -> None:
    for at in range(len(SESSION)):
        for flip in (0x01, 0x08, 0x80, 0xFF):
            peer = Peer(4)
            judge(peer, peer.feed(SESSION[:at] + bytes([SESSION[at] ^ flip]) + SESSION[at + 1 :]))


def test_a_session_may_be_cut_anywhere() -> None:
    whole = Peer(4).feed(SESSION)
    for at in range(len(SESSION)):
        peer = Peer(4)
        events = peer.feed(SESSION[:at])
        assert (peer.client.error, peer.client.open) == (None, 4 - len(ends(events)))
        assert merged(events + peer.feed(SESSION[at:])) == whole


@pytest.mark.parametrize("first", [frame(PING, 0, bytes(8)), head(1), frame(WINDOW_UPDATE, 0, b"\0\0\0\1")])
def test_settings_come_first(first: bytes) -> None:
    client = Http2()
    client.request(REQUEST, [])
    events = client.feed(first)
    assert client.error == "HTTP/2 protocol error: no settings come first"
    assert [type(event) for event in events] == [Broken]
