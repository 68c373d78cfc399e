"""What the headers of an answer say of its turn: its times, its notes, its model, an estimate."""

from __future__ import annotations

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished
from zerogravity.core.turn import Turn
from zerogravity.errors import Origin
from zerogravity.surfaces.base import Surface
from zerogravity.surfaces.common.token_mark import MARK

NOTES, NOTE = 1024, 200  # characters of the notes header, of one note in it
PHASES = (
    ("queue", "received", "admitted"), ("ls", "admitted", "told"), ("match", "told", "matched"),
    ("upstream", "matched", "first_byte"), ("thinking", "received", "first_thinking"),
    ("text", "received", "first_text"), ("call", "received", "first_call"), ("turn", "received", "done"),
)  # fmt: skip


def turn_headers(surface: Surface, channel: CascadeChannel) -> dict[str, str]:
    """What the headers of an answer say of its turn, as far as is known. That its figures are estimated is known at its
    end, so that a stream cannot say it here."""
    headers = {**timing_headers(channel), **notes_header(channel.turn)}
    if isinstance(channel.terminal, Finished) and channel.state.usage.source == "estimate":
        headers |= MARK
    if not _is_known(surface, channel):
        return headers
    return {**headers, "x-zerogravity-model": ascii(redact.text(channel.turn.target.name))[1:-1]}


def _is_known(surface: Surface, channel: CascadeChannel) -> bool:
    """Whether it is known which model answers, or was the last to refuse: where there is no answer so far, another one
    may still give it, or none was asked."""
    if surface.answers(channel):
        return True
    if isinstance(channel.terminal, Failed):
        return channel.terminal.fault.origin is Origin.UPSTREAM and "told" in channel.marks
    return not channel.turn.fallbacks


def timing_headers(channel: CascadeChannel) -> dict[str, str]:
    """``Server-Timing`` with the phases known so far, and OpenAI's own header for the total."""
    marks = channel.marks
    phases = [
        f"{name};dur={(marks[end] - marks[start]) / 1e6:.1f}"
        for name, start, end in PHASES
        if start in marks and end in marks and marks[end] >= marks[start]
    ]
    headers = {"Server-Timing": ", ".join(phases)} if phases else {}
    latest = marks.get("done") or max(marks.values())
    return {**headers, "openai-processing-ms": str((latest - marks["received"]) // 1_000_000)}


def notes_header(turn: Turn) -> dict[str, str]:
    """A header that says what of the request was dropped or changed."""
    shown, size = list[str](), 0
    for note in turn.notes:
        text = ascii(redact.text(note)[:NOTE])[1:-1]  # it quotes names of the client's: printable ASCII only
        if size + len(text) > NOTES:
            break
        shown.append(text)
        size += len(text)
    if more := len(turn.notes) - len(shown):
        shown.append(f"{more} more in the trace")
    return {"x-zerogravity-notes": "; ".join(shown)} if shown else {}
