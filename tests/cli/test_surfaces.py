"""``zerogravity surfaces``: every parameter that OpenAI's SDK knows is in the tables, and they are what it prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params

from zerogravity import failover
from zerogravity.cli.main import main
from zerogravity.core import policy
from zerogravity.surfaces.chat.request import PARAMETERS as CHAT
from zerogravity.surfaces.gemini.proto_json import REQUEST
from zerogravity.surfaces.responses.request import PARAMETERS as RESPONSES


def printed(*words: str) -> Any:
    made = CliRunner().invoke(main, ["surfaces", *words])
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout) if "--json" in words else made.stdout


@pytest.mark.parametrize(
    ("name", "documented", "rows"),
    [
        ("chat", chat_params.CompletionCreateParamsStreaming.__annotations__, CHAT),
        ("responses", responses_params.ResponseCreateParamsStreaming.__annotations__, RESPONSES),
    ],
)
def test_every_documented_parameter_is_listed(name: str, documented: dict[str, Any], rows: Any) -> None:
    base = chat_params.CompletionCreateParamsBase if name == "chat" else responses_params.ResponseCreateParamsBase
    known = {*documented, *base.__annotations__}
    assert known - {row.name for row in rows} == set()
    told = printed(name, "--json")
    assert [row["parameter"] for row in told[name]] == [row.name for row in rows]
    text = printed(name)
    for row in rows:
        assert f"  {row.name} " in text
        assert row.becomes in text


@pytest.mark.parametrize("rows", [CHAT, RESPONSES])
def test_no_parameter_is_listed_twice(rows: Any) -> None:
    names = [row.name for row in rows]
    assert len(names) == len(set(names))


def test_all_surfaces_and_the_ends_of_a_turn() -> None:
    assert list(printed("--json")) == ["responses", "chat", "messages", "gemini"]
    assert {row["parameter"] for row in printed("gemini", "--json")["gemini"]} >= set(REQUEST.members)
    ends = printed("--ends", "--json")["ends"]
    assert [(row["what happened"], row["decision"]) for row in ends] == policy.table()


def test_what_follows_a_failure() -> None:
    rows = printed("--failover", "--json")["failover"]
    assert [tuple(row.values()) for row in rows] == failover.table()
    assert list(rows[0]) == ["failure", "position in the stream", "configuration", "what follows"]
    assert all(words in printed("--failover") for row in failover.table() for words in row)


def test_an_unknown_surface_is_reported_with_the_known_ones() -> None:
    made = CliRunner().invoke(main, ["surfaces", "chart"])
    assert made.exit_code == 2
    assert "'chart' is not one of responses, chat, messages, gemini" in made.output
