"""A turn → what its user asked, in one line: their newest text, without the text that tools add.
If nothing is left of any text, the newest one is shown unchanged. And the result that it goes on
from, if that is newer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zerogravity.core import marker
from zerogravity.core.turn import PASSIVE, Turn
from zerogravity.wire import narrow

MAX_TEXT = 256 << 10  # of one text that is looked at
MAX_LINE = 640

# what stands around a request: the LS's, Copilot's, Cursor's
_WRAPPER = re.compile(r"^[ \t]*<(user[_-]?(?:request|query|prompt)|command-name)>", re.IGNORECASE | re.MULTILINE)
# what stands next to it
_CONTEXT = re.compile(
    r"^[ \t]*<(additional_metadata|user_settings_change|ephemeral_message|system[_-]reminder|\w+_context"
    r"|\w+[ _-]instructions|collaboration_mode|model_switch|turn_aborted|subagent_notification|total_tokens"
    r"|(?:local-)?(?:command|bash)-(?:caveat|stdout|stderr|message|contents))(?:\s[^<>]*)?>",
    re.IGNORECASE | re.MULTILINE,
)
_BOILERPLATE = ("# AGENTS.md instructions", *marker.QUOTED)


def newest_question(turn: Turn) -> str:
    """One line of at most ``MAX_LINE`` characters; empty when the turn holds no text of a user."""
    newest = ""
    for texts in _user_texts(turn.google_request.get("contents")):
        newest = newest or " ".join(texts)
        if found := " ".join(filter(None, (_bare(text, turn) for text in texts))):
            return _line(found)
    return _line(newest)


def newest_result(turn: Turn) -> dict[str, object] | None:
    """The functionResponse that the turn goes on from; None where its user has spoken since, or there is none."""
    for content in reversed(narrow.objects(turn.google_request.get("contents"))):
        parts = narrow.objects(content.get("parts"))
        said = [narrow.text(part.get("text"))[:MAX_TEXT] for part in parts if not part.get("thought")]
        if content.get("role") != "model" and any(_bare(text, turn) for text in said):
            return None
        for part in reversed(parts):
            if (result := narrow.an_object(part.get("functionResponse"))) is not None:
                return result
    return None


def _user_texts(contents: object) -> Iterator[list[str]]:
    """The texts of each content that is not the model's, newest first."""
    for content in reversed(narrow.objects(contents)):
        if content.get("role") != "model":
            texts = [part.get("text") for part in narrow.objects(content.get("parts")) if not part.get("thought")]
            if found := [text[:MAX_TEXT] for text in texts if isinstance(text, str) and not text.isspace() and text]:
                yield found


def _bare(text: str, turn: Turn) -> str:
    """What a person wrote of a text: nothing of Codex' AGENTS.md, the LS's history, or its ``Error: …`` to a model in a
    call that is not ours, which asks for the same again."""
    text = marker.unnumbered(text)
    if text.startswith(_BOILERPLATE) or (turn.surface == PASSIVE and text.startswith(marker.RETRY)):
        return ""
    return _without_context(_carried(text)).strip()


def _carried(text: str) -> str:
    """What stands inside the last wrapper of a request; all of it without one."""
    ends: dict[str, int] = {}
    for opened in reversed(list(_WRAPPER.finditer(text))):
        end = f"</{opened[1]}>"
        if end not in ends:
            ends[end] = text.rfind(end)
        if ends[end] >= opened.end():
            return text[opened.end() : text.find(end, opened.end())]
    return text


def _without_context(text: str) -> str:
    kept: list[str] = []
    at = 0
    for _, start, end in context(text):
        kept.append(text[at:start])
        at = end
    return "".join((*kept, text[at:]))


def context(text: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each block that a program puts beside what its user wrote: ``<system-reminder>…``. In
    order, disjoint; a block that is not closed is none."""
    at, unclosed = 0, set[str]()
    for opened in _CONTEXT.finditer(text):
        name = opened[1]
        if opened.start() < at or name in unclosed:
            continue
        close = text.find(f"</{name}>", opened.end())
        if close < 0:
            unclosed.add(name)
            continue
        at = close + len(name) + 3
        yield name, opened.start(), at


def _line(text: str) -> str:
    return " ".join(text[: MAX_LINE * 4].split())[:MAX_LINE]
