"""Requests of turns: what is shown of one, how many are kept, who is told."""

from __future__ import annotations

import pytest

from zerogravity.observe.requests import CLIENT, ORIGINAL, PACKED, SENT, Bodies, Request, RequestSink, RequestSinks


def keep(bodies, name, body):
    bodies.take(name, [Request(CLIENT, 0, {}, {}, body)])


def test_the_oldest_bodies_are_forgotten_first_by_number():
    bodies = Bodies(max_turns=2)
    for name in "abc":
        keep(bodies, name, b"1")
    assert [bodies.get(name, CLIENT) is not None for name in "abc"] == [False, True, True]


def test_and_by_bytes_but_never_the_newest():
    bodies = Bodies(max_bytes=10)
    keep(bodies, "a", b"123456")
    keep(bodies, "a", b"12")  # again: counts once
    bodies.upstream_request("a", 0, b"12", b"12", {})
    keep(bodies, "b", b"1234")
    assert bodies.get("a", CLIENT) is not None
    bodies.upstream_request("b", 0, b"1", b"", {})
    assert bodies.get("a", CLIENT) is None
    bodies.upstream_request("c", 0, b"1" * 50, b"2" * 50, {})
    assert [bodies.get("c", name).body for name in (ORIGINAL, SENT)] == [b"1" * 50, b"2" * 50]
    assert bodies.get("b", CLIENT) is None


def test_a_call_of_each_number_is_kept(make_turn):
    bodies = Bodies()
    for call in (0, 1):
        bodies.upstream_request("a", call, b"original", b"sent %d" % call, {})
    assert [bodies.get("a", SENT, call).body for call in (0, 1)] == [b"sent 0", b"sent 1"]
    assert bodies.get("a", SENT, 2) is None
    assert bodies.bytes == 2 * len(b"original" + b"sent 0")


@pytest.mark.parametrize("size", [0, 511, 512, 50_000, 65_535, 65_536, 100_000])
def test_bodies_take_little_and_come_back_whole(size):
    bodies, given = Bodies(), [(b"%d sent in full " % number * size)[:size] for number in range(3)]
    for number, body in enumerate(given):
        bodies.upstream_request("a", number, body, body[::-1], {})
    for number, body in enumerate(given):
        assert [bodies.get("a", name, number).body for name in (ORIGINAL, SENT)] == [body, body[::-1]]
    assert (bodies.bytes < 6 * size / 4) == (size in PACKED)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": 1, "apiKey": "hunter22"}', {"a": 1, "apiKey": "[redacted]"}),
        (b"\xff no JSON sk-abcdefgh1234567890", "\ufffd no JSON [redacted]"),
        (b"", ""),
    ],
)
def test_what_is_shown_holds_no_secret(body, shown):
    request = Request(SENT, 1, {"call": 1}, {"Authorization": "Bearer x", "User-Agent": "ls"}, body)
    assert request.redacted() == {
        "call": 1, "headers": {"authorization": "[redacted]", "user-agent": "ls"}, "body": shown,
    }  # fmt: skip


def test_every_listener_is_called(make_turn):
    kept = [Bodies(), Bodies()]
    request_sinks: RequestSink = RequestSinks(*kept)
    turn = make_turn(surface="chat")
    request_sinks.client_request(turn, b"{}", {})
    assert [bodies.get(turn.id, CLIENT).about for bodies in kept] == [{"surface": "chat"}] * 2


def test_no_credential_stays_in_memory_and_headers_count(make_turn):
    bodies = Bodies()
    secrets = {"Authorization": "Bearer ya29.secret-of-google", "x-goog-api-key": "AIzaSecretSecretSecret"}
    bodies.client_request(make_turn(id="a"), b"{}", secrets)
    bodies.upstream_request("a", 0, b"{}", b"{}", {**secrets, "user-agent": "ls/1"})
    kept = [bodies.get("a", name) for name in (CLIENT, ORIGINAL, SENT)]
    assert "ecret" not in repr([request.headers for request in kept])
    assert kept[2].headers["user-agent"] == "ls/1"
    assert kept[1].headers is kept[2].headers
    assert bodies.bytes == sum(request.size for request in kept) > 3 * len(b"{}") + len("ls/1")
