"""Where the shared cases are: bug reports re-made, recorded answers and requests, the runtime's own calls. They are
read in place; without them the tests that play them are skipped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "cases"

# Taken out of the environment: to the product everything of that prefix is a setting.
_GIVEN = os.environ.pop("ZEROGRAVITY_CASES", None)


def cases() -> Path | None:
    """The folder of the cases, or None. ``ZEROGRAVITY_CASES`` names another one than ``../shared/cases``."""
    folder = Path(_GIVEN or BESIDE)
    return folder if folder.is_dir() else None


def lines(name: str) -> list[dict[str, Any]]:
    """The objects of one JSON-lines file of the cases; none where it is absent."""
    folder = cases()
    if folder is None or not (folder / name).is_file():
        return []
    return [json.loads(line) for line in (folder / name).read_text().splitlines() if line.strip()]


def runtime_requests() -> list[tuple[str, int, str, dict[str, Any]]]:
    """(situation, number, path with query, body) of every request that the runtime really sent."""
    folder, made = cases(), list[tuple[str, int, str, dict[str, Any]]]()
    for file in sorted((folder / "runtime").glob("*.json")) if folder is not None else ():
        for number, request in enumerate(json.loads(file.read_text())["requests"]):
            path = request.get("path", "/v1beta/models/gemini-3.8-flash:streamGenerateContent")
            made.append((file.stem, number, f"{path}?alt=sse", request["body"]))
    return made


def claude_code_requests() -> list[tuple[str, int, dict[str, Any]]]:
    """(situation, number, body) of what Claude Code sent to the Messages API. Where a body only names its tools, they
    are those of the captures that have them whole; where a file was cut, there is another one."""
    folder = cases()
    files = sorted((folder / "claude-code").glob("*.json")) if folder is not None else []
    sent = [(file.stem, number, request["body"])
            for file in files for number, request in enumerate(json.loads(file.read_text())["requests"])
            if request.get("body")]  # fmt: skip
    known = {tool["name"]: tool for _, _, body in sent for tool in body.get("tools", ())}
    return [(name, number, _with_tools(body, known)) for name, number, body in sent]


def _with_tools(body: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    named = [known.get(name, {"name": name, "input_schema": {"type": "object"}}) for name in body.get("tool_names", ())]
    rest = {name: value for name, value in body.items() if name not in ("tool_names", "tools_whole_in")}
    return _with_files({**rest, "tools": named} if named else rest)


def _with_files(value: Any) -> Any:
    match value:
        case {"type": "base64", "data": str(data)} if data.endswith("in all]"):
            return {**value, "data": "JVBERi0xLjQK"}
        case dict():
            return {name: _with_files(member) for name, member in cast("dict[str, Any]", value).items()}
        case list():
            return [_with_files(item) for item in cast("list[Any]", value)]
        case _:
            return value


needed = pytest.mark.skipif(cases() is None, reason="the shared cases are not here (ZEROGRAVITY_CASES)")
