"""The one redactor: headers by allowlist, members by normalised name, texts by pattern. Everything that a trace, a log
line or the inspector shows of a turn goes through it. Pure; idempotent; valid JSON stays valid JSON of the same shape.

It cannot recognise a secret that looks like any other word; reliability-and-security T8 says what it promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

from zerogravity.secret_spans import SEAM as SEAM  # these are for others, who ask the redactor
from zerogravity.secret_spans import hints as hints
from zerogravity.secret_spans import may_hold as may_hold
from zerogravity.secret_spans import spans
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import texts

MASK = "[redacted]"
MAX_DEPTH = 200
PARSE_LIMIT = 4 << 20  # bytes of events; larger ones are redacted as text, since to parse is one step

SHOWN_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "anthropic-beta", "anthropic-version", "cache-control",
    "connection", "content-encoding", "content-length", "content-type", "date", "host", "openai-beta",
    "openai-processing-ms", "request-id", "retry-after", "server", "server-timing", "traceparent",
    "transfer-encoding", "user-agent", "x-goog-api-client", "x-request-id", "x-server-timeout", "x-should-retry",
})  # fmt: skip
SHOWN_PREFIXES = ("x-stainless-", "x-ratelimit-")

# Names are compared in lower case without anything but letters and digits: apiKey, api_key, X-API-Key.
_SECRET_NAMES = frozenset({
    "auth", "csrf", "xcsrf", "jwt", "bearer", "cookie", "cookies", "setcookie", "pwd",
    "deviceid", "accountuuid",  # whose machine and account it is: Claude Code's metadata.user_id
})  # fmt: skip
_LONG = 16  # characters of a word
_SECRET_ENDINGS = (
    "apikey", "token", "secret", "password", "passwd", "passphrase", "privatekey", "secretkey", "accesskey", "authkey",
    "signingkey", "encryptionkey", "authorization", "credential", "credentials", "connectionstring", "sessioncookie",
)  # fmt: skip
# In the schema of a parameter that holds a secret, these members only describe its form. Any other one (default, const,
# enum, examples, x-…) may be the secret itself.
_OPEN, _SECRET, _SCHEMA, _NAMED_SCHEMAS = range(4)
_SCHEMA_MEMBERS: Mapping[str, int] = {
    **dict.fromkeys(
        ("type", "title", "description", "format", "pattern", "$ref", "$id", "$schema", "$anchor", "$comment",
         "nullable", "required", "propertyOrdering", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
         "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains",
         "minProperties", "maxProperties", "deprecated", "readOnly", "writeOnly", "contentEncoding",
         "contentMediaType", "dependentRequired", "discriminator"), _OPEN,
    ),
    **dict.fromkeys(
        ("items", "prefixItems", "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "contains", "propertyNames",
         "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contentSchema"), _SCHEMA,
    ),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), _NAMED_SCHEMAS),
}  # fmt: skip
# Descriptions also hold what a translation found no keyword for (``surfaces.common.schema``).
_TOLD = re.compile(r"(\b(?:Must be|\w+:)\s+)(?=[\"\[{\d-])\S.*", re.DOTALL)
_SCHEMA_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_SCHEMA_WORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "properties"})

_ARRAY, _NUMBER = (list, tuple), (int, float)
_SCALARS = frozenset({int, float, jsonio.Number, bool, type(None)})
_NAME_LENGTH, KNOWN_NAMES = 64, 4096  # characters of a member's name that is remembered, and how many are
_SERVER = "server_label"  # a member of each MCP server
_harmless_names: set[str] = set()
KNOWN = 16 << 20  # characters, about, of the texts that are remembered to hold no secret: more than a long history's
KEPT = 100  # bytes that remembering one takes beside its characters
_known_clean: set[str] = set()
_known_size = 0


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Names in lower case; values only of headers that are known to be harmless."""
    return {text(raw).lower(): text(value) if is_shown(raw.lower()) else MASK for raw, value in given.items()}


def is_shown(header: str) -> bool:
    return header in SHOWN_HEADERS or header.startswith(SHOWN_PREFIXES)


def may_be_secret(header: str, value: str) -> bool:
    """Whether a header is named like a secret, or holds something like one: a long word of letters and digits."""
    if is_shown(header := header.lower()):
        return False
    long_words = (word for word in value.split() if len(word) >= _LONG)
    return _is_secret(header) or header.endswith("key") or any(map(_is_mixed, long_words))


def _is_mixed(word: str) -> bool:
    return any(map(str.isdigit, word)) and any(map(str.isalpha, word))


def text(value: str) -> str:
    """The text with ``[redacted]`` for everything that looks like a secret. Those that hold none are remembered: an
    agent sends its history with every request, and each request is shown in several bodies."""
    if value in _known_clean:
        return value
    if not (found := spans(value)):
        _remember(value)
    return _cut(value, found)


def is_clean(value: str) -> bool:
    """Whether nothing in it looks like a secret; for texts that are seen once."""
    return not spans(value)


def json_value[T](value: T) -> T:
    """A parsed JSON value without secrets; the same one where it has none."""
    return value if _is_plain(value) else cast("T", _value(value, _OPEN, 0))


def json_bytes(data: bytes) -> bytes:
    """A body without secrets: the same bytes when it has none; JSON stays JSON."""
    try:
        value = jsonio.loads(data) if len(data) <= PARSE_LIMIT else None
    except (ValueError, RecursionError):
        value = None
    if value is None:
        return text(data.decode("utf-8", "replace")).encode()
    redacted = json_value(value)
    return data if redacted == value else jsonio.dumps(redacted)


