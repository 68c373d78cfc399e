"""What a turn needs of this machine, one function per need → ``Check``. Changes nothing, sends nothing.

A check that is ``ok`` and has a ``fix`` is a warning.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from zerogravity import MITMPROXY, PYTHON, certs, event_loop
from zerogravity import config as configuration
from zerogravity.backends.antigravity.discover import Found, why_silent
from zerogravity.errors import FaultError
from zerogravity.observe.health import Check

PACKAGES = {  # versions known to work; the first three are minima of security advisories
    "mitmproxy": MITMPROXY, "aiohttp": "3.14.1", "orjson": "3.11.6", "pydantic": "2.11", "cryptography": "44",
    "click": "8.1", "platformdirs": "4.3", "prometheus-client": "0.22", "psutil": "7", "rich": "14",
}  # fmt: skip
SOON_DAYS = 7
ROOM = 256 << 20  # free bytes below which traces are not worth starting


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Check:
    text = ".".join(map(str, found))
    fix = "" if found >= PYTHON else "install Python 3.13 and recreate the environment"
    return Check("python", not fix, text, fix)


def dependencies(installed: Callable[[str], str] = version) -> Check:
    """Every runtime package, new enough."""
    wrong: list[str] = []
    for name, least in PACKAGES.items():
        try:
            found = installed(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if numbers(found) < numbers(least):
            wrong.append(f"{name} {found} is older than {least}")
    if wrong:
        return Check("dependencies", False, "; ".join(wrong), "run in the checkout: pip install -e .")
    told = f"{len(PACKAGES)} packages, mitmproxy {installed('mitmproxy')}"
    with suppress(PackageNotFoundError):
        told += f", uvloop {installed('uvloop')}"
    return Check("dependencies", True, told)


def numbers(text: str) -> tuple[int, ...]:
    """``12.2.3rc1`` → (12, 2, 3)."""
    return tuple(map(int, re.findall(r"\d+", re.split(r"[a-z+]", text)[0])))


def settings(
    file: str | None, env: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> tuple[Check, configuration.Config | None]:
    """The configuration as ``serve`` would load it."""
    try:
        loaded = configuration.load(flags, file=file, env=env)
        event_loop.factory(loaded.config.loop)
    except FaultError as error:
        return Check(
            "configuration", False, error.fault.message, "correct it; zerogravity config show lists all settings"
        ), None
    changed = [name for name, origin in loaded.origins.items() if origin != "default"]
    return Check("configuration", True, f"changed: {', '.join(changed)}" if changed else "all defaults"), loaded.config


# -- ports ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port. ``ours``: it is a zerogravity."""

    pid: int
    name: str
    ours: bool


def port(name: str, host: str, number: int, flag: str, holder: Callable[[int], Holder | None] | None = None) -> Check:
    """Whether zerogravity can listen there, or does so already."""
    where = f"{host}:{number}"
    if number == 0 or free(host, number):
        return Check(name, True, f"{where} is free" if number else "any free port")
    fix = f"choose another port with {flag}"
    if (error := _trouble(host, number)) is not None and error.errno != errno.EADDRINUSE:
        return Check(name, False, f"cannot listen on {where}: {error.strerror}", fix)
    found = (holder or holder_of)(number)
    if found is not None and found.ours:
        return Check(name, True, f"{where} is in use by zerogravity itself (pid {found.pid})")
    return Check(name, False, f"{where} is in use by {_who(found)}", f"stop it, or {fix}")


def taken(host: str, number: int, flag: str, holder: Callable[[int], Holder | None] | None = None) -> str | None:
    """Which process holds the port, and what to do, in one sentence; None: none, or this process itself."""
    if number == 0 or (error := _trouble(host, number)) is None or error.errno != errno.EADDRINUSE:
        return None
    found = (holder or holder_of)(number)
    return None if found is not None and found.pid == os.getpid() else _taken(host, number, flag, found)


def why(error: Exception, host: str, number: int, flag: str) -> str:
    """Why a start that had to listen there failed, in one sentence."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return _taken(host, number, flag, holder_of(number))
    return error.fault.full_message if isinstance(error, FaultError) else str(error)


def _taken(host: str, number: int, flag: str, found: Holder | None) -> str:
    where = f"{host or '*'}:{number}"
    if found is not None and found.pid == os.getpid():
        return f"{where} is already the other port of this process: choose another one with {flag}"
    if found is not None and found.ours:
        return f"zerogravity already runs on {where} (pid {found.pid}): use that, or choose another port with {flag}"
    return f"{where} is in use by {_who(found)}: stop it, or choose another port with {flag}"


def _who(found: Holder | None) -> str:
    return f"{found.name} (pid {found.pid})" if found is not None else "another program"


def free(host: str, number: int) -> bool:
    return _trouble(host, number) is None


def _trouble(host: str, number: int) -> OSError | None:
    """The error of an attempt to listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def holder_of(number: int) -> Holder | None:
    """None: the process is another user's, or not visible."""
    try:
        table: list[Any] = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        process = psutil.Process(next(one.pid for one in table if one.laddr.port == number and one.pid))
        command = process.cmdline()
        return Holder(process.pid, process.name(), is_ours(command))
    except (psutil.Error, StopIteration):
        return None


