"""Grammar checkers of the three streams: for tests, doctor and debug mode. Each raises GrammarError with the reason."""

from __future__ import annotations

from zerogravity.surfaces.check.chat import check_chat
from zerogravity.surfaces.check.errors import GrammarError
from zerogravity.surfaces.check.gemini import check_gemini
from zerogravity.surfaces.check.response_object import check_response
from zerogravity.surfaces.check.responses import check_responses

__all__ = ["GrammarError", "check_chat", "check_gemini", "check_response", "check_responses"]
