"""A mitmproxy that loads our file → our addons, or one sentence on which mitmproxy to run instead.

One from pipx, brew or a system package has a Python of its own, without our dependencies. So this is written for any
Python 3, and imports our own code only where that may fail.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any


def addons_of(script: str) -> list[Any]:
    """For a script that mitmproxy loads. None, and an error in the log, which ends the start, where they cannot run."""
    try:
        why = _too_old()
        if why is None:
            from zerogravity.capture.addon import Capture
            from zerogravity.capture.contentview import Views

            return [Capture(), Views()]
    except (ImportError, SyntaxError) as error:
        why = str(error)
    text = "zerogravity cannot run in this mitmproxy (%s): %s"
    logging.getLogger("zerogravity.capture").error(text, why, _instead(Path(script).resolve()))
    return []


def _too_old() -> str | None:
    from mitmproxy.version import VERSION

    from zerogravity import MITMPROXY, PYTHON

    if sys.version_info < PYTHON:
        return "its Python is {}.{}, {}.{} is needed".format(*sys.version_info[:2], *PYTHON)
    least, found = ([int(part) for part in text.split(".")[:2]] for text in (MITMPROXY, VERSION))
    return f"it is {VERSION}, {MITMPROXY} is needed" if found < least else None


def _instead(script: Path) -> str:
    """What to do. ``script`` is in a checkout that has its environment in ``.venv``, or inside an environment."""
    checkout = script.parent.parent
    inside = script.parents[min(5, len(script.parents) - 1)]
    for environment in (checkout / ".venv", inside):
        mitmdump = environment / "bin" / "mitmdump"
        if mitmdump.exists() and Path(sys.prefix).resolve() != environment.resolve():
            return f"run {mitmdump} -s {script}"
    if (setup := checkout / "scripts" / "demo").exists():
        return f"run {setup} once, it sets up all that is needed, then {checkout}/.venv/bin/mitmdump -s {script}"
    return "run the mitmdump of the environment that zerogravity is installed in, all of it: pip install zerogravity"
