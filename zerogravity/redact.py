"""The one redactor: headers by allowlist, members by normalised name, texts by pattern. Everything that a trace, a log
line or the inspector shows of a turn goes through it. Pure; idempotent; valid JSON stays valid JSON of the same shape.

It cannot recognise a secret that looks like any other word; reliability-and-security T8 says what it promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import cast

from zerogravity.wire import jsonio
from zerogravity.wire.narrow import texts

MASK = "[redacted]"
MAX_DEPTH = 200
PARSE_LIMIT = 4 << 20  # bytes of events; larger ones are redacted as text, since to parse is one step
WINDOW, OVERLAP, CONTEXT = 64 << 10, 8 << 10, 64  # of a long text: each is a short step, so that other threads run

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
_HINTS = re.compile(r"(\b(?:Must be|\w+:)\s+)(?=[\"\[{\d-])\S.*", re.DOTALL)
_SCHEMA_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_SCHEMA_WORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "properties"})

# A token starts at a word boundary; an escape like \n in JSON inside JSON, or %2F in a URL, is one as well.
_EDGE = re.compile(r"(?<![A-Za-z0-9_\-])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})")
# A fixed prefix (found by plain search: bodies are megabytes of base64) → what follows it.
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (begin, re.compile(re.escape(begin) + rest))
    for begins, rest in (
        ("ya29.", r"[A-Za-z0-9_.\-]{4,}"),
        ("1//0", r"[A-Za-z0-9_\-]{20,}"),
        ("eyJ", r"[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*)?"),
        ("sk-", r"[A-Za-z0-9_\-]{8,}"),
        ("AIza", r"[A-Za-z0-9_\-]{10,}"),
        ("GOCSPX-", r"[A-Za-z0-9_\-]{10,}"),
        ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"[A-Za-z0-9_]{16,}"),
        ("glpat-", r"[A-Za-z0-9_\-]{16,}"),
        ("xoxa- xoxb- xoxe- xoxp- xoxr- xoxs-", r"[A-Za-z0-9\-]{10,}"),
        ("AKIA ASIA", r"[A-Z0-9]{16}"),
        ("hf_ gsk_", r"[A-Za-z0-9]{20,}"),
        ("sk_live_ sk_test_ rk_live_ rk_test_", r"[A-Za-z0-9]{10,}"),
        ("xai- xapp-", r"[A-Za-z0-9\-]{16,}"),
        ("AQ.", r"[A-Za-z0-9_\-]{20,}"),
        ("npm_", r"[A-Za-z0-9]{30,}"),
        ("user_", r"[0-9a-f]{64}[A-Za-z0-9_\-]*"),  # an older metadata.user_id: device, account, session
    )
    for begin in begins.split()
)
# The same by a character of what they begin with: most are rare in prose (marks, capitals), and to see that a text has
# none of it costs a thirtieth of a search for several characters.
_BY_MARK = {mark: [token for token in _TOKENS if min(token[0]) == mark] for mark in map(min, dict(_TOKENS))}
_WORDS = (  # where case is ignored, to look at the first letter before costs a third
    r"(?=[acpst])(?:api[_-]?key|token|secret|password|passwd|passphrase|private[_-]?key|access[_-]?key|secret[_-]?key"
    r"|authorization|credentials?)"
)
_OWNER = re.compile(r"((?:device_id|account_uuid)\\*[\"']\s{0,3}:\s{0,3}\\*[\"'])[^\"'\\]+")  # in metadata.user_id
# What the lower-cased text must contain for the pattern to be tried → pattern; its first group is kept.
_PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("private key", re.compile(
        r"()-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[^\"]*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?=\")|\Z)")),
    ("device_id", _OWNER),
    ("account_uuid", _OWNER),
    ("cookie", re.compile(r"\b((?:set-)?cookie:\s{0,3})(?=[\w.\-]{1,80}=)[^\r\n\"'\\]{4,}", re.IGNORECASE)),
    ("bearer", re.compile(
        r"\b(bearer\s+)(?=\S{20}|[A-Za-z]*[0-9._~+/=\-])[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)),
    ("basic", re.compile(r"\b([Bb]asic\s+)(?=[A-Za-z]{0,60}[A-Z0-9=+/])[A-Za-z0-9+/]{12,}={0,2}")),
    ("://", re.compile(r"(://[^\s/:@\"'\\]{0,100}:)[^\s/@\"'\\]{1,200}(?=@)")),
    ("=", re.compile(
        r"([?&;](?:key|api_?key|token|[a-z]+_token|auth|password|secret)=)[^&\s\"'<>#\\]+", re.IGNORECASE)),
)  # fmt: skip
# name: "value" in code, in JSON inside text, in files of environment variables
_ASSIGNMENTS = (
    re.compile(r"(" + _WORDS + r"(?:\\*[\"'])?\s{0,3}[:=]\s{0,3}\\*[\"'])[^\"'\\\n]{4,}", re.IGNORECASE),
    re.compile(r"(\b[A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)\s?[:=]\s?)[^\s\"'\\,;&|<>(){}\[\]$]{4,}"),
    re.compile(
        r"(" + _WORDS + r"\s?[:=]\s?)(?=[^\s\"']{0,80}[0-9])[A-Za-z0-9_\-+/=.~]{8,}+(?![(\[])", re.IGNORECASE),
    # the same inside a schema: "password": {"type": "string", "default": "value"}
    re.compile(
        r"(" + _WORDS + r"\\*[\"']\s{0,3}:\s{0,3}\{[^{}]{0,500}?\\{0,15}+[\"'](?:default|const|example)\\*[\"']"
        r"\s{0,3}:\s{0,3}\\*[\"'])[^\"'\\\n]+", re.IGNORECASE,
    ),
)  # fmt: skip
_ASSIGNED = ("key", "token", "secret", "passw", "passphrase", "authorization", "credential")

_ARRAY, _NUMBER = (list, tuple), (int, float)
_SCALARS = frozenset({int, float, jsonio.Number, bool, type(None)})
_NAME_LENGTH, KNOWN_NAMES = 64, 4096  # characters of a member's name that is remembered, and how many are
_SERVER = "server_label"  # a member of each MCP server
_harmless_names: set[str] = set()
KNOWN = 16 << 20  # characters, about, of the texts that are remembered to hold no secret: more than a long history's
KEPT = 100  # bytes that remembering one takes beside its characters
_known_clean: set[str] = set()
_known_size = 0
# Most texts are short and hold none of that, which one search in the lower-cased text shows (a search that ignores
# case costs thirty times as much).
_SHORT = 512
_HINT = re.compile("|".join(re.escape(word.lower()) for word in (":", *(begin for begin, _ in (*_TOKENS, *_PHRASES)))))


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
    if not (spans := _spans(value)):
        _remember(value)
    return _cut(value, spans)


def is_clean(value: str) -> bool:
    """Whether nothing in it looks like a secret; for texts that are seen once."""
    return not _spans(value)


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
    spans = _spans(whole)
    masked: list[str] = []
    start = current = 0
    for part in parts:
        end = start + len(part)
        kept: list[str] = []
        position = start
        while current < len(spans) and spans[current][0] < end:
            first, last = spans[current]
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
            made["description"] = _HINTS.sub(lambda hint: hint[1] + MASK, description)
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


def _cut(value: str, spans: Iterable[tuple[int, int]]) -> str:
    out: list[str] = []
    position = 0
    for start, end in spans:
        out += (value[position:start], MASK)
        position = end
    return "".join((*out, value[position:])) if out else value


def _spans(value: str) -> list[tuple[int, int]]:
    """Where the secrets of ``value`` are: in order, disjoint."""
    if len(value) < _SHORT and not _HINT.search(value.lower()):
        return []
    return _spans_within(value) if len(value) <= WINDOW + OVERLAP else _spans_in_windows(value)


def _remember(value: str) -> None:
    global _known_size
    if len(value) > KNOWN // 8:
        return
    if _known_size > KNOWN:
        _known_clean.clear()
        _known_size = 0
    _known_clean.add(value)
    _known_size += len(value) + KEPT


def _spans_in_windows(value: str) -> list[tuple[int, int]]:
    """So that no single step is long: a secret is found in the window where it begins; the overlap is for its end, the
    context for what precedes it."""
    found: list[tuple[int, int]] = []
    base = 0
    while base < len(value):
        context = min(base, CONTEXT)
        window = value[base - context : base + WINDOW + OVERLAP]
        spans = [(a - context, b - context) for a, b in _spans_within(window) if context <= a < context + WINDOW]
        found += ((base + a, base + b) for a, b in spans)
        base += max(WINDOW, spans[-1][1] if spans else 0)
    return found


def _spans_within(value: str) -> list[tuple[int, int]]:
    lowered = value.lower()
    patterns = [pattern for trigger, pattern in _PHRASES if trigger in lowered]
    if (":" in value or "=" in value) and any(word in lowered for word in _ASSIGNED):
        patterns += _ASSIGNMENTS
    found = {(match.end(1), match.end()) for pattern in patterns for match in pattern.finditer(value)}
    found |= set(_tokens(value, {end for _, end in found}))
    found |= set(_chained(value, {end for _, end in found}))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _chained(value: str, ends: set[int]) -> Iterator[tuple[int, int]]:
    """Tokens right behind another secret, and right behind those; each end is looked at once."""
    waiting = list(ends)
    while waiting:
        at = waiting.pop()
        for begin, pattern in _TOKENS:
            if value.startswith(begin, at) and (match := pattern.match(value, at)) is not None:
                yield match.span()
                if match.end() not in ends:
                    ends.add(match.end())
                    waiting.append(match.end())


def _tokens(value: str, ends: set[int]) -> Iterator[tuple[int, int]]:
    """Tokens at an edge, or at the end of another secret."""
    for begin, pattern in (token for mark, tokens in _BY_MARK.items() if mark in value for token in tokens):
        at = value.find(begin)
        while at >= 0:
            match = pattern.match(value, at) if at in ends or _EDGE.match(value, at) else None
            if match is not None:
                yield match.span()
            at = value.find(begin, match.end() if match is not None else at + 1)
