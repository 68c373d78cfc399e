"""A chunk of Google's → the same chunk as Google's own clients can read it: numbers for words become the words, and
what tells nothing (an unspecified end, a member of no kind, a second candidate of one index) is left out. Everything
else keeps its text.
"""

from __future__ import annotations

from collections.abc import Iterator

from zerogravity.surfaces.gemini.json_edit import Path, edited
from zerogravity.wire import enums, jsonio, narrow
from zerogravity.wire.narrow import ARRAY, OBJECT, Json, is_a

Edit = tuple[Path, str | None]
DETAILS = ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails")
RUN = (("executableCode", "language"), ("codeExecutionResult", "outcome"))
RUNS = frozenset(name for name, _ in RUN)
RATING = ("category", "probability", "severity")


def readable(text: bytes, chunk: Json, *, enveloped: bool) -> tuple[bytes, Json]:
    """The chunk's text and value."""
    edits = list(_edits(chunk, enveloped=enveloped))
    if not edits:
        return text, chunk
    for path, word in reversed(edits):  # from behind: elements that are left out move none that are still named
        text = edited(text, path, None if word is None else jsonio.dumps(word))
    return text, narrow.members(jsonio.loads(text))


def _edits(chunk: Json, *, enveloped: bool) -> Iterator[Edit]:
    if is_a(candidates := chunk.get("candidates"), ARRAY):
        seen: set[int] = set()
        for number, candidate in enumerate(candidates):
            if is_a(candidate, OBJECT) and (index := _index(candidate)) not in seen:
                seen.add(index)
                yield from _candidate(candidate, ("candidates", number), enveloped=enveloped)
            else:
                yield ("candidates", number), None
    elif "candidates" in chunk:
        yield ("candidates",), None
    if is_a(usage := chunk.get("usageMetadata"), OBJECT):
        yield from _usage(usage, enveloped=enveloped)
    elif "usageMetadata" in chunk:
        yield ("usageMetadata",), None
    if is_a(feedback := chunk.get("promptFeedback"), OBJECT):
        yield from _feedback(feedback, enveloped=enveloped)
    elif "promptFeedback" in chunk:
        yield ("promptFeedback",), None


def _feedback(feedback: Json, *, enveloped: bool) -> Iterator[Edit]:
    if "blockReason" in feedback:
        given = feedback["blockReason"]
        yield from _word(given, enums.block_reason(given, enveloped=enveloped), ("promptFeedback", "blockReason"))
    yield from _enums(feedback, "safetyRatings", RATING, ("promptFeedback",), enveloped=enveloped)


def _index(candidate: Json) -> int:
    index = candidate.get("index", 0)
    return index if type(index) is int else 0


def _usage(usage: Json, *, enveloped: bool) -> Iterator[Edit]:
    path = ("usageMetadata",)
    given = usage.get("trafficType")
    if type(given) is int:
        yield from _named("trafficType", given, (*path, "trafficType"), enveloped=enveloped)
    for name in DETAILS:
        if name in usage:
            yield from _enums(usage, name, ("modality",), path, enveloped=enveloped)


def _enums(holder: Json, name: str, members: tuple[str, ...], path: Path, *, enveloped: bool) -> Iterator[Edit]:
    """The words of the numbers in a list of objects."""
    for number, entry in narrow.numbered(holder.get(name)):
        for member in members:
            given = entry.get(member)
            if type(given) is int:
                yield from _named(member, given, (*path, name, number, member), enveloped=enveloped)


def _named(member: str, given: int, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    word = enums.named(member, given, enveloped=enveloped)
    if isinstance(word, str):
        yield path, word


def _candidate(candidate: Json, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    if "index" in candidate and type(candidate["index"]) is not int:
        yield (*path, "index"), None
    if is_a(content := candidate.get("content"), OBJECT):
        yield from _parts(content, (*path, "content", "parts"), enveloped=enveloped)
    elif "content" in candidate:
        yield (*path, "content"), None
    if "finishReason" in candidate:
        given = candidate["finishReason"]
        yield from _word(given, enums.finish_reason(given, enveloped=enveloped), (*path, "finishReason"))
    if "safetyRatings" in candidate:
        yield from _enums(candidate, "safetyRatings", RATING, path, enveloped=enveloped)
    if is_a(pages := candidate.get("urlContextMetadata"), OBJECT):
        place = (*path, "urlContextMetadata")
        yield from _enums(pages, "urlMetadata", ("urlRetrievalStatus",), place, enveloped=enveloped)


def _parts(content: Json, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    if is_a(parts := content.get("parts"), ARRAY):
        for index, part in enumerate(parts):
            if not is_a(part, OBJECT):
                yield (*path, index), None
            elif not RUNS.isdisjoint(part):
                yield from _run(part, (*path, index), enveloped=enveloped)
    elif "parts" in content:
        yield path, None


def _run(part: Json, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    """Code that Google ran, and what became of it."""
    for name, member in RUN:
        run = part.get(name)
        given = run.get(member) if is_a(run, OBJECT) else None
        if type(given) is int:
            yield from _named(member, given, (*path, name, member), enveloped=enveloped)


def _word(given: object, word: str | None, path: Path) -> Iterator[Edit]:
    if word is None or word != given:
        yield path, word
