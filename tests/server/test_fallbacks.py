"""Who may answer in a model's place: the request's list before the configuration's, and what is wrong with either."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.support import Serve, hello
from tests.surfaces.playing import ALL, HELLO, SURFACES
from zerogravity.core.turn import Target
from zerogravity.server.fallbacks import of_configuration
from zerogravity.surfaces.common.models import Catalogue

CONFIGURED = {"gemini-3-flash": ["gemini-3.1-pro", "gpt-oss"], "claude-opus-4-6": ["gemini-3.1-pro"]}
OTHERS = ("claude-sonnet-4-6", "gemini-3.1-pro")


def request(surface: str, model: str | None = "gemini-3-flash", **members: Any) -> tuple[str, dict[str, Any]]:
    """(path, body)"""
    body = {**HELLO[surface], **members}
    if surface == "gemini":
        return SURFACES[surface].url(model or "", stream=False), body
    return SURFACES[surface].url("", stream=False), body if model is None else {**body, "model": model}


@pytest.mark.parametrize("surface", ALL)
async def test_the_request_s_list_wins_over_the_configuration_s(serve: Serve, surface: str) -> None:
    served = await serve(fallbacks=CONFIGURED)
    for members, names in (
        ({"models": OTHERS}, ["claude-sonnet-4-6", "gemini-3.1-pro"]),
        ({"models": None}, ["gemini-3.1-pro", "gpt-oss-120b-medium"]),
        ({"models": []}, ["gemini-3.1-pro", "gpt-oss-120b-medium"]),
        ({}, ["gemini-3.1-pro", "gpt-oss-120b-medium"]),
    ):
        seen: list[list[str]] = []

        async def look(running: Any, seen: list[list[str]] = seen) -> None:
            seen.append([one.target.name for one in running.turn.fallbacks])
            await hello(running)

        served.engine.script = look
        status, headers, told = await served.post(*request(surface, **members))
        assert (status, seen) == (200, [names]), told
        assert headers["x-zerogravity-model"] == "gemini-3-flash"
        assert "models" not in headers.get("x-zerogravity-notes", "")


@pytest.mark.parametrize("surface", ALL)
@pytest.mark.parametrize(
    ("models", "param"),
    [
        ("gemini-3.1-pro", "models"),
        ({"a": 1}, "models"),
        (["gemini-3.1-pro"] * 9, "models"),
        (["gemini-3.1-pro", 5], "models[1]"),
        (["gemini-3.1-pro", None], "models[1]"),
        (["gemini-3.1-pro", "no-such-model"], "models[1]"),
        (["gemini-3.1-pro", ""], "models[1]"),
    ],
)
async def test_bad_lists_are_the_surface_s_own_400(serve: Serve, surface: str, models: Any, param: str) -> None:
    served = await serve()
    status, _, told = await served.post(*request(surface, models=models))
    assert status == 400, told
    assert told["error"]["message"]
    match surface:
        case "gemini":
            assert told["error"]["details"][0]["fieldViolations"][0]["field"] == param
        case "messages":
            assert told["error"]["message"].startswith(f"{param.replace('[1]', '.1')}: ")
        case _:
            assert told["error"]["param"] == param
    assert served.engine.turns == []


@pytest.mark.parametrize("surface", ["responses", "chat", "messages"])
async def test_without_a_model_the_first_of_the_list_is_meant(serve: Serve, surface: str) -> None:
    served = await serve()
    status, headers, told = await served.post(*request(surface, None, models=["gemini-3.1-pro", "gemini-3-flash"]))
    assert (status, told["model"], headers["x-zerogravity-model"]) == (200, "gemini-3.1-pro", "gemini-3.1-pro")
    status, _, told = await served.post(*request(surface, None, models=["gemini-3.1-pro", "what"]))
    assert (status, any(name in str(told) for name in ("models[1]", "models.1: "))) == (400, True)
    status, _, told = await served.post(*request(surface, None, models=[]))
    assert (status, "model" in told["error"]["message"]) == (400, True)


async def test_the_turn_of_a_fallback_is_read_again_for_its_own_family(serve: Serve) -> None:
    """Thinking, limits and answers' forms differ; what came with the request does not."""
    served = await serve()
    asked: list[Any] = []

    async def look(running: Any) -> None:
        asked.extend((running.turn, running.turn.fallbacks[0].ask()))
        await hello(running)

    served.engine.script = look
    body = {"model": "gpt-5", "input": "hi", "models": ["claude-sonnet-4-6"], "reasoning": {"effort": "high"}}
    await served.post("/v1/responses", {**body, "max_output_tokens": 1000}, headers={"User-Agent": "codex_cli_rs/1"})
    first, other = asked
    assert (first.id, first.client, first.created) == (other.id, other.client, other.created)
    assert (other.model, other.served_by, other.target.name) == ("gpt-5", "claude-sonnet-4-6", "claude-sonnet-4-6")
    assert "thinkingLevel" in first.google_request["generationConfig"]["thinkingConfig"]
    assert "thinkingBudget" in other.google_request["generationConfig"]["thinkingConfig"]
    assert any("thinking" in note for note in other.notes)


async def test_names_of_the_same_model_are_none_to_move_to(serve: Serve) -> None:
    served = await serve()
    names: list[str] = []

    async def look(running: Any) -> None:
        names.extend(one.target.name for one in running.turn.fallbacks)
        await hello(running)

    served.engine.script = look
    same = ["models/gemini-3-flash", "gpt-5-mini", "gemini-3.1-pro", "gemini-3.1-pro-high", "gpt-5"]
    await served.post(*request("chat", models=same))
    assert names == ["gemini-3.1-pro"]


async def test_an_unknown_name_of_the_configuration_is_noted(serve: Serve) -> None:
    served = await serve(fallbacks={"gemini-3-flash": ["gone", "gemini-3.1-pro"], "nobody": ["x"]})
    _, headers, _ = await served.post(*request("chat"))
    assert "fallbacks: 'gone' is not offered" in headers["x-zerogravity-notes"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gemini-3-flash", ["gemini-3.1-pro", "gpt-oss"]),
        ("google/gemini-3-flash-preview", ["gemini-3.1-pro", "gpt-oss"]),
        ("gpt-5-mini", ["gemini-3.1-pro", "gpt-oss"]),
        ("claude-opus-4-6-thinking", ["gemini-3.1-pro"]),
        ("gemini-3.1-pro", []),
    ],
)
def test_a_list_is_found_by_any_name_of_its_model(name: str, found: list[str]) -> None:
    resolve = Catalogue().resolve
    target: Target = resolve(name)
    assert [*of_configuration(name, target, {"unknown": ["a"], **CONFIGURED}, resolve)] == found
