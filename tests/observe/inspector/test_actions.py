"""What can be done with a turn over a real server: by whom, to which turn, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import io
import json
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import evict
from tests.observe.inspector.support import TOKEN, Looked
from zerogravity.core.events import Failed
from zerogravity.errors import Termination, cancelled
from zerogravity.observe import notes, trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.history import History
from zerogravity.observe.inspector.actions import MAX_BODY
from zerogravity.observe.notes import LONGEST, Note
from zerogravity.observe.recorder import Recorder

NOBODY = "turn_" + "0" * 32
JSON = {"Content-Type": "application/json"}
CHANGES = ["cancel", "note"]


def path(turn_id: str, what: str) -> str:
    return f"/inspector/api/turns/{turn_id}/{what}"


async def post(looked: Looked, turn_id: str, what: str, body: Any = None, **options: Any) -> tuple[int, Any]:
    """(status, the JSON or the words of the answer)."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"data": data, "headers": JSON, **options}
    status, headers, answer = await looked.ask(path(turn_id, what), method="POST", **given)
    return status, json.loads(answer) if headers["Content-Type"] == "application/json" else answer.decode()


@dataclass
class Kept:
    """A served inspector over recorded turns."""

    looked: Looked
    recorder: Recorder
    asked: list[str] = field(default_factory=list[str])  # turns that were to be cancelled

    def folder(self, turn_id: str) -> Path:
        assert self.recorder.flush()
        return trace_reader.find(self.recorder.directory, turn_id).folder


@pytest.fixture
async def kept(look: Any, scene: Any, recorder: Recorder) -> Kept:
    asked: list[str] = []

    def cancel(turn_id: str) -> bool:
        asked.append(turn_id)
        running = scene.store.running(turn_id)
        return running is not None and running.close(Failed(cancelled(Termination.CANCELLED)))

    return Kept(await look(history=History(recorder.directory), cancel=cancel), recorder, asked)


# -- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"cookies": {}}, 401, "link"),
        ({"cookies": {"zg_inspector_1": TOKEN}}, 401, "link"),
        ({"headers": {**JSON, "Origin": "https://evil.example"}}, 403, "other web pages"),
        ({"headers": {**JSON, "Origin": "https://friend.example"}}, 403, "only the inspector's own page"),
        ({"headers": {**JSON, "Sec-Fetch-Site": "cross-site"}}, 403, "other web pages"),
        ({"headers": {**JSON, "Sec-Fetch-Site": "same-site"}}, 403, "other web pages"),
        ({"headers": {**JSON, "Host": "evil.example"}}, 421, "Host"),
        ({"headers": {"Content-Type": "text/plain"}}, 415, "application/json"),
        ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, "application/json"),
        ({"headers": {}}, 415, "application/json"),
        ({"headers": {**JSON, "Content-Encoding": "gzip"}}, 415, "Content-Encoding"),
        ({"body": b"{"}, 400, "not valid JSON"),
        ({"body": b"[]"}, 400, "must be a JSON object"),
        ({"body": b'{"note": "\xff"}'}, 400, "not valid JSON"),
        ({"body": {"stars": 5}}, 400, "'stars'"),
        ({"body": b" " * (MAX_BODY + 1)}, 413, str(MAX_BODY)),
    ],
)
async def test_only_the_page_itself_changes_anything(look, scene, what, options, status, words):
    asked: list[str] = []
    looked = await look(cancel=asked.append, cors_origins=["https://friend.example"])
    channel = scene.open("hi")
    given = {"body": {} if what == "cancel" else {"star": True}, **options}
    answered, said = await post(looked, channel.id, what, **given)
    assert answered == status
    assert words in str(said)
    assert not asked
    assert notes.of(channel) == notes.NOTHING


