"""What serve says when it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from zerogravity.cli import banner

URL = "http://127.0.0.1:8741"
LINK = f"{URL}/inspector?token={'t' * 32}"


@pytest.mark.parametrize("colour", [False, True])
def test_it_has_every_address_and_the_next_step(colour):
    shown = banner.text(URL, LINK, Path.home() / "traces", colour=colour)
    for part in (f"{URL}/v1", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", LINK, "~/traces",
                 "zerogravity run -- codex", "zerogravity config codex"):  # fmt: skip
        assert part in shown
    assert ("\x1b[" in shown) is colour


@pytest.mark.parametrize(("keyed", "shown"), [(False, "any key"), (True, "your key")])
def test_it_says_whether_the_key_matters(keyed, shown):
    assert f"OPENAI_BASE_URL; {shown}\n" in banner.text(URL, None, None, keyed=keyed)


def test_it_fits_80_columns():
    assert max(map(len, banner.text(URL, None, Path("/var/traces")).splitlines())) <= 80, "but for the link"


def test_no_inspector_no_link():
    assert "inspector" not in banner.text(URL, None, None)


@pytest.mark.parametrize(("traces", "shown"), [(None, "traces     off"), (Path("/var/traces"), "/var/traces")])
def test_where_traces_go(traces, shown):
    assert shown in banner.text(URL, None, traces)


def test_machines_get_the_address_in_the_log_and_the_link_never(capsys, caplog):
    caplog.set_level("INFO", "zerogravity")
    banner.show(URL, LINK, None, "json")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"inspector: {LINK}\n")
    assert caplog.messages == [f"zerogravity answers agents on {URL}"]


def test_people_get_it_on_stderr(capsys):
    banner.show(URL, LINK, None, "text")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", banner.text(URL, LINK, None) + "\n")
