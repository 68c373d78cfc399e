"""Which servers a request may name, and how each is reached."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.config import Config
from zerogravity.core.turn import ToolServer
from zerogravity.errors import Fault, FaultError
from zerogravity.mcp import servers
from zerogravity.mcp.servers import Endpoint, endpoints

WEB = "https://s.example/mcp"
CONFIG = Config.model_validate({
    "mcp": True,
    "mcp_servers": {
        "files": {"command": "files-mcp", "args": ["-v"], "env": {"KEY": "k"}, "allowed_tools": ["read", "list"]},
        "local": {"url": "http://127.0.0.1:7/mcp", "authorization": "t", "headers": {"X-Key": "ours"},
                  "require_approval": {"never": ["read"]}},
    },
})  # fmt: skip
OFF = CONFIG.model_copy(update={"mcp": False})


def of(server: ToolServer, config: Config = CONFIG, surface: str = "responses") -> Endpoint:
    [made] = endpoints([server], config, surface)
    return made


def refusal(server: ToolServer, config: Config = CONFIG, surface: str = "responses") -> Fault:
    with pytest.raises(FaultError) as caught:
        of(server, config, surface)
    return caught.value.fault


def test_a_server_of_a_request() -> None:
    made = of(ToolServer("s", WEB, headers={"Authorization": "Bearer x"}))
    assert (made.url, made.headers, made.public, made.configured) == (WEB, {"Authorization": "Bearer x"}, True, False)


def test_a_configured_command() -> None:
    made = of(ToolServer("files"), OFF)
    assert (made.command, made.args, dict(made.env), made.public) == ("files-mcp", ("-v",), {"KEY": "k"}, False)


def test_what_a_server_s_headers_hold_is_masked_where_it_says_it() -> None:
    headers = {
        "Authorization": "Bearer t0ken-of-it",
        "X-Key": "k3y-of-it",
        "X-Mode": "fast",
        "Accept-Language": "de-DE-1996",
        "X-MCP-Toolsets": "pull_requests",
        "Notion-Version": "2022-06-28",
        "X-Tenant": "f00-a-word-of-n0body-else",
    }
    endpoint = Endpoint("s", WEB, headers)
    assert endpoint.masked("no t0ken-of-it") == "no [redacted]"
    assert endpoint.masked("Bearer t0ken-of-it, k3y-of-it") == "[redacted], [redacted]"
    assert endpoint.masked("at f00-a-word-of-n0body-else") == "at [redacted]"
    for text in ("fast", "de-DE-1996", "Bearer", "", "my pull_requests of 2022-06-28"):
        assert endpoint.masked(text) == text


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:7/mcp"])
def test_a_configured_url_may_be_local(url: str) -> None:
    made = of(ToolServer("local", url, headers={"x-key": "theirs", "X-More": "1"}), OFF)
    assert made.headers == {"X-More": "1", "Authorization": "Bearer t", "X-Key": "ours"}
    assert (made.public, made.configured) == (False, True)


@pytest.mark.parametrize(
    ("server", "config", "words"),
    [
        (ToolServer("s", WEB), OFF, "Set mcp = true in the configuration"),
        (ToolServer("other"), CONFIG, "no MCP server of the name 'other' is configured"),
        (ToolServer("local", WEB), OFF, "MCP servers of requests are off"),
        (ToolServer("s", "http://s.example/mcp"), CONFIG, "only plain https URLs"),
        (ToolServer("s", "http://127.0.0.1:7/mcp"), CONFIG, "only plain https URLs"),
        (ToolServer("s", "https://u:p@s.example/"), CONFIG, "only plain https URLs"),
        (ToolServer("s", "file:///etc/passwd"), CONFIG, "only plain https URLs"),
        (ToolServer("s", "https://["), CONFIG, "it is no URL"),
        (ToolServer("s", WEB, headers={"Host": "x"}), CONFIG, "the header 'Host' is not the client's to set"),
        (ToolServer("s", WEB, headers={"Transfer-Encoding": "x"}), CONFIG, "is not the client's to set"),
        (ToolServer("s", WEB, headers={"X Y": "x"}), CONFIG, "a header has a name that HTTP does not allow"),
        (ToolServer("s", WEB, headers={"X": "a\r\nHost: b"}), CONFIG, "has a value that HTTP does not allow"),
        (ToolServer("local", headers={"X": "\0"}), CONFIG, "has a value that HTTP does not allow"),
        (ToolServer("files", headers={"X": "y"}), CONFIG, "is a command, which takes no headers"),
    ],
)
def test_what_is_refused(server: ToolServer, config: Config, words: str) -> None:
    named = ToolServer(server.label, server.url, headers=server.headers, param="tools[1]")
    fault = refusal(named, config)
    assert (fault.status, fault.param) == (400, "tools[1]")
    assert words in fault.message
    assert "u:p" not in fault.message


def test_approval_can_be_asked_for_by_responses_only() -> None:
    assert "only /v1/responses can ask for" in refusal(ToolServer("local", approval="never"), surface="chat").message
    assert of(ToolServer("files", approval="never"), surface="chat").command


@pytest.mark.parametrize(
    ("label", "allowed", "expected"),
    [
        ("files", None, ["read", "list"]),
        ("files", ["read", "write"], ["read"]),
        ("files", {"read_only": True}, ["read"]),
        ("files", [], []),
        ("local", None, ["read", "list", "write"]),
    ],
)
def test_a_tool_must_be_allowed_by_both(label: str, allowed: Any, expected: list[str]) -> None:
    tools = [{"name": "read", "annotations": {"readOnlyHint": True}}, {"name": "list"}, {"name": "write"}]
    made = of(ToolServer(label, allowed=allowed))
    assert [tool["name"] for tool in tools if made.allows(tool)] == expected


@pytest.mark.parametrize(
    ("label", "approval", "expected"),
    [
        ("files", "never", []),
        ("files", "always", ["read", "write"]),
        ("files", {"never": {"tool_names": ["read"]}}, ["write"]),
        ("files", {"never": {"read_only": True}}, ["write"]),
        ("files", {"always": {"tool_names": ["read"]}}, ["read"]),
        ("files", {"always": {"tool_names": ["read"]}, "never": {"read_only": True}}, ["read", "write"]),
        ("files", {}, ["read", "write"]),
        ("local", "never", ["write"]),
        ("local", {"always": {"tool_names": ["read"]}}, ["read", "write"]),
    ],
)
def test_a_call_asks_if_one_of_both_wants_it_to(label: str, approval: Any, expected: list[str]) -> None:
    tools = [{"name": "read", "annotations": {"readOnlyHint": True}}, {"name": "write"}]
    made = of(ToolServer(label, approval=approval))
    assert [tool["name"] for tool in tools if made.asks(tool)] == expected


def test_without_the_package_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda name: None)
    fault = refusal(ToolServer("s", WEB))
    assert (fault.status, fault.code) == (501, "mcp_not_installed")
    assert "pip install 'zerogravity[mcp]'" in fault.full_message
    assert endpoints([], CONFIG, "responses") == []


def test_nothing_secret_is_in_its_words() -> None:
    made = of(ToolServer("local", headers={"X-More": "secret"}))
    assert "secret" not in repr(made)
    assert "Bearer" not in repr(made)
