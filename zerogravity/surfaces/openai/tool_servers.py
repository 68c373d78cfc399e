"""``{"type": "mcp"}`` among the tools of Responses and Chat → ``ToolServer``.

Responses takes every member that OpenAI's schema has, but no connectors and tunnels, which are OpenAI's own. Chat has
no items to show such a server in: it takes the configuration's servers, whose calls do not ask.
Source: OpenAI's schema (Tool, Mcp).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from zerogravity.core.turn import ToolServer
from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.tool_servers import LABEL
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

FILTER = ("tool_names", "read_only")
OWN = {"connector_id": "connectors", "tunnel_id": "tunnels"}
OF_RESPONSES = ("server_url", "authorization", "headers", "require_approval", *OWN)
AUTHORIZATION = "authorization"


def tool_server(tool: Json, path: str) -> ToolServer:
    """As Responses has it. Raises FaultError 400 naming the member."""
    for name, words in OWN.items():
        if tool.get(name) is not None:
            text = f"is not supported: there are no {words} here, send 'server_url'"
            raise fields.unsupported(f"{path}.{name}", text)
    label, url = _label(tool, path), _url(tool, path)
    return ToolServer(
        label,
        url,
        allowed=_allowed(tool.get("allowed_tools"), f"{path}.allowed_tools"),
        approval=_approval(tool.get("require_approval"), f"{path}.require_approval"),
        headers=_headers(tool, path),
        description=fields.string(tool, "server_description", path=path) or "",
        param=f"{path}.server_url" if url else f"{path}.server_label",
    )


def configured_server(tool: Json, path: str) -> ToolServer:
    """As Chat has it. Raises FaultError 400 naming the member."""
    for name in OF_RESPONSES:
        if tool.get(name) is not None and (name, tool[name]) != ("require_approval", "never"):
            text = "is only supported by /v1/responses: here, name a server of the configuration by its 'server_label'"
            raise fields.unsupported(f"{path}.{name}", text)
    allowed = _allowed(tool.get("allowed_tools"), f"{path}.allowed_tools")
    return ToolServer(_label(tool, path), allowed=allowed, approval="never", param=f"{path}.server_label")


def _label(tool: Json, path: str) -> str:
    label = fields.required_string(tool, "server_label", path=path)
    if not LABEL.fullmatch(label):
        text = (
            f"Invalid '{path}.server_label': it must begin with a letter and consist of up to 64 letters, digits, "
            "'-' and '_'."
        )
        raise bad_request(text, param=f"{path}.server_label", code="invalid_value")
    return label


def _url(tool: Json, path: str) -> str:
    url = fields.string(tool, "server_url", path=path) or ""
    try:
        parts = urlsplit(url)
        fine = not url or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        fine = False
    if not fine:
        text = f"Invalid '{path}.server_url': it must be an http or https URL."
        raise bad_request(text, param=f"{path}.server_url", code="invalid_value")
    return url


def _allowed(value: object, param: str) -> Any:
    """null, a list of names, or a filter."""
    if value is None:
        return None
    if (names := narrow.an_array(value)) is not None:
        return _names(names, param)
    if narrow.an_object(value) is None:
        raise fields.invalid_type(param, "an array of strings or an object", value)
    return _filter(value, param)


def _approval(value: object, param: str) -> Any:
    """``always``, ``never``, or one filter or two."""
    if value is None:
        return "always"
    if isinstance(value, str):
        if value not in ("always", "never"):
            raise fields.invalid_value(param, value, ("always", "never"))
        return value
    given = fields.as_object(value, param)
    _known(given, ("always", "never"), param)
    return {
        name: _filter(inner, f"{param}.{name}")
        for name in ("always", "never")
        if (inner := fields.obj(given, name, path=param)) is not None
    }


def _filter(value: object, param: str) -> dict[str, Any]:
    given = fields.as_object(value, param)
    _known(given, FILTER, param)
    made: dict[str, Any] = {}
    if (names := fields.array(given, "tool_names", path=param)) is not None:
        made["tool_names"] = _names(names, f"{param}.tool_names")
    if given.get("read_only") is not None:
        made["read_only"] = fields.boolean(given, "read_only", path=param)
    return made


def _names(values: list[object], param: str) -> list[str]:
    return [fields.as_string(value, f"{param}[{index}]") for index, value in enumerate(values)]


def _known(given: Json, names: tuple[str, ...], param: str) -> None:
    """What a filter does not know must not be taken for no filter."""
    for name in given:
        if name not in names:
            raise bad_request(
                f"Unknown parameter: '{param}.{name}'.", param=f"{param}.{name}", code="unknown_parameter"
            )


def _headers(tool: Json, path: str) -> dict[str, str]:
    given = fields.obj(tool, "headers", path=path) or {}
    made = {name: fields.as_string(value, f"{path}.headers.{name}") for name, value in given.items()}
    token = fields.string(tool, AUTHORIZATION, path=path)
    if token is None:
        return made
    if any(name.lower() == AUTHORIZATION for name in made):
        text = f"Invalid '{path}.authorization': 'headers' has an Authorization, too. Send one of them."
        raise bad_request(text, param=f"{path}.authorization", code="invalid_value")
    return {**made, "Authorization": f"Bearer {token}"}
