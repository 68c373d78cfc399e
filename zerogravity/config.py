"""All settings: flag > environment (``ZEROGRAVITY_…``) > TOML file > default, each value with its origin.

A name nobody knows is an error that names the nearest known one: a typo must never mean "no key". Knows no room that
uses a setting.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from yarl import URL

from zerogravity.errors import Fault, FaultError, Origin, Termination
from zerogravity.hosts import is_loopback

ENV = "ZEROGRAVITY_"
NOT_SETTINGS = frozenset({"CONFIG", "PYTHON", "VENV", "CACHE"})  # environment names that mean something else
SECRETS = frozenset({"key", "keys", "ls_csrf", "token", "inspector_token"})
RIVALS = {"ls_url": "ls_command", "ls_command": "ls_url"}  # one takes the other's place
MIB = 1 << 20


class Limits(BaseModel):
    """The published table (reliability-and-security, 5): what happens at each limit is said there."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    body_bytes: int = Field(32 * MIB, ge=1024, description="request body after decompression; 413")
    body_seconds: float = Field(30, gt=0, description="time to receive a body, plus 1 s per MiB; 408")
    json_depth: int = Field(200, ge=8, le=900, description="nesting of a request; 400")
    json_structure: int = Field(2_000_000, ge=1000, description="brackets, commas and colons of a request; 400")
    connections: int = Field(2048, ge=1, description="open connections in all; further ones are closed")
    peer_connections: int = Field(512, ge=1, description="open connections of one address; further ones are closed")
    requests: int = Field(1024, ge=1, description="requests being answered; 503")
    turns: int = Field(4, ge=1, description="turns running at the language server")
    waiting: int = Field(50, ge=0, description="turns waiting for one of these places; 503")
    queue_seconds: float = Field(600, gt=0, description="wait in that queue; 503")
    match_seconds: float = Field(20, gt=0, description="language server told until Google's call is seen; 504")
    first_byte_seconds: float = Field(120, gt=0, description="upstream silence before the first byte")
    idle_seconds: float = Field(120, gt=0, description="upstream silence after it")
    turn_seconds: float = Field(1800, gt=0, description="a whole turn")
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
    websocket_seconds: float = Field(3600, gt=0, description="a WebSocket connection; clients open a new one")
    write_stall_seconds: float = Field(60, gt=0, description="a reader that takes nothing is closed")
    keepalive_seconds: float = Field(15, gt=0, description="idle connections are closed")
    shutdown_seconds: float = Field(8, gt=0, description="wait for running answers when stopping")


