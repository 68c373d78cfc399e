"""Stored responses: what a turn leaves, and a store that is bounded, scoped to its owner, and survives a restart."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import record_lists
from tests.surfaces.responses.asking import SECRET, STAND_IN, check_contents, context, function, output, parse, user
from zerogravity import errors
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import (
    AttemptOpened,
    Event,
    Failed,
    Finished,
    FunctionCall,
    InlineData,
    Record,
    ServerTool,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.store.responses import ResponseStore, open_store
from zerogravity.surfaces.openai.sealed_state import Carried, unseal
from zerogravity.surfaces.responses.stored import StoredResponse, of_turn
from zerogravity.testing.builders import replay

FAMILY = "gemini-3-flash"
STOP, TOOL = Finished("stop"), Finished("tool")


def over(events: list[Event], end: Finished | Failed = STOP, of: Turn | None = None) -> CascadeChannel:
    """A closed channel."""
    channel = CascadeChannel(of or parse(), lambda: 0)
    channel.append(0, b"", (AttemptOpened(), *events))
    channel.close(end)
    return channel


def kept(events: list[Event], end: Finished | Failed = STOP, of: Turn | None = None) -> StoredResponse:
    return of_turn(over(events, end, of), SECRET)


def answer_of(events: list[Event], end: Finished | Failed = STOP, **body: Any) -> list[dict[str, Any]]:
    """The parts of the answer in the stored history."""
    made = kept(events, end, parse(**body)).contents[-1]
    assert made["role"] == "model"
    return list(made["parts"])


# -- what is kept of a turn --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([TextDelta("a"), TextDelta("b")], [{"text": "ab"}]),
        ([ThinkingDelta("hm"), TextDelta("a")], [{"text": "a"}]),
        ([TextDelta("a"), Signature("s", "text")], [{"text": "a", "thoughtSignature": "s"}]),
        ([ThinkingDelta("hm"), Signature("s", "thought"), TextDelta("a")],
         [{"text": "hm", "thought": True, "thoughtSignature": "s"}, {"text": "a"}]),
        ([InlineData("image/png", "AAAA")], [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]),
        ([FunctionCall("c", "f", '{"a": 123456789012345678901234}', "s", "up")],
         [{"functionCall": {"name": "f", "args": {"a": 123456789012345678901234}, "id": "up"}, "zgCallId": "c",
           "thoughtSignature": "s"}]),
        ([ServerTool('{"toolCall": {"id": "1"}}'), TextDelta("a"), FunctionCall("c", "f", "{}", "s"),
          ServerTool('{"toolResponse": {"id": "1"}}')],
         [{"text": "a"}, {"toolCall": {"id": "1"}},
          {"functionCall": {"name": "f", "args": {}, "id": "c"}, "zgCallId": "c", "thoughtSignature": "s"},
          {"toolResponse": {"id": "1"}}]),
        ([FunctionCall("c", "f", "{}"), FunctionCall("d", "f", "{}")],
         [{"functionCall": {"name": "f", "args": {}, "id": "c"}, "zgCallId": "c", "thoughtSignature": STAND_IN},
          {"functionCall": {"name": "f", "args": {}, "id": "d"}, "zgCallId": "d"}]),
    ],
)  # fmt: skip
def test_the_answer_joins_the_history(events: list[Event], parts: list[dict[str, Any]]) -> None:
    assert answer_of(events) == parts


def test_older_models_get_no_ids() -> None:
    parts = answer_of([FunctionCall("c", "f", "{}", None, "up")], TOOL, model="gemini-2.5-pro")
    assert parts == [{"functionCall": {"name": "f", "args": {}}, "zgCallId": "c"}]


def test_calls_that_the_client_never_saw_are_not_kept() -> None:
    events: list[Event] = [FunctionCall("c", "f", "{}"), FunctionCall("d", "f", "{}")]
    parts = answer_of(events, TOOL, parallel_tool_calls=False)
    assert [part["zgCallId"] for part in parts] == ["c"]


@pytest.mark.parametrize("end", [Failed(errors.upstream(502, "x", "y")), Finished("length")])
def test_no_answer_adds_nothing_to_the_history(end: Finished | Failed) -> None:
    made = kept([], end)
    assert made.contents == ({"role": "user", "parts": [{"text": "Hello"}]},)
    assert made.response["status"] in ("failed", "incomplete")


@pytest.mark.parametrize("events", [[], [ThinkingDelta("hm"), Signature("s", "thought")]])
def test_a_refusal_is_what_the_model_has_said(events: list[Event]) -> None:
    made = kept(events, Finished("filtered", "SAFETY"))
    (shown,) = made.response["output"]
    (part,) = shown["content"]
    assert part["type"] == "refusal"
    assert made.contents[1:] == ({"role": "model", "parts": [{"text": part["refusal"]}]},)
    again = parse(input=[user("Hello"), shown, user("why?")])
    after = parse(context(stored={"r": made.turn}), previous_response_id="r", input="why?")
    assert after.google_request == again.google_request, "the same as when the client keeps it"


SYSTEM = {"role": "developer", "content": "D"}
SAID = {"role": "assistant", "content": "A"}
SAID_PART = {"role": "model", "parts": [{"text": "A"}]}


@pytest.mark.parametrize(
    ("given", "dialogue"),
    [
        ([SYSTEM], []),
        ([SYSTEM, {"role": "system", "content": "E"}], []),
        ([SYSTEM, SAID], [SAID_PART]),
        ([user("x"), SAID], [{"role": "user", "parts": [{"text": "x"}]}, SAID_PART]),
        ([user("x")], [{"role": "user", "parts": [{"text": "x"}]}]),
    ],
)
def test_what_nobody_has_said_is_no_history(given: list[Any], dialogue: list[Any]) -> None:
    """What only Google's rules demand goes to Google and is not stored: the next turn sees to its own."""
    turn = parse(input=given)
    check_contents(turn.google_request["contents"], turn.target.family)
    warm = kept([], of=turn)
    assert list(warm.contents) == dialogue
    after = parse(context(stored={"r": warm.turn}), previous_response_id="r", input="go on")
    check_contents(after.google_request["contents"], after.target.family)
    texts = [part["text"] for content in after.google_request["contents"] for part in content["parts"]]
    assert "Continue." not in texts
    assert [text for text in texts if text in ("D", "E")] == [], "system text is said once, as such"
    told = [part["text"] for part in after.google_request.get("systemInstruction", {"parts": []})["parts"]]
    assert told == [item["content"] for item in given if item["role"] in ("developer", "system")]


