"""A running turn, piece by piece: each is sent once, and no secret is."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import evict
from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity import redact
from zerogravity.core.events import CallReturned, FunctionCall, InlineData, RoundOpened
from zerogravity.observe.inspector import following
from zerogravity.observe.inspector.following import Growth

KEY = "AIzaSyA-0123456789abcdefghijklmno"


def put(shown, changes):
    """What the page does with them."""
    for change in changes:
        if "at" in change:
            shown[change["n"]] = shown.get(change["n"], "")[: change["at"]] + change["text"]
        else:
            shown[change["n"]] = change["kind"]
    return shown


def test_items_as_they_grow(scene):
    channel = scene.open()
    growth = Growth(channel)
    assert growth.take() == []
    scene.begin(channel)
    scene.think(channel, "let ")
    scene.think(channel, "me")
    assert growth.take() == [{"n": 0, "kind": "thinking", "at": 0, "text": "let me"}]
    assert growth.take() == []
    scene.think(channel, " see")
    scene.text(channel, "Hello")
    assert growth.take() == [
        {"n": 0, "kind": "thinking", "at": 6, "text": " see"},
        {"n": 1, "kind": "text", "at": 0, "text": "Hello"},
    ]
    scene.call(channel)
    (call,) = growth.take()
    assert (call["n"], call["kind"], call["name"]) == (2, "call", "read_file")
    assert call["blocks"][0]["kind"] == "code"
    assert growth.take() == []
    scene.say(channel, {"text": ""}, InlineData("image/png", "AAAA"))
    assert [change["kind"] for change in growth.take()] == ["media"]
    scene.text(channel, "again")
    assert growth.take() == [{"n": 4, "kind": "text", "at": 0, "text": "again"}]


def test_a_call_that_the_gateway_runs_comes_again_with_its_result(scene):
    channel = scene.open()
    growth = Growth(channel)
    scene.begin(channel)
    scene.say(channel, {"text": ""}, LISTINGS[0], FunctionCall("call_1", "docs.find", "{}"))
    (call,) = growth.take()
    assert (call["server"], "result" in call) == ("docs", False)
    scene.say(channel, {"text": ""}, CallReturned("call_1", "busy", CALL_ERRORS[2]))
    (call,) = growth.take()
    assert (call["n"], call["result"]["failed"], call["result"]["blocks"][0]["kind"]) == (0, True, "code")
    assert growth.take() == []


def test_what_a_failed_round_brought_is_replaced_by_what_comes_instead(scene):
    channel = scene.open()
    growth, shown = Growth(channel), {}
    scene.begin(channel)
    scene.think(channel, "hm")
    scene.say(channel, {"text": ""}, LISTINGS[0], FunctionCall("call_1", "docs.find", "{}"))
    put(shown, growth.take())
    assert shown == {0: "hm", 1: "call"}
    assert growth.total == 2
    scene.say(channel, {"text": ""}, RoundOpened("other", "it was busy"))
    assert growth.take() == []
    assert growth.total == 0
    scene.think(channel, "so")
    put(shown, growth.take())
    scene.text(channel, "Yes")
    put(shown, growth.take())
    assert shown == {0: "so", 1: "Yes"}


def test_a_secret_in_several_pieces_is_masked_when_it_is_whole(scene):
    channel = scene.open()
    growth, shown = Growth(channel), {}
    for piece in ("the key is ", KEY[:2], KEY[2:20], KEY[20:], " and", " so on"):
        scene.text(channel, piece)
        put(shown, growth.take())
    assert shown == {0: "the key is [redacted] and so on"}


PIECES = ("word ", "x" * 700 + " ", KEY + " ", " ", "\n", "password: hunter22a ", "日本 ")


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_what_is_shown_in_the_end_is_what_the_redactor_leaves(pieces):
    item, shown = following._Text(), ""  # pyright: ignore[reportPrivateUsage]
    for n in range(len(pieces)):
        if (change := item.take(pieces[: n + 1])) is not None:
            shown = shown[: change[0]] + change[1]
    assert KEY not in shown
    assert shown.replace("[redacted]", "") == redact.text("".join(pieces)).replace("[redacted]", "")


def test_each_piece_is_looked_at_once(scene, monkeypatch):
    """However long the text gets, what is redacted per piece is bounded."""
    looked: list[int] = []
    redacted = following.redact.text
    monkeypatch.setattr(following.redact, "text", lambda text: (looked.append(len(text)), redacted(text))[1])
    channel = scene.open()
    growth = Growth(channel)
    for n in range(500):
        scene.text(channel, f"some more words {n} ")
        growth.take()
    assert max(looked) < 3 * following.TAIL


async def lines(answer):
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


@pytest.fixture
async def followed(look):
    """(scene, channel, its messages)"""
    looked = await look()
    channel = looked.scene.open()
    looked.scene.begin(channel)
    url = f"{looked.url}/inspector/api/turns/{channel.id}/live"
    async with looked.http.get(url, cookies=looked.cookie) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield looked, channel, lines(answer)


async def test_a_page_gets_what_is_new_until_the_end(followed):
    looked, channel, messages = followed
    looked.scene.text(channel, "one ")
    assert (await anext(messages))["items"] == [{"n": 0, "kind": "text", "at": 0, "text": "one "}]
    looked.scene.text(channel, "two")
    assert (await anext(messages))["items"] == [{"n": 0, "kind": "text", "at": 4, "text": "two"}]
    assert channel.readers == 0  # it keeps no turn alive
    looked.scene.end(channel)
    evict(looked.scene.store, channel.id)
    assert (await anext(messages))["closed"]
    assert [message async for message in messages] == []


async def test_a_page_is_told_when_there_is_less_than_before(followed):
    looked, channel, messages = followed
    looked.scene.text(channel, "one ")
    assert (await anext(messages))["total"] == 1
    looked.scene.say(channel, None, RoundOpened("other", "it was busy"))
    assert await anext(messages) == {"items": [], "total": 0, "closed": False}


async def test_streams_end_with_the_server(followed):
    looked, channel, messages = followed
    looked.scene.text(channel, "one")
    await anext(messages)
    await asyncio.wait_for(looked.stop(), 5)
    assert [message async for message in messages] == []
    assert not channel.closed


async def test_a_turn_that_is_over_is_told_at_once(look):
    looked = await look()
    channel = looked.scene.whole("said")
    _, _, body = await looked.ask(f"/inspector/api/turns/{channel.id}/live")
    message = json.loads(body.removeprefix(b"data: "))
    assert [item["text"] for item in message["items"]] == ["let me see", "said "]
    assert message["closed"]


async def test_an_unknown_turn_is_not_found(look):
    looked = await look()
    assert (await looked.ask("/inspector/api/turns/turn_none/live"))[0] == 404
