"""Whatever Google answers, a client gets the same through the runtime as through an editor's language server: every
keyword of Google's stand-in, on every surface, in both modes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.support import ASKED_ONCE, NO_COOLDOWN, SURFACES, Said, ask, at_rest, quick
from zerogravity.testing.simulator.google import scenarios
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAME = (
    *("text", "think", "tool", "parallel", "parallel-split", "tool-apart", "sig-before", "sig-after", "tool-text"),
    *(
        "tool-late-text",
        "search-tool",
        "claude",
        "tool-noargs",
        "tool-exact",
        "tool-unknown",
        "snake",
        "image",
        "code",
        "grounding",
    ),
    *("signed-text", "json", "unicode", "thinking-once", "malformed-once", "nameless-once", "flaky"),
    *("503-mid", "raw-mid", "no-finish", "empty", "empty-body", "thinking-only", "garbage", "nonsense", "nameless"),
    *("malformed", "unexpected", "unsigned", "safety", "recitation", "other", "blocked", "max-tokens", "max-thinking"),
    *("slow 0.05", "stall 0.1", "stall-before 0.1", "long 20", "big 300", "flood 500", "split 7", "lf", "cr"),
    *("odd-sse", "gzip", "usage-after", "usage-root", "usage-jump", "usage-none", "usage-last"),
    *("400", "500", "503", "504", "400-long"),
)
OTHER_WORDS = (  # those of the other API, or of another version of HTTP
    *("404", "429", "429-quota", "429-bare", "429-mid", "503-capacity"),
    *("drop-before", "reset-before"),
)
BROKEN_OFF = ("drop", "drop-think", "cut", "reset", "half-close", "gzip-cut")  # how much had come by then is chance
NOT_HERE = ("echo", "bench", "429-once", "quota-once", "drop-once")  # test_features; scripts/bench; test_failover
OTHER_REMEDY = (
    "401",
    "403",
    "403-verify",
    "400-key",
    "400-region",
    "400-billing",
    "429-plan",
    "429-day",
)  # a key is not a login in the editor


@dataclass
class Both:
    """The same path with either back end."""

    editor: Stack
    runtime: Stack
    http: aiohttp.ClientSession

    async def ask(self, surface: str, prompt: str, **how: Any) -> tuple[Said, Said]:
        one, other = (ask(stack, self.http, surface, prompt, **how) for stack in (self.editor, self.runtime))
        return await one, await other


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["reverse", "proxy"])
async def both(request: pytest.FixtureRequest, binary: Path) -> AsyncIterator[Both]:
    mode: Literal["reverse", "proxy"] = request.param
    async with AsyncExitStack() as stack:
        made = Both(
            await stack.enter_async_context(
                Stack(StackOptions(mode=mode, ls=quick(), env={**NO_COOLDOWN, **ASKED_ONCE}))
            ),
            await stack.enter_async_context(
                Stack(StackOptions(mode=mode, runtime=binary, env={**NO_COOLDOWN, **ASKED_ONCE}))
            ),
            await stack.enter_async_context(aiohttp.ClientSession()),
        )
        yield made
        await at_rest(made.runtime)
        _look_at_what_passed(made.runtime)


def _look_at_what_passed(stack: Stack) -> None:
    """The runtime's own requests, rewritten: in one form, with nothing of the marker, in either mode on the carrier's
    connections."""
    assert stack.google is not None
    calls = stack.google.agent_requests
    assert calls
    assert {one.http for one in calls} == {"2"}
    assert all("/v1beta/models/" in one.path for one in calls)
    assert not any("<cid:" in str(one.body) for one in calls)
    assert all("sessionId" in one.request for one in calls)


def outcome(said: Said) -> dict[str, Any]:
    """What a client sees of an answer, without what is by chance."""
    shown: dict[str, Any] = {"status": said.status, "error": said.error}
    shown["text"] = said.text.replace("gemini-3-flash-preview", "gemini-3-flash")  # each API has its own name of it
    events = said.events or [said.body]
    match said.surface:
        case "responses":
            last = events[-1].get("response", events[-1])
            shown["status_word"] = last.get("status")
            shown["items"] = [
                (item["type"], item.get("name"), item.get("arguments")) for item in last.get("output") or []
            ]
        case "chat":
            choices = [choice for event in events for choice in event.get("choices") or []]
            shown["finish"] = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
            messages = [choice.get("delta") or choice.get("message") or {} for choice in choices]
            shown["calls"] = [
                (call.get("function", {}).get("name"), call.get("function", {}).get("arguments"))
                for message in messages
                for call in message.get("tool_calls") or []
            ]
        case _:
            candidates = [one for event in events for one in event.get("candidates") or []]
            shown["finish"] = [one["finishReason"] for one in candidates if one.get("finishReason")]
            shown["parts"] = [
                sorted(part) for one in candidates for part in one.get("content", {}).get("parts") or []
            ]  # fmt: skip
    return shown


@pytest.mark.parametrize("keyword", SAME)
async def test_the_same_answer_comes_through_both(both: Both, keyword: str) -> None:
    tools = "tool" in keyword or "parallel" in keyword or keyword.startswith(("sig-", "snake", "nameless"))
    answers = await asyncio.gather(
        *(both.ask(surface, f"sim:{keyword} {surface}", tools=tools) for surface in SURFACES)
    )
    assert [outcome(through_runtime) for _, through_runtime in answers] == [
        outcome(through_editor) for through_editor, _ in answers
    ]


@pytest.mark.parametrize("keyword", BROKEN_OFF)
async def test_a_stream_that_breaks_off_ends_alike(both: Both, keyword: str) -> None:
    for surface in SURFACES:
        through_editor, through_runtime = await both.ask(surface, f"sim:{keyword}")
        assert through_runtime.error is not None
        assert (through_runtime.status, through_runtime.error) == (through_editor.status, through_editor.error)


@pytest.mark.parametrize("keyword", OTHER_WORDS)
async def test_the_same_failure_comes_through_both(both: Both, keyword: str) -> None:
    for surface in SURFACES:
        answers = await both.ask(surface, f"sim:{keyword}", stream=False)
        word = "type" if surface == "messages" else "code"
        through_editor, through_runtime = (said.error and (said.status, said.error[word]) for said in answers)
        assert through_editor == through_runtime is not None


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("keyword", OTHER_REMEDY)
async def test_what_to_do_is_about_the_key(both: Both, surface: str, keyword: str) -> None:
    through_editor, through_runtime = await both.ask(surface, f"sim:{keyword}", stream=False)
    assert through_runtime.status == through_editor.status
    assert through_runtime.error is not None
    assert "in the editor" not in through_runtime.error["message"]


async def test_every_keyword_is_asked_for() -> None:
    """By the table that the stand-in of Google documents."""
    table = (scenarios.__doc__ or "").split("|---|---|\n")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()]
    words = {re.sub(r" [A-Z].*", "", word.strip()) for cell in cells for word in cell.split(" · ")}
    documented = {one for word in words for one in (word.split() if word[:1].isdigit() else [word])}
    asked = {word.partition(" ")[0] for word in (*SAME, *OTHER_WORDS, *BROKEN_OFF, *OTHER_REMEDY, *NOT_HERE)}
    assert documented == asked
