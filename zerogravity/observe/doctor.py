"""``zerogravity doctor``: checks this machine and the configured path, hop by hop, then sends a turn on every surface
through a path of its own. Changes nothing, but puts back what a killed gateway has left.

That path is the front server and a real mitmdump with the addon, between stand-ins (``--ls``: with the configured
language server, or Google's runtime, instead of one).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp

from zerogravity.backends.antigravity.discover import Found, find_all, first_of
from zerogravity.backends.choice import Ls, choose, google_of, runtime_settings, strange_google
from zerogravity.backends.runtime.settings import Settings
from zerogravity.config import ENV, Config, url_of
from zerogravity.observe import configured, fallbacks, machine, runtime, tls_probe
from zerogravity.observe.health import Check
from zerogravity.surfaces.base import Surface, Surfaces
from zerogravity.surfaces.grammar import GrammarError
from zerogravity.testing.simulator.stack import Stack, StackError, StackOptions
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import lookup, objects
from zerogravity.wire.sse import SseParser

MODEL = "gemini-3-flash"
PROMPT = "sim:think"  # the stand-in's answer: thoughts, then text
TURN_S = aiohttp.ClientTimeout(total=40)
MATCH_S = 5
LOGINS = (f"{ENV}LS_CSRF", f"{ENV}RUNTIME_KEY")  # the path under test sets its own
REFUSED = "zerogravity cannot serve:"
REPORT = "try again, and report it with: zerogravity trace bundle last"


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The flags of ``serve``. ``upstream_ca``: PEM file that verifies Google's certificate. ``real``: send a turn
    through the real language server, too. ``settings`` by name, as flags. ``google``: empty: where the calls of the
    chosen back end go."""

    config_file: str | None = None
    proxy_port: int = 8742
    certs_dir: Path = Path()
    google: str = ""
    upstream_ca: Path | None = None
    real: bool = False
    settings: Mapping[str, object] = field(default_factory=dict[str, object])


class Running(Protocol):
    """A path that runs: ``Stack``."""

    url: str
    google: Any
    ls: Any


MakePath = Callable[[StackOptions], AbstractAsyncContextManager[Running]]


async def examine(
    options: DoctorOptions,
    surfaces: Surfaces,
    *,
    env: Mapping[str, str] | None = None,
    find: Callable[..., Awaitable[list[Found]]] = find_all,
    make: MakePath = Stack,
) -> AsyncIterator[Check]:
    """Yields every check as soon as it is known."""
    environment = os.environ if env is None else env
    yield machine.python()
    yield machine.dependencies()
    check, config = machine.settings(options.config_file, environment, options.settings)
    yield check
    if config is None:
        return
    front = machine.port("front_port", config.host, config.port, "--listen")
    yield front
    if config.intercept:
        yield machine.port("proxy_port", "127.0.0.1", options.proxy_port, "--proxy-port")
    served = False
    if front.ok and config.port and not machine.free(config.host, config.port):
        served = True
        async for check in configured.running(config, url_of(config.host, config.port)):
            served = served and check.ok
            yield check
    if config.fallbacks:
        yield await fallbacks.check(config, url_of(config.host, config.port) if served else None)
    for checks in (configured.leftovers, configured.store, configured.mcp_servers):
        async for check in checks(config):
            yield check
    there = await find(csrf=config.ls_csrf, cert=Path(config.ls_cert) if config.ls_cert else None)
    found = configured.with_repointed(config, there)
    settings = runtime_settings(config, environment)
    ls = (await choose(config, options.google, environment=environment, find=first_of(found))).ls
    by_runtime = ls == "runtime"
    served_by = (
        runtime.checks(settings) if by_runtime else configured.language_server(config, found, options.proxy_port)
    )
    async for check in served_by:
        yield replace(check, ok=check.ok or served)  # the gateway that runs may know a server or key that we do not
    if config.intercept:
        yield await _google(config, options, ls, settings)
    host = urlsplit(google_of(ls, settings)).hostname or ""
    yield machine.authority(options.certs_dir, needed=config.mode == "proxy", host=host)
    yield machine.disk(config.trace_path)
    yield machine.core_dumps()
    async for check in path(own_path(config, options, environment), surfaces, make=make):
        yield check
    if options.real:
        route = configured.route_of(config, found, options.proxy_port)
        real = (
            _real_runtime(config, settings, options, surfaces, environment, make)
            if by_runtime
            else _real(route, options, surfaces, environment, make)
        )
        async for check in real:
            yield check


