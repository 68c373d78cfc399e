"""The command and environment of mitmdump, and one that does not start. Turns through it are in ``tests/e2e``."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.e2e.support import ask
from zerogravity.testing.simulator.stack import Stack, StackError, StackOptions


async def test_a_mitmdump_that_ends_at_once_is_an_error_with_its_words(tmp_path: Path) -> None:
    addon = tmp_path / "addon.py"
    addon.write_text("raise SystemExit('no addon here')\n")
    with pytest.raises(StackError, match=r"the gateway did not start:\n(.|\n)*no addon here"):
        async with Stack(StackOptions(addon=addon)):
            pass


@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_the_users_own_settings_do_not_reach_it(monkeypatch, tmp_path: Path, mode) -> None:
    monkeypatch.setenv("ZEROGRAVITY_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    addon = tmp_path / "addon.py"
    addon.write_text("import os, sys; print(sorted(os.environ), sys.argv); sys.exit(1)\n")
    stack = Stack(StackOptions(mode=mode, addon=addon, settings={"log_level": "debug"}, env={"MINE": "1"}))
    with pytest.raises(StackError) as caught:
        await stack.start()
    await stack.stop()
    shown = str(caught.value)
    assert "ZEROGRAVITY_LISTEN" not in shown
    assert "OTEL_SERVICE_NAME" not in shown
    assert "GOOGLE_GENAI_USE_VERTEXAI" not in shown
    assert stack.inspector_token not in shown
    assert all(one in shown for one in ("'MINE'", "ZEROGRAVITY_LS_CSRF", "zg_log_level=debug"))
    assert ("zg_upstream=" in shown) is (mode == "proxy")
    assert f"mode={'reverse:https' if mode == 'reverse' else 'regular'}" in shown


@pytest.mark.e2e
@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_a_stand_in_of_its_own_process_serves_turns(mode) -> None:
    async with Stack(StackOptions(mode=mode, apart=True)) as stack, aiohttp.ClientSession() as http:
        assert stack.ls is None
        assert stack.google is not None
        assert "simulate" in stack.ls_process.cmdline()
        assert (await ask(stack, http, "chat", "sim:text")).error is None
        assert len(stack.google.agent_requests) == 1
