"""The grammar of a Gemini stream, as SSE or as a JSON array.

* SSE: each event is exactly ``data: {json}`` CRLF CRLF. No comments, no other fields, no ``[DONE]``.
* Array: ``[{…}`` ``,CRLF{…}`` ``]``, one line per element.
* Chunks have no envelope. Parts are objects with content; no empty text part and no empty part shares a chunk with
  another part (gemini-cli drops such chunks); arguments and responses are objects.
* A good stream tells its end exactly once, by a finishReason of the first candidate or a blocked prompt, and no content
  follows.
* A failed one ends with ``{"error":{code, message, status}}``, beginning exactly so, and has no finishReason before it.

Facts: wire-gemini-and-mapping 1.3, 1.4, 5, 5.1.
"""

from __future__ import annotations

from zerogravity.surfaces.grammar import (
    Json,
    Source,
    expect_count,
    expect_object,
    expect_objects,
    expect_string,
    fail,
    need,
    parsed,
    whole,
)

ENVELOPE = ("response", "traceId", "metadata")
LINE_END = b"\r\n"


def check_gemini(source: Source) -> list[Json]:
    """The objects of the stream, in order. Raises GrammarError."""
    data = whole(source)
    texts = elements(data) if data[:1] == b"[" else events(data)
    found: list[Json] = []
    ends: dict[int, int] = {}  # candidate → the chunk with its finishReason
    failed = False
    for number, text in enumerate(texts):
        place = f"chunk {number}"
        need(not failed, place, "comes after the error")
        value = parsed(text, place)
        found.append(value)
        if "error" in value:
            need(text.startswith(b'{"error":'), place, 'an error must begin with {"error":')
            need(0 not in ends, place, "an error after the finishReason")
            check_error(value, place)
            failed = True
        else:
            _chunk(value, place, number, ends)
    need(failed or 0 in ends, "stream", "ends without a finishReason, a blocked prompt or an error")
    return found


def events(data: bytes) -> list[bytes]:
    """The data of each event."""
    need(data.endswith(LINE_END * 2), "stream", "its last event has no blank line")
    found: list[bytes] = []
    for number, block in enumerate(data[:-4].split(LINE_END * 2)):
        place = f"event {number}"
        need(block.startswith(b"data: "), place, "does not begin with 'data: '")
        need(b"\r" not in block and b"\n" not in block, place, "is more than one line")
        need(block[6:7] == b"{", place, "its data is no JSON object")
        found.append(block[6:])
    return found


def elements(data: bytes) -> list[bytes]:
    """The elements of the array form."""
    need(data.endswith(b"]"), "stream", "the array is not closed")
    inner = data[1:-1]
    found = inner.split(b"," + LINE_END) if inner else []
    for number, text in enumerate(found):
        need(b"\r" not in text and b"\n" not in text, f"element {number}", "is more than one line")
    return found


def _chunk(value: Json, place: str, number: int, ends: dict[int, int]) -> None:
    for name in ENVELOPE:
        need(name not in value, place, f"still has the envelope's {name}")
    if "usageMetadata" in value:
        _usage(expect_object(value["usageMetadata"], f"{place}.usageMetadata"), f"{place}.usageMetadata")
    feedback = expect_object(value.get("promptFeedback", {}), f"{place}.promptFeedback")
    if "blockReason" in feedback:
        expect_string(feedback["blockReason"], f"{place}.promptFeedback.blockReason")
        need(0 not in ends, place, "a blocked prompt after the end")
        ends[0] = number
    for index, candidate in enumerate(expect_objects(value.get("candidates", []), f"{place}.candidates")):
        here = f"{place}.candidates[{index}]"
        which = expect_count(candidate.get("index", 0), f"{here}.index")
        content = expect_object(candidate.get("content", {}), f"{here}.content")
        need(content.get("role", "model") == "model", f"{here}.content.role", "is not model")
        parts = expect_objects(content.get("parts", []), f"{here}.content.parts")
        need(which not in ends or not parts, here, "content after the end")
        _parts(parts, f"{here}.content.parts")
        if "finishReason" in candidate:
            expect_string(candidate["finishReason"], f"{here}.finishReason")
            need(which not in ends, here, "a second finishReason")
            ends[which] = number


def _parts(parts: list[Json], place: str) -> None:
    for index, part in enumerate(parts):
        here = f"{place}[{index}]"
        if len(parts) > 1:
            need(bool(part), here, "an empty part next to others")
            empty = part.get("text") == "" and part.keys() <= {"text", "thoughtSignature"}
            need(not empty, here, "an empty text part next to others")
        if "text" in part:
            expect_string(part["text"], f"{here}.text")
        if "thought" in part:
            need(isinstance(part["thought"], bool), f"{here}.thought", "must be true or false")
        if "thoughtSignature" in part:
            expect_string(part["thoughtSignature"], f"{here}.thoughtSignature")
        if "functionCall" in part:
            call = expect_object(part["functionCall"], f"{here}.functionCall")
            expect_string(call.get("name"), f"{here}.functionCall.name")
            expect_object(call.get("args", {}), f"{here}.functionCall.args")
        if "inlineData" in part:
            blob = expect_object(part["inlineData"], f"{here}.inlineData")
            expect_string(blob.get("mimeType"), f"{here}.inlineData.mimeType")
            expect_string(blob.get("data"), f"{here}.inlineData.data")


def _usage(usage: Json, place: str) -> None:
    for name, value in usage.items():
        if name.endswith("TokenCount"):
            expect_count(value, f"{place}.{name}")
        elif name.endswith("Details"):
            for index, detail in enumerate(expect_objects(value, f"{place}.{name}")):
                expect_string(detail.get("modality"), f"{place}.{name}[{index}].modality")


def check_error(value: Json, place: str) -> None:
    """``{"error": {code, message, status}}`` and nothing else; the code is a number."""
    need(len(value) == 1, place, "has other members than the error")
    error = expect_object(value["error"], f"{place}.error")
    code = expect_count(error.get("code"), f"{place}.error.code")
    need(400 <= code <= 599, f"{place}.error.code", "is no HTTP status of a failure")
    expect_string(error.get("message"), f"{place}.error.message")
    if not expect_string(error.get("status"), f"{place}.error.status"):
        fail(f"{place}.error.status", "is empty")
    expect_objects(error.get("details", []), f"{place}.error.details")
