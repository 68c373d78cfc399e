"""The shell scripts: they parse, they can be run, they find a Python that works or say what to do."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
COMMANDS = sorted(
    file for file in SCRIPTS.iterdir() if file.is_file() and file.read_bytes().startswith(b"#!/usr/bin/env bash\n")
)
BASH = shutil.which("bash")
WORKS = f'#!{BASH}\nexec "{sys.executable}" "$@"\n'
SHIM = f'#!{BASH}\necho "pyenv: $(basename "$0"): command not found" >&2\nexit 127\n'
TOO_OLD = f'#!{BASH}\ncase "$2" in *"(3, 12)"*) exit 1;; esac\nexit 0\n'
NO_VENV = f'#!{BASH}\ncase "$2" in *venv*) exit 1;; esac\nexit 0\n'

PINNED = next(
    line for line in (SCRIPTS / "constraints.txt").read_text().splitlines() if line.startswith("google-antigravity")
)

pytestmark = pytest.mark.skipif(BASH is None, reason="the scripts need bash")


@pytest.fixture
def machine(tmp_path: Path):
    """A machine with nothing on PATH but what the scripts need, and the given programs: name → text."""
    folder, home = tmp_path / "bin", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    for tool in ("bash", "env", "dirname", "basename", "cat", "cksum", "grep", "rm", "mkdir"):
        (folder / tool).symlink_to(shutil.which(tool) or f"/no/{tool}")

    def program(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return file

    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BASH), "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path,
            env={"PATH": str(folder), "HOME": str(home), **variables},
        )  # fmt: skip

    def find(**variables: str) -> subprocess.CompletedProcess[str]:
        return run(f'set -euo pipefail; . "{SCRIPTS / "_env.sh"}"; zg_find_python', **variables)

    machine = type("Machine", (), {})
    machine.path, machine.program, machine.run, machine.find = tmp_path, program, run, find
    return machine


# -- files ---------------------------------------------------------------------------------------------------------


def test_there_are_scripts() -> None:
    assert {"demo", "test"} <= {file.name for file in COMMANDS}


@pytest.mark.parametrize("file", [*COMMANDS, SCRIPTS / "_env.sh"], ids=lambda file: file.name)
def test_they_parse(file: Path) -> None:
    done = subprocess.run([str(BASH), "-n", file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.name)
def test_they_can_be_run_and_stop_at_what_fails(file: Path) -> None:
    assert os.access(file, os.X_OK)
    assert "\nset -euo pipefail\n" in file.read_text()


def test_constraints_are_versions_of_what_is_needed() -> None:
    lines = (SCRIPTS / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert pinned
    assert all("==" in line for line in pinned)


# -- which Python --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["python3.13", "python3.12", "python3.14", "python3", "python"])
def test_any_name_will_do(machine, name: str) -> None:
    file = machine.program(f"bin/{name}", WORKS)
    done = machine.find()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}\n", "")


def test_newest_first_but_not_before_it_is_tried(machine) -> None:
    for name in ("python3", "python3.12", "python3.13"):
        machine.program(f"bin/{name}", WORKS)
    assert machine.find().stdout == f"{machine.path}/bin/python3.13\n"


@pytest.mark.parametrize("text", [SHIM, TOO_OLD, NO_VENV], ids=["shim", "too old", "without venv"])
def test_one_that_will_not_do_is_passed_over(machine, text: str) -> None:
    for name in ("python3.13", "python3.12", "python3"):
        machine.program(f"bin/{name}", text)
    good = machine.program("bin/python", WORKS)
    done = machine.find()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{good}\n", "")


def test_the_one_that_is_given_comes_first(machine) -> None:
    machine.program("bin/python3.13", WORKS)
    mine = machine.program("mine/python", WORKS)
    assert machine.find(PYTHON=str(mine)).stdout == f"{mine}\n"


def test_an_unusable_given_python_is_reported(machine) -> None:
    good = machine.program("bin/python3", WORKS)
    done = machine.find(PYTHON="/no/python")
    assert (done.returncode, done.stdout) == (0, f"{good}\n")
    assert done.stderr == "zerogravity: PYTHON=/no/python is no Python >= 3.12 that runs; looking for another\n"


@pytest.mark.parametrize("variable", ["PYENV_ROOT", "HOME"])
def test_behind_shims_that_do_not_run_there_are_versions(machine, variable: str) -> None:
    for name in ("python3.13", "python3.12", "python3", "python"):
        machine.program(f"bin/{name}", SHIM)
    root = "pyenv" if variable == "PYENV_ROOT" else "other/.pyenv"
    machine.program(f"{root}/versions/3.11.9/bin/python", TOO_OLD)
    good = machine.program(f"{root}/versions/3.13.0/bin/python", WORKS)
    done = machine.find(**{variable: str(machine.path / root.removesuffix("/.pyenv"))})
    assert (done.returncode, done.stdout) == (0, f"{good}\n")


def test_uv_knows_one(machine) -> None:
    good = machine.program("uv-made/python", WORKS)
    machine.program("bin/uv", f'#!{BASH}\n[ "$*" = "python find >=3.12" ] && echo "{good}"\n')
    assert machine.find().stdout == f"{good}\n"


def test_uv_knows_none(machine) -> None:
    machine.program("bin/uv", f"#!{BASH}\necho nothing >&2\nexit 2\n")
    done = machine.find()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


# -- setting up ----------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(machine, tmp_path: Path) -> Path:
    """A copy of the scripts in a checkout where nothing is set up yet."""
    root = tmp_path / "checkout"
    shutil.copytree(SCRIPTS, root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    return root


@pytest.mark.parametrize("shims", [False, True])
@pytest.mark.parametrize("script", ["demo", "test"])
def test_no_python_at_all(machine, checkout: Path, script: str, shims: bool) -> None:
    if shims:
        machine.program("bin/python3", SHIM)
    done = machine.run(f'"{checkout}/scripts/{script}"')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("zerogravity needs Python 3.12 or newer, and none was found that runs.\n")
    for way in ("apt-get install python3.12 python3.12-venv", "pyenv install 3.13", "uv python install", "PYTHON=/"):
        assert way in done.stderr
    assert not (checkout / ".venv").exists()


# A Python whose ``-m venv`` makes an environment out of itself and whose ``-m pip`` writes down what it is asked.
PRETENDS = f"""#!{BASH}
case "$*" in
  --version) echo "Python 3.13.0";;
  "-m venv "*) {{ [ -n "${{NO_ENSUREPIP:-}}" ] && exit 1; }} || mkdir -p "$3/bin"
      {shutil.which("cp")} "$0" "$3/bin/python";;
  "-m pip "*) echo "$*" >> "$LOG"; {{ [ -z "${{PIP:-}}" ] || exit "$PIP"; }}
      case "$*" in *" --target "*) mkdir -p "${{9}}/google/antigravity/bin"
          {shutil.which("cp")} "$0" "${{9}}/google/antigravity/bin/localharness";; esac;;
  *".binary is None"*) exit "${{LACKS:-0}}";;
  "-m zerogravity"*) echo "started: $*${{ANTIGRAVITY_HARNESS_PATH:+ with $ANTIGRAVITY_HARNESS_PATH}}";;
