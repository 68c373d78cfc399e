"""The command as it is typed: help, exit codes, one plain line for whatever goes wrong, never a traceback."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import errno
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import click
import pytest
from click.testing import CliRunner, Result

from tests.running import URL, command, environment, taken
from zerogravity import __version__, certs
from zerogravity.backends.antigravity import discover, repointed
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.runtime import discover as runtimes
from zerogravity.capture import master
from zerogravity.cli import demo, main
from zerogravity.errors import FaultError, bad_request, internal, upstream
from zerogravity.hosts import free_port
from zerogravity.observe.exports import bundle
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions
from zerogravity.testing.simulator.stack import StackError, StackOptions

HARNESS = Path("/anywhere/localharness")
OPEN = "lets other machines use your account: set a key (ZEROGRAVITY_KEY or --key), or listen on 127.0.0.1"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings and no authority of the person who runs the tests."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in [name for name in main.configuration.os.environ if name.startswith("ZEROGRAVITY_")]:
        monkeypatch.delenv(name)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main.main, [str(one) for one in arguments])


# -- help and version ----------------------------------------------------------------------------------------------


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, f"{name} is listed and not there"
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, *path, name)


ALL = dict(commands(main.main))


def test_every_command_is_known() -> None:
    wanted = {("serve",), ("demo",), ("certs", "new"), ("config", "show"), ("ls",), ("addon-path",), ("doctor",),
              ("simulate", "google"), ("trace", "show")}  # fmt: skip
    assert wanted <= set(ALL)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_has_two_names(flag: str) -> None:
    assert "Usage: main serve " in run("serve", flag).stdout


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Usage: main {' '.join(path)} " in result.stdout
    assert ALL[path].help


@pytest.mark.parametrize("name", main.LAZY)
def test_the_summary_of_a_lazy_command_is_the_one_of_its_help(name: str) -> None:
    assert main.LAZY[name][1] == ALL[name,].get_short_help_str(100)


HEAVY = ("aiohttp", "mitmproxy", "prometheus_client", "zerogravity.surfaces.", "zerogravity.testing.")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["trace", "--help"], ["trace", "ls"], ["usage"], ["doctor", "--help"], ["addon-path"]]
)
def test_a_command_imports_only_what_it_needs(tmp_path: Path, arguments: list[str]) -> None:
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
    assert [name for name in loaded if name.startswith(HEAVY) and name != "zerogravity.surfaces.base"] == []


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


# -- exit codes ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("arguments", "flag", "where"),
    [
        (["--no-mitm", "--set", "ssl_insecure=true"], "--set", "without interception"),
        (["--no-mitm", "--mode", "proxy"], "--mode", "without interception"),
        (["--no-mitm", "--proxy-port", "8742"], "--proxy-port", "without interception"),
        (["--no-mitm", "--passive"], "--passive", "without interception"),
        (["--mode", "proxy", "--google", "http://127.0.0.1:1"], "--google", "in proxy mode"),
        (["--certs-dir", "ca"], "--certs-dir", "in reverse mode"),
        (["--no-mitm", "--repoint"], "repoint", "without interception"),
        (["--mode", "proxy", "--repoint"], "repoint", "in proxy mode"),
        (["--ls-command", "language_server", "--repoint"], "repoint", "with ls_command"),
    ],
)
def test_flags_that_would_do_nothing_are_refused(arguments: list[str], flag: str, where: str) -> None:
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert f"{flag} has no effect {where}" in result.stderr


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

    monkeypatch.setattr(main.certs, "load", fails)
    result = run("certs", "show")
    assert (result.exit_code, result.stderr) == (code, said)


def test_our_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main.certs, "load", fails)
    assert isinstance(run("certs", "show").exception, ZeroDivisionError)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_s_coroutine_decides_the_code(code: int) -> None:
    async def work() -> int:
        return code

    with pytest.raises(SystemExit) as left:
        main.run(work())
    assert left.value.code == code


def test_an_interrupted_coroutine() -> None:
    async def work() -> int:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()
        return 0

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what runs beside them
    try:
        with pytest.raises(SystemExit) as left:
            main.run(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert left.value.code == 130


# -- config --------------------------------------------------------------------------------------------------------


def test_config_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEY", "s3cret-key")
    file = tmp_path / "given.toml"
    file.write_text('allowed_hosts = ["a", "b"]\n[limits]\nturns = 9')
    as_json = run("config", "show", "--config", file, "--json")
    assert as_json.exit_code == 0
    rows = {row["name"]: (row["value"], row["origin"]) for row in json.loads(as_json.stdout)}
    assert rows["limits.turns"] == (9, f"file {file}")
    assert rows["allowed_hosts"] == (["a", "b"], f"file {file}")
    assert rows["listen"] == ("127.0.0.1:8741", "default")
    value, origin = rows["key"]
    assert (value[:12], origin) == ("set (sha256 ", "env ZEROGRAVITY_KEY")
    assert set(rows) == set(main.configuration.NAMES)
    as_text = run("config", "show", "--config", file)
    assert re.search(rf"^limits\.turns +9 +file {re.escape(str(file))}$", as_text.stdout, re.M)
    assert as_text.stderr == f"file: {file}\n"
    assert "s3cret" not in as_json.output + as_text.output


def test_config_show_names_the_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main.configuration, "user_config_path", lambda _name: tmp_path)
    monkeypatch.delenv("ZEROGRAVITY_CONFIG", raising=False)
    assert run("config", "show").stderr == f"file: {tmp_path / 'config.toml'} (does not exist)\n"


def test_config_show_of_refused_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEYY", "s3cret-key")
    result = run("config", "show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "zerogravity: unknown setting ZEROGRAVITY_KEYY (env ZEROGRAVITY_KEYY); did you mean ZEROGRAVITY_KEY?\n"
    )


# -- certs ---------------------------------------------------------------------------------------------------------


def test_an_authority_s_life(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    made = run("certs", "new", "--dir", folder, "--days", 3)
    shown = run("certs", "show", "--dir", folder)
    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert made.stdout == shown.stdout
    expires = certs.load(folder).expires
    assert f"expires     {expires:%Y-%m-%d}" in shown.stdout
    assert dt.timedelta(days=2, hours=23) < expires - dt.datetime.now(dt.UTC) <= dt.timedelta(days=3)
    assert "daily-cloudcode-pa.googleapis.com" in shown.stdout
    assert f"  SSL_CERT_FILE={folder / 'bundle.pem'}" in shown.stdout
    assert "PRIVATE" not in shown.stdout

    assert run("certs", "remove", "--dir", folder).stdout == f"removed from {folder}\n"
    assert list(folder.iterdir()) == []
    again = run("certs", "remove", "--dir", folder)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith(f"zerogravity: no certificate authority in {folder}; ")


def test_an_authority_s_usual_place() -> None:
    assert run("certs", "new").exit_code == 0
    assert (main.certs_home() / "mitmproxy-ca.pem").exists()
    assert run("certs", "show").exit_code == 0
    assert run("certs", "remove").exit_code == 0
    assert not (main.certs_home() / "mitmproxy-ca.pem").exists()


def test_an_authority_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "mitmproxy-ca.pem").write_text("theirs")
    (tmp_path / "mitmproxy-ca.pem").chmod(0o600)
    for what in ("new", "remove", "show"):
        result = run("certs", what, "--dir", tmp_path)
        assert result.exit_code == 1
        assert "move it away" in result.stderr
    assert (tmp_path / "mitmproxy-ca.pem").read_text() == "theirs"


def test_an_authority_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("certs", "new", "--dir", tmp_path / "file" / "ca")
    assert result.exit_code == 1
    assert re.fullmatch(r"zerogravity: \[Errno \d+\] .*\n", result.stderr)


# -- addon-path, ls ------------------------------------------------------------------------------------------------


def test_the_addon_is_one_that_mitmdump_loads(tmp_path: Path) -> None:
    path = run("addon-path").stdout.strip()
    assert Path(path).is_file()
    done = subprocess.run(
        [Path(sys.executable).parent / "mitmdump", "-s", path, "--options"], capture_output=True, text=True,
        timeout=60, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0
    assert re.search(r"^zg_listen:", done.stdout, re.M)
    assert "Traceback" not in done.stderr


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[discover.Found]:
    """What the next search for language servers brings."""
    running: list[discover.Found] = []

    async def find_all(*, csrf: str | None, cert: Path | None) -> list[discover.Found]:
        return [dataclasses.replace(one, process=dataclasses.replace(one.process, csrf=csrf or "")) for one in running]

    monkeypatch.setattr(discover, "find_all", find_all)
    monkeypatch.setattr(runtimes, "running", list)
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", "/no/such/localharness")
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.delenv(name, raising=False)
    return running


EDITORS = discover.Found(
    discover.Process(11, "core", "its-token", (42100,)), Endpoint("https://127.0.0.1:42100", "its-token"), True
)


def test_nothing_to_choose(found: list[discover.Found]) -> None:
    as_text, as_json = run("ls"), run("ls", "--json")
    assert (as_text.exit_code, as_json.exit_code) == (1, 1)
    told = json.loads(as_json.stdout)
    assert told["language_servers"] == []
    assert told["serve"] == {
        "ls": "editor",
        "why": "there is no other: /no/such/localharness is no program that can be run",
    }
    hint = "start your editor, pass the URL of one to serve with --ls-url, or use the runtime"
    lines = as_text.stdout.splitlines()
    assert lines[0] == f"no editor's language server is running here: {hint}"
    assert (
        lines[-1]
        == "serve would choose: editor (there is no other: /no/such/localharness is no program that can be run)"
    )
    assert [line.split()[0] for line in lines[1:-1]] == ["runtime", "login", "api", "missing", "missing"]


@pytest.mark.parametrize(("editor", "chosen"), [(True, "editor"), (False, "runtime")])
def test_what_serve_would_choose(
    found: list[discover.Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: bool, chosen: str
) -> None:
    (program := tmp_path / "localharness").touch(0o700)
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", str(program))
    monkeypatch.setenv("GEMINI_API_KEY", "s3cret-key")
    found.extend([EDITORS] if editor else [])
    as_text, as_json = run("ls"), run("ls", "--json")
    assert (as_text.exit_code, as_json.exit_code) == (0, 0)
    told = json.loads(as_json.stdout)
    assert [one["pid"] for one in told["language_servers"]] == [11] * editor
    assert (told["serve"]["ls"], told["runtime"]["key_from"], told["runtime"]["missing"]) == (
        chosen, "GEMINI_API_KEY", []
    )  # fmt: skip
    assert as_text.stdout.splitlines()[-1].startswith(f"serve would choose: {chosen} (")
    assert "s3cret" not in as_text.output + as_json.output


def test_a_key_that_comes_from_elsewhere_is_shown_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    monkeypatch.setenv("ZEROGRAVITY_LS", "runtime")
    monkeypatch.setenv("GEMINI_API_KEY", "s3cret-key")
    shown = run("config", "show")
    assert re.search(r"^ls +runtime +env ZEROGRAVITY_LS$", shown.stdout, re.M)
    assert re.search(r"^runtime_path +None +default$", shown.stdout, re.M)
    assert re.search(r"^runtime_key +set \(sha256 \w{8}\) +env GEMINI_API_KEY$", shown.stdout, re.M)
    monkeypatch.setenv("ZEROGRAVITY_RUNTIME_KEY", "0ther-key")
    assert re.search(r"^runtime_key .* env ZEROGRAVITY_RUNTIME_KEY$", run("config", "show").stdout, re.M)
    assert "s3cret" not in shown.output


def test_a_language_server_that_is_re_pointed(home: Path, found: list[discover.Found]) -> None:
    """By a gateway that runs; one that was killed has left another, which does not answer."""
    pid, started = repointed.own()
    entry = repointed.Repointed(pid, started, "http://127.0.0.1:9", "http://f:1", "http://127.0.0.1:8742", pid, started)
    file = repointed.RepointedFile(home / "data" / "zerogravity" / repointed.FILE)
    file.claim(entry)
    found.append(discover.Found(discover.Process(pid, "core", "t", started=started), None))
    listed = run("ls")
    assert "  route    re-pointed to http://127.0.0.1:8742 by zerogravity\n" in listed.stdout
    assert listed.stderr == ""
    file.claim(dataclasses.replace(entry, by_started=1.0))
    assert f"zerogravity: language server {pid} still called http://127.0.0.1:8742" in run("ls").stderr


def test_what_is_re_pointed_may_be_unreadable(home: Path, found: list[discover.Found]) -> None:
    found.append(EDITORS)
    (home / "data" / "zerogravity" / repointed.FILE).mkdir(parents=True)
    listed = run("ls")
    assert (listed.exit_code, listed.stdout.partition("  ")[0]) == (0, "pid 11")
    assert listed.stderr.startswith("zerogravity: ")
    assert "make it readable and writable for you, or delete it" in listed.stderr


@pytest.mark.parametrize("given", [True, False])
def test_a_token_that_is_given_counts(
    found: list[discover.Found], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    found.append(discover.Found(discover.Process(11, "core", "", (42100,)), None))
    if given:
        monkeypatch.setenv("ZEROGRAVITY_LS_CSRF", "its-token")
    listed = run("ls").stdout
    assert ("set ZEROGRAVITY_LS_CSRF" in listed) is not given


# -- demo ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        ([], {"port": 0}),
        (["--serve"], {"stays": True, "port": 8741}),
        (["--serve", "--port", "0"], {"stays": True, "port": 0}),
        (["--port", "9"], {"port": 9}),
        (["--mode", "proxy", "--upstream", "http://u:1", "--api", "public"],
         {"mode": "proxy", "upstream": "http://u:1", "api": "public"}),
        (["--trace", "there"], {"settings": {"trace": "true", "trace_dir": "there"}}),
        (["--real"], {"runtime": HARNESS}),
        (["--serve", "--real", "--mode", "proxy"],
         {"stays": True, "port": 8741, "mode": "proxy", "runtime": HARNESS}),
    ],
    ids=str,
)  # fmt: skip
def test_demo(monkeypatch: pytest.MonkeyPatch, arguments: list[str], called: dict[str, Any]) -> None:
    usual = {"mode": "reverse", "port": 0, "upstream": None, "api": "auto", "upstream_ca": None, "settings": {},
             "runtime": None}  # fmt: skip
    monkeypatch.setattr(demo, "real_runtime", lambda: HARNESS)
    calls: list[dict[str, Any]] = []
    for name in ("run", "serve"):

        async def work(given: StackOptions, stays: bool = name == "serve") -> int:
            calls.append({name: getattr(given, name) for name in usual} | {"stays": stays})
            return 0

        monkeypatch.setattr(demo, name, work)
    result = run("demo", *arguments)
    assert (result.exit_code, calls) == (0, [{"stays": False, **usual, **called}])


def test_the_runtime_knows_the_public_api_only() -> None:
    result = run("demo", "--real", "--api", "v1internal")
    assert result.exit_code == 2
    assert "the runtime calls the public API" in result.stderr


def test_a_demo_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: StackOptions) -> int:
        raise StackError("mitmdump did not start:\nport in use")

    monkeypatch.setattr(demo, "run", fails)
    result = run("demo")
    assert (result.exit_code, result.stderr) == (1, "zerogravity: mitmdump did not start:\nport in use\n")


# -- serve: what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--listen", "0.0.0.0:0"], {}),
        (["--listen", "0.0.0.0:0", "--no-mitm"], {}),
        ([], {"ZEROGRAVITY_LISTEN": "0.0.0.0:0"}),
        (["--set", "zg_listen=0.0.0.0:0"], {}),
    ],
    ids=["flag", "without mitmproxy", "environment", "option"],
)
async def test_h29_open_without_a_key(tmp_path: Path, arguments: list[str], variables: dict[str, str]) -> None:
    async with command(tmp_path, "serve", "--proxy-port", str(free_port()), *arguments, **variables) as serving:
        assert await serving.ended() == 2
    assert serving.output.splitlines()[-1] == f"zerogravity: listening on 0.0.0.0 {OPEN}"
    assert "Traceback" not in serving.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "nonsense=1"], "Unknown option(s): nonsense"),
        (["--set", "ssl_insecure=perhaps"], "Failed to parse option ssl_insecure"),
        (["--set", "zg_ls_url=nonsense"], "ls_url (flag): must look like https://HOST:PORT"),
        (["--google", "http://"], "Invalid proxy mode specification"),
    ],
    ids=" ".join,
)
async def test_an_option_that_mitmproxy_refuses(tmp_path: Path, arguments: list[str], said: str) -> None:
    async with command(tmp_path, "serve", "--listen", "127.0.0.1:0", *arguments) as serving:
        assert await serving.ended() == 2
    assert serving.output.splitlines()[-1].startswith(f"zerogravity: {said}")
    assert "Traceback" not in serving.output


@pytest.mark.parametrize("key", ["", " k", "k\n"])
def test_a_key_that_is_none(key: str) -> None:
    result = run("serve", "--no-mitm", "--listen", "127.0.0.1:0", "--key", key)
    assert result.exit_code == 2
    assert result.stderr.startswith("zerogravity: key (flag): must be printable ASCII")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be served: (options, further options, verbosity)."""
    calls: list[tuple[Any, ...]] = []

    async def serve(options: dict[str, Any], further: tuple[str, ...], *, verbosity: str) -> int:
        calls.append((options, further, verbosity))
        return 0

    monkeypatch.setattr(master, "serve", serve)
    return calls


