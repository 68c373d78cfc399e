"""An age on the command line."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from zerogravity.cli.ages import age


@click.command()
@click.option("--age", "seconds", callback=age)
def command(seconds: float | None) -> None:
    click.echo("" if seconds is None else seconds)


@pytest.mark.parametrize(
    ("given", "said"),
    [([], ""), (["--age", "3d"], "259200"), (["--age", "12 H"], "43200"), (["--age", "0s"], "0"),
     (["--age", "2w"], "1209600")],
)  # fmt: skip
def test_ages(given: list[str], said: str) -> None:
    assert CliRunner().invoke(command, given).stdout.strip().removesuffix(".0") == said


@pytest.mark.parametrize("wrong", ["3", "d", "-3d", "3 days", "1.5h", ""])
def test_what_is_no_age(wrong: str) -> None:
    result = CliRunner().invoke(command, ["--age", wrong])
    assert result.exit_code == 2 and "is no age; write one such as 3d or 12h" in result.stderr
