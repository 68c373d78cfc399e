"""What holds for every export: the table, any trace, a turn in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.observe.exports.conftest import LINES
from zerogravity.core.events import AttemptClosed, AttemptOpened, Failed, Finished, FunctionCall, TextDelta, Usage
from zerogravity.errors import upstream
from zerogravity.observe import trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.replica import Replica
from zerogravity.observe.requests import Bodies, RequestSinks
from zerogravity.observe.sessions import Sessions
from zerogravity.surfaces import REGISTRY

README = (Path(__file__).parents[3] / "README.md").read_text("utf-8")


def test_the_readme_lists_them():
    assert f"export --format {'|'.join(name for name in EXPORTS if name != 'bundle')}`" in README
    assert "`zerogravity trace bundle` packs" in README
    for name, export in EXPORTS.items():
        assert name == "bundle" or f"`{name}`: {export.what}" in README


@pytest.mark.parametrize("name", EXPORTS)
def test_every_format_takes_any_trace(name, traces, recording, make_turn):
    write = EXPORTS[name].write
    assert EXPORTS[name].ending.startswith(".")
    made = recording()
    made.store.open(make_turn(id="turn_" + "e" * 32)).append(0, b"", ())
    made.flush()
    running = trace_reader.find(made.root, "eeee")
    assert write([*traces, running], REGISTRY)
    assert isinstance(write([], REGISTRY), bytes)


def test_a_page_and_lines_tell_it_too(lined):
    shown = [{"call": 0, "method": "POST", "http_version": "HTTP/2.0",
              "url": "https://eu-x.example/v1beta/models/m:generateContent?key=[redacted]"},
             {"call": 1, "method": "PUT", "url": LINES[1].url, "http_version": "HTTP/1.1"}]  # fmt: skip
    assert lined.info["upstream"] == shown
    told = [json.loads(line) for line in EXPORTS["jsonl"].write([lined], REGISTRY).splitlines()]
    assert told[0]["upstream"] == shown
    assert b"AIzaSy" not in b"".join(EXPORTS[form].write([lined], REGISTRY) for form in EXPORTS if form != "bundle")


@pytest.mark.parametrize("upstream", [None, "x", [None, {}, {"call": "0"}, {"call": [0]}], {}])
def test_traces_that_do_not_say_it_are_read(lined, upstream):
    info = {name: value for name, value in lined.info.items() if name != "upstream"}
    older = trace_reader.Trace(lined.folder, info if upstream is None else {**info, "upstream": upstream})
    assert older.lines() == {}
    assert len(json.loads(EXPORTS["har"].write([older], REGISTRY))["log"]["entries"]) == 3
    assert len(json.loads(EXPORTS["otel"].write([older], REGISTRY))["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 3
    assert EXPORTS["curl"].write([older], REGISTRY) == f"# {lined.id}\n# no call to Google was recorded\n".encode()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("terminal", [Finished("tool"), Failed(upstream(429, "slow", "slow down"))])
@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "bundle"])
def test_a_turn_in_memory_is_exported_as_its_trace(recording, make_turn, name, stream, terminal):
    """One kind of source: whether it is a copy in memory or was read from the disk."""
    made, bodies = recording(), Bodies()
    request_sinks = RequestSinks(made.recorder, bodies)
    running = made.store.open(make_turn(surface="chat", stream=stream, created=1_770_000_000, notes=("a note",)))
    channel = running.channel
    made.store.bind(running, "c-1")
    request_sinks.client_request(channel.turn, b'{"apiKey": "hunter22"}', {"Host": "localhost"})
    made.clock.advance(0.25)
    running.mark("matched")
    for call, line in LINES.items():
        running.attempt_sent(line)
        request_sinks.upstream_request(channel.id, call, b'{"a": 1}', b'{"a": 2}', {"user-agent": "ls"})
        running.append(call, b"", (AttemptOpened("gemini-3-flash-a"),))
        made.clock.advance(0.5)
        running.append(call, b'{"text":"sk-abc"}', (TextDelta("sk-abc"), Usage(7, 2, 1, 3, 0, 11)))
        running.append(call, b'{"text":"defgh1234567890"}', (TextDelta("defgh1234567890"),))
        running.append(call, b'{"t":2}', (FunctionCall(f"call_{call}", "f", '{"token": "hunter22"}'),))
        running.append(call, b"", (AttemptClosed("STOP"),))
    running.close(terminal)
    made.flush()
    copy = Replica(channel, channel.records, REGISTRY["chat"], bytes(32), lambda *which: bodies.get(channel.id, *which),
                   placed=lambda: Sessions().of(channel))  # fmt: skip
    assert len(list(copy.grow())) == len(channel.records)
    assert copy.mask_spread_secrets(), "a secret was spread over deltas"
    trace = trace_reader.find(made.root)
    assert json.loads(json.dumps(copy.info)) == trace.info
    live, read = EXPORTS[name].write([copy], REGISTRY), EXPORTS[name].write([trace], REGISTRY)
    if name == "html":  # a copy knows what stood before the first event, and what would have been streamed
        live, read = (data.partition(b'"frames"')[0] for data in (live, read))
    assert live == read
    assert b"hunter22" not in live
    assert b"defgh1234567890" not in live
