"""What a user asked, under everything that programs put around and beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import cases
from tests.strategies import json_values
from zerogravity.core.headline import MAX_LINE, context, newest_question, newest_result
from zerogravity.core.turn import Target, Turn
from zerogravity.wire import jsonio

META = "<ADDITIONAL_METADATA>\nThe current local time is: 2026-11-28T17:08:58Z.\n</ADDITIONAL_METADATA>"
LS = f"<USER_REQUEST>\nfix the build\n</USER_REQUEST>\n{META}"
HISTORY = "Step Id: 1\n\n# Conversation History\n(summaries of earlier conversations)"
REMINDER = "Step Id: 2\n\n<EPHEMERAL_MESSAGE>\nDo not forget.\n</EPHEMERAL_MESSAGE>"
ENVIRONMENT = "<environment_context>\n  <cwd>/src</cwd>\n  <shell>zsh</shell>\n</environment_context>"
AGENTS = "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nBe brief.\n</INSTRUCTIONS>"
SESSION = "<session_context>\nThis is the Gemini CLI.\n</session_context>"
SYSTEM = "<system-reminder>\nAs you answer, you can use: CLAUDE.md\n</system-reminder>"
ERROR = "Error: model output error: model output must contain either output text or tool calls"


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text} for text in texts]}


MODEL = {"role": "model", "parts": [{"text": "done"}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]}
RUNTIME_RESULT = {**RESULT, "role": "model"}

ASKED: list[tuple[str, list[Any], str]] = [
    ("plain", [user("fix the build")], "fix the build"),
    ("role missing", [{"parts": [{"text": "fix the build"}]}], "fix the build"),
    ("the newest", [user("hello"), MODEL, user("fix the build")], "fix the build"),
    ("in a tool round", [user("fix the build"), MODEL, RESULT], "fix the build"),
    ("in a round of the runtime", [user(LS), MODEL, RUNTIME_RESULT], "fix the build"),
    ("the LS's wrapper", [user(LS)], "fix the build"),
    ("with a step's number", [user(f"Step Id: 0\n\n{LS}"), user(HISTORY), user(REMINDER)], "fix the build"),
    ("as parts of one", [user(f"Step Id: 0\n\n{LS}", HISTORY, REMINDER)], "fix the build"),
    ("with a setting", [user(LS + "\n<USER_SETTINGS_CHANGE>\nmodel x\n</USER_SETTINGS_CHANGE>")], "fix the build"),
    ("metadata alone", [user("fix the build\n" + META)], "fix the build"),
    ("a wrapper in a wrapper", [user(f"<USER_REQUEST>\n{SYSTEM}\nfix the build\n</USER_REQUEST>")], "fix the build"),
    ("Codex", [user(AGENTS), user(ENVIRONMENT), user("fix the build")], "fix the build"),
    ("Codex, merged", [user(AGENTS, ENVIRONMENT, "fix the build")], "fix the build"),
    ("Codex, its environment again", [user("fix the build"), MODEL, RESULT, user(ENVIRONMENT)], "fix the build"),
    ("Codex, in one text", [user(f"{AGENTS}"), user(f"{ENVIRONMENT}\n\nfix the build")], "fix the build"),
    ("Codex, an abort", [user("fix the build"), user("<turn_aborted>\nby the user\n</turn_aborted>")], "fix the build"),
    ("Codex, user instructions", [user("<user_instructions>\nx\n</user_instructions>", "fix the build")],
     "fix the build"),
    ("gemini-cli", [user(SESSION), MODEL, user("fix the build")], "fix the build"),
    ("gemini-cli, merged", [user(SESSION, "fix the build")], "fix the build"),
    ("Claude Code", [user(SYSTEM, "fix the build")], "fix the build"),
    ("Claude Code, behind", [user("fix the build", SYSTEM)], "fix the build"),
    ("Claude Code, in one text", [user(f"{SYSTEM}\nfix the build\n{SYSTEM}\n")], "fix the build"),
    ("Claude Code, beside a result", [user("fix the build"), MODEL, {"role": "user", "parts": [
        *RESULT["parts"], {"text": SYSTEM}]}], "fix the build"),
    ("Claude Code, a command", [user("<command-message>init</command-message>\n<command-name>/init</command-name>")],
     "/init"),
    ("an attribute", [user('<environment_context version="2">x</environment_context>fix the build')], "fix the build"),
    ("an editor's query", [user("<editor_context>x</editor_context>\n<user_query>\nfix the build\n</user_query>")],
     "fix the build"),
    ("an editor's request", [user("<userRequest>\nfix the build\n</userRequest>")], "fix the build"),
    ("several texts", [user("fix", "the build")], "fix the build"),
    ("thoughts are no question", [{"role": "user", "parts": [{"text": "x", "thought": True}]}, user("fix the build")],
     "fix the build"),
    ("tags of one's own", [user("<doc>fix</doc> the build")], "<doc>fix</doc> the build"),
    ("a question about a wrapper", [user("what is <environment_context>?")], "what is <environment_context>?"),
    ("a wrapper that is not closed", [user("<system-reminder>\nfix the build")], "<system-reminder> fix the build"),
    ("a request that is not closed", [user("<USER_REQUEST>\nfix the build")], "<USER_REQUEST> fix the build"),
    ("nothing but wrappers", [user(ENVIRONMENT)], " ".join(ENVIRONMENT.split())),
    ("an error that somebody asks about", [user("hi"), MODEL, user("Error: no such file")], "Error: no such file"),
    ("blank", [user("fix the build"), user(" \n")], "fix the build"),
]  # fmt: skip


@pytest.mark.parametrize(("contents", "text"), [row[1:] for row in ASKED], ids=[row[0] for row in ASKED])
def test_what_was_asked(make_turn: Callable[..., Turn], contents: list[Any], text: str) -> None:
    assert newest_question(make_turn(google_request={"contents": contents})) == text


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ([], False),
        ([user("fix the build")], False),
        ([user("fix the build"), MODEL, RESULT], True),
        ([user(LS), MODEL, RUNTIME_RESULT], True),
        ([user("fix the build"), MODEL, RESULT, user(ENVIRONMENT)], True),
        ([user("fix the build"), MODEL, RESULT, MODEL], True),
        ([user("fix the build"), MODEL, RESULT, user("and now?")], False),
        ([user("fix the build"), MODEL, {"role": "user", "parts": [*RESULT["parts"], {"text": "stop"}]}], False),
    ],
)
def test_a_result_that_is_newer_than_the_user(make_turn: Callable[..., Turn], contents: list[Any], found: bool) -> None:
    wanted = RESULT["parts"][0]["functionResponse"] if found else None
    assert newest_result(make_turn(google_request={"contents": contents})) == wanted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{SYSTEM}\nfix the build\n{SYSTEM}", ["system-reminder", "system-reminder"]),
        (f"{ENVIRONMENT}\n\nfix the build", ["environment_context"]),
        (META, ["ADDITIONAL_METADATA"]),
        ("<system-reminder>\nfix the build", []),
        ("fix the build", []),
    ],
)
def test_blocks_that_programs_add(text: str, names: list[str]) -> None:
    found = list(context(text))
    assert [name for name, _, _ in found] == names
    assert all(
        text[start:end].startswith(f"<{name}>") and text[:end].endswith(f"</{name}>") for name, start, end in found
    )


def test_a_retry_of_the_runtime_asks_the_same_again(make_turn: Callable[..., Turn]) -> None:
    generate = {"contents": [user(LS), MODEL, user(ERROR)]}
    assert newest_question(make_turn(google_request=generate, surface="passive")) == "fix the build"


RUNTIME = cases()


@pytest.mark.skipif(RUNTIME is None, reason="needs shared/cases/runtime")
def test_what_the_real_runtime_asks(make_turn: Callable[..., Turn]) -> None:
    assert RUNTIME is not None
    for file in sorted((RUNTIME / "runtime").glob("*.json")):
        for number, request in enumerate(jsonio.loads(file.read_bytes())["requests"]):
            text = newest_question(make_turn(google_request=request["body"], surface="passive"))
            assert text
            assert not text.startswith(("<", "Error: ", "The current local time")), (file.name, number)


@given(json_values)
def test_any_request(value: Any) -> None:
    for generate in (
        {"contents": value},
        {"contents": [{"parts": value}]},
        {"contents": [{"parts": [{"text": value}]}]},
    ):
        turn = Turn("turn_x", "chat", "m", Target("m", "", family="gemini-3"), generate)
        newest_result(turn)
        text = newest_question(turn)
        assert len(text) <= MAX_LINE
        assert "\n" not in text


@given(st.lists(st.sampled_from(
    ["<system-reminder>", "</system-reminder>", "<USER_REQUEST>", "</USER_REQUEST>", "a", "\n", "<x_context>"]
), max_size=30).map("".join))  # fmt: skip
def test_any_nesting_of_wrappers_shows_something(text: str) -> None:
    turn = Turn("turn_x", "chat", "m", Target("m", "", family="gemini-3"), {"contents": [user(text)]})
    assert bool(newest_question(turn)) == bool(text.strip())


@pytest.mark.parametrize(
    "word", ["\n  ", "<system-reminder>\n", "<USER_REQUEST>\n", "<a_context>\n</a_context>\n", "Step Id: 1 "]
)
def test_a_huge_text_costs_little(make_turn: Callable[..., Turn], word: str) -> None:
    turn = make_turn(google_request={"contents": [user(word * (8 << 20 // len(word)))]})
    began = time.monotonic()
    newest_question(turn)
    assert time.monotonic() - began < 5
