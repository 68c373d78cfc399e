"""Turns that are recorded in a temporary folder, and turns that are scripted by hand."""

from __future__ import annotations

import pytest

from tests.observe.inspector.support import Scene
from tests.recording import recording
from zerogravity.core.registry import MitmStore
from zerogravity.observe.requests import Bodies

__all__ = ["recording"]


@pytest.fixture
def scene(clock):
    return Scene(MitmStore(clock), Bodies(), clock.advance)
