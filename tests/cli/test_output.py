"""Results on stdout: JSON that a program reads, tables that a file takes."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from zerogravity.cli.output import as_json, config_file, console, print_json


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
