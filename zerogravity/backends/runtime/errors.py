"""What goes wrong with the runtime → ``Fault``, with a remedy that fits it."""

from __future__ import annotations

from zerogravity.errors import Fault, Termination, language_server

REPORT = "Its last words are in the log; zerogravity doctor checks it."


def gone(message: str) -> Fault:
    """It has ended, or hung up."""
    return language_server(503, "ls_gone", message, Termination.LS_GONE, remedy="Send the request again.")


def absent(message: str) -> Fault:
    """It does not start."""
    return language_server(503, "ls_absent", message, Termination.LS_GONE, remedy=REPORT)


def refused(message: str, *, retryable: bool = True) -> Fault:
    """It runs, and does not do what we ask it to."""
    return language_server(502, "ls_refused", message, Termination.LS_REFUSED, remedy=REPORT, retryable=retryable)
