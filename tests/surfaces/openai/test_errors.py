"""Faults of our own in OpenAI's form, and the delay as clients parse it."""

from __future__ import annotations

import pytest

from zerogravity.errors import Fault, Origin, bad_request
from zerogravity.surfaces.openai.errors import openai_error


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "authentication_error"), (403, "permission_error"), (404, "invalid_request_error")]
)
def test_the_clients_own_key(status: int, kind: str) -> None:
    assert openai_error(bad_request("m", status=status).fault).body["error"]["type"] == kind


def test_an_mcp_server_that_does_not_list_its_tools_has_the_type_that_openai_gives_it() -> None:
    fault = bad_request("Error retrieving tool list", status=424, param="tools", code="http_error").fault
    error = openai_error(fault).body["error"]
    assert (error["type"], error["param"], error["code"]) == ("external_connector_error", "tools", "http_error")


@pytest.mark.parametrize(
    ("delay", "words"),
    [(0.0, "1s"), (0.4794, "1s"), (1.0001, "2s"), (9.99, "10s"), (22, "22s"), (3600, "3600s"), (123456.7, "123457s")],
)  # fmt: skip
def test_delays_are_written_in_plain_digits_and_as_in_the_header(delay: float, words: str) -> None:
    answer = openai_error(Fault(Origin.UPSTREAM, 429, "rate_limit_exceeded", "Slow down", retry_after=delay))
    assert answer.body["error"]["message"] == f"Slow down. Please try again in {words}."
    assert f"{answer.headers['Retry-After']}s" == words
