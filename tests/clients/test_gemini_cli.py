"""gemini-cli: its tool loop with an API key, and its login path captured by a proxy that knows nothing of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.install import npm_bin
from tests.clients.run import Ran, home, run
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = 'Create a file notes.txt that says "bees are fine".'
SETTINGS = {
    "general": {"disableAutoUpdate": True, "disableUpdateNag": True, "enableAutoUpdate": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "security": {"folderTrust": {"enabled": False}},
}


async def gemini_cli(auth: str, workspace: Path, env: dict[str, str], *arguments: str) -> Ran:
    folder = home("gemini-cli")
    (folder / ".gemini").mkdir()
    settings = {**SETTINGS, "security": {**SETTINGS["security"], "auth": {"selectedType": auth}}}
    (folder / ".gemini" / "settings.json").write_text(json.dumps(settings))
    command = (npm_bin("gemini-cli", "gemini"), "--approval-mode", "yolo", "--output-format", "json", *arguments)
    return await run(*command, cwd=workspace, env={"GEMINI_CLI_NO_RELAUNCH": "true", **env}, home=folder)


async def test_api_key(wire: Wire, tmp_path: Path) -> None:
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": wire.url}
    ran = await gemini_cli("gemini-api-key", tmp_path, env, "-m", "gemini-3-flash", "-p", PROMPT)
    print(ran)
    for exchange in wire.exchanges:
        print(exchange.path, exchange.status, str(exchange.asked)[-1000:], exchange.answer[-1500:])
    assert (tmp_path / "notes.txt").read_text().strip() == "bees are fine"
