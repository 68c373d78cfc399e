"""``zerogravity doctor``: this machine, the path as it is configured, hop by hop, then a turn on every surface through
a path of our own; the first hop that is broken is named with one line of remedy.

That path is front server and real mitmdump with the addon, with stand-ins at its two ends (``--ls``: the configured
language server at its end). Composition; changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from zerogravity.backends.antigravity.discover import Found, find_all
from zerogravity.config import ENV, Config, url_of
from zerogravity.hosts import GOOGLE
from zerogravity.observe import configured, machine, tls_probe
from zerogravity.observe.health import Check
from zerogravity.surfaces.base import Surface, Surfaces
from zerogravity.surfaces.grammar import GrammarError
from zerogravity.testing.simulator.stack import Stack, StackError, StackOptions
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.sse import SseParser

MODEL = "gemini-3-flash"
PROMPT = "sim:think"  # the stand-in's answer: thoughts, then text
TURN_S = aiohttp.ClientTimeout(total=40)
MATCH_S = 5
REFUSED = "zerogravity cannot serve:"
REPORT = "try again with serve --trace and attach: zerogravity trace bundle last"


@dataclass(frozen=True, slots=True)
class Examined:
    """What is looked at, with the flags that ``serve`` is started with. ``upstream_ca``: PEM file that Google's
    certificate is verified by. ``real``: drive the real language server, too. ``settings`` by name, as flags."""

    config_file: str | None = None
    proxy_port: int = 8742
    certs_dir: Path = Path()
    google: str = GOOGLE
    upstream_ca: Path | None = None
    real: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Running(Protocol):
    """A path that runs: ``Stack``."""

    url: str
    google: Any
    ls: Any


MakePath = Callable[[StackOptions], AbstractAsyncContextManager[Running]]


async def examine(
    what: Examined,
    surfaces: Surfaces,
    *,
    env: Mapping[str, str] | None = None,
    find: Callable[..., Awaitable[list[Found]]] = find_all,
    make: MakePath = Stack,
) -> AsyncIterator[Check]:
    """Every check, as soon as it is known."""
    environment = os.environ if env is None else env
    yield machine.python()
    yield machine.dependencies()
    check, config = machine.settings(what.config_file, environment, what.settings)
    yield check
    if config is None:
        return
    front = machine.port("front_port", config.host, config.port, "--listen")
    yield front
    if config.intercept:
        yield machine.port("proxy_port", "127.0.0.1", what.proxy_port, "--proxy-port")
    served = False
    if front.ok and config.port and not machine.free(config.host, config.port):
        served = True
        async for check in configured.running(config, url_of(config.host, config.port)):
            served = served and check.ok
            yield check
    found: list[Found] = await find(csrf=config.ls_csrf, cert=Path(config.ls_cert) if config.ls_cert else None)
    async for check in configured.language_server(config, found, what.proxy_port):
        yield replace(check, ok=check.ok or served)  # one that runs and serves may know what we do not
    if config.intercept:
        yield await tls_probe.google(config.upstream or what.google, ca=what.upstream_ca)
    yield machine.authority(what.certs_dir, needed=config.mode == "proxy")
    yield machine.disk(config.trace_path)
    yield machine.core_dumps()
    async for check in path(own_path(config, what, environment), surfaces, make=make):
        yield check
    if what.real:
        route = configured.route_of(config, found, what.proxy_port)
        async for check in _real(route, what, surfaces, environment, make):
            yield check


def own_path(config: Config, what: Examined, environment: Mapping[str, str]) -> StackOptions:
    """The path with stand-ins at both ends, in the configured mode, with the authority that is used there."""
    ours = config.mode == "proxy" and (what.certs_dir / "mitmproxy-ca.pem").exists()
    return StackOptions(
        mode=config.mode,
        mitm_settings={"confdir": str(what.certs_dir)} if ours else {},
        env=untouched(environment),
    )


# -- the path ------------------------------------------------------------------------------------------------------


async def path(
    options: StackOptions, surfaces: Surfaces, *, make: MakePath = Stack, prefix: str = "path."
) -> AsyncIterator[Check]:
    """The hops of one turn in their order, up to the first that is broken; then the other surfaces.

    With the prefix ``ls.`` the language server of ``options`` is a real one: what it has seen is not known.
    """
    try:
        async with make(options) as running, aiohttp.ClientSession(timeout=TURN_S) as session:
            async for check in _hops(running, session, surfaces, real=prefix == "ls."):
                yield replace(check, name=prefix + check.name)
    except StackError as error:
        check = not_started(str(error))
        yield replace(check, name=prefix + check.name)
    except FileNotFoundError as error:
        text = f"{error.filename or error} is missing"
        yield Check(f"{prefix}mitmdump", False, text, "run in the checkout: pip install -e .")


async def _hops(
    running: Running, session: aiohttp.ClientSession, surfaces: Surfaces, *, real: bool
) -> AsyncIterator[Check]:
    yield Check("mitmdump", True, "runs with the addon")
    front = await _front(session, running.url)
    yield front
    if not front.ok:
        return
    first, *others = surfaces.values()
    answer = await turn(session, running.url, first)
    for name, text, seen, fix in seen_on_the_way(running, real=real):
        yield Check(name, seen, text if seen else f"no: {answer.text}", "" if seen else fix)
        if not seen:
            return
    yield answer
    for surface in others if answer.ok else ():
        yield await turn(session, running.url, surface)


def seen_on_the_way(running: Running, *, real: bool) -> list[tuple[str, str, bool, str]]:
    """How far a turn came, as each end has seen it: (hop, what that means, whether, what to do)."""
    arrived = bool(running.google.agent_requests)
    came = "its call to Google came through mitmdump, rewritten"
    if real:
        fix = "is its route right (zerogravity ls)? With HTTPS_PROXY it needs SSL_CERT_FILE: zerogravity certs show"
        return [("proxy", came, arrived, fix)]
    told, called = bool(running.ls.cascades), bool(running.ls.calls)
    look = "look for its reason: zerogravity demo --serve"
    return [
        ("language_server", "was told of the turn", told, look),
        ("call", "the language server called Google", called, look),
        ("proxy", came, arrived, "look for its reason: mitmdump -s $(zerogravity addon-path)"),
    ]


async def _front(session: aiohttp.ClientSession, url: str) -> Check:
    """The front server answers, and calls itself ready."""
    try:
        async with session.get(f"{url}/ready") as response:
            told = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        text = f"{url} does not answer: {error or type(error).__name__}"
        return Check("front", False, text, "is something between this program and loopback?")
    if response.status != 200:
        return _broken(told)
    return Check("front", True, f"answers on {url}, and is ready")


def _broken(ready: bytes) -> Check:
    """What ``GET /ready`` says is missing."""
    try:
        checks = narrow.objects(narrow.lookup(jsonio.loads(ready), "checks"))
        broken = next(check for check in checks if not check["ok"])
        return Check("front", False, f"{broken['name']}: {broken['text']}", narrow.text(broken.get("fix")))
    except (ValueError, LookupError, StopIteration):
        return Check("front", False, f"not ready: {ready[:200].decode('utf-8', 'replace')}", REPORT)


async def turn(session: aiohttp.ClientSession, url: str, surface: Surface) -> Check:
    """One streamed turn, held against its surface's grammar."""
    try:
        async with session.post(url + surface.url(MODEL, stream=True), json=surface.sample(MODEL, PROMPT)) as response:
            data = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return Check(surface.name, False, f"the answer broke off: {error or type(error).__name__}", REPORT)
    if response.status != 200:
        return Check(surface.name, False, f"{response.status}: {_message(data)}", REPORT)
    try:
        surface.check(data)
    except GrammarError as error:
        return Check(surface.name, False, f"the stream breaks its grammar: {error}", REPORT)
    if (failure := failure_in(data)) is not None:
        return Check(surface.name, False, failure, REPORT)
    return Check(surface.name, True, f"{len(data)} bytes of a stream, well-formed")


