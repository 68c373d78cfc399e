"""Import and size rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "zerogravity"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
ANYTHING = ("",)
BASE = ("errors", "ids", "core", "redact", "wire.narrow")
PURE_CAPTURE = tuple(
    f"capture.{name}" for name in ("decision", "generation_config", "ls_answer", "match", "passive", "rewrite", "tap")
)

# room → rooms it may import (itself always). The longest name that fits a module counts.
ARROWS: dict[str, tuple[str, ...]] = {
    "errors": ("redact",),  # the one redactor: other people's words go through it where they become a fault
    "redact": ("secret_spans", "wire.jsonio", "wire.narrow"),
    "secret_spans": (),
    "logs": ("redact",),
    "ids": (),
    "hosts": (),
    "certs": ("errors", "hosts"),
    "lifeline": (),
    "event_loop": ("errors", "uvloop_loop"),
    "memory": ("core", "worker"),
    "uvloop_loop": (),
    "open_files": (),
    "tls_buffers": (),
    "config": ("config_sources", "errors", "hosts", "store.address", "wire.narrow"),
    "config_sources": ("config", "errors", "wire.narrow"),
    "core": ("errors", "ids", "wire.narrow"),
    "core.token_estimate": ("core", "wire.jsonio", "wire.narrow"),
    "wire": BASE,
    "wire.narrow": (),
    "wire.jsonio": (),  # the redactor stands on it, and faults on the redactor
    **dict.fromkeys((*PURE_CAPTURE, "capture.contentview"), (*BASE, "wire", *PURE_CAPTURE)),
    "capture.flow_bodies": (*BASE, "capture.mitm"),
    "capture.passive": (*BASE, "agents.recognise", "wire", "capture.match"),
    "capture": (),
    "admission": (),
    "lateness": (),
    "agents": ("wire.jsonio",),
    "agents.recognise": ("wire.jsonio", "wire.narrow"),
    "background": ("core", "errors"),
    "worker": ("core.callbacks",),
    "deadlines": (*BASE, "backends.base", "config"),
    "rounds": BASE,
    "addresses": (),
    "mcp": (*BASE, "addresses", "background", "config", "rounds", "surfaces.common", "wire.jsonio"),
    "cooldowns": (*BASE, "observe.moments", "wire.reasons"),
    "failover": (*BASE, "cooldowns", "rounds", "wire.reasons"),
    "engine": (*BASE, "admission", "background", "backends.base", "config", "deadlines", "rounds"),
    "backends": (),
    "backends.base": (*BASE, "hosts"),
    "backends.output": BASE,
    "backends.antigravity": (
        *BASE, "background", "carrier", "wire", "hosts", "lifeline", "backends.base", "backends.output",
    ),
    "backends.runtime": (*BASE, "background", "wire", "hosts", "lifeline", "backends.base", "backends.output"),
    "backends.choice": (*BASE, "hosts", "config", "backends.antigravity", "backends.runtime.settings"),
    "backends.polling": (*BASE, "background", "wire", "backends.antigravity"),  # the same server, asked in another way
    "surfaces": (*BASE, "wire.sse", "wire.json_text", "wire.jsonio", "wire.calls", "wire.enums"),
    "store": (*BASE, "background", "wire.jsonio", "worker"),
    "store.address": (),
    "store.trace_conditions": ("observe.query",),
    "store.trace_index": (
        "observe.query", "store.schema", "store.trace_conditions", "wire.jsonio", "wire.narrow",
    ),
    "server": (
        *BASE, "addresses", "agents.recognise", "background", "cooldowns", "hosts", "logs", "wire", "config",
        "surfaces", "store.address", "store.base", "store.peers", "store.pending_writes", "observe.health",
        "observe.mcp_servers", "observe.metrics", "observe.quotas", "observe.runs",
    ),
    "observe": (*BASE, "wire", "config", "hosts", "surfaces", "worker"),
    "observe.configured": (
        *BASE, "config", "backends.antigravity", "observe", "store.address", "store.redis.server",
    ),
    "observe.doctor": (
        "backends.antigravity.discover", "backends.choice", "backends.runtime.settings", "config", "observe",
        "surfaces", "testing.simulator.stack", "wire",
    ),
    "observe.history": ("errors", "observe", "store.trace_index"),
    "observe.indexing": (
        "errors", "observe", "store.trace_index", "surfaces", "wire.jsonio", "wire.narrow", "worker",
    ),
    "observe.query": ("errors",),
    "observe.ls_probe": (*BASE, "background", "backends.base", "observe"),
    "observe.runtime": (*BASE, "backends.base", "backends.runtime", "observe"),
    "observe.machine": (*BASE, "certs", "config", "event_loop", "backends.antigravity.discover", "observe"),
    "testing": (*BASE, "background", "wire", "surfaces", "observe"),
    "testing.simulator": ("errors", "ids", "certs", "hosts", "lifeline", "wire.narrow"),
    "testing.replay_server": (*BASE, "compose", "config", "observe.trace_reader", "surfaces", "testing.replay"),
    "capture.addon": (
        *BASE, "capture", "carrier", "compose", "config", "logs", "memory", "observe.log_output", "observe.machine",
    ),
    "capture.interceptor": (
        *BASE, *PURE_CAPTURE, "capture.flow_bodies", "capture.mitm", "capture.passive", "capture.proxy_guard", "hosts",
        "observe", "wire.jsonio",
    ),
    "capture.commands": (
        *BASE, "background", "capture.flow_bodies", "observe", "testing.replay", "testing.replay_server",
    ),
    "capture.loader": ("capture.addon", "capture.contentview"),
    "capture.script": ("capture.loader",),
    "capture.master": ("capture.addon", "capture.mitm", "capture.proxy_guard", "compose", "config", "errors"),
    "capture.proxy_options": ("backends.base", "capture.mitm", "hosts"),
    "capture.http2_reset": ("capture.mitm",),
    "capture.ls_copy": (),
    "carrier": ("background", "wire.http1", "wire.http2", "wire.request"),
    "capture.relayed_call": ("carrier", "capture.ls_copy", "capture.mitm", "wire.http1", "wire.request"),
    "capture.relay": (
        "capture.mitm", "capture.proxy_guard", "capture.relayed_call", "carrier", "core.channel", "core.turn",
    ),
    "capture.proxy_rules": ("hosts",),
    "capture.proxy_guard": (
        "capture.proxy_rules", "capture.match", "capture.mitm", "capture.http2_reset", "certs", "config", "errors",
        "hosts", "observe",
    ),
    "cli": (
        *BASE, "agents", "wire", "backends.antigravity", "backends.base", "backends.choice", "backends.runtime",
        "capture.master", "certs", "compose", "config", "config_sources", "event_loop", "failover", "hosts", "lifeline",
        "memory", "observe", "store.address", "store.base", "store.redis.usage", "store.responses", "store.upkeep",
        "store.usage", "surfaces", "testing",
    ),
    "recording": ("config", "core", "observe", "store.address", "store.redis.usage", "store.usage", "surfaces"),
    "compose": ANYTHING,  # puts it all together: the only exception
    "__main__": ("cli",),
}  # fmt: skip

# foreign package → the only rooms that may import it
GUESTS = {
    "aiohttp": ("server", "backends", "observe", "testing", "cli.demonstration", "cli.simulate"),
    "mitmproxy": (
        *(
            f"capture.{name}"
            for name in ("addon", "flow_bodies", "commands", "contentview", "http2_reset", "interceptor")
        ),
        *(f"capture.{name}" for name in ("loader", "master", "mitm", "proxy_guard", "proxy_options", "relay")),
        "capture.relayed_call",
    ),
    "prometheus_client": ("observe",),
    "psutil": ("backends", "cli.foreground", "observe", "testing"),
    "click": ("cli",),
    "rich": ("cli", "observe"),
    "pygments": ("observe.inspector.highlight",),
    "markdown_it": ("observe.inspector.markdown",),
    "pydantic": ("config",),
    "opentelemetry": ("observe",),
    "redis": ("store.redis",),
    "sqlite3": ("store",),
    "genai_prices": ("observe.prices",),
    "uvloop": ("uvloop_loop",),
    "mcp": ("mcp.connection",),
    "httpx2": ("mcp.connection", "mcp.guard"),
}

# rooms without input or output, clock or chance, and what they may not import for that; with reasoned exceptions
WORLD = {
    "asyncio", "datetime", "http", "io", "os", "pathlib", "queue", "random", "secrets", "select", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request", "uuid",
}  # fmt: skip
PURE = (
    "agents.recognise", "core", "wire", "surfaces", "errors", "backends.runtime.models", "observe.figures",
    "observe.lineage", "observe.printable", "observe.session_summary", "server.paths", "server.welcome", *PURE_CAPTURE,
)  # fmt: skip
ALLOWED = {
    ("core.waiters", "asyncio"),  # wakes readers
}

MAX_MODULE, MOST, MAX_FUNCTION = 400, 600, 60  # lines; a module of more than MOST has no reason


def within(name: str, room: str) -> bool:
    return room == "" or name == room or name.startswith(room + ".")


def longest(name: str, rooms: dict[str, tuple[str, ...]]) -> str | None:
    return max((room for room in rooms if within(name, room)), key=len, default=None)


def imports(source: str) -> Iterator[str]:
    """Full names of everything a module imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(name: str, source: str) -> list[str]:
    """What ``zerogravity.<name>`` imports against the rules."""
    room = longest(name, ARROWS)
    if name and room is None:
        return ["is in no room of the table"]
    found = []
    for target in imports(source):
        package, _, rest = target.partition(".")
        if package == "zerogravity":
            own = within(rest, room or "") or rest.startswith("__") or rest.isupper()  # the package's own
            if name and not own and not any(within(rest, allowed) for allowed in ARROWS[room or ""]):
                found.append(f"imports {target}")
        elif package in GUESTS and not any(within(name, host) for host in GUESTS[package]):
            found.append(f"imports {package}")
        elif any(within(name, pure) for pure in PURE):
            world = next((word for word in WORLD if within(target, word)), None)
            if world is not None and (name, world) not in ALLOWED:
                found.append(f"imports {world} though it is pure")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_arrows(module):
    name = module.removeprefix("zerogravity").removeprefix(".")
    assert wrong_imports(name, MODULES[module].read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("name", "line", "wrong"),
    [
        ("core.fold", "from zerogravity.core import events", False),
        ("core.fold", "from zerogravity import ids", False),
        ("core.fold", "from zerogravity.wire import sse", True),
        ("core.fold", "import asyncio", True),
        ("core.waiters", "import asyncio", False),
        ("core.registry", "def f():\n    from time import time", True),
        ("wire.sse", "from zerogravity.surfaces import base", True),
        ("wire.sse", "import aiohttp", True),
        ("surfaces.chat.emit", "from zerogravity.wire import jsonio", False),
        ("surfaces.chat.emit", "from zerogravity.wire import google", True),
        ("surfaces.chat.emit", "from zerogravity.engine import Engine", True),
        ("server.respond", "from aiohttp import web", False),
        ("server.respond", "from zerogravity.capture import tap", True),
        ("server.respond", "from zerogravity.engine import Engine", True),
        ("engine", "from zerogravity.backends.antigravity import client", True),
        ("engine", "from zerogravity.backends.base import Backend", False),
        ("backends.base", "from zerogravity.backends.antigravity import client", True),
        ("backends.antigravity.backend", "from zerogravity.engine import Engine", True),
        ("backends.antigravity.backend", "from zerogravity.backends.polling import polling", True),
        ("observe.ls_probe", "from zerogravity.backends.antigravity import client", True),
        ("capture.tap", "from mitmproxy import http", True),
        ("capture.tap", "from zerogravity.capture import rewrite", False),
        ("capture.addon", "from mitmproxy import http", False),
        ("observe.recorder", "from mitmproxy import http", True),
        ("testing.simulator.google", "from zerogravity.core import events", True),
        ("cli.main", "from zerogravity.engine import Engine", True),
        ("cli.main", "from zerogravity.compose import gateway", False),
        ("newroom.thing", "import json", True),
    ],
)
def test_the_rules_catch_what_they_should(name, line, wrong):
    assert bool(wrong_imports(name, line)) is wrong


