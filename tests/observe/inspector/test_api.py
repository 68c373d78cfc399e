"""The endpoints over a real server: who may look, what is shown, that nothing can be changed."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import evict
from tests.observe.inspector.support import TOKEN
from zerogravity.core.events import TextDelta
from zerogravity.observe.inspector import api, assets
from zerogravity.observe.inspector.api import HEADERS, Answered, Inspector
from zerogravity.observe.sessions import NOWHERE, Placement, Sessions
from zerogravity.surfaces import REGISTRY

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyzABCDEFGH"
API = "/inspector/api/turns/{id}"
TURN_PATHS = ["", "/conversation", "/tools", "/bodies", "/records", "/records/1", "/records/-1", "/frames"]


# -- who may look --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/inspector", "/inspector/", "/inspector/main.js", "/inspector/api/turns", "/inspector/api/live"]
)
@pytest.mark.parametrize("given", ["", "wrong", TOKEN + "x", TOKEN[:-1], "%ED%A0%80", "%C3%BC"])
async def test_without_the_token_nothing_is_shown(look, path, given):
    looked = await look()
    looked.scene.whole("told to nobody")
    cookies = {f"zg_inspector_{looked.running.port}": given} if given.isascii() and "%" not in given else {}
    for query, sent in ((f"?token={given}", {}), ("", cookies)):
        status, headers, body = await looked.ask(path + query, cookies=sent)
        assert status == 401
        assert b"link that zerogravity printed" in body
        assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        assert "Set-Cookie" not in headers


async def test_a_cookie_that_is_no_text_is_a_wrong_one(look):
    looked = await look()
    name = next(iter(looked.cookie))
    status, _, _ = await looked.ask(
        "/inspector/",
        cookies={},
        headers={"Cookie": f"{name}=\u00fc\udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
    )
    assert status == 401


async def test_the_link_sets_the_cookie_and_takes_the_token_out_of_the_address(look):
    looked = await look()
    status, headers, _ = await looked.ask(f"/inspector?token={TOKEN}", cookies={})
    assert (status, headers["Location"]) == (303, "/inspector/")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"zg_inspector_{looked.running.port}={TOKEN};")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/inspector"):
        assert attribute in cookie.split("; ")
    status, _, body = await looked.ask("/inspector/")
    assert status == 200
    assert body.startswith(b"<!doctype html>")
    status, headers, _ = await looked.ask("/inspector")
    assert (status, headers["Location"]) == (303, "/inspector/")


async def test_the_gateways_key_is_no_key_to_the_inspector_nor_the_other_way_round(look):
    looked = await look(key="the-gateways-key")
    headers = {"Authorization": "Bearer the-gateways-key"}
    assert (await looked.ask("/inspector/", cookies={}, headers=headers))[0] == 401
    assert (await looked.ask("/inspector/"))[0] == 200
    assert (await looked.ask("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}))[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_other_web_pages_are_kept_out_though_they_have_the_cookie(look, headers, status):
    looked = await look()
    assert (await looked.ask("/inspector/api/turns", headers=headers))[0] == status


async def test_everything_only_reads(look):
    looked = await look()
    channel = looked.scene.whole()
    before = (await looked.ask("/inspector/api/turns"))[2]
    paths = ["/inspector/", "/inspector/api/turns", *(API.format(id=channel.id) + path for path in TURN_PATHS)]
    for path in paths:
        for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD"):
            assert (await looked.ask(path, method=method))[0] == 405, (method, path)
    assert (await looked.ask("/inspector/api/turns"))[2] == before


def test_an_empty_token_would_let_everybody_in(scene, clock):
    with pytest.raises(ValueError, match="token"):
        Inspector(scene.store, scene.bodies, "", surfaces={}, secret=b"", clock=clock, health=dict)


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
                              "total": 1242, "source": "captured"}  # fmt: skip
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
    assert told["usage_by_call"]["0"]["total"] == 1242
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


# -- live ----------------------------------------------------------------------------------------------------------


class Live:
    """The messages of a live stream."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.answer.content.readline(), 10)
        assert line.startswith(b"data: "), line
        assert await self.answer.content.readline() == b"\n"
        return json.loads(line[6:])


@pytest.fixture
async def live(look, monkeypatch):
    monkeypatch.setattr(api, "TICK_S", 0.01)
    looked = await look()
    looked.scene.whole("first")
    answer = await looked.http.get(looked.url + "/inspector/api/live", cookies=looked.cookie)
    yield looked, Live(answer)
    answer.close()


async def test_live_tells_all_turns_then_what_changes(live):
    looked, stream = live
    scene = looked.scene
    first = await stream.next()
    assert (first["all"], len(first["turns"]), first["gone"]) == (True, 1, [])
    done = first["turns"][0]["id"]
    channel = scene.open("second", to="told")
    second = await stream.next()
    assert (second["all"], [turn["id"] for turn in second["turns"]]) == (False, [channel.id])
    assert second["turns"][0]["state"] == "waiting for LS"
    scene.begin(channel)
    scene.think(channel, "hm")
    assert (await stream.next())["turns"][0]["state"] == "thinking"
    scene.advance(11)  # nothing comes: a change as well
    assert (await stream.next())["turns"][0]["state"] == "stalled"
    evict(scene.store, done)
    assert (await stream.next())["gone"] == [done]
    scene.health["active"] = 7
    told = await stream.next()
    assert (told["turns"], told["health"]["active"]) == ([], 7)


async def test_live_ends_with_the_server(live):
    looked, stream = live
    await stream.next()
    stopped = asyncio.create_task(looked.stop())
    assert await asyncio.wait_for(stream.answer.content.read(), 5) == b""
    await asyncio.wait_for(stopped, 5)


async def test_live_ends_when_the_page_goes(live, caplog):
    looked, stream = live
    await stream.next()
    tasks = asyncio.all_tasks()
    stream.answer.close()
    looked.scene.open("after")
    for _ in range(200):
        if len(asyncio.all_tasks()) < len(tasks):
            break
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) < len(tasks)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


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


# -- results -------------------------------------------------------------------------------------------------------


async def test_results_are_named_by_their_ids(scene):
    part = {"functionResponse": {"id": "call_1", "name": "f", "response": {}}}
    other = {"functionResponse": {"name": "g", "response": {}}}
    asked = {"contents": [{"role": "user", "parts": [part, other, {"text": "and"}]}]}
    answered = Answered(scene.store, Sessions())
    channels = [scene.fail(scene.open(google_request=asked)) for _ in range(2)]
    assert set(await answered.now()) == {"call_1"}
    evict(scene.store, channels[0].id)
    assert set(await answered.now()) == {"call_1"}, "the other turn brings it, too"
    evict(scene.store, channels[1].id)
    assert set(await answered.now()) == set()


async def test_many_new_turns_are_read_with_pauses(scene):
    for _ in range(5 * api.BATCH):
        scene.open()
    answered = Answered(scene.store, Sessions())
    looking = asyncio.create_task(answered.now())
    pauses = 0
    while not looking.done():
        await asyncio.sleep(0)
        pauses += 1
    assert pauses >= 5


async def test_turns_that_others_go_on_from_are_known(scene, monkeypatch):
    first, second = scene.whole(), scene.whole()
    placed = {second.id: Placement("session", first.id)}
    sessions = Sessions()
    monkeypatch.setattr(sessions, "known", lambda turn_id: placed.get(turn_id, NOWHERE))
    answered = Answered(scene.store, sessions)
    assert set(await answered.now()) == {first.id}
    assert set(await answered.now()) == {first.id}
    evict(scene.store, second.id)
    assert set(await answered.now()) == set()
