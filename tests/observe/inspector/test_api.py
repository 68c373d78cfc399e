"""The endpoints over a real server: what is shown, in memory and on disk, and that nothing can be changed."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import evict
from zerogravity.core.events import TextDelta
from zerogravity.errors import bad_request
from zerogravity.observe import summary, trace_reader
from zerogravity.observe.history import History, Page
from zerogravity.observe.inspector import assets
from zerogravity.observe.inspector.answers import HEADERS
from zerogravity.surfaces import REGISTRY

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyzABCDEFGH"
API = "/inspector/api/turns/{id}"
TURN_PATHS = ["", "/conversation", "/tools", "/bodies", "/records", "/records/1", "/records/-1", "/frames"]


# -- the page ------------------------------------------------------------------------------------------------------


async def test_every_answer_has_the_policy(look):
    looked = await look()
    channel = looked.scene.whole()
    paths = ["/inspector", "/inspector/", "/inspector/main.js", "/inspector/none", "/inspector/api/turns?x",
             *(API.format(id=channel.id) + path for path in TURN_PATHS), API.format(id="turn_none")]  # fmt: skip
    for path in paths:
        _, headers, _ = await looked.ask(path)
        for name, value in HEADERS.items():
            assert headers[name] == value, path
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


async def test_the_files_come_with_their_types(look):
    looked = await look()
    for file in sorted(assets.STATIC.iterdir()):
        status, headers, body = await looked.ask(f"/inspector/{file.name}")
        assert (status, body) == (200, file.read_bytes())
        assert headers["Content-Type"] == f"{assets.TYPES[file.suffix]}; charset=utf-8"


@pytest.mark.parametrize(
    "name",
    ["../api.py", "..%2fapi.py", "%2e%2e%2fapi.py", "..%5capi.py", "static/main.js", "%2fetc%2fpasswd", "main.js%00",
     "main.js/", ".", "%2e%2e", "no.js", "a" * 300],
)  # fmt: skip
async def test_names_that_are_no_file_of_the_page_are_404(look, name):
    looked = await look()
    status, _, body = await looked.ask(f"/inspector/{name}")
    assert status == 404
    assert b"import" not in body


async def test_everything_only_reads(look):
    looked = await look()
    channel = looked.scene.whole()
    before = (await looked.ask("/inspector/api/turns"))[2]
    paths = ["/inspector/", "/inspector/api/turns", *(API.format(id=channel.id) + path for path in TURN_PATHS)]
    for path in paths:
        for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD"):
            assert (await looked.ask(path, method=method))[0] == 405, (method, path)
    assert (await looked.ask("/inspector/api/turns"))[2] == before


# -- turns ---------------------------------------------------------------------------------------------------------


async def test_the_list_tells_what_each_turn_is(look):
    looked = await look()
    scene = looked.scene
    good, failed, queued = scene.whole(), scene.open("fail", "gemini"), scene.open("wait", to="queued")
    scene.begin(failed)
    scene.text(failed, "half")
    scene.advance(2)
    scene.fail(failed)
    scene.advance(3)
    told = await looked.get("turns")
    assert told["health"] == {"line": "ready", "active": 1}
    assert [turn["id"] for turn in told["turns"]] == [good.id, failed.id, queued.id]
    first, second, third = told["turns"]
    assert (first["state"], first["code"], first["failed"], first["question"]) == ("done", "ok", False, "hi")
    assert first["usage"] == {"prompt": 1200, "cached": 1000, "candidates": 30, "thoughts": 12, "tool_use": 0,
                              "total": 1242, "source": "captured", "images": 0, "audio": 0}  # fmt: skip
    assert (first["total_ms"], first["first_ms"], first["closed"]) == (100.0, 50.0, True)
    assert (second["state"], second["code"], second["failed"]) == ("failed", "upstream_drop", True)
    assert (third["state"], third["state_ms"], third["code"], third["surface"]) == ("queued", 5000.0, None, "chat")


async def test_one_turn_whole(look):
    looked = await look()
    scene = looked.scene
    channel = scene.open("read it", notes=("tools[0]: $schema dropped",))
    scene.begin(channel)
    scene.think(channel, "the file first")
    scene.text(channel, "I read ")
    scene.text(channel, "it.")
    scene.call(channel)
    scene.end(channel, "tool")
    told = await looked.get(f"turns/{channel.id}")
    kinds = [(item["kind"], item.get("text"), item["signed"]) for item in told["items"]]
    assert kinds == [("thinking", "the file first", False), ("text", "I read it.", False), ("call", None, True)]
    assert told["items"][2]["name"] == "read_file"
    assert json.loads(told["items"][2]["arguments"]) == {"path": "a.py"}
    assert told["notes"] == ["tools[0]: $schema dropped"]
    used = told["usage_by_call"]["0"]
    assert (used["total"], used["model"]) == (1242, "gemini-3-flash")
    assert {"price", "price_partial"} <= used.keys()
    assert (told["finish"], told["code"], told["failure"], told["cascade"]) == (
        "STOP",
        "tool",
        None,
        channel.cascade_id,
    )


@pytest.mark.parametrize("turn", ["turn_" + "0" * 32, "x", "%2e%2e", "turn_%00"])
@pytest.mark.parametrize("path", TURN_PATHS)
async def test_a_turn_that_is_not_in_memory_is_404(look, turn, path):
    looked = await look()
    looked.scene.whole()
    assert (await looked.ask(API.format(id=turn) + path))[0] == 404


async def test_an_evicted_turn_is_404_and_frees_its_view(look):
    looked = await look()
    channel = looked.scene.whole()
    await looked.get(f"turns/{channel.id}/frames")
    evict(looked.scene.store, channel.id)
    for path in TURN_PATHS:
        assert (await looked.ask(API.format(id=channel.id) + path))[0] == 404


@pytest.mark.parametrize(
    "query", ["from=--1", "from=x", "limit=1001", "limit=", "from=1e3", "from=99999999999", "limit=%C2%B2"]
)
@pytest.mark.parametrize("path", ["/records", "/frames", "/conversation"])
async def test_pages_that_are_no_numbers_are_refused_by_name(look, path, query):
    looked = await look()
    channel = looked.scene.whole()
    status, _, body = await looked.ask(f"{API.format(id=channel.id)}{path}?{query}")
    assert status == 400
    assert body.startswith(query.partition("=")[0].encode())


# -- redaction -----------------------------------------------------------------------------------------------------


async def test_no_secret_is_shown_anywhere(look):
    """In bodies, texts, deltas that split it, arguments, notes, failures, the model's name."""
    looked = await look()
    scene = looked.scene
    spread = [SECRET[n : n + 7] for n in range(0, len(SECRET), 7)]
    result = {"functionResponse": {"name": "login", "response": {"r": SECRET}}}
    convo = {"contents": [{"role": "user", "parts": [{"text": f"my key is {SECRET}"}]},
                          {"role": "model", "parts": [{"functionCall": {"name": "login", "args": {"k": SECRET}}}]},
                          {"role": "user", "parts": [result]}],
             "tools": [{"functionDeclarations": [{"name": "login", "description": SECRET}]}]}  # fmt: skip
    channels = []
    for surface in REGISTRY:
        channel = scene.open(surface=surface, google_request=convo, notes=(f"dropped {SECRET}",), model=f"m {SECRET}")
        channels.append(channel)
        scene.begin(channel)
        scene.think(channel, f"they gave me {SECRET}")
        for piece in ("It is ", *spread, ", is it not?"):
            scene.text(channel, piece)
        scene.call(channel, "login", json.dumps({"password": "hunter22", "text": SECRET}))
        scene.fail(channel, f"refused: {SECRET}")
        function = {"name": "login", "parameters": {"x": SECRET}}
        tool = {"functionDeclarations": [function]} if surface == "gemini" else {"function": function}
        body = json.dumps({"api_key": "hunter22", "tools": [tool]})
        scene.client_request(channel, body.encode())
        scene.upstream_request(channel, b"no JSON " + SECRET.encode(), body.encode())
    shown = {"turns": (await looked.ask("/inspector/api/turns"))[2]}
    for channel in channels:
        for path in [*TURN_PATHS, *(f"/records/{n}" for n in range(len(channel.records)))]:
            shown[channel.turn.surface + path] = (await looked.ask(API.format(id=channel.id) + path))[2]
    assert any(b"[redacted]" in body for body in shown.values())
    for piece in (SECRET, *spread[1:], "hunter22"):
        assert [path for path, body in shown.items() if piece.encode() in body] == []


