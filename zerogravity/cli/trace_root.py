"""What the commands ``trace …`` share: where the traces are, and the query that says which are meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate

import click

from zerogravity.cli.output import remark

if TYPE_CHECKING:
    from zerogravity.observe.history import History

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEGATED = re.compile(r'-(?:[A-Za-z]+:|")')

directory_option = click.option("--dir", "directory", type=_FOLDER, help="Folder of the traces.")
query_argument = click.argument("query", nargs=-1)


class QueryCommand(click.Command):
    """A command with a query among its arguments: ``-code:ok`` belongs to it, as no option has a colon."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {arg}" if _NEGATED.match(arg) else arg for arg in args])


def query_of(words: Sequence[str], **fields: str | None) -> str:
    """The query of a command line; ``fields``: further terms, where they are given."""
    return " ".join((*words, *(f'{name}:"{value}"' for name, value in fields.items() if value is not None)))


def folder_of(directory: Path | None) -> Path:
    """The one that was named, else the configured one."""
    from zerogravity.config_sources import configured_traces

    return directory or configured_traces()


def pass_root[**P, R](command: Callable[Concatenate[Path, P], R]) -> Callable[P, R]:
    """With the folder of the traces as the first argument, looked up when the command runs. ``--dir`` is understood
    before the verb and behind it."""

    @click.option("--dir", "own_directory", type=_FOLDER, help="Folder of the traces.")
    @click.pass_obj
    @wraps(command)
    def run(directory: Path | None, *args: P.args, **kwargs: P.kwargs) -> R:
        own: Path | None = kwargs.pop("own_directory")  # pyright: ignore[reportAssignmentType]
        return command(folder_of(own or directory), *args, **kwargs)

    return run


def pass_history[**P, R](command: Callable[Concatenate[History, P], R]) -> Callable[P, R]:
    """The same with the turns in that folder."""

    @wraps(command)
    def run(root: Path, *args: P.args, **kwargs: P.kwargs) -> R:
        from zerogravity.observe.history import History

        return command(History(root, remark=remark), *args, **kwargs)

    return pass_root(run)
