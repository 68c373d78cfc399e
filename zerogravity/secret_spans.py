"""Where a text holds secrets: by pattern, but only at the words without which there is none. Pure; the time is linear.

Everything here is for ``redact``, which says what is done with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import groupby, pairwise

WINDOW, OVERLAP, CONTEXT = 64 << 10, 8 << 10, 64  # of a long text: each is a short step, so that other threads run
KNOWN_HINTS = 1024  # combinations of them; those of ordinary texts are few

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
_TOKEN = dict(_TOKENS)
_PEM = re.compile(
    r"()-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[^\"]*?"
    r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?=\")|\Z)"
)
_OWNER = re.compile(r"((?:device_id|account_uuid)\\*[\"']\s{0,3}:\s{0,3}\\*[\"'])[^\"'\\]+")  # in metadata.user_id
_URL = re.compile(r"(://[^\s/:@\"'\\]{0,100}:)[^\s/@\"'\\]{1,200}(?=@)")
_COOKIE = re.compile(r"\b(cookie:\s{0,3})(?=[\w.\-]{1,80}=)[^\r\n\"'\\]{4,}", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer\s+)(?=\S{20}|[A-Za-z]*[0-9._~+/=\-])[A-Za-z0-9._~+/=\-]{6,}", re.IGNORECASE)
_BASIC = re.compile(r"\b([Bb]asic\s+)(?=[A-Za-z]{0,60}[A-Z0-9=+/])[A-Za-z0-9+/]{12,}={0,2}")
_NAMES_IN_QUERIES = ("key=", "token=", "auth=", "password=", "secret=")
_QUERY = re.compile(r"([?&;](?:key|api_?key|token|[a-z]+_token|auth|password|secret)=)[^&\s\"'<>#\\]+", re.IGNORECASE)
# name: "value" in code, in JSON inside text, in files of environment variables. All begin at the last word of the name,
# since texts are searched for that; ``_assigned`` looks at what precedes it.
_WORDS = r"(?:key|token|secret|password|passwd|passphrase|authorization|credentials?)"
_NAMED = re.compile(_WORDS + r"(?:\\*[\"'])?\s{0,3}[:=]", re.IGNORECASE)  # what every one of them needs
_ASSIGNMENTS = (
    re.compile(r"(" + _WORDS + r"(?:\\*[\"'])?\s{0,3}[:=]\s{0,3}\\*[\"'])[^\"'\\\n]{4,}", re.IGNORECASE),
    # The second group is the bracket of a call, which is no secret.
    re.compile(
        r"(" + _WORDS + r"\s?[:=]\s?)(?=[^\s\"']{0,80}[0-9])[A-Za-z0-9_\-+/=.~]{8,}+([(\[])?", re.IGNORECASE),
    # the same inside a schema: "password": {"type": "string", "default": "value"}
    re.compile(
        r"(" + _WORDS + r"\\*[\"']\s{0,3}:\s{0,3}\{[^{}]{0,500}?\\{0,15}+[\"'](?:default|const|example)\\*[\"']"
        r"\s{0,3}:\s{0,3}\\*[\"'])[^\"'\\\n]+", re.IGNORECASE,
    ),
)  # fmt: skip
_KEYS = ("api", "private", "access", "secret")  # "key" alone is a word like any other
# OPENAI_API_KEY=value
_IN_CAPITALS = re.compile(r"((?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)\s?[:=]\s?)[^\s\"'\\,;&|<>(){}\[\]$]{4,}")
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IN_NAMES = _CAPITALS + "0123456789_"

# Most texts hold no secret, and bodies are megabytes of prose, code or base64; so first they are searched for the words
# without which there is none. These characters are rare in all of that; a word is looked for at the first of them that
# it holds. To see that a text has no such character costs a thirtieth of a search for a word, and where it has some,
# one search at their places serves all words around them.
_MARKS = "-JQI/_=zkb"
_LONG_WORD = 10  # characters of one that a plain search finds as fast


def _mark(word: str) -> str:
    return next((mark for mark in _MARKS if mark in word), word[0])


def _same_mark(words: Iterable[str]) -> list[tuple[str, ...]]:
    """The words, those with the same mark together; those without one last, as they take the longest to find."""
    ordered = sorted(words, key=lambda word: (_mark(word) not in _MARKS, _mark(word)))
    return [tuple(same) for _, same in groupby(ordered, key=_mark)]


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of secret by what a text that holds one must hold: one of the words, and one of the characters beside it
    if any are given. Each of its patterns begins at the word, or at the last of those characters before it."""

    words: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...] = ()
    beside: str = ""
    caseless: bool = False  # whether case is ignored in the words
    begins_beside: bool = False


