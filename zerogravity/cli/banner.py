"""What ``serve`` says when it answers: where agents connect, where to look, what to do next."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.observe.log_output import Form, styled, takes_colour

if TYPE_CHECKING:
    from zerogravity.compose import Gateway
    from zerogravity.config import Config

logger = logging.getLogger("zerogravity")


def announcer(form: Form, *, quiet: bool) -> Callable[[Config, Gateway], None]:
    """What is told when a gateway answers, to say so."""

    def started(config: Config, running: Gateway) -> None:
        if not quiet:
            traces = config.trace_path if config.trace else None
            show(running.url, running.inspector_url, traces, form, keyed=bool(config.accepted_keys))

    return started


def show(url: str, inspector_url: str | None, traces: Path | None, form: Form, *, keyed: bool = False) -> None:
    """On stderr; where the log is for machines, it says so itself. The inspector's link is never in the log: it has the
    token."""
    if form == "json":
        logger.info("zerogravity answers agents on %s", url)
        if inspector_url is not None:
            click.echo(f"inspector: {inspector_url}", err=True)
        return
    click.echo(text(url, inspector_url, traces, keyed=keyed, colour=takes_colour(sys.stderr)), err=True)


def text(url: str, inspector_url: str | None, traces: Path | None, *, keyed: bool = False, colour: bool = False) -> str:
    """``traces``: None: turns are not recorded. ``keyed``: agents must send a key."""

    width = len(f"{url}/v1")

    def row(name: str, value: str, note: str = "", style: str = "cyan") -> str:
        gap = " " * (width - len(value))
        return f"  {name:<11}{styled(value, style, colour)}" + (
            styled(f"{gap}   {note}", "dim", colour) if note else ""
        )

    lines = [
        f"{styled('zerogravity', 'bold', colour)} answers agents on {styled(url, 'cyan', colour)}",
        row("OpenAI", f"{url}/v1", f"OPENAI_BASE_URL; {'your' if keyed else 'any'} key"),
        row("Anthropic", url, "ANTHROPIC_BASE_URL"),
        row("Gemini", url, "GOOGLE_GEMINI_BASE_URL"),
        row("traces", short(traces), style="") if traces is not None else row("traces", "off", style="dim"),
        row("next", "zerogravity run -- codex", "or any other agent", style="bold"),
        row("", "zerogravity config codex", "its settings, to paste", style="bold"),
    ]
    if inspector_url is not None:
        lines.append(f"inspector: {styled(inspector_url, 'cyan', colour)}")
    return "\n".join(lines)


def short(path: Path) -> str:
    """With ``~`` for the home folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
