"""Google's chunks → the stream and the whole answer of the Messages surface, against golden files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import HERE, pretty
from tests.surfaces.playing import SECRET, SURFACES, ask, frames, play
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed, Finished, TextDelta
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.testing import builders
from zerogravity.testing.builders import call, chunk, part, usage
from zerogravity.testing.check import check_message, check_messages

GROUNDED = {
    "webSearchQueries": ["why is the sky blue"],
    "groundingChunks": [{"web": {"uri": "https://example.com/sky", "title": "Sky"}}],
    "groundingSupports": [
        {"segment": {"endIndex": 16, "text": "The sky is blue."}, "groundingChunkIndices": [0]}
    ],
}  # fmt: skip
THOUGHT = chunk(part("Let me see.", thought=True))
CALLS = (
    THOUGHT,
    chunk(call("get_weather", "c2ln", city="Rome"), call("get_weather", city="Oslo")),
    chunk(finish="STOP", usage=usage(120, 30, 12, 100)),
)
FOUND = (
    chunk(part("The sky is blue.")),
    chunk(part(" Mostly."), finish="STOP", usage=usage(20, 8), groundingMetadata=GROUNDED),
)
# name → (details, chunks)
CASES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "text": ({}, (chunk(part("Hel")), chunk(part("lo\u2028"), finish="STOP", usage=usage(10, 2)))),
    "calls": ({"thoughts": "shown"}, CALLS),
    "calls with thoughts omitted": ({"thoughts": "omitted"}, CALLS),
    "calls with thoughts hidden": ({}, CALLS),
    "one call": ({"one_call": True}, CALLS),
    "grounded text": ({"search": "beside"}, FOUND),
    "search not asked for": ({}, FOUND),
    "web search": ({"search": "alone"}, FOUND),
    "max_tokens": ({"thoughts": "shown"}, (THOUGHT, chunk(part("Hel"), finish="MAX_TOKENS", usage=usage(10, 3, 2)))),
    "filtered": ({}, (chunk(part("Hel"), finish="SAFETY", usage=usage(10, 3)),)),
    "blocked": ({}, ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},)),
    "picture": ({}, (chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, finish="STOP"),)),
    "code": ({}, (chunk({"executableCode": {"language": "PYTHON", "code": "1+1"}}, part("2"), finish="STOP"),)),
    "malformed call": ({}, (chunk(part("Hm")), chunk(finish="MALFORMED_FUNCTION_CALL", finishMessage="f("))),
    "broken off": ({}, (chunk(part("Hel")),)),
}  # fmt: skip


def channel_of(details: dict[str, Any], chunks: tuple[Any, ...]) -> CascadeChannel:
    return play(replace(ask("messages"), details=MessagesDetails(input_tokens=9, **details)), *chunks)


def stopped() -> CascadeChannel:
    turn = replace(ask("messages"), details=MessagesDetails(), stops=("END",))
    return builders.channel(turn, TextDelta("Hel"), end=Finished("stop_sequence", "END"))


CHANNELS = {**{name: channel_of(*case) for name, case in CASES.items()}, "stop sequence": stopped()}


def rendered(channel: CascadeChannel) -> str:
    """The stream as it is sent, and the whole answer."""
    answer = SURFACES["messages"].answer(channel, SECRET)
    return b"".join(frames("messages", channel)).decode() + f"{answer.status} " + pretty(answer.body) + "\n"


def file_of(name: str) -> Path:
    return HERE / "messages" / "answers" / f"{name.replace(' ', '_')}.txt"


@pytest.mark.parametrize("name", CHANNELS)
def test_what_reaches_the_client(name: str, request: pytest.FixtureRequest) -> None:
    channel, file = CHANNELS[name], file_of(name)
    if request.config.getoption("--update-golden", default=False):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rendered(channel), "utf-8", newline="")
    assert rendered(channel) == file.read_bytes().decode()


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
def test_it_is_legal(channel: CascadeChannel) -> None:
    check_messages(frames("messages", channel))
    if not isinstance(channel.terminal, Failed):
        check_message(SURFACES["messages"].answer(channel, SECRET).body)


def test_every_file_is_of_a_case() -> None:
    assert set(file_of("text").parent.iterdir()) == {file_of(name) for name in CHANNELS}
