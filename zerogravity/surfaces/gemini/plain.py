"""``is_plain``: whether a chunk of Google's is one that clients get as it is, as nearly all are: texts, and no end. Why
anything else may have to be changed or held say ``chunks``, ``call_assembly`` and ``client_form``.
"""

from __future__ import annotations

from zerogravity.surfaces.gemini.call_assembly import SILENT
from zerogravity.surfaces.gemini.client_form import DETAILS
from zerogravity.wire import narrow
from zerogravity.wire.narrow import ARRAY, OBJECT, Json, is_a

_OF_A_TEXT = frozenset({"text", "thought", "thoughtSignature"})


def is_plain(chunk: Json, *, thoughts: bool) -> bool:
    """``thoughts``: whether the client wants them. Must not be true of a chunk that the long way would change."""
    candidates = chunk.get("candidates")
    if not is_a(candidates, ARRAY) or len(candidates) != 1 or "promptFeedback" in chunk or "error" in chunk:
        return False
    candidate = candidates[0]
    if not is_a(candidate, OBJECT) or not SILENT.issuperset(candidate) or type(candidate.get("index", 0)) is not int:
        return False
    content = candidate.get("content")
    parts = content.get("parts") if is_a(content, OBJECT) else None
    if not is_a(parts, ARRAY) or not parts:
        return False
    for part in parts:
        if not is_a(part, OBJECT) or not _OF_A_TEXT.issuperset(part) or not narrow.text(part.get("text")):
            return False
        if not thoughts and part.get("thought") is True:
            return False
    return "usageMetadata" not in chunk or _is_in_words(chunk["usageMetadata"])


def _is_in_words(usage: object) -> bool:
    """Whether it has no number in place of a word."""
    if not is_a(usage, OBJECT) or type(usage.get("trafficType")) is int:
        return False
    for name in DETAILS:
        if name in usage and any(type(entry.get("modality")) is int for entry in narrow.objects(usage[name])):
            return False
    return True
