"""The command as it is typed: help, exit codes, one plain line for whatever goes wrong, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.cli.typed import run
from tests.running import environment
from zerogravity import __version__, certs
from zerogravity.cli.main import COMMANDS, main
from zerogravity.errors import FaultError, bad_request, internal, upstream
from zerogravity.observe.exports import bundle

pytestmark = pytest.mark.usefixtures("home")


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, f"{name} is listed and not there"
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, *path, name)


ALL = dict(commands(main))


def test_every_command_is_known() -> None:
    wanted = {("serve",), ("demo",), ("certs", "new"), ("config", "show"), ("ls",), ("addon-path",), ("doctor",),
              ("simulate", "google"), ("trace", "show")}  # fmt: skip
    assert wanted <= set(ALL)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_two_names(flag: str) -> None:
    """Also once ``service`` has looked at the flags of ``serve``."""
    run("service", "install", "--print", "--", "--no-trace")
    assert "Usage: main serve " in run("serve", flag).stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Usage: main {' '.join(path)} " in result.stdout
    assert ALL[path].help


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_one_of_the_command_s_help(name: str) -> None:
    assert COMMANDS[name][2] == ALL[name,].get_short_help_str(100)


# what may be imported, beside the standard library, before a command does its work
PARSING = {"click", "orjson", "zerogravity", "__editable___zerogravity_0_1_0_finder"}
AS_TYPED = [
    *([*path, "--help"] for path in ((), *ALL)),
    ["--version"], ["addon-path"], ["nothing"], ["serve", "--nonsense"], ["certs", "new", "--days", "0"],
]  # fmt: skip
PROBE = """
import sys
before = {{*sys.modules}}
from importlib.metadata import packages_distributions
from zerogravity.cli.main import main
barred = {{*packages_distributions()}} - {allowed!r} - before
for typed in {typed!r}:
    try:
        main(typed)
    except SystemExit:
        pass
    for name in {{name.partition(".")[0] for name in sys.modules}} & barred:
        sys.exit(f"{{typed}} imports {{name}}")
"""


def test_help_and_mistakes_import_no_more_than_the_parser(tmp_path: Path) -> None:
    """All of them in one fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(typed=AS_TYPED, allowed=PARSING)], capture_output=True, text=True,
        timeout=60, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.splitlines()[-1]


HEAVY = ("aiohttp", "mitmproxy", "prometheus_client", "zerogravity.surfaces.", "zerogravity.testing.")


TRACES = ("asyncio", "pydantic", "yarl", "zerogravity.config", "zerogravity.lifeline")


@pytest.mark.parametrize(
    ("arguments", "further"),
    [(["trace", "ls"], TRACES), (["trace", "ls", "--json"], (*TRACES, "rich")), (["usage"], ())],
)
def test_a_command_imports_only_what_it_needs(tmp_path: Path, arguments: list[str], further: tuple[str, ...]) -> None:
    script = (
        "import sys\nfrom zerogravity.cli.main import main\n"
        "main(sys.argv[1:], standalone_mode=False)\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60,
        env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert "zerogravity.cli.main" in loaded
    allowed = {"zerogravity.surfaces.base", "zerogravity.config_sources"}
    assert [name for name in loaded if name.startswith((*HEAVY, *further)) and name not in allowed] == []


def test_without_arguments_there_is_help() -> None:
    result = run()
    assert result.exit_code == 2
    for path in ALL:
        assert path[0] in result.output


def test_version(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zerogravity", "--version"], capture_output=True, text=True, timeout=60,
        env=environment(tmp_path),
    )  # fmt: skip
    first, *others = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert first == f"zerogravity {__version__} (Python {sys.version.split()[0]})"
    assert [line.split()[0] for line in others] == list(bundle.DEPENDENCIES)
    assert all(re.fullmatch(r"  \w+ \d+\.\d+\S*", line) for line in others)


def test_a_missing_dependency_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "DEPENDENCIES", ("no-such-package",))
    assert run("--version").stdout.splitlines()[1] == "  no-such-package missing"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["serve", "--nonsense"],
        ["serve", "--proxy-port", "0"],
        ["serve", "--proxy-port", "65536"],
        ["serve", "--mode", "sideways"],
        ["serve", "--config", "/no/such/file"],
        ["certs", "new", "--days", "0"],
        ["certs", "new", "--days", "91"],
        ["config", "show", "extra"],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


