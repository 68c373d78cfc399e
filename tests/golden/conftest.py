"""``pytest tests/golden --update-golden`` writes the results anew; they are reviewed as diffs."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden requests anew")
