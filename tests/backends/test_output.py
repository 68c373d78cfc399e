"""What is kept of a process's words, and what never is."""

from __future__ import annotations

import asyncio
import logging

import pytest

from zerogravity.backends.output import LONG_LINE, MAX_LINE, Output, without

LONG = b"x" * (4 * LONG_LINE)


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([], []),
        ([b"one\n\r\n \ntwo\r\n"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo\n"], ["one", "two"]),
        ([b"it cra", b"shed"], ["it crashed"]),  # whoever dies may not get to the end of the line
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"]),
        ([LONG, LONG, b"\nnext\n"], ["x" * MAX_LINE, "next"]),
        ([b"".join(b"%d\n" % number for number in range(30))], [str(number) for number in range(10, 30)]),
        ([b"my s3cret", b"-token\n"], ["my [redacted]"]),
    ],
)
async def test_its_newest_lines(pieces: list[bytes], lines: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "zerogravity.language_server")
    stream = asyncio.StreamReader()
    output = Output("it", lambda words: words.replace("s3cret-token", "[redacted]"))
    reading = asyncio.create_task(output.read(stream))
    for piece in pieces:
        stream.feed_data(piece)
        await asyncio.sleep(0)
    stream.feed_eof()
    await reading
    assert output.tail == "".join([":", *(f"\n{line}" for line in lines)] if lines else [])
    assert caplog.messages[-len(lines) :] == [f"it: {line}" for line in lines] if lines else not caplog.messages


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("nothing", "nothing"),
        ("mine, and mine", "[redacted], and [redacted]"),
        ("key AIzaSyInventedForThisTest-0123456789abcd", "key [redacted]"),
    ],
)
def test_no_secret_is_shown(words: str, shown: str) -> None:
    assert without(words, ("mine", "")) == shown