PLACES = [
    ["{}"], ["{}", "info"], ["--{}"], ["store", "{}"], ["store", "info", "{}"], ["store", "info", "{}", "{}"],
    ["store", "info", "--store={}"], ["store", "info", "--config", "{}"], ["store", "copy", "{}"],
    ["store", "copy", "{}", "--to", "x.db"], ["store", "copy", "--from", "{}"], ["store", "copy", "--to", "{}"],
    ["store", "copy", "--from", "{}", "--to", "{}"], ["store", "copy", "--from={}?x=1", "--to", "x.db"],
    ["store", "purge", "{}"], ["store", "purge", "--older-than", "{}"], ["usage", "{}"], ["usage", "--all", "{}"],
    ["usage", "--all", "--file", "{}"], ["usage", "--file", "{}"], ["usage", "--by", "{}"], ["usage", "-n", "{}"],
    ["serve", "{}"], ["serve", "--store", "{}"], ["serve", "--listen", "{}"], ["serve", "--mode", "{}"],
    ["serve", "--proxy-port", "{}"], ["serve", "--no-mitm", "--google", "{}"], ["serve", "--ls-url", "{}"],
    ["config", "{}"], ["config", "show", "{}"], ["doctor", "{}"], ["status", "{}"], ["status", "--url", "{}"],
    ["top", "{}"], ["models", "{}"], ["trace", "{}"], ["trace", "show", "{}"], ["trace", "ls", "{}"],
    ["trace", "ls", "--root", "{}"], ["run", "{}"], ["run", "--", "{}"], ["run", "--serve", "--store {}", "true"],
    ["replay", "{}"], ["cassette", "{}"], ["simulate", "{}"], ["setup", "{}"], ["service", "{}"], ["open", "{}"],
    ["certs", "{}"], ["completion", "{}"], ["surfaces", "{}"], ["scenarios", "{}"], ["ls", "{}"], ["demo", "{}"],
]  # fmt: skip
WITH_PASSWORD = ["redis://:pw-9f@127.0.0.1:1/0", "redis://user:x@pw-9f@127.0.0.1:1", "redis://:pw-9f"]


@pytest.mark.parametrize("url", WITH_PASSWORD)
@pytest.mark.parametrize("words", PLACES, ids=" ".join)
def test_a_password_in_the_wrong_place_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROGRAVITY_DATA", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    result = run(*(word.format(url) for word in words))
    assert result.exit_code != 0 or "no usage" in result.output
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert "9f" not in result.output


VARIABLES = ["STORE", "LISTEN", "KEY_FILE", "UPSTREAM", "LS_URL", "LIMITS_TURNS", "MODE", "NONSENSE", "LOG", "INSTANCE"]


@pytest.mark.parametrize("url", [*WITH_PASSWORD, "redis://:pw-9f@127.0.0.1:port", "http://:pw-9f@host",
                                 "redis://:pw-9f@127.0.0.1:1/0?nonsense=pw-9f"])  # fmt: skip
@pytest.mark.parametrize("variable", VARIABLES)
def test_nor_is_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEROGRAVITY_DATA", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    monkeypatch.setenv(f"ZEROGRAVITY_{variable}", url)
    for line in ("config show", "store info", "store copy --from x.db", "usage --all", "usage"):
        assert "9f" not in run(*line.split()).output


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (bad_request("no such thing", code="invalid_config"), 2, "zerogravity: no such thing\n"),
        (FaultError(internal("it broke")), 1, "zerogravity: it broke\n"),
        (FaultError(upstream(429, "slow", "slow down")), 1, "zerogravity: slow down\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1,
         "zerogravity: [Errno 13] Permission denied: '/x'\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, said: str
) -> None:
    def fails(*_: object) -> None:
        raise raised

    monkeypatch.setattr(certs, "load", fails)
    result = run("certs", "show")
    assert (result.exit_code, result.stderr) == (code, said)


@pytest.mark.parametrize(
    "words", [("serve",), ("config", "codex"), ("setup", "vscode"), ("service", "install", "--print")]
)
def test_without_a_home_folder_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """As where a container runs as a user that it does not know."""

    def unknown(uid: int) -> object:
        raise KeyError(uid)

    for name in [name for name in os.environ if name.startswith(("XDG_", "ZEROGRAVITY_"))] + ["HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    told = run(*words)
    assert told.exit_code == 1
    assert told.stderr == "zerogravity: this user has no home folder; set HOME to one that may be written to\n"


def test_our_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(certs, "load", fails)
    assert isinstance(run("certs", "show").exception, ZeroDivisionError)