async def _google(config: Config, options: DoctorOptions, ls: Ls, settings: Settings) -> Check:
    """Where calls go can be reached, and serves those of this back end."""
    where = config.upstream or options.google or google_of(ls, settings)
    if config.mode == "reverse" and (fault := strange_google(ls, where, settings)) is not None:
        return Check("google", False, fault.message, fault.remedy)
    return await tls_probe.google(where, ca=options.upstream_ca)


def own_path(config: Config, options: DoctorOptions, environment: Mapping[str, str]) -> StackOptions:
    """The path between stand-ins, in the configured mode, with the configured certificate authority."""
    return StackOptions(mode=config.mode, mitm_settings=_authority(config, options), env=isolated(environment))


def _authority(config: Config, options: DoctorOptions) -> dict[str, str]:
    ours = config.mode == "proxy" and (options.certs_dir / "mitmproxy-ca.pem").exists()
    return {"confdir": str(options.certs_dir)} if ours else {}


# -- the path ------------------------------------------------------------------------------------------------------


async def path(
    options: StackOptions, surfaces: Surfaces, *, make: MakePath = Stack, prefix: str = "path."
) -> AsyncIterator[Check]:
    """The hops of one turn in their order, up to the first broken one; then the other surfaces.

    With the prefix ``ls.`` the language server is a real one, which does not report what it has seen.
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
    for name, text, seen, fix in hops_seen(running, real=real):
        yield Check(name, seen, text if seen else f"no: {answer.text}", "" if seen else fix)
        if not seen:
            return
    yield answer
    for surface in others if answer.ok else ():
        yield await turn(session, running.url, surface)


def hops_seen(running: Running, *, real: bool) -> list[tuple[str, str, bool, str]]:
    """How far a turn came, as each end has seen it: (hop, what is checked, whether it holds, what to do)."""
    arrived = bool(running.google.agent_requests)
    came = "its call to Google came through mitmdump and was rewritten"
    if real:
        fix = "check its route: zerogravity ls; with HTTPS_PROXY it needs SSL_CERT_FILE, too: zerogravity certs show"
        fix = REPORT if running.ls is None else fix  # the runtime's route is laid by us
        return [("proxy", came, arrived, fix)]
    received, called = bool(running.ls.cascades), bool(running.ls.calls)
    look = "find the reason with: zerogravity demo --serve"
    return [
        ("language_server", "received the turn", received, look),
        ("call", "the language server called Google", called, look),
        ("proxy", came, arrived, "find the reason with: mitmdump -s $(zerogravity addon-path)"),
    ]


async def _front(session: aiohttp.ClientSession, url: str) -> Check:
    """The front server answers and is ready."""
    try:
        async with session.get(f"{url}/ready") as response:
            answer = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        text = f"{url} does not answer: {error or type(error).__name__}"
        return Check("front", False, text, "check whether a firewall or a proxy blocks loopback connections")
    if response.status != 200:
        return _broken(answer)
    return Check("front", True, f"answers on {url} and is ready")


def _broken(ready: bytes) -> Check:
    """What ``GET /ready`` says is missing."""
    for check in objects(lookup(_parsed(ready), "checks")):
        if check.get("ok") is False:
            text = f"{check.get('name')}: {check.get('text')}"
            return Check("front", False, text, narrow.text(check.get("fix")))
    return Check("front", False, f"not ready: {ready[:200].decode('utf-8', 'replace')}", REPORT)


async def turn(session: aiohttp.ClientSession, url: str, surface: Surface) -> Check:
    """One streamed turn, checked against its surface's grammar."""
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
        return Check(surface.name, False, f"the stream violates its grammar: {error}", REPORT)
    if (failure := failure_in(data)) is not None:
        return Check(surface.name, False, failure, REPORT)
    return Check(surface.name, True, f"a well-formed stream of {len(data)} bytes")