_TOKEN_KINDS = tuple(map(Kind, _same_mark(_TOKEN)))
_ASSIGNED = Kind(("key", "token", "secret", "pass", "authorization", "credential"), beside=":=", caseless=True)
KINDS = (
    *_TOKEN_KINDS,
    Kind(("-----BEGIN",), (_PEM,)),
    Kind(("device_id", "account_uuid"), (_OWNER,), beside=":"),
    Kind(("://",), (_URL,), beside="@"),
    Kind(("cookie:",), (_COOKIE,), caseless=True),
    Kind(("bearer", "basic"), (_BEARER, _BASIC), caseless=True),
    Kind(_NAMES_IN_QUERIES, (_QUERY,), beside="?&;", caseless=True, begins_beside=True),
    _ASSIGNED,
)
SEAM = max(len(word) for kind in KINDS for word in kind.words) - 1  # characters: a word without its last
# What matches an ASCII letter where case is ignored and yet does not become it as the others do; "İ" becomes two.
_ODD_LETTERS = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}


def _around(mark: str, words: Iterable[str]) -> re.Pattern[str]:
    """Matches the (last) mark of any of the words. It looks at the characters beside it first: of a row of marks each
    costs a tenth of the whole comparison."""
    cut = sorted((len(head), tail, head) for head, _, tail in (word.rpartition(mark) for word in words))
    lasts, firsts = {head[-1:] for _, _, head in cut}, {tail[:1] for _, tail, _ in cut}
    one = re.escape(mark)
    beside = "" if "" in lasts else f"(?<=[{re.escape(''.join(sorted(lasts)))}]{one})"
    beside += "" if "" in firsts else f"(?=[{re.escape(''.join(sorted(firsts)))}])"
    alternatives = [
        (f"(?<={'|'.join(re.escape(head) + one for _, _, head in same)})" if length else "") + f"(?={re.escape(tail)})"
        for (length, tail), same in groupby(cut, key=lambda parts: parts[:2])
    ]
    return re.compile(f"{one}{beside}(?:{'|'.join(alternatives)})")


class _Words:
    """The words of a kind that share a mark."""

    def __init__(self, words: Sequence[str]) -> None:
        self.mark = _mark(words[0])
        self._words = [(word, word.rindex(self.mark)) for word in words]
        self._around: re.Pattern[str] | None = None
        if len(words) == 1 and (self.mark not in _MARKS or len(words[0]) >= _LONG_WORD):
            self.is_in: Callable[[str], object] = lambda text: words[0] in text
        else:
            self._around = _around(self.mark, words)
            self.is_in = self._around.search

    def places(self, text: str) -> Iterator[tuple[int, str]]:
        """Where each of them begins, and which it is."""
        if self._around is None:
            word = self._words[0][0]
            at = text.find(word)
            while at >= 0:
                yield at, word
                at = text.find(word, at + 1)
        elif self.mark in text:
            for match in self._around.finditer(text):
                for word, offset in self._words:
                    if (at := match.start() - offset) >= 0 and text.startswith(word, at):
                        yield at, word


_WORDS_OF = {kind: [_Words(words) for words in _same_mark(kind.words)] for kind in KINDS}
_BESIDE_BITS = {beside: 1 << n for n, beside in enumerate(sorted({kind.beside for kind in KINDS} - {""}))}
_BESIDE_CHARS = [(char, bit) for beside, bit in _BESIDE_BITS.items() for char in beside]
_KIND_BITS = {kind: 1 << n for n, kind in enumerate(KINDS, len(_BESIDE_BITS))}
# The bits that are set together where there is a secret of the kind.
_NEEDED = tuple(_KIND_BITS[kind] | _BESIDE_BITS.get(kind.beside, 0) for kind in KINDS)
_Row = tuple[str, Callable[[str], object], int, int]  # mark, search, bit of the kind, bit of what is beside it


def _rows(caseless: bool) -> tuple[_Row, ...]:
    return tuple(
        (words.mark, words.is_in, _KIND_BITS[kind], _BESIDE_BITS.get(kind.beside, 0))
        for kind in KINDS for words in _WORDS_OF[kind] if kind.caseless is caseless
    )  # fmt: skip


_EXACT_ROWS, _CASELESS_ROWS = _rows(False), _rows(True)


def hints(value: str) -> int:
    """What a text has of all that secrets need, as bits; for texts that come in pieces, so that the whole need not be
    searched once more. For the pieces' bits can be put together: ``hints(a + b)`` are those of ``a`` and those of
    ``a[-SEAM:] + b``."""
    if len(value) <= WINDOW + OVERLAP:
        return _hints(value, lower(value))
    windows = (value[max(base - SEAM, 0) : base + WINDOW] for base in range(0, len(value), WINDOW))
    return reduce(lambda bits, window: bits | hints(window), windows, 0)  # each is a short step


@lru_cache(KNOWN_HINTS)
def may_hold(bits: int) -> bool:
    """Whether a text with these hints, or a part of it, may hold a secret; if not, both are clean. More bits never turn
    it to no."""
    return any(bits & needed == needed for needed in _NEEDED)


def spans(value: str) -> list[tuple[int, int]]:
    """Where the secrets of ``value`` are, (first character, character behind the last): in order, disjoint, in linear
    time."""
    return spans_within(value) if len(value) <= WINDOW + OVERLAP else _spans_in_windows(value)


