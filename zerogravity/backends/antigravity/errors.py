"""What the language server answers when it refuses → ``Fault``: the one table.

Facts: language-server-and-google A.13.
"""

from __future__ import annotations

import re

from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.wire import connect, google_errors, reasons


class Refused(FaultError):
    """The LS answered with an error. ``status`` is HTTP's, ``word`` the Connect code; ``passed_on``: it is Google's."""

    def __init__(self, fault: Fault, status: int, word: str, *, passed_on: bool = False) -> None:
        super().__init__(fault)
        self.status = status
        self.word = word
        self.passed_on = passed_on


def error_of(status: int, body: bytes) -> Refused:
    """The table of error answers (A.13). What the LS passes on of Google's has Google's remedy."""
    word, message = connect.decode_error(status, body)
    told, remedy = message[:300] or "no message", googles(message)
    passed_on = bool(remedy)
    match status, word:
        case 401 | 403, _ if not passed_on:
            fault = refused(
                502,
                f"the language server refused our CSRF token ({status})",
                remedy="If it has restarted, try again; else give its token: --ls-csrf.",
            )
        case (429, _) | (_, "resource_exhausted"):
            remedy = remedy or reasons.explain(429, {"message": message}).remedy
            fault = language_server(429, "rate_limit_exceeded", told, Termination.LS_REFUSED, remedy=remedy)
        case 401 | 403, _:
            fault = refused(502, f"the language server was refused ({word}): {told}", remedy=remedy, retryable=False)
        case 400, _:
            text = f"the language server did not understand us ({word}): {told}"
            fault = refused(502, text, remedy=remedy, retryable=False)
        case (404, "not_found") | (_, "not_found"):
            text = f"the language server does not know this cascade or model: {told}"
            fault = refused(502, text, remedy=remedy or _NO_MODEL)
        case (404 | 501, _) | (_, "unimplemented"):
            text = f"this language server cannot do that ({word}): {told}"
            fault = refused(502, text, remedy=remedy or "Update the editor and start it again.", retryable=False)
        case (503, _) | (_, "unavailable"):
            fault = refused(503, f"the language server is not available: {told}", remedy=remedy)
        case (504, _) | (_, "deadline_exceeded"):
            fault = refused(504, f"the language server took too long: {told}", remedy=remedy)
        case _:
            text = f"the language server answered {status} ({word}): {told}"
            fault = refused(502, text, remedy=remedy or (_NO_MODEL if _MODEL.search(message) else ""))
    return Refused(fault, status, word, passed_on=passed_on)


def end_of(word: str, message: str) -> Refused:
    """A stream of the LS that ended with an error."""
    return Refused(refused(502, f"{word}: {message}", remedy=googles(message)), 200, word)


def googles(message: str) -> str:
    """What to do about an error of Google's that ``message`` quotes; empty when it quotes none."""
    found = reasons.quoted(message)
    if found is None:
        return ""
    status, error = found
    return reasons.explain(status, error, google_errors.retry_after({"message": message, **error})).remedy


# It says so of every model before anybody has logged in (A.13).
_MODEL = re.compile(r"\bmodel\b.{0,100}\bnot found", re.IGNORECASE)
_NO_MODEL = "Log in to Google in the editor; if you are, choose another model: GET /v1/models lists them."


def refused(status: int, message: str, *, remedy: str = "", retryable: bool = True) -> Fault:
    """The LS says no, or answers nonsense."""
    return language_server(status, "ls_refused", message, Termination.LS_REFUSED, remedy=remedy, retryable=retryable)


def gone(message: str) -> Fault:
    """The LS does not answer, or not any more."""
    remedy = "Start the editor, or name another one with --ls-url; those that run: zerogravity ls"
    return language_server(503, "ls_gone", message, Termination.LS_GONE, remedy=remedy)


def not_logged_in() -> Fault:
    """Known before anything is sent."""
    text, remedy = "the language server is not logged in to Google", "Open the editor, log in, and try again."
    return language_server(401, "ls_not_logged_in", text, Termination.LS_REFUSED, remedy=remedy, retryable=False)
