"""Turns that are recorded in a temporary folder, and a Google stand-in."""

from tests.recording import recording
from tests.testing.simulator.conftest import google

__all__ = ["google", "recording"]