def test_reverse_mode(started: list[tuple[Any, ...]]) -> None:
    result = run("serve", "--proxy-port", 5, "--google", "https://g", "--set", "a=1", "--set", "b", "-q", "--trace")
    assert (result.exit_code, result.stdout) == (0, "")
    assert started == [
        ({"mode": ["reverse:https://g@127.0.0.1:5"], "zg_ls": "editor", "zg_trace": True}, ("a=1", "b"), "warn")
    ]
    assert result.stderr == "language server: --cloud_code_endpoint http://127.0.0.1:5\n"


def test_re_pointing_is_said(started: list[tuple[Any, ...]]) -> None:
    assert run("serve", "--repoint").stderr == "language server: will be re-pointed to http://127.0.0.1:8742\n"
    assert started[0][0]["zg_repoint"] is True


@pytest.mark.parametrize("server", [{"ls_url": "http://l:1", "ls_csrf": "c"}, {"ls_command": "ls"}])
def test_flags_reach_the_addon(started: list[tuple[Any, ...]], tmp_path: Path, server: dict[str, str]) -> None:
    file = tmp_path / "given.toml"
    file.touch()
    given = {"listen": "127.0.0.1:7", "key": "k", **server}
    flags = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", value)]
    assert run("serve", "--passive", "--config", file, *flags).exit_code == 0
    options, _, verbosity = started[0]
    wanted = {f"zg_{name}": value for name, value in given.items()}
    assert options == {"mode": ["reverse:https://daily-cloudcode-pa.googleapis.com@127.0.0.1:8742"], **wanted,
                       "zg_ls": "editor", "zg_capture_passive": True, "zg_config": str(file)}  # fmt: skip
    assert verbosity == "info"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([], {}),
        (["--trace", "--passive"], {"zg_trace": True, "zg_capture_passive": True}),
        (["--no-trace", "--no-passive"], {"zg_trace": False, "zg_capture_passive": False}),
        (["--trace", "--no-trace"], {"zg_trace": False}),
    ],
)
def test_a_switch_is_handed_on_as_it_was_given(started, monkeypatch, flags: list[str], wanted: Any) -> None:
    """Off is a wish like on: it counts before the environment."""
    monkeypatch.setenv("ZEROGRAVITY_TRACE", "true")
    assert run("serve", *flags).exit_code == 0
    ours = {name: value for name, value in started[0][0].items() if name.startswith("zg_")}
    assert ours == {"zg_ls": "editor", **wanted}


