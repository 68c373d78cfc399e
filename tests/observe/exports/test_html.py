"""The page as one file. ``inspector/test_browser`` looks at it."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest

from tests.observe.exports.conftest import EVIL
from tests.observe.inspector.test_static import FORBIDDEN
from tests.observe.recorded import model, record, turn_id, user
from zerogravity.core.events import Finished, FunctionCall
from zerogravity.observe import notes, trace_reader
from zerogravity.observe.exports.html import BLOB, KEPT, _without_blobs, write
from zerogravity.observe.notes import Note
from zerogravity.observe.sessions import Placement
from zerogravity.surfaces import REGISTRY

DATA = "script", "application/json"


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.policy, self._stack = [], {}, "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "meta":
            given = dict(attrs)
            self._stack.append(
                (tag, given.get("data-turn") or (given.get("id") == "texts" and "texts") or given.get("type"))
            )
        if dict(attrs).get("http-equiv"):
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self._stack.pop()

    def handle_data(self, data):
        if self._stack:
            self.texts.setdefault(self._stack[-1], []).append(data)


def read(traces):
    reader = Reader()
    reader.feed(write(traces, REGISTRY).decode())
    return reader


def test_it_stands_alone_and_is_inert(traces):
    reader = read(traces)
    assert reader.tags.count("script") == 3 + len(traces)
    assert reader.tags.count("link") == 1
    assert "img" not in reader.tags
    rows = json.loads("".join(reader.texts[DATA]))["turns"]
    assert [row["id"] for row in rows] == [trace.id for trace in traces]
    turn = json.loads("".join(reader.texts["script", traces[0].id]))
    assert turn["turn"].items() >= rows[0].items()
    assert "items" not in rows[0]  # which would be parsed before the turn is opened
    assert [item["text"] for item in turn["turn"]["items"][:2]] == ["hm", EVIL]
    assert turn["turn"]["state"] == "no result here"
    assert turn["bodies"]["upstream"] == [{"call": 0, "original": '{\n  "a": 1\n}', "sent": '{\n  "a": 2\n}'}]
    assert json.loads(turn["bodies"]["client_request"]) == {"q": EVIL}
    assert [row["seq"] for row in turn["records"]] == list(range(len(traces[0].records)))
    assert "".join(row["text"] for row in turn["frames"]) == "".join(frame.text for frame in traces[0].emitted)


def test_what_can_be_found_stands_in_a_block_of_its_own(traces):
    texts = json.loads("".join(read(traces).texts["script", "texts"]))
    assert list(texts) == [trace.id for trace in traces]
    assert texts[traces[0].id] == {"request": EVIL, "thinking": "hm", "text": EVIL, "call": "f({})"}
    assert texts[traces[1].id]["failure"].startswith("slow: slow down")


def test_of_a_conversation_only_what_is_new_can_be_found_in_a_turn_unless_the_one_before_is_missing(tmp_path):
    contents = [user("one"), model("two"), user("three")]
    record(tmp_path, "a", contents=contents[:1])
    record(tmp_path, "b", at=1, contents=contents, placed=Placement("s", turn_id("a"), "", 1))
    both = list(trace_reader.scan(tmp_path))[::-1]
    for given, asked in ((both, ["one", "three"]), (both[1:], ["one\ntwo\nthree"])):
        texts = json.loads("".join(read(given).texts["script", "texts"]))
        assert [parts["request"] for parts in texts.values()] == asked


def test_a_turn_whose_calls_have_a_result_in_another_one_is_done(tmp_path):
    """In the file alone nobody can tell whether a result has come."""
    calls = {"role": "model", "parts": [{"functionCall": {"id": "call_1", "name": "f", "args": {}}}]}
    came = {"role": "user", "parts": [{"functionResponse": {"id": "call_1", "name": "f", "response": {}}}]}
    record(tmp_path, "a", FunctionCall("call_1", "f", "{}"), end=Finished("tool"), contents=[user("one")])
    record(tmp_path, "b", at=1, contents=[user("one"), calls, came])
    first, second = list(trace_reader.scan(tmp_path))[::-1]
    for given, states in (([first, second], ["done", "done"]), ([first], ["no result here"])):
        rows = json.loads("".join(read(given).texts[DATA]))["turns"]
        assert [row["state"] for row in rows] == states


def test_it_names_nothing_from_elsewhere(traces):
    script = "".join(read(traces).texts["script", "module"])
    assert "http://" not in script
    assert "https://" not in script
    assert "import " not in script


def test_the_page_allows_only_itself(traces):
    reader = read(traces)
    script = "".join(reader.texts["script", "module"])
    style = "".join(reader.texts["style", None])
    for kind, source in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in reader.policy
    assert reader.policy.startswith("default-src 'none'")
    assert "unsafe" not in reader.policy
    assert "connect-src" not in reader.policy


def test_the_page_makes_text_nodes_only(traces):
    assert FORBIDDEN.search("".join(read(traces).texts["script", "module"])) is None


def test_a_row_has_what_only_the_trace_knows(traces):
    notes.write(traces[0].folder, Note("odd", star=True))
    first, second, *_ = json.loads("".join(read(map(trace_reader.load, [t.folder for t in traces])).texts[DATA]))[
        "turns"
    ]
    assert (first["note"], first["star"]) == ("odd", True)
    assert first["session"] == traces[0].info["session"] != ""
    assert first["received_ms"] < second["received_ms"]  # though each trace counts from its own turn's arrival


def test_the_command_of_a_turn_is_in_its_block(traces):
    turn = json.loads("".join(read(traces).texts["script", traces[0].id]))
    assert turn["curl"]["curl"].startswith("curl -gN -X POST http://localhost:8741/v1/chat/completions")


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("A" * (BLOB - 1), 0), ("A" * BLOB, BLOB - KEPT), ("\n" + "A" * BLOB, BLOB + 1 - KEPT),
        ("data:image/png;base64," + "iVBO" * BLOB + "==", 4 * BLOB + 2 - KEPT), ("word " * BLOB, 0),
        ("\u2028" + "A" * BLOB + '"', BLOB - KEPT),
    ],
)  # fmt: skip
def test_long_base64_says_how_long_it_was(text, left_out):
    """In JSON, which stays JSON."""
    given = json.dumps({"x": text}, ensure_ascii=False).encode()
    (found,) = json.loads(_without_blobs(given)).values()
    assert found == text if not left_out else f"... {left_out} bytes left out" in found
    assert len(found) <= max(len(text), KEPT + 100)