def is_ours(command: Sequence[str]) -> bool:
    """``zerogravity serve``, ``python -m zerogravity serve``, ``mitmdump -s …/capture.py``, or ``…/script.py``."""
    programs = [Path(argument).name for argument in command[:2]]  # an interpreter and its script, too
    if "zerogravity" in programs or ("-m", "zerogravity") in pairwise(command):
        return True
    scripts = ("addons/capture.py", "zerogravity/capture/script.py")
    loads = any(argument.endswith(scripts) for argument in command)
    return loads and any(program.startswith("mitm") for program in programs)


# -- the rest ------------------------------------------------------------------------------------------------------


def language_server(
    found: Sequence[Found], proxy_port: int, mode: str | None = "reverse", *, repoint: bool = False
) -> Check:
    """The best running one: does it answer, is it logged in, do its calls come here, or will they: ``repoint``."""
    name = "language_server"
    if not found:
        fix = (
            "start your editor and log in, or set ZEROGRAVITY_LS_URL and ZEROGRAVITY_LS_CSRF, or give zerogravity an "
            "API key: zerogravity serve --ls runtime"
        )
        return Check(name, False, "no language server is running", fix)
    best = found[0]
    who = f"pid {best.pid} ({best.kind})"
    if best.endpoint is None:
        text = f"{who} does not answer: {why_silent(best.process)}"
        return Check(name, False, text, "restart the editor; details: zerogravity ls")
    if not best.logged_in:
        return Check(name, False, f"{who}: {best.trouble.message}", best.trouble.remedy)
    text = f"{who} on {best.endpoint.url}, {len(best.models)} models"
    by = route(best, proxy_port, mode, repoint=repoint)
    return Check(name, by.ok, f"{text}, {by.text}", by.fix)


def route(one: Found, proxy_port: int, mode: str | None = "reverse", *, repoint: bool = False) -> Check:
    """Whether the calls of a language server come to our port, and in our mode. ``repoint``: serve sees to that."""
    name, text = "route", f"route: {one.process.route}"
    if repoint and not one.process.by_endpoint:
        return Check(name, True, f"{text}; serve re-points it to http://127.0.0.1:{proxy_port}")
    if not one.process.routed_here:
        flag = f"--cloud_code_endpoint http://127.0.0.1:{proxy_port}"
        return Check(name, False, text, f"start it with {flag}, or with HTTPS_PROXY=http://127.0.0.1:{proxy_port}")
    if mode is not None and one.process.by_endpoint is not (mode == "reverse"):
        other = "proxy" if mode == "reverse" else "reverse"
        return Check(
            name, False, f"{text}, but zerogravity runs in {mode} mode", f"start zerogravity with --mode {other}"
        )
    if (where := one.process.route_port) != proxy_port:
        return Check(name, True, text, f"it calls port {where}: start zerogravity with --proxy-port {where}")
    return Check(name, True, text)


def authority(directory: Path, *, needed: bool, host: str = "", now: datetime | None = None) -> Check:
    """The certificate authority, which only proxy mode needs. ``host``: the one that it must speak for."""
    name = "certificates"
    if not (directory / "mitmproxy-ca.pem").exists():
        if needed:
            return Check(name, False, f"no authority in {directory}", "run: zerogravity certs new")
        return Check(name, True, "none; reverse mode needs none")
    try:
        found = certs.load(directory)
    except FaultError as error:
        return Check(name, False, error.fault.message, "run: zerogravity certs new")
    left = (found.expires - (now or datetime.now(UTC))).days
    if left < 0:
        return Check(name, not needed, f"expired on {found.expires:%Y-%m-%d}", "run: zerogravity certs new")
    if needed and host and host not in found.hosts:
        return Check(name, False, f"it cannot speak for {host}", "run: zerogravity certs new")
    fix = "run: zerogravity certs new" if left < SOON_DAYS else ""
    return Check(name, True, f"valid for {left} days, for {len(found.hosts)} hosts", fix)


def disk(folder: Path, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Check:
    """Space and permission for traces. The folder itself need not exist."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(
            "disk", False, f"{there} is not writable", "set trace_dir or data_dir to a folder that you can write to"
        )
    room = free(there)
    text = f"{room / (1 << 30):.1f} GiB free for {folder}"
    return Check("disk", True, text, "" if room >= ROOM else "free some space before you switch traces on")


def core_dumps(limit: int | None = None) -> Check:
    """A core dump holds everything in memory: tokens, prompts, keys (T28)."""
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[0] if limit is None else limit
    if allowed:
        return Check("core_dumps", True, "on: a crash would write prompts and tokens to disk", "run: ulimit -c 0")
    return Check("core_dumps", True, "off")
