"""``replay`` and ``cassette`` as processes: they answer agents from recordings, and end as commands do."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.running import command, taken
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, TextDelta

URL = re.compile(r"^(http://127\.0\.0\.1:\d+)$", re.M)
CHUNK = b'{"candidates":[{"content":{"parts":[{"text":"Paris"}]},"finishReason":"STOP"}]}'
ASKED = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Who is there?"}]}


@pytest.fixture
def traces(recording, make_turn) -> Path:
    """A folder with one recorded turn."""
    made = recording()
    running = made.store.open(make_turn())
    running.append(0, b"", (AttemptOpened("m"),))
    running.append(0, CHUNK, (TextDelta("Paris"),))
    running.append(0, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return made.root


async def answer_of(url: str) -> tuple[int, dict]:
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=ASKED) as answer:
        return answer.status, await answer.json()


async def test_replay(traces: Path, tmp_path: Path) -> None:
    async with command(tmp_path, "replay", "--dir", str(traces), "--listen", "127.0.0.1:0") as replaying:
        url = (await replaying.until(URL))[1]
        assert f"OPENAI_BASE_URL={url}/v1\n" in replaying.output
        assert f"ANTHROPIC_BASE_URL={url}\n" in replaying.output
        status, body = await answer_of(url)
        assert (status, body["choices"][0]["message"]["content"]) == (200, "Paris")
        assert await replaying.stop(signal.SIGINT) == 0
    assert "Traceback" not in replaying.output


async def test_a_cassette_plays_nothing_else(traces: Path, tmp_path: Path) -> None:
    async with command(tmp_path, "cassette", str(traces), "--listen", "127.0.0.1:0") as playing:
        status, body = await answer_of((await playing.until(URL))[1])
        assert status >= 400
        assert "record" in body["error"]["message"]
        assert await playing.stop(signal.SIGINT) == 0
    assert "Traceback" not in playing.output


async def test_a_port_that_is_taken(traces: Path, tmp_path: Path) -> None:
    async with (
        taken() as port,
        command(tmp_path, "replay", "--dir", str(traces), "--listen", f"127.0.0.1:{port}") as replaying,
    ):
        assert await replaying.ended() == 1
    assert f"cannot listen on 127.0.0.1:{port}" in replaying.output
    assert "Traceback" not in replaying.output


async def test_open_to_others(traces: Path, tmp_path: Path) -> None:
    async with command(tmp_path, "replay", "--dir", str(traces), "--listen", "0.0.0.0:0") as replaying:
        assert await replaying.ended() == 2, replaying.output
    assert "lets other machines use your account" in replaying.output
    assert "Traceback" not in replaying.output