def body(data: bytes) -> object:
    """A body without secrets, parsed; its text where it is no JSON."""
    try:
        value = jsonio.loads(data)
    except (ValueError, RecursionError):
        return text(data.decode("utf-8", "replace"))
    return json_value(value)


def pieces(parts: Sequence[str]) -> list[str]:
    """Deltas of one text, the same number of them: a secret that spans several is found as well."""
    whole = "".join(parts)
    found = spans(whole)
    masked: list[str] = []
    start = current = 0
    for part in parts:
        end = start + len(part)
        kept: list[str] = []
        position = start
        while current < len(found) and found[current][0] < end:
            first, last = found[current]
            if first >= start:
                kept += (whole[position:first], MASK)
            position = max(position, min(last, end))
            if last > end:
                break  # continues in the next piece
            current += 1
        kept.append(whole[position:end])
        masked.append("".join(kept))
        start = end
    return masked


def _is_plain(value: object) -> bool:
    """Whether a value, as it nearly always has, holds neither a secret nor anything that takes a closer look: level by
    level, since a call for each object costs several times as much."""
    level, strings = [value], list[str]()
    for _ in range(MAX_DEPTH):
        inner = list[object]()
        for one in level:
            form = type(one)
            if form is str:
                strings.append(cast("str", one))
            elif form is dict:
                if not _harmless_names.issuperset(members := cast("dict[str, object]", one)) and not _learnt(members):
                    return False
                inner += members.values()
            elif form is list:
                inner += cast("list[object]", one)
            elif form not in _SCALARS:
                return False
        if not inner:
            return all(text(each) is each for each in strings)
        level = inner
    return False


def _learnt(names: Iterable[str]) -> bool:
    """Whether these are ordinary names of members; they are remembered then."""
    for name in names:
        if len(name) > _NAME_LENGTH or name == _SERVER or _known_name(name) != (name, False):
            return False
        if len(_harmless_names) >= KNOWN_NAMES:
            _harmless_names.clear()
        _harmless_names.add(name)
    return True


def _value(value: object, kind: int, depth: int) -> object:
    """``kind``: what the value is the value of: nothing special, a secret's name, a schema of a secret, or a map of
    names to such schemas."""
    form = type(value)
    if form is str or isinstance(value, str):
        return MASK if kind != _OPEN and value else text(cast("str", value))
    if form is not dict and isinstance(value, _ARRAY):  # before Mapping, an abstract class, of which it is dear to ask
        return [] if depth >= MAX_DEPTH else [_value(item, kind, depth + 1) for item in cast("Sequence[object]", value)]
    if form is not dict and isinstance(value, _NUMBER):
        return value if kind == _OPEN or isinstance(value, bool) else MASK
    if form is dict or isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return {}
        members = cast("Mapping[str, object]", value)
        if kind == _SECRET and _is_schema(members):
            kind = _SCHEMA
        given = members.get("headers") if _SERVER in members else None  # of an MCP server, by any names
        if isinstance(given, Mapping):
            members = {**members, "headers": dict.fromkeys(cast("Mapping[str, object]", given), MASK)}
        made: dict[str, object] = {}
        for key, item in members.items():
            shown, named = _known_name(key) if len(key) <= _NAME_LENGTH else (text(key), _is_secret(key))
            while shown != key and shown in made:
                shown += "'"
            inner = _inside(kind, key, named) if named or kind != _OPEN else _OPEN
            made[shown] = text(item) if type(item) is str and inner == _OPEN else _value(item, inner, depth + 1)
        if kind == _SCHEMA and isinstance(description := made.get("description"), str):
            made["description"] = _TOLD.sub(lambda told: told[1] + MASK, description)
        return made
    return value


def _inside(kind: int, key: str, named: bool) -> int:
    """The kind of a member's value."""
    if kind == _OPEN:
        return _SECRET if named else _OPEN
    if kind == _SCHEMA:
        return _SCHEMA_MEMBERS.get(key, _SECRET)
    return _SCHEMA if kind == _NAMED_SCHEMAS else _SECRET


@lru_cache(KNOWN_NAMES)
def _known_name(name: str) -> tuple[str, bool]:
    """A member's name as shown, and whether it names a secret; cached, as there are few names and many members."""
    return text(name), _is_secret(name)


def _is_secret(name: str) -> bool:
    plain = "".join(char for char in name.lower() if char.isalnum())
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def _is_schema(value: Mapping[str, object]) -> bool:
    """A JSON schema of a parameter called ``password`` is no secret."""
    kind = value.get("type")
    given = cast("list[object]", kind) if isinstance(kind, list) else [kind]
    kinds = texts(given)
    typed = bool(given) and len(kinds) == len(given) and all(one.lower() in _SCHEMA_TYPES for one in kinds)
    return typed or not _SCHEMA_WORDS.isdisjoint(value)


def _cut(value: str, found: Iterable[tuple[int, int]]) -> str:
    out: list[str] = []
    position = 0
    for start, end in found:
        out += (value[position:start], MASK)
        position = end
    return "".join((*out, value[position:])) if out else value


def _remember(value: str) -> None:
    global _known_size
    if len(value) > KNOWN // 8:
        return
    if _known_size > KNOWN:
        _known_clean.clear()
        _known_size = 0
    _known_clean.add(value)
    _known_size += len(value) + KEPT
