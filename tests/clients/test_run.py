"""Each client through ``zerogravity run``, and by what ``zerogravity config`` prints, in a home of its own."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.install import PYTHON, client, program
from tests.clients.run import NOWHERE, Ran, home, run
from zerogravity.agents.agent import ONCE, PROGRAM, SHELL, Part, Target
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
LIBRARIES = {  # folder → a program that says nothing of where the gateway is
    "openai-node": """
import OpenAI from "openai"
const said = await new OpenAI().responses.create({ model: "gemini-3-flash", input: "Say hello." })
console.log(said.output_text)
""",
    "genai-node": """
import { GoogleGenAI } from "@google/genai"
const said = await new GoogleGenAI({}).models.generateContent({ model: "gemini-3-flash", contents: "Say hello." })
console.log(said.text)
""",
    "anthropic-node": """
import Anthropic from "@anthropic-ai/sdk"
const messages = [{ role: "user", content: "Say hello." }]
const said = await new Anthropic().messages.create({ model: "gemini-3-flash", max_tokens: 9999, messages })
console.log(said.content.at(-1).text)
""",
    "llm": """
import openai
messages = [{"role": "user", "content": "Say hello."}]
said = openai.OpenAI().chat.completions.create(model="gemini-3-flash", messages=messages)
print(said.choices[0].message.content)
""",
}
AI_SDK = """
import { generateText } from "ai"
import { createOpenAI } from "@ai-sdk/openai"
import { createGoogleGenerativeAI } from "@ai-sdk/google"
import { createAnthropic } from "@ai-sdk/anthropic"
for (const provider of [%s]) {
    console.log((await generateText({ model: provider("gemini-3-flash"), prompt: "Say hello." })).text)
}
"""
CLIENTS = (*(case.folder for case in CASES.values()), *LIBRARIES, "aisdk")
MIGRATED = ',\n  "$version": 4'  # Qwen Code writes it into its own settings
NAMES = pytest.mark.parametrize("name", CASES)


def settings(stack: Stack) -> dict[str, str]:
    """Those of a user whose gateway the stack is."""
    return {"ZEROGRAVITY_LISTEN": urlsplit(stack.url).netloc, "ZEROGRAVITY_INSPECTOR_TOKEN": stack.inspector_token}


def zerogravity(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "zerogravity", *words)


def put(folder: Path, parts: list[Part]) -> dict[Path, str]:
    """A lasting configuration into a home, verbatim; what belongs into a shell into ``profile``."""
    placed = {folder / "profile": ""}
    (folder / "profile").touch()
    for part in parts:
        file = folder / ("profile" if part.place in (ONCE, SHELL) else part.place.removeprefix("~/"))
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
    assert {file: file.read_text().replace(MIGRATED, "") for file in placed} == placed


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


def script(folder: str, code: str) -> tuple[str, str]:
    """Modules are looked for beside it."""
    if folder in PYTHON:
        return str(program(folder, "python")), str(write(client(folder) / "bare.py", code))
    return str(program("node", "node")), str(write(client(folder) / "bare.mjs", code))


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@pytest.mark.parametrize("folder", LIBRARIES)
@pytest.mark.parametrize("lasting", [False, True], ids=["one run", "for good"])
async def test_a_library_finds_it_in_the_environment(stack: Stack, tmp_path: Path, folder: str, lasting: bool) -> None:
    words = script(folder, LIBRARIES[folder])
    if lasting:
        name = {"genai-node": "google", "anthropic-node": "anthropic"}.get(folder, "openai")
        put(tmp_path, [*REGISTRY[name].lasting(Target(stack.url))])
        ran = await run("bash", "-c", '. "$HOME/profile" && exec "$@"', "bash", *words, cwd=tmp_path)
    else:
        ran = await run(*zerogravity("run", "--", *words), cwd=tmp_path, env=settings(stack))
        assert "zerogravity: 1 turn, " in ran.err
    assert ran.code == 0, ran
    assert "it streams like the real one" in ran.out


async def test_the_ai_sdk_with_the_lines_for_good(stack: Stack, tmp_path: Path) -> None:
    (part,) = REGISTRY["aisdk"].lasting(Target(stack.url))
    assert part.place == PROGRAM
    ran = await run(*script("aisdk", AI_SDK % ", ".join(part.text.splitlines())), cwd=tmp_path)
    assert ran.code == 0, ran
    assert ran.out.count("it streams like the real one") == 3
