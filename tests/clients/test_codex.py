"""Codex CLI: its agent loop over HTTP and over WebSocket, with each of the forms in which it declares its tools."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import npm_bin
from tests.clients.run import Ran, home, run
from tests.clients.wire import Wire
from tests.e2e.support import quick
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("codex",)

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PROMPT = 'Create a file notes.txt that says "bees are fine".'
PROVIDER = 'model_provider = "zerogravity"'
CONFIG = """
model = "gemini-3-flash"
check_for_update_on_startup = false
{top}
[analytics]
enabled = false
[model_providers.zerogravity]
name = "zerogravity"
base_url = "{url}/v1"
env_key = "ZG_KEY"
wire_api = "responses"
"""


async def codex(wire: Wire, top: str, workspace: Path, prompt: str, *more: str) -> Ran:
    """One ``codex exec``; ``top``: what its configuration says on top."""
    folder = home("codex")
    (folder / "config.toml").write_text(CONFIG.format(url=wire.url, top=top))
    env = {"CODEX_HOME": str(folder), "ZG_KEY": "any", "CODEX_API_KEY": "any"}
    arguments = ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json", *more, prompt)
    return await run(npm_bin("codex", "codex"), *arguments, cwd=workspace, env=env, home=folder)


def told(ran: Ran) -> tuple[list[str], str, dict[str, int]]:
    """(kinds of the items the user is shown, thoughts and notes aside; the final text; usage)"""
    assert ran.code == 0, ran
    events: list[dict[str, Any]] = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]
    items = [one["item"] for one in events if one["type"] == "item.completed"]
    assert events[-1]["type"] == "turn.completed", ran
    kinds = [item["type"] for item in items if item["type"] not in ("error", "reasoning")]
    return kinds, items[-1]["text"], events[-1]["usage"]


@pytest.mark.parametrize(
    "model", ["gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-5-thinking", "gpt-oss-120b-medium"]
)
async def test_over_http(wire: Wire, tmp_path: Path, model: str) -> None:
    ran = await codex(wire, PROVIDER, tmp_path, PROMPT, "-m", model)
    kinds, text, usage = told(ran)
    assert kinds == ["command_execution", "agent_message"]
    assert "exec_command answered" in text
    assert "exited with code 0" in text
    assert any(words in ran.out for words in ("Considering", "I need a tool for this."))  # the summary of its thoughts
    assert (tmp_path / "notes.txt").read_text() == "bees are fine\n"
    assert usage["input_tokens"] > usage["cached_input_tokens"] > 0
    assert usage["output_tokens"] > usage["reasoning_output_tokens"] > 0
    first, second = wire.asked("/v1/responses")
    assert [one["store"] for one in (first, second)] == [False, False]
    carried = next(item for item in second["input"] if item["type"] == "reasoning")
    assert carried["encrypted_content"]


async def test_thoughts_come_back_as_google_signed_them(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    told(await codex(wire, PROVIDER, tmp_path, PROMPT))
    assert stack.google is not None
    sent = stack.google.requests[-1].body["request"]["contents"]
    (called,) = [part for content in sent for part in content["parts"] if "functionCall" in part]
    assert called["functionCall"]["name"] == "exec_command"
    assert called["thoughtSignature"] not in ("", "skip_thought_signature_validator")


async def test_over_websocket(wire: Wire, tmp_path: Path) -> None:
    """Its built-in provider: a warm-up, then only what is new, on responses that are not stored."""
    ran = await codex(wire, f'openai_base_url = "{wire.url}/v1"', tmp_path, PROMPT)
    kinds, text, _ = told(ran)
    assert kinds == ["command_execution", "agent_message"]
    assert "exited with code 0" in text
    assert (tmp_path / "notes.txt").read_text() == "bees are fine\n"
    warm, first, second = wire.asked("/v1/responses")
    assert warm["generate"] is False
    assert first["previous_response_id"]
    assert [item["type"] for item in second["input"]] == ["function_call_output"]


async def test_several_rounds_of_tools(wire: Wire, tmp_path: Path) -> None:
    ran = await codex(wire, PROVIDER, tmp_path, f"{PROMPT} sim:tool sim:tool sim:text")
    kinds, _, _ = told(ran)
    assert kinds.count("command_execution") == 2
    assert len(wire.asked("/v1/responses")) == 3


async def test_parallel_tools(wire: Wire, tmp_path: Path) -> None:
    kinds, text, _ = told(await codex(wire, PROVIDER, tmp_path, "sim:parallel sim:text"))
    assert kinds == ["command_execution"] * 3 + ["agent_message"]
    assert text.startswith("Here is an answer")


async def test_a_picture(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PICTURE)
    ran = await codex(wire, PROVIDER, tmp_path, "What is this picture?", "-i", str(tmp_path / "dot.png"), "--")
    assert "What is this picture?" in told(ran)[1]
    assert stack.google is not None
    parts = [part for content in stack.google.requests[-1].body["request"]["contents"] for part in content["parts"]]
    (picture,) = [part["inlineData"] for part in parts if "inlineData" in part]
    assert picture == {"mimeType": "image/png", "data": base64.b64encode(PICTURE).decode()}


@pytest.mark.parametrize("how", ["drop", "503-mid"])
async def test_a_stream_that_breaks_off_is_told_and_tried_again(wire: Wire, tmp_path: Path, how: str) -> None:
    ran = await codex(wire, PROVIDER, tmp_path, f"sim:{how}")
    assert ran.out.count("Reconnecting... 1/5 (stream disconnected before completion: ") == 1
    assert told(ran)[0] == ["agent_message", "agent_message"]
    broken, whole = wire.exchanges
    assert b"event: response.failed" in broken.answer
    assert b"event: response.completed" in whole.answer


@pytest.mark.parametrize(("how", "said"), [("400", "invalid argument"), ("429-quota", "Quota exceeded")])
async def test_an_error_that_cannot_heal_is_not_tried_again(wire: Wire, tmp_path: Path, how: str, said: str) -> None:
    ran = await codex(wire, PROVIDER, tmp_path, f"sim:{how}")
    assert ran.code == 1
    assert said in json.loads(ran.out.splitlines()[-1])["error"]["message"]
    assert len(wire.asked("/v1/responses")) == 1
    wire.exchanges.clear()  # it was meant to fail


async def test_a_custom_tool_with_a_grammar(wire: Wire, tmp_path: Path) -> None:
    """For OpenAI's model names it declares other tools."""
    ran = await codex(wire, PROVIDER, tmp_path, f"Use apply_patch. {PROMPT}", "-m", "gpt-5.5")
    kinds, text, _ = told(ran)
    assert kinds == ["file_change", "agent_message"]
    assert "A notes.txt" in text
    assert (tmp_path / "notes.txt").read_text() == "bees are fine\n"
    _, second = wire.asked("/v1/responses")
    assert "custom_tool_call_output" in [item["type"] for item in second["input"]]


