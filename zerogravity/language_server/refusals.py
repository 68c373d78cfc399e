"""What the language server answers when it refuses → ``Fault``: the one table.

Facts: language-server-and-google A.13.
"""

from __future__ import annotations

from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.wire import connect


class Refused(FaultError):
    """The LS answered with an error. ``status`` is HTTP's, ``word`` the Connect code."""

    def __init__(self, fault: Fault, status: int, word: str) -> None:
        super().__init__(fault)
        self.status = status
        self.word = word


def error_of(status: int, body: bytes) -> Refused:
    """The table of error answers (A.13)."""
    word, message = connect.decode_error(status, body)
    told = message[:300] or "no message"
    match status, word:
        case 401 | 403, _:
            fault = refused(
                502,
                f"the language server refused our CSRF token ({status}): it may have restarted, or "
                "--ls-csrf is missing or wrong",
            )
        case (429, _) | (_, "resource_exhausted"):
            fault = language_server(429, "rate_limit_exceeded", told, Termination.LS_REFUSED)
        case 400, _:
            fault = refused(502, f"the language server did not understand us ({word}): {told}", heals=False)
        case (404, "not_found") | (_, "not_found"):
            fault = refused(502, f"the language server does not know this cascade or model: {told}")
        case (404 | 501, _) | (_, "unimplemented"):
            fault = refused(502, f"this language server can not do that ({word}): {told}", heals=False)
        case (503, _) | (_, "unavailable"):
            fault = refused(503, f"the language server is not available: {told}")
        case (504, _) | (_, "deadline_exceeded"):
            fault = refused(504, f"the language server took too long: {told}")
        case _:
            fault = refused(502, f"the language server answered {status} ({word}): {told}")
    return Refused(fault, status, word)


def refused(status: int, message: str, *, heals: bool = True) -> Fault:
    """The LS says no, or answers nonsense."""
    return language_server(status, "ls_refused", message, Termination.LS_REFUSED, heals=heals)


def gone(message: str) -> Fault:
    """The LS does not answer, or not any more."""
    return language_server(503, "ls_gone", message, Termination.LS_GONE)


def not_logged_in() -> Fault:
    """Known before anything is sent; the message says what to do."""
    text = "the language server is not logged in to Google: open the editor, log in, and try again"
    return language_server(401, "ls_not_logged_in", text, Termination.LS_REFUSED, heals=False)
