"""What ``serve`` refuses, how it starts mitmproxy, and the gateway without it."""

from __future__ import annotations

import datetime as dt
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.cli.typed import run
from tests.ports import free_port
from tests.running import URL, command, environment, taken
from zerogravity import certs
from zerogravity.capture import master
from zerogravity.cli import serve
from zerogravity.config import Config
from zerogravity.core.events import Failed
from zerogravity.core.registry import MitmStore
from zerogravity.errors import upstream
from zerogravity.observe.bell import Bell
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

OPEN = "lets other machines use your account: set a key (ZEROGRAVITY_KEY or --key), or listen on 127.0.0.1"

pytestmark = pytest.mark.usefixtures("home")


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


# what a gateway never needs at its start
NOT_FOR_SERVE = (
    "flask", "ldap3", "rich", "werkzeug", "mitmproxy.contentviews", "mitmproxy.tools", "zerogravity.observe.doctor",
    "zerogravity.observe.exports", "zerogravity.observe.status", "zerogravity.testing",
)  # fmt: skip
STARTED = """
import sys
from zerogravity import lifeline
lifeline.run = lambda work, _: work.close() or sys.exit("\\n".join(sys.modules))
from zerogravity.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("flags", [[], ["--no-mitm"]], ids=str)
def test_a_start_imports_only_what_it_needs(home: Path, flags: list[str]) -> None:
    command = [sys.executable, "-c", STARTED, "serve", "--ls-url", "http://127.0.0.1:9", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(home))
    loaded = done.stderr.split()
    assert "zerogravity.compose" in loaded, done.stderr
    assert [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in NOT_FOR_SERVE)] == []


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be served: (options, further options, verbosity)."""
    calls: list[tuple[Any, ...]] = []

    async def serve(options: dict[str, Any], further: tuple[str, ...], *, verbosity: str, started: Any) -> int:
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
    assert f"make one with: zerogravity certs new --dir {certs.home()}" in missing.stderr
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


def test_the_terminal_that_it_runs_in_hears_of_a_429(clock: Any, make_turn: Any) -> None:
    written: list[bytes] = []
    bell = Bell(written.append)
    store, catalogue = MitmStore(clock), Catalogue()
    running: Any = SimpleNamespace(services=SimpleNamespace(store=store, catalogue=catalogue))
    serve._started("text", bell, quiet=True)(Config(), running)  # pyright: ignore[reportPrivateUsage]
    store.open(make_turn()).close(Failed(upstream(429, "rate_limit_exceeded", "slow down")))
    bell.close()
    assert b"".join(written).startswith(b"\a")