def failure_in(stream: bytes) -> str | None:
    """What a well-formed stream says of its own failure, in whichever surface's form."""
    parser = SseParser()
    for event in (*parser.feed(stream), *parser.end()):
        value = _parsed(event.data)
        for holder in (value, lookup(value, "response")):
            if (error := narrow.an_object(lookup(holder, "error"))) is not None:
                return narrow.text(error.get("message"))
    return None


def _message(data: bytes) -> str:
    return narrow.text(lookup(_parsed(data), "error", "message")) or data[:200].decode("utf-8", "replace")


def _parsed(data: bytes) -> object:
    """None where it is not JSON: ``[DONE]``, an HTML page."""
    try:
        return jsonio.loads(data)
    except ValueError:
        return None


def not_started(output: str) -> Check:
    """What mitmdump's last lines mean."""
    if output.startswith("not ready: "):
        return _broken(output.removeprefix("not ready: ").encode())
    lines = [line for line in output.splitlines() if line.strip()]
    ours = next((line.partition(REFUSED)[2] for line in lines if REFUSED in line), "")
    reason = ours or next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
    fix = "for details: mitmdump -s $(zerogravity addon-path)"
    if ours:
        fix = "correct that, then run doctor again"
    elif "address already in use" in output:
        fix = "stop what listens there, or choose another port"
    return Check("mitmdump", False, f"did not start: {reason.strip()}", fix)


# -- parts of the path --------------------------------------------------------------------------------------


def isolated(environment: Mapping[str, str]) -> dict[str, str]:
    """Keeps the user's settings away from the path under test."""
    own = {name: "" for name in environment if name.startswith(ENV) and name not in LOGINS}
    return {
        **own,
        f"{ENV}CONFIG": os.devnull,
        f"{ENV}LIMITS_MATCH_SECONDS": str(MATCH_S),
        f"{ENV}INSPECTOR": "false",
    }


async def _real(
    route: configured.RoutedServer | None,
    options: DoctorOptions,
    surfaces: Surfaces,
    environment: Mapping[str, str],
    make: MakePath,
) -> AsyncIterator[Check]:
    """The configured language server up to the proxy. A stand-in answers for Google, so this costs no quota."""
    if route is None:
        text = "no language server that answers sends its calls to this machine"
        yield Check("ls.found", False, text, "see language_server above; details: zerogravity ls")
        return
    # Not even zerogravity itself may hold the port.
    port = machine.port("ls.port", "127.0.0.1", route.port, "--proxy-port", holder=lambda number: None)
    if not port.ok:
        fix = (
            "stop what listens there (probably zerogravity serve) while this runs: the language server calls that port"
        )
        yield replace(port, fix=fix)
        return
    yield port
    settings = {"ls_url": route.endpoint.url}
    if route.endpoint.cert is not None:
        settings["ls_cert"] = str(route.endpoint.cert)
    stack = StackOptions(
        mode="proxy" if route.by_proxy else "reverse",
        proxy_port=route.port,
        settings=settings,
        mitm_settings={"confdir": str(options.certs_dir)} if route.by_proxy else {},
        env={**isolated(environment), f"{ENV}LS_CSRF": route.endpoint.csrf},
    )
    async for check in path(stack, surfaces, make=make, prefix="ls."):
        yield check


async def _real_runtime(
    config: Config,
    settings: Settings,
    options: DoctorOptions,
    surfaces: Surfaces,
    environment: Mapping[str, str],
    make: MakePath,
) -> AsyncIterator[Check]:
    """Google's runtime, as a process of ours. A stand-in answers for Google, as the Gemini API, and has its own key."""
    if settings.binary is None:
        yield Check("ls.found", False, "there is no runtime", "see runtime above")
        return
    stack = StackOptions(
        mode=config.mode,
        runtime=settings.binary,
        mitm_settings=_authority(config, options),
        env=isolated(environment),
    )
    async for check in path(stack, surfaces, make=make, prefix="ls."):
        yield check
