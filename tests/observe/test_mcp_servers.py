"""What is known of the configured MCP servers, from turns alone."""

from __future__ import annotations

import pytest

from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity.config import McpServer
from zerogravity.core.events import CallReturned, Finished, FunctionCall, ToolsListed
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import ToolServer
from zerogravity.observe.mcp_servers import McpServers, lines

AT = 1_770_000_000.0  # 2026-02-02T02:40:00Z
CONFIGURED = {"docs": McpServer(url="https://docs.example/SECRET/mcp"), "gone": McpServer(command="gone-mcp")}
CALL = FunctionCall("call_1", "docs.find", "{}")
REFUSED, ODD, BUSY = (CallReturned("call_1", "", error) for error in CALL_ERRORS)
SEEN = {"reachable": True, "seen": "2026-02-02T02:40:00.000Z"}
NEVER = {"reachable": None, "seen": None}
FAILED = {**SEEN, "reachable": False}
DOCS, GONE = ToolServer("docs"), ToolServer("gone")
KNOWN = ToolServer("docs", listed=({"name": "find"},))


@pytest.mark.parametrize(
    ("servers", "events", "docs", "gone"),
    [
        ((), (), NEVER, NEVER),
        ((DOCS,), (LISTINGS[0],), SEEN, NEVER),
        ((DOCS,), (ToolsListed("docs", error="no route for AIzaSyA-0123456789abcdefghijklmno"),),
         {**FAILED, "failure": "no route for [redacted]"}, NEVER),
        ((DOCS, GONE), (LISTINGS[0], LISTINGS[2]), SEEN, {**FAILED, "failure": "nobody answers there"}),
        ((DOCS,), (), NEVER, NEVER),  # it ended before
        ((DOCS,), (LISTINGS[0], CALL, BUSY), {**FAILED, "failure": "busy"}, NEVER),
        ((DOCS,), (LISTINGS[0], CALL, REFUSED), SEEN, NEVER),  # a tool that fails has answered
        ((KNOWN,), (LISTINGS[0],), NEVER, NEVER),  # its list came with the request
        ((KNOWN,), (LISTINGS[0], CALL), NEVER, NEVER),
        ((KNOWN,), (LISTINGS[0], CALL, ODD), NEVER, NEVER),  # perhaps the gateway's own words
        ((KNOWN,), (LISTINGS[0], CALL, CallReturned("call_1", "14 hits")), SEEN, NEVER),
        ((ToolServer("docs", CONFIGURED["docs"].url or ""),), (LISTINGS[0],), SEEN, NEVER),
        ((ToolServer("docs", "https://other.example/mcp"),), (LISTINGS[0],), NEVER, NEVER),  # another of that name
        ((ToolServer("mail", "https://mail.example/mcp"),), (LISTINGS[1],), NEVER, NEVER),
    ],
)  # fmt: skip
def test_what_a_turn_shows_of_each(clock, make_turn, servers, events, docs, gone):
    store, known = MitmStore(clock), McpServers(CONFIGURED, lambda: AT)
    known.watch(store)
    running = store.open(make_turn(servers=servers))
    if events:
        running.append(0, b"", events)
    running.close(Finished("stop"))
    assert known.as_json() == [{"name": "docs", "kind": "http", **docs}, {"name": "gone", "kind": "stdio", **gone}]
    assert "SECRET" not in str(known.as_json())


def test_the_newest_turn_counts(clock, make_turn):
    store, known = MitmStore(clock), McpServers(CONFIGURED, lambda: AT)
    known.watch(store)
    for error in ("no route", ""):
        running = store.open(make_turn(servers=(DOCS,)))
        running.append(0, b"", (ToolsListed("docs", error=error),))
        running.close(Finished("stop"))
    assert known.as_json()[0] == {"name": "docs", "kind": "http", **SEEN}


def test_without_configured_servers_nothing_is_listed(clock):
    store, known = MitmStore(clock), McpServers({})
    before = len(store.on_closed)
    known.watch(store)
    assert (known.as_json(), len(store.on_closed)) == ([], before)


def test_they_are_told_in_words():
    listed = [
        {"name": "docs", "kind": "http", **SEEN}, {"name": "files", "kind": "stdio", **NEVER},
        {"name": "gone", "kind": "stdio", **FAILED, "failure": "nobody answers there"}, {"name": "odd", "seen": "soon"},
    ]  # fmt: skip
    docs, files, gone, odd = lines(listed, AT + 5)
    assert (docs[:24], files) == ("docs (http): reachable (", "files (stdio): not used yet")
    assert docs.count(":") == 3, "of the same day: the time alone"
    assert gone.startswith("gone (stdio): failed: nobody answers there (")
    assert odd == "odd (): not used yet"
    assert "02-0" in lines(listed, AT + 5 * 86400)[0]
