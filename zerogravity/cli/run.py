"""The command ``run``."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.cli import output
from zerogravity.cli.output import config_file

if TYPE_CHECKING:
    from zerogravity.config import Config
    from zerogravity.observe.gateway import Gateway
    from zerogravity.wire.narrow import Json

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
LINGER_S = 2.0  # for turns that are not over when the program is
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells have it


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--model", help="Model for the client [default: gemini-3.1-pro, or the first that there is].")
@click.option("--serve", "flags", default="", metavar="FLAGS", help="Flags of `serve` for a gateway that is started.")
@config_file
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [ARGUMENTS]…", type=click.UNPROCESSED)
def run(model: str | None, flags: str, config_file: str | None, words: tuple[str, ...]) -> None:
    """Start a coding agent, or any program, on the gateway.

    Example: zerogravity run -- codex

    Uses the gateway that runs at the configured address; else starts one, which ends with the program, or with the last
    of several. Known clients (`zerogravity config` lists them) get the settings of one run: variables, flags, a
    temporary file. None of your own files is changed, and flags that you give win. Any other program gets the variables
    of the OpenAI, Anthropic and Google SDKs.

    Terminal, signals and exit code are the program's. Before it, one line on stderr has the inspector's link; after it,
    one tells what it used.
    """
    from zerogravity import config as configuration
    from zerogravity.agents.catalogue import known
    from zerogravity.agents.sdks import SCRIPT

    try:
        given = shlex.split(flags)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--serve") from None
    if known(words).agent is SCRIPT and model is not None:
        raise click.UsageError(f"--model has no effect on {words[0]}, which is no known client: tell it yourself")
    if (found := shutil.which(words[0])) is None:
        is_there = os.sep in words[0] and Path(words[0]).exists()
        output.remark(f"zerogravity: {words[0]}: {'not executable' if is_there else 'command not found'}")
        raise SystemExit(NOT_EXECUTABLE if is_there else NOT_FOUND)
    config = configuration.load({}, file=config_file).config
    output.run(_run(config, (found, *words[1:]), model, given, config_file))


async def _run(
    config: Config, words: tuple[str, ...], model: str | None, flags: list[str], config_file: str | None
) -> int:
    """The program's exit code."""
    from zerogravity.cli.own_gateway import found_or_started

    folder = Path(tempfile.mkdtemp(prefix="zerogravity-run-"))
    keeps = False  # the folder, for the log in it
    try:
        async with found_or_started(config, folder, flags, config_file) as found:
            try:
                return await _program(config, found.gateway, words, model, folder, started=found.log is not None)
            except OSError as error:
                raise OSError(f"{error}\nits log: {found.log}" if found.log else str(error)) from error
    except OSError:
        keeps = (folder / "serve.log").exists()
        raise
    finally:
        if not keeps:
            shutil.rmtree(folder, ignore_errors=True)


async def _program(
    config: Config, gateway: Gateway, words: tuple[str, ...], model: str | None, folder: Path, *, started: bool
) -> int:
    """Its exit code. Tells what it used."""
    from zerogravity.agents.agent import ANY_KEY, SMALL_MODEL, Target
    from zerogravity.agents.catalogue import known
    from zerogravity.cli import foreground
    from zerogravity.cli.prepare import environment, prepare

    run_id = "".join(secrets.choice(LETTERS) for _ in range(6))
    models = await gateway.models()
    chosen = model or _default(models)
    small = SMALL_MODEL if SMALL_MODEL in models else chosen
    agent, at = known(words)
    own = folder / "client"
    own.mkdir(mode=0o700)
    start = agent.start(Target(f"{gateway.url}/run/{run_id}", gateway.key or ANY_KEY, chosen, small), str(own))
    prepare(start, own)
    arguments = () if words[at:] and words[at] in agent.local else start.arguments
    name = f"{agent.name} ({chosen})" if agent.commands else Path(words[0]).name
    where = f"{gateway.url}{' (started for it)' if started else ''}"
    click.echo(f"zerogravity: {name} on {where}; {await _inspector(config, gateway)}", err=True)
    try:
        code = await foreground.run((*words[:at], *arguments, *words[at:]), environment(os.environ, start))
    except OSError as error:
        output.remark(f"zerogravity: {words[0]}: {error.strerror}")
        return NOT_EXECUTABLE
    click.echo(f"zerogravity: {await _used(gateway, run_id)}", err=True)
    return code


def _default(models: list[str]) -> str:
    from zerogravity.agents.agent import MODEL, SMALL_MODEL

    return next((name for name in (MODEL, SMALL_MODEL, *models) if name in models), MODEL)


# -- what is told --------------------------------------------------------------------------------------------------


async def _inspector(config: Config, gateway: Gateway) -> str:
    from zerogravity.observe.inspector import link
    from zerogravity.observe.inspector.token import token_of

    token = token_of(config)
    if token is None:
        return "the inspector is off"
    try:
        await link.check(gateway.url, token)
    except OSError:
        return "its inspector is off, or has another token: see what it printed at its start"
    return f"inspector: {link.of(gateway.url, token)}"


async def _used(gateway: Gateway, run_id: str) -> str:
    """What the run used, as soon as its turns are over."""
    import asyncio

    deadline = asyncio.get_running_loop().time() + LINGER_S
    try:
        totals = await gateway.totals(run_id, ended=True)
        while totals.get("running") and asyncio.get_running_loop().time() <= deadline:
            await asyncio.sleep(0.05)
            totals = await gateway.totals(run_id)
    except OSError as error:
        return f"{error}, so what the program used is not known"
    return summed(totals)


def summed(totals: Json) -> str:
    """One line. ``totals``: as ``GET /run/{id}`` tells them."""
    from zerogravity.observe.figures import Tokens, many, price
    from zerogravity.observe.prices import Price
    from zerogravity.wire.narrow import count, members

    turns, failed, cancelled, running = (
        count(totals.get(name)) for name in ("turns", "failed", "cancelled", "running")
    )
    if not turns:
        return "no turn came from the program"
    usage, cost = members(totals.get("usage")), Price.of_json(totals)
    used, about = Tokens.of_json(usage), "about " if usage.get("source") == "estimate" else ""
    tokens = f"{about}{used.sent:,} tokens in ({used.cached:,} cached), {used.made:,} out"
    words = "price not known" if cost == Price(partial=True) else price(cost.usd, partial=cost.partial)
    ends = [f"{number} {word}" for number, word in ((failed, "failed"), (cancelled, "cancelled"),
                                                    (running, "still running")) if number]  # fmt: skip
    traces = totals.get("traces")
    where = f"traces: {traces}" if traces else "not traced"
    return f"{', '.join(filter(None, (many(turns, 'turn'), tokens, words, *ends)))}; {where}"
