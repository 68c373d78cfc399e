"""A chunk of Google's → the same chunk as Google's own clients can read it.

| member                                        | becomes                                       |
|-----------------------------------------------|-----------------------------------------------|
| an enum as a number (finishReason,            | its word                                      |
| blockReason, modality, safety ratings, what   |                                               |
| became of code and of pages …)                |                                               |
| the same when it tells nothing (unspecified)  | left out: gemini-cli takes any for the end    |
| what should be an object or a list and is not | left out, as proto-JSON does with null        |
| a second candidate of one index               | left out: the first one counts                |

Everything else keeps its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from zerogravity.surfaces.gemini.json_edit import Path, edited
from zerogravity.wire import enums, jsonio

Json = dict[str, Any]
Edit = tuple[Path, str | None]
DETAILS = ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails")
RUN = (("executableCode", "language"), ("codeExecutionResult", "outcome"))
RATING = ("category", "probability", "severity")


def fitted(text: bytes, chunk: Json, *, enveloped: bool) -> tuple[bytes, Json]:
    """The chunk's text and value."""
    edits = list(_edits(chunk, enveloped=enveloped))
    if not edits:
        return text, chunk
    for path, word in reversed(edits):  # from behind: elements that are left out move none that are still named
        text = edited(text, path, None if word is None else jsonio.dumps(word))
    return text, cast("Json", jsonio.loads(text))


def _edits(chunk: Json, *, enveloped: bool) -> Iterator[Edit]:
    if "candidates" in chunk and not isinstance(chunk["candidates"], list):
        yield ("candidates",), None
    elif "candidates" in chunk:
        seen: set[int] = set()
        for number, candidate in enumerate(cast("list[Any]", chunk["candidates"])):
            index = cast("Json", candidate).get("index", 0) if isinstance(candidate, dict) else None
            index = index if type(index) is int else 0
            if isinstance(candidate, dict) and index not in seen:
                seen.add(index)
                yield from _candidate(cast("Json", candidate), ("candidates", number), enveloped=enveloped)
            else:
                yield ("candidates", number), None
    usage = chunk.get("usageMetadata")
    if isinstance(usage, dict):
        yield from _usage(cast("Json", usage), enveloped=enveloped)
    elif "usageMetadata" in chunk:
        yield ("usageMetadata",), None
    if "promptFeedback" in chunk:
        feedback = chunk["promptFeedback"]
        if not isinstance(feedback, dict):
            yield ("promptFeedback",), None
        elif "blockReason" in feedback:
            given = cast("Json", feedback)["blockReason"]
            yield from _word(given, enums.block_reason(given, enveloped=enveloped), ("promptFeedback", "blockReason"))
        if isinstance(feedback, dict):
            yield from _enums(cast("Json", feedback), "safetyRatings", RATING, ("promptFeedback",), enveloped=enveloped)


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
    listed = holder.get(name)
    for number, entry in enumerate(cast("list[Any]", listed) if isinstance(listed, list) else ()):
        for member in members if isinstance(entry, dict) else ():
            given = cast("Json", entry).get(member)
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
        content = candidate["content"]
        parts = cast("Json", content).get("parts", []) if isinstance(content, dict) else None
        if not isinstance(content, dict):
            yield (*path, "content"), None
        elif not isinstance(parts, list):
            yield (*path, "content", "parts"), None
        else:
            for index, part in enumerate(cast("list[Any]", parts)):
                if isinstance(part, dict):
                    yield from _run(cast("Json", part), (*path, "content", "parts", index), enveloped=enveloped)
                else:
                    yield (*path, "content", "parts", index), None
    if "finishReason" in candidate:
        given = candidate["finishReason"]
        yield from _word(given, enums.finish_reason(given, enveloped=enveloped), (*path, "finishReason"))
    if "safetyRatings" in candidate:
        yield from _enums(candidate, "safetyRatings", RATING, path, enveloped=enveloped)
    if isinstance(pages := candidate.get("urlContextMetadata"), dict):
        place = (*path, "urlContextMetadata")
        yield from _enums(cast("Json", pages), "urlMetadata", ("urlRetrievalStatus",), place, enveloped=enveloped)


def _run(part: Json, path: Path, *, enveloped: bool) -> Iterator[Edit]:
    """Code that Google ran, and what became of it."""
    for name, member in RUN:
        held = part.get(name)
        given = cast("Json", held).get(member) if isinstance(held, dict) else None
        if type(given) is int:
            yield from _named(member, given, (*path, name, member), enveloped=enveloped)


def _word(given: object, word: str | None, path: Path) -> Iterator[Edit]:
    if word is None or word != given:
        yield path, word
