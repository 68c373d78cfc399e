"""The commands ``service …``: ``serve`` that starts when you log in, and again when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zerogravity.errors import FaultError, bad_request

if TYPE_CHECKING:
    from zerogravity.cli.service_files import Service

NO_MANAGER = (
    "{why}. Start `{command}` by what starts programs at login here, or run it in a terminal; "
    "`zerogravity service install --print` shows the file"
)


@click.group()
def service() -> None:
    """Keep the gateway running: systemd user units (Linux), launchd (macOS)."""


@service.command()
@click.option("--print", "only_print", is_flag=True, help="Show the file, and change nothing.")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def install(flags: tuple[str, ...], only_print: bool) -> None:
    """Write the service's file and start it. FLAGS of ``serve`` follow ``--``.

    Example: zerogravity service install -- --ls runtime
    """
    _check(flags)
    made = _service(flags)
    if only_print:
        click.echo(made.text, nl=False)
        return
    if made.file.exists() and not _is_ours(made):
        raise _refused(f"{made.file} is there, and was not written by us: move it away first")
    _need_manager(made, flags)
    made.file.parent.mkdir(parents=True, exist_ok=True)
    made.file.write_text(made.text)
    made.file.chmod(0o644)
    if sys.platform == "darwin":  # it knows no restart, and refuses what is loaded
        _quietly(made.stop)
    for command in made.start:
        if subprocess.run(command, check=False).returncode:
            raise _refused(f"`{' '.join(command)}` has failed; `zerogravity service logs` may say why")
    click.echo(f"zerogravity runs, and starts at login: {made.file}", err=True)
    if variables := _variables():
        click.echo(f"not in it: {', '.join(variables)} of this shell; put such settings into config.toml", err=True)
    if sys.platform != "darwin":
        click.echo("it ends when you log out, unless you `loginctl enable-linger`", err=True)


@service.command()
def status() -> None:
    """Whether it runs, as the service manager says."""
    _leave(_installed().status)


@service.command()
@click.option("-f", "--follow", is_flag=True, help="Go on.")
def logs(follow: bool) -> None:
    """Show the newest lines of its log."""
    made = _installed()
    _leave(made.follow if follow else made.logs)


@service.command()
def uninstall() -> None:
    """Stop it and remove its file. Traces, settings and logs stay."""
    made = _service(())
    if not made.file.exists():
        click.echo("nothing is installed", err=True)
        return
    if not _is_ours(made):
        raise _refused(f"{made.file} was not written by us, and stays")
    _quietly(made.stop)
    made.file.unlink()
    click.echo(f"removed {made.file}", err=True)


def _service(flags: Sequence[str]) -> Service:
    from zerogravity.cli import service_files

    home, command = Path.home(), (*_program(), "serve", *flags)
    if sys.platform == "darwin":
        return service_files.launchd(command, home, os.getuid())
    if sys.platform.startswith("linux"):
        return service_files.systemd(command, Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"))
    raise _refused(NO_MANAGER.format(why=f"there is no service manager that we know on {sys.platform}",
                                     command=" ".join(command)))  # fmt: skip


def _program() -> tuple[str, ...]:
    """This zerogravity, wherever it is called from."""
    python = Path(sys.executable).absolute()
    script = python.with_name("zerogravity")
    return (str(script),) if script.exists() else (str(python), "-m", "zerogravity")


def _check(flags: Sequence[str]) -> None:
    """Raises what ``serve`` would say to these flags, and refuses secrets: other programs may read the file."""
    from zerogravity.cli.serve import serve
    from zerogravity.config import SECRETS

    given = serve.make_context("serve", list(flags), parent=click.get_current_context().find_root()).params
    options = (setting.partition("=")[0].removeprefix("zg_") for setting in given["settings"])
    names = [name for name, value in given.items() if value is not None]
    if secret := next((name for name in (*names, *options) if name in SECRETS), None):
        raise _refused(f"{secret} is a secret: put it into config.toml, and make that 0600", secret)


def _variables() -> list[str]:
    from zerogravity.config_sources import ENV, NOT_SETTINGS

    known = (name for name in sorted(os.environ) if name.startswith(ENV))
    return [name for name in known if name.removeprefix(ENV) not in NOT_SETTINGS]


def _need_manager(made: Service, flags: Sequence[str]) -> None:
    try:
        done = subprocess.run(made.probe, check=False, capture_output=True, text=True, timeout=20)
        why = "" if done.returncode == 0 else done.stderr.strip().rstrip(".") or f"{made.probe[0]} has failed"
    except (OSError, subprocess.TimeoutExpired):
        why = f"there is no {made.probe[0]} that answers"
    if why:
        raise _refused(NO_MANAGER.format(why=why, command=" ".join(("zerogravity", "serve", *flags))))


def _installed() -> Service:
    made = _service(())
    if not made.file.exists():
        raise _refused("nothing is installed: `zerogravity service install` does it")
    return made


def _is_ours(made: Service) -> bool:
    from zerogravity.cli.service_files import MARK

    return MARK in made.file.read_text(errors="replace")


def _quietly(commands: Sequence[Sequence[str]]) -> None:
    for command in commands:
        try:
            subprocess.run(command, check=False, capture_output=True)
        except OSError:  # the manager is gone, and what it ran as well
            continue


def _leave(command: Sequence[str]) -> None:
    try:
        sys.exit(subprocess.run(command, check=False).returncode)
    except FileNotFoundError:
        raise _refused(f"there is no {command[0]} here") from None


def _refused(message: str, param: str | None = None) -> FaultError:
    return bad_request(message, param=param, code="service_refused")
