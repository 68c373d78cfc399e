"""Requests for the tests of the Responses surface, and Google's rules of turns as a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.strategies import TURN_ID
from zerogravity.core.family import rules
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError
from zerogravity.surfaces.base import Context, StoredTurn
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.responses import surface

SECRET = bytes(range(32))
PNG = "data:image/png;base64,iVBORw0KGgo="
PNG_PART = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
STAND_IN = "skip_thought_signature_validator"


def context(
    recall: Callable[[str], RememberedCall | None] = lambda _: None,
    stored: Mapping[str, StoredTurn] | None = None,
    items: Mapping[str, Mapping[str, Any]] | None = None,
) -> Context:
    return Context(
        TURN_ID, 1_770_000_000, Catalogue().resolve, owner="someone", recall=recall, stored=(stored or {}).get,
        item=(items or {}).get, secret=SECRET,
    )  # fmt: skip


def parse(within: Context | None = None, **body: Any) -> Turn:
    """A turn from a request; model and input have defaults."""
    return surface.parse({"model": "gemini-3-flash", "input": "Hello", **body}, within or context())


def refused(within: Context | None = None, **body: Any) -> Fault:
    """The 400 that a request gets."""
    with pytest.raises(FaultError) as caught:
        parse(within, **body)
    assert caught.value.fault.status == 400
    return caught.value.fault


def contents(*items: Mapping[str, Any], within: Context | None = None, **body: Any) -> list[dict[str, Any]]:
    made = parse(within, input=list(items), **body)
    check_contents(made.google_request["contents"], made.target.family)
    return list(made.google_request["contents"])


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts) if len(parts) != 1 or not isinstance(parts[0], str) else parts[0]}


def text(value: str) -> dict[str, Any]:
    return {"type": "input_text", "text": value}


def call(call_id: str, name: str = "f", arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


def output(call_id: str, value: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": value, **more}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **more}


def check_contents(made: Sequence[Mapping[str, Any]], family: str) -> None:
    """Google's rules (wire-gemini-and-mapping 2.1, 2.2, 4): each of them is a 400 there."""
    assert made[0]["role"] == "user"
    assert made[-1]["role"] == "user"
    for number, content in enumerate(made):
        assert content["role"] in ("user", "model")
        assert content["parts"]
        for part in content["parts"]:
            data = set(part) - {"thought", "thoughtSignature"}
            if rules(family).media_resolution and "inlineData" in part:
                data.discard("mediaResolution")
            assert len(data) == 1, part
            assert part.get("text") != "" or "thoughtSignature" in part
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        if calls:
            assert content["role"] == "model"
            assert made[number - 1]["role"] == "user"
            answers = made[number + 1]["parts"]
            assert [each["functionResponse"]["name"] for each in answers] == [each["name"] for each in calls]
            assert [each["functionResponse"].get("id") for each in answers] == [each.get("id") for each in calls]
            first = next(part for part in content["parts"] if "functionCall" in part)
            assert not rules(family).needs_signature or first.get("thoughtSignature")
            assert all(("id" in each) == rules(family).ids_on_calls for each in calls)
        if results:
            assert content["role"] == "user"
            assert len(results) == len(content["parts"])
            assert any("functionCall" in part for part in made[number - 1]["parts"])
            assert all(isinstance(each["response"], dict) for each in results)