async def test_a_page_that_may_call_the_api_may_not_change_anything_here(look, scene):
    looked = await look(cors_origins=["http://localhost:3000"])
    headers = {**JSON, "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
    assert (await post(looked, scene.open("hi").id, "note", {"star": True}, headers=headers))[0] == 403


async def test_the_pages_own_requests_are_taken(look, scene):
    looked = await look()
    own = {**JSON, "Origin": looked.url, "Sec-Fetch-Site": "same-origin"}
    assert (await post(looked, scene.open("hi").id, "note", {"star": True}, headers=own))[0] == 200


async def test_the_token_in_the_address_does_nothing_but_set_the_cookie(look, scene):
    looked = await look()
    channel = scene.open("hi")
    status, _, _ = await looked.ask(
        f"{path(channel.id, 'note')}?token={TOKEN}", method="POST", json={"star": True}, cookies={}
    )
    assert (status, notes.of(channel)) == (303, notes.NOTHING)


@pytest.mark.parametrize("turn", [NOBODY, "x", "%2e%2e", "turn_%00"])
async def test_an_unknown_turn_is_404(kept, turn):
    for what in CHANGES:
        assert (await post(kept.looked, turn, what))[0] in (400, 404)  # a note of nothing is refused first
    for what in ("note", "curl", *(f"export/{name}" for name in EXPORTS)):
        assert (await kept.looked.ask(path(turn, what)))[0] == 404
    assert (await post(kept.looked, turn, "note", {"star": True}))[0] == 404


# -- cancel --------------------------------------------------------------------------------------------------------


async def test_a_running_turn_is_cancelled_once(kept, scene):
    channel = scene.open("hi")
    assert await post(kept.looked, channel.id, "cancel", {}) == (200, {"id": channel.id, "cancelled": True})
    assert channel.termination == "cancelled"
    status, said = await post(kept.looked, channel.id, "cancel", {})
    assert (status, said) == (409, "this turn is over already\n")


async def test_what_cannot_be_cancelled_says_why(kept, scene):
    watched = scene.open("hi", "passive")
    status, said = await post(kept.looked, watched.id, "cancel", {})
    assert (status, kept.asked) == (409, [])
    assert "only watched" in said
    over = scene.whole()
    assert (await post(kept.looked, over.id, "cancel"))[0] == 409
    assert kept.recorder.flush()
    evict(scene.store, over.id)
    assert (await post(kept.looked, over.id, "cancel"))[0] == 409  # it is on disk: known, and over


# -- notes ---------------------------------------------------------------------------------------------------------


async def test_a_note_is_kept_with_the_trace_and_shown_at_once(kept, scene):
    channel = scene.whole()
    folder = kept.folder(channel.id)
    assert await post(kept.looked, channel.id, "note", {"note": "odd", "star": True}) == (
        200,
        {"note": "odd", "star": True, "stored": True, "remark": ""},
    )
    assert notes.read(folder) == Note("odd", star=True)
    assert stat.S_IMODE((folder / "note.json").stat().st_mode) == 0o600
    (row,) = (await kept.looked.get("turns"))["turns"]
    assert (row["note"], row["star"]) == ("odd", True)
    assert (await post(kept.looked, channel.id, "note", {"star": False}))[1]["note"] == "odd"
    evict(scene.store, channel.id)
    assert (await kept.looked.get(f"turns/{channel.id}/note")) == {
        "note": "odd", "star": False, "stored": True, "remark": "",
    }  # fmt: skip
    assert (await post(kept.looked, channel.id, "note", {"note": ""}))[0] == 200
    assert not (folder / "note.json").exists()


async def test_a_note_from_a_command_is_seen(kept, scene):
    channel = scene.whole()
    notes.write(kept.folder(channel.id), Note("from a shell"))
    assert (await kept.looked.get(f"turns/{channel.id}/note"))["note"] == "from a shell"
    assert notes.of(channel) == Note("from a shell")


async def test_without_recording_a_note_is_in_memory_and_says_so(look, scene):
    looked = await look()
    channel = scene.whole()
    status, said = await post(looked, channel.id, "note", {"note": "odd"})
    assert (status, said["stored"]) == (200, False)
    assert "not recorded" in said["remark"]
    assert notes.of(channel) == Note("odd")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "give note"),
        ({}, "give note"),
        ({"note": "x" * (LONGEST + 1)}, f"at most {LONGEST} characters"),
        ({"note": ["x"]}, "note must be a text"),
        ({"star": "yes"}, "star must be true or false"),
    ],
)
async def test_a_note_of_another_form_is_refused_by_name(kept, scene, body, words):
    status, said = await post(kept.looked, scene.whole().id, "note", body)
    assert status == 400
    assert words in said


