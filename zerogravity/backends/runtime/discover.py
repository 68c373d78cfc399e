"""The runtime for people: where it is, what it logs in with and what it lacks; and which ones run, ours and those of
other programs (agents of Google's SDK).

Only processes of our own user are looked at; a key is never shown. Facts: antigravity-runtime.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from zerogravity.backends.runtime.folders import PREFIX
from zerogravity.backends.runtime.settings import PACKAGE, PROGRAM, Settings

LOOK = "to see its calls: zerogravity serve --passive, and start that with the variable that serve prints"


@dataclass(frozen=True, slots=True)
class Running:
    """``parent``: who has started it. ``ours``: a zerogravity has."""

    pid: int
    parent: str
    ours: bool


def running() -> list[Running]:
    """The runtimes of this user. Ours are known by the folder that they are started in."""
    me = psutil.Process().username()
    found: list[Running] = []
    for candidate in psutil.process_iter(["pid", "ppid", "username", "cmdline", "cwd"]):
        info = candidate.info
        if info["username"] == me and _is_one(info["cmdline"] or ()):
            ours = Path(info["cwd"] or "").name.startswith(PREFIX)
            found.append(Running(info["pid"], _name_of(info["ppid"]), ours))
    return found


def version_of(binary: Path) -> str:
    """That of the installed package which it is a file of; empty: it is none's."""
    site = str(binary.parents[3]) if len(binary.parents) > 3 else ""
    return next((found.version for found in metadata.distributions(name=PACKAGE, path=[site])), "")


def describe(settings: Settings, running: Iterable[Running]) -> list[str]:
    """Lines for a person: ``zerogravity ls``."""
    lines = [f"runtime  {program(settings)}", f"  login    {login(settings)}", f"  api      {api(settings)}"]
    for one in running:
        lines.append(f"  runs     pid {one.pid}, started by {one.parent}{', ours' if one.ours else f': {LOOK}'}")
    faults = (settings.no_program, settings.no_login)
    return lines + [f"  missing  {fault.full_message}" for fault in faults if fault is not None]


def as_json(settings: Settings, running: Iterable[Running]) -> dict[str, object]:
    """The same for a program: ``zerogravity ls --json``."""
    vertex, binary = settings.vertex, settings.binary
    faults = (settings.no_program, settings.no_login)
    return {
        "path": None if binary is None else str(binary),
        "version": (binary and version_of(binary)) or None,
        "key_from": settings.key_from or None,
        "api": settings.google,
        "vertex": None if vertex is None else {"project": vertex.project, "location": vertex.location},
        "missing": [{"text": fault.message, "fix": fault.remedy} for fault in faults if fault is not None],
        "running": [{"pid": one.pid, "parent": one.parent, "ours": one.ours} for one in running],
    }


def program(settings: Settings) -> str:
    """Where it is, and the version of its package."""
    if settings.binary is None:
        return "none"
    version = version_of(settings.binary)
    return f"{settings.binary} ({PACKAGE} {version or 'of an unknown version'})"


def login(settings: Settings) -> str:
    """By which key or file; never the key itself."""
    vertex = settings.vertex
    if settings.key:
        return f"API key of {settings.key_from}"
    if settings.no_login is not None:
        return "none"
    file = None if vertex is None else vertex.login
    return "this machine's own on Google Cloud, if it has one" if file is None else f"file {file}"


def api(settings: Settings) -> str:
    """Which of Google's it calls."""
    vertex = settings.vertex
    where = f", project {vertex.project}, location {vertex.location}" if vertex is not None and vertex.project else ""
    return f"{'the Gemini API' if vertex is None else f'Vertex AI{where}'}, {settings.google}"


def _is_one(command: Iterable[str]) -> bool:
    first = next(iter(command), "")
    return first.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") == PROGRAM


def _name_of(pid: int) -> str:
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return "a program that has ended"
