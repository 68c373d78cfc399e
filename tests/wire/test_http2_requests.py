"""Requests as they go out over HTTP/2: whole and valid for a server of the h2 library, and never beyond its windows."""

from __future__ import annotations

from typing import cast

import pytest
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.http2_peers import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MOST,
    NO_ERROR,
    REFUSED_STREAM,
    REQUEST,
    RST_STREAM,
    SMALL,
    Frame,
    Peer,
    Server,
    begun,
    broken,
    data,
    goaway,
    head,
    headers,
    reset,
    settings,
    window,
)
from zerogravity.wire.http2 import Broken, Data, Ended, Http2

FIRST = 65_535  # of a window that nothing was said about


def sizes(sent: list[Frame], stream: int = 1) -> list[int]:
    return [len(frame.payload) for frame in sent if frame.kind == DATA and frame.stream == stream]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], b""),
        ([b""], b""),
        ([b"hello"], b"hello"),
        ([b"", b"hel", b"", b"lo", b""], b"hello"),
        ([b"x" * 40_000, b"y"], b"x" * 40_000 + b"y"),
        ([b"x" * SMALL, b""], b"x" * SMALL),
        ([b"x"] * 3000, b"x" * 3000),
    ],
)
def test_a_request_comes_as_it_was_made(body: list[bytes], expected: bytes) -> None:
    server = Server()
    fields = [*REQUEST, (b"content-type", b"a/b"), (b"x", b"1"), (b"x", b""), (b"x", b"\xff" * 200)]
    assert server.client.request(fields, body) == 1
    assert server.talk() == []
    assert server.heads == {1: fields}
    assert server.bodies == {1: expected}
    assert server.whole == [1]


def test_no_pushes_are_allowed() -> None:
    server = Server()
    server.talk()
    assert server.h2.remote_settings.enable_push == 0


def test_streams_are_numbered() -> None:
    client = Http2()
    assert [client.request(REQUEST, []) for _ in range(3)] == [1, 3, 5]
    assert client.open == 3


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 16_512])
def test_a_field_may_have_any_length(size: int) -> None:
    server = Server()
    fields = [*REQUEST, (b"n" * max(size, 1), b"v" * size), (b"x", b"y")]
    server.client.request(fields, [])
    server.talk()
    assert server.heads == {1: fields}