async def test_a_note_may_be_as_long_as_it_may(kept, scene):
    status, said = await post(kept.looked, scene.whole().id, "note", {"note": "\U0001f600" * LONGEST})
    assert (status, len(said["note"])) == (200, LONGEST)


async def test_a_disk_that_cannot_be_written_is_said(kept, scene):
    channel = scene.whole()
    (kept.folder(channel.id) / "note.json.tmp").mkdir()
    status, said = await post(kept.looked, channel.id, "note", {"note": "odd"})
    assert status == 500
    assert "cannot be written" in said
    assert notes.of(channel) == notes.NOTHING


async def test_changes_at_the_same_time_lose_nothing(kept, scene):
    channel = scene.whole()
    kept.folder(channel.id)
    bodies: list[Any] = [{"note": "odd"}, {"star": True}] * 5
    answers = await asyncio.gather(*(post(kept.looked, channel.id, "note", body) for body in bodies))
    assert {status for status, _ in answers} == {200}
    assert notes.read(kept.folder(channel.id)) == Note("odd", star=True)


async def test_other_pages_hear_of_a_note_to_a_finished_turn(kept, scene):
    channel = scene.whole()
    async with kept.looked.http.get(f"{kept.looked.url}/inspector/api/live", cookies=kept.looked.cookie) as answer:
        first = json.loads((await answer.content.readuntil(b"\n\n"))[5:])
        assert first["turns"][0]["note"] == ""
        await post(kept.looked, channel.id, "note", {"note": "odd"})
        second = json.loads((await answer.content.readuntil(b"\n\n"))[5:])
    assert [(row["id"], row["note"]) for row in second["turns"]] == [(channel.id, "odd")]


# -- giving away ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("where", ["memory", "disk"])
async def test_a_turn_is_downloaded_in_every_format(kept, scene, name, where):
    channel = scene.whole("the answer")
    scene.client_request(channel, b'{"messages": []}')
    folder = kept.folder(channel.id)
    await post(kept.looked, channel.id, "note", {"note": "odd one"})
    if where == "disk":
        evict(scene.store, channel.id)
    status, headers, body = await kept.looked.ask(path(channel.id, f"export/{name}"))
    assert status == 200
    short = trace_folders.short(channel.id)
    assert headers["Content-Disposition"] == f'attachment; filename="zerogravity-{short}{EXPORTS[name].ending}"'
    assert headers["Content-Type"] == "application/octet-stream"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    if name == "bundle":
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert f"{folder.parent.name}/{folder.name}/note.json" in archive.namelist()
    elif name != "curl":
        assert channel.id.encode() in body or name == "otel"
        assert b"odd one" in body


async def test_what_has_no_folder_cannot_be_bundled_and_says_so(look, scene):
    looked = await look()
    channel = scene.whole()
    status, _, body = await looked.ask(path(channel.id, "export/bundle"))
    assert status == 409
    assert b"not on disk" in body
    assert (await looked.ask(path(channel.id, "export/har")))[0] == 200
    status, _, body = await looked.ask(path(channel.id, "export/pdf"))
    assert status == 404
    assert b"curl, har, jsonl" in body


@pytest.mark.parametrize("where", ["memory", "disk"])
async def test_the_curl_command_of_a_turn(kept, scene, where):
    channel = scene.open("hi")
    for sink in (scene.bodies, kept.recorder):
        sink.client_request(channel.turn, b'{"messages": []}', {"Host": "localhost:8741", "Authorization": "Bearer x"})
    scene.end(channel)
    kept.folder(channel.id)
    if where == "disk":
        evict(scene.store, channel.id)
    told = (await kept.looked.get(f"turns/{channel.id}/curl"))["curl"]
    assert told.startswith("curl -gN -X POST http://localhost:8741/v1/chat/completions")
    assert '"authorization: Bearer $OPENAI_API_KEY"' in told


async def test_a_turn_whose_request_was_not_kept_has_no_command(look, scene):
    looked = await look()
    assert await looked.get(f"turns/{scene.whole().id}/curl") == {"curl": None}