@pytest.mark.parametrize(
    ("surface", "body", "before"),
    [
        ("chat", {"tools": [{"function": {"name": "f", "parameters": {"x": 1}}}]}, '{\n  "x": 1\n}'),
        ("gemini", {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"x": 1}}]}]}, '{\n  "x": 1\n}'),
        ("gemini", {"tools": [{"function": {"name": "f", "parameters": {"x": 1}}}]}, None),
        ("messages", {"tools": [{"name": "f", "input_schema": {"x": 1}}]}, '{\n  "x": 1\n}'),
        ("passive", {"tools": [{"function": {"name": "f", "parameters": {"x": 1}}}]}, None),
        ("chat", [1], None),
    ],
)
async def test_tools_stand_where_their_api_has_them(look, surface, body, before):
    looked = await look()
    asked = {"contents": [], "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    channel = looked.scene.open(surface=surface, google_request=asked)
    looked.scene.client_request(channel, json.dumps(body).encode())
    (tool,) = (await looked.get(f"turns/{channel.id}/tools"))["tools"]
    assert (tool["name"], tool["before"]) == ("f", before)


# -- events and frames ---------------------------------------------------------------------------------------------


async def collected(looked: Any, path: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await looked.get(f"{path}?from={len(found)}&limit={limit}")
        assert page["from"] == len(found)
        found += page["rows"]
        if len(found) >= page["total"]:
            return found


async def test_records_by_pages(look):
    looked = await look()
    channel = looked.scene.whole(" ".join(str(n) for n in range(450)))
    rows = await collected(looked, f"turns/{channel.id}/records", 200)
    assert [row["seq"] for row in rows] == list(range(len(channel.records)))
    assert [tuple(row["span"]) for row in rows] == [record.span for record in channel.records]
    assert [row["size"] for row in rows] == [len(record.data) for record in channel.records]
    assert rows[7]["kinds"] == ["TextDelta"]
    assert rows[7]["brief"] == "5 "
    assert rows[7]["gap"] == pytest.approx(50)
    beyond = await looked.get(f"turns/{channel.id}/records?from=100000")
    assert (beyond["rows"], beyond["total"]) == ([], len(channel.records))


@pytest.mark.parametrize("surface", REGISTRY)
async def test_every_frame_names_the_record_that_caused_it(look, surface):
    looked = await look()
    channel = looked.scene.whole("one two three", surface=surface)
    renderer = REGISTRY[surface].emitter(channel, bytes(32))
    wanted = [(-1, frame) for frame in renderer.begin()]
    for record in channel.records:
        wanted += [(record.seq, frame) for frame in renderer.feed(record)]
    rows = await collected(looked, f"turns/{channel.id}/frames", 3)
    assert [(row["record"], row["size"]) for row in rows] == [(seq, len(frame)) for seq, frame in wanted]
    assert [row["n"] for row in rows] == list(range(len(wanted)))
    for seq in range(-1, len(channel.records)):
        told = await looked.get(f"turns/{channel.id}/records/{seq}")
        mine = [n for n, (cause, _) in enumerate(wanted) if cause == seq]
        assert [frame["n"] for frame in told["frames"]] == mine
        assert [frame["text"].encode() for frame in told["frames"]] == [wanted[n][1] for n in mine]
        if mine:
            assert told["first_frame"] == mine[0]
        if seq >= 0:
            record = channel.records[seq]
            assert told["record"]["data"].encode() == record.data
            assert [event["type"] for event in told["record"]["events"]] == [type(e).__name__ for e in record.events]
    assert (await looked.ask(f"{API.format(id=channel.id)}/records/{len(channel.records)}"))[0] == 404


def rendering(made: Any) -> dict[str, Any]:
    """A surface that renders with ``made()``."""
    return {"chat": SimpleNamespace(emitter=lambda *_: made())}


async def test_a_turn_is_rendered_once_however_often_it_is_looked_at(look):
    fed: list[int] = []

    class Counting:
        content_type, heartbeat = "text/event-stream", b""

        def begin(self) -> list[bytes]:
            return [b"begin"]

        def feed(self, record: Any) -> list[bytes]:
            fed.append(record.seq)
            return [b"%d" % record.seq]

    looked = await look(rendering(Counting))
    channel = looked.scene.open()
    for n in range(900):
        looked.scene.text(channel, f"{n} ")
    path = f"turns/{channel.id}"
    first = await asyncio.gather(*(looked.get(f"{path}/frames?from={start}") for start in range(0, 900, 100)))
    assert {page["total"] for page in first} == {901}
    for _ in range(3):
        looked.scene.text(channel, "more")
        assert (await looked.get(f"{path}/frames"))["total"] == channel.count + 1
    looked.scene.inside(channel).close(looked.scene.whole().terminal)
    rows = await collected(looked, f"{path}/frames", 1000)
    assert [row["record"] for row in rows] == [-1, *range(channel.count)]
    assert fed == list(range(channel.count))


async def test_turns_without_a_client_have_no_frames(look):
    looked = await look()
    channel = looked.scene.whole(surface="passive")
    assert await looked.get(f"turns/{channel.id}/frames") == {"total": 0, "from": 0, "rows": []}
    assert (await looked.get(f"turns/{channel.id}/records/3"))["frames"] == []


# -- bodies --------------------------------------------------------------------------------------------------------


async def test_four_bodies(look):
    looked = await look()
    channel = looked.scene.whole("one two")
    looked.scene.client_request(channel, b'{"n":123456789012345678901234567890,"e":"\\u00e9"}')
    looked.scene.upstream_request(channel, b'{"a":1}', b'{"a":2}')
    told = await looked.get(f"turns/{channel.id}/bodies")
    assert told["client_request"] == '{\n  "n": 123456789012345678901234567890,\n  "e": "é"\n}'
    assert told["upstream"] == [{"call": 0, "original": '{\n  "a": 1\n}', "sent": '{\n  "a": 2\n}'}]
    data = [record.data.decode() for record in channel.records if record.data]
    assert told["answer"] == "".join(f"data: {text}\n\n" for text in data)
    assert told["answer_size"] == sum(map(len, data))


async def test_bodies_that_are_not_held(look):
    looked = await look()
    channel = looked.scene.open()
    told = await looked.get(f"turns/{channel.id}/bodies")
    assert told == {"client_request": None, "upstream": [], "answer": "", "answer_size": 0}


# -- slow views ------------------------------------------------------------------------------------------------------


async def test_one_slow_view_does_not_hold_up_the_loop(look):
    """Rendering goes on in a thread: other requests are answered while it does."""
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Waiting:
        content_type, heartbeat = "text/event-stream", b""

        def begin(self) -> list[bytes]:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
            return []

        def feed(self, record: Any) -> list[bytes]:
            return []

    looked = await look(rendering(Waiting))
    channel = looked.scene.whole()
    slow = asyncio.create_task(looked.get(f"turns/{channel.id}/frames"))
    await asyncio.sleep(0)
    assert len((await looked.get("turns"))["turns"]) == 1
    assert not slow.done()
    release.set()
    assert (await slow)["total"] == 0


async def test_a_reader_that_leaves_does_not_spoil_the_view(look):
    """The thread of a request that was cut off goes on; the next request joins it."""
    release = asyncio.Event()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Waiting:
        content_type, heartbeat = "text/event-stream", b""

        def begin(self) -> list[bytes]:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
            return [b"x"]

        def feed(self, record: Any) -> list[bytes]:
            return [b"%d" % record.seq]

    looked = await look(rendering(Waiting))
    channel = looked.scene.open()
    looked.scene.say(channel, {"text": "a"}, TextDelta("a"))
    first = asyncio.create_task(looked.get(f"turns/{channel.id}/frames"))
    await begun.wait()
    first.cancel()
    second = asyncio.create_task(looked.get(f"turns/{channel.id}/frames"))
    await asyncio.gather(first, return_exceptions=True)
    looked.scene.say(channel, {"text": "b"}, TextDelta("b"))
    release.set()
    assert [row["text"] for row in (await second)["rows"]][:2] == ["x", "0"]
    assert [row["text"] for row in (await looked.get(f"turns/{channel.id}/frames"))["rows"]] == ["x", "0", "1"]


# -- on disk -------------------------------------------------------------------------------------------------------


async def test_a_turn_that_has_left_memory_is_read_from_disk(look, recorder):
    looked = await look(history=History(recorder.directory))
    channel = looked.scene.whole("one two three", conversation="c1")
    assert recorder.flush()
    before = {path: await looked.get(f"turns/{channel.id}{path}") for path in TURN_PATHS}
    evict(looked.scene.store, channel.id)
    after = {path: await looked.get(f"turns/{channel.id}{path}") for path in TURN_PATHS}
    for path in ("/conversation", "/tools", "/records", "/records/1", "/bodies"):
        assert after[path] == before[path], path
    assert [row["text"] for row in after["/frames"]["rows"]] == [row["text"] for row in before["/frames"]["rows"]]
    different = {name for name, value in before[""].items() if value != after[""][name]}
    assert different <= {"received_ms", "readers", "stored", "created"}
    assert after[""]["stored"]


async def test_a_turn_that_is_nowhere_is_a_404(look, recorder):
    looked = await look(history=History(recorder.directory))
    for path in TURN_PATHS:
        status, _, body = await looked.ask(API.format(id="turn_none") + path)
        assert (status, body.decode().strip()) == (404, "There is no such turn, neither in memory nor on disk.")


async def test_older_turns_come_by_pages(look, recorder):
    looked = await look(history=History(recorder.directory))
    channels = [looked.scene.whole(asked=f"question {n}", created=1e9 + n) for n in range(5)]
    assert recorder.flush()
    told = await looked.get("turns")
    assert (len(told["turns"]), told["more"], told["recorded"]) == (5, True, True)
    for channel in channels[:3]:
        evict(looked.scene.store, channel.id)
    told = await looked.get("turns?before=1000000003&limit=2")
    assert ([row["question"] for row in told["turns"]], told["more"]) == (["question 2", "question 1"], True)
    assert all(row["stored"] for row in told["turns"])
    told = await looked.get("turns?before=1000000001&limit=2")
    assert ([row["id"] for row in told["turns"]], told["more"]) == ([channels[0].id], False)
    assert [row["question"] for row in (await looked.get("turns?q=question%204"))["turns"]] == ["question 4"]


@pytest.mark.parametrize(
    ("query", "text"),
    [("before=soon", "before must be a time"), ("q=&limit=0", "limit must be a whole number from 1 to 1000")],
)
async def test_what_a_page_may_be_is_said(look, query, text):
    looked = await look()
    status, _, body = await looked.ask(f"/inspector/api/turns?{query}")
    assert status == 400
    assert text in body.decode()


async def test_a_query_that_cannot_be_read_is_a_400_with_its_text(look, recorder, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise bad_request("there is no field 'cod'; did you mean 'code'?")

    monkeypatch.setattr(History, "search", refuse)
    looked = await look(history=History(recorder.directory))
    status, headers, body = await looked.ask("/inspector/api/turns?q=cod:x")
    assert (status, body.decode().strip()) == (400, "there is no field 'cod'; did you mean 'code'?")
    assert headers["Content-Type"].startswith("text/plain")


async def test_a_session_is_its_turns_in_memory_and_on_disk(look, recorder, sessions, monkeypatch):
    monkeypatch.setattr(History, "search", by_session)
    looked = await look(history=History(recorder.directory))
    scene = looked.scene
    old, new = (
        scene.whole(asked=asked, conversation="a", created=at) for asked, at in (("old", 1e9), ("new", 1e9 + 9))
    )
    scene.whole(asked="alone", conversation="b", created=1e9 + 5)
    assert recorder.flush()
    evict(scene.store, old.id)
    told = (await looked.get("sessions"))["sessions"]
    assert [(each["title"], each["turns"]) for each in told] == [("old", 2), ("alone", 1)]
    assert told[0]["session"] == sessions.known(new.id).session
    assert told[0]["prompt"] == 2400


def by_session(history: History, query: str = "", *, before: float | None = None, limit: int = 100) -> Page:
    rows = [summary.stored_row(dict(trace.info)) for trace in trace_reader.scan(history.root)]
    return Page([row for row in rows if f"session:{row['session']}" == query], False)
