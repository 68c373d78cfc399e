"""Coding agents on every surface they can speak: each is asked for a file, writes it with its tool, and tells so."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import npm_bin
from tests.clients.run import Ran, home, run
from tests.clients.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("opencode", "pi", "qwen", "cline")

MODEL = "gemini-3-flash"
PROMPT = 'Create a file notes.txt that says "bees are fine".'
PATHS = {"responses": "/responses", "chat": "/completions", "google": ":streamGenerateContent"}


def base(wire: Wire, kind: str) -> str:
    return f"{wire.url}/{'v1beta' if kind == 'google' else 'v1'}"


async def opencode(wire: Wire, kind: str, workspace: Path) -> Ran:
    folder = home("opencode")
    package = {"responses": "openai", "chat": "openai-compatible", "google": "google"}[kind]
    model = {"name": MODEL, "tool_call": True, "reasoning": True}
    provider = {
        "npm": f"@ai-sdk/{package}",
        "options": {"baseURL": base(wire, kind), "apiKey": "any"},
        "models": {MODEL: model},
    }
    config = {"autoupdate": False, "share": "disabled", "model": f"zg/{MODEL}", "provider": {"zg": provider}}
    (folder / "opencode.json").write_text(json.dumps(config))
    env = {"OPENCODE_CONFIG": str(folder / "opencode.json")}
    env |= {
        f"OPENCODE_DISABLE_{what}": "1" for what in ("MODELS_FETCH", "AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")
    }
    # word by word: it puts words with blanks in them into quotation marks of its own
    command = (npm_bin("opencode", "opencode"), "run", "--format", "json", *PROMPT.split(" "))
    return await run(*command, cwd=workspace, env=env, home=folder)


async def pi(wire: Wire, kind: str, workspace: Path) -> Ran:
    folder = home("pi")
    api = {"responses": "openai-responses", "chat": "openai-completions", "google": "google-generative-ai"}[kind]
    model = {
        "id": MODEL,
        "name": MODEL,
        "reasoning": True,
        "input": ["text"],
        "contextWindow": 200000,
        "maxTokens": 8000,
    }
    model["cost"] = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}
    provider = {"baseUrl": base(wire, kind), "api": api, "apiKey": "any", "models": [model]}
    (folder / ".pi" / "agent").mkdir(parents=True)
    (folder / ".pi" / "agent" / "models.json").write_text(json.dumps({"providers": {"zg": provider}}))
    command = (npm_bin("pi", "pi"), "--provider", "zg", "--model", MODEL, "--mode", "json", "-p", PROMPT)
    return await run(*command, cwd=workspace, env={"PI_OFFLINE": "1"}, home=folder)


async def qwen(wire: Wire, kind: str, workspace: Path) -> Ran:
    folder = home("qwen")
    settings: dict[str, Any] = {
        "security": {"auth": {"selectedType": "openai"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False},
    }
    (folder / ".qwen").mkdir()
    (folder / ".qwen" / "settings.json").write_text(json.dumps(settings))
    env = {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": base(wire, kind), "OPENAI_MODEL": MODEL}
    command = (npm_bin("qwen", "qwen"), "--approval-mode", "yolo", "--output-format", "json", "-p", PROMPT)
    return await run(*command, cwd=workspace, env=env, home=folder)


async def cline(wire: Wire, kind: str, workspace: Path) -> Ran:
    """On Responses it offers pictures as well, whatever the model is."""
    folder = home("cline")
    provider, model = {"chat": ("openai-compatible", MODEL), "responses": ("openai-native", "gpt-5")}[kind]
    command = npm_bin("cline", "cline")
    login = ("auth", "-p", provider, "-b", base(wire, kind), "-k", "any", "-m", model)
    ran = await run(command, *login, cwd=workspace, home=folder)
    assert ran.code == 0, ran
    return await run(command, "--json", "--auto-approve", "true", PROMPT, cwd=workspace, home=folder)


Agent = Callable[[Wire, str, Path], Awaitable[Ran]]


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (opencode, "responses"), (opencode, "chat"), (opencode, "google"),
        (pi, "responses"), (pi, "chat"), (pi, "google"),
        (qwen, "chat"), (cline, "chat"), (cline, "responses"),
    ],
)  # fmt: skip
async def test_a_file_is_written(wire: Wire, tmp_path: Path, agent: Agent, kind: str) -> None:
    ran = await agent(wire, kind, tmp_path)
    assert ran.code == 0, ran
    assert (tmp_path / "notes.txt").read_text().strip() == "bees are fine"
    assert "Done. " in ran.out
    assert "That is all." in ran.out
    steps = wire.asked(PATHS[kind])
    assert len(steps) in (2, 3)  # opencode asks for a title beside the first one
    assert "Done. " not in json.dumps(steps)  # nothing was asked after the final text
