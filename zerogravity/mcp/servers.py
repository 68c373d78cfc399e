"""A server that a request names → how it is reached, if the configuration allows it.

Any server at a public address is allowed by ``mcp = true``; one that has a table in the configuration may be local, or
a command. What its table says of tools and approvals holds beside what the request says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, cast

from yarl import URL

from zerogravity import redact
from zerogravity.config import ApprovalRule, Config, McpServer
from zerogravity.core.turn import NOTHING, ToolServer
from zerogravity.errors import Fault, FaultError, Origin, Termination, bad_request
from zerogravity.mcp.filters import names_of
from zerogravity.wire.narrow import Json

ASKING = "responses"  # the surface that can ask for an approval
SECRET = 8  # characters: what is shorter is a word like any other
OURS = frozenset({
    "host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "accept",
    "accept-encoding", "mcp-session-id", "mcp-protocol-version",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``url``, or ``command`` with ``args`` and ``env``. ``public``: only public addresses are connected to.
    ``configured``: it has a table in the configuration."""

    label: str
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=lambda: NOTHING, repr=False)
    public: bool = False
    configured: bool = False
    allowed: tuple[Any, ...] = ()
    approval: tuple[Any, ...] = ()

    def masked(self, text: str) -> str:
        """What the server says, without what only it may know: some servers and tools repeat the headers they get."""
        hidden = {value for name, value in self.headers.items() if redact.may_be_secret(name, value)}
        words = {part for value in hidden for part in (value, value.partition(" ")[2])}
        for word in sorted(words, key=len, reverse=True):
            if len(word) >= SECRET:
                text = text.replace(word, redact.MASK)
        return text

    def allows(self, tool: Json) -> bool:
        """Whether the model may call a tool, as MCP lists it."""
        return all(names_of(filter_, tool) for filter_ in self.allowed)

    def asks(self, tool: Json) -> bool:
        """Whether a call of it needs the client's approval."""
        return any(_asks(rule, tool) for rule in self.approval)


def _asks(rule: Any, tool: Json) -> bool:
    """``rule``: ``require_approval`` of the Responses API. Where ``never`` says which tools do not ask, all others do;
    where only ``always`` says which ones do, no others."""
    if not isinstance(rule, Mapping):
        return rule != "never"
    given = cast("Json", rule)
    always, never = given.get("always"), given.get("never")
    if always is not None and names_of(always, tool):
        return True
    return always is None if never is None else not names_of(never, tool)


def endpoints(servers: Sequence[ToolServer], config: Config, surface: str) -> list[Endpoint]:
    """How each is reached, for a turn of that surface. Raises FaultError 400 naming the entry that is not allowed, or
    cannot be used."""
    made = [_endpoint(server, config, surface) for server in servers]
    if made and find_spec("mcp") is None:
        raise FaultError(_not_installed())
    return made


def _endpoint(server: ToolServer, config: Config, surface: str) -> Endpoint:
    known = config.mcp_servers.get(server.label)
    if known is not None and server.url in ("", known.url or ""):
        return _configured(server, known, surface)
    if not server.url:
        raise bad_request(
            f"Invalid '{server.param}': no MCP server of the name {server.label!r} is configured, and no URL is given. "
            f"Add [mcp_servers.{server.label}] to the configuration, or name the server's URL.",
            param=server.param,
        )
    if not config.mcp:
        raise bad_request(
            f"Invalid '{server.param}': MCP servers of requests are off. Set mcp = true in the configuration "
            f"(ZEROGRAVITY_MCP=true), or add [mcp_servers.{server.label}] with this URL to it.",
            param=server.param,
            code="unsupported_value",
        )
    for why in _wrong(server):
        raise bad_request(f"Invalid '{server.param}': {why}.", param=server.param)
    return Endpoint(
        server.label, server.url, dict(server.headers), public=True, allowed=_filters(server.allowed),
        approval=(server.approval,),
    )  # fmt: skip


def _configured(server: ToolServer, known: McpServer, surface: str) -> Endpoint:
    if known.command is not None and server.headers:
        raise bad_request(
            f"Invalid '{server.param}': {server.label!r} is a command, which takes no headers.", param=server.param
        )
    for why in _wrong_headers(server):
        raise bad_request(f"Invalid '{server.param}': {why}.", param=server.param)
    own = {"Authorization": f"Bearer {known.authorization}"} if known.authorization else {}
    own |= known.headers
    taken = {name.lower() for name in own}
    headers = {name: value for name, value in server.headers.items() if name.lower() not in taken} | own
    rule = known.require_approval
    if rule != "never" and surface != ASKING:
        raise bad_request(
            f"Invalid '{server.param}': calls of {server.label!r} need approval, which only /v1/responses can ask for.",
            param=server.param,
        )
    approval = rule.model_dump() if isinstance(rule, ApprovalRule) else rule
    return Endpoint(
        server.label, known.url or "", headers, known.command or "", known.args, known.env, configured=True,
        allowed=(*_filters(server.allowed), *_filters(known.allowed_tools)), approval=(server.approval, approval),
    )  # fmt: skip


def _filters(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _wrong(server: ToolServer) -> Iterator[str]:
    try:
        url = URL(server.url)
    except ValueError:
        yield "it is no URL"
        return
    if url.scheme != "https" or not url.raw_host or url.user is not None or url.password is not None:
        yield "only plain https URLs are connected to"
    yield from _wrong_headers(server)


def _wrong_headers(server: ToolServer) -> Iterator[str]:
    for name, value in server.headers.items():
        if name.lower() in OURS:
            yield f"the header {name!r} is not the client's to set"
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
            yield "a header has a name that HTTP does not allow"
        if not (value.isascii() and value.isprintable()):
            yield f"the header {name!r} has a value that HTTP does not allow"


def _not_installed() -> Fault:
    return Fault(
        Origin.INTERNAL, 501, "mcp_not_installed", "MCP tools need the Python package mcp, which is not installed",
        termination=Termination.REJECTED, retryable=False, remedy="Run: pip install 'zerogravity[mcp]'",
    )  # fmt: skip
