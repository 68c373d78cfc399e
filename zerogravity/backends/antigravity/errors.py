"""What the language server answers when it refuses → ``Fault``: a decision table, ``ROWS``. The first row that fits
decides.

Facts: language-server-and-google A.13.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from zerogravity.errors import Fault, FaultError, Termination, language_server
from zerogravity.wire import connect, google_errors, reasons

LOGIN_OR_MODEL = "Log in to Google in the editor; if you are, choose another model: GET /v1/models lists them."
LOG_IN = "Open the editor, log in, and try again."
_MODEL_NOT_FOUND = re.compile(r"\bmodel\b.{0,100}\bnot found", re.IGNORECASE)  # of any model, before a login (A.13)


class Refused(FaultError):
    """The LS answered with an error. ``status`` is HTTP's, ``word`` the Connect code, ``said`` its own words;
    ``passed_on``: they are Google's."""

    def __init__(self, fault: Fault, status: int, word: str, *, said: str = "", passed_on: bool = False) -> None:
        super().__init__(fault)
        self.status = status
        self.word = word
        self.said = said
        self.passed_on = passed_on


@dataclass(frozen=True, slots=True)
class Row:
    """``statuses``, ``words``: HTTP statuses and Connect codes, one of which is enough; ``own``: not if the error is
    Google's. ``remedy``: what to do, by the LS's message, where Google's own remedy is not known."""

    statuses: tuple[int, ...]
    words: tuple[str, ...]
    status: int
    message: str
    remedy: Callable[[str], str] = lambda _: ""
    retryable: bool = True
    code: str = "ls_refused"
    own: bool = False


ROWS = (
    Row(
        (401, 403), (), 502, "the language server refused our CSRF token ({status})",
        remedy=lambda _: "If it has restarted, try again; else give its token: --ls-csrf.", own=True,
    ),
    Row(
        (429,), ("resource_exhausted",), 429, "{message}", code="rate_limit_exceeded",
        remedy=lambda message: reasons.explain(429, {"message": message}).remedy,
    ),
    Row((401, 403), (), 502, "the language server was refused ({word}): {message}", retryable=False),
    Row((400,), (), 502, "the language server did not understand us ({word}): {message}", retryable=False),
    Row(
        (), ("not_found",), 502, "the language server does not know this cascade or model: {message}",
        remedy=lambda _: LOGIN_OR_MODEL,
    ),
    Row(
        (404, 501), ("unimplemented",), 502, "this language server cannot do that ({word}): {message}",
        remedy=lambda _: "Update the editor and start it again.", retryable=False,
    ),
    Row((503,), ("unavailable",), 503, "the language server is not available: {message}"),
    Row((504,), ("deadline_exceeded",), 504, "the language server took too long: {message}"),
)  # fmt: skip
OTHERWISE = Row(
    (), (), 502, "the language server answered {status} ({word}): {message}",
    remedy=lambda message: LOGIN_OR_MODEL if _MODEL_NOT_FOUND.search(message) else "",
)  # fmt: skip


def error_of(status: int, body: bytes) -> Refused:
    """An error answer → the fault that its row says. Google's errors that the LS passes on have Google's remedy."""
    word, message = connect.decode_error(status, body)
    googles = google_remedy(message)
    fitting = (row for row in ROWS if (status in row.statuses or word in row.words) and not (row.own and googles))
    row = next(fitting, OTHERWISE)
    text = row.message.format(status=status, word=word, message=message[:300] or "no message")
    fault = language_server(
        row.status, row.code, text, Termination.LS_REFUSED,
        remedy=googles or row.remedy(message), retryable=row.retryable,
    )  # fmt: skip
    return Refused(fault, status, word, said=message, passed_on=reasons.quoted(message) is not None)


def stream_error(word: str, message: str) -> Refused:
    """A stream of the LS that ended with an error."""
    return Refused(refused(502, f"{word}: {message}", remedy=google_remedy(message)), 200, word)


def google_remedy(message: str) -> str:
    """What to do about an error of Google's that ``message`` quotes; empty when it quotes none."""
    found = reasons.quoted(message)
    if found is None:
        return ""
    status, error = found
    return reasons.explain(status, error, google_errors.retry_after({"message": message, **error})).remedy


def refused(status: int, message: str, *, remedy: str = "", retryable: bool = True) -> Fault:
    """The LS refuses, or answers nonsense."""
    return language_server(status, "ls_refused", message, Termination.LS_REFUSED, remedy=remedy, retryable=retryable)


def gone(message: str) -> Fault:
    """The LS does not answer, or not any more."""
    remedy = "Start the editor, or name another one with --ls-url; those that run: zerogravity ls"
    return language_server(503, "ls_gone", message, Termination.LS_GONE, remedy=remedy)


def not_logged_in(why: str = "", remedy: str = LOG_IN) -> Fault:
    """Known before anything is sent. ``why``: see ``login``."""
    text = f"the language server is not logged in to Google{': ' if why else ''}{why}"
    return language_server(401, "ls_not_logged_in", text, Termination.LS_REFUSED, remedy=remedy, retryable=False)
