"""Partial responses: Google's field masks (``?fields=``, ``X-Goog-FieldMask``) → what of an answer is sent.

| mask                              | meaning                                                          |
|-----------------------------------|------------------------------------------------------------------|
| ``candidates,usageMetadata``      | these members                                                    |
| ``candidates/content`` or with ., | the member of a member; of a list's elements as well             |
| ``candidates(content,index)``     | several members of one                                           |
| ``*``, ``candidates/*/parts``     | all members                                                      |

Names are taken in both spellings (``usage_metadata``). Google knows every member and refuses paths that lead nowhere;
here that is done for the first name, since Google adds members to its answers at any time. An error is never cut.
Facts: developers.google.com, Gemini API, system parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from zerogravity.errors import FaultError, bad_request

Mask = Mapping[str, Any]  # name → the mask below it; None: all of it
ALL = "*"
LENGTH, DEPTH = 4096, 32

GENERATE = frozenset({
    "candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime", "modelStatus",
})  # fmt: skip
COUNT = frozenset({"totalTokens", "cachedContentTokenCount", "promptTokensDetails", "cacheTokensDetails"})
MODEL = frozenset({
    "name", "baseModelId", "version", "displayName", "description", "inputTokenLimit", "outputTokenLimit",
    "supportedGenerationMethods", "temperature", "maxTemperature", "topP", "topK", "thinking",
})  # fmt: skip
MODELS = frozenset({"models", "nextPageToken"})

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|[*,/.()])\s*")
_UNDERSCORE = re.compile(r"_([a-z0-9])")


def parse(text: str, known: frozenset[str]) -> Mask | None:
    """A mask; None: no mask, everything is sent. Raises FaultError 400 in Google's words."""
    if not text.strip():
        return None
    if len(text) > LENGTH:
        raise _refused(f"it is longer than {LENGTH} characters")
    tokens = list(_tokens(text))
    made, rest = _selectors(tokens, 0)
    if rest != len(tokens):
        raise _refused(f"unexpected '{tokens[rest]}'")
    for name in made:
        if name != ALL and name not in known:
            raise _refused(f"Cannot find matching fields for path '{name[:60]}'")
    return made


def masked(value: Any, mask: Mask | None) -> Any:
    """What the mask leaves of a value; members of which nothing is left are left out, elements of lists stay."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return {}  # a path leads on where there is nothing
    made: dict[str, Any] = {}
    for name, item in cast("dict[str, Any]", value).items():
        if name not in mask and ALL not in mask:
            continue
        inner = _union(mask[name], mask[ALL]) if name in mask and ALL in mask else mask.get(name, mask.get(ALL))
        left = masked(item, inner)
        if inner is None or left not in ({}, []):
            made[name] = left
    return made


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _refused(f"unexpected '{text[position]}'")
        yield found[1]
        position = found.end()


def _selectors(tokens: list[str], position: int, depth: int = 0) -> tuple[Mask, int]:
    """``path, path, …`` → (mask, where it ends)."""
    made, position = _path(tokens, position, depth)
    while tokens[position : position + 1] == [","]:
        one, position = _path(tokens, position + 1, depth)
        made = _union(made, one) or {}
    return made, position


def _path(tokens: list[str], position: int, depth: int) -> tuple[Mask, int]:
    """``name``, ``name/path`` or ``name(path, …)``."""
    if depth == DEPTH:
        raise _refused(f"it is deeper than {DEPTH} levels")
    name = _name(tokens, position)
    position += 1
    inner: Mask | None = None
    match tokens[position : position + 1]:
        case ["/" | "."]:
            inner, position = _path(tokens, position + 1, depth + 1)
        case ["("]:
            inner, position = _selectors(tokens, position + 1, depth + 1)
            if tokens[position : position + 1] != [")"]:
                raise _refused("a parenthesis is not closed")
            position += 1
        case _:
            pass
    return {name: inner}, position


def _name(tokens: list[str], position: int) -> str:
    found = tokens[position] if position < len(tokens) else "the end"
    if (found != ALL and not (found[0].isalpha() or found[0] == "_")) or position >= len(tokens):
        raise _refused(f"a name is missing before '{found}'")
    return _UNDERSCORE.sub(lambda letter: letter[1].upper(), found)


def _union(one: Mask | None, other: Mask | None) -> Mask | None:
    """What either of both sends."""
    if one is None or other is None:
        return None
    both = {name: _union(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _refused(why: str) -> FaultError:
    return bad_request(f"Error expanding 'fields' parameter. {why}.", param="fields", code="invalid_argument")
