"""What can go wrong, as a value: a ``Fault`` by origin, mapped once per surface to its error shape.

The words of others (Google, the language server) go through the redactor here; a client may read its own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from zerogravity import redact

_ENDS = (".", "!", "?", "…", '."', '!"', '?"', ".)", "!)", "?)", ".'", "。")
_URL_LAST = re.compile(r"https?://\S*[^\s.,;:!?)\]}>\"']$")
RUN_DOCTOR = "Run: zerogravity doctor"  # where no better remedy is known
RETRY = "send the request again"
CHECK_NETWORK = "Check this machine's network, firewall and VPN; --google or ZEROGRAVITY_UPSTREAM says where calls go."
BAD_CERTIFICATE = (
    "Something between this machine and Google presents a certificate of its own. If it is your company's, name its "
    "authority: --set ssl_verify_upstream_trusted_ca=FILE."
)


class Origin(StrEnum):
    """Whose mistake it is."""

    CLIENT = "client"
    UPSTREAM = "upstream"
    LS = "ls"
    INTERNAL = "internal"


class Termination(StrEnum):
    """How a turn ended: exactly one per turn. The closed list of logs, metrics and traces."""

    OK = "ok"
    LENGTH = "length"
    FILTERED = "filtered"
    TOOL = "tool"
    UPSTREAM_STATUS = "upstream_status"
    UPSTREAM_DROP = "upstream_drop"
    UPSTREAM_GARBAGE = "upstream_garbage"
    UPSTREAM_IDLE = "upstream_idle"
    EMPTY = "empty"
    LS_REFUSED = "ls_refused"
    LS_GONE = "ls_gone"
    MATCH_TIMEOUT = "match_timeout"
    CLIENT_GONE = "client_gone"
    CLIENT_STALL = "client_stall"
    CANCELLED = "cancelled"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"
    LIMIT_BYTES = "limit_bytes"
    LIMIT_TIME = "limit_time"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"
    REJECTED = "rejected"  # a request refused before anything of it was sent


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, in neutral words.

    ``status``       HTTP status of the answer, when nothing has been sent yet.
    ``code``         machine word, e.g. ``match_timeout``, ``rate_limit_exceeded``, ``invalid_value``.
    ``param``        path of the request member (``input[0].content[1].type``), client faults only.
    ``retry_after``  seconds, as the upstream said.
    ``rpc_status``   google.rpc status of the upstream error (``RESOURCE_EXHAUSTED``).
    ``details``      google.rpc details of the upstream error, for the Gemini surface.
    ``retryable``    False: a retry cannot help, which clients learn by ``x-should-retry: false``.
    ``remedy``       what the user can do, as a sentence; empty: nothing.
    ``reason``       why Google refused, from the closed list of ``wire.reasons``; empty: unknown.
    ``upstream_status``  Google's own status, before it became ``status``; of an error inside a 200, the error's code.
    ``finish``       the finishReason that ended the answer, where that is the failure: the Gemini surface shows it as
                     the end of an answer. ``finish_message``: Google's text about it.
    """

    origin: Origin
    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None
    rpc_status: str | None = None
    details: tuple[Any, ...] = ()
    termination: Termination = Termination.INTERNAL
    retryable: bool = True
    remedy: str = ""
    upstream_status: int | None = None
    reason: str = ""
    finish: str = ""
    finish_message: str | None = None

    @property
    def google_status(self) -> str:
        """What Google itself answered: ``403 PERMISSION_DENIED``; empty when it did not refuse."""
        return "" if self.upstream_status is None else f"{self.upstream_status} {self.rpc_status or ''}".rstrip()

    @property
    def full_message(self) -> str:
        """What people read: the message, then the remedy."""
        return join_sentences(self.message, self.remedy)


def join_sentences(*texts: str) -> str:
    """Texts of different sources as sentences, whatever each ends with. A URL at an end gets no full stop, so that it
    can still be clicked."""
    joined = ""
    for text in filter(None, (text.strip() for text in texts)):
        joined = f"{_ended(joined)} {text}" if joined else text
    return joined