@pytest.mark.parametrize(
    ("google", "variable"),
    [
        ("https://generativelanguage.googleapis.com", "GOOGLE_GEMINI_BASE_URL"),
        ("http://127.0.0.1:9", "GOOGLE_GEMINI_BASE_URL"),
        ("https://europe-west1-aiplatform.googleapis.com", "GOOGLE_VERTEX_BASE_URL"),
        ("https://daily-cloudcode-pa.googleapis.com", "CODE_ASSIST_ENDPOINT"),
    ],
)
def test_passive_capture_says_how_other_programs_get_there(started, google: str, variable: str) -> None:
    said = run("serve", "--passive", "--google", google, "--proxy-port", 5).stderr.splitlines()
    assert said[1:] == [f"other programs: {variable}=http://127.0.0.1:5"]


def test_passive_capture_as_a_proxy_says_so_as_well(started, tmp_path: Path) -> None:
    run("certs", "new", "--dir", tmp_path)
    flags = ("--passive", "--mode", "proxy", "--certs-dir", tmp_path)
    said = run("serve", *flags).stderr.splitlines()
    bundle = tmp_path / "bundle.pem"
    assert said[1:] == [f"other programs: HTTPS_PROXY=http://127.0.0.1:8742 SSL_CERT_FILE={bundle}"]


