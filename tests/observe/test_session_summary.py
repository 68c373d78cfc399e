"""A session at a glance."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.observe import session_summary


def row(number: int, **members: Any) -> dict[str, Any]:
    usage = {"prompt": 100, "cached": 40, "candidates": 10, "thoughts": 5}
    return {
        "id": f"turn_{number}", "session": "s1", "client": "codex", "created": 1000.0 + number,
        "question": f"q{number}", "branch": "", "usage": usage, "price": 0.25, "failed": False, "total_ms": 500.0,
        "model": "gpt-5", **members,
    }  # fmt: skip


def test_a_session_adds_up_its_turns_in_whatever_order_they_are_given() -> None:
    rows = [row(3, model="gpt-5-mini", failed=True), row(1), row(2, branch="turn_2"), row(4, branch="turn_2")]
    assert session_summary.of(rows) == {
        "session": "s1", "client": "codex", "title": "q1", "started": 1001.0, "ended": 1004.5, "turns": 4,
        "branches": 1, "prompt": 400, "cached": 160, "out": 40, "thoughts": 20, "price": 1.0,
        "price_partial": False, "errors": 1, "ms": 2000.0, "models": ["gpt-5", "gpt-5-mini"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prices", "price", "partial"), [([0.5, None], 0.5, True), ([None, None], None, True), ([0.5, 0.5], 1.0, False)]
)
def test_a_price_that_is_unknown_makes_the_sum_a_part(
    prices: list[float | None], price: float | None, partial: bool
) -> None:
    made = session_summary.of(row(number, price=price) for number, price in enumerate(prices))
    assert (made["price"], made["price_partial"]) == (price, partial)


def test_the_title_is_the_first_question_of_the_main_line() -> None:
    assert session_summary.of([row(1, branch="turn_1"), row(2, question=""), row(3)])["title"] == "q3"
    assert session_summary.of([row(1, branch="turn_1")])["title"] == "q1"


def test_nothing_and_rows_without_members_have_a_summary() -> None:
    assert session_summary.of([])["turns"] == 0
    assert session_summary.of([{}])["turns"] == 1
