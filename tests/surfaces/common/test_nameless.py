"""Calls without a name, which Google refuses: left out of the history, with their results."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.playing import ALL, ask
from zerogravity.surfaces.common.nameless import NOTE, named

HISTORIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "", "arguments": '{"a": 1}'}}]},
        {"role": "tool", "tool_call_id": "1", "content": "no such tool"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "3", "type": "function", "function": {"name": " ", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "2", "content": "good"},
        {"role": "tool", "tool_call_id": "3", "content": "no such tool"},
        {"role": "user", "content": "go on"},
    ]},
    "responses": {"input": [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "1", "name": "", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "1", "output": "no such tool"},
        {"type": "function_call", "call_id": "2", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "3", "name": "", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "2", "output": "good"},
        {"type": "function_call_output", "call_id": "3", "output": "no such tool"},
        {"role": "user", "content": "go on"},
    ]},
    "gemini": {"contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "", "args": {"a": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "", "response": {"output": "no such tool"}}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "good"}}},
                                   {"functionResponse": {"name": "", "response": {"output": "no such tool"}}}]},
        {"role": "user", "parts": [{"text": "go on"}]},
    ]},
    "messages": {"messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "no such tool"}]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "2", "name": "f", "input": {}},
            {"type": "tool_use", "id": "3", "name": " ", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "2", "content": "good"},
            {"type": "tool_result", "tool_use_id": "3", "content": "no such tool"}]},
        {"role": "user", "content": "go on"},
    ]},
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_a_session_with_a_nameless_call_goes_on(name: str) -> None:
    turn = ask(name, **HISTORIES[name])
    parts = [part for content in turn.google_request["contents"] for part in content["parts"]]
    assert all(content["parts"] for content in turn.google_request["contents"])
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == ["f"]
    assert [part["functionResponse"]["name"] for part in parts if "functionResponse" in part] == ["f"]
    assert [part["text"] for part in parts if "text" in part] == ["Hi", "go on"]
    assert NOTE in turn.notes


def test_a_result_without_a_name_gets_that_of_its_call() -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "id": "1"}}, {"functionCall": {"name": "g"}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "1"}}, {"functionResponse": {"name": ""}}]},
    ]
    made, lost = named(contents)
    assert made[0] is contents[0]
    assert [part["functionResponse"]["name"] for part in made[1]["parts"]] == ["f", "g"]
    assert lost == []


def test_what_is_in_order_stays_the_same_object() -> None:
    contents = [
        {"role": "model", "parts": [{"text": "a"}, {"functionCall": {"name": "f", "id": "1"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "id": "1"}}]},
    ]
    made, lost = named(contents)
    assert all(new is old for new, old in zip(made, contents, strict=True))
    assert lost == []


@pytest.mark.parametrize(
    ("call", "lost"),
    [({"name": ""}, ""), ({"name": " ", "id": "1"}, "1"), ({"name": 7, "id": "1"}, "1"), ({"id": "1"}, "1")],
)
def test_the_lost_calls_are_told_by_their_ids(call: dict[str, Any], lost: str) -> None:
    contents = [{"role": "model", "parts": [{"text": "a"}, {"functionCall": call}]},
                {"role": "user", "parts": [{"functionResponse": {"id": call.get("id"), "name": ""}}]}]  # fmt: skip
    assert named(contents) == ([{"role": "model", "parts": [{"text": "a"}]}], [lost])
    own = [{"role": "model", "parts": [{"functionCall": call, "zgCallId": "mine"}]}]
    assert named(own) == ([], ["mine"])
