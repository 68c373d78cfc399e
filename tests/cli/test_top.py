"""One frame of a running gateway; what is said when there is none."""

from __future__ import annotations

import pytest

from tests.cli.printed import output
from tests.cli.typed import run
from zerogravity.observe import top

pytestmark = pytest.mark.usefixtures("home")
EVENT = {"all": True, "turns": [], "gone": [], "health": {"active": 3, "waiting": 1, "checks": []}}


@pytest.fixture
def fed(monkeypatch):
    async def feed(url, token):
        assert len(token) >= 24
        while True:
            yield EVENT

    monkeypatch.setattr(top, "feed", feed)


@pytest.mark.parametrize("flags", [["--once"], []], ids=["once", "a pipe"])
def test_one_frame(fed, flags):
    done = run("top", *flags)
    assert done.exit_code == 0
    assert "http://127.0.0.1:8741  3 running · 1 waiting" in done.stdout


def test_as_json(fed):
    made = output(run("top", "--json"))
    assert (made["active"], made["waiting"], made["running"], made["last"]) == (3, 1, [], [])


def test_no_gateway(unused_tcp_port):
    done = run("top", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "start one with: zerogravity serve" in done.stderr


def test_no_inspector(monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_INSPECTOR", "false")
    assert "the inspector is off" in run("top").stderr
