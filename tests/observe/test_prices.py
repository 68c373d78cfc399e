"""What turns cost."""

from __future__ import annotations

from zerogravity.core.events import Usage
from zerogravity.observe import prices


def test_what_is_unknown_stays_unknown():
    assert prices.usd("no-such-model", Usage(prompt=1000)) is None
