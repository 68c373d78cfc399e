"""Every command that README.md names, typed by a newcomer: in a fresh home, beside a gateway between stand-ins.

A command is in ``TYPED``, with what is typed for it and what has to be said; or in ``LEFT_OUT``, with the reason.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import quick
from tests.ports import free_port
from tests.running import environment, program
from tests.waiting import until
from zerogravity.cli.main import COMMANDS
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^```\n(.*?)^```", re.M | re.S)
ASSIGNED = re.compile(r"^(?:[A-Z_]+=\S+ +)+")
PROGRAM = re.compile(
    r"zerogravity|\./scripts/\w+|scripts/bench/\w+\.py|git|uv|pipx|(\.venv/bin/)?pip|python|mitmdump"
    r"|language_server|datasette|sqlite3"
)
DRAWINGS = 4  # blocks of the README without a command: the path, the tree of packages, and two of the configuration


# -- what the README names ---------------------------------------------------------------------------------------


def in_blocks(text: str) -> Iterator[str]:
    """Each line of each block that begins with a command."""
    for block in BLOCK.findall(text):
        lines = [re.split(r"\s+#", line)[0] for line in block.splitlines()]
        if is_command(lines[0]):
            yield from lines


def in_prose(text: str) -> Iterator[str]:
    """Each command in backticks, by its full name; ``trace ls | errors`` are two."""
    for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text)):
        words = " ".join(span.split())
        first, _, rest = words.partition(" ")
        if first in COMMANDS and rest and not rest.startswith("="):
            words = f"zerogravity {words}"
        if not is_command(words) or words == "zerogravity":
            continue
        name, *others = words.split(" | ")
        yield name
        yield from (" ".join([*name.split()[:2], other]) for other in others)


def is_command(line: str) -> bool:
    words = ASSIGNED.sub("", line).split()
    if not words or PROGRAM.fullmatch(words[0]) is None:
        return False
    return len(words) > 1 or "/" in words[0] or words[0] == "zerogravity"


# -- what is done with it ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Typed:
    """``says``: a pattern of stdout. ``instead``: what is typed, where the README's words are no whole command.
    ``stays``: it runs until Ctrl-C, and what it says on stderr counts too; with ``code`` it ends then.

    ``{turn}``, ``{session}``, ``{traces}``, ``{google}``: of the gateway that runs. ``{proxy}``: a free port.
    """

    says: str
    instead: str | tuple[str, ...] = ()
    stays: bool = False
    code: int = 0

    def commands(self, named: str) -> tuple[str, ...]:
        return (self.instead,) if isinstance(self.instead, str) else self.instead or (named,)


LISTENS = r"answers agents on http://127\.0\.0\.1:\d+.*inspector: http"
READY = r"server is ready|listening|ready|https?://127\.0\.0\.1:\d+"
GATEWAY = "zerogravity serve --proxy-port {proxy}"
LANGUAGE_SERVER = "zerogravity simulate ls --cloud_code_endpoint http://127.0.0.1:{proxy}"
# What one command changes, no other sees: they come in any order.
COPY = "cp -r {traces} copy-$$ && zerogravity trace --dir copy-$$"
FIRST_DELTAS = "(?:first delta after.*){4}"

TYPED: dict[str, Typed] = {
    # Try it. That the scripts start the command: tests/test_scripts.py
    "./scripts/demo": Typed(FIRST_DELTAS, "zerogravity demo"),
    # With a real language server
    "zerogravity serve": Typed(LISTENS, GATEWAY, stays=True),
    "zerogravity serve --mode proxy": Typed(
        LISTENS, "zerogravity certs new --dir ca-$$ >&2; exec zerogravity serve --mode proxy --certs-dir ca-$$ "
        "--proxy-port {proxy}", stays=True,
    ),
    "zerogravity serve --repoint": Typed(LISTENS, f"{GATEWAY} --repoint", stays=True),
    "zerogravity serve --no-mitm": Typed(LISTENS, stays=True),
    "zerogravity serve --ls-command 'language_server …'": Typed(
        LISTENS, f"{GATEWAY} --ls-command 'zerogravity simulate ls'", stays=True
    ),
    "zerogravity serve --log json": Typed(r'"message": ?"zerogravity answers agents on', f"{GATEWAY} --log json",
                                          stays=True),
    "language_server … --cloud_code_endpoint http://127.0.0.1:8742": Typed(READY, LANGUAGE_SERVER, stays=True),
    "HTTPS_PROXY=http://127.0.0.1:8742 SSL_CERT_FILE=…/bundle.pem language_server …": Typed(
        READY, "zerogravity certs new --dir ca-$$ >&2; HTTPS_PROXY=http://127.0.0.1:{proxy} "
        "SSL_CERT_FILE=ca-$$/bundle.pem exec zerogravity simulate ls", stays=True,
    ),
    'mitmdump -s "$(zerogravity addon-path)" --mode '
    "reverse:https://daily-cloudcode-pa.googleapis.com@127.0.0.1:8742 --set zg_listen=127.0.0.1:8741": Typed(
        "answers agents on http",
        'mitmdump -s "$(zerogravity addon-path)" --mode '
        "reverse:https://daily-cloudcode-pa.googleapis.com@127.0.0.1:{proxy} --set zg_listen=127.0.0.1:0",
        stays=True,
    ),
    "zerogravity ls": Typed("serve would choose", "zerogravity ls || true"),  # 1: nothing to choose
    "zerogravity doctor": Typed("ok", "zerogravity doctor || true"),  # 1: no language server has its usual place
    "zerogravity certs new": Typed(r"bundle\.pem", "zerogravity certs new --dir ca-$$"),
    "zerogravity status": Typed("ready"),
    # Installing and staying up
    "zerogravity service install --print": Typed("(?s)serve.*"),
    "zerogravity setup vscode": Typed(
        r"http\.proxy|settings\.json",
        ("zerogravity setup vscode", "zerogravity setup vscode --write --file s.json && cat s.json",
         "zerogravity setup vscode --undo --file s.json && ls settings.json 2>/dev/null || echo settings.json"),
    ),
    # Your agent
    "zerogravity run -- python agent.py": Typed("You wrote"),
    "zerogravity config": Typed("codex.*aider.*aisdk"),
    "zerogravity config codex": Typed(r"\[model_providers\.zerogravity\]"),
    "zerogravity config show": Typed(r"inspector_token +.*\blisten\b|listen.*file"),
    # What is served
    "zerogravity surfaces": Typed("previous_response_id"),
    "zerogravity surfaces --failover": Typed("another model"),
    # Looking at what went over the wire
    "zerogravity open [TURN|SESSION]": Typed(
        "/inspector.*token", tuple(f"zerogravity open {what} --print" for what in ("{turn}", "{session}"))
    ),
    "zerogravity completion bash": Typed("complete "),
    "zerogravity models": Typed(r"gemini-3\.1-pro"),
    "zerogravity scenarios": Typed("max-tokens"),
    "zerogravity top": Typed("running.*codex"),
    "zerogravity usage --cost --by day,model,agent,session": Typed("gemini"),
    "zerogravity store info": Typed(
        "responses +0", "touch store-$$; ZEROGRAVITY_STORE=store-$$ zerogravity store info"
    ),
    "zerogravity store purge --older-than 7d": Typed(
        "0 entries removed",
        "touch store-$$; ZEROGRAVITY_STORE=store-$$ zerogravity store purge --older-than 7d --yes 2>&1"
    ),
    "zerogravity store copy --from responses.db": Typed(
        "0 copied", "touch store-$$; ZEROGRAVITY_STORE=new-$$ zerogravity store copy --from store-$$ 2>&1"
    ),
    "zerogravity trace ls": Typed("{short}.*hello"),
    "zerogravity trace ls --sessions": Typed("{session}"),
    "zerogravity trace ls denied since:2h -tool:shell": Typed("{short}"),
    "zerogravity trace show SESSION": Typed("{session}", "zerogravity trace show {session}"),
    "zerogravity trace show [ID|last]": Typed("turn_", "zerogravity trace show {turn}"),
    "zerogravity trace show": Typed("turn_"),
    "zerogravity trace show --follow": Typed("turn_"),
    "zerogravity trace show --raw in|out|sent|google": Typed(
        "gemini|denied|candidates|delta",
        tuple(f"zerogravity trace show {{turn}} --raw {which}" for which in ("in", "out", "sent", "google")),
    ),
    "zerogravity trace errors": Typed("upstream_status"),
    "zerogravity trace diff A [B]": Typed(
        "(?i)denied|hello|request", ("zerogravity trace diff {turn} {next}", "zerogravity trace diff {next}")
    ),
    "zerogravity trace diff TURN": Typed("(?i)request", "zerogravity trace diff {next}"),
    "zerogravity trace grep TEXT": Typed("denied", "zerogravity trace grep denied"),
    "zerogravity trace grep": Typed("denied", "zerogravity trace grep -i DENIED client:codex"),
    "zerogravity trace export --format curl|har|jsonl|otel|html": Typed(
        "^curl|log|turn_|resourceSpans|<html",
        tuple(f"zerogravity trace export {{turn}} --format {name}" for name in ("curl", "har", "jsonl", "otel",
                                                                                "html")),
    ),
    "zerogravity trace bundle": Typed(
        r"turn\.json", "zerogravity trace bundle {turn} -o $$.zip && python -m zipfile -l $$.zip"
    ),
    "zerogravity trace note ID TEXT --star": Typed(
        "a note", f'{COPY} note {{turn}} "a note" --star && zerogravity trace --dir copy-$$ note {{turn}}'
    ),
    "zerogravity trace tail": Typed("codex", stays=True, code=130),
    "zerogravity trace rm": Typed(
        "^(?!.*{short}).*again", f"{COPY} rm {{turn}} --yes && zerogravity trace --dir copy-$$ ls"
    ),
    "zerogravity trace prune": Typed("turn_|index", f"{COPY} prune --older-than 3d && ls copy-$$"),
    "zerogravity trace index": Typed("index.sqlite", f"{COPY} index && ls copy-$$"),
    'sqlite3 index.sqlite "SELECT client, count(*), sum(prompt_tokens), sum(failed) FROM turns GROUP BY client"': Typed(
        "codex", 'python -m sqlite3 {traces}/index.sqlite "SELECT client, count(*), sum(prompt_tokens), sum(failed) '
        'FROM turns GROUP BY client"'
    ),
    "zerogravity replay last --speed 4 --fault cut@7": Typed(
        READY, "zerogravity replay {turn} --speed 4 --fault cut@7 --listen 127.0.0.1:0", stays=True
    ),
    "zerogravity cassette DIR": Typed(
        READY, "zerogravity cassette {traces} --listen 127.0.0.1:0", stays=True
    ),
    "python -m pydoc zerogravity.testing": Typed("zerogravity_cassette"),
    # Development
    "zerogravity simulate google|ls": Typed(
        READY, ("zerogravity simulate google", "zerogravity simulate ls"), stays=True
    ),
    "zerogravity simulate ls --build 2026-03|2026-09|runtime": Typed(
        READY, f"{LANGUAGE_SERVER} --build 2026-03", stays=True
    ),
}  # fmt: skip

PASTED = "test_the_lines_that_the_demo_prints_can_be_pasted"
BELOW = "test_any_other_program_that_calls_google"
CLIENT = "downloads a client: tests/clients/test_run.py"
INSTALLS = "installs into the system: tests/test_wheel.py"
RUNTIME = "needs Google's runtime: tests/runtime"
SERVICE = "asks the system's service manager: tests/cli/test_service.py"
LEFT_OUT: dict[str, str] = {
    "git clone … zerogravity && cd zerogravity": "downloads the repository",
    "./scripts/demo --real": RUNTIME,
    "./scripts/demo --serve": PASTED,
    "zerogravity demo --serve": PASTED,
    ".venv/bin/pip install -e '.[runtime]'": RUNTIME,
    "GEMINI_API_KEY=… zerogravity serve --ls runtime": RUNTIME,
    "zerogravity serve --ls runtime": RUNTIME,
    "zerogravity usage --all --by instance": "needs a Redis: tests/cli/test_usage.py",
    "uv tool install .": INSTALLS,
    "uv tool install '.[runtime]'": INSTALLS,
    "uv tool install '.[mcp]'": INSTALLS,
    "uv tool install '.[runtime,uvloop]'": INSTALLS,
    "pipx install .": INSTALLS,
    "pip install .": INSTALLS,
    "pip install -e '.[otel]'": INSTALLS,
    "zerogravity service install": SERVICE,
    "zerogravity service status": SERVICE,
    "zerogravity service logs": SERVICE,
    "zerogravity service uninstall": SERVICE,
    **dict.fromkeys(
        (f"zerogravity run -- {name}" for name in (
            "codex", "claude", "gemini", "opencode", "aider", "qwen", "cline", "pi", "llm", "goose", "crush")),
        CLIENT,
    ),
    "zerogravity run -- PROGRAM": "as python agent.py",
    "zerogravity serve --passive --google https://generativelanguage.googleapis.com": BELOW,
    "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8742 python agent.py": BELOW,
    "datasette index.sqlite": "a program of others, for the file that sqlite3 reads above",
    "./scripts/test": "this suite: tests/test_scripts.py",
    "ZEROGRAVITY_CLIENTS=1 ./scripts/test tests/clients": "downloads clients",
    "scripts/bench/path.py": "minutes; its short form: tests/e2e/test_bench.py",
    "scripts/bench/events.py": "minutes; its short form: tests/e2e/test_bench_events.py",
    "scripts/bench/soak.py": "minutes; its short form: tests/e2e/test_soak.py",
    "scripts/bench/backends.py": "minutes; its short form: tests/runtime/test_bench.py",
    "scripts/bench/chaos.py": "minutes; its short form: tests/e2e/test_chaos.py",
}  # fmt: skip


async def test_every_command_is_typed_or_left_out_for_a_reason() -> None:
    text = README.read_text()
    named = {*in_blocks(text), *in_prose(text)}
    assert sorted(named ^ {*TYPED, *LEFT_OUT}) == []
    assert not {*TYPED} & {*LEFT_OUT}


async def test_only_drawings_are_blocks_without_a_command() -> None:
    blocks = BLOCK.findall(README.read_text())
    assert len([block for block in blocks if not is_command(block.splitlines()[0])]) == DRAWINGS


async def test_a_test_that_a_reason_names_exists() -> None:
    for reason in LEFT_OUT.values():
        for file in re.findall(r"tests/[\w/.]+", reason):
            assert (README.parent / file).exists(), file
        assert not reason.startswith("test_") or reason in globals()


# -- the machine -------------------------------------------------------------------------------------------------

AGENT = """
import json, os, urllib.request
google = os.environ.get("GOOGLE_GEMINI_BASE_URL")
url, body = os.environ.get("OPENAI_BASE_URL"), {"model": "gpt-5", "messages": [{"role": "user", "content": "denied"}]}
if url is None:
    url = google + "/v1beta/models/gemini-3-flash:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "denied"}]}]}