def _ended(words: str) -> str:
    """``words``, ready for another sentence to follow."""
    if _URL_LAST.search(words):
        return f"{words} —"
    words = words.rstrip(" ,;:-–—")
    return words if words.endswith(_ENDS) else f"{words}."


class FaultError(Exception):
    """Carries a ``Fault`` up to the one place that turns faults into answers. ``notes``: what else its turn has to
    say."""

    def __init__(self, fault: Fault, notes: Sequence[str] = ()) -> None:
        super().__init__(f"{fault.code}: {fault.full_message}")
        self.fault = fault
        self.notes = tuple(notes)


def bad_request(
    message: str, *, param: str | None = None, code: str = "invalid_value", status: int = 400
) -> FaultError:
    """The client's request cannot be served as it is; ``param`` names the member."""
    return FaultError(
        Fault(Origin.CLIENT, status, code, message, param=param, termination=Termination.REJECTED, retryable=False)
    )


def cancelled(termination: Termination = Termination.CANCELLED) -> Fault:
    """Nobody wants the rest of an answer."""
    gone = termination is Termination.CLIENT_GONE
    message = "the client has gone" if gone else "the turn was cancelled"
    return Fault(Origin.CLIENT, 499, termination.value, message, termination=termination)


def upstream(
    status: int, code: str, message: str, termination: Termination = Termination.UPSTREAM_STATUS, **more: Any
) -> Fault:
    """Google failed or refused."""
    return _foreign(Origin.UPSTREAM, status, code, message, termination=termination, **more)


def unreachable(message: str) -> Fault:
    """There is no connection to Google; ``message`` says why."""
    remedy = BAD_CERTIFICATE if "certificate" in message.lower() else CHECK_NETWORK
    text = f"Google cannot be reached: {message}"
    return upstream(502, "upstream_drop", text, Termination.UPSTREAM_DROP, remedy=remedy)


def certificate_refused(message: str) -> Fault:
    """The TLS handshake of a call to Google failed; ``message`` in the words of TLS."""
    text = f"the program that calls Google does not trust zerogravity's certificate: {message}"
    remedy = "Start that program with the SSL_CERT_FILE that `zerogravity certs show` names."
    return language_server(502, "ls_refused", text, Termination.LS_REFUSED, remedy=remedy)


def not_an_endpoint() -> Fault:
    """A call to Google was sent to the proxy as if it were an endpoint."""
    text = "a reverse-mode call arrived, but zerogravity runs with --mode proxy"
    remedy = "Start zerogravity without --mode proxy, or give that program HTTPS_PROXY instead of an endpoint."
    return language_server(502, "ls_refused", text, Termination.LS_REFUSED, remedy=remedy)


def garbage(message: str) -> Fault:
    """Google's answer cannot be read."""
    return upstream(502, "upstream_garbage", message, Termination.UPSTREAM_GARBAGE)


def language_server(status: int, code: str, message: str, termination: Termination, **more: Any) -> Fault:
    """The language server is absent, refuses, or never calls Google."""
    return _foreign(Origin.LS, status, code, message, termination=termination, **more)


def _foreign(
    origin: Origin, status: int, code: str, message: str, *, details: Sequence[object] = (), **more: Any
) -> Fault:
    shown: dict[str, Any] = {
        name: redact.text(value) if isinstance(value, str) else value for name, value in more.items()
    }
    return Fault(origin, status, code, redact.text(message), details=tuple(map(redact.json_value, details)), **shown)


def internal(message: str = "internal error", termination: Termination = Termination.INTERNAL, **more: Any) -> Fault:
    """Our own bug or our own shutdown."""
    status, code = more.pop("status", 500), more.pop("code", termination.value)
    return Fault(Origin.INTERNAL, status, code, message, termination=termination, **more)


def too_many_readers() -> Fault:
    """For one more stream of a response than may follow it at a time (``limits.readers``)."""
    text = "this response has too many readers"
    return Fault(Origin.CLIENT, 429, "too_many_readers", text, termination=Termination.REJECTED)


def shutting_down() -> Fault:
    """For requests and turns during shutdown."""
    return internal("zerogravity is shutting down", Termination.SHUTDOWN, status=503, code="shutting_down")
