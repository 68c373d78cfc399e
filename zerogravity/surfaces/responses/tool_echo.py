"""A declared tool as the Response object shows it: flat, with the members that its kind has in the API.

What may be secret of an MCP server is masked: the values of its headers, the path of its URL, its authorization.
Other members, and values of another type, are dropped and noted: typed clients fail on them, and they have no effect.
``tools.py`` has validated those that have one. Source: OpenAI's schema (Tool and its kinds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from zerogravity.surfaces.openai.tools import custom_grammar, nested
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Check = Callable[[object], bool]


def _is(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _words(*allowed: str) -> Check:
    return lambda value: value in allowed


def _texts(value: object) -> bool:
    return all(isinstance(each, str) for each in narrow.items(value)) and isinstance(value, list)


def _each(*allowed: str) -> Check:
    return lambda value: _texts(value) and all(word in allowed for word in narrow.texts(value))


TEXT, FLAG, NUMBER, OBJECT = _is(str), _is(bool), _is(int), _is(dict)
CALLERS: Json = {"allowed_callers": _each("direct", "programmatic")}
FUNCTION: Json = {
    "name": TEXT, "description": TEXT, "parameters": OBJECT, "strict": FLAG, "defer_loading": FLAG,
    "output_schema": OBJECT, "async": FLAG, **CALLERS,
}  # fmt: skip
FORMAT: Json = {"type": _words("text", "grammar"), "syntax": _words("lark", "regex"), "definition": TEXT}
CUSTOM: Json = {"name": TEXT, "description": TEXT, "format": FORMAT, "defer_loading": FLAG, "async": FLAG, **CALLERS}
PLACE: Json = {"type": _words("approximate"), "city": TEXT, "country": TEXT, "region": TEXT, "timezone": TEXT}
SEARCH: Json = {
    "search_context_size": _words("low", "medium", "high"), "user_location": PLACE,
    "search_content_types": _each("text", "image"),
    "filters": {"allowed_domains": _texts}, "external_web_access": FLAG,
}  # fmt: skip
HIDDEN = "<redacted>"
MEMBERS: dict[str, Json] = {
    "function": FUNCTION,
    "custom": CUSTOM,
    "namespace": {"name": TEXT, "description": TEXT},
    "web_search": SEARCH,
    "web_search_preview": SEARCH,
    "tool_search": {"execution": _words("server", "client"), "description": TEXT, "parameters": OBJECT},
    "local_shell": {},
    "shell": {"environment": {"type": _words("local")}, **CALLERS},
    "apply_patch": CALLERS,
    "image_generation": {
        "action": _words("generate", "edit", "auto"), "background": _words("transparent", "opaque", "auto"),
        "size": TEXT, "quality": _words("low", "medium", "high", "xhigh", "max", "auto"),
        "moderation": _words("auto", "low"),
        "output_format": _words("png", "webp", "jpeg", "gif", "svg"), "output_compression": NUMBER,
        "partial_images": NUMBER, "input_fidelity": _words("high", "low"), "model": TEXT,
    },
    "mcp": {
        "server_label": TEXT, "server_url": TEXT, "server_description": TEXT, "allowed_tools": _is(list, dict),
        "require_approval": _is(str, dict), "headers": OBJECT, "defer_loading": FLAG, **CALLERS,
    },
}  # fmt: skip
DATED = {"web_search_2025_08_26": "web_search", "web_search_preview_2025_03_11": "web_search_preview"}
ALWAYS: dict[str, Json] = {
    "function": {"description": None, "parameters": None, "strict": None},
    "namespace": {"description": ""},
    "mcp": {"server_description": None, "allowed_tools": None, "require_approval": "always", "headers": None},
}


def shown(tool: Json, kind: str, path: str, notes: list[str], *, within: bool = False) -> dict[str, object]:
    """What is dropped is added to ``notes``. ``within``: in a namespace, where fewer members are required."""
    name = kind
    if kind.startswith("web_search") and kind not in MEMBERS:
        name = DATED.get(kind) or ("web_search_preview" if "preview" in kind else "web_search")
        kind = kind if kind in DATED else name
    given = dict(_flat(tool, name, path) if name != "mcp" else _masked(tool))
    if (place := narrow.an_object(given.get("user_location"))) is not None:
        given["user_location"] = {"type": "approximate", **place}
    inner = given.pop("tools", None) if name == "namespace" else None
    made = {"type": kind, **({} if within else ALWAYS.get(name, {})), **_kept(given, MEMBERS[name], path, notes)}
    if name == "namespace":
        made["tools"] = [
            shown(each, kind, f"{path}.tools[{number}]", notes, within=True)
            for number, each in narrow.numbered(inner)
            if (kind := narrow.text(each["type"])) in ("function", "custom")
        ]
    return made


def _masked(server: Json) -> dict[str, object]:
    given = {name: value for name, value in server.items() if name != "authorization"}
    if (headers := narrow.an_object(server.get("headers"))) is not None:
        given["headers"] = dict.fromkeys(headers, HIDDEN)
    if url := narrow.text(server.get("server_url")):
        parts = urlsplit(url)
        rest = f"/{HIDDEN}" if parts.path.strip("/") or parts.query or parts.fragment else parts.path
        given["server_url"] = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
    if server.get("require_approval", "") is None:
        del given["require_approval"]
    return given


def _flat(tool: Json, kind: str, path: str) -> Json:
    """The tool without Chat's nesting."""
    if kind not in ("function", "custom"):
        return tool
    inner, _ = nested(tool, kind, path, flat=True)
    flat = {**{name: value for name, value in tool.items() if name != kind}, **inner}
    if (form := narrow.an_object(flat.get("format"))) is not None:
        flat["format"] = _format(form)
    return flat


def _format(form: Json) -> Json:
    """The format of a custom tool, with all members that typed clients demand."""
    if (grammar := custom_grammar(form)) is None:
        return {**form, "type": "text"}
    rest = {name: value for name, value in form.items() if name != "grammar"}
    return {**rest, "type": "grammar", "syntax": grammar.get("syntax") or "lark",
            "definition": grammar.get("definition") or ""}  # fmt: skip


def _kept(given: Json, members: Json, path: str, notes: list[str]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in given.items():
        form = members.get(name)  # a check of the value, or the members of an object
        if value is None and form is not None:
            kept[name] = None
        elif isinstance(form, dict) and isinstance(value, dict):
            kept[name] = _kept(cast("Json", value), cast("Json", form), f"{path}.{name}", notes)
        elif form is not None and not isinstance(form, dict) and form(value):
            kept[name] = value
        elif name != "type" or "type" in members:
            notes.append(f"{path}.{name}: not shown in the answer, the API does not define it")
    return kept
