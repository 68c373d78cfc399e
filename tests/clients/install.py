"""Third-party clients from their registries → a folder each below ``.cache/clients``, at the version named here.

``ZEROGRAVITY_CLIENTS_DIR`` names another folder. A folder is used again while its list of packages is the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ.get("ZEROGRAVITY_CLIENTS_DIR") or Path(__file__).resolve().parents[2] / ".cache" / "clients")
SECONDS = 900
OLDER = ("aider",)  # runs on no Python above 3.12
NPM = {
    "node": ["node@22"],  # newer clients do without node 20
    "codex": ["@openai/codex@0.169.0"],
    "gemini-cli": ["@google/gemini-cli@0.61.0"],
    "aisdk": [
        "ai@7.0.173",
        "@ai-sdk/openai@3.0.141",
        "@ai-sdk/openai-compatible@2.0.92",
        "@ai-sdk/google@3.0.141",
        "@ai-sdk/anthropic@3.0.140",
        "zod@4.6.7",
    ],
    "anthropic-node": ["@anthropic-ai/sdk@1.14.0", "zod@4.6.7"],
    "claude-code": ["@anthropic-ai/claude-code@2.1.332"],
    "openai-node": ["openai@7.55.0", "zod@4.6.7"],
    "genai-node": ["@google/genai@3.1.0"],
    "opencode": ["opencode-ai@1.18.33"],
    "pi": ["@earendil-works/pi-coding-agent@0.87.1"],
    "qwen": ["@qwen-code/qwen-code@0.24.4"],
    "cline": ["cline@3.0.65"],
}
PYTHON = {
    "agents": ["openai-agents==0.24.0"],
    "anthropic": ["anthropic==2.14.0", "pydantic"],
    "claude-agent": ["claude-agent-sdk==0.2.189"],
    "langchain": [
        "langchain==1.4.7",
        "langchain-openai==1.7.3",
        "langchain-google-genai==4.4.2",
        "langchain-anthropic==1.7.10",
    ],
    "runtime": ["google-antigravity==0.1.22"],
    "pydantic": ["pydantic-ai-slim[openai,google,anthropic]==2.68.0"],
    "instructor": ["instructor==1.17.0"],
    "llm": ["llm==0.36"],
    "aider": ["aider-chat==0.86.2"],
}


def client(name: str) -> Path:
    """The folder that holds a client; installs it when it is not there yet."""
    folder = ROOT / name
    packages = NPM.get(name) or PYTHON[name]
    done = folder / ".installed"
    if not done.exists() or done.read_text() != "\n".join(packages):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if name in NPM:
            _run("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", *packages)
        else:
            _run(_python(name), "-m", "venv", str(folder))
            _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", *packages)
        done.write_text("\n".join(packages))
    return folder


def _python(name: str) -> str:
    """The interpreter for a Python client."""
    if name not in OLDER or sys.version_info < (3, 13):
        return sys.executable
    found = next(filter(None, map(shutil.which, ("python3.12", "python3.11", "python3.10"))), None)
    assert found is not None, f"{name} wants an older Python, and there is none"
    return found


def program(name: str, command: str) -> Path:
    """A command that a client brings."""
    return client(name) / "bin" / command if name in PYTHON else npm_bin(name, command)


def npm_bin(name: str, command: str) -> Path:
    """A command that an npm client brings."""
    return client(name) / "node_modules" / ".bin" / command


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=ROOT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