def _spans_in_windows(value: str) -> list[tuple[int, int]]:
    """So that no single step is long: a secret is found in the window where it begins; the overlap is for its end, the
    context for what precedes it."""
    found: list[tuple[int, int]] = []
    base = 0
    while base < len(value):
        context = min(base, CONTEXT)
        window = value[base - context : base + WINDOW + OVERLAP]
        inside = [(a - context, b - context) for a, b in spans_within(window) if context <= a < context + WINDOW]
        found += ((base + a, base + b) for a, b in inside)
        base += max(WINDOW, inside[-1][1] if inside else 0)
    return found


def lower(value: str) -> str:
    """In lower case, with every character where it was: as ASCII, which is all that is searched for, with other
    characters as "?". (``lower`` of a text beyond ASCII costs three times as much.)"""
    if not value.isascii():
        for odd, letter in _ODD_LETTERS.items():
            value = value.replace(odd, letter)
        value = value.encode("ascii", "replace").decode("ascii")
    return value.lower()


def _hints(value: str, lowered: str, *, whole: bool = False) -> int:
    """``whole``: nothing comes before or after, so that words need not be looked for where what must be beside them is
    missing."""
    found = 0
    for char, bit in _BESIDE_CHARS:
        if char in value:
            found |= bit
    for text, rows in ((value, _EXACT_ROWS), (lowered, _CASELESS_ROWS)):
        for mark, is_in, bit, beside in rows:
            if mark in text and not found & bit and not (whole and beside and not found & beside) and is_in(text):
                found |= bit
    return found


def spans_within(value: str) -> list[tuple[int, int]]:
    """``spans`` of a text that is searched in one step."""
    lowered = lower(value)
    bits = _hints(value, lowered, whole=True)
    if not may_hold(bits):
        return []
    found: set[tuple[int, int]] = set()
    kinds = [kind for kind, needed in zip(KINDS, _NEEDED, strict=True) if bits & needed == needed]
    for kind in kinds:
        found.update(_assigned(value, lowered) if kind is _ASSIGNED else _of_kind(kind, value, lowered))
    found |= set(_tokens(kinds, value, {end for _, end in found}))
    found |= set(_chained(value, {end for _, end in found}))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _places(kind: Kind, text: str) -> list[int]:
    return sorted(at for words in _WORDS_OF[kind] for at, _ in words.places(text))


def _of_kind(kind: Kind, value: str, lowered: str) -> Iterator[tuple[int, int]]:
    places = _places(kind, lowered if kind.caseless else value) if kind.patterns else []
    if kind.begins_beside:
        bounds = pairwise((0, *places))
        places = [max(value.rfind(char, last, at) for char in kind.beside) for last, at in bounds]
    for pattern in kind.patterns:
        yield from ((match.end(1), match.end()) for match in _matches(pattern, value, places))


def _matches(pattern: re.Pattern[str], value: str, places: Iterable[int]) -> Iterator[re.Match[str]]:
    """Those that begin at the places, but not inside one another: so that what may be long is read once."""
    end = 0
    for at in places:
        if at >= end and (match := pattern.match(value, at)) is not None:
            yield match
            end = match.end()


def _assigned(value: str, lowered: str) -> Iterator[tuple[int, int]]:
    words = [at for at in _places(_ASSIGNED, lowered) if _NAMED.match(value, at)]
    secret = [at for at in words if not lowered.startswith("key", at) or _names_a_key(lowered, at)]
    for pattern in _ASSIGNMENTS:
        for match in _matches(pattern, value, secret):
            if match.lastindex == 1:
                yield match.end(1), match.end()
    for match in _matches(_IN_CAPITALS, value, (at for at in words if _follows_capitals(value, at))):
        yield match.end(1), match.end()


def _names_a_key(lowered: str, at: int) -> bool:
    """Whether the "key" there is one of an API or the like: api_key, privateKey, access-key."""
    end = at - 1 if at and lowered[at - 1] in "_-" else at
    return lowered.endswith(_KEYS, max(end - CONTEXT, 0), end)


def _follows_capitals(value: str, at: int) -> bool:
    """Whether the word there ends a name of capitals, digits and "_" that begins with a capital."""
    start, rest = at, ""
    while start and not rest:
        before = value[max(start - CONTEXT, 0) : start]
        rest = before.rstrip(_IN_NAMES)
        start -= len(before) - len(rest)
    return start < at and value[start] in _CAPITALS and not rest[-1:].isalnum()


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


def _tokens(kinds: Iterable[Kind], value: str, ends: set[int]) -> Iterator[tuple[int, int]]:
    """Tokens at an edge, or at the end of another secret."""
    past: dict[str, int] = {}  # where the last of each beginning ends
    places = ((at, begin) for kind in kinds if kind in _TOKEN_KINDS for words in _WORDS_OF[kind]
              for at, begin in words.places(value))  # fmt: skip
    for at, begin in places:
        match = None
        if at >= past.get(begin, 0) and (at in ends or _EDGE.match(value, at)):
            match = _TOKEN[begin].match(value, at)
        if match is not None:
            yield match.span()
            past[begin] = match.end()
