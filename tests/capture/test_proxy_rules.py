"""Which entrances are opened, and which targets lead back to ourselves: one table each."""

from __future__ import annotations

import asyncio
import socket

import pytest

from zerogravity.capture.proxy_rules import Mode, bad_mode, is_refused, is_this_machine

HERE, AWAY = "127.0.0.1", "203.0.113.7"
NAMES = {"ours.example": HERE, "theirs.example": AWAY, "both.example": (AWAY, HERE)}


@pytest.mark.parametrize(
    ("mode", "exposed", "word"),
    [
        (Mode("regular"), False, None),
        (Mode("regular", host="localhost"), False, None),
        (Mode("regular", host="::1"), False, None),
        (Mode("regular", host="[::1]"), False, None),
        (Mode("regular", host="127.8.8.8"), False, None),
        *((Mode("regular", host=host), False, "other machines") for host in ("", "0.0.0.0", "::", "10.0.0.1", "pc")),
        (Mode("regular", host="0.0.0.0"), True, None),
        (Mode("regular", host=""), True, None),
        (Mode("upstream", host="0.0.0.0"), False, "other machines"),
        (Mode("socks5", host="0.0.0.0"), False, "other machines"),
        (Mode("transparent", host="0.0.0.0"), False, "other machines"),
        (Mode("transparent"), False, None),
        (Mode("local", host=None), False, None),
        *((Mode("reverse", scheme), False, None) for scheme in ("http", "https", "http3")),
        *((Mode("reverse", scheme), True, "not served") for scheme in ("tcp", "tls", "udp", "dtls", "dns", "quic")),
        (Mode("reverse", "https", "0.0.0.0"), False, "other machines"),
        *((Mode(name), True, "not served") for name in ("wireguard", "tun", "dns")),
    ],
    ids=str,
)
def test_modes(mode: Mode, exposed: bool, word: str | None) -> None:
    why = bad_mode(mode, exposed=exposed)
    assert (why is None) is (word is None)
    assert word is None or word in str(why)
    assert "\n" not in str(why)


@pytest.mark.parametrize(
    ("address", "home"),
    [
        *((one, True) for one in ("127.0.0.1", "127.8.8.8", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1")),
        *((one, True) for one in ("::ffff:0.0.0.0", "0:0:0:0:0:0:0:1")),
        *(
            (one, False)
            for one in (AWAY, "8.8.8.8", "255.255.255.255", "2001:db8::1", "::ffff:203.0.113.7", "name", "")
        ),
    ],
)
def test_addresses_of_this_machine(address: str, home: bool) -> None:
    assert is_this_machine((address, 80)) is home


def test_this_machines_network_addresses_are_its_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((AWAY, 9))
        except OSError:
            pytest.skip("this machine has no network")
        assert is_this_machine(probe.getsockname())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        found = NAMES.get(host, host)
        return [
            one for text in ([found] if isinstance(found, str) else found) for one in real(text, port, *rest, **more)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("host", "refused"),
    [
        *(
            (one, True)
            for one in ("localhost", "LOCALHOST", "LocalHost.", "a.localhost", "127.0.0.1", "127.1", "0x7f.1")
        ),
        *((one, True) for one in ("2130706433", "0177.0.0.1", "0x7f000001", "0", "0.0.0.0", "::", "::1", "127.8.8.8")),
        *((one, True) for one in ("::ffff:127.0.0.1", "::ffff:7f00:1", "ours.example", "both.example")),
        *(
            (one, False)
            for one in (AWAY, "theirs.example", "2001:db8::1", "nobody.invalid", "x" * 70, "", "local host")
        ),
    ],
)
async def test_targets(host: str, refused: bool) -> None:
    async with asyncio.timeout(30):
        assert await is_refused((host, 8741), {8741, 8742}) is refused
        assert await is_refused((host, 8743), {8741, 8742}) is False
        assert await is_refused((host, 8743), {8741, 8742}, stranger=True) is refused
        assert await is_refused((host, 8741), {8741}, blind=True) is True
        assert await is_refused((host, 8743), {8741}, blind=True) is False


async def test_nothing_is_looked_up_for_other_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))
    assert not await is_refused(("ours.example", 443), {8741})