def test_a_flag_counts_before_an_option_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    async def ends(self: Any) -> None:
        seen.append({name: option.current() for name, option in self.options.items() if name.startswith("zg_")})
        await self.done()

    monkeypatch.setattr(master.Master, "run", ends)
    options = ("zg_trace=false", "zg_listen=127.0.0.1:1", "zg_key=k")
    given = [text for option in options for text in ("--set", option)]
    assert run("serve", "--trace", "--listen", "127.0.0.1:0", *given).exit_code == 0
    assert (seen[0]["zg_trace"], seen[0]["zg_listen"], seen[0]["zg_key"]) == (True, "127.0.0.1:0", "k")


@pytest.mark.parametrize("chosen", ["flag", "env"])
def test_proxy_mode(started: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen) -> None:
    folder = tmp_path / "ca"
    certs.create(folder, now=dt.datetime.now(dt.UTC))
    monkeypatch.setenv("ZEROGRAVITY_MODE", "proxy" if chosen == "env" else "reverse")
    result = run("serve", "--certs-dir", folder, "--proxy-port", 5, *(["--mode", "proxy"] if chosen == "flag" else []))
    assert result.exit_code == 0, result.output
    assert started == [({"mode": ["regular@127.0.0.1:5"], "confdir": str(folder), "zg_ls": "editor"}, (), "info")]
    assert result.stderr == (f"language server: HTTPS_PROXY=http://127.0.0.1:5 SSL_CERT_FILE={folder / 'bundle.pem'}\n")


