"""Grammar checkers of the four streams: for tests, doctor and debug mode. Each raises GrammarError with the reason."""

from __future__ import annotations

from zerogravity.surfaces.chat.check import check_chat
from zerogravity.surfaces.gemini.check import check_gemini
from zerogravity.surfaces.grammar import GrammarError
from zerogravity.surfaces.messages.check import check_message, check_messages
from zerogravity.surfaces.responses.check import check_responses
from zerogravity.surfaces.responses.check_object import check_response

__all__ = [
    "GrammarError",
    "check_chat",
    "check_gemini",
    "check_message",
    "check_messages",
    "check_response",
    "check_responses",
]