@pytest.mark.parametrize("size", [100, SMALL - 100, SMALL, 3 * SMALL, 50_000])
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_long_head_goes_out_in_pieces(size: int, body: bytes) -> None:
    server, peer = Server(), Peer(0)
    fields = [*REQUEST, (b"x", b"y" * size)]
    for client in (server.client, peer.client):
        client.request(fields, [body])
    server.talk()
    assert (server.heads, server.bodies, server.whole) == ({1: fields}, {1: body}, [1])
    pieces = peer.sent(HEADERS, CONTINUATION)
    assert [piece.kind for piece in pieces] == [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    assert [piece.flags & END_HEADERS for piece in pieces] == [0] * (len(pieces) - 1) + [END_HEADERS]
    assert [piece.flags & END_STREAM for piece in pieces] == [0 if body else END_STREAM] + [0] * (len(pieces) - 1)


@pytest.mark.parametrize("size", [0, 100, 4096])
def test_a_server_may_keep_fewer_names(size: int) -> None:
    """Whoever has a table must say that it has become smaller, before the next head (RFC 7541, 4.2)."""
    server = Server()
    server.client.request([*REQUEST, (b"x-a", b"b")], [])
    server.talk()
    server.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
    server.talk()
    for _ in range(2):
        server.client.request([*REQUEST, (b"x-a", b"b")], [])
        server.talk()
    assert list(server.heads.values()) == [[*REQUEST, (b"x-a", b"b")]] * 3


# -- how many ----------------------------------------------------------------------------------------------------


def test_room_is_what_the_server_allows() -> None:
    """One until it has told, and never more than a hundred: one loss must not cost too much."""
    client = Http2()
    assert client.room == 1
    client.request(REQUEST, [])
    assert (client.room, client.open) == (0, 1)
    client.feed(settings())
    assert client.room == 99
    client.feed(settings((MAX_CONCURRENT_STREAMS, 3)))
    assert client.room == 2
    client.request(REQUEST, [])
    client.feed(settings((MAX_CONCURRENT_STREAMS, 1)))
    assert (client.room, client.open) == (0, 2)
    client.feed(head(1, flags=END_STREAM))
    assert (client.room, client.open) == (0, 1)
    client.cancel(3)
    assert (client.room, client.open) == (1, 0)
    client.feed(settings((MAX_CONCURRENT_STREAMS, 0)))
    assert client.room == 0
    client.feed(settings((MAX_CONCURRENT_STREAMS, 2**32 - 1)))
    assert client.room == 100


def test_there_is_no_room_for_numbers_that_there_are_not() -> None:
    peer = Peer(0)
    peer.client._last = MOST - 4
    assert peer.client.room == 2
    assert [peer.client.request(REQUEST, []), peer.client.request(REQUEST, [])] == [MOST - 2, MOST]
    assert peer.feed(head(MOST, flags=END_STREAM)) == [begun(MOST), Ended(MOST)]
    assert peer.client.room == 0


# -- windows -----------------------------------------------------------------------------------------------------


def test_a_large_body_waits_for_the_servers_windows() -> None:
    """8 MB to a server that opens them by what it has read."""
    server = Server()
    body = [bytes([number]) * 100_000 for number in range(80)]
    server.client.request(REQUEST, body)
    server.talk()
    assert server.bodies[1] == b"".join(body)[:FIRST]
    read = 0
    while 1 not in server.whole:
        came = len(server.bodies[1])
        assert came > read
        server.h2.acknowledge_received_data(came - read, 1)
        read = came
        server.talk()
    assert server.bodies[1] == b"".join(body)
    assert server.client.open == 1


def test_each_window_is_kept() -> None:
    peer = Peer(0)
    peer.client.request(REQUEST, [b"x" * 200_000])
    assert sum(sizes(peer.sent())) == FIRST
    peer.feed(window(1, 1000))
    assert peer.sent() == []
    peer.feed(window(0, 600))
    assert sizes(peer.sent()) == [600]
    peer.feed(window(0, 10_000))
    assert sizes(peer.sent()) == [400]
    peer.feed(window(1, 1))
    assert sizes(peer.sent()) == [1]
    peer.feed(window(1, 200_000), window(0, 200_000))
    *most, last = peer.sent()
    assert sum(sizes([*most, last])) == 200_000 - FIRST - 1001
    assert [frame.flags for frame in most] == [0] * len(most)
    assert last.flags == END_STREAM


def test_the_end_goes_out_with_the_last_byte_that_is_allowed() -> None:
    peer = Peer(0)
    peer.client.request(REQUEST, [b"x" * FIRST])
    assert peer.sent()[-1].flags == END_STREAM


def test_a_request_without_a_body_needs_no_window() -> None:
    peer = Peer(0, (INITIAL_WINDOW_SIZE, 0))
    peer.client.request(REQUEST, [b""])
    assert any(frame.flags & END_STREAM for frame in peer.sent())


def test_the_first_window_of_streams_may_change() -> None:
    peer = Peer(0)
    peer.feed(window(0, 10_000_000))
    peer.client.request(REQUEST, [b"x" * 200_000])
    assert sum(sizes(peer.sent())) == FIRST
    for change, allowed in [
        (settings((INITIAL_WINDOW_SIZE, FIRST + 10)), 10),
        (settings((INITIAL_WINDOW_SIZE, 0)), 0),  # 65,545 below nothing
        (window(1, FIRST + 10), 0),
        (window(1, 1), 1),
        (settings((INITIAL_WINDOW_SIZE, 5)), 5),
        (settings((INITIAL_WINDOW_SIZE, 3)), 0),
        (settings((INITIAL_WINDOW_SIZE, 5)), 0),
        (settings((INITIAL_WINDOW_SIZE, 1), (INITIAL_WINDOW_SIZE, 8)), 3),
        (settings((INITIAL_WINDOW_SIZE, 20_008)), 20_000),
    ]:
        peer.feed(change)
        assert sum(sizes(peer.sent())) == allowed
    peer.client.request(REQUEST, [b"y" * 30_000])
    assert sum(sizes(peer.sent(), 3)) == 20_008


def test_a_change_of_the_first_window_leaves_the_connections_alone() -> None:
    peer = Peer(0, (INITIAL_WINDOW_SIZE, 1_000_000))
    peer.client.request(REQUEST, [b"x" * 200_000])
    assert sum(sizes(peer.sent())) == FIRST
    peer.feed(window(0, 10))
    assert sum(sizes(peer.sent())) == 10


@pytest.mark.parametrize("largest", [SMALL, 20_000, 2**20, 2**24 - 1])
def test_frames_are_no_larger_than_the_server_takes(largest: int) -> None:
    peer = Peer(0, (MAX_FRAME_SIZE, largest), (INITIAL_WINDOW_SIZE, 2**27))
    peer.feed(window(0, 2**27))
    peer.client.request([*REQUEST, (b"x", b"y" * 50_000)], [b"x" * 3_000_000, b"y" * 100])
    sent = peer.sent()
    assert max(len(frame.payload) for frame in sent) <= largest
    assert sum(sizes(sent)) == 3_000_100


CHANGES = st.lists(
    st.tuples(st.sampled_from(["connection", "stream 1", "stream 3"]), st.integers(1, 70_000))
    | st.tuples(st.just("first"), st.sampled_from([0, 1, 100, 30_000, 65_535, 100_000]))
    | st.tuples(st.just("frame"), st.sampled_from([SMALL, 20_000, 100_000])),
    max_size=25,
)


@given(CHANGES, st.lists(st.integers(0, 60_000), min_size=2, max_size=6))
def test_no_change_of_the_windows_leads_beyond_them(changes: list[tuple[str, int]], lengths: list[int]) -> None:
    """h2 raises where more comes than it allows, or a larger frame."""
    server = Server()
    bodies = {1: [b"a" * length for length in lengths[::2]], 3: [b"b" * length for length in lengths[1::2]]}
    server.client.request(REQUEST, bodies[1])
    server.client.request(REQUEST, bodies[3])
    server.talk()
    for what, value in changes:
        if what == "first":
            server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: value})
        elif what == "frame":
            server.h2.update_settings({SettingCodes.MAX_FRAME_SIZE: value})
        elif what == "connection":
            server.h2.increment_flow_control_window(value)
        elif (stream := int(what[-1])) not in server.whole:
            server.h2.increment_flow_control_window(value, stream)
        server.talk()
    server.h2.increment_flow_control_window(10_000_000)
    for stream in {1, 3} - set(server.whole):
        server.h2.increment_flow_control_window(10_000_000, stream)
    server.talk()
    assert server.bodies == {stream: b"".join(body) for stream, body in bodies.items()}
    assert sorted(server.whole) == [1, 3]