def test_proxy_mode_needs_an_authority_that_is_good(started: list[tuple[Any, ...]], tmp_path: Path) -> None:
    missing = run("serve", "--mode", "proxy")
    assert missing.exit_code == 1
    assert f"make one with: zerogravity certs new --dir {main.certs_home()}" in missing.stderr
    certs.create(tmp_path, now=dt.datetime.now(dt.UTC) - dt.timedelta(days=2), days=1)
    expired = run("serve", "--mode", "proxy", "--certs-dir", tmp_path)
    assert expired.exit_code == 1
    assert re.search(r"expired on \d{4}-\d\d-\d\d; make one with: zerogravity certs new --dir ", expired.stderr)
    certs.create(tmp_path, now=dt.datetime.now(dt.UTC)).key_file.chmod(0o640)
    readable = run("serve", "--mode", "proxy", "--certs-dir", tmp_path)
    assert readable.exit_code == 1
    assert "can be read by others; fix with: chmod 600" in readable.stderr
    assert started == []


async def test_each_line_of_the_log_is_told_at_once(tmp_path: Path) -> None:
    """Into a pipe, too, where Python would wait for 8 KiB."""
    variables = {"ZEROGRAVITY_LS_URL": "http://127.0.0.1:9", "PYTHONUNBUFFERED": ""}
    flags = ("--listen", "127.0.0.1:0", "--proxy-port", str(free_port()))
    async with command(tmp_path, "serve", *flags, **variables) as serving:
        await serving.until(URL)
        assert await serving.stop(signal.SIGINT) == 0


