"""Google's errors → ``Fault``: bodies of a status that is not 200, and error objects inside a 200 stream.

Tolerates arrays, HTML and nothing at all; never raises. What to do about each: the table in ``reasons``.
Facts: language-server-and-google C.5; wire-gemini-and-mapping 1.4, 7.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from zerogravity.errors import Fault, upstream
from zerogravity.wire import jsonio, narrow, reasons
from zerogravity.wire.narrow import Json
from zerogravity.wire.reasons import Api, Reason

NONE: Mapping[str, str] = MappingProxyType({})
_DELAY_IN_MESSAGE = re.compile(r"(?:reset after|retry in) (\S+?)\.?(?:\s|$)")
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|ns|h|m|s)")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,12})?Z")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_REQUEST = {Api.EDITOR: "the language server's request", Api.KEY: "the request"}
_REFUSED: dict[tuple[Api, Reason | None], str] = {
    (Api.EDITOR, Reason.LOGIN): "the language server's login", (Api.KEY, Reason.LOGIN): "the API key",
    (Api.KEY, Reason.API_KEY): "the API key",
}  # fmt: skip


def decode_error(status: int, headers: Mapping[str, str], body: bytes, api: Api = Api.EDITOR) -> Fault:
    """A non-200 answer of Google. ``api``: which of its APIs answered, for the remedy."""
    try:
        value = jsonio.loads(body.lstrip().removeprefix(b"data:"))
    except ValueError:
        value = None
    found = narrow.members(next(iter(narrow.items(value)), value))
    error = _object(found.get("error") or narrow.lookup(found, "response", "error"))
    return _fault(status, error, _after(headers), api, headers)


def inside(error: object, api: Api = Api.EDITOR) -> Fault:
    """The value of ``error`` in a chunk of a 200 answer."""
    found = _object(error)
    return _fault(_status(found), found, api=api)


def retry_after(error: Json, headers: Mapping[str, str] = NONE) -> float | None:
    """Seconds to wait: RetryInfo, else quotaResetDelay, else until quotaResetTimeStamp (where ``headers`` say when
    Google answered), else the message's "reset after …" or "retry in …"."""
    quota: float | None = None
    for detail in reasons.details(error):
        kind = str(detail.get("@type", ""))
        if kind.endswith("RetryInfo") and (delay := parse_duration(str(detail.get("retryDelay", "")))) is not None:
            return delay
        if kind.endswith("ErrorInfo"):
            told = reasons.metadata(detail)
            quota = parse_duration(str(told.get("quotaResetDelay", "")))
            quota = _until(told.get("quotaResetTimeStamp"), headers) if quota is None else quota
    if quota is not None:
        return quota
    found = _DELAY_IN_MESSAGE.search(str(error.get("message", "")))
    return parse_duration(found.group(1)) if found else None


def _at_least_a_second(delay: re.Match[str]) -> str:
    """As ``Retry-After`` says it: a message with "0s" beside it would contradict that."""
    seconds, (begin, end) = parse_duration(delay.group(1)), (index - delay.start() for index in delay.span(1))
    text = delay.group()
    return text if seconds is None or seconds >= 1 else f"{text[:begin]}1s{text[end:]}"


def parse_duration(text: str) -> float | None:
    """``22s``, ``0.479s``, ``479.4ms``, ``1h2m3.5s`` → seconds; None when it is no duration."""
    found = list(_DURATION.finditer(text))
    if not found or "".join(match.group() for match in found) != text:
        return None
    return sum(float(match.group(1)) * _UNITS[match.group(2)] for match in found)


def _after(headers: Mapping[str, str]) -> float | None:
    """Retry-After: seconds, or a moment."""
    header = _header(headers, "retry-after")
    if header.isascii() and header.isdigit() and len(header) < 10:
        return float(header)
    return _left(_http_date(header), headers)


def _until(moment: object, headers: Mapping[str, str]) -> float | None:
    """The seconds until then, as ``_left`` counts them."""
    if (end := _ISO.fullmatch(narrow.text(moment))) is None:
        return None
    try:
        return _left(timegm(tuple(map(int, end.groups()[:6]))) + float(end.group(7) or 0), headers)
    except (ValueError, OverflowError):
        return None


def _left(end: float | None, headers: Mapping[str, str]) -> float | None:
    """The seconds from the moment at which Google answered, by its own clock as well; None: none is left, or it does
    not say."""
    answered = _http_date(_header(headers, "date"))
    return end - answered if end is not None and answered is not None and end > answered else None


def _http_date(text: str) -> float | None:
    """Wall-clock seconds; None: it is no date, or has no zone."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return None if date.tzinfo is None else date.timestamp()


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "").strip()


def _fault(
    status: int, error: Json, after: float | None = None, api: Api = Api.EDITOR, headers: Mapping[str, str] = NONE
) -> Fault:
    """The table of error statuses. ``after``: Retry-After, in seconds."""
    message = narrow.text(error.get("message")) or f"Google answered {status} without a message"
    message = _DELAY_IN_MESSAGE.sub(_at_least_a_second, message)
    delay = retry_after(error, headers)
    if delay is None:
        delay = after
    refusal = reasons.explain(status, error, delay, api)
    more: dict[str, Any] = {
        "rpc_status": narrow.a_string(error.get("status")), "details": tuple(reasons.details(error)),
        "reason": refusal.reason or "", "remedy": refusal.remedy, "upstream_status": status,
    }  # fmt: skip
    if status in (401, 403) or refusal.reason in reasons.ACCESS:
        # Our side's credentials, never the client's key (wire-gemini 7, errors).
        text = f"Google refused {_REFUSED.get((api, refusal.reason), _REQUEST[api])} ({status}): {message}"
        return upstream(502, "upstream_auth", text, retryable=False, **more)
    match status:
        case 429:
            exhausted = refusal.reason in reasons.USED_UP
            name = "insufficient_quota" if exhausted else "rate_limit_exceeded"
            return upstream(429, name, message, retry_after=delay, retryable=not exhausted, **more)
        case 400:
            name = "context_length_exceeded" if refusal.reason is Reason.TOO_LONG else "invalid_argument"
            return upstream(400, name, message, retryable=False, **more)
        case 404:
            return upstream(404, "model_not_found", message, retryable=False, **more)
        case 413:
            return upstream(413, "request_too_large", message, retryable=False, **more)
        case _ if 400 <= status < 499:
            return upstream(status, "upstream_error", message, retryable=status in (408, 409), **more)
        case _:
            status = status if 500 <= status < 600 else 502
            return upstream(status, "upstream_error", message, retry_after=delay, **more)


def _status(error: Json) -> int:
    code, rpc = error.get("code"), error.get("status")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return reasons.HTTP_OF_RPC.get(rpc, 500) if isinstance(rpc, str) else 500


def _object(error: object) -> dict[str, object]:
    return {"message": error} if isinstance(error, str) else narrow.members(error)
