"""What the flags of ``demo`` mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.typed import run
from zerogravity.cli import demonstration
from zerogravity.testing.simulator.stack import StackError, StackOptions

HARNESS = Path("/anywhere/localharness")

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        ([], {"port": 0}),
        (["--serve"], {"stays": True, "port": 8741}),
        (["--serve", "--port", "0"], {"stays": True, "port": 0}),
        (["--port", "9"], {"port": 9}),
        (["--mode", "proxy", "--upstream", "http://u:1", "--api", "public"],
         {"mode": "proxy", "upstream": "http://u:1", "api": "public"}),
        (["--trace", "there"], {"settings": {"trace_dir": "there"}}),
        (["--real"], {"runtime": HARNESS}),
        (["--serve", "--real", "--mode", "proxy"],
         {"stays": True, "port": 8741, "mode": "proxy", "runtime": HARNESS}),
    ],
    ids=str,
)  # fmt: skip
def test_demo(monkeypatch: pytest.MonkeyPatch, arguments: list[str], called: dict[str, Any]) -> None:
    usual = {"mode": "reverse", "port": 0, "upstream": None, "api": "auto", "upstream_ca": None, "settings": {},
             "runtime": None}  # fmt: skip
    monkeypatch.setattr(demonstration, "real_runtime", lambda: HARNESS)
    calls: list[dict[str, Any]] = []
    for name in ("run", "serve"):

        async def work(given: StackOptions, stays: bool = name == "serve") -> int:
            calls.append({name: getattr(given, name) for name in usual} | {"stays": stays})
            return 0

        monkeypatch.setattr(demonstration, name, work)
    result = run("demo", *arguments)
    assert (result.exit_code, calls) == (0, [{"stays": False, **usual, **called}])


@pytest.mark.parametrize(
    ("arguments", "environment", "token"),
    [
        (["--serve"], {"ZEROGRAVITY_INSPECTOR_TOKEN": "mine"}, "mine"),
        ([], {"ZEROGRAVITY_INSPECTOR_TOKEN": "mine"}, ""),
        (["--serve"], {"ZEROGRAVITY_INSPECTOR": "false"}, ""), (["--serve"], {"ZEROGRAVITY_LISTEN": "nonsense"}, ""),
    ],
)  # fmt: skip
def test_one_that_stays_has_the_users_inspector_token(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str], token: str
) -> None:
    given = list[StackOptions]()

    async def work(options: StackOptions) -> int:
        given.append(options)
        return 0

    for name in ("run", "serve"):
        monkeypatch.setattr(demonstration, name, work)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run("demo", *arguments).exit_code == 0
    assert [options.inspector_token for options in given] == [token]


def test_the_runtime_knows_the_public_api_only() -> None:
    result = run("demo", "--real", "--api", "v1internal")
    assert result.exit_code == 2
    assert "the runtime calls the public API" in result.stderr


def test_a_demo_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: StackOptions) -> int:
        raise StackError("the gateway did not start:\nport in use")

    monkeypatch.setattr(demonstration, "run", fails)
    result = run("demo")
    assert (result.exit_code, result.stderr) == (1, "zerogravity: the gateway did not start:\nport in use\n")
