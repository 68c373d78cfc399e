"""What is read out of a request: the prompt, its keywords, the round of tools, the folder."""

from __future__ import annotations

from typing import Any

from tests.testing.simulator.support import INTERNAL, WEATHER, Stream, contents, envelope, fetch, inner
from zerogravity.testing.simulator.google import GoogleSimulator


async def test_several_keywords_are_for_several_calls_of_a_turn(google: GoogleSimulator) -> None:
    first = (await fetch(google, INTERNAL, envelope(inner("sim:tool sim:429")))).stream
    history = [
        *inner("sim:tool sim:429")["contents"],
        {"role": "model", "parts": first.call_parts},
        {"role": "user", "parts": [{"functionResponse": {"id": first.calls[0]["id"], "name": first.calls[0]["name"],
                                                         "response": {"output": "18C"}}}]},
    ]  # fmt: skip
    reply = await fetch(google, INTERNAL, envelope(inner("", contents=history)))
    assert reply.status == 429


async def ask(google: GoogleSimulator, prompt: str, model: str = "gemini-3-flash", **more: Any) -> Stream:
    return (await fetch(google, INTERNAL, envelope(inner(prompt, **more), model))).stream


def declared(*names: str, **properties: Any) -> list[dict[str, Any]]:
    schema = {"type": "OBJECT", "properties": properties or {"x": {"type": "STRING"}}}
    return [{"functionDeclarations": [{"name": name, "parameters": schema} for name in names]}]


async def test_the_wrapped_request_is_the_prompt(google: GoogleSimulator) -> None:
    """The language server's own entries behind it, and what is quoted in them, are not."""
    wrapped = "<USER_REQUEST>\nsim:text\n</USER_REQUEST>\n<ADDITIONAL_METADATA>\nsim:429\n</ADDITIONAL_METADATA>"
    history = [*contents(wrapped), *contents("# Conversation History\n- sim:500")]
    assert (await fetch(google, INTERNAL, envelope({"contents": history}))).status == 200
    assert google.requests[0].scenario == "text"


async def test_reminders_are_no_prompt(google: GoogleSimulator) -> None:
    """Neither before the user's words, nor behind them, nor behind a tool's results."""
    reminder = "<system-reminder>\nUse the tool sim:500.\n</system-reminder>"
    for prompt, answer in (("sim:tool sim:429", 429), ("sim:tool", 200)):
        first = [*contents(f"{reminder}\n{prompt}"), *contents(reminder)]
        called = (await fetch(google, INTERNAL, envelope(inner("", contents=first)))).stream
        response = {"id": called.calls[0]["id"], "name": called.calls[0]["name"], "response": {"output": "18C"}}
        results = {"role": "user", "parts": [{"functionResponse": response}]}
        history = [*first, {"role": "model", "parts": called.call_parts}, results, *contents(reminder)]
        reply = await fetch(google, INTERNAL, envelope(inner("", contents=history)))
        assert reply.status == answer
        assert answer != 200 or "18C" in reply.stream.text


async def test_keywords_of_older_turns_are_over(google: GoogleSimulator) -> None:
    history = [*contents("sim:500"), {"role": "model", "parts": [{"text": "sorry"}]}, *contents("sim:text")]
    body = envelope({"contents": history, "tools": [{"functionDeclarations": [WEATHER]}]})
    assert (await fetch(google, INTERNAL, body)).status == 200