def test_an_answer_stands_behind_what_it_answered() -> None:
    made = kept([TextDelta("B")], of=parse(input=[user("x"), SAID]))
    assert [content["role"] for content in made.contents] == ["user", "model", "user", "model"]
    made = kept([TextDelta("B")], of=parse(input=[SYSTEM]))
    assert made.contents == ({"role": "model", "parts": [{"text": "B"}]},)


def test_a_failed_answer_is_shown_but_not_continued() -> None:
    made = kept([TextDelta("half")], Failed(errors.upstream(502, "x", "y")))
    assert made.response["output"][0]["content"][0]["text"] == "half"
    assert len(made.contents) == 1


def test_what_else_is_kept() -> None:
    turn = parse(
        input=[{"type": "additional_tools", "tools": [function("f")]}, {"role": "developer", "content": "D"},
               user("x")],
        instructions="I",
    )  # fmt: skip
    made = of_turn(over([TextDelta("a")], of=turn), SECRET, [b"one", b"two"])
    assert (made.id, made.owner, made.created) == ("resp_" + "5" * 32, "someone", turn.created)
    assert made.input_items == tuple(turn.metadata["input"])
    assert (made.system, made.tools, made.family) == (("D",), (function("f"),), FAMILY)
    assert made.frames == (b"one", b"two")
    assert made.turn.contents == made.contents
    assert set(made.items) == {item["id"] for item in (*made.input_items, *made.response["output"])}


@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]])
def test_items_found_by_reference_bring_their_signatures(include: list[str]) -> None:
    events: list[Event] = [
        ThinkingDelta("hm"), Signature("own", "thought"), TextDelta("a"), ThinkingDelta("ah"),
        FunctionCall("c", "f", "{}", "sig"),
    ]  # fmt: skip
    made = kept(events, TOOL, parse(include=include, tools=[function("f")], reasoning={"summary": "auto"}))
    found = {
        item["type"]: unseal(SECRET, item["encrypted_content"])
        for item in reversed(made.items.values()) if "encrypted_content" in item
    }  # fmt: skip
    assert found["function_call"] == [Carried("sig", FAMILY, "c")]
    assert found["reasoning"] == [Carried("own", FAMILY)]
    shown = [item for item in made.response["output"] if item["type"] == "reasoning"]
    assert all(("encrypted_content" in item) == bool(include) for item in shown)