def failure_in(stream: bytes) -> str | None:
    """What a well-formed stream says of its own failure, in whichever surface's form."""
    parser = SseParser()
    for event in (*parser.feed(stream), *parser.end()):
        try:
            value = jsonio.loads(event.data)
        except ValueError:
            continue  # [DONE]
        whole = value.get("response") if isinstance(value, dict) else None
        for holder in (value, whole):
            if isinstance(holder, dict) and isinstance(error := holder.get("error"), dict):
                return str(error.get("message"))
    return None


def _message(data: bytes) -> str:
    try:
        return str(narrow.members(narrow.lookup(jsonio.loads(data), "error"))["message"])
    except (ValueError, KeyError):
        return data[:200].decode("utf-8", "replace")


def not_started(output: str) -> Check:
    """What mitmdump's last lines mean."""
    if output.startswith("not ready: "):
        return _broken(output.removeprefix("not ready: ").encode())
    lines = [line for line in output.splitlines() if line.strip()]
    ours = next((line.partition(REFUSED)[2] for line in lines if REFUSED in line), "")
    reason = ours or next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no word")
    fix = "see more: mitmdump -s $(zerogravity addon-path)"
    if ours:
        fix = "mend that, then run doctor again"
    elif "address already in use" in output:
        fix = "stop what listens there, or choose another port"
    return Check("mitmdump", False, f"did not start: {reason.strip()}", fix)


# -- what the path is made of --------------------------------------------------------------------------------------


def untouched(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's own settings do not reach the path that is examined."""
    own = {name: "" for name in environment if name.startswith(ENV) and name != f"{ENV}LS_CSRF"}
    return {
        **own,
        f"{ENV}CONFIG": os.devnull,
        f"{ENV}LIMITS_MATCH_SECONDS": str(MATCH_S),
        f"{ENV}INSPECTOR": "false",
    }


async def _real(
    route: configured.RoutedServer | None,
    what: Examined,
    surfaces: Surfaces,
    environment: Mapping[str, str],
    make: MakePath,
) -> AsyncIterator[Check]:
    """The configured language server up to the proxy; Google's end is the stand-in, so no quota is spent."""
    if route is None:
        text = "no language server answers whose calls come to this machine"
        yield Check("ls.found", False, text, "what to do is said above, at language_server; more: zerogravity ls")
        return
    port = machine.port("ls.port", "127.0.0.1", route.port, "--proxy-port", lambda _: None)  # not even we may hold it
    if not port.ok:
        fix = "end what listens there while --ls looks (most likely zerogravity serve): the language server calls there"
        yield replace(port, fix=fix)
        return
    yield port
    settings = {"ls_url": route.endpoint.url}
    if route.endpoint.cert is not None:
        settings["ls_cert"] = str(route.endpoint.cert)
    options = StackOptions(
        mode="proxy" if route.by_proxy else "reverse",
        proxy_port=route.port,
        settings=settings,
        mitm_settings={"confdir": str(what.certs_dir)} if route.by_proxy else {},
        env={**untouched(environment), f"{ENV}LS_CSRF": route.endpoint.csrf},
    )
    async for check in path(options, surfaces, make=make, prefix="ls."):
        yield check
