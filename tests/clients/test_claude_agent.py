"""Claude Agent SDK: Claude Code as a library, which holds a session open for many turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.run import script
from tests.clients.wire import Wire
from zerogravity.testing.simulator.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("claude-agent",)

HERE = "Here is an answer in several pieces, as the real one would come."
# keyword -> (tools called, how the turn's text begins)
WELL: dict[str, tuple[int, str]] = {
    **dict.fromkeys(("sim:text", "sim:think", "sim:signed-text", "sim:claude"), (0, "")),
    **dict.fromkeys(("sim:split 1", "sim:lf", "sim:cr", "sim:odd-sse", "sim:gzip", "sim:garbage"), (0, HERE)),
    **dict.fromkeys((f"sim:usage-{how}" for how in ("after", "root", "jump", "none", "last")), (0, HERE)),
    **dict.fromkeys(
        (f"sim:{how} sim:text" for how in ("tool", "tool-apart", "sig-before", "sig-after", "snake")), (1, HERE)
    ),
    **dict.fromkeys((f"sim:{how} sim:text" for how in ("tool-text", "tool-late-text")), (1, HERE)),
    **dict.fromkeys((f"sim:{how} sim:text" for how in ("parallel", "parallel-split")), (3, HERE)),
    "sim:tool-unknown sim:text": (1, HERE),  # it tells the model that there is no such tool
    "sim:tool-exact sim:text": (1, HERE),
    "sim:unicode": (0, ""),
    "sim:long 100": (0, ""),
    "sim:big 200": (0, ""),
    "sim:flood 500": (0, ""),
    "sim:image": (0, ""),
    "sim:code": (0, ""),
    "sim:stall 2": (0, ""),
    "sim:thinking-once": (0, ""),
    "sim:malformed-once": (0, ""),
}


async def test_a_tool_of_the_program(wire: Wire, tmp_path: Path) -> None:
    said = await script("claude_agent", "weather", wire.url, tmp_path, "claude-agent")
    assert sorted(said["called"]) == ["Oslo", "Rome"]
    assert [name for name, _ in said["calls"]] == ["mcp__clerk__get_weather"] * 2
    assert all(f"18 degrees in {city}" in said["text"] for city in ("Rome", "Oslo"))
    assert said["deltas"] == said["text"]
    assert said["thinking"][0].startswith("**Considering**")
    assert said["result"]["subtype"] == "success"
    assert said["result"]["usage"]["output_tokens"] > 0


async def test_typed_output(wire: Wire, tmp_path: Path) -> None:
    said = await script("claude_agent", "typed", wire.url, tmp_path, "claude-agent")
    assert said["result"]["structured_output"] == {"city": "Rome"}


async def test_several_turns(wire: Wire, tmp_path: Path) -> None:
    first, second, third = await script("claude_agent", "turns", wire.url, tmp_path, "claude-agent")
    assert [name for name, _ in first["calls"]] == ["Bash"]
    assert (tmp_path / "notes.txt").read_text() == "bees\n"
    contents = json.loads(third["text"])["request"]["contents"]
    texts = [part.get("text") for content in contents if content["role"] == "model" for part in content["parts"]]
    assert first["text"] in texts
    assert second["text"] in texts


async def test_an_interrupted_turn(stack: Stack, tmp_path: Path) -> None:
    async with Wire(stack.url, hang_up=True) as wire:
        first, second = await script("claude_agent", "interrupted", wire.url, tmp_path, "claude-agent")
    assert first["result"]["terminal_reason"] == "aborted_streaming"
    assert "[Request interrupted by user]" in second["text"]
    assert stack.google is not None
    assert "client_gone" in [one.ended for one in stack.google.requests[-2:]]


async def test_keywords(wire: Wire, tmp_path: Path) -> None:
    """Whatever Google does that can be borne, a turn goes well."""
    said = await script("claude_agent", "; ".join(WELL), wire.url, tmp_path, "claude-agent")
    for (prompt, (calls, begins)), told in zip(WELL.items(), said, strict=True):
        check_well(prompt, told, calls, begins)


def check_well(prompt: str, told: dict[str, Any], calls: int, begins: str) -> None:
    where = f"{prompt}: {told}"[:3000]
    assert (told["result"]["subtype"], told["result"]["is_error"]) == ("success", False), where
    assert told["text"].startswith(begins), where
    assert told["text"], where
    assert len(told["calls"]) == len(told["results"]) == calls, where