def test_large_bodies_share_the_connections_window() -> None:
    peer = Peer(0, (INITIAL_WINDOW_SIZE, 2**24))
    for _ in range(3):
        peer.client.request(REQUEST, [b"x" * 2_000_000])
    got = [sum(sizes(sent, stream)) for sent in [peer.sent()] for stream in (1, 3, 5)]
    assert sum(got) == FIRST
    for _ in range(60):
        peer.feed(window(0, 30_000))
        sent = peer.sent()
        for place, stream in enumerate((1, 3, 5)):
            got[place] += sum(sizes(sent, stream))
    assert sum(got) == FIRST + 60 * 30_000
    assert max(got) - min(got) <= FIRST + SMALL


def test_a_small_body_does_not_wait_for_large_ones() -> None:
    peer = Peer(0, (INITIAL_WINDOW_SIZE, 2**24))
    for _ in range(2):
        peer.client.request(REQUEST, [b"x" * 8_000_000])
    peer.client.request(REQUEST, [b"small"])
    peer.sent()
    peer.feed(window(0, 3 * SMALL))
    assert sizes(peer.sent(), 5) == [5]


def test_a_stream_whose_window_is_shut_does_not_stop_the_others() -> None:
    peer = Peer(0)
    peer.feed(window(0, 1_000_000))
    for _ in range(2):
        peer.client.request(REQUEST, [b"x" * 100_000])
    sent = peer.sent()
    assert [sum(sizes(sent, 1)), sum(sizes(sent, 3))] == [FIRST, FIRST]
    peer.feed(window(3, 1_000_000))
    assert sum(sizes(peer.sent(), 3)) == 100_000 - FIRST


# -- an end before the request's ---------------------------------------------------------------------------------

WHOLE = {
    "no body": [head(1, flags=END_STREAM)],
    "a body": [head(1), data(1, b"x", END_STREAM)],
    "trailers": [head(1), data(1, b"x"), headers(1, [(b"a", b"b")], END_STREAM)],
}


