"""Which client a command line starts."""

from __future__ import annotations

import shlex

import pytest

from zerogravity.agents.catalogue import REGISTRY, known


@pytest.mark.parametrize(
    ("line", "name", "at"),
    [
        ("codex exec hi", "codex", 1),
        ("/usr/local/bin/codex", "codex", 1),
        ("./node_modules/.bin/claude -p hi", "claude", 1),
        (r"'C:\\tools\\gemini.cmd' -p hi", "gemini", 1),
        ("pi.exe", "pi", 1),
        ("npx @openai/codex exec hi", "codex", 2),
        ("npx -y @openai/codex@0.169.0 exec hi", "codex", 3),
        ("npx --yes @google/gemini-cli", "gemini", 3),
        ("npx codex", "codex", 2),
        ("bunx opencode-ai@latest run hi", "opencode", 2),
        ("uvx llm hi", "llm", 2),
        ("uvx --python=3.12 aider-chat", "aider", 3),
        ("npx cowsay codex", "script", 1),
        ("npx -y", "script", 1),
        ("npx", "script", 1),
        ("python codex.py", "script", 1),
        ("python3 -m aider", "script", 1),
        ("node agent.mjs", "script", 1),
        ("openai api", "script", 1),
        ("Codex", "script", 1),
    ],
)
def test_known(line: str, name: str, at: int) -> None:
    found = known(shlex.split(line))
    assert (found.agent.name, found.at) == (name, at)


def test_no_name_and_no_command_is_there_twice() -> None:
    commands = [command for agent in REGISTRY.values() for command in agent.commands]
    assert len(commands) == len({*commands})
    assert "show" not in REGISTRY, "a command of `config`"
