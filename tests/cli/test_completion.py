"""What shells are given to complete our commands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.typed import run
from zerogravity.cli.completion import VARIABLE

ASKS = "import sys\nfrom zerogravity.cli.main import main\nmain(prog_name='zerogravity')"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_script(shell):
    done = run("completion", shell)
    assert done.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in done.stdout


def test_another_shell_is_refused():
    assert run("completion", "tcsh").exit_code == 2


@pytest.mark.parametrize(("words", "found"), [("zerogravity sce", "scenarios"), ("zerogravity serve --lo", "--log")])
def test_the_script_s_question_is_answered(words, found):
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", ASKS], capture_output=True, text=True, timeout=60, env={**os.environ, **asked}
    )
    assert f"plain,{found}" in done.stdout.splitlines()
