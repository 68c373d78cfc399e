"""A command as it is typed."""

from __future__ import annotations

from click.testing import CliRunner, Result

from zerogravity.cli.main import main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])
