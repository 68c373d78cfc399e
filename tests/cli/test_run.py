"""``zerogravity run``: a program on the gateway, as if it had been started alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from tests.cli.typed import run as typed
from tests.e2e.support import NO_COOLDOWN, quick
from tests.ports import free_port
from tests.running import environment, taken
from zerogravity.cli.run import summed
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "zg-right-key-0123456789"
ASKS = """
import json, os, sys, urllib.request
body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": sys.argv[1]}]}
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    print(json.loads(opener.open(asked).read())["choices"][0]["message"]["content"])
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["", KEY], ids=["open", "with a key"])
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    env = {"ZEROGRAVITY_KEY": request.param} if request.param else {}
    async with Stack(StackOptions(ls=quick(), env={**env, **NO_COOLDOWN})) as running:
        yield running


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Running:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ended(self, given: bytes = b"") -> Ran:
        async with asyncio.timeout(120):
            out, err = await self.process.communicate(given)
        assert self.process.returncode is not None
        return Ran(self.process.returncode, out.decode(), err.decode())

    async def said(self) -> str:
        """Its next line on stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(120):
            return (await self.process.stdout.readline()).decode().strip()

    async def told(self) -> str:
        """Its next line on stderr."""
        assert self.process.stderr is not None
        async with asyncio.timeout(120):
            return (await self.process.stderr.readline()).decode().strip()


@asynccontextmanager
async def started(folder: Path, *words: str, **variables: str) -> AsyncIterator[Running]:
    """``zerogravity run WORDS`` without a terminal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "zerogravity", "run", *words, env=environment(folder, **variables), cwd=folder,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()


async def ran(folder: Path, *words: str, **variables: str) -> Ran:
    async with started(folder, *words, **variables) as running:
        return await running.ended()


def settings(stack: Stack) -> dict[str, str]:
    """Those of a user whose gateway the stack is."""
    own = {"LISTEN": urlsplit(stack.url).netloc, "INSPECTOR_TOKEN": stack.inspector_token}
    own |= {"KEY": key} if (key := stack.options.env.get("ZEROGRAVITY_KEY")) else {}
    return {f"ZEROGRAVITY_{name}": value for name, value in own.items()}


def python(code: str, *words: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-c", code, *words)


async def test_arguments_streams_and_the_exit_code_are_the_programs(stack: Stack, tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1:], sys.stdin.read()); print('oh', file=sys.stderr); sys.exit(7)"
    words = python(code, "--model", "x y", "--", "-c", "")
    async with started(tmp_path, *words, **settings(stack)) as running:
        told = await running.ended(b"typed")
    assert (told.code, told.out) == (7, "['--model', 'x y', '--', '-c', ''] typed\n")
    first, theirs, last = told.err.splitlines()
    assert theirs == "oh"
    where = f"zerogravity: {Path(sys.executable).name} on {stack.url}; inspector: "
    assert first == f"{where}{stack.url}/inspector?token={stack.inspector_token}"
    assert last == "zerogravity: no turn came from the program"


async def test_its_turns_are_told_from_others_and_summed_up(stack: Stack, tmp_path: Path) -> None:
    mine, other = await asyncio.gather(
        ran(tmp_path, *python(ASKS, "Tell me. sim:tokens"), **settings(stack)),
        ran(tmp_path, *python(ASKS, "sim:429"), **settings(stack)),
    )
    assert mine.code == other.code == 0, (mine, other)
    assert other.out == "429\n"
    tokens = r"[1-9][\d,]* tokens in \([\d,]+ cached\), [1-9][\d,]* out"
    last = rf"zerogravity: 1 turn, {tokens}, [^;]*; traces: \S+"
    assert re.fullmatch(last, mine.err.splitlines()[-1]), mine
    assert "1 turn, 0 tokens in (0 cached), 0 out" in other.err
    assert ", 1 failed;" in other.err
    assert "failed" not in mine.err


@pytest.mark.parametrize(
    ("code", "left"),
    [("import os; os.kill(os.getpid(), 15)", 143), ("import os; os.kill(os.getpid(), 9)", 137), ("1/0", 1)],
)
async def test_how_the_program_ended(stack: Stack, tmp_path: Path, code: str, left: int) -> None:
    assert (await ran(tmp_path, *python(code), **settings(stack))).code == left