else:
    url += "/chat/completions"
key = {"authorization": "Bearer any", "x-goog-api-key": "any", "content-type": "application/json"}
print(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), key)).read().decode())
"""


@dataclass(frozen=True)
class Machine:
    """``names``: what stands for the README's placeholders."""

    home: Path
    names: dict[str, str]

    @property
    def token(self) -> str:
        """The user's, for inspectors."""
        return str(tomllib.loads((self.home / "config/zerogravity/config.toml").read_text())["inspector_token"])

    def filled(self, text: str) -> str:
        for name, value in {**self.names, "proxy": str(free_port())}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def shell(self, text: str, **variables: str) -> Any:
        path = f"{Path(sys.executable).parent}:{environment(self.home)['PATH']}"
        words = f"cd {shlex.quote(str(self.home))}; {text}"
        return program(self.home, "bash", "-c", words, PATH=path, **variables)

    async def says(self, text: str) -> str:
        """What a command prints on stdout. Fails when it leaves with another code than 0."""
        said = self.home / f"stderr-{free_port()}"
        async with self.shell(f"exec 2>{said}; {self.filled(text)}") as running:
            assert await running.ended() == 0, (text, running.output, said.read_text())
        assert "Traceback" not in said.read_text()
        return running.output


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Machine]:
    """A gateway that has served some turns, in a home that knew nothing before."""
    home = tmp_path_factory.mktemp("home")
    data = home / "data" / "zerogravity"
    options = StackOptions(ls=quick(), env={"ZEROGRAVITY_DATA_DIR": str(data)})
    async with Stack(options) as stack, aiohttp.ClientSession() as http:
        settings = home / "config" / "zerogravity" / "config.toml"
        settings.parent.mkdir(parents=True)
        listen = stack.url.removeprefix("http://")
        settings.write_text(f'listen = "{listen}"\ninspector_token = "{stack.inspector_token}"\n')
        settings.chmod(0o600)
        (home / "agent.py").write_text(AGENT)
        await _turns(stack.url, http)
        traces = data / "traces"
        await until(lambda: len(list(traces.rglob("turn.json"))) == 3)
        known = sorted(
            (json.loads(file.read_text()) for file in traces.rglob("turn.json")), key=lambda one: one["created"]
        )
        assert stack.google is not None
        names = {
            "turn": known[0]["id"],
            "short": known[0]["id"][5:13],
            "next": known[1]["id"],
            "session": known[0]["session"],
        }
        yield Machine(home, {**names, "traces": str(traces), "google": stack.google.url})


