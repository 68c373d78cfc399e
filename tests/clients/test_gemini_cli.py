"""gemini-cli: its tool loop through us, and its own way to Google seen by a proxy that records what is not ours."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.clients.install import npm_bin
from tests.clients.run import Ran, home, run
from tests.clients.wire import Wire
from tests.e2e.support import quick, until
from zerogravity.observe.trace_reader import scan
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("gemini-cli",)

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PROMPT = 'Create a file notes.txt that says "bees are fine".'
SECRET = "ya29.nobody-may-read-this-token-0123456789"
SETTINGS: dict[str, Any] = {
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "security": {"folderTrust": {"enabled": False}},
}


async def gemini_cli(auth: str, workspace: Path, env: dict[str, str], *arguments: str) -> dict[str, Any]:
    """One prompt to its end → what it tells of it in JSON."""
    folder = home("gemini-cli")
    (folder / ".gemini").mkdir()
    settings = SETTINGS | {"security": {**SETTINGS["security"], "auth": {"selectedType": auth}}}
    (folder / ".gemini" / "settings.json").write_text(json.dumps(settings))
    command = (npm_bin("gemini-cli", "gemini"), "--approval-mode", "yolo", "--output-format", "json", *arguments)
    ran: Ran = await run(*command, cwd=workspace, env={"GEMINI_CLI_NO_RELAUNCH": "true", **env}, home=folder)
    assert ran.code == 0, ran
    return json.loads(ran.out[ran.out.index("{") :])


def check_loop(said: dict[str, Any], workspace: Path) -> None:
    """One file was written by one call, told of in the final text; tokens were counted."""
    assert (workspace / "notes.txt").read_text().strip() == "bees are fine"
    assert "Done. write_file answered: Successfully created" in said["response"]
    calls = said["stats"]["tools"]["byName"]
    assert {name: (one["count"], one["success"]) for name, one in calls.items()} == {"write_file": (1, 1)}
    (model,) = said["stats"]["models"].values()
    assert model["api"]["totalErrors"] == 0
    assert model["api"]["totalRequests"] == 2
    tokens = model["tokens"]
    assert tokens["total"] == tokens["prompt"] + tokens["candidates"] + tokens["thoughts"]
    assert tokens["thoughts"] > 0


@pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-5-thinking"])
async def test_api_key(wire: Wire, tmp_path: Path, model: str) -> None:
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": wire.url}
    said = await gemini_cli("gemini-api-key", tmp_path, env, "-m", model, "-p", PROMPT)
    check_loop(said, tmp_path)
    _, second = wire.asked(":streamGenerateContent")
    parts = [part for content in second["contents"] for part in content["parts"]]
    assert [part["functionResponse"]["name"] for part in parts if "functionResponse" in part] == ["write_file"]


async def test_a_picture(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    """Its tokens are counted first."""
    (tmp_path / "dot.png").write_bytes(PICTURE)
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": wire.url}
    await gemini_cli(
        "gemini-api-key", tmp_path, env, "-m", "gemini-3-flash", "-p", "What is on @dot.png in this folder?"
    )
    assert [one.path.partition("?")[0].partition(":")[2] for one in wire.exchanges] == [
        "countTokens",
        "streamGenerateContent",
    ]
    assert stack.google is not None
    parts = [part for content in stack.google.requests[-1].body["request"]["contents"] for part in content["parts"]]
    (picture,) = [part["inlineData"] for part in parts if "inlineData" in part]
    assert base64.b64decode(picture["data"]) == PICTURE


async def test_it_chooses_a_model_itself(wire: Wire, tmp_path: Path) -> None:
    """Without a model it first asks a small one, in JSON, how hard the task is."""
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": wire.url}
    said = await gemini_cli("gemini-api-key", tmp_path, env, "-p", PROMPT)
    assert (tmp_path / "notes.txt").read_text().strip() == "bees are fine"
    assert all(model["api"]["totalErrors"] == 0 for model in said["stats"]["models"].values())
    asked = [one for one in wire.exchanges if isinstance(one.asked, dict)]
    assert any("responseJsonSchema" in (one.asked.get("generationConfig") or {}) for one in asked)


async def test_an_error_is_told_in_googles_words(wire: Wire, tmp_path: Path) -> None:
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": wire.url}
    with pytest.raises(AssertionError) as failed:
        await gemini_cli("gemini-api-key", tmp_path, env, "-m", "gemini-3-flash", "-p", "sim:400")
    assert "Request contains an invalid argument" in str(failed.value)
    assert len(wire.asked(":streamGenerateContent")) == 1
    wire.exchanges.clear()  # it was meant to fail


@pytest_asyncio.fixture(loop_scope="module", params=["proxy", "reverse"])
async def passive(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stack]:
    traced = {"ZEROGRAVITY_TRACE": "true", "ZEROGRAVITY_TRACE_DIR": str(tmp_path / "traces")}
    options = StackOptions(mode=request.param, ls=quick(), settings={"capture_passive": "true"}, env=traced)
    async with Stack(options) as running:
        yield running


@pytest.mark.parametrize("login", ["google", "key"])
async def test_its_own_way_to_google_is_recorded(passive: Stack, tmp_path: Path, login: str) -> None:
    """Through ``HTTPS_PROXY`` with our CA, and with its endpoint set to the reverse proxy."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    proxy = f"http://127.0.0.1:{passive.proxy_port}"
    if login == "google":
        auth, env = "oauth-personal", {"GOOGLE_GENAI_USE_GCA": "true", "GOOGLE_CLOUD_ACCESS_TOKEN": SECRET}
        env |= {"CODE_ASSIST_ENDPOINT": proxy} if passive.options.mode == "reverse" else {}
    else:
        auth, env = "gemini-api-key", {"GEMINI_API_KEY": SECRET}
        env |= {"GOOGLE_GEMINI_BASE_URL": proxy} if passive.options.mode == "reverse" else {}
    if passive.options.mode == "proxy":
        assert passive.ls is not None
        env |= {"HTTPS_PROXY": proxy, "NODE_EXTRA_CA_CERTS": str(passive.ls.options.proxy_ca)}
    said = await gemini_cli(auth, workspace, env, "-m", "gemini-3-flash", "-p", PROMPT)
    check_loop(said, workspace)
    traces = tmp_path / "traces"
    await until(lambda: [one.closed for one in scan(traces)] == [True, True])
    answer, call = scan(traces)
    assert {one.info["surface"] for one in (answer, call)} == {"passive"}
    assert [item.name for item in call.state.function_calls] == ["write_file"]
    assert answer.state.text == said["response"]
    assert (
        call.state.usage.total + answer.state.usage.total
        == next(iter(said["stats"]["models"].values()))["tokens"]["total"]
    )
    original = call.body("upstream_request.original")
    sent = call.body("upstream_request")
    assert original is not None
    assert original == sent  # untouched
    assert passive.google is not None
    generated = [one.body for one in passive.google.requests if one.path.endswith(":streamGenerateContent")]
    assert original["body"] == generated[0]
    for file in (file for trace in (answer, call) for file in trace.files()):
        assert SECRET not in file.read_text(), file