class Config(BaseModel):
    """Every setting with its default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    listen: str = Field("127.0.0.1:8741", description="where agents are answered, HOST:PORT; port 0 takes a free one")
    key: str | None = Field(None, repr=False, description="API key that agents must send; needed beyond loopback")
    keys: tuple[str, ...] = Field((), repr=False, description="further API keys; each sees only its own responses")
    allowed_hosts: tuple[str, ...] = Field((), description="further names agents may reach us by, NAME or NAME:PORT")
    cors_origins: tuple[str, ...] = Field((), description="web origins that may call us; none by default")
    mode: Literal["reverse", "proxy"] = Field("reverse", description="how the language server reaches us")
    expose_proxy: bool = Field(False, description="let other machines use the proxy, where it listens beyond loopback")
    intercept: bool = Field(True, description="false: answers come from polling the language server's steps")
    ls_url: str | None = Field(None, description="the language server's URL; default: found by itself")
    ls_csrf: str | None = Field(None, repr=False, description="its CSRF token")
    ls_cert: str | None = Field(None, description="PEM file that its certificate is pinned to")
    ls_command: str | None = Field(None, description="start a language server with this command, look after it")
    delete_cascades: bool = Field(False, description="delete a turn's cascade in the language server when it is over")
    token: str | None = Field(None, repr=False, description="bearer that replaces the language server's own")
    upstream: str | None = Field(None, description="send calls for Google's hosts to this base URL instead")
    answer_checkpoints: bool = Field(True, description="answer the language server's title calls locally")
    capture_passive: bool = Field(False, description="record Google calls that are not ours as well, untouched")
    aliases: dict[str, str] = Field(default_factory=dict, description="model name of a client = ours")
    trace: bool = Field(False, description="write a trace folder for each turn")
    trace_dir: str | None = Field(None, description="where traces go; default: below data_dir")
    trace_bytes: int = Field(2 << 30, ge=MIB, description="traces in all; the oldest are removed")
    trace_days: float = Field(7, gt=0, description="how long traces are kept")
    inspector: bool = Field(True, description="serve the live inspector page")
    inspector_token: str | None = Field(None, repr=False, description="its token; default: a new one at each start")
    data_dir: str | None = Field(None, description="what is kept across restarts; default: the user's data folder")
    store_path: str | None = Field(None, description="SQLite file for stored responses; default: memory only")
    remote_urls: bool = Field(False, description="fetch https images that requests name")
    websocket: bool = Field(True, description="serve /v1/responses over WebSocket; false: clients are told to use HTTP")
    metrics: bool = Field(True, description="answer GET /metrics")
    ready_file: str | None = Field(None, description="write the URL being served to this file when ready")
    limits: Limits = Field(default_factory=lambda: Limits())  # pyright: ignore[reportCallIssue]

    @field_validator(
        "ls_url",
        "ls_cert",
        "ls_command",
        "upstream",
        "trace_dir",
        "data_dir",
        "store_path",
        "ready_file",
        mode="before",
    )
    @classmethod
    def _none(cls, value: Any) -> Any:
        """Nothing: takes away what a weaker source says. A key is never taken away so."""
        return None if value == "" else value

    @field_validator("keys", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """From the environment lists come as ``a,b``."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("aliases", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """From the environment pairs come as ``a=b,c=d``."""
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not name.strip() or not target.strip() for name, _, target in pairs):
            raise ValueError("must look like NAME=MODEL,NAME=MODEL")
        return {name.strip(): target.strip() for name, _, target in pairs}

    @field_validator("key", "ls_csrf", "token", "inspector_token")
    @classmethod
    def _header_text(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable() and value.strip() == value and value):
            raise ValueError("must be printable ASCII without blanks around it, and not empty")
        return value

    @field_validator("keys")
    @classmethod
    def _header_texts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """An empty key would let everybody in who sends none."""
        for key in value:
            cls._header_text(key)
        return value

    @field_validator("ls_url", "upstream")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and not _is_url(value):
            raise ValueError("must look like https://HOST:PORT")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _no_star(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value:
            raise ValueError("name each origin; '*' would let any web page use your account")
        return tuple(map(_origin, value))

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, port = split_address(value)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @model_validator(mode="after")
    def _one_language_server(self) -> Self:
        if self.ls_url is not None and self.ls_command is not None:
            raise ValueError("ls_url names a running language server, ls_command starts another one: give one of them")
        return self

    @model_validator(mode="after")
    def _closed_by_default(self) -> Self:
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
    def data_path(self) -> Path:
        """Where everything goes that is kept across restarts."""
        return Path(self.data_dir) if self.data_dir else user_data_path("zerogravity")

    @property
    def trace_path(self) -> Path:
        """Where traces go."""
        return Path(self.trace_dir) if self.trace_dir else self.data_path / "traces"

    @property
    def accepted_keys(self) -> tuple[str, ...]:
        """Every key that is let in; none: any is."""
        return (*((self.key,) if self.key else ()), *self.keys)


@dataclass(frozen=True, slots=True)
class Loaded:
    """``origins``: name → ``flag``, ``env NAME``, ``file PATH`` or ``default``. ``file``: where the
    configuration file is looked for."""

    config: Config
    origins: Mapping[str, str]
    file: Path

    def describe(self) -> list[tuple[str, Any, str]]:
        """(name, value, origin) of every setting; secrets as a short hash, folders as they are used."""
        rows: list[tuple[str, Any, str]] = []
        used = {"data_dir": str(self.config.data_path), "trace_dir": str(self.config.trace_path)}
        for name in NAMES:
            section, _, leaf = name.rpartition(".")
            value = used.get(name) or getattr(getattr(self.config, section) if section else self.config, leaf)
            rows.append((name, _masked(name, value), self.origins.get(name, "default")))
        return rows


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """Settings from all sources. ``flags`` may name limits as ``limits.turns``; values of None are not given.

    Raises FaultError (code ``invalid_config``) with a text for the user.
    """
    environment = os.environ if env is None else env
    path = file or environment.get(f"{ENV}CONFIG")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for found, origin in (
        (_from_file(path), lambda _name: f"file {_file_path(path)}"),
        (_from_env(environment), lambda name: f"env {_env_name(name)}"),
        ({name: value for name, value in _flat(flags or {}).items() if value is not None}, lambda _name: "flag"),
    ):
        for name, value in found.items():
            _known(name, origin(name))
            if (rival := RIVALS.get(name)) is not None and rival not in found:
                values.pop(rival, None)  # a weaker source's: what is chosen here takes its place
                origins.pop(rival, None)
            values[name] = value
            origins[name] = origin(name)
    try:
        config = Config.model_validate(_nested(values))
    except ValidationError as error:
        raise _invalid(_explain(error, origins)) from None
    return Loaded(config, {name: origins.get(name, "default") for name in NAMES}, _file_path(path))


def split_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[::1]:PORT``, ``:PORT`` or ``PORT`` → (host, port). Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("must look like HOST:PORT")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if ":" in host and not text.strip().startswith("["):
        raise ValueError("an IPv6 address needs brackets, like [::1]:8741")
    return (host or "127.0.0.1") if colon else "127.0.0.1", int(port)


def _origin(text: str) -> str:
    """An origin as browsers write it: no path, no default port, a host in ASCII (``xn--…``) and lower case."""
    url = URL(text)
    if not url.scheme or not url.host_subcomponent:
        return text
    return f"{url.scheme}://{url.host_subcomponent}" + ("" if url.is_default_port() else f":{url.explicit_port}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def url_of(host: str, port: int) -> str:
    """Where a client on this machine reaches a server that listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _names() -> tuple[str, ...]:
    top = [name for name in Config.model_fields if name != "limits"]
    return (*top, *(f"limits.{name}" for name in Limits.model_fields))


