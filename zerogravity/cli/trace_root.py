"""Where the traces are that a command looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Concatenate

import click

directory_option = click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of the traces."
)


def folder_of(directory: Path | None) -> Path:
    """The one that was named, else the configured one."""
    from zerogravity import config as configuration

    return directory or configuration.load({}).config.trace_path


def pass_root[**P, R](command: Callable[Concatenate[Path, P], R]) -> Callable[P, R]:
    """With the folder of the traces as the first argument, looked up when the command runs."""

    @click.pass_obj
    @wraps(command)
    def run(directory: Path | None, *args: P.args, **kwargs: P.kwargs) -> R:
        return command(folder_of(directory), *args, **kwargs)

    return run


def first[T](values: Iterable[T], limit: int) -> Iterator[T]:
    """The first ``limit`` of them; 0: all."""
    for number, value in enumerate(values):
        if limit and number >= limit:
            return
        yield value