TRAPS = """
import signal, sys, time
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"):
    signal.signal(getattr(signal, name), lambda number, _: (print(number, flush=True), sys.exit(40 + number)))
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"])
async def test_signals_without_a_terminal_are_passed_on_once(stack: Stack, tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    async with started(tmp_path, *python(TRAPS), **settings(stack)) as running:
        assert await running.said() == "ready"
        running.process.send_signal(number)
        told = await running.ended()
    assert (told.code, told.out) == (40 + number, f"{number.value}\n")
    assert told.err.endswith("zerogravity: no turn came from the program\n")


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [("nobody", 127, "nobody: command not found"), ("./plain", 126, "./plain: not executable")],
)
async def test_a_command_that_is_none_starts_no_gateway(tmp_path: Path, file: str, code: int, said: str) -> None:
    (tmp_path / "plain").touch()
    told = await ran(tmp_path, "--", file)
    assert (told.code, told.out, told.err) == (code, "", f"zerogravity: {said}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [("#!/nobody/there\n", "./odd: No such file or directory"), ("echo no shebang\n", "./odd: Exec format error")],
)
async def test_a_file_that_cannot_be_executed_ends_as_in_a_shell(
    stack: Stack, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "odd").write_text(text)
    (tmp_path / "odd").chmod(0o700)
    told = await ran(tmp_path, "--", "./odd", **settings(stack))
    assert told.code == 126
    assert told.err.endswith(f"zerogravity: {said}\n")


async def test_a_stranger_at_the_address_is_no_gateway(tmp_path: Path) -> None:
    """It is not shown the key."""
    seen: list[str] = []

    async def health(request: web.Request) -> web.Response:
        seen.append(request.path + request.headers.get("Authorization", ""))
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/{path:.*}", health)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        told = await ran(tmp_path, *python("print(1)"), ZEROGRAVITY_LISTEN=f"{host}:{port}", ZEROGRAVITY_KEY=KEY)
    finally:
        await runner.cleanup()
    text = f"zerogravity: http://127.0.0.1:{port} is taken: something answers there, but it is not zerogravity\n"
    assert (told.code, told.out, told.err) == (1, "", text)
    assert seen == ["/health"]


@asynccontextmanager
async def language_server() -> AsyncIterator[dict[str, str]]:
    """Settings for a gateway that polls a stand-in."""
    async with GoogleSimulator(tls=False) as google, LanguageServerSimulator(LsOptions(endpoint=google.url)) as server:
        yield {"ZEROGRAVITY_LS_URL": server.url, "ZEROGRAVITY_LS_CSRF": server.csrf}


async def test_without_a_gateway_one_is_started_and_ends_with_the_program(tmp_path: Path) -> None:
    port = free_port()
    async with language_server() as variables:
        variables |= {"ZEROGRAVITY_LISTEN": f"127.0.0.1:{port}", "TMPDIR": str(tmp_path), "ZEROGRAVITY_TRACE": "true"}
        told = await ran(tmp_path, "--serve", "--no-mitm", *python(ASKS, "Tell me"), **variables)
    assert told.code == 0, told
    assert "You wrote" in told.out
    assert (
        f"on http://127.0.0.1:{port} (started for it); inspector: http://127.0.0.1:{port}/inspector?token=" in told.err
    )
    assert "zerogravity: 1 turn, " in told.err
    assert told.err.endswith(f"; traces: {tmp_path}/data/zerogravity/traces\n")
    assert not list(tmp_path.glob("zerogravity-run-*")), "its folder is gone"
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("interrupted", [False, True])
async def test_the_run_that_has_started_a_gateway_outlasts_those_that_share_it(
    tmp_path: Path, interrupted: bool
) -> None:
    port = free_port()
    waits = python("print('ready', flush=True); print(input(), flush=True)")
    async with language_server() as variables:
        variables |= {"ZEROGRAVITY_LISTEN": f"127.0.0.1:{port}", "TMPDIR": str(tmp_path)}
        async with started(tmp_path, "--serve", "--no-mitm", *waits, **variables) as first:
            assert await first.said() == "ready"
            async with started(tmp_path, *waits, **variables) as second:
                assert await second.said() == "ready"
                assert first.process.stdin is not None
                first.process.stdin.write(b"over\n")
                assert await first.said() == "over"
                lines = [await first.told() for _ in range(3)]
                assert lines[-1] == "zerogravity: waiting for other runs that use this gateway (Ctrl-C ends it now)"
                assert lines[-2] == "zerogravity: no turn came from the program"
                if interrupted:
                    first.process.send_signal(signal.SIGINT)
                    assert (await first.ended()).code == 130
                told = await second.ended(b"over\n")
            gone = "so what the program used is not known" if interrupted else "no turn came from the program"
            assert (told.code, told.out) == (0, "over\n")
            assert told.err.splitlines()[-1].endswith(gone)
            assert interrupted or (await first.ended()).code == 0


async def test_a_gateway_that_does_not_start_leaves_its_log(tmp_path: Path) -> None:
    async with taken() as port:
        pass
    variables = {"ZEROGRAVITY_LISTEN": f"127.0.0.1:{port}", "TMPDIR": str(tmp_path)}
    told = await ran(tmp_path, "--serve", "--mode proxy", *python("print(1)"), **variables)
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("zerogravity: the gateway did not start:\n  ")
    log = Path(told.err.splitlines()[-1].removeprefix("its log: "))
    assert "zerogravity certs new" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


async def test_a_model_is_only_for_clients_that_are_known(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    result = typed("run", "--model", "gemini-3-flash", "--", "python3")
    assert result.exit_code == 2
    assert "--model has no effect on python3, which is no known client" in result.stderr


async def test_flags_with_an_open_quotation_are_refused(home: Path) -> None:
    result = typed("run", "--serve", "--key 'x", "--", "python3")
    assert result.exit_code == 2
    assert "--serve: No closing quotation" in result.stderr


FAKE_CODEX = """#!{python}
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ["ZG_KEY"]]))
"""


async def test_a_known_client_gets_its_flags_and_a_model_that_exists(stack: Stack, tmp_path: Path) -> None:
    codex = tmp_path / "codex"
    codex.write_text(FAKE_CODEX.format(python=sys.executable))
    codex.chmod(0o700)
    for flags, model in (((), "gemini-3.1-pro"), (("--model", "gemini-2.5-flash"), "gemini-2.5-flash")):
        told = await ran(tmp_path, *flags, "--", str(codex), "exec", "hi", **settings(stack))
        arguments, key = json.loads(told.out)
        assert arguments[-2:] == ["exec", "hi"]
        assert f'model="{model}"' in arguments
        (base,) = [word for word in arguments if word.startswith("model_providers.zerogravity.base_url=")]
        assert re.fullmatch(rf'"{stack.url}/run/[0-9a-z]{{6}}/v1"', base.partition("=")[2])
        assert key == (KEY if "ZEROGRAVITY_KEY" in stack.options.env else "any")
        assert told.err.startswith(f"zerogravity: codex ({model}) on {stack.url}; ")


def totals(**given: object) -> dict[str, object]:
    usage = {"prompt": 26_400, "cached": 18_100, "candidates": 1_000, "thoughts": 234}
    base = {"turns": 3, "running": 0, "failed": 0, "cancelled": 0, "usage": usage, "price": None, "price_partial": True}
    return {**base, "traces": "/t", **given}


START = "3 turns, 26,400 tokens in (18,100 cached), 1,234 out, "


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (totals(), START + "price not known; traces: /t"),
        (totals(price=0.01234, price_partial=False), START + "$0.012; traces: /t"),
        (totals(price=0.5), START + "≥ $0.50; traces: /t"),
        (
            totals(usage={"prompt": 7, "candidates": 2, "source": "estimate"}),
            "3 turns, about 7 tokens in (0 cached), 2 out, price not known; traces: /t",
        ),
        (totals(running=1), START + "price not known, 1 still running; traces: /t"),
        (
            totals(failed=1, cancelled=2, price=0.0, price_partial=False),
            START + "$0, 1 failed, 2 cancelled; traces: /t",
        ),
        (totals(traces=None, price_partial=False), START.removesuffix(", ") + "; not traced"),
        ({"turns": 0}, "no turn came from the program"),
        ({}, "no turn came from the program"),
    ],
)
async def test_the_last_line(given: dict[str, object], line: str) -> None:
    assert summed(given) == line
