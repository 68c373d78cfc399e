"""``Fault`` → Anthropic's error: ``{"type": "error", "error": {type, message}, "request_id"}``.

The type goes by the status and by whose mistake it is; the message begins with the path of the member, in Anthropic's
spelling (``messages.3.content.0``). Facts: wire-anthropic 4.

| what                                 | here                           | because                                  |
|--------------------------------------|--------------------------------|------------------------------------------|
| Google or the LS refuses the account | 403 permission_error           | a 401 is about the client's own key only |
| the context is too long              | 400, ``prompt is too long: …`` | at these words clients compact           |
| there is no LS, or we stop           | 503 api_error                  | nothing is overloaded                    |
"""

from __future__ import annotations

import re

from zerogravity.errors import Fault, Origin, Termination, join_sentences
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.errors import fault_headers

TYPES = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    408: "timeout_error", 413: "request_too_large", 429: "rate_limit_error", 499: "api_error",
    503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
_ABSENT = (Termination.LS_GONE, Termination.SHUTDOWN)
_INDEX = re.compile(r"\[(\d+)\]")
_TOO_LONG = re.compile(
    r"token count \(?(?P<tokens>\d+)\)? exceeds the maximum number of tokens allowed \(?(?P<most>\d+)"
    r"|prompt is too long: (?P<claude>\d+) tokens > (?P<claudes>\d+) maximum"
)
# How ``common.fields`` begins its messages (OpenAI's way) → what stands behind the member's path.
_WORDINGS = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in (
    (r"Missing required parameter: '.*'\.$", "Field required"),
    (r"Invalid type for '.*': expected (.+), but got (.+) instead\.$", r"Input should be \1, not \2"),
    (r"Invalid '.*?': ", ""),
    (r"Unsupported parameter: '.*?' (?:is )?", ""),
    (r"The model '(.*?)' does not exist", r"\1 does not exist"),
))  # fmt: skip


def messages_error(fault: Fault, request_id: str = "") -> Answer:
    """A whole HTTP answer."""
    body = {"type": "error", "error": error_object(fault)}
    return Answer(_status(fault), {**body, "request_id": request_id} if request_id else body, fault_headers(fault))


def error_object(fault: Fault) -> dict[str, object]:
    """``{type, message}``; ``details`` for a refused thread, by which the SDKs' tool runners go on without one."""
    made: dict[str, object] = {"type": _type(fault), "message": message_of(fault)}
    if (fault.param, fault.code) == ("thread", "unsupported_parameter"):
        made["details"] = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    return made


def message_of(fault: Fault) -> str:
    return join_sentences(_message(fault), fault.remedy)


def path_of(param: str) -> str:
    """``messages[3].content[0]`` → ``messages.3.content.0``."""
    return _INDEX.sub(r".\1", param)


def _status(fault: Fault) -> int:
    foreign = fault.status == 401 and fault.origin is not Origin.CLIENT
    return 403 if foreign or fault.code == "upstream_auth" else fault.status


def _type(fault: Fault) -> str:
    status = _status(fault)
    if status == 503 and fault.termination in _ABSENT:
        return "api_error"
    return TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def _message(fault: Fault) -> str:
    match fault.code:
        case "context_length_exceeded":
            return _too_long(fault.message)
        case "invalid_api_key":
            return f"invalid x-api-key: {fault.message}"
        case _ if fault.param:
            return _of_member(fault.message, fault.param)
        case _:
            return fault.message


def _too_long(message: str) -> str:
    """With Google's figures, where it tells both."""
    if (found := _TOO_LONG.search(message)) is None:
        return f"prompt is too long: {message}"
    tokens, most = filter(None, found.groups())
    return f"prompt is too long: {tokens} tokens > {most} maximum"


def _of_member(message: str, param: str) -> str:
    path = path_of(param)
    for begin, words in _WORDINGS:
        if begin.match(message):
            message = begin.sub(words, message, count=1)
            break
    message = message.replace(f"'{param}'", f"'{path}'")
    return message if message.startswith(f"{path}: ") else f"{path}: {message}"
