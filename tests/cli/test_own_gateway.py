"""A gateway for one run: which, and what is said when there is none. That it starts and ends: ``test_run``."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.support import quick
from tests.running import command, environment
from zerogravity import config as configuration
from zerogravity.cli import own_gateway
from zerogravity.cli.own_gateway import found_or_started
from zerogravity.config import Config
from zerogravity.testing.simulator.stack import Stack, StackOptions


def config(folder: Path, **settings: object) -> Config:
    return configuration.load({"data_dir": str(folder / "data"), **settings}, env={}, file=None).config


async def test_the_one_that_runs_is_used_and_goes_on(tmp_path: Path) -> None:
    async with Stack(StackOptions(ls=quick())) as stack:
        where = config(tmp_path, listen=stack.url.removeprefix("http://"))
        async with found_or_started(where, tmp_path / "logs", ["--no-such-flag"], None) as found:
            assert (found.gateway.url, found.log) == (stack.url, None)
        async with aiohttp.ClientSession() as session, session.get(f"{stack.url}/health") as answer:
            assert answer.status == 200
    assert not (tmp_path / "logs").exists()


async def test_one_that_runs_and_cannot_serve_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_gateway, "READY_S", 0.2)
    variables = {"ZEROGRAVITY_LS_URL": "http://127.0.0.1:9", "ZEROGRAVITY_READY_FILE": str(tmp_path / "ready")}
    async with command(tmp_path, "serve", "--no-mitm", "--listen", "127.0.0.1:0", **variables) as serving:
        await serving.until(re.compile("answers agents on"))
        where = config(tmp_path, listen=(tmp_path / "ready").read_text().strip().removeprefix("http://"))
        with pytest.raises(OSError, match=r"is not ready: language_server: .*\nwhat to do: "):
            async with found_or_started(where, tmp_path, [], None):
                pass


async def test_one_that_cannot_be_started_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=r"did not start:\n(.*\n)*.*No such option.*\nits log: .*serve\.log"):
        async with found_or_started(config(tmp_path, listen="127.0.0.1:0"), tmp_path, ["--no-such-flag"], None):
            pass
