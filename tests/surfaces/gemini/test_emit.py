"""The Gemini stream: its grammar for any legal turn, in both forms, and its agreement with the whole answer."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import TURN_ID, record_lists
from tests.surfaces.gemini.support import frames_of
from tests.surfaces.playing import SECRET, replayed
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Notice, Record
from zerogravity.surfaces.gemini import surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.testing.builders import turn
from zerogravity.testing.check import check_gemini
from zerogravity.wire import jsonio, sse

WHOLE = GeminiDetails()
forms = st.builds(GeminiDetails, alt=st.sampled_from(["sse", "json"]), thoughts=st.booleans())


def channel_of(records: list[Record], details: GeminiDetails = WHOLE) -> CascadeChannel:
    return replayed(records, turn(id=TURN_ID, surface="gemini", stream=True, details=details))


@given(record_lists(), forms)
def test_any_turn_gives_a_legal_stream(records: list[Record], details: GeminiDetails) -> None:
    channel = channel_of(records, details)
    frames = frames_of(channel)
    check_gemini(frames)
    assert frames == frames_of(channel)


@given(record_lists())
def test_the_stream_and_the_whole_answer_say_the_same(records: list[Record]) -> None:
    channel = channel_of(records)
    answer = surface.answer(channel, SECRET)
    if isinstance(channel.terminal, Failed) and not channel.terminal.fault.finish:
        assert answer.status == channel.terminal.fault.status
        assert answer.body["error"] == check_gemini(frames_of(channel))[-1]["error"]
        return
    streamed, whole = said(check_gemini(frames_of(channel))), said([answer.body])
    assert streamed == whole
    assert streamed.thoughts == channel.state.thinking
    assert streamed.calls == [call.name for call in channel.state.function_calls]
    if not streamed.code:  # which the core shows as text
        assert streamed.text == channel.state.text


class Said(NamedTuple):
    thoughts: str
    text: str
    calls: list[str]
    code: int
    finishes: list[str]


def said(chunks: list[dict[str, Any]]) -> Said:
    """What the first candidate said."""
    candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates", [])]
    parts = [part for candidate in candidates for part in candidate.get("content", {}).get("parts", [])]
    return Said(
        "".join(part.get("text", "") for part in parts if part.get("thought")),
        "".join(part.get("text", "") for part in parts if not part.get("thought")),
        [part["functionCall"]["name"] for part in parts if "functionCall" in part],
        sum("executableCode" in part or "codeExecutionResult" in part for part in parts),
        [candidate["finishReason"] for candidate in candidates if "finishReason" in candidate],
    )


@given(record_lists())
def test_googles_sdk_takes_every_chunk_and_the_whole(records: list[Record]) -> None:
    channel = channel_of(records)
    for chunk in check_gemini(frames_of(channel)):
        if "error" not in chunk:
            types.GenerateContentResponse.model_validate(known(chunk))
    answer = surface.answer(channel, SECRET)
    if answer.status == 200:
        types.GenerateContentResponse.model_validate(known(answer.body))


def known(body: dict[str, Any]) -> dict[str, Any]:
    """Without the parts and words of tomorrow, which no SDK knows."""
    candidates = [dict(candidate) for candidate in body.get("candidates", [])]
    for candidate in candidates:
        if candidate.get("finishReason") not in types.FinishReason.__members__:
            candidate.pop("finishReason", None)
        if (content := candidate.get("content")) and "parts" in content:
            kept = [part for part in content["parts"] if part.keys().isdisjoint({"futurePart", "toolCall"})]
            candidate["content"] = {**content, "parts": kept}
    return {**body, "candidates": candidates} if candidates else body


GATHERED = re.compile(rb'"partialArgs"|"willContinue"|"args":[^{]|"functionCall":\{(?:\}|"args")|default_api')


@given(record_lists(captured=True), st.booleans())
def test_no_captured_part_is_ever_rendered_anew(records: list[Record], thoughts: bool) -> None:
    channel = channel_of(records, GeminiDetails(thoughts=thoughts))
    log = b"".join(sse.escape_separators(record.data) for record in records)
    for frame in frames_of(channel):
        text = frame.removeprefix(b"data: ").removesuffix(b"\r\n\r\n")
        for part in jsonio.elements(jsonio.at(text, ("candidates", 0, "content", "parts")) or b"[]"):
            value = jsonio.loads(part)
            if "functionCall" in value and GATHERED.search(log):
                continue  # one call of several pieces, or one that was mended
            if "inlineData" in value and "thought" not in value:
                part = jsonio.dumps(
                    value["inlineData"]
                )  # the only picture there is, shown without its mark as a thought
            assert part in log


@given(record_lists(captured=True))
def test_no_signature_is_lost(records: list[Record]) -> None:
    channel = channel_of(records)
    events = [event for record in records for event in record.events]
    if any(isinstance(event, Notice) and event.code == "broken_call" for event in events):
        return  # nobody gets that call, so neither what it was signed with
    said = [jsonio.loads(record.data) for record in records if record.data]
    if any(len(one.get("response", one).get("candidates") or ()) > 1 for one in said):
        return  # of two candidates of one index the first one counts
    if isinstance(channel.terminal, Failed) or len({record.attempt_no for record in records}) > 2:
        return
    marker = b'"thoughtSignature":'
    assert b"".join(frames_of(channel)).count(marker) == sum(record.data.count(marker) for record in records)