def test_reasoning_that_only_carries_is_not_taken_for_a_thought() -> None:
    events: list[Event] = [FunctionCall("c", "f", "{}", "sig"), ThinkingDelta("hm"), Signature("own", "thought")]
    made = kept(events, TOOL, parse(include=["reasoning.encrypted_content"], reasoning={"summary": "auto"}))
    carrying, _, thinking = made.response["output"]
    assert carrying["id"] not in made.sealed
    assert unseal(SECRET, made.sealed[thinking["id"]]) == [Carried("own", FAMILY)]


@given(record_lists(), st.booleans())
def test_any_turn_can_be_continued_under_the_rules_of_turns(made: list[Record], parallel: bool) -> None:
    turn = parse(parallel_tool_calls=parallel)
    kept = of_turn(replay(made, CascadeChannel(turn, lambda: 0)), SECRET)
    seen = [item["call_id"] for item in kept.response["output"] if item["type"] == "function_call"]
    finished = isinstance(made[-1].events[-1], Finished)
    for model in ("gemini-3-flash", "gemini-2.5-pro"):
        after = parse(
            context(stored={"r": kept.turn}), model=model, previous_response_id="r",
            input=[*[output(call_id) for call_id in seen if finished], user("go on")],
        )  # fmt: skip
        check_contents(after.google_request["contents"], after.target.family)


# -- the store ---------------------------------------------------------------------------------------------------


def some(number: int, owner: str = "me", created: float = 100.0, size: int = 0, **more: Any) -> StoredResponse:
    item = {"id": f"msg_{number}", "type": "message", "text": "x" * size}
    return StoredResponse(f"resp_{number}", owner, created, {"id": f"resp_{number}", "output": [item]}, **more)