esac
"""


def test_set_up_once_then_only_started(machine, checkout: Path, tmp_path: Path) -> None:
    machine.program("bin/python3", PRETENDS)
    log = tmp_path / "log"
    first = machine.run(f'"{checkout}/scripts/demo" --port 5', LOG=str(log))
    assert (first.returncode, first.stdout) == (0, "started: -m zerogravity demo --port 5\n")
    assert "making .venv with Python 3.13.0" in first.stderr
    asked = log.read_text()
    assert f"-c {checkout}/scripts/constraints.txt -e {checkout}\n" in asked

    again = machine.run(f'"{checkout}/scripts/demo"', LOG=str(log))
    assert (again.returncode, again.stdout, again.stderr) == (0, "started: -m zerogravity demo\n", "")
    assert log.read_text() == asked

    (checkout / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    changed = machine.run(f'"{checkout}/scripts/demo"', LOG=str(log))
    assert changed.returncode == 0
    assert "making .venv" not in changed.stderr
    assert log.read_text() == asked * 2


def test_an_environment_whose_python_is_gone_is_made_anew(machine, checkout: Path, tmp_path: Path) -> None:
    machine.program("bin/python3", PRETENDS)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    (checkout / ".venv" / "left-over").touch()
    done = machine.run(f'"{checkout}/scripts/demo"', LOG=str(tmp_path / "log"))
    assert done.returncode == 0, done.stderr
    assert not (checkout / ".venv" / "left-over").exists()


def test_no_environment_can_be_made(machine, checkout: Path, tmp_path: Path) -> None:
    machine.program("bin/python3", PRETENDS)
    done = machine.run(f'"{checkout}/scripts/demo"', LOG=str(tmp_path / "log"), NO_ENSUREPIP="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "install the package python3-venv" in done.stderr


def test_an_installation_that_fails_is_tried_again(machine, checkout: Path, tmp_path: Path) -> None:
    machine.program("bin/python3", PRETENDS)
    log = tmp_path / "log"
    for tries in (1, 2):
        done = machine.run(f'"{checkout}/scripts/demo"', LOG=str(log), PIP="1")
        assert (done.returncode, done.stdout) == (1, "")
        assert "installation failed; the lines above say why" in done.stderr
        assert len(log.read_text().splitlines()) == tries


# -- Google's runtime ----------------------------------------------------------------------------------------------


@pytest.fixture
def real(machine, checkout: Path, tmp_path: Path):
    """``./scripts/demo`` in an environment that is set up; what it installs then."""
    machine.program("bin/python3", PRETENDS)
    log = tmp_path / "log"

    def run(*arguments: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        log.write_text("")
        done = machine.run(shlex.join([f"{checkout}/scripts/demo", *arguments]), LOG=str(log), **variables)
        return done, log.read_text().splitlines()

    run()
    return run


def test_the_runtime_is_installed_once_beside_the_environment(real, checkout: Path) -> None:
    stamp, folder = checkout / ".venv" / ".zerogravity-run", checkout / ".cache" / "runtime"
    before = stamp.read_text()
    started = f"started: -m zerogravity demo --serve --real with {folder}/google/antigravity/bin/localharness\n"

    first, installed = real("--serve", "--real", LACKS="1")
    assert (first.returncode, first.stdout) == (0, started)
    (line,) = first.stderr.splitlines()
    assert line == f"zerogravity: installing Google's runtime, {PINNED}, in .cache/runtime (once)"
    (command,) = installed
    assert command.endswith(f" --no-deps --target {folder} {PINNED}")

    again, installed = real("--serve", "--real", LACKS="1")
    assert (again.returncode, again.stdout, again.stderr, installed) == (0, started, "", [])

    (folder / ".installed").write_text("google-antigravity==0.0.1\n")
    (folder / "left-over").touch()
    newer, installed = real("--serve", "--real", LACKS="1")
    assert (newer.returncode, newer.stdout, len(installed)) == (0, started, 1)
    assert not (folder / "left-over").exists()
    assert stamp.read_text() == before


def test_the_question_whether_it_is_there_is_one_that_the_package_answers(machine) -> None:
    """Else it would be installed although it is there."""
    question = (SCRIPTS / "_env.sh").read_text().partition("-c 'import sys\n")[2].partition("'")[0]
    assert ".binary is None" in question
    machine.program("bin/localharness", WORKS)
    subprocess.run([sys.executable, "-c", f"import sys\n{question}"], env={"PATH": f"{machine.path}/bin"}, check=True)


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        ([], {"LACKS": "1"}, ""),
        (["--real"], {}, ""),
        (["--real"], {"LACKS": "1", "ANTIGRAVITY_HARNESS_PATH": "/mine"}, " with /mine"),
        (["--trace", "--realistic"], {"LACKS": "1"}, ""),
    ],
    ids=["not asked for", "found", "named", "another word"],
)
def test_the_runtime_is_not_installed(real, arguments: list[str], variables: dict[str, str], named: str) -> None:
    done, installed = real(*arguments, **variables)
    assert (done.returncode, installed, done.stderr) == (0, [], "")
    assert done.stdout == f"{' '.join(['started: -m zerogravity demo', *arguments])}{named}\n"


def test_a_runtime_that_cannot_be_installed_is_tried_again(real) -> None:
    for _ in range(2):
        done, installed = real("--real", LACKS="1", PIP="1")
        assert (done.returncode, done.stdout, len(installed)) == (1, "", 1)
        assert "Google's runtime cannot be installed; the lines above say why" in done.stderr
        assert "name it: ANTIGRAVITY_HARNESS_PATH=FILE ./scripts/demo --real" in done.stderr
