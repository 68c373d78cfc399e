"""Figures in few characters."""

from __future__ import annotations

import pytest

from zerogravity.observe import figures


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.34, "340 ms"), (0.9996, "1.0 s"), (1.2, "1.2 s"), (99.94, "99.9 s"), (99.96, "1 min 40 s"),
     (125, "2 min 05 s"), (179.9, "3 min 00 s"), (7200, "120 min 00 s")],
)  # fmt: skip
def test_durations(seconds, shown):
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [((8812, 0, 47), "8.8k→47"), ((1000, 920, 5), "1.0k→5 (92% cached)"), ((10, 20, 0), "10→0 (100% cached)"),
     ((0, 20, 1), "0→1")],
)  # fmt: skip
def test_tokens(given, shown):
    assert figures.tokens(*given) == figures.tokens(*given, source="captured") == shown
    assert figures.tokens(*given, source="estimate") == f"~{shown}"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (8812, "8.8k"), (120_000, "120k"), (999_600, "1.0M"), (1_250_000, "1.2M")],
)
def test_short_numbers(number, shown):
    assert figures.short(number) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [(0, "$0"), (0.00001, "<$0.0001"), (0.00312, "$0.0031"), (0.5, "$0.50"), (1.2, "$1.20"), (123.456, "$123.46")],
)
def test_dollars(usd, shown):
    assert figures.dollars(usd) == shown


@pytest.mark.parametrize(
    ("usd", "partial", "shown"),
    [(None, False, ""), (None, True, "?"), (0.5, False, "$0.50"), (0.5, True, "≥ $0.50"), (0.00001, True, "≥ $0"),
     (0.0, False, "$0")],
)  # fmt: skip
def test_a_price_says_what_is_not_known(usd, partial, shown):
    assert figures.price(usd, partial=partial) == shown


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({}, (0, 0, 0)), ({"prompt": 100, "cached": 40, "tool_use": 7, "candidates": 5, "thoughts": 3}, (107, 40, 8))],
)
def test_all_that_was_sent_and_made(usage, tokens):
    assert figures.Tokens.of_json(usage) == tokens


def test_names_are_counted_in_their_order():
    assert figures.counted(["shell", "read", "shell"]) == ["shell×2", "read"]
    assert figures.counted([]) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [((0, "turn"), "0 turns"), ((1, "turn"), "1 turn"), ((2, "branch", "branches"), "2 branches"),
     ((1, "branch", "branches"), "1 branch")],
)  # fmt: skip
def test_how_many(given, shown):
    assert figures.many(*given) == shown
