"""A regular expression → texts that stand in whatever it matches: what an index can look for before the expression is
tried. It reads only what is plain: of groups, classes and alternatives it says nothing. Pure."""

from __future__ import annotations

import re

LEAST, LONGEST, MOST = 3, 100, 5  # characters of a text: shorter ones stand everywhere; how many texts

# what an expression is made of: the number or name of a character, an escape, a class, one character
_NUMBERED = r"\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|\d{1,3})"
_PIECE = re.compile(_NUMBERED + r"|\\(?P<escaped>.)|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<plain>.)", re.DOTALL)
_REPEAT = re.compile(r"(?P<optional>[*?]|\{(?:0|,)[\d,]*\})|\+|\{\d[\d,]*\}")


def literals(pattern: re.Pattern[str]) -> list[str]:
    """The longest ones, as they are written; a match may have them in another case. [] when nothing is certain."""
    source = pattern.pattern
    if pattern.flags & re.VERBOSE or "(?" in source:
        return []
    found: list[str] = []
    run, at, depth = "", 0, 0
    while at < len(source):
        piece = _PIECE.match(source, at)
        if piece is None:  # a class that is not closed: no expression
            return []
        at = piece.end()
        plain = piece["plain"]
        if plain == "|" and not depth:
            return []
        depth += {"(": 1, ")": -1}.get(plain or "", 0)
        letter = _letter(piece)
        repeat = _REPEAT.match(source, at)
        if letter is None or depth or repeat is not None:
            if letter is not None and not depth and repeat is not None and not repeat["optional"]:
                run += letter  # once at least
            found.append(run)
            run = ""
        else:
            run += letter
        if repeat is not None:
            at = repeat.end()
    certain = {text[:LONGEST] for text in (*found, run) if len(text) >= LEAST and _is_plain(text, pattern)}
    return sorted(certain, key=lambda text: (-len(text), text))[:MOST]


def _is_plain(text: str, pattern: re.Pattern[str]) -> bool:
    """Whether an index finds it in whatever case the expression does."""
    return text.isascii() or not (pattern.flags & re.IGNORECASE or re.search("[\ud800-\udfff]", text))


def _letter(piece: re.Match[str]) -> str | None:
    """The one character that a piece stands for; None: another, or several."""
    plain, escaped = piece["plain"], piece["escaped"]
    if escaped is not None:
        return None if escaped.isalnum() else escaped
    return None if plain is None or plain in ".^$()|*+?{}" else plain
