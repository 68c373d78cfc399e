"""The page as one file. ``inspector/test_browser`` looks at it."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

from tests.observe.exports.conftest import EVIL
from tests.observe.inspector.test_static import FORBIDDEN
from zerogravity.observe.exports.html import write
from zerogravity.surfaces import REGISTRY


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.policy, self._stack = [], {}, "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "meta":
            self._stack.append((tag, dict(attrs).get("type")))
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
    assert reader.tags.count("script") == 2
    assert reader.tags.count("link") == 1
    assert "img" not in reader.tags
    (turn, *_) = json.loads("".join(reader.texts["script", "application/json"]))["turns"]
    assert [item["text"] for item in turn["turn"]["items"][:2]] == ["hm", EVIL]
    assert turn["turn"]["state"] == "done"
    assert turn["bodies"]["upstream"] == [{"call": 0, "original": '{\n  "a": 1\n}', "sent": '{\n  "a": 2\n}'}]
    assert json.loads(turn["bodies"]["client_request"]) == {"q": EVIL}
    assert [row["seq"] for row in turn["records"]] == list(range(len(traces[0].records)))
    assert "".join(row["text"] for row in turn["frames"]) == "".join(frame.text for frame in traces[0].emitted)


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