@pytest.fixture(params=["memory", "file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """``async with opened(limit=…) as store``."""

    @asynccontextmanager
    async def use(**options: Any) -> AsyncIterator[ResponseStore]:
        path = str(tmp_path / "responses.db") if request.param == "file" else None
        store = await open_store(path, **{"limit": 10, "now": lambda: 100.0, **options})
        try:
            yield store
        finally:
            await store.close()

    return use


async def test_everything_comes_back_as_it_was(opened: Callable[..., Any]) -> None:
    whole = StoredResponse(
        "resp_1", "me", 100.5, {"id": "resp_1", "output": [{"id": "fc_1", "big": 2**70, "text": "\u2028\x85é"}]},
        ({"id": "msg_1"},), ({"role": "user", "parts": [{"text": "x"}]},), {"fc_1": "sealed"}, FAMILY, ("S",),
        (function("f"),), (b"data: {}\n\n", b"", b"\x00\xff" * 300),
    )  # fmt: skip
    async with opened() as store:
        await store.put(whole)
        assert await store.get("resp_1", "me") == whole
        assert await store.item("msg_1", "me") == {"id": "msg_1"}
        assert (await store.item("fc_1", "me"))["encrypted_content"] == "sealed"


async def test_a_whole_turn_comes_back(opened: Callable[..., Any]) -> None:
    made = kept([ThinkingDelta("hm"), FunctionCall("c", "f", '{"a": 1}', "s", "up")], TOOL)
    async with opened(now=lambda: float(made.created)) as store:
        await store.put(made)
        assert await store.get(made.id, "someone") == made


async def test_what_belongs_to_others_is_unknown(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        await store.put(some(1, owner="you", size=5))
        assert await store.get("resp_1", "them") is None
        assert await store.item("msg_1", "them") is None
        await store.delete("resp_1", "them")
        assert (await store.get("resp_1", "me")).owner == "me"
        assert (await store.item("msg_1", "you"))["text"] == "xxxxx"
        await store.delete("resp_1", "you")
        assert await store.get("resp_1", "me") is not None


async def test_deleted_means_gone_with_its_items(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        await store.put(some(1))
        await store.delete("resp_1", "me")
        await store.delete("resp_1", "me")
        assert await store.get("resp_1", "me") is None
        assert await store.item("msg_1", "me") is None


async def test_unknown_ids(opened: Callable[..., Any]) -> None:
    async with opened() as store:
        for strange in ("resp_9", "", "../../etc/passwd", "' OR 1=1 --", "\x00", "x" * 300):
            assert await store.get(strange, "me") is None
            assert await store.item(strange, "me") is None


async def test_put_again_replaces(opened: Callable[..., Any]) -> None:
    async with opened(limit=1) as store:
        await store.put(some(1))
        changed = replace(some(1), response={"id": "resp_1", "status": "completed", "output": [{"id": "msg_new"}]})
        await store.put(changed)
        assert await store.get("resp_1", "me") == changed
        assert await store.item("msg_1", "me") is None
        assert await store.item("msg_new", "me") == {"id": "msg_new"}


async def test_the_newest_item_of_an_id_is_found(opened: Callable[..., Any]) -> None:
    """Clients that send their whole history again repeat item ids."""
    async with opened() as store:
        for number in (1, 2):
            await store.put(replace(some(number), response={"output": [{"id": "msg_same", "of": number}]}))
        assert await store.item("msg_same", "me") == {"id": "msg_same", "of": 2}
        await store.delete("resp_2", "me")
        assert await store.item("msg_same", "me") == {"id": "msg_same", "of": 1}


async def test_the_oldest_make_room(opened: Callable[..., Any]) -> None:
    async with opened(limit=2) as store:
        for number in range(4):
            await store.put(some(number))
        assert [await store.get(f"resp_{number}", "me") is not None for number in range(4)] == [
            False,
            False,
            True,
            True,
        ]
        assert await store.item("msg_0", "me") is None


async def test_the_bytes_are_bounded(opened: Callable[..., Any]) -> None:
    async with opened(max_bytes=2800) as store:
        await store.put(some(0, size=1000))
        await store.put(some(1, frames=(b"x" * 1000,)))
        await store.put(some(2, size=1500))
        assert [await store.get(f"resp_{number}", "me") is not None for number in range(3)] == [False, False, True]
        await store.put(some(3, size=4000))  # larger than the whole budget
        assert await store.get("resp_3", "me") is None


async def test_age(opened: Callable[..., Any]) -> None:
    now = [100.0]
    async with opened(max_age_s=60, now=lambda: now[0]) as store:
        await store.put(some(1))
        now[0] = 160.0
        assert await store.get("resp_1", "me") is not None
        now[0] = 160.5
        assert await store.get("resp_1", "me") is None
        assert await store.item("msg_1", "me") is None


async def test_many_at_once(opened: Callable[..., Any]) -> None:
    async with opened(limit=50) as store:
        await asyncio.gather(*(store.put(some(number)) for number in range(40)))
        found = await asyncio.gather(*(store.get(f"resp_{number}", "me") for number in range(40)))
        assert [each.id for each in found] == [f"resp_{number}" for number in range(40)]


# -- the file ----------------------------------------------------------------------------------------------------


async def open_file(path: Path, **options: Any) -> ResponseStore:
    return await open_store(str(path), **{"limit": 10, "now": lambda: 100.0, **options})


async def test_a_file_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "responses.db"
    store = await open_file(path)
    await store.put(some(1))
    await store.put(some(2))
    await store.close()
    await store.close()
    store = await open_file(path)
    try:
        assert await store.get("resp_1", "me") == some(1)
        assert await store.item("msg_2", "me") is not None
        await store.delete("resp_1", "me")
    finally:
        await store.close()
    store = await open_file(path, limit=1)
    try:
        assert await store.get("resp_1", "me") is None
        await store.put(some(3))
        assert await store.get("resp_2", "me") is None
    finally:
        await store.close()


async def test_only_the_user_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "responses.db"
    store = await open_file(path)
    try:
        await store.put(some(1))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        await store.close()


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    path.touch(0o644)
    path.chmod(0o644)
    store = await open_file(path)
    await store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_is_deleted_is_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    await store.put(replace(some(1), response={"id": "resp_1", "output": [{"id": "msg_1", "text": "plutonium" * 50}]}))
    await store.delete("resp_1", "me")
    await store.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT (SELECT count(*) FROM responses), (SELECT count(*) FROM items)").fetchone() == (
        0,
        0,
    )
    database.close()
    assert all(b"plutonium" not in file.read_bytes() for file in tmp_path.iterdir())


async def test_what_is_too_old_leaves_the_file_with_the_next_write(tmp_path: Path) -> None:
    now = [100.0]
    store = await open_file(tmp_path / "responses.db", max_age_s=60, now=lambda: now[0])
    await store.put(replace(some(1), response={"id": "resp_1", "secret": "plutonium" * 50}))
    now[0] = 200.0
    await store.put(some(2, created=200.0))
    await store.close()
    assert all(b"plutonium" not in file.read_bytes() for file in tmp_path.iterdir())


def newer(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"no database" * 100), Path.mkdir, newer])
async def test_a_file_that_can_not_be_used(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    path = tmp_path / "responses.db"
    spoil(path)
    with pytest.raises(FaultError) as caught:
        await open_file(path)
    assert caught.value.fault.code == "store_unusable"
    assert "responses.db" in caught.value.fault.message


async def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    store = await open_file(tmp_path / "responses.db")
    await store.put(some(1))
    other = sqlite3.connect(tmp_path / "responses.db")
    other.execute("DROP TABLE items")
    other.execute("DROP TABLE responses")
    other.close()
    with pytest.raises(FaultError) as caught:
        await store.get("resp_1", "me")
    assert (caught.value.fault.status, caught.value.fault.code) == (500, "store_unusable")
    await store.close()


async def test_a_file_that_was_put_right_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    try:
        other = sqlite3.connect(path)
        other.execute("DROP TABLE items")
        other.execute("DROP TABLE responses")
        other.close()
        with pytest.raises(FaultError):
            await store.put(some(1))
        await store.put(some(1))
        assert await store.get("resp_1", "me") == some(1)
    finally:
        await store.close()


@pytest.mark.parametrize("other", ["reads and writes", "writes"])
async def test_a_file_that_somebody_holds(tmp_path: Path, other: str) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    await store.put(some(1))
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        if other == "reads and writes":
            await store._run(lambda database: database.execute("PRAGMA journal_mode = DELETE").fetchone())
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FaultError) as caught:
            await store.put(some(2))
        assert (caught.value.fault.status, caught.value.fault.code) == (503, "store_busy")
        assert caught.value.fault.retry_after == 1
        if other == "writes":
            assert await store.get("resp_1", "me") == some(1)
        else:
            with pytest.raises(FaultError):
                await store.get("resp_1", "me")
        holder.execute("COMMIT")
        await store.put(some(2))
        assert await store.get("resp_1", "me") == some(1)
    finally:
        holder.close()
        await store.close()


# -- who is at it ------------------------------------------------------------------------------------------------

BEGUN = {"id": "resp_1", "status": "queued", "background": True, "output": [], "error": None, "usage": None}


async def test_what_runs_is_seen_by_others_until_its_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    mine, other = await open_file(path), await open_file(path)
    try:
        begun = replace(some(1, frames=(b"one", b"two"), running=True), response=BEGUN)
        await mine.put(begun)
        assert await mine.get("resp_1", "me") == begun
        assert await other.get("resp_1", "me") == begun
        await mine.close()
        cut = await other.get("resp_1", "me")
        assert cut is not None
        assert (cut.running, cut.cut_off, cut.response["status"]) == (False, True, "failed")
        assert cut.response["error"]["code"] == "server_error"
        assert cut.frames[:2] == (b"one", b"two")
        assert [frame.partition(b"\n")[0] for frame in cut.frames[2:]] == [
            b"event: response.in_progress",
            b"event: response.failed",
        ]
        assert await other.get("resp_1", "me") == cut
    finally:
        await mine.close()
        await other.close()


async def test_who_has_ended_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    (tmp_path / "responses.db-run-0123456789abcdef").touch()  # of one that was killed
    second = await open_file(path)
    runs = sorted(file.name for file in tmp_path.glob("*-run-*"))
    assert len(runs) == 2
    assert "responses.db-run-0123456789abcdef" not in runs
    await store.close()
    await second.close()
    assert list(tmp_path.glob("*-run-*")) == []
    assert list(tmp_path.glob(".*")) == []


async def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    store = await open_file(path)
    await store.put(some(1))
    await store.close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 1")
    database.execute("UPDATE responses SET data = cast(replace(data, ',\"run\":\"\"', '') AS BLOB)")
    assert b"run" not in database.execute("SELECT data FROM responses").fetchone()[0]
    database.commit()
    database.close()
    store = await open_file(path)
    try:
        assert await store.get("resp_1", "me") == some(1)
    finally:
        await store.close()
