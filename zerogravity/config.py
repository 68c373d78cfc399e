"""All settings: flag > environment (``ZEROGRAVITY_…``) > TOML file > default, each value with its origin.

An unknown name is an error that names the nearest known one: a typo must never mean "no key".
"""
# long: one table of all settings

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from yarl import URL

from zerogravity.config_sources import ENV, data_path, env_name, file_of, flat, from_env, from_file, invalid, trace_path
from zerogravity.hosts import is_loopback
from zerogravity.store import address

SECRETS = frozenset({"key", "keys", "ls_csrf", "runtime_key", "token", "inspector_token"})
ALTERNATIVES = {"ls_url": "ls_command", "ls_command": "ls_url"}  # setting one overrides a weaker source's other
RENAMED = {"store_path": "store"}  # old name: the one it has now
MIB = 1 << 20


# -- kinds of values -----------------------------------------------------------------------------------------------


def split_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[::1]:PORT``, ``:PORT`` or ``PORT`` → (host, port). Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must look like HOST:PORT")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if ":" in host and not text.strip().startswith("["):
        raise ValueError("an IPv6 address needs brackets, like [::1]:8741")
    return (host or "127.0.0.1") if colon else "127.0.0.1", int(port)


def url_of(host: str, port: int) -> str:
    """Where a client on this machine reaches a server that listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address(text: str) -> str:
    host, port = split_address(text)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _header_text(value: str) -> str:
    """An empty key would let everybody in who sends none."""
    if not (value.isascii() and value.isprintable() and value.strip() == value and value):
        raise ValueError("must be printable ASCII without spaces around it, and not empty")
    return value


def _split(value: object) -> object:
    """From the environment lists come as ``a,b``."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """From the environment pairs come as ``a=b,c=d``."""
    return _paired(value, "NAME=MODEL,NAME=MODEL") if isinstance(value, str) else value


def _fallbacks(value: object) -> object:
    """From the environment they come as ``a=b|c,d=e``."""
    if not isinstance(value, str):
        return value
    pairs = _paired(value, "NAME=MODEL|MODEL,NAME=MODEL")
    return {name: [one.strip() for one in models.split("|")] for name, models in pairs.items()}


def _paired(text: str, form: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not name.strip() or not target.strip() for name, _, target in pairs):
        raise ValueError(f"must look like {form}")
    return {name.strip(): target.strip() for name, _, target in pairs}


def _others(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name, models in value.items():
        if name in models:
            raise ValueError(f"'{name}' cannot stand for itself")
        if "" in models:
            raise ValueError(f"'{name}' has an empty name among its models")
    return value


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must look like https://HOST:PORT")
    return text


def _origin(text: str) -> str:
    """An origin as browsers write it: no path, no default port, a host in ASCII (``xn--…``) and lower case."""
    if text == "*":
        raise ValueError("name each origin; '*' would let any web page use your account")
    url = URL(text)
    if not url.scheme or not url.host_subcomponent:
        return text
    return f"{url.scheme}://{url.host_subcomponent}" + ("" if url.is_default_port() else f":{url.explicit_port}")


_EMPTY_IS_NONE = BeforeValidator(lambda value: None if value == "" else value)  # removes what a weaker source says
Text = Annotated[str | None, _EMPTY_IS_NONE]
Url = Annotated[Annotated[str, AfterValidator(_url)] | None, _EMPTY_IS_NONE]
HeaderText = Annotated[str, AfterValidator(_header_text)]
Secret = HeaderText | None  # "" is an error here: it must not mean "no key"
Address = Annotated[str, AfterValidator(_address)]
Store = Annotated[
    str, AfterValidator(address.checked), BeforeValidator(lambda value: address.MEMORY if value == "" else value)
]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Keys = Annotated[tuple[HeaderText, ...], BeforeValidator(_split)]
Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]
Fallbacks = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_fallbacks), AfterValidator(_others)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_split)]


ServerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Secrets = Annotated[dict[str, HeaderText], Field(repr=False)]


# -- the settings --------------------------------------------------------------------------------------------------


class Limits(BaseModel):
    """The published table (reliability-and-security, 5), which says what happens at each limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    body_bytes: int = Field(32 * MIB, ge=1024, description="request body after decompression; 413")
    body_seconds: float = Field(30, gt=0, description="time to receive a body, plus 1 s per MiB; 408")
    json_depth: int = Field(200, ge=8, le=900, description="nesting of a request; 400")
    json_structure: int = Field(2_000_000, ge=1000, description="brackets, commas and colons of a request; 400")
    connections: int = Field(2048, ge=1, description="open connections in all; further ones are closed")
    peer_connections: int = Field(512, ge=1, description="open connections of one address; further ones are closed")
    requests: int = Field(1024, ge=1, description="requests being answered; 503")
    turns: int = Field(
        0, ge=0, description="turns running at the language server; 0: as it can, 4 an editor's, 50 the runtime"
    )
    waiting: int = Field(50, ge=0, description="turns that may wait while these run; 503")
    queue_seconds: float = Field(600, gt=0, description="wait in that queue; 503")
    match_seconds: float = Field(20, gt=0, description="from our message until the language server calls Google; 504")
    first_byte_seconds: float = Field(120, gt=0, description="upstream silence before the first byte")
    idle_seconds: float = Field(120, gt=0, description="upstream silence after it")
    turn_seconds: float = Field(1800, gt=0, description="a whole turn")
    retry_seconds: float = Field(
        1, ge=0, description="pause before a model without room is asked once more, about; 0: it is not"
    )
    cooldown_seconds: float = Field(
        7 * 86400, ge=0, description="how long a model is left alone at most when Google says so; 0: not at all"
    )
    turn_bytes: int = Field(64 * MIB, ge=MIB, description="event log of one turn")
    store_bytes: int = Field(512 * MIB, ge=MIB, description="memory of all that is kept")
    store_turns: int = Field(10_000, ge=1, description="finished turns in memory")
    store_seconds: float = Field(3600, gt=0, description="how long finished turns are kept")
    responses: int = Field(2000, ge=1, description="stored responses")
    responses_seconds: float = Field(30 * 86400, gt=0, description="how long stored responses are kept")
    unwritten_bytes: int = Field(
        64 * MIB, ge=MIB, description="stored responses that wait for the disk; at most an eighth of store_bytes"
    )
    readers: int = Field(16, ge=1, description="readers of one turn; 429")
    grace_seconds: float = Field(3, ge=0, description="how long a failure may still become an HTTP status")
    heartbeat_seconds: float = Field(15, gt=0, description="silence after which a heartbeat is sent")
    mcp_seconds: float = Field(60, gt=0, description="an MCP server's answer; the call fails")
    mcp_bytes: int = Field(4 * MIB, ge=1024, description="an MCP server's answer; the call fails")
    mcp_list_seconds: float = Field(
        3600, ge=0, description="a list of an MCP server's tools in one dialogue; it is listed again; 0: in each turn"
    )
    mcp_calls: int = Field(128, ge=1, description="calls of MCP tools in one turn; further ones are not run")
    mcp_parallel: int = Field(8, ge=1, description="of these at once; others wait")
    mcp_rounds: int = Field(32, ge=1, description="requests to Google with MCP tools in one turn; a last one has none")
    websocket_seconds: float = Field(3600, gt=0, description="a WebSocket connection; clients open a new one")
    write_stall_seconds: float = Field(60, gt=0, description="a reader that takes nothing is closed")
    keepalive_seconds: float = Field(15, gt=0, description="idle connections are closed")
    shutdown_seconds: float = Field(8, gt=0, description="wait for running answers when stopping")


class ApprovalRule(BaseModel):
    """The tools of a server that always ask, or all but those that never do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    always: Names | None = None
    never: Names | None = None


class McpServer(BaseModel):
    """``[mcp_servers.NAME]``: an MCP server that requests may name. ``url``: where it listens, also on this machine;
    or ``command``, which starts one that speaks over its standard input and output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = Field(None, repr=False)
    headers: Secrets = Field(default_factory=dict)
    authorization: Secret = Field(None, repr=False)
    command: Text = None
    args: tuple[str, ...] = Field((), repr=False)
    env: Annotated[dict[str, str], Field(repr=False)] = Field(default_factory=dict)
    allowed_tools: Names | None = None
    require_approval: Literal["always", "never"] | ApprovalRule = "never"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("set url or command, one of them")
        if self.url is None and (self.headers or self.authorization):
            raise ValueError("a command has no headers: give it what it needs by env")
        if self.command is None and (self.args or self.env):
            raise ValueError("args and env belong to a command")
        return self

    @property
    def shown(self) -> str:
        """Where it is, without what may be secret."""
        if self.url is None:
            return f"command {self.command}"
        url = URL(self.url)
        return str(url.origin().with_path(url.path))


class Config(BaseModel):
    """Every setting with its default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    listen: Address = Field(
        "127.0.0.1:8741", description="where agents are answered, HOST:PORT; port 0 takes a free one"
    )
    key: Secret = Field(None, repr=False, description="API key that agents must send; needed beyond loopback")
    keys: Keys = Field((), repr=False, description="further API keys; each sees only its own responses")
    allowed_hosts: Names = Field((), description="further names agents may reach us by, NAME or NAME:PORT")
    cors_origins: Origins = Field((), description="web origins that may call us; none by default")
    mode: Literal["reverse", "proxy"] = Field("reverse", description="how the language server reaches us")
    expose_proxy: bool = Field(False, description="let other machines use the proxy, where it listens beyond loopback")
    intercept: bool = Field(True, description="false: answers come from polling the language server's steps")
    ls: Literal["auto", "editor", "runtime"] = Field(
        "auto", description="an editor's language server, or Google's runtime; auto: the editor's if one runs"
    )
    ls_url: Url = Field(None, description="the language server's URL; default: found by itself")
    ls_csrf: Secret = Field(None, repr=False, description="its CSRF token")
    ls_cert: Text = Field(None, description="PEM file that its certificate is pinned to")
    ls_command: Text = Field(None, description="start a language server with this command, look after it")
    runtime_path: Text = Field(None, description="the runtime's program; default: as google-antigravity installs it")
    runtime_key: Secret = Field(None, repr=False, description="API key for the runtime; default: GEMINI_API_KEY")
    repoint: bool = Field(False, description="make the running language server call us, and Google again at our end")
    delete_cascades: bool = Field(False, description="delete a turn's cascade in the language server when it is over")
    token: Secret = Field(None, repr=False, description="bearer that replaces the language server's own")
    upstream: Url = Field(None, description="send calls for Google's hosts to this base URL instead")
    answer_checkpoints: bool = Field(True, description="answer the language server's title calls locally")
    relay: bool = Field(True, description="carry turns' calls past mitmproxy, on kept connections to Google")
    capture_passive: bool = Field(False, description="record Google calls that are not ours as well, untouched")
    aliases: Pairs = Field(default_factory=dict, description="model name of a client = ours")
    fallbacks: Fallbacks = Field(
        default_factory=dict, description="model = the ones that are asked, in this order, where it has no room"
    )
    trace: bool = Field(True, description="keep a redacted trace folder of each turn")
    trace_dir: Text = Field(None, description="where traces go; default: below data_dir")
    trace_bytes: int = Field(512 * MIB, ge=MIB, description="traces in all; the oldest are removed")
    trace_days: float = Field(7, gt=0, description="how long traces are kept")
    inspector: bool = Field(True, description="serve the live inspector page")
    inspector_token: Secret = Field(
        None, repr=False, description="its token; default: one made once and kept in data_dir"
    )
    data_dir: Text = Field(None, description="what is kept across restarts; default: the user's data folder")
    store: Store = Field(
        address.MEMORY, repr=False, description="where responses are stored: memory, an SQLite file, or redis://…"
    )
    store_required: bool = Field(True, description="false: where it cannot be used at the start, memory serves for it")
    instance: Text = Field(
        None, description="this gateway's name among several, in metrics and usage; default, with Redis: the host's"
    )
    mcp: bool = Field(False, description="let requests name any public MCP server, whose tools are run here")
    mcp_servers: dict[ServerName, McpServer] = Field(
        default_factory=dict, description="MCP servers that requests may name: a table [mcp_servers.NAME] for each"
    )
    remote_urls: bool = Field(False, description="fetch https images that requests name")
    websocket: bool = Field(True, description="serve /v1/responses over WebSocket; false: clients are told to use HTTP")
    log: Annotated[Literal["text", "json"] | None, _EMPTY_IS_NONE] = Field(
        None, description="how the log and each turn's line are printed: text or json; default: text by serve"
    )
    loop: Literal["auto", "uvloop", "asyncio"] = Field(
        "auto", description="event loop of serve: auto is uvloop where zerogravity[uvloop] is installed, else asyncio"
    )
    metrics: bool = Field(True, description="answer GET /metrics")
    ready_file: Text = Field(None, description="write the URL being served to this file when ready")
    limits: Limits = Field(default_factory=lambda: Limits())  # pyright: ignore[reportCallIssue]

    @model_validator(mode="after")
    def _one_language_server(self) -> Self:
        if self.ls_url is not None and self.ls_command is not None:
            raise ValueError("ls_url names a running language server, ls_command starts another: set only one of them")
        return self

    @model_validator(mode="after")
    def _repoint_has_an_effect(self) -> Self:
        idle = {
            "without interception": not self.intercept,
            "in proxy mode": self.mode == "proxy",
            "with ls_command, whose language server is started with our endpoint": self.ls_command is not None,
            "with the runtime": self.ls == "runtime",
        }
        if self.repoint and (where := next((where for where, is_so in idle.items() if is_so), None)):
            raise ValueError(f"repoint has no effect {where}")
        return self

    @model_validator(mode="after")
    def _runtime_alone(self) -> Self:
        if self.ls == "runtime":
            given = [name for name in ("ls_url", "ls_command") if getattr(self, name) is not None]
            if given:
                raise ValueError(
                    f"{given[0]} names an editor's language server, and ls is runtime: set only one of them"
                )
            if not self.intercept:
                raise ValueError("the runtime is served by interception only: set intercept to true, or ls to editor")
        return self

    @model_validator(mode="after")
    def _key_beyond_loopback(self) -> Self:
        if not is_loopback(self.host) and not self.accepted_keys:
            raise ValueError(
                f"listening on {self.host} lets other machines use your account: set a key "
                f"({ENV}KEY or --key), or listen on 127.0.0.1"
            )
        return self

    @property
    def host(self) -> str:
        return split_address(self.listen)[0]

    @property
    def port(self) -> int:
        return split_address(self.listen)[1]

    @property
    def own_name(self) -> str:
        """Among gateways; empty: it has none, and needs none."""
        return self.instance or (platform.node() if address.is_redis(self.store) else "")

    @property
    def data_path(self) -> Path:
        """The folder of everything that is kept across restarts."""
        return data_path(self.data_dir)

    @property
    def trace_path(self) -> Path:
        return trace_path(self.trace_dir, self.data_dir)

    @property
    def accepted_keys(self) -> tuple[str, ...]:
        """Every key that is accepted; none: any is."""
        return (*((self.key,) if self.key else ()), *self.keys)


@dataclass(frozen=True, slots=True)
class Loaded:
    """``origins``: name → ``flag``, ``env NAME``, ``file PATH`` or ``default``. ``file``: where the
    configuration file is looked for."""

    config: Config
    origins: Mapping[str, str]
    file: Path

    def describe(self, others: Mapping[str, tuple[object, str]] | None = None) -> list[tuple[str, object, str]]:
        """(name, value, origin) of every setting; secrets as a short hash, folders as they are used. ``others``: value
        and origin of what is set elsewhere."""
        values = {
            **{name: getattr(self.config, name) for name in Config.model_fields},
            **{f"limits.{name}": getattr(self.config.limits, name) for name in Limits.model_fields},
            "data_dir": str(self.config.data_path),
            "trace_dir": str(self.config.trace_path),
        }
        rows = {name: (values[name], self.origins[name]) for name in NAMES} | dict(others or {})
        return [(name, _masked(name, value), origin) for name, (value, origin) in rows.items()]


def load(
    flags: Mapping[str, object] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """Settings from all sources. ``flags`` may name limits as ``limits.turns``; values of None are not given.

    Raises FaultError (code ``invalid_config``) with a text for the user.
    """
    environment = os.environ if env is None else env
    where, required = file_of(file, environment)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for found, source in (
        (from_file(where, required=required), f"file {where}"),
        (from_env(environment), "env"),
        ({name: value for name, value in flat(flags or {}).items() if value is not None}, "flag"),
    ):
        for given, value in found.items():
            name = RENAMED.get(given, given)
            if name != given and name in found:
                raise invalid(f"{given} is the old name of {name}: set only {name}", name)
            _check_name(name, source)
            other = ALTERNATIVES.get(name)
            if other is not None and other not in found:
                values.pop(other, None)
                origins.pop(other, None)
            values[name] = value
            origins[name] = f"env {env_name(given)}" if source == "env" else source
    try:
        config = Config.model_validate(_nested(values))
    except ValidationError as error:
        raise invalid(_explain(error, origins)) from None
    return Loaded(config, {name: origins.get(name, "default") for name in NAMES}, where)


NAMES = (
    *(name for name in Config.model_fields if name != "limits"),
    *(f"limits.{name}" for name in Limits.model_fields),
)


def meaning_of_zero(name: str) -> str:
    """What 0 says for a limit where it is no number; empty: it is one."""
    field = Limits.model_fields.get(name.removeprefix("limits."))
    return (field.description or "").partition("; 0: ")[2] if field is not None else ""


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    nested = {name: value for name, value in values.items() if not name.startswith("limits.")}
    return nested | {"limits": {name[7:]: value for name, value in values.items() if name.startswith("limits.")}}


def _check_name(name: str, source: str) -> None:
    if name in NAMES:
        return
    spell = env_name if source == "env" else str
    origin = f"env {env_name(name)}" if source == "env" else source
    near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
    hint = f"; did you mean {spell(near[0])}?" if near else ""
    raise invalid(f"unknown setting {spell(name)} ({origin}){hint}", name)


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    """The first complaints, without the values: they may be secrets."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False)[:5]:
        parts = [str(part) for part in problem["loc"]]
        name = ".".join(parts[:2] if parts[:1] == ["limits"] else parts[:1])
        where = ".".join(parts[:3]) if name == "mcp_servers" else name
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{where} ({origins.get(name, 'default')}): {text}" if name else text)
    return "; ".join(lines)


def _masked(name: str, value: object) -> object:
    if name == "mcp_servers":
        return {label: server.shown for label, server in cast("dict[str, McpServer]", value).items()}
    if name == "store":
        return address.shown(cast("str", value))
    if isinstance(value, tuple):
        return [_masked(name, item) for item in cast("tuple[object, ...]", value)]
    if name not in SECRETS or not value:
        return value
    return f"set (sha256 {hashlib.sha256(str(value).encode()).hexdigest()[:8]})"
