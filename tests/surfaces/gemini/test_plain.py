"""Which chunks are passed on as they are; and that the long way would pass on the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import record_lists
from tests.surfaces.gemini.support import CALL, SIGNED, THOUGHT, chunk, turn
from zerogravity.core.channel import ChannelWriter
from zerogravity.core.events import Record
from zerogravity.surfaces.gemini import chunks, surface
from zerogravity.surfaces.gemini.details import GeminiDetails
from zerogravity.surfaces.gemini.plain import is_plain
from zerogravity.testing.builders import FakeClock, replay

TEXT = {"text": "a"}
NUMBERED = [{"modality": 1, "tokenCount": 3}]
IN_WORDS = [{"modality": "TEXT", "tokenCount": 3}]


@pytest.mark.parametrize(
    ("given_chunk", "plain"),
    [
        (chunk(TEXT), True),
        (chunk(TEXT, {"text": "b", "thoughtSignature": "U0lH"}), True),
        (chunk(TEXT, usageMetadata={"totalTokenCount": 3, "promptTokensDetails": IN_WORDS}, modelVersion="m"), True),
        ({"candidates": [{"content": {"parts": [TEXT], "role": "model"}}], "anything": 1}, True),
        (chunk(THOUGHT), "thoughts"),
        (chunk({"text": "a", "thought": False}), True),
        (chunk(TEXT, finish="STOP"), False),
        (chunk(), False),
        (chunk({"text": ""}), False),
        (chunk(SIGNED), False),
        (chunk(TEXT, {}), False),
        (chunk(TEXT, CALL), False),
        (chunk({"text": "a", "functionCall": {}}), False),
        (chunk({"text": 1}), False),
        (chunk(TEXT, error={}), False),
        (chunk(TEXT, promptFeedback={}), False),
        (chunk(TEXT, usageMetadata=None), False),
        (chunk(TEXT, usageMetadata={"trafficType": 1}), False),
        (chunk(TEXT, usageMetadata={"candidatesTokensDetails": NUMBERED}), False),
        ({"candidates": [*chunk(TEXT)["candidates"], *chunk(TEXT)["candidates"]]}, False),
        ({"candidates": [{**chunk(TEXT)["candidates"][0], "index": True}]}, False),
        ({"candidates": [{**chunk(TEXT)["candidates"][0], "safetyRatings": []}]}, False),
        ({"candidates": [{"content": {"parts": ["x"]}}]}, False),
        ({"candidates": [{"content": {"parts": []}}]}, False),
        ({"candidates": [{"content": {}}]}, False),
        ({"candidates": [{}]}, False),
        ({"candidates": ["x"]}, False),
        ({"candidates": {}}, False),
        ({}, False),
    ],
)
def test_is_plain(given_chunk: dict[str, Any], plain: bool | str) -> None:
    assert is_plain(given_chunk, thoughts=True) is bool(plain)
    assert is_plain(given_chunk, thoughts=False) is (plain is True)


def frames(records: list[Record], details: GeminiDetails) -> list[list[bytes]]:
    channel = replay(records, ChannelWriter(turn(details), FakeClock()))
    emitter = surface.emitter(channel, bytes(32))
    return [emitter.feed(record) for record in channel.records]


@given(record_lists(), st.booleans(), st.sampled_from(("sse", "json")))
def test_the_long_way_passes_on_the_same_bytes(records: list[Record], thoughts: bool, alt: str) -> None:
    details = GeminiDetails(thoughts=thoughts, alt=alt)
    at_once = frames(records, details)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "is_plain", lambda chunk, thoughts: False)
        assert at_once == frames(records, details)
