"""What can go wrong, as a value: one ``Fault`` by origin, mapped once per surface to its error shape.

What others say (Google, the language server) goes through the redactor here, on its way to everybody; a client may
read its own words. Knows no surface and no transport. Termination codes: the closed list of logs, metrics and traces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from zerogravity import redact

_ENDS = (".", "!", "?", "…", '."', '!"', '?"', ".)", "!)", "?)", ".'", "。")
_URL_LAST = re.compile(r"https?://\S*[^\s.,;:!?)\]}>\"']$")


RUN_DOCTOR = "Run: zerogravity doctor"  # where nothing better is known


class Origin(StrEnum):
    """Whose mistake it is; decides the default status family."""

    CLIENT = "client"
    UPSTREAM = "upstream"
    LS = "ls"
    INTERNAL = "internal"


class Termination(StrEnum):
    """How a turn ended: exactly one per turn, in log, metrics and trace."""

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
    REJECTED = "rejected"  # a request refused before it became a turn; never the end of a channel


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, in neutral words.

    ``status``       HTTP status our client gets when nothing has been sent yet.
    ``code``         machine word, e.g. ``match_timeout``, ``rate_limit_exceeded``, ``invalid_value``.
    ``param``        path of the offending request member (``input[0].content[1].type``), client faults only.
    ``retry_after``  seconds, as told by the upstream.
    ``rpc_status``   google.rpc status word when the upstream gave one (``RESOURCE_EXHAUSTED``).
    ``details``      google.rpc details of the upstream error, for the Gemini surface.
    ``termination``  the closed code that logs and metrics use.
    ``retryable``        False: a retry cannot help, clients are told so (``x-should-retry: false``).
    ``remedy``       what the person in front of the machine can do, a sentence of our own; empty when there is none.
    ``reason``       why Google refused, from the closed list of ``wire.reasons``; empty when that is not known.
    ``upstream_status``  Google's own status, before it became ``status``; of an error inside a 200, the error's code.
    ``finish``       the finishReason that Google ended the answer with, where that is the failure: clients that know
                     Google's words are told it as the end of an answer. ``finish_message``: what it says of it.
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

    def at(self, param: str) -> Fault:
        """The same fault, naming ``param``."""
        return replace(self, param=param)


def join_sentences(*texts: str) -> str:
    """Several people's words as sentences one after the other, whatever each ends with. A URL at an end stays one
    that can be clicked: no full stop is glued to it."""
    told = ""
    for text in filter(None, (text.strip() for text in texts)):
        told = f"{_ended(told)} {text}" if told else text
    return told


def _ended(words: str) -> str:
    """``words`` such that another sentence may follow."""
    if _URL_LAST.search(words):
        return f"{words} —"
    words = words.rstrip(" ,;:-–—")
    return words if words.endswith(_ENDS) else f"{words}."


class FaultError(Exception):
    """Carries a ``Fault`` up to the one place that turns faults into answers."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.full_message}")
        self.fault = fault


def bad_request(
    message: str, *, param: str | None = None, code: str = "invalid_value", status: int = 400
) -> FaultError:
    """The client's request cannot be served as it is; ``param`` names the member."""
    return FaultError(
        Fault(Origin.CLIENT, status, code, message, param=param, termination=Termination.REJECTED, retryable=False)
    )


def upstream(
    status: int, code: str, message: str, termination: Termination = Termination.UPSTREAM_STATUS, **more: Any
) -> Fault:
    """Google's side failed or refused. What it quotes may be the language server's bearer."""
    return _foreign(Origin.UPSTREAM, status, code, message, termination=termination, **more)


RETRY = "send the request again"
CHECK_NETWORK = "Check this machine's network, firewall and VPN; --google or ZEROGRAVITY_UPSTREAM says where calls go."
BAD_CERTIFICATE = (
    "Something between here and Google shows a certificate of its own. If it is your company's, name its authority: "
    "--set ssl_verify_upstream_trusted_ca=FILE."
)


def unreachable(message: str) -> Fault:
    """There is no connection to Google: ``message`` in the words of whoever tried."""
    remedy = BAD_CERTIFICATE if "certificate" in message.lower() else CHECK_NETWORK
    return upstream(
        502, "upstream_drop", f"Google cannot be reached: {message}", Termination.UPSTREAM_DROP, remedy=remedy
    )


def certificate_refused(message: str) -> Fault:
    """Whoever calls Google through us broke the connection off, in the words of TLS."""
    text = f"what calls Google through here does not trust our certificate: {message}"
    remedy = "Start the language server with the SSL_CERT_FILE that `zerogravity certs show` names."
    return language_server(502, "ls_refused", text, Termination.LS_REFUSED, remedy=remedy)


def not_an_endpoint() -> Fault:
    """A call for Google has come to the proxy as to an endpoint."""
    text = "calls for Google come here as to an endpoint, and this is a proxy"
    remedy = "Start us without --mode proxy, or give the language server HTTPS_PROXY instead of an endpoint."
    return language_server(502, "ls_refused", text, Termination.LS_REFUSED, remedy=remedy)


def garbage(message: str) -> Fault:
    """Google's answer cannot be read."""
    return upstream(502, "upstream_garbage", message, Termination.UPSTREAM_GARBAGE)


def language_server(status: int, code: str, message: str, termination: Termination, **more: Any) -> Fault:
    """The language server is absent, refuses, or never calls Google."""
    return _foreign(Origin.LS, status, code, message, termination=termination, **more)


def _foreign(origin: Origin, status: int, code: str, message: str, **more: Any) -> Fault:
    details = tuple(redact.json_value(detail) for detail in more.pop("details", ()))
    told: dict[str, Any] = {
        name: redact.text(value) if isinstance(value, str) else value for name, value in more.items()
    }
    return Fault(origin, status, code, redact.text(message), details=details, **told)


def internal(message: str = "internal error", termination: Termination = Termination.INTERNAL, **more: Any) -> Fault:
    """Our own bug or our own shutdown."""
    return Fault(Origin.INTERNAL, more.pop("status", 500), more.pop("code", termination.value), message,
                 termination=termination, **more)  # fmt: skip


def shutting_down() -> Fault:
    """What is asked for, or runs, while we stop."""
    return internal("zerogravity is shutting down", Termination.SHUTDOWN, status=503, code="shutting_down")
