"""Code, JSON, commands and diffs → spans, ``[class, text]``, of which the page makes text nodes. Pure; bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from zerogravity.wire import jsonio

LIT = 10_000  # characters of one text that are coloured; what follows is plain
LARGEST = 200_000  # characters of a text in which JSON is looked for
Spans = list[list[str]]

_DIFF = re.compile(r"^(?:diff --git |\*\*\* Begin Patch|--- .*\n\+\+\+ |@@ -\d)", re.MULTILINE)
# the first that fits counts
_LINES = (("h", ("diff --git", "index ", "+++", "---", "***", "@@")), ("i", ("+",)), ("d", ("-",)))
_PROGRAM = re.compile(r"[\w./-]+")
_SUFFIX = re.compile(r"\.(\w{1,12})$")
_NOT_CODE = frozenset({"txt", "log", "text", "plain", "output"})


def code(text: str, language: str) -> Spans:
    """``language``: as behind the backticks of a fence, or the ending of a file's name; unknown ones stay plain."""
    if language == "diff" or (language in ("", "patch") and is_diff(text)):
        return diff(text)
    language = language.lower()
    if _lexer(language) is None:
        return [["", text]] if text else []
    return _joined([*_lexed(language, text[:LIT]), ("", text[LIT:])])


def command(text: str) -> Spans:
    """A shell's command line, with the name of its program."""
    spans = code(text, "bash")
    program = _PROGRAM.match(spans[0][1]) if spans and not spans[0][0] else None
    if program is None:
        return spans
    return [span for span in (["f", program[0]], ["", spans[0][1][program.end() :]], *spans[1:]) if span[1]]


def json(text: str) -> Spans | None:
    """JSON, indented; None when ``text`` is something else."""
    if text.lstrip()[:1] not in ("{", "[") or len(text) > LARGEST:
        return None
    try:
        indented = jsonio.text(jsonio.loads(text.encode("utf-8", "replace")), indent=True)
    except (ValueError, RecursionError):
        return None
    return code(indented, "json")


def diff(text: str) -> Spans:
    """Unified diffs and the patches of ``apply_patch``."""
    return _joined(_diff_lines(text))


def is_diff(text: str) -> bool:
    return _DIFF.search(text[:LIT]) is not None


def language_of(path: str) -> str:
    """The language of a file by its name; empty: none."""
    found = _SUFFIX.search(path)
    return found[1] if found else ""


def _diff_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines(keepends=True):
        yield next((name for name, starts in _LINES if line.startswith(starts)), ""), line


def _joined(pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> Spans:
    """Neighbours of one class as one."""
    spans: Spans = []
    for name, text in pairs:
        if spans and spans[-1][0] == name:
            spans[-1][1] += text
        elif text:
            spans.append([name, text])
    return spans


# -- pygments, loaded when it is first needed -------------------------------------------------------------------------

# kind of token → class; the first that holds it counts
_CLASSES = (
    ("Comment", "c"), ("Keyword", "k"), ("Operator.Word", "k"), ("Name.Tag", "t"), ("Name.Attribute", "t"),
    ("Name.Function", "f"), ("Name.Class", "f"), ("Name.Builtin", "f"), ("Name.Decorator", "f"), ("Name.Variable", "v"),
    ("Literal.String", "s"), ("Literal.Number", "n"), ("Literal", "n"), ("Generic.Inserted", "i"),
    ("Generic.Deleted", "d"), ("Generic.Heading", "h"), ("Generic.Subheading", "h"),
)  # fmt: skip


@lru_cache(64)
def _lexer(language: str) -> Any:
    from pygments import lexers
    from pygments.util import ClassNotFound

    if not language or language in _NOT_CODE:
        return None
    known: Any = lexers
    for find, name in ((known.get_lexer_by_name, language), (known.get_lexer_for_filename, f"a.{language}")):
        with suppress(ClassNotFound):
            return find(name, stripnl=False, ensurenl=False)
    return None


@lru_cache(256)  # each turn of a session holds all that was said before it
def _lexed(language: str, text: str) -> tuple[tuple[str, str], ...]:
    return tuple((_class(kind), piece) for kind, piece in _lexer(language).get_tokens(text))


@lru_cache(512)
def _class(kind: object) -> str:
    name = f"{kind}.".removeprefix("Token.")
    return next((found for prefix, found in _CLASSES if name.startswith(f"{prefix}.")), "")
