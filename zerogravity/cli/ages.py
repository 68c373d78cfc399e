"""An age on the command line: ``3d``, ``12h`` → seconds."""

from __future__ import annotations

import re

import click

from zerogravity.observe.query import UNITS

_AGE = re.compile(r"(\d{1,6})\s*([smhdw])", re.IGNORECASE | re.ASCII)


def age(_: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The callback of an option. Raises BadParameter."""
    if value is None:
        return None
    match = _AGE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no age; write one such as 3d or 12h", param=param)
    return int(match[1]) * UNITS[match[2].lower()]
