"""What a tool printed, out of whatever its program wraps it in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.strategies import json_values
from zerogravity.observe import tool_results

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}

READ: list[tuple[str, Any, str, list[str], bool]] = [
    ("a text", "a\nb", "a\nb", [], False),
    ("gemini-cli", {"output": "a\r\nb"}, "a\nb", [], False),
    ("Codex", {"output": '{"output":"a\\nb","metadata":{"exit_code":1,"duration_seconds":0.31}}'}, "a\nb",
     ["exit code 1", "0.31 s"], True),
    ("streams", {"stdout": "out", "stderr": "bad", "exitCode": 2, "interrupted": False}, "out\nstderr:\nbad",
     ["exit code 2"], True),
    ("a stream alone", {"stdout": "out", "stderr": "", "exit_code": 0}, "out", ["exit code 0"], False),
    ("contents", {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb", [], False),
    ("contents in a string", {"result": '[{"type": "input_text", "text": "a"}]'}, "a", [], False),
    ("milliseconds", {"output": "a", "duration_ms": 1500}, "a", ["1.5 s"], False),
    ("an error", {"error": "no such file"}, "no such file", [], True),
    ("an error of MCP", {"content": [{"type": "text", "text": "no"}], "isError": True}, "no", [], True),
    ("a result that is an object", {"result": {"n": 1}}, '{\n  "n": 1\n}', [], False),
    ("an object", {"files": ["a"]}, '{\n  "files": [\n    "a"\n  ]\n}', [], False),
    ("JSON that is the output", {"output": "[1, 2]"}, "[1, 2]", [], False),
    ("the same twice", {"output": "a", "result": "a"}, "a", [], False),
    ("colours", {"output": "\x1b[31mred\x1b[0m"}, "red", [], False),
    ("nothing", {"output": ""}, "", [], False),
    ("nothing at all", {}, "", [], False),
    ("null", None, "", [], False),
]  # fmt: skip


@pytest.mark.parametrize(("response", "text", "facts", "failed"), [row[1:] for row in READ], ids=[r[0] for r in READ])
def test_what_a_tool_printed(response: Any, text: str, facts: list[str], failed: bool) -> None:
    output = tool_results.read(response)
    assert (output.text, output.facts, output.failed, output.rest) == (text, facts, failed, {})


def test_other_members_are_kept() -> None:
    assert tool_results.read({"output": "a", "path": "b"}).rest == {"path": "b"}


def test_pictures_are_found_wherever_they_stand() -> None:
    parts = [{"inlineData": {"mimeType": "image/gif", "data": "BBBB"}}, {"text": "x"}]
    output = tool_results.of_part({"response": {"content": [PNG]}, "parts": parts})
    assert output.text == ""
    assert [blob["mimeType"] for blob in output.blobs] == ["image/png", "image/gif"]


@pytest.mark.parametrize(("text", "line"), [("\n\n  12 files \nb", "12 files"), ("", ""), (" \n", "")])
def test_the_first_line(text: str, line: str) -> None:
    assert tool_results.Output(text).first_line == line


@given(json_values)
def test_any_response(value: Any) -> None:
    for response in (
        value,
        {"output": value},
        {"content": [value], "metadata": value},
        [{"type": "text", "text": value}],
    ):
        tool_results.of_part({"response": response, "parts": value})
