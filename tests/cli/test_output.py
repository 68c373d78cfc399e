"""Results on stdout: JSON that a program reads, tables that a file takes; exit codes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import click
import pytest
from click.testing import CliRunner

from zerogravity.cli import output
from zerogravity.cli.output import as_json, config_file, console, print_json, run


def test_json_is_indented_and_keeps_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": ["é", 1]})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": ["é", 1]}
    assert '\n  "a"' in out and "é" in out and out.endswith("\n")
    assert err == ""


def test_a_table_in_a_file_is_wide_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    made = console()
    made.print("x" * 150 + " :smile: 1234")
    assert made.width == 160
    assert capsys.readouterr().out.splitlines()[0].rstrip() == "x" * 150 + " :smile:"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--json"], 0), (["--config", "none.toml"], 2), (["--config", "."], 2)]
)
def test_options_of_all_commands(arguments: list[str], code: int) -> None:
    @click.command()
    @as_json
    @config_file
    def command(as_json: bool, config_file: str | None) -> None:
        click.echo(f"{as_json} {config_file}")

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code
    assert code or result.output == "True None\n"


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_s_coroutine_decides_the_code(code: int) -> None:
    async def work() -> int:
        return code

    with pytest.raises(SystemExit) as left:
        run(work())
    assert left.value.code == code


def test_an_interrupted_coroutine() -> None:
    async def work() -> int:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
        return 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what runs beside them
    try:
        with pytest.raises(SystemExit) as left:
            run(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert left.value.code == 130


@pytest.mark.parametrize(("terminal", "soon", "barred"), [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)])
def test_a_bar_only_for_terminals_and_what_takes_time(monkeypatch, capsys, terminal, soon, barred) -> None:
    bars: list[tuple[str, int | None]] = []
    real = output._bar

    def bar(what: str, total: int | None):
        bars.append((what, total))
        return real(what, total)

    monkeypatch.setattr(output, "SOON_S", soon)
    monkeypatch.setattr(output, "_bar", bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert list(output.progress(iter("abc"), 3, "exporting")) == ["a", "b", "c"]
    assert bars == ([("exporting", 3)] if barred else [])
    assert capsys.readouterr().out == ""


def test_work_that_says_how_far_it_is_has_a_bar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, float | None]] = []

    class Bar:
        task_ids = (0,)

        def update(self, _: int, *, completed: float, total: float | None) -> None:
            told.append((completed, total))

        def stop(self) -> None:
            told.append((0, None))

    monkeypatch.setattr(output, "SOON_S", 0)
    monkeypatch.setattr(output, "_bar", lambda what, total: Bar())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with output.counting("indexing") as count:
        count(1, 2)
        count(2, 2)
    assert told == [(1, 2), (2, 2), (0, None)]
