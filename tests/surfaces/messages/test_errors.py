"""Every fault in Anthropic's form: status, type, words, headers."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from zerogravity import deadlines, errors
from zerogravity.backends.antigravity import errors as editor
from zerogravity.backends.runtime import errors as runtime
from zerogravity.config import Limits
from zerogravity.errors import Fault, FaultError, Origin, Termination, bad_request, internal
from zerogravity.server.body import overloaded
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.messages.errors import TYPES, error_object, messages_error, path_of
from zerogravity.wire.google_errors import decode_error

PUBLISHED = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "api_error", "overloaded_error", "timeout_error",
}  # fmt: skip


def google(code: int, status: str = "", message: str = "m", **more: Any) -> Fault:
    body = {"error": {"code": code, "message": message, "status": status, **more}}
    return decode_error(code, {}, json.dumps(body).encode())


def quota(name: str) -> list[dict[str, Any]]:
    info = "type.googleapis.com/google.rpc.QuotaFailure"
    return [{"@type": info, "violations": [{"quotaId": name}]}]


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry"),
    [
        (bad_request("m").fault, 400, "invalid_request_error", False),
        (bad_request("m", code="invalid_api_key", status=401).fault, 401, "authentication_error", False),
        (bad_request("m", code="foreign_origin", status=403).fault, 403, "permission_error", False),
        (bad_request("m", code="unknown_url", status=404).fault, 404, "not_found_error", False),
        (bad_request("m", status=405).fault, 405, "invalid_request_error", False),
        (bad_request("m", status=408).fault, 408, "timeout_error", False),
        (bad_request("m", status=413).fault, 413, "request_too_large", False),
        (bad_request("m", status=415).fault, 415, "invalid_request_error", False),
        (bad_request("m", status=421).fault, 421, "invalid_request_error", False),
        (bad_request("m", status=431).fault, 431, "invalid_request_error", False),
        (overloaded("m").fault, 503, "overloaded_error", True),
        (google(400, "INVALID_ARGUMENT"), 400, "invalid_request_error", False),
        (google(401, "UNAUTHENTICATED"), 403, "permission_error", False),
        (google(402), 402, "billing_error", False),
        (google(403, "PERMISSION_DENIED"), 403, "permission_error", False),
        (google(404, "NOT_FOUND"), 404, "not_found_error", False),
        (google(409, "ABORTED"), 409, "invalid_request_error", True),
        (google(413), 413, "request_too_large", False),
        (google(429, "RESOURCE_EXHAUSTED"), 429, "rate_limit_error", True),
        (google(429, "RESOURCE_EXHAUSTED", details=quota("PerDayPerProject")), 429, "rate_limit_error", False),
        (google(500, "INTERNAL"), 500, "api_error", True),
        (google(501, "UNIMPLEMENTED"), 501, "api_error", True),
        (google(503, "UNAVAILABLE"), 503, "overloaded_error", True),
        (google(504, "DEADLINE_EXCEEDED"), 504, "timeout_error", True),
        (google(529), 529, "overloaded_error", True),
        (errors.unreachable("m"), 502, "api_error", True),
        (errors.certificate_refused("m"), 502, "api_error", True),
        (errors.not_an_endpoint(), 502, "api_error", True),
        (errors.garbage("m"), 502, "api_error", True),
        (errors.cancelled(), 499, "api_error", True),
        (errors.cancelled(Termination.CLIENT_GONE), 499, "api_error", True),
        (errors.shutting_down(), 503, "api_error", True),
        (internal(), 500, "api_error", True),
        (internal("m", Termination.LIMIT_BYTES, status=502), 502, "api_error", True),
        (editor.not_logged_in(), 403, "permission_error", False),
        (editor.gone("m"), 503, "api_error", True),
        (runtime.absent("m"), 503, "api_error", True),
        (runtime.refused("m"), 502, "api_error", True),
        (deadlines.queue_timeout(Limits()), 503, "overloaded_error", True),  # pyright: ignore[reportCallIssue]
        (deadlines.queue_full(4, 50), 503, "overloaded_error", True),
    ],
)
def test_every_fault(fault: Fault, status: int, kind: str, retry: bool) -> None:
    answer = messages_error(fault, "req_1")
    assert (answer.status, answer.body["type"], answer.body["error"]["type"]) == (status, "error", kind)
    assert answer.body["error"].keys() == {"type", "message"}
    assert answer.body["request_id"] == "req_1"
    assert (answer.headers.get("x-should-retry") != "false") is retry


@pytest.mark.parametrize("status", [*range(400, 432), 499, *range(500, 505), 529])
def test_types_are_published_and_401_is_the_clients_own(status: int) -> None:
    for origin, termination in product(Origin, Termination):
        answer = messages_error(Fault(origin, status, "code", "m", termination=termination))
        own = origin is Origin.CLIENT
        assert answer.body["error"]["type"] in PUBLISHED
        assert (answer.body["error"]["type"] == "authentication_error") == (status == 401 and own)
        assert answer.status == (403 if status == 401 and not own else status)


def test_all_types_are_published() -> None:
    assert set(TYPES.values()) <= PUBLISHED


def test_rate_limits_say_how_long() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "21.4s"}]
    assert messages_error(google(429, "RESOURCE_EXHAUSTED", details=details)).headers["Retry-After"] == "22"
    assert messages_error(deadlines.queue_full(4, 50)).headers["Retry-After"] == "10"


# -- words ---------------------------------------------------------------------------------------------------------

MEMBERS = [
    (fields.missing("max_tokens"), "max_tokens: Field required"),
    (fields.missing("messages[3].content[0].source.data"), "messages.3.content.0.source.data: Field required"),
    (fields.invalid_type("system", "a string", 7), "system: Input should be a string, not an integer"),
    (fields.invalid_type("messages[0]", "an object", None), "messages.0: Input should be an object, not null"),
    (fields.invalid_value("messages[0].role", "tool", ("user", "assistant")),
     "messages.0.role: Invalid value: 'tool'. Supported values are: 'user', 'assistant'."),
    (fields.unsupported("container", "is not supported by this server"), "container: not supported by this server."),
    (fields.unsupported("tools[2]", "may not hold 'x'"), "tools.2: may not hold 'x'."),
    (bad_request("at least one message is required", param="messages", code="empty_array"),
     "messages: at least one message is required"),
    (bad_request("messages.2: no more than that", param="messages[2]"), "messages.2: no more than that"),
    (bad_request("'tools[0].name' is the name of 'tools[0].name', too", param="tools[0].name"),
     "tools.0.name: 'tools.0.name' is the name of 'tools.0.name', too"),
    (bad_request("a[0] is none of a member's", param=None), "a[0] is none of a member's"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "words"), MEMBERS)
def test_messages_begin_with_the_members_path(error: FaultError, words: str) -> None:
    assert error_object(error.fault) == {"type": "invalid_request_error", "message": words}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"n": "x"}, "n: Input should be an integer, not a string"),
        ({"n": -1}, "n: integer below minimum value. Expected a value >= 0, but got -1 instead."),
        ({"n": 9}, "n: integer above maximum value. Expected a value <= 8, but got 9 instead."),
    ],
)
def test_numbers(body: dict[str, object], words: str) -> None:
    with pytest.raises(FaultError) as caught:
        fields.integer(body, "n", lo=0, hi=8)
    assert error_object(caught.value.fault)["message"] == words


@pytest.mark.parametrize("name", ["claude-opus-5-5", "two\nlines"])
def test_an_unknown_model_is_named_and_followed_by_those_there_are(name: str) -> None:
    with pytest.raises(FaultError) as caught:
        Catalogue().resolve(name)
    answer = messages_error(caught.value.fault)
    assert (answer.status, answer.body["error"]["type"]) == (404, "not_found_error")
    assert answer.body["error"]["message"].startswith(f"model: {name} does not exist or is not offered")
    assert "claude-sonnet-4-6" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
         "prompt is too long: 1250074 tokens > 1048576 maximum."),
        ("The input token count 1250074 exceeds the maximum number of tokens allowed 1048576.",
         "prompt is too long: 1250074 tokens > 1048576 maximum."),
        ('{"type":"error","error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}',
         "prompt is too long: 210000 tokens > 200000 maximum."),
        ("The input token count exceeds the maximum number of tokens allowed (1048576).",
         "prompt is too long: The input token count exceeds the maximum number of tokens allowed (1048576)."),
    ],
)  # fmt: skip
def test_a_context_that_is_too_long_in_the_words_that_clients_know(message: str, words: str) -> None:
    fault = google(400, "INVALID_ARGUMENT", message)
    answer = messages_error(fault)
    assert (answer.status, answer.body["error"]["type"]) == (400, "invalid_request_error")
    assert answer.body["error"]["message"] == f"{words} {fault.remedy}"


def test_the_clients_key() -> None:
    fault = bad_request("Incorrect API key provided.", code="invalid_api_key", status=401).fault
    assert error_object(fault)["message"] == "invalid x-api-key: Incorrect API key provided."


def test_the_request_id_is_left_out_where_there_is_none() -> None:
    assert messages_error(internal()).body.keys() == {"type", "error"}
    assert path_of("a[0].b[12][3]") == "a.0.b.12.3"


def test_a_refused_thread_says_so_to_the_sdks() -> None:
    """Their tool runners ask the server to keep the conversation, and go on without at this code only."""
    error = error_object(fields.unsupported("thread", "is not supported").fault)
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert "details" not in error_object(fields.unsupported("container", "is not supported").fault)