NAMES = _names()


def _file_path(path: str | os.PathLike[str] | None) -> Path:
    return Path(path) if path else user_config_path("zerogravity") / "config.toml"


def _from_file(path: str | os.PathLike[str] | None) -> dict[str, Any]:
    file = _file_path(path)
    try:
        return _flat(tomllib.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        if path:
            raise _invalid(f"there is no configuration file {file}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(f"{file} cannot be read: {error}") from None


def _from_env(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environment.items():
        setting = name.removeprefix(ENV)
        if setting == name or setting in NOT_SETTINGS or value == "":
            continue
        lowered = setting.lower()
        found[f"limits.{lowered[7:]}" if lowered.startswith("limits_") else lowered] = value
    return found


def _env_name(name: str) -> str:
    return ENV + name.replace(".", "_").upper()


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in values.items() if name != "limits"}
    limits = values.get("limits", {})
    if not isinstance(limits, Mapping):
        raise _invalid("limits must be a table")
    return flat | {f"limits.{name}": value for name, value in limits.items()}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {name: value for name, value in values.items() if not name.startswith("limits.")}
    if limits := {name[7:]: value for name, value in values.items() if name.startswith("limits.")}:
        nested["limits"] = limits
    return nested


def _known(name: str, origin: str) -> None:
    if name in NAMES:
        return
    near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
    hint = f"; did you mean {_env_name(near[0]) if origin.startswith('env') else near[0]}?" if near else ""
    shown = _env_name(name) if origin.startswith("env") else name
    raise _invalid(f"unknown setting {shown} ({origin}){hint}", name)


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    """The first complaints, without the values: they may be secrets."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False)[:5]:
        parts = [str(part) for part in problem["loc"]]
        name = ".".join(parts[:2]) if parts[:1] == ["limits"] else (parts[0] if parts else "")
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name} ({origins.get(name, 'default')}): {text}" if name else text)
    return "; ".join(lines)


def _invalid(message: str, name: str | None = None) -> FaultError:
    return FaultError(
        Fault(
            Origin.CLIENT, 400, "invalid_config", message, param=name, termination=Termination.REJECTED, retryable=False
        )
    )


def _masked(name: str, value: Any) -> Any:
    if name not in SECRETS or not value:
        return list(value) if isinstance(value, tuple) else value
    if isinstance(value, tuple):
        return [_masked(name, item) for item in value]
    return f"set (sha256 {hashlib.sha256(str(value).encode()).hexdigest()[:8]})"
