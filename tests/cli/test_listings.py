"""Lists: what a gateway offers, what its stand-in can be told."""

from __future__ import annotations

from dataclasses import replace

from tests.cli.printed import output
from tests.cli.typed import run
from zerogravity.cli import listings
from zerogravity.observe import offered
from zerogravity.observe.offered import Offered

FLASH = Offered("gemini-3-flash", "Gemini 3 Flash", 1_048_576, 65_536, ("gpt-5-mini",))


def test_models(home, monkeypatch):
    async def fetch(url, key, aliases):
        assert (url, key, aliases["gpt-5"]) == ("http://127.0.0.1:8741", None, "gemini-3.1-pro")
        return [FLASH]

    monkeypatch.setattr(offered, "fetch", fetch)
    shown = run("models").stdout.splitlines()[-1]
    for cell in ("gemini-3-flash", "Gemini 3 Flash", "1.0M", "65.5k", "gpt-5-mini"):
        assert cell in shown
    assert output(run("models", "--json")) == [FLASH.as_json()]


def test_models_that_are_left_alone(home, monkeypatch):
    async def fetch(url, key, aliases):
        return [replace(FLASH, cooldown=42.0)]

    monkeypatch.setattr(offered, "fetch", fetch)
    assert "left alone for 42 s gpt-5-mini" in run("models").stdout


def test_no_gateway_no_models(home, unused_tcp_port):
    done = run("models", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert done.exit_code == 1
    assert "start one with: zerogravity serve" in done.stderr


def test_scenarios_are_those_of_the_table():
    rows = listings.keywords()
    assert rows[0] == ("think · text", "thoughts, then text · text alone")
    assert len(rows) > 20
    shown = run("scenarios").stdout
    assert all(words in shown for words in ("429-quota", "parallel-split", "flaky N"))
    assert output(run("scenarios", "--json"))[0] == {
        "keywords": ["think", "text"], "answer": "thoughts, then text · text alone",
    }  # fmt: skip