CODEX = {"user-agent": "codex_cli_rs/0.1", "originator": "codex_cli_rs"}


async def _turns(url: str, http: aiohttp.ClientSession) -> None:
    """Two of one session, and one that fails."""
    said: list[dict[str, str]] = []
    for prompt in ("hello, permission denied", "and again", "sim:429"):
        said.append({"role": "user", "content": prompt})
        async with http.post(
            f"{url}/v1/chat/completions", json={"model": "gpt-5", "messages": said}, headers=CODEX
        ) as answer:
            body = await answer.json()
        said = [*said, body["choices"][0]["message"]] if answer.status == 200 else []


# -- what is typed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [named for named, typed in TYPED.items() if not typed.stays])
async def test_a_command_does_what_it_should(named: str, machine: Machine) -> None:
    for text in TYPED[named].commands(named):
        said = await machine.says(text)
        assert re.search(machine.filled(TYPED[named].says), said, re.S), (text, said)


@pytest.mark.parametrize("named", [named for named, typed in TYPED.items() if typed.stays])
async def test_a_command_that_stays_says_so_and_ends_with_ctrl_c(named: str, machine: Machine) -> None:
    for text in TYPED[named].commands(named):
        text = text if "exec " in text else f"exec {text}"
        async with machine.shell(machine.filled(text), ZEROGRAVITY_LISTEN="127.0.0.1:0") as running:
            await running.until(re.compile(TYPED[named].says, re.S))
            assert await running.stop(signal.SIGINT) == TYPED[named].code, running.output
        assert "Traceback" not in running.output