# -- sizes -------------------------------------------------------------------------------------------------------


def too_long(source: str) -> list[str]:
    """The module and its functions that are too long and give no reason (``# long: <reason>``)."""
    lines = source.splitlines()
    found = []
    reason = len(lines) <= MOST and any(line.startswith("# long: ") for line in lines)
    if len(lines) > MAX_MODULE and not reason:
        found.append(f"{len(lines)} lines")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        start = min((decorator.lineno for decorator in node.decorator_list), default=node.lineno)
        length = (node.end_lineno or node.lineno) - start + 1
        first = node.body[1] if len(node.body) > 1 and ast.get_docstring(node) is not None else node.body[0]
        if length > MAX_FUNCTION and not any("# long: " in line for line in lines[max(start - 2, 0) : first.lineno]):
            found.append(f"{node.name}: {length} lines")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_long_modules_and_functions_say_why(module):
    assert too_long(MODULES[module].read_text("utf-8")) == []


BODY = "    x = 1\n" * 60


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * 400, []),
        ("x = 1\n" * 401, ["401 lines"]),
        ("# long: one table\n" + "x = 1\n" * 401, []),
        ("# long: one table\n" + "x = 1\n" * 600, ["601 lines"]),
        ("def f():\n" + BODY[10:], []),
        ("def f():\n" + BODY, ["f: 61 lines"]),
        ("class A:\n    async def f(self):\n" + BODY.replace("    x", "        x"), ["f: 61 lines"]),
        ("@a\n@b\ndef f():\n" + BODY[10:], ["f: 62 lines"]),
        ("# long: one decision\ndef f():\n" + BODY, []),
        ("def f():  # long: one decision\n" + BODY, []),
        ("def f():\n    # long: one decision\n" + BODY, []),
        ('def f():\n    """What."""\n    # long: one decision\n' + BODY, []),
        ("def f():\n    x = 1\n    # long: too late\n" + BODY, ["f: 63 lines"]),
    ],
)
def test_lengths(source, found):
    assert too_long(source) == found


# -- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.stat().st_size])
def test_every_module_says_what_it_is(module):
    docstring = ast.get_docstring(ast.parse(MODULES[module].read_text("utf-8")))
    assert docstring
    assert docstring.strip().endswith((".", ")", "|")), "a whole sentence"


def test_the_addon_file_stays_thin():
    lines = (ROOT / "addons" / "capture.py").read_text("utf-8").splitlines()
    assert len(lines) <= 30


GUARD_POINTS = {
    "background", "core.callbacks", "capture.tap", "capture.interceptor", "capture.relay", "capture.relayed_call",
    "carrier.connections", "engine", "server.middleware", "server.respond", "server.sharing", "store.redis.news",
    "observe.recorder", "worker", "logs",
}  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_only_the_guard_points_catch_everything(module):
    name = module.removeprefix("zerogravity").removeprefix(".")
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if not isinstance(node, ast.ExceptHandler) or name in GUARD_POINTS:
            continue
        caught = ast.unparse(node.type) if node.type else "everything"
        broad = {"everything", "Exception", "BaseException"} & {part.strip("() ") for part in caught.split(",")}
        handed_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
        assert not broad or handed_on, f"line {node.lineno} catches {caught}"
