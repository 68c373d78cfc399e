"""The command ``setup``: an editor of the VS Code family is told of the proxy, and forgets it again."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from zerogravity.errors import FaultError, bad_request

EDITORS = {"vscode": "Code", "antigravity": "Antigravity", "cursor": "Cursor", "vscodium": "VSCodium",
           "windsurf": "Windsurf"}  # fmt: skip
MEMBER = "http.proxy"
BACKUP = ".zerogravity-backup"
EMPTY = "{\n}\n"
NEXT = """\
{file}
    "{member}": "{proxy}"

This is for proxy mode: `zerogravity certs new` once, then `zerogravity serve --mode proxy`. The editor has to be
started with SSL_CERT_FILE as `serve` prints it, so that its language server trusts our certificate.
In reverse mode no setting is needed: the language server takes --cloud_code_endpoint, or use `serve --repoint`."""


@click.command()
@click.argument("editor", type=click.Choice(list(EDITORS)))
@click.option("--write", is_flag=True, help="Write the setting; a backup stands beside the file then.")
@click.option("--undo", is_flag=True, help="Take it back.")
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="The settings.json [default: the user's]."
)
@click.option("--proxy-port", type=click.IntRange(1, 65535), default=8742, show_default=True, help="As of ``serve``.")
def setup(editor: str, write: bool, undo: bool, file: Path | None, proxy_port: int) -> None:
    """Show the setting that sends an editor's language server through the gateway. ``--write`` writes it.

    Example: zerogravity setup vscode --write
    """
    if write and undo:
        raise click.UsageError("--write or --undo, not both")
    where, proxy = file or _settings(EDITORS[editor]), f"http://127.0.0.1:{proxy_port}"
    if write:
        _write(where, proxy)
    elif undo:
        _undo(where)
    else:
        click.echo(NEXT.format(file=where, member=MEMBER, proxy=proxy))


def _settings(name: str) -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / name / "User" / "settings.json"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / name / "User" / "settings.json"


def _write(file: Path, proxy: str) -> None:
    from zerogravity.cli.editor_settings import value_of, with_member

    text = _read(file)
    given = EMPTY if text is None else text
    with _readable(file):
        if value_of(given, MEMBER) == proxy:
            click.echo(f"{file} says so already", err=True)
            return
        made = with_member(given, MEMBER, proxy)
    file.parent.mkdir(parents=True, exist_ok=True)
    if text is not None and not _backup(file).exists():  # the first one counts: later ones hold our own setting
        _replace(_backup(file), text, 0o600)
    _replace(file, made, 0o600 if text is None else file.stat().st_mode & 0o777)
    click.echo(f"written: {MEMBER} in {file}", err=True)


def _undo(file: Path) -> None:
    from zerogravity.cli.editor_settings import value_of, with_member, without_member

    text, former = _read(file), _read(_backup(file))
    if text is None:
        raise _refused(f"there is no {file}")
    with _readable(file):
        ours = value_of(text, MEMBER)
        old = value_of(former or EMPTY, MEMBER)
        if ours is None or (former is None and text != with_member(EMPTY, MEMBER, ours)):
            raise _refused(f"{file} holds nothing of ours")
        if former is None:
            file.unlink()
        elif text == with_member(former, MEMBER, ours):
            _replace(file, former, file.stat().st_mode & 0o777)
        else:  # it has been changed since: all else stays
            made = without_member(text, MEMBER) if old is None else with_member(text, MEMBER, old)
            _replace(file, made, file.stat().st_mode & 0o777)
    _backup(file).unlink(missing_ok=True)
    click.echo(f"taken back: {MEMBER} in {file}", err=True)


def _backup(file: Path) -> Path:
    return file.with_name(file.name + BACKUP)


def _read(file: Path) -> str | None:
    """None: it is not there. Line ends as they are."""
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise _refused(f"{file} is no UTF-8, and stays as it is") from None


def _replace(file: Path, text: str, mode: int) -> None:
    temporary = file.with_name(file.name + ".zerogravity-tmp")
    temporary.touch(mode=0o600)
    temporary.write_bytes(text.encode())
    temporary.chmod(mode)
    temporary.replace(file.resolve() if file.is_symlink() else file)


@contextmanager
def _readable(file: Path) -> Generator[None]:
    """Turns what cannot be parsed into a clear error; nothing has been touched then."""
    try:
        yield
    except ValueError as error:
        raise _refused(f"{file} cannot be read, and stays as it is: {error}") from None


def _refused(message: str) -> FaultError:
    return bad_request(message, code="setup_refused")
