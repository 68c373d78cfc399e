"""Recorded turns as an upstream."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from zerogravity.cli import replays


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--speed", "quick"], ["--fault", "explode"]])
def test_replay_refuses_nonsense(run, arguments):
    result = CliRunner().invoke(replays.replay, ["a", "--dir", str(run.made.root), *arguments])
    assert result.exception.fault.status == 400


def test_an_empty_cassette_says_what_to_do(tmp_path):
    result = CliRunner().invoke(replays.cassette, [str(tmp_path)])
    assert result.exit_code == 2
    assert "--record" in result.output


def test_every_command_has_help():
    for command in (replays.replay, replays.cassette):
        assert CliRunner().invoke(command, ["--help"]).exit_code == 0
