"""What one run of a client needs → its files in a folder of its own, and its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from zerogravity.agents.agent import Start
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, an_object, members


def prepare(start: Start, folder: Path) -> None:
    """Its files, readable by us alone. Raises OSError when the user's own cannot be read."""
    stand_in = start.stands_in
    ours, theirs = folder, None
    if stand_in is not None:
        theirs = Path(os.environ.get(stand_in.variable) or stand_in.default).expanduser() / stand_in.inside
        ours = folder / stand_in.inside
        ours.mkdir(mode=0o700, exist_ok=True)
        for entry in theirs.iterdir() if theirs.is_dir() else ():
            if entry.name not in start.files:
                (ours / entry.name).symlink_to(entry.absolute())
    for name, text in start.files.items():
        if theirs is not None and stand_in is not None and name in stand_in.merged:
            text = _merged(theirs / name, text)
        (ours / name).touch(mode=0o600)
        (ours / name).write_text(text, "utf-8")


def _merged(file: Path, text: str) -> str:
    """The user's settings with ours in them."""
    if not file.exists():
        return text
    try:
        theirs = members(jsonio.loads(file.read_bytes()))
    except ValueError as error:
        raise OSError(
            f"{file} is not plain JSON, so its settings cannot be taken over for this run: {error}"
        ) from error
    return jsonio.text(_over(theirs, members(jsonio.loads(text.encode()))), indent=True)


def _over(theirs: Json, ours: Json) -> dict[str, object]:
    made = dict(theirs)
    for name, value in ours.items():
        mine, old = an_object(value), an_object(made.get(name))
        made[name] = _over(old, mine) if mine is not None and old is not None else value
    return made


def environment(ours: Mapping[str, str], start: Start) -> dict[str, str]:
    """With a proxy set, calls to this machine have to be kept away from it."""
    made = {name: value for name, value in {**ours, **start.env}.items() if value is not None}
    if any(name.lower() in ("http_proxy", "all_proxy") and value for name, value in made.items()):
        for name in ("NO_PROXY", "no_proxy"):
            made[name] = ",".join(filter(None, (made.get(name), "127.0.0.1,localhost,::1")))
    return made