async def test_tools_as_an_input_item(wire: Wire, tmp_path: Path) -> None:
    """Its newest models: namespaces in ``additional_tools``, and one tool that runs JavaScript."""
    ran = await codex(wire, PROVIDER, tmp_path, PROMPT, "-m", "gpt-6.1-sol")
    kinds, text, _ = told(ran)
    assert kinds == ["command_execution", "agent_message"]
    assert "Script completed" in text
    assert (tmp_path / "notes.txt").read_text() == "bees are fine\n"
    first, _ = wire.asked("/v1/responses")
    assert (first["input"][0]["type"], first.get("tools")) == ("additional_tools", None)


async def test_without_websocket_it_goes_over_http_at_once(tmp_path: Path) -> None:
    async with (
        Stack(StackOptions(ls=quick(), env={"ZEROGRAVITY_WEBSOCKET": "false"})) as plain,
        Wire(plain.url) as wire,
    ):
        ran = await codex(wire, f'openai_base_url = "{wire.url}/v1"', tmp_path, PROMPT)
    assert told(ran)[0] == ["command_execution", "agent_message"]
    assert "Reconnecting" not in ran.out + ran.err
    assert [one.status for one in wire.exchanges if one.path == "/v1/responses"] == [426, 200, 200]
    wire.check()
