"""One budget: whatever is there or not, the shares are never more than the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.budget import PARTS, SHARES, Budget


@given(st.integers(1 << 20, 1 << 40), st.sets(st.sampled_from([name for name in SHARES if name != "turns"])))
def test_shares_are_never_more_than_the_whole(total: int, absent: set[str]) -> None:
    budget = Budget(total, absent)
    shares = {name: budget.share(name) for name in SHARES}
    assert sum(shares.values()) <= total
    assert sum(shares.values()) > total - PARTS
    assert all((share == 0) is (name in absent) for name, share in shares.items())


def test_the_shares_add_up_to_the_whole() -> None:
    assert sum(SHARES.values()) == PARTS


def test_held_reports_the_bytes_of_each_holder() -> None:
    budget = Budget(1 << 20)
    held = {"turns": 5, "calls": 0}
    for name in held:
        budget.watch(name, lambda name=name: held[name])
    assert budget.held() == {"turns": 5, "calls": 0}
    held["calls"] = 7
    assert budget.held() == {"turns": 5, "calls": 7}
