#!/usr/bin/env python3
"""How long one large event of Google's holds the event loop, on each surface.

  .venv/bin/python scripts/bench/large.py [--mib 12] [--rounds 3] [--events text,rows]

The event comes in chunks of 64 KiB, as it does from a socket. Each figure is the longest single step, in ms, in which
nothing else can run: ``tap`` reads Google's bytes and gives the language server its own, ``stream`` renders the frames
of one record, ``whole`` the answer that is not streamed. The best of all rounds counts.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import random
import time
from collections.abc import Callable, Iterator

from zerogravity.capture.tap import Tap
from zerogravity.core.running import RunningTurn
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Context, Surface
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.wire import jsonio

MODEL = "gemini-3-flash"
CHUNK = 64 << 10
SECRET = bytes(32)
PROSE = 'The quick brown fox, 1.5 years old, said: \\"jump over [the] lazy dog\\" and so on.\\n'


def shapes(size: int) -> dict[str, bytes]:
    """Name → one part of about so many bytes."""
    image = base64.b64encode(random.Random(1).randbytes(size * 3 // 4))
    rows = b",".join(b'{"n":%d,"name":"row %d","ok":true}' % (n, n) for n in range(size // 38))
    foreign = "Zażółć gęślą jaźń, 日本語のテキスト。\\n".encode()
    return {
        "text": b'{"text":"' + PROSE.encode() * (size // len(PROSE)) + b'"}',
        "foreign": b'{"text":"' + foreign * (size // len(foreign)) + b'"}',
        "image": b'{"inlineData":{"mimeType":"image/png","data":"' + image + b'"}}',
        "call": b'{"functionCall":{"name":"f","args":{"text":"' + PROSE.encode() * (size // len(PROSE)) + b'"}}}',
        "rows": b'{"functionCall":{"name":"f","args":{"rows":[' + rows + b"]}}}",
    }


def body(part: bytes) -> bytes:
    """Google's whole answer: one large event and a small one with the end."""
    event = b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[%b]}%b}]}}\r\n\r\n'
    return event % (part, b"") + event % (b'{"text":""}', b',"finishReason":"STOP"')


def longest(steps: Iterator[Callable[[], object]]) -> float:
    """ms of the longest one."""
    found = 0.0
    for step in steps:
        began = time.perf_counter()
        step()
        found = max(found, time.perf_counter() - began)
    return found * 1000


def measure(surface: Surface, answer: bytes) -> tuple[float, float, float]:
    """tap, stream, whole"""
    context = Context("turn_" + "1" * 32, 1_770_000_000, Catalogue().resolve, secret=SECRET)
    turn = surface.parse({"model": MODEL, "stream": True, **surface.sample(MODEL, "Hi")}, context)
    ticks = itertools.count()
    running = RunningTurn(turn, lambda: next(ticks))
    channel, tap = running.channel, Tap(running, 0)
    pieces = [answer[start : start + CHUNK] for start in range(0, len(answer), CHUNK)]
    read = longest((lambda piece=piece: tap.feed(piece)) for piece in [*pieces, b""])
    assert channel.closed
    assert not Tap.failures
    emitter = surface.emitter(channel, SECRET)
    streamed = longest((lambda record=record: b"".join(emitter.feed(record))) for record in channel.records)
    whole = longest(iter([lambda: jsonio.dumps(surface.answer(channel, SECRET).body)]))
    return read, streamed, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", default="text,foreign,image,call,rows", help="which, with commas between")
    asked = parser.parse_args()
    print(f"{'event':10}{'surface':12}{'tap':>8}{'stream':>8}{'whole':>8}   ms, {asked.mib} MiB")
    made = shapes(asked.mib << 20)
    for shape in asked.events.split(","):
        answer = body(made[shape])
        for name, surface in REGISTRY.items():
            rounds = [measure(surface, answer) for _ in range(asked.rounds)]
            best = [min(figures) for figures in zip(*rounds, strict=True)]
            print(f"{shape:10}{name:12}" + "".join(f"{figure:8.0f}" for figure in best), flush=True)


if __name__ == "__main__":
    main()
