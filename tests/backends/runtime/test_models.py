"""Google's two lists of models, as the runtime's back end reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given

from tests.strategies import json_objects
from tests.testing.simulator.support import fetch
from zerogravity.backends.runtime.models import TABLE, next_page, read
from zerogravity.core.turn import Model
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import ALIASES, Catalogue
from zerogravity.testing.simulator.google import GoogleOptions, GoogleSimulator
from zerogravity.testing.simulator.google.families import PUBLIC_MODELS


def entry(name: str, *methods: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "supportedGenerationMethods": list(methods), **more}


@pytest.mark.parametrize(
    ("pages", "models"),
    [
        ([], ()),
        ([{"models": [entry("models/g", "generateContent", "countTokens", displayName="G", inputTokenLimit=7,
                            outputTokenLimit="8", thinking=True)]}],
         (Model("g", "G", wire="g", input_limit=7, output_limit=8, thinking=True),)),
        ([{"models": [entry("models/g", "streamGenerateContent")]}, {"models": [entry("h", "generateContent")]}],
         (Model("g", "g", wire="g", thinking=False), Model("h", "h", wire="h", thinking=False))),
        ([{"models": [entry("models/g", "generateContent")]}, {"models": [entry("models/g", "generateContent")]}],
         (Model("g", "g", wire="g", thinking=False),)),
        ([{"models": [
            entry("models/embedding-001", "embedContent"), entry("models/imagen-4", "predict"), entry("models/x"),
            entry("models/live", "bidiGenerateContent"), {"name": "models/y"}, entry("", "generateContent"), 7,
        ]}], ()),
        ([{"publisherModels": [
            {"name": "publishers/google/models/gemini-3.8-flash", "launchStage": "GA"},
            {"name": "publishers/google/models/gemini-2.5-flash-image"},
            {"name": "publishers/google/models/gemini-embedding-001"}, {"name": "publishers/google/models/veo-3"},
            {"name": "publishers/google/models/gemini-live-2.5-flash"}, {"name": "publishers/google/models/gemma3"},
            {"name": "publishers/google/models/gemini-2.5-flash-tts"},
        ]}],
         (Model("gemini-3.8-flash", "gemini-3.8-flash", wire="gemini-3.8-flash"),
          Model("gemini-2.5-flash-image", "gemini-2.5-flash-image", wire="gemini-2.5-flash-image"))),
        ([None, [], "x", {"models": {}}, {"models": [[]]}], ()),
    ],
)  # fmt: skip
def test_what_a_list_says(pages: list[object], models: tuple[Model, ...]) -> None:
    assert read(pages) == models


@given(json_objects)
def test_any_answer_is_read(answer: dict[str, Any]) -> None:
    assert isinstance(read([answer, {"models": [answer], "publisherModels": [answer]}]), tuple)
    assert isinstance(next_page(answer), str)


@pytest.mark.parametrize(
    ("answer", "token"), [({"nextPageToken": "x"}, "x"), ({"nextPageToken": 1}, ""), ({}, ""), (None, ""), ([], "")]
)
def test_the_token_of_the_next_page(answer: object, token: str) -> None:
    assert next_page(answer) == token


GEMINI, VERTEX = "/v1beta/models", "/v1beta1/publishers/google/models"


@pytest.fixture
async def google() -> AsyncIterator[GoogleSimulator]:
    async with GoogleSimulator(GoogleOptions(tls=False)) as simulator:
        yield simulator


@pytest.mark.parametrize("path", [GEMINI, VERTEX])
async def test_the_stand_ins_lists(google: GoogleSimulator, path: str) -> None:
    """Page by page. Only what generates is offered, under Google's names."""
    answers: list[Any] = []
    for _ in PUBLIC_MODELS:
        token = next_page(answers[-1]) if answers else ""
        answers.append((await fetch(google, f"{path}?pageSize=4&pageToken={token}", method="GET")).json)
        if not next_page(answers[-1]):
            break
    assert len(answers) == 5
    catalogue = Catalogue()
    catalogue.refresh(read(answers))
    listed = {info.id: info for info in catalogue.list()}
    wanted = {one.name: one for one in PUBLIC_MODELS if "generateContent" in one.methods}
    if path == GEMINI:
        assert listed.keys() == wanted.keys()
        for name, info in listed.items():
            assert (info.display_name, info.input_limit, info.output_limit, info.thinking) == (
                wanted[name].label, wanted[name].input_limit, wanted[name].output_limit, wanted[name].thinking
            )  # fmt: skip
    else:
        assert listed.keys() == {name for name in wanted if name.startswith("gemini-") and "tts" not in name}
    assert catalogue.resolve("gpt-5").ls_model == "gemini-3.1-pro-preview"
    assert catalogue.resolve("gemini-3.1-pro-low").level == "LOW"


def test_the_table_serves_until_a_list_is_there() -> None:
    catalogue = Catalogue()
    assert catalogue.refresh(TABLE) == len(TABLE) == len(catalogue.list())
    assert all(model.name == model.wire and model.label for model in TABLE)
    googles = [alias for alias, name in ALIASES.items() if name.startswith("gemini")]
    assert {alias for alias in googles if unknown(catalogue, alias)} == {"gemini-3-pro-preview"}, "Google has no more"
    assert catalogue.resolve("gemini-4-argon-xhigh").level == "XHIGH"


def unknown(catalogue: Catalogue, name: str) -> bool:
    try:
        catalogue.resolve(name)
    except FaultError:
        return True
    return False
