"""Texts, arguments and results as blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.strategies import json_values
from zerogravity.observe.inspector import blocks
from zerogravity.observe.tool_results import Output

REMINDER = "<system-reminder>\nBe good.\n</system-reminder>"
AGENTS = "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nBe brief.\n</INSTRUCTIONS>"


def told(made):
    """(kind, name or label, text) of each block."""
    return [
        (block["kind"], block.get("name") or block.get("label", ""),
         block["text"] if "text" in block else "".join(text for _, text in block["spans"]))
        for block in made
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("hello\nyou", [("text", "", "hello\nyou")]),
        (" \n", []),
        (f"{REMINDER}\nhello", [("section", "system-reminder", REMINDER), ("text", "", "hello")]),
        (f"hello\n{REMINDER}", [("text", "", "hello"), ("section", "system-reminder", REMINDER)]),
        ("<environment_context>\n<cwd>/x</cwd>\n</environment_context>",
         [("section", "environment_context", "<environment_context>\n<cwd>/x</cwd>\n</environment_context>")]),
        ("<user_instructions>\nx\n</user_instructions>",
         [("section", "user_instructions", "<user_instructions>\nx\n</user_instructions>")]),
        ("<session_context>\nx\n</session_context>",
         [("section", "session_context", "<session_context>\nx\n</session_context>")]),
        ("<system-reminder>\nContents of /x/CLAUDE.md (mine):\ny\n</system-reminder>",
         [("section", "system-reminder · CLAUDE.md",
           "<system-reminder>\nContents of /x/CLAUDE.md (mine):\ny\n</system-reminder>")]),
        (AGENTS, [("section", "AGENTS.md", AGENTS)]),
        ("This is the Gemini CLI. We are setting up the context for our chat.",
         [("section", "session context", "This is the Gemini CLI. We are setting up the context for our chat.")]),
        ("what is <environment_context>?", [("text", "", "what is <environment_context>?")]),
        ("see\n```python\nx = 1\n```\ndone", [("text", "", "see"), ("code", "python", "x = 1"), ("text", "", "done")]),
        ("~~~\na\n~~~", [("code", "", "a")]),
        ("````md\n```\na\n```\n````", [("code", "md", "```\na\n```")]),
        ("```sh\nls", [("code", "sh", "ls")]),  # not closed (yet)
    ],
)  # fmt: skip
def test_prose(words, made):
    assert told(blocks.prose(words)) == made


def test_prose_that_is_markdown_has_both_forms():
    (block,) = blocks.prose("**a**")
    assert block["text"] == "**a**"
    assert ["strong", "a"] in block["marked"][0]
    assert "marked" not in blocks.prose("a")[0]


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ({"n": 1}, [("", '{\n  "n": 1\n}')]),
        ({}, [("", "{}")]),
        ('{"n": 1}', [("", '{\n  "n": 1\n}')]),
        ("not json", [("", "not json")]),
        ([1], [("", "[\n  1\n]")]),
        ({"command": "ls | wc", "timeout": 5}, [("command", "ls | wc"), ("", '{\n  "timeout": 5\n}')]),
        ({"command": ["bash", "-lc", "ls -la"]}, [("command", "ls -la")]),
        ({"command": ["grep", "a b", "c"]}, [("command", "grep 'a b' c")]),
        ({"path": "a.py", "content": "x = 1\ny = 2"},
         [("", '{\n  "path": "a.py"\n}'), ("content", "x = 1\ny = 2")]),
        ({"file_path": "a.py", "old_string": "a\nb", "new_string": "c"},
         [("", '{\n  "file_path": "a.py"\n}'), ("old_string → new_string", "-a\n-b\n+c")]),
        ({"input": "*** Begin Patch\n-a\n+b"}, [("input", "*** Begin Patch\n-a\n+b")]),
    ],
)  # fmt: skip
def test_arguments(value, made):
    assert [(name, text) for _, name, text in told(blocks.arguments(value))] == made


def test_code_has_the_language_of_its_file():
    *_, content = blocks.arguments({"path": "a.py", "content": "def f():\n  pass"})
    assert content["spans"][0] == ["k", "def"]
    (patch,) = blocks.arguments({"input": "*** Begin Patch\n-a\n+b"})
    assert ["d", "-a\n"] in patch["spans"]


def test_a_result_is_text_then_what_else_there_is():
    picture = {"mimeType": "image/png", "data": "AAAA"}
    output = Output('{"a":1}', ["exit code 1"], True, {"path": "b"}, [picture])
    assert blocks.result(output) == {
        "blocks": [*blocks.arguments({"a": 1}), *blocks.arguments({"path": "b"}), blocks.media(picture)],
        "facts": ["exit code 1"],
        "failed": True,
    }
    assert told(blocks.result(Output("a\nb\n"))["blocks"]) == [("code", "", "a\nb")]


@pytest.mark.parametrize(
    ("blob", "shown"),
    [
        ({"mimeType": "image/png", "data": "AAAA"}, "data:image/png;base64,AAAA"),
        ({"mimeType": "image/png", "data": "A" * (blocks.PICTURE * 2)}, None),
        ({"mimeType": "image/svg+xml", "data": "AAAA"}, None),
        ({"mimeType": "audio/wav", "data": "AAAA"}, None),
        ({"mimeType": "image/png", "fileUri": "https://x.example/a.png"}, None),
    ],
)
def test_pictures_that_are_shown(blob, shown):
    made = blocks.media(blob)
    assert made.get("src") == shown
    assert made.get("uri") == blob.get("fileUri")


def test_texts_are_bounded():
    assert len(blocks.prose("x" * (blocks.TEXT + 5))[0]["text"]) == blocks.TEXT
    (code,) = blocks.result(Output("y" * (blocks.TEXT + 5)))["blocks"]
    assert len(code["spans"][0][1]) == blocks.TEXT


@given(json_values)
def test_any_value(value: Any) -> None:
    for made in (blocks.arguments(value), blocks.arguments({"command": value, "path": value}), blocks.plain(value)):
        json.dumps(made)
