"""Every rule between what the language server left in generationConfig and what the turn sets, by family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging import about, complaint
from zerogravity.capture.generation_config import merge_generation_config
from zerogravity.capture.rewrite import rewrite
from zerogravity.core.family import FAMILIES
from zerogravity.core.turn import Target, Turn
from zerogravity.wire import jsonio

Json = dict[str, Any]
MakeTurn = Callable[..., Turn]
OFF = {"includeThoughts": False, "thinkingBudget": 0}


def left(budget: Any = 10000, limit: Any = 65536, **thinking: Any) -> Json:
    """What is taken over of the language server's."""
    return {"maxOutputTokens": limit, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": budget, **thinking}}


def thinks(budget: Any = None, *, shown: bool | None = True, **more: Any) -> Json:
    config = {"includeThoughts": shown, "thinkingBudget": budget, **more}
    return {name: value for name, value in config.items() if value is not None}


TABLE: list[tuple[str, Json, Json, Json]] = [
    # Claude: a budget of 1024 at least, below the limit, whoever named which
    ("claude", left(10000, 64000), {}, left(10000, 64000)),
    ("claude", left(10000, 64000), {"maxOutputTokens": 8000}, left(7999, 8000)),
    ("claude", left(1024, 64000), {"maxOutputTokens": 8000}, left(1024, 8000)),
    ("claude", left(10000, 64000), {"maxOutputTokens": 10001}, left(10000, 10001)),
    ("claude", left(10000, 64000), {"maxOutputTokens": 10000}, left(9999, 10000)),
    ("claude", left(10000, 64000), {"maxOutputTokens": "8000"}, left(7999, "8000")),
    ("claude", left(10000, 64000), {"maxOutputTokens": 1025}, left(1024, 1025)),
    ("claude", left(10000, 64000), {"maxOutputTokens": 1024}, {"maxOutputTokens": 1024, "thinkingConfig": OFF}),
    ("claude", left(10000, 64000), {"maxOutputTokens": 1}, {"maxOutputTokens": 1, "thinkingConfig": OFF}),
    ("claude", left(0, 64000, includeThoughts=False), {"maxOutputTokens": 1},
     {"maxOutputTokens": 1, "thinkingConfig": OFF}),
    ("claude", left(1024, 8192), {"thinkingConfig": thinks(24576)},
     {"maxOutputTokens": 8192, "thinkingConfig": thinks(8191)}),
    ("claude", left(1024, 8192), {"thinkingConfig": thinks(24576), "maxOutputTokens": 30000},
     {"maxOutputTokens": 30000, "thinkingConfig": thinks(24576)}),
    ("claude", {}, {"thinkingConfig": thinks(24576)}, {"thinkingConfig": thinks(24576)}),
    ("claude", {}, {"thinkingConfig": thinks(512)}, {"thinkingConfig": thinks(1024)}),
    ("claude", left(512, 64000), {}, left(1024, 64000)),
    ("claude", left(32001, 64000), {}, left(32001, 64000)),
    ("claude", left(4000, 64000), {"thinkingConfig": thinks()}, left(4000, 64000)),
    ("claude", left(4000, 64000), {"thinkingConfig": thinks(-1)}, left(4000, 64000)),
    ("claude", left(4000, 64000), {"thinkingConfig": thinks(shown=False)}, left(4000, 64000, includeThoughts=False)),
    ("claude", left(-1, 64000), {}, left(1024, 64000)),
    ("claude", {"maxOutputTokens": 64000}, {"thinkingConfig": thinks()}, left(1024, 64000)),
    ("claude", left(10000, 64000), {"thinkingConfig": thinks(0)}, {"maxOutputTokens": 64000, "thinkingConfig": OFF}),
    ("claude", left(thinkingLevel="high", limit=64000), {}, left(10000, 64000)),
    # no model gives more than so much
    ("claude", left(1024, 65536), {}, left(1024, 64000)),
    ("claude", left(1024, 64000), {"maxOutputTokens": 128000}, left(1024, 64000)),
    ("gemini-3-flash", left(), {"maxOutputTokens": 65537}, left()),
    ("gemini-3-flash", left(), {"maxOutputTokens": 65536}, left()),
    # the turn's thinkingConfig stands alone
    ("gemini-3-flash", left(), {"thinkingConfig": {"thinkingLevel": "LOW"}},
     {"maxOutputTokens": 65536, "thinkingConfig": {"thinkingLevel": "LOW"}}),
    ("gemini-3-flash", left(), {"thinkingConfig": thinks(2000)},
     {"maxOutputTokens": 65536, "thinkingConfig": thinks(2000)}),
    ("gemini-3-flash", left(), {"thinkingConfig": thinks()}, {"maxOutputTokens": 65536, "thinkingConfig": thinks()}),
    ("gemini-2.5-flash", left(thinkingLevel="high"), {"thinkingConfig": thinks(0, shown=False)},
     {"maxOutputTokens": 65536, "thinkingConfig": OFF}),
    ("gemini-3-flash", left(100), {"maxOutputTokens": 50}, left(100, 50)),  # no rule of Google's own
    # of the language server's only what fits the family
    ("gemini-3-flash", left(thinkingLevel="high"), {},
     {"maxOutputTokens": 65536, "thinkingConfig": thinks(thinkingLevel="high")}),
    ("gemini-3-pro", left(thinkingLevel="MINIMAL"), {}, left()),
    ("gemini", left(None, thinkingLevel="MINIMAL"), {},
     {"maxOutputTokens": 65536, "thinkingConfig": thinks(thinkingLevel="MINIMAL")}),  # newer than the table
    ("gemini-2.5-flash", left(thinkingLevel="high"), {}, left()),
    ("gemini-2.5-flash", left(30000), {}, left(24576)),
    ("gemini-2.5-flash-lite", left(100), {}, left(512)),
    ("gemini-2.5-flash", left(-1), {}, left(-1)),
    ("gemini-2.5-flash", left(0), {}, left(0)),
    ("gemini-2.5-pro", left(0), {}, left(128)),
    ("gpt-oss", left(10000), {}, left(8192)),
    *[(family, left(), {}, {"maxOutputTokens": 65536})
      for family in ("gemini-1.5", "gemini-2.0", "gemma", "gemini-3-image")],
    *[(family, {}, {}, {}) for family in FAMILIES],
]  # fmt: skip


@pytest.mark.parametrize(("family", "own", "wanted", "expected"), TABLE)
def test_what_is_sent(family: str, own: Json, wanted: Json, expected: Json) -> None:
    sent = merge_generation_config(own, wanted, family, [])
    assert {**sent, "thinkingConfig": {k: v for k, v in sent.get("thinkingConfig", {}).items() if v is not None}} == {
        "thinkingConfig": {}, **expected,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own", "wanted", "sent"),
    [
        ({}, {}, {"thinkingLevel": "LOW"}),
        ({"includeThoughts": True, "thinkingLevel": "high"}, {}, {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ({"includeThoughts": True, "thinkingBudget": 9}, {}, {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ({"includeThoughts": True}, {"includeThoughts": False}, {"includeThoughts": False, "thinkingLevel": "LOW"}),
        ({"thinkingLevel": "high"}, {"thinkingLevel": "MEDIUM"}, {"thinkingLevel": "MEDIUM"}),
        ({}, {"thinkingBudget": 77}, {"thinkingBudget": 77}),
    ],
)
def test_the_level_of_a_models_name(own: Json, wanted: Json, sent: Json, make_turn: MakeTurn) -> None:
    """``gemini-3.1-pro-low``: it counts where the client does not say anything itself."""
    generate = {"contents": [], "generationConfig": {"thinkingConfig": wanted} if wanted else {}}
    turn = make_turn(google_request=generate, target=Target("g", "g", None, "gemini-3.1-pro", "LOW"))
    body = {"generationConfig": {"maxOutputTokens": 65535, "thinkingConfig": own}}
    config = jsonio.loads(rewrite(body, turn).body)["generationConfig"]
    assert config == {"thinkingConfig": sent}


SHOWN, LOW = {"thinkingConfig": {"includeThoughts": True}}, {"thinkingConfig": {"thinkingLevel": "LOW"}}


@pytest.mark.parametrize(
    ("family", "own", "wanted", "sent"),
    [
        ("gemini-3-flash", {"maxOutputTokens": 65535}, {}, SHOWN),
        ("gemini-4", {}, {}, SHOWN),
        ("gemini-2.5-pro", {"temperature": 1}, {"seed": 1}, {**SHOWN, "seed": 1}),
        ("gemini-2.5-flash", {}, {"maxOutputTokens": 99}, {**SHOWN, "maxOutputTokens": 99}),
        # where nothing is said these do not think: asked for thoughts, Google refuses, or thinks at a price
        ("gemini-2.5-flash-lite", {"maxOutputTokens": 8192}, {}, {}),
        ("gemini-2.0", {"maxOutputTokens": 65535}, {}, {}),
        ("gemma", {"maxOutputTokens": 65535}, {}, {}),
        ("gemini-3-image", {"maxOutputTokens": 65535}, {}, {}),
        ("claude", {}, {"maxOutputTokens": 99}, {"maxOutputTokens": 99}),
        # what either side says stands
        ("gemini-3-flash", LOW, {}, LOW),
        ("gemini-3-flash", {}, LOW, LOW),
        ("gemini-3-flash", {}, {"thinkingConfig": {"includeThoughts": False}},
         {"thinkingConfig": {"includeThoughts": False}}),
    ],
)  # fmt: skip
def test_the_public_api(family: str, own: Json, wanted: Json, sent: Json, make_turn: MakeTurn) -> None:
    """The model's own limit, and thoughts where the model thinks unasked."""
    turn = make_turn(
        google_request={"contents": [], "generationConfig": wanted}, target=Target("g", "g", None, family, "")
    )
    assert jsonio.loads(rewrite({"generationConfig": own}, turn).body).get("generationConfig", {}) == sent


def test_changes_are_noted() -> None:
    notes: list[str] = []
    merge_generation_config(left(10000, 65536), {"maxOutputTokens": 65000}, "claude", notes)
    merge_generation_config(left(10000, 65536), {"maxOutputTokens": 100}, "claude", notes)
    merge_generation_config(left(10000, 64000), {"maxOutputTokens": 8000}, "claude", notes)
    merge_generation_config({}, {"thinkingConfig": thinks(512)}, "claude", notes)
    assert notes == [
        "maxOutputTokens lowered to 64000: this model gives no more",
        "thinking switched off: 100 tokens leave no room for it",
        "thinkingBudget 7999: at least 1024, and below 8000 in all",
        "thinkingBudget 1024: at least 1024",
    ]
    unchanged: list[str] = []
    merge_generation_config(left(1024, 64000), {"temperature": 0}, "claude", unchanged)
    merge_generation_config(left(), {"maxOutputTokens": 5}, "gemini-3-flash", unchanged)
    assert unchanged == []


budgets = st.none() | st.integers(-1, 40000)
limits = st.none() | st.integers(1, 70000)


@given(budgets, limits, budgets, limits, st.booleans() | st.none())
def test_claude_accepts_any_merged_config(one: Any, two: Any, three: Any, four: Any, shown: Any) -> None:
    own = {"maxOutputTokens": two, "thinkingConfig": thinks(one)}
    wanted = {"maxOutputTokens": four, "thinkingConfig": thinks(three, shown=shown) or None}
    own, wanted = ({k: v for k, v in each.items() if v is not None} for each in (own, wanted))
    config = merge_generation_config(own, wanted, "claude", [])
    assert complaint(about("claude-sonnet-4-6", generationConfig=config)) is None


LED = [
    {"role": "user", "parts": [{"text": "hi"}]},
    {"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, {"functionCall": {}}]},
    {"role": "user", "parts": [{"functionResponse": {}}]},
    {"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}]},
    {"role": "user", "parts": [{"text": "so?"}]},
]


@pytest.mark.parametrize(
    ("family", "own", "wanted", "stay"),
    [
        ("claude", left(1024, 64000), {}, True),
        ("claude", left(1024, 64000), {"thinkingConfig": OFF}, False),
        ("claude", left(0, 64000), {}, False),
        ("claude", left(0, 64000), {"thinkingConfig": thinks()}, False),
        ("claude", left(10000, 64000), {"maxOutputTokens": 500}, False),
        ("gemini-2.5-flash", left(), {"thinkingConfig": OFF}, True),
        ("gpt-oss", left(), {"thinkingConfig": OFF}, True),
    ],
)
def test_no_thoughts_go_back_to_claude_when_it_does_not_think(
    family: str, own: Json, wanted: Json, stay: bool, make_turn: MakeTurn
) -> None:
    generate = {"contents": LED, "generationConfig": wanted}
    turn = make_turn(target=Target("m", "M18", family=family), google_request=generate)
    sent = jsonio.loads(rewrite({"model": "m", "request": {"generationConfig": own}}, turn).body)["request"]
    if stay:
        assert sent["contents"] == LED
    else:
        assert sent["contents"] == [LED[0], {"role": "model", "parts": [{"functionCall": {}}]}, LED[2], LED[4]]
