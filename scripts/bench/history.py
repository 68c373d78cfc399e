#!/usr/bin/env python3
"""What an index of many turns costs, and how long searches take.

  .venv/bin/python scripts/bench/history.py [--turns 2000] [--rounds 40] [--dir FOLDER]

The turns are of agents' conversations of so many rounds, each request with its whole history, tool results of a few KB.
They are written into a folder that is removed again (--dir: kept, and used again). Times are ms of the processor, so
that a busy machine does not change them; searches: the best of five, with the comparison of index and folders that each
begins with in a command, and without, as in a gateway.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from zerogravity.core import codec
from zerogravity.core.events import Finished, FunctionCall, TextDelta, ThinkingDelta, Usage
from zerogravity.observe import indexing, trace_folders
from zerogravity.observe.history import History, Hit
from zerogravity.observe.redaction import redacted_turn
from zerogravity.observe.sessions import Placement
from zerogravity.observe.summary import summary
from zerogravity.store.trace_index import FILE, TraceIndex
from zerogravity.testing import builders
from zerogravity.wire import jsonio

BEGAN = 1_790_000_000
WORDS = [f"{a}{b}" for a in ("get", "set", "find", "make", "load", "save", "parse") for b in (
    "_index", "Folder", "_trace", "Client", "Stream", "_row", "Table", "_page", "Error", "_token", "Cache", "_line",
)]  # fmt: skip
QUERIES = (
    ("newest page", ""), ("a word", "parse_index"), ("a rare word", "needle80"), ("a phrase", '"return parse_index"'),
    ("two letters", "qx"), ("fields", "code:tool client:codex -tool:shell"), ("not", "-parse_index"),
)  # fmt: skip
PATTERNS = (("grep a text", "needle80"), ("grep with a text in it", r"needle8\d"), ("grep without", r"[nm]e+dle80"))


def lines(chance: random.Random, count: int) -> str:
    """Something like a source file."""
    return "\n".join(
        f"    return {chance.choice(WORDS)}({chance.choice(WORDS)}, {chance.random():.6f})" for _ in range(count)
    )


def conversations(turns: int, rounds: int) -> Iterator[tuple[int, int, list[dict[str, object]], Placement]]:
    """(number, round, contents, where it stands) of each turn."""
    chance = random.Random(1)
    contents: list[dict[str, object]] = []
    for number in range(turns):
        place = number % rounds
        fresh = len(contents)
        if place == 0:
            fresh, contents = 0, [{"role": "user", "parts": [{"text": f"Mend {chance.choice(WORDS)} needle{number}"}]}]
        else:
            call = {"functionCall": {"name": "read_file", "args": {"path": chance.choice(WORDS)}}}
            answer = {"name": "read_file", "response": {"output": lines(chance, chance.randrange(10, 120))}}
            contents = [
                *contents,
                {"role": "model", "parts": [call]},
                {"role": "user", "parts": [{"functionResponse": answer}]},
            ]
        yield (
            number,
            place,
            contents,
            Placement(f"{number // rounds:012x}", _id(number - 1) if place else "", "", fresh),
        )


def record(root: Path, turns: int, rounds: int) -> None:
    """The folders, as the recorder writes them."""
    chance = random.Random(2)
    system = {"parts": [{"text": lines(chance, 200)}]}
    for number, place, contents, placed in conversations(turns, rounds):
        request = {"systemInstruction": system, "contents": contents}
        given = builders.turn(
            id=_id(number),
            created=BEGAN + 2 * number,
            google_request=request,
            client=("codex", "gemini-cli")[place % 2],
        )
        events = ThinkingDelta(lines(chance, 4)), TextDelta(lines(chance, 6)), Usage(9000, 8000, 300, 50)
        call = FunctionCall("call_1", "read_file" if place % 3 else "shell", '{"path": "x"}')
        channel = builders.channel(given, *events, call, end=Finished("tool"))
        folder = trace_folders.create(root, given.id, given.created)
        trace_folders.write(folder / "generate.json", jsonio.dumps(request))
        records = [codec.record_out(each, channel.marks["received"], (0, 0)) for each in channel.records]
        trace_folders.write(folder / "records.jsonl", b"".join(jsonio.dumps(line) + b"\n" for line in records))
        trace_folders.write(folder / "turn.json", jsonio.dumps(summary(channel, placed, redacted_turn(given))))


def _id(number: int) -> str:
    return f"turn_{number:08x}{'0' * 24}"


def best[T](work: Callable[[], T]) -> tuple[float, T]:
    """Milliseconds, and what came out."""
    times, made = [0.0] * 5, work()
    for number in range(5):
        began = time.process_time()
        made = work()
        times[number] = (time.process_time() - began) * 1000
    return min(times), made


def _grep(history: History, pattern: re.Pattern[str]) -> list[Hit]:
    return list(history.grep(pattern))


def measure(root: Path, turns: int) -> None:
    began = time.process_time()
    indexing.sync(root, TraceIndex(root / FILE))
    took = time.process_time() - began
    taken = sum(trace_folders.size(folder) for folder in trace_folders.newest_first(root))
    size = sum(path.stat().st_size for path in root.glob(f"{FILE}*"))
    print(
        f"{turns} turns, {taken / 1e6:.1f} MB; index {size / 1e6:.1f} MB, "
        f"made in {took:.1f} s: {took / turns * 1000:.2f} ms a turn"
    )
    for fresh in (False, True):
        history = History(root, fresh=fresh)
        print("without comparing" if fresh else "comparing first")
        for name, query in QUERIES:
            ms, page = best(partial(history.search, query))
            print(f"  {name:<24}{ms:8.1f}  {len(page.rows)}{'+' if page.more else ''} turns")
        for name, pattern in PATTERNS:
            ms, hits = best(partial(_grep, history, re.compile(pattern)))
            print(f"  {name:<24}{ms:8.1f}  {len(hits)} lines")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root: Path = given.dir or Path(temporary)
        if next(trace_folders.newest_first(root), None) is None:
            record(root, given.turns, given.rounds)
        measure(root, given.turns)


if __name__ == "__main__":
    main()
