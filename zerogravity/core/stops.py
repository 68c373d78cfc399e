"""``StopWatcher``: finds a turn's own stop sequences in the text of its answer, however that was cut into events, and
ends it before the first. Pure.

The sequence that ends first counts; of those that end together, the longest. A run of text is searched as a whole: only
what shows in between (thinking, a call, a blob) and the end of an attempt end it. Thinking is not searched.

Linear in the text: each sequence is found by the algorithm of Knuth, Morris and Pratt, which never goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zerogravity.core.events import Event, Grounding, Notice, ServerTool, Signature, TextDelta, ThinkingDelta, Usage

BESIDE = (Usage, Notice)  # about the turn, not about its text
BEHIND = (Signature, Grounding, ServerTool)  # part of a run of text: they keep their place in it
HELD = (TextDelta, *BEHIND)


class StopWatcher:
    """``found``: the sequence that is complete; nothing of the answer is shown any more.

    What may be the beginning of a sequence is held until the text goes on otherwise, or ends.
    """

    __slots__ = ("_behind", "_searches", "_text", "found")

    def __init__(self, sequences: Sequence[str]) -> None:
        self.found: str | None = None
        self._searches = [_Search(sequence) for sequence in sequences]
        self._text = ""  # held
        self._behind: list[Event] = []  # held with it

    def feed(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """What may be shown now that ``events`` have come."""
        shown: list[Event] = []
        for event in events:
            if isinstance(event, BESIDE):
                shown.append(event)
            elif self.found is not None:
                continue
            elif isinstance(event, TextDelta):
                self._take(event.text, shown)
            elif self._text and (isinstance(event, BEHIND) or event == _NO_THINKING):
                self._behind.append(event)
            else:
                shown += self.release()
                shown.append(event)
        return tuple(shown)

    def release(self) -> tuple[Event, ...]:
        """All that is held: the run of text is over."""
        if not self._text:
            return ()
        released = (TextDelta(self._text), *self._behind)
        self._text = ""
        self._behind.clear()
        for search in self._searches:
            search.matched = 0
        return released

    def _take(self, text: str, shown: list[Event]) -> None:
        ends = [(end, search.sequence) for search in self._searches if (end := search.feed(text)) is not None]
        if ends:
            end, self.found = min(ends, key=lambda found: (found[0], -len(found[1])))
            keep = len(self._text) + end - len(self.found)
        else:
            keep = len(self._text) + len(text) - max(search.matched for search in self._searches)
        whole = self._text + text
        self._text = whole[keep:] if self.found is None else ""
        if keep:
            shown.append(TextDelta(whole[:keep]))
        if keep or self.found is not None:
            shown += self._behind
            self._behind.clear()


class _Search:
    """One sequence. ``matched``: how much of it the text ends with so far."""

    __slots__ = ("_shorter", "matched", "sequence")

    def __init__(self, sequence: str) -> None:
        self.sequence: Final = sequence
        self.matched = 0
        self._shorter = _borders(sequence)

    def feed(self, text: str) -> int | None:
        """Where in ``text`` the sequence first ends, if it does."""
        sequence, shorter, matched, at = self.sequence, self._shorter, self.matched, 0
        while at < len(text):
            if not matched and (at := text.find(sequence[0], at)) < 0:
                break
            if text[at] != sequence[matched]:
                matched = shorter[matched - 1]
                continue
            matched, at = matched + 1, at + 1
            if matched == len(sequence):
                return at
        self.matched = matched
        return None


def _borders(sequence: str) -> list[int]:
    """For each beginning of ``sequence``: the length of its longest proper end that is one of its beginnings too."""
    borders, length = [0], 0
    for character in sequence[1:]:
        while length and character != sequence[length]:
            length = borders[length - 1]
        length += character == sequence[length]
        borders.append(length)
    return borders


_NO_THINKING = ThinkingDelta("")
