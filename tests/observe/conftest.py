"""Turns that are recorded in a temporary folder, and turns that are scripted by hand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.observe.inspector.support import Scene
from tests.recording import recording
from zerogravity.core.registry import MitmStore
from zerogravity.observe.requests import Bodies

__all__ = ["recording"]

CURL = """#!/bin/sh
printf '%s\\0' "$@" > "$SAID.arguments"
cat > "$SAID.body"
"""


@pytest.fixture
def scene(clock):
    return Scene(MitmStore(clock), Bodies(), clock.advance)


@pytest.fixture(scope="session")
def shell_curl(tmp_path_factory):
    """``shell_curl(command)`` → (arguments, body) as a curl gets them that bash runs."""
    folder: Path = tmp_path_factory.mktemp("shell")
    (folder / "curl").write_text(CURL)
    (folder / "curl").chmod(0o755)
    keys = {"OPENAI_API_KEY": "key o", "ANTHROPIC_API_KEY": "key a", "GEMINI_API_KEY": "key g"}
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "SAID": str(folder / "said"), **keys}

    def say(command: str) -> tuple[list[str], bytes]:
        data = command.encode()
        subprocess.run(["bash", "-n"], input=data, check=True, env=env, timeout=20)
        told = subprocess.run(["bash"], input=data, check=True, env=env, cwd=folder, timeout=20, capture_output=True)
        assert (told.stdout, told.stderr) == (b"", b"")
        assert not (folder / "hacked").exists()
        return (folder / "said.arguments").read_text().split("\0")[:-1], (folder / "said.body").read_bytes()

    return say
