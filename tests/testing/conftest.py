"""Turns that are recorded in a temporary folder."""

from tests.recording import recording

__all__ = ["recording"]