async def test_any_other_program_that_calls_google(machine: Machine) -> None:
    proxy = str(free_port())
    gateway = f"exec zerogravity serve --passive --google {{google}} --set ssl_insecure=true --proxy-port {proxy}"
    async with machine.shell(machine.filled(gateway), ZEROGRAVITY_LISTEN="127.0.0.1:0") as running:
        await running.until(re.compile(LISTENS, re.S))
        said = await machine.says(f"GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:{proxy} python agent.py")
        assert "candidates" in said
        await running.until(re.compile(r"passive gemini-3-flash ok .*\n"))
        assert await running.stop(signal.SIGINT) == 0
    assert "passive" in await machine.says("zerogravity trace ls")


@pytest.mark.skipif(shutil.which("curl") is None, reason="pastes curl lines")
async def test_the_lines_that_the_demo_prints_can_be_pasted(machine: Machine) -> None:
    async with machine.shell("exec zerogravity demo --serve --port 0") as running:
        await running.until(re.compile("a line for each turn follows"))
        pasted = re.findall(r"^  (curl -N .*?)\n\n", running.output, re.M | re.S)
        assert len(pasted) == 4
        assert "each turn is kept" not in running.output, "they go with the demo"
        assert f"/inspector?token={machine.token}\n" in running.output, "zerogravity open finds it"
        for answer in await asyncio.gather(*map(machine.says, pasted)):
            assert "stand-in" in answer
        assert await running.stop(signal.SIGINT) == 0
