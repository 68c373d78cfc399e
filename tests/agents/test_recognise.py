"""Who sent a request."""

from __future__ import annotations

import pytest

from zerogravity.agents.recognise import Caller, recognise


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({}, Caller()),
        ({"User-Agent": "curl/8.5"}, Caller()),
        ({"User-Agent": "codex_cli_rs/0.90.0 (Debian 13)"}, Caller("codex")),
        (
            {"User-Agent": "claude-cli/2.1.332 (external, cli)", "X-Claude-Code-Session-Id": "ab"},
            Caller("claude-code", "ab"),
        ),
    ],
)
def test_a_program_is_known_by_its_headers(headers, caller):
    assert recognise(headers) == caller
