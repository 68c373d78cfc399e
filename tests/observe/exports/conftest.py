"""Recorded turns of every kind, to be exported."""

from __future__ import annotations

import json

import pytest

from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    RequestLine,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.errors import upstream
from zerogravity.observe import trace_reader

EVIL = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \u2028 &amp;"


@pytest.fixture
def traces(recording, make_turn):
    """A streamed chat turn in two calls with everything in it; a failed one; a plain JSON one; a passive one."""
    made = recording()

    def turn(surface="chat", stream=True, **more):
        made.now[0] += 10
        generate = {"contents": [{"role": "user", "parts": [{"text": EVIL}]}], "generationConfig": {"temperature": 0.5}}
        given = make_turn(surface=surface, stream=stream, created=int(made.now[0]), google_request=generate, **more)
        made.recorder.client_request(given, json.dumps({"q": EVIL}).encode(), {"Host": "localhost:8741"})
        running = made.store.open(given)
        made.clock.advance(0.1)
        running.mark("admitted")
        made.clock.advance(0.1)
        running.mark("matched")
        made.recorder.upstream_request(running.id, 0, b'{"a": 1}', b'{"a": 2}', {"user-agent": "ls"})
        return running

    running = turn()
    made.store.bind(running, "c-1")
    made.clock.advance(0.2)
    running.append(0, b"", (AttemptOpened("gemini-3-flash-a"),))
    running.append(0, b'{"t":1}', (ThinkingDelta("hm"), Usage(7, 2, 1, 3, 0, 11)))
    running.append(0, b"", (AttemptClosed("STOP"),))
    made.clock.advance(1)
    running.append(1, b"", (AttemptOpened(),))
    running.append(1, json.dumps({"text": EVIL}).encode(), (TextDelta(EVIL),))
    running.append(1, b'{"t":2}', (FunctionCall("call_1", "f", "{}"), Usage(8, candidates=9, total=17)))
    running.append(1, b"", (AttemptClosed("STOP"),))
    running.close(Finished("tool"))

    failed = turn("gemini")
    failed.append(0, b'{"error":{}}', (AttemptOpened(status=429),))
    failed.close(Failed(upstream(429, "slow", "slow down")))

    whole = turn("responses", stream=False)
    whole.append(0, b'{"t":3}', (AttemptOpened(), TextDelta("Hi")))
    whole.close(Finished("stop"))

    passive = turn("passive")
    passive.append(0, b'{"t":4}', (AttemptOpened(), TextDelta("Hi")))
    passive.close(Finished("stop"))
    made.flush()
    return list(trace_reader.scan(made.root))[::-1]


LINES = {
    0: RequestLine("POST", "https://eu-x.example/v1beta/models/m:generateContent?key=AIzaSyA-0123456789abcdefghijklmno",
                   "HTTP/2.0"),
    1: RequestLine("PUT", "http://127.0.0.1:81/v1internal:streamGenerateContent?alt=sse&x=", "HTTP/1.1"),
}  # fmt: skip


@pytest.fixture
def lined(recording, make_turn, tmp_path):
    """A turn of two calls that say where they went."""
    made = recording(tmp_path / "lined")
    running = made.store.open(make_turn(surface="chat", stream=True))
    for call, line in LINES.items():
        assert running.attempt_sent(line) == call
        headers = {
            "X-Goog-Api-Key": "AIzaSyA-0123456789abcdefghijklmno",
            "Content-Length": "9",
            "user-agent": "it's ls",
        }
        made.recorder.upstream_request(running.id, call, b"{}", b'{"a": "it\'s"}', headers)
        running.append(call, b"", (AttemptOpened(),))
        running.append(call, b"{}", (TextDelta("x"),))
        running.append(call, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return trace_reader.find(made.root)
