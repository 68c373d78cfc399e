"""What a surface is unless it says otherwise: where it is spoken, what is its, when it shows something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.surfaces.toy import surface as toy
from zerogravity.core.events import TextDelta, ThinkingDelta
from zerogravity.surfaces.base import Lookups, Surface
from zerogravity.testing import builders

MADE: Any = {name: getattr(toy, name) for name in ("parse", "emitter", "answer", "error", "sample", "check")}
PLAIN = Surface(name="plain", title="Plain", paths=("/p/say", "/q"), root="/p", input="say", **MADE)


@pytest.mark.parametrize(
    ("path", "its"),
    [("/p/say", True), ("/q", True), ("/p/other", True), ("/p", False), ("/q/say", False), ("/px", False)],
)
def test_what_is_below_its_root_is_its_own(path: str, its: bool) -> None:
    assert PLAIN.owns(path) is its


def test_it_may_claim_more_paths_and_nobody_elses_clients() -> None:
    claiming = replace(PLAIN, also_owns=lambda path: path.endswith(".plain"))
    assert claiming.owns("/x.plain")
    assert not claiming.owns("/")
    assert not PLAIN.is_client(["x-api-key"], ["key"])


def test_its_list_of_models_has_openais_form() -> None:
    assert PLAIN.models.listing([], {}, {}) == {"object": "list", "data": []}
    assert PLAIN.counting is None


def test_turns_go_to_its_first_path_or_to_a_url_of_their_own() -> None:
    assert [PLAIN.url("m", stream=stream) for stream in (False, True)] == ["/p/say", "/p/say"]
    other = replace(PLAIN, urls=("/p/{model}", "/p/{model}?s"))
    assert [other.url("m", stream=stream) for stream in (False, True)] == ["/p/m", "/p/m?s"]


def test_its_defaults_ask_for_nothing() -> None:
    assert [*PLAIN.media({}), *PLAIN.table(), *PLAIN.from_url({}, {}, {})] == []
    assert PLAIN.lookups({}) == Lookups()
    assert PLAIN.has_output(builders.channel(None, TextDelta("a")))
    assert not PLAIN.has_output(builders.channel(None, ThinkingDelta("hm")))