# -- serve: without interception -----------------------------------------------------------------------------------


async def test_serve_without_interception(tmp_path: Path) -> None:
    async with GoogleSimulator(tls=False) as google, LanguageServerSimulator(LsOptions(endpoint=google.url)) as ls:
        variables = {"ZEROGRAVITY_LS_URL": ls.url, "ZEROGRAVITY_LS_CSRF": ls.csrf, "ZEROGRAVITY_LISTEN": "127.0.0.1:0"}
        async with command(tmp_path, "serve", "--no-mitm", **variables) as serving:
            url = (await serving.until(URL))[1]
            body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Say hello."}]}
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{url}/v1/chat/completions", json=body) as answer,
            ):
                said = await answer.json()
                assert answer.status == 200, said
            assert said["choices"][0]["message"]["content"]
            assert said["choices"][0]["finish_reason"] == "stop"
            assert await serving.stop(signal.SIGINT) == 0
    assert "Traceback" not in serving.output
    assert ls.csrf not in serving.output


async def test_serve_quietly_until_it_is_signalled(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    variables = {"ZEROGRAVITY_LS_URL": "http://127.0.0.1:9", "ZEROGRAVITY_READY_FILE": str(ready)}
    async with (
        taken() as port,
        command(tmp_path, "serve", "--no-mitm", "-q", "--listen", f"127.0.0.1:{port}", **variables) as refused,
    ):
        assert await refused.ended() == 1
    assert re.search(rf"zerogravity cannot serve: .*\b{port}\b", refused.output)
    assert "Traceback" not in refused.output
    assert not ready.exists()
