"""A chunk of Google's → the same chunk as Google's own clients can read it: numbers for words become the words, and
what tells nothing (an unspecified end, a member of no kind, a second candidate of one index) is left out. Everything
else keeps its text.
"""

from __future__ import annotations

from collections.abc import Iterator

from zerogravity.surfaces.gemini.json_edit import Path, edited
from zerogravity.wire import enums, jsonio, narrow
from zerogravity.wire.narrow import Json

Edit = tuple[Path, str | None]
DETAILS = ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails")
RUN = (("executableCode", "language"), ("codeExecutionResult", "outcome"))
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
    if "candidates" in chunk and not isinstance(chunk["candidates"], list):
        yield ("candidates",), None
    seen: set[int] = set()
    for number, item in enumerate(narrow.items(chunk.get("candidates"))):
        candidate = narrow.an_object(item)
        index = _index(candidate or {})
        if candidate is not None and index not in seen:
            seen.add(index)
            yield from _candidate(candidate, ("candidates", number), enveloped=enveloped)
        else:
            yield ("candidates", number), None
    if (usage := narrow.an_object(chunk.get("usageMetadata"))) is not None:
        yield from _usage(usage, enveloped=enveloped)
    elif "usageMetadata" in chunk:
        yield ("usageMetadata",), None
    if (feedback := narrow.an_object(chunk.get("promptFeedback"))) is not None:
        if "blockReason" in feedback:
            given = feedback["blockReason"]
            yield from _word(given, enums.block_reason(given, enveloped=enveloped), ("promptFeedback", "blockReason"))
        yield from _enums(feedback, "safetyRatings", RATING, ("promptFeedback",), enveloped=enveloped)
    elif "promptFeedback" in chunk:
        yield ("promptFeedback",), None


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
    if "content" in candidate:
        content = narrow.an_object(candidate["content"])
        if content is None:
            yield (*path, "content"), None
        elif not isinstance(content.get("parts", []), list):
            yield (*path, "content", "parts"), None
        for index, item in enumerate(narrow.items(narrow.lookup(content, "parts"))):
            if (part := narrow.an_object(item)) is not None:
                yield from _run(part, (*path, "content", "parts", index), enveloped=enveloped)
            else:
                yield (*path, "content", "parts", index), None
    if "finishReason" in candidate:
        given = candidate["finishReason"]
        yield from _word(given, enums.finish_reason(given, enveloped=enveloped), (*path, "finishReason"))
    if "safetyRatings" in candidate:
        yield from _enums(candidate, "safetyRatings", RATING, path, enveloped=enveloped)
    pages, place = narrow.members(candidate.get("urlContextMetadata")), (*path, "urlContextMetadata")
    yield from _enums(pages, "urlMetadata", ("urlRetrievalStatus",), place, enveloped=enveloped)


def _run(part: Json, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    """Code that Google ran, and what became of it."""
    for name, member in RUN:
        given = narrow.lookup(part, name, member)
        if type(given) is int:
            yield from _named(member, given, (*path, name, member), enveloped=enveloped)


def _word(given: object, word: str | None, path: Path) -> Iterator[Edit]:
    if word is None or word != given:
        yield path, word
