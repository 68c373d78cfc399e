"""Turns that are recorded in a temporary folder, a Google stand-in, and a home of nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.recording import recording
from tests.running import environment
from tests.testing.simulator.conftest import google

__all__ = ["google", "home", "recording"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings and no authority of the person who runs the tests."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("ZEROGRAVITY_")]:
        monkeypatch.delenv(name)
    return tmp_path
