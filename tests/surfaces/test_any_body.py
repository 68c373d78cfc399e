"""Clients' requests spoilt in one or two places: they are refused by name or served, never an accident; and what the
OpenAI surfaces serve, Google takes. The requests are those of the golden files."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.cases import FILES, load, parsed, sent
from tests.judging import complaint
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError

CASES = {
    name: [case for path in FILES if path.parent.name == name for case in load(path)]
    for name in ("chat", "responses", "gemini")
}
# What Google alone can judge: signatures, and media types that a client names.
GOOGLES_TO_JUDGE = ("Corrupted thought signature", "Unsupported MIME type")
values = st.sampled_from(
    [None, True, False, 0, 1, -1, 2.5, 10**30, "", "x", "\x00", "é\u2028", "auto", "none", [], [None], [[]], ["x"],
     [{}], {}, {"type": "x"}, {"type": "text", "text": ""}, {"": ""}, {"type": "function"},
     "data:image/png;base64,", "c1"]
).map(copy.deepcopy)  # fmt: skip


def spoil(node: Any, data: st.DataObject) -> Any:
    """One change somewhere below ``node``."""
    if isinstance(node, dict | list) and node and data.draw(st.integers(0, 4)):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        match data.draw(st.integers(0, 9)):
            case 0:
                del node[key]
            case 1 if isinstance(node, dict):
                node["extra"] = data.draw(values)
            case 2 if isinstance(node, list):
                node.append(copy.deepcopy(node[key]))
            case _:
                node[key] = spoil(node[key], data)
        return node
    return data.draw(values)


def tried(name: str, data: st.DataObject) -> Turn | None:
    case = copy.deepcopy(data.draw(st.sampled_from(CASES[name])))
    for _ in range(data.draw(st.integers(1, 2))):
        case["body"] = spoil(case["body"], data)
        if not isinstance(case["body"], dict):
            return None
    try:
        return parsed(name, case)
    except FaultError as error:
        fault = error.fault
        assert 400 <= fault.status < 500
        assert fault.message
        assert fault.param is not None or fault.code
        return None


@pytest.mark.parametrize("name", ["chat", "responses"])
@settings(max_examples=120)
@given(st.data())
def test_what_is_served_google_takes(name: str, data: st.DataObject) -> None:
    turn = tried(name, data)
    if turn is None:
        return
    said = complaint(sent(turn))
    assert said is None or said.startswith(GOOGLES_TO_JUDGE), said
    assert json.dumps(turn.details.as_json())


@settings(max_examples=120)
@given(st.data())
def test_the_gemini_surface_never_stumbles(data: st.DataObject) -> None:
    turn = tried("gemini", data)
    if turn is not None:
        assert sent(turn)["request"]["contents"] == turn.google_request["contents"]
