"""Each client through ``zerogravity run``, and by what ``zerogravity config`` prints, in a home of its own."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.install import program
from tests.clients.run import NOWHERE, Ran, home, run
from zerogravity.agents.agent import SHELL, Part, Target
from zerogravity.agents.catalogue import REGISTRY
from zerogravity.testing.simulator.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = 'Create a file notes.txt that says "bees are fine".'
SUMMARY = re.compile(r"^zerogravity: (\d+) turns?, [\d,]+ tokens in \([\d,]+ cached\), [\d,]+ out, \S[^;]*; ", re.M)


@dataclass(frozen=True)
class Case:
    """``folder``: the client's name in ``install``; ``writes``: it has tools, and makes the file; ``env``: what keeps
    it from asking, from updating itself, from telling home."""

    folder: str
    arguments: tuple[str, ...]
    writes: bool = True
    env: tuple[tuple[str, str], ...] = ()


CASES = {
    "codex": Case("codex", ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT)),
    "claude": Case(
        "claude-code", ("-p", PROMPT, "--dangerously-skip-permissions"),
        env=(("IS_SANDBOX", "1"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")),
    ),
    "gemini": Case(
        "gemini-cli", ("--approval-mode", "yolo", "--skip-trust", "-p", PROMPT),
        env=(("GEMINI_CLI_NO_RELAUNCH", "true"),),
    ),
    "opencode": Case(
        "opencode", ("run", *PROMPT.split(" ")),
        env=tuple(
            (f"OPENCODE_DISABLE_{what}", "1")
            for what in ("MODELS_FETCH", "AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")
        ),
    ),
    "aider": Case(
        "aider", ("--yes-always", "--no-git", "--no-show-model-warnings", "--no-check-update", "--analytics-disable",
                  "--message", "Say hello."),
        writes=False, env=(("LITELLM_LOCAL_MODEL_COST_MAP", "True"),),
    ),
    "qwen": Case("qwen", ("--approval-mode", "yolo", "-p", PROMPT)),
    "cline": Case("cline", ("--auto-approve", "true", PROMPT)),
    "pi": Case("pi", ("-p", PROMPT), env=(("PI_OFFLINE", "1"),)),
    "llm": Case("llm", ("Say hello.",), writes=False),
}  # fmt: skip
CLIENTS = tuple(case.folder for case in CASES.values())
NAMES = pytest.mark.parametrize("name", CASES)


def settings(stack: Stack) -> dict[str, str]:
    """Those of a user whose gateway the stack is."""
    return {"ZEROGRAVITY_LISTEN": urlsplit(stack.url).netloc, "ZEROGRAVITY_INSPECTOR_TOKEN": stack.inspector_token}


def zerogravity(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "zerogravity", *words)


def put(folder: Path, parts: list[Part]) -> dict[Path, str]:
    """A lasting configuration into a home, verbatim; what belongs to the shell's profile into ``profile``."""
    placed = {folder / "profile": ""}
    for part in parts:
        file = folder / ("profile" if part.place == SHELL else part.place.removeprefix("~/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(part.text)
        placed[file] = part.text
    return placed


def check(case: Case, ran: Ran, workspace: Path) -> None:
    assert ran.code == 0, ran
    if case.writes:
        assert (workspace / "notes.txt").read_text().strip() == "bees are fine", ran
        assert "That is all." in ran.out, ran
    else:
        assert "it streams like the real one" in " ".join(ran.out.split()), ran


@NAMES
@pytest.mark.parametrize("configured", [False, True], ids=["fresh", "configured elsewhere"])
async def test_one_run(stack: Stack, tmp_path: Path, name: str, configured: bool) -> None:
    """In a fresh home, and in one whose lasting configuration leads where nobody is, which stays as it is."""
    case, folder = CASES[name], home(f"run-{name}")
    placed = dict[Path, str]()
    if configured and name != "cline":  # what its command writes is tried below
        placed = put(folder, [*REGISTRY[name].lasting(Target(NOWHERE, "elsewhere", "gpt-4o", "gpt-4o"))])
    command = zerogravity("run", "--", str(program(case.folder, REGISTRY[name].commands[0])), *case.arguments)
    ran = await run(*command, cwd=tmp_path, env={**settings(stack), **dict(case.env)}, home=folder)
    check(case, ran, tmp_path)
    found = SUMMARY.search(ran.err)
    assert found is not None, ran
    assert int(found[1]) >= (2 if case.writes else 1)
    assert "failed" not in found[0]
    assert f"inspector: {stack.url}/inspector?token=" in ran.err
    assert {file: file.read_text() for file in placed if file.exists()} == placed


@NAMES
async def test_for_good(stack: Stack, tmp_path: Path, name: str) -> None:
    """What ``config`` prints, put where it says."""
    case, folder = CASES[name], home(f"config-{name}")
    told = await run(*zerogravity("config", name, "--json"), cwd=tmp_path, env=settings(stack), home=folder)
    put(folder, [Part(**part) for part in json.loads(told.out)])
    binary = program(case.folder, REGISTRY[name].commands[0])
    env = {"PATH": f"{binary.parent}:{program('node', 'node').parent}:/usr/local/bin:/usr/bin:/bin", **dict(case.env)}
    shell = ("bash", "-c", '. "$HOME/profile" && exec "$@"', "bash", str(binary), *case.arguments)
    check(case, await run(*shell, cwd=tmp_path, env=env, home=folder), tmp_path)