@pytest.mark.parametrize("frames", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("resets", [True, False])
def test_an_answer_may_end_before_its_request(frames: list[bytes], at_once: bool, resets: bool) -> None:
    """The rest of the body is dropped; a reset without an error behind it is how a server says so (8.1)."""
    peer = Peer(0, (INITIAL_WINDOW_SIZE, 2**20))
    peer.client.request(REQUEST, [b"x" * 200_000])
    peer.client.request(REQUEST, [b"y" * 10_000])
    peer.sent()
    pieces = [*frames, reset(1, NO_ERROR)] if resets else frames
    events = peer.feed(b"".join(pieces)) if at_once else peer.feed(*pieces)
    assert events[0] == begun(1)
    assert events[-1] == Ended(1)
    assert peer.client.open == 1
    resets_sent = peer.sent()
    assert [(frame.kind, frame.stream) for frame in resets_sent] == [(RST_STREAM, 1)]
    assert resets_sent[0].number in (NO_ERROR, CANCEL)
    peer.feed(window(1, 1000), window(0, 200_000))
    assert {frame.stream for frame in peer.sent()} == {3}
    assert peer.client.error is None


def test_an_answer_may_begin_before_its_request_has_ended() -> None:
    server = Server()
    server.client.request(REQUEST, [b"x" * 200_000])
    server.talk()
    server.answer(1)
    server.h2.send_data(1, b"early")
    assert server.talk() == [begun(1), Data(1, b"early")]
    server.h2.increment_flow_control_window(200_000)
    server.h2.increment_flow_control_window(200_000, 1)
    server.talk()
    assert server.whole == [1]
    server.h2.send_data(1, b"late", end_stream=True)
    assert server.talk() == [Data(1, b"late"), Ended(1)]
    assert server.resets == []


def test_an_answer_that_ends_early_is_no_error_for_the_server() -> None:
    server = Server()
    server.client.request(REQUEST, [b"x" * 200_000])
    server.talk()
    server.answer(1, status=b"413", end=True)
    assert server.talk() == [begun(1, status=413), Ended(1)]
    assert [stream for stream, _ in server.resets] == [1]
    server.h2.increment_flow_control_window(1_000_000)
    server.client.request(REQUEST, [b"more"])
    server.talk()
    assert server.bodies[3] == b"more"


@pytest.mark.parametrize("stop", ["cancelled", "reset", "broken", "gone"])
def test_a_body_goes_no_further_once_its_stream_is_over(stop: str) -> None:
    peer = Peer(0)
    for _ in range(2):
        peer.client.request(REQUEST, [b"x" * 100_000])
    peer.sent()
    match stop:
        case "cancelled":
            peer.client.cancel(1)
        case "reset":
            assert broken(peer.feed(reset(1, REFUSED_STREAM))) == [1]
        case "broken":
            assert broken(peer.feed(window(1, 0))) == [1]
        case _:
            peer.end()
    peer.feed(window(1, 1_000_000), window(0, 1_000_000))
    sent = peer.sent()
    assert sizes(sent, 1) == []
    assert sum(sizes(sent, 3)) == (0 if stop == "gone" else FIRST)


@pytest.mark.parametrize("stop", ["cancelled", "reset", "broken", "answered", "goodbye"])
def test_nothing_is_kept_of_a_body_whose_stream_is_over(stop: str) -> None:
    """Not even while the connection's window is shut, and so nothing goes out."""
    peer, body = Peer(0), bytearray(200_000)
    peer.client.request(REQUEST, [bytes(100_000)])
    peer.client.request(REQUEST, [cast("bytes", body)])
    match stop:
        case "cancelled":
            peer.client.cancel(3)
        case "reset":
            assert broken(peer.feed(reset(3, REFUSED_STREAM))) == [3]
        case "broken":
            assert broken(peer.feed(window(3, 0))) == [3]
        case "answered":
            peer.feed(head(3, flags=END_STREAM))
        case _:
            assert broken(peer.feed(goaway(1))) == [3]
    body.clear()  # BufferError: somebody has it still


def test_a_reset_without_an_error_before_the_answer_is_whole_breaks_it() -> None:
    peer = Peer()
    events = peer.feed(head(1), data(1, b"x"), reset(1, NO_ERROR))
    assert broken(events) == [1]
    assert not any(event.unprocessed for event in events if isinstance(event, Broken))


# -- cancelled ---------------------------------------------------------------------------------------------------


def test_nothing_more_is_told_of_what_was_cancelled() -> None:
    peer = Peer(2)
    peer.feed(head(1), data(1, b"x"))
    peer.client.cancel(1)
    assert peer.client.open == 1
    assert [(frame.kind, frame.stream, frame.number) for frame in peer.sent()] == [(RST_STREAM, 1, CANCEL)]
    assert peer.feed(data(1, b"y"), window(1, 5), window(1, 0), head(1, flags=END_STREAM), reset(1, CANCEL)) == []
    peer.client.cancel(1)
    assert peer.sent() == []
    assert peer.feed(head(3, flags=END_STREAM)) == [begun(3), Ended(3)]
    assert peer.end() == []


@pytest.mark.parametrize("stream", [0, 1, 2, 3, 99, -1])
def test_what_is_not_open_cannot_be_cancelled(stream: int) -> None:
    peer = Peer(2)
    peer.feed(head(1, flags=END_STREAM))
    peer.feed(reset(3, CANCEL))
    peer.client.cancel(stream)
    assert peer.sent() == []


def test_a_request_may_be_cancelled_at_once() -> None:
    server = Server()
    server.client.cancel(server.client.request(REQUEST, [b"x" * 60_000]))
    server.talk()
    assert server.client.open == 0
    assert server.resets == [(1, CANCEL)]
    server.client.request(REQUEST, [b"next"])
    server.talk()
    assert server.bodies[3] == b"next"
