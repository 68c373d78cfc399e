"""What the README says and a machine can check: commands, options, settings, paths, files, codes, limits."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from aiohttp import web

from zerogravity import config as configuration
from zerogravity.agents.agent import ONCE, PROGRAM, SHELL, Agent, Target
from zerogravity.agents.catalogue import REGISTRY as REGISTRY_OF_CLIENTS
from zerogravity.backends.antigravity.backend import Antigravity
from zerogravity.backends.runtime.backend import Runtime
from zerogravity.capture.addon import OPTIONS
from zerogravity.capture.commands import Commands
from zerogravity.cli.main import main
from zerogravity.config import MIB, Limits
from zerogravity.errors import Termination
from zerogravity.server.routes import add_routes
from zerogravity.surfaces import REGISTRY
from zerogravity.testing import check
from zerogravity.testing.simulator.google.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.M | re.S)
PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.M | re.S)
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", PROSE)]
SETTINGS = set(configuration.NAMES)


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# -- clients -----------------------------------------------------------------------------------------------------


def for_good(agent: Agent) -> Iterator[str]:
    for part in agent.lasting(Target("http://127.0.0.1:8741")):
        is_file = part.place not in (ONCE, PROGRAM, SHELL)
        yield from [part.place] if is_file else (line.removeprefix("export ") for line in part.text.splitlines())


def test_the_clients_are_those_of_the_catalogue_with_what_it_says() -> None:
    assert rows("Your agent") == [
        [
            agent.title,
            f"`zerogravity run -- {agent.commands[0] if agent.commands else 'PROGRAM'}`",
            ", ".join(f"`{text}`" for text in for_good(agent)),
        ]
        for agent in REGISTRY_OF_CLIENTS.values()
    ]


# -- commands ----------------------------------------------------------------------------------------------------


def commands() -> Iterator[list[str]]:
    lines = [line.partition("  #")[0] for block in BLOCKS for line in block.splitlines()]
    for text in (*lines, *SPANS):
        if text.startswith("zerogravity "):
            yield from _alternatives(text.partition(" -- ")[0])


def _alternatives(text: str) -> Iterator[list[str]]:
    """``trace ls | show [ID|last] | errors`` are several; what stands in brackets may be left out."""
    words = re.sub(r"\[[^]]*\]", "", re.sub(r"\b\w+(?:\|\w+)+\b", lambda found: found[0].split("|")[0], text))
    first, *others = words.split(" | ")
    yield shlex.split(first)[1:]
    group = shlex.split(first)[1]
    for other in others:
        yield [group, *shlex.split(other)]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_commands_and_their_options(words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, words
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_there_are_commands_to_check() -> None:
    assert {words[0] for words in commands()} >= {"serve", "trace", "replay", "cassette", "doctor", "certs", "usage"}


# -- settings ----------------------------------------------------------------------------------------------------


def test_settings_and_options_exist() -> None:
    for name in re.findall(r"\bZEROGRAVITY_([A-Z_]+)\b", TEXT):
        assert name.lower() in SETTINGS or name == "CLIENTS", name
    for name in re.findall(r"\bzg_([a-z_]+)", TEXT):
        assert name in {option for option, _, _ in OPTIONS}, name
    for name in ("aliases", "remote_urls", "store", "trace_dir", "limits.turns", "limits.retry_seconds"):
        assert f"`{name}" in TEXT
        assert name in SETTINGS


def test_limits_are_the_defaults() -> None:
    limits = Limits()  # pyright: ignore[reportCallIssue]
    wanted = {
        "request body, after decompression": f"{limits.body_bytes // MIB} MiB",
        "nesting, elements of a request": f"{limits.json_depth}, {limits.json_structure // 10**6} million",
        "receiving a body": f"{limits.body_seconds:g} s + 1 s per MiB",
        "open connections, of one address": f"{limits.connections}, {limits.peer_connections}",
        "turns at an editor's LS, at the runtime, waiting": f"{Antigravity.places}, {Runtime.places}, {limits.waiting}",
        "from the request to the LS until its call to Google": f"{limits.match_seconds:g} s",
        "upstream silence": f"{limits.idle_seconds:g} s",
        "a turn": f"{limits.turn_seconds / 60:g} min, {limits.turn_bytes // MIB} MiB",
        "a model is left alone, as Google says": f"{limits.cooldown_seconds / 86400:g} days",
        "finished turns in memory": f"{limits.store_turns}, {limits.store_bytes // MIB} MiB, "
        f"{limits.store_seconds / 3600:g} h",
        "stored responses that wait for the disk": f"{limits.unwritten_bytes // MIB} MiB",
        "an MCP server's answer": f"{limits.mcp_seconds:g} s, {limits.mcp_bytes // MIB} MiB",
        "an MCP server's list of tools, in one dialogue": f"{limits.mcp_list_seconds / 3600:g} h",
        "calls of MCP tools, rounds with them, in one turn": f"{limits.mcp_calls}, {limits.mcp_rounds}",
        "a client that reads nothing": f"{limits.write_stall_seconds:g} s",
        "clients reading one turn": f"{limits.readers}",
    }
    assert {cells[0]: cells[1] for cells in rows("Limits")} == wanted
    days = f"{limits.responses} of them, {limits.responses_seconds / 86400:g} days"
    assert days in " ".join(TEXT.split())


# -- the rest ----------------------------------------------------------------------------------------------------


def test_every_termination_code_is_explained() -> None:
    told = [code for cells in rows("When a turn fails") for code in re.findall(r"`(\w+)`", cells[0])]
    good = re.findall(r"`(\w+)`", TEXT.partition("\nGood ends are ")[2].partition(".\n")[0])
    assert sorted([*told, *good]) == sorted(code.value for code in Termination)


def test_every_failure_that_is_not_the_clients_own_end_has_something_to_do() -> None:
    without = [cells[0] for cells in rows("When a turn fails") if not cells[2]]
    assert without == ["`client_gone`, `client_stall`, `cancelled`, `shutdown`"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/responses"), ("GET", "/v1/responses"), ("POST", "/v1/responses/compact"),
        ("POST", "/v1/conversations"),
        ("POST", "/v1/responses/input_tokens"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models"),
        *(("POST", f"/{version}/models/m:generateContent") for version in ("v1", "v1beta", "v1alpha")),
        ("POST", "/v1beta/models/m:streamGenerateContent"), ("POST", "/v1beta/models/m:countTokens"),
        ("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"), ("POST", "/v1/token"), ("GET", "/metrics"),
    ],
)  # fmt: skip
async def test_paths_are_routes(method: str, path: str) -> None:
    told = path.replace("/v1/responses/", "/").replace("/m:", "/{model}:").replace("/v1beta/models/{model}", "")
    assert told.removeprefix("/v1alpha/models/{model}").removeprefix("/v1/models/{model}") in TEXT
    app = web.Application()
    add_routes(app, REGISTRY)
    asked: Any = SimpleNamespace(method=method, rel_url=SimpleNamespace(raw_path=path, path_safe=path), headers={})
    found = await app.router.resolve(asked)
    assert found.http_exception is None


def test_files_exist() -> None:
    place = re.compile(r"(?:\./)?(?:zerogravity|tests|scripts|addons)/[\w/.*]+(?: .*)?")
    named = [span for span in SPANS if place.fullmatch(span)]
    assert len(named) >= 4
    for span in named:
        assert list(ROOT.glob(span.split()[0].removeprefix("./"))), span


def test_the_tree_names_every_package() -> None:
    named = re.findall(r"^  (\w+(?:/|\.py)) ", section("Architecture"), re.M)
    package = ROOT / "zerogravity"
    folders = {f"{file.parent.name}/" for file in package.glob("*/__init__.py")}
    assert folders - {"cli/"} == {name for name in named if name.endswith("/")}  # cli/ stands beside compose.py
    assert [name for name in named if not (package / name).exists()] == []


def test_where_something_is_to_be_added_the_names_exist() -> None:
    cells = [cell for row in rows("Architecture") if len(row) == 3 for cell in row[1:]]
    named = [found for cell in cells for found in re.findall(r"`(\w+)`[^`]* in `([\w/]+\.py)`", cell)]
    assert len(named) >= 6
    for name, file in named:
        found = next(path for path in (ROOT / "zerogravity" / file, ROOT / file) if path.exists())
        assert re.search(rf"\b{name}\b", found.read_text()), (name, file)


def test_paragraphs_are_wrapped() -> None:
    assert [line for line in PROSE.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_bounds_of_traces_are_the_defaults() -> None:
    config = configuration.Config()
    bounds = f"{config.trace_bytes // MIB} MiB and {config.trace_days:g} days at most"
    assert config.trace
    assert bounds in " ".join(TEXT.split())


def test_keywords_of_the_stand_ins_are_known() -> None:
    named = re.findall(r"`sim:([\w-]+)`", TEXT)
    assert len(named) >= 8
    for name in named:
        assert name in CATALOGUE, name


def test_mitmproxy_commands_exist() -> None:
    offered = {value.command_name for value in vars(Commands).values() if hasattr(value, "command_name")}
    assert {f"zerogravity.{name}" for name in re.findall(r"`zerogravity\.(\w+)`", TEXT)} == offered


def test_the_checkers_are_public_and_take_bytes() -> None:
    for name in re.findall(r"`(check_\w+)\(data\)`", TEXT):
        assert name in check.__all__
        with pytest.raises(check.GrammarError):
            getattr(check, name)(b"data: {}\n\n")
