"""What a child process is given: metadata on stdin, a proxy in the environment."""

from __future__ import annotations

import pytest

from zerogravity.testing.simulator.language_server.child import StdinError, proxy_for, read_metadata

NAME = b"\x0a\x0bantigravity"  # ide_name


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (NAME, {1: [b"antigravity"]}),
        (NAME + b"\x22\x02en\x30\x01", {1: [b"antigravity"], 4: [b"en"], 6: [1]}),
        (b"\xea\x01\x00", {29: [b""]}),
        (b"\x0a\x01a\x0a\x01b", {1: [b"a", b"b"]}),
        (b"\x09" + bytes(8) + b"\x15" + bytes(4), {1: [bytes(8)], 2: [bytes(4)]}),
        (b"\x08\xac\x02", {1: [300]}),
    ],
)
def test_metadata_is_read(data: bytes, fields: dict[int, list[object]]) -> None:
    assert read_metadata(data) == fields


def test_no_metadata_at_all() -> None:
    with pytest.raises(StdinError, match="initial metadata is nil"):
        read_metadata(b"")


@pytest.mark.parametrize("data", [b"{}", NAME[:-1], b"\x0a", b"\x00\x01", b"\x0b", b"\x0f\x01", b"\x08" + b"\xff" * 11])
def test_metadata_that_is_none(data: bytes) -> None:
    with pytest.raises(StdinError, match="cannot parse invalid wire-format data"):
        read_metadata(data)


@pytest.mark.parametrize(
    ("endpoint", "environment", "proxy"),
    [
        ("https://g.example", {}, None),
        ("https://g.example", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://g.example", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://g.example", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://g.example", {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ("https://g.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.b, .example"}, None),
        ("https://g.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.example"}, None),
        ("https://g.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample,x"}, "http://p:1"),
    ],
)
def test_the_proxy_comes_from_the_environment(endpoint: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(endpoint, environment) == proxy
