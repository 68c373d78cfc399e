"""One member of a ``settings.json`` of the VS Code family, changed in the text: comments, trailing commas and the order
stay. Pure. Raises ValueError for what cannot be read, and for what is no object.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from zerogravity.wire.narrow import an_object

_TOKEN = re.compile(
    r"""(?P<space>[\s\ufeff]+)|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<mark>[{}\[\],:])"""
    r"""|(?P<scalar>[^\s{}\[\],:"/]+)""",
    re.DOTALL,
)


class _Token(NamedTuple):
    text: str
    start: int
    end: int


class _Member(NamedTuple):
    """``first``, ``last``: its tokens, from the name to the end of the value, as places in the list."""

    first: int
    last: int


def value_of(text: str, name: str) -> object | None:
    """What the member is set to; None: it is not there."""
    return _parsed(_tokens(text)).get(name)


def with_member(text: str, name: str, value: object) -> str:
    """``text`` with that member; a further one stands last."""
    tokens = _tokens(text)
    _parsed(tokens)
    shown = json.dumps(value, ensure_ascii=False)
    if (found := _member(tokens, name)) is not None:
        start, end = tokens[found.first + 2].start, tokens[found.last].end
        return text[:start] + shown + text[end:]
    before, close = tokens[-2], tokens[-1]
    comma = "" if before.text in "{," else ","
    line, tail = f"{json.dumps(name)}: {shown}", text[before.end : close.start]
    if "\n" in tail:
        newline = "\r\n" if "\r\n" in text else "\n"
        kept, _, indent = tail.rpartition("\n")
        head = text[: before.end] + comma + kept.removesuffix("\r")
        return f"{head}{newline}{_indent(text)}{line}{newline}{indent}{text[close.start :]}"
    if before.text == "{":
        return f"{text[: before.end]}{tail}\n{_indent(text)}{line}\n{text[close.start :]}"
    return f"{text[: before.end]}{comma}{tail or ' '}{line}{text[close.start :]}"


def without_member(text: str, name: str) -> str:
    """``text`` without that member, and without its line if nothing else stands there."""
    tokens = _tokens(text)
    _parsed(tokens)
    if (found := _member(tokens, name)) is None:
        return text
    start, end = tokens[found.first].start, tokens[found.last].end
    after, before = tokens[found.last + 1], tokens[found.first - 1]
    if after.text == ",":
        end = after.end
    elif before.text == ",":
        text = text[: before.start] + " " + text[before.end :]  # of the same length, so that the places hold
    line = text.rfind("\n", 0, start)
    if line >= 0 and not text[line + 1 : start].strip() and text[end:].lstrip(" \t\r").startswith("\n"):
        start, end = line, text.index("\n", end)
        start -= text[:start].endswith("\r")
        end -= text[:end].endswith("\r")
    made = text[:start] + text[end:]
    if after.text != "," and before.text == ",":
        made = made[: before.start] + made[before.start + 1 :]
    return made


def _indent(text: str) -> str:
    found = re.search(r"^([ \t]+)\"", text, re.MULTILINE)
    return found[1] if found else "    "


def _tokens(text: str) -> list[_Token]:
    """Without space and comments."""
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unexpected {text[at]!r} in line {text.count(chr(10), 0, at) + 1}")
        if match.lastgroup not in ("space", "comment"):
            found.append(_Token(match[0], *match.span()))
        at = match.end()
    return found


def _parsed(tokens: list[_Token]) -> dict[str, object]:
    """The object, read without its trailing commas."""
    words = [token.text for token in tokens]
    kept = [word for n, word in enumerate(words) if not (word == "," and words[n + 1 : n + 2] in (["}"], ["]"]))]
    value = an_object(json.loads(" ".join(kept)))
    if value is None:
        raise ValueError("it is no object")
    return value


def _member(tokens: list[_Token], name: str) -> _Member | None:
    """The last one of that name in the outermost object: it is the one that counts."""
    found, depth = None, 0
    for n, token in enumerate(tokens):
        depth += token.text in "{["
        depth -= token.text in "}]"
        if depth == 1 and token.text == ":" and json.loads(tokens[n - 1].text) == name:
            found = _Member(n - 1, _end(tokens, n + 1))
    return found


def _end(tokens: list[_Token], start: int) -> int:
    """The last token of the value that begins there."""
    depth = 0
    for n in range(start, len(tokens)):
        depth += tokens[n].text in "{["
        depth -= tokens[n].text in "}]"
        if depth == 0:
            return n
    raise ValueError("it ends too early")
