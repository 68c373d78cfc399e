"""The features of the Messages API, over both back ends."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.runtime.features import CHAT, CITY, GEMINI, MODEL, RESPONSES, End, Json, says, serves, signed, user
from zerogravity.testing.check import check_message

MESSAGES = "/v1/messages"
PIECES = "Here is an answer in several pieces, as the real one would come."
TOOL: Json = {"name": "get_weather", "input_schema": CITY}
OF_CLIENTS = {
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    "memory": {"type": "memory_20250818", "name": "memory"},
    "computer": {"type": "computer_20250124", "name": "computer", "display_width_px": 800, "display_height_px": 600},
}


async def message(end: End, given: Any, /, **members: Any) -> Json:
    """A whole Message. ``given``: a prompt, or the messages."""
    given = [user(end.prompt(given))] if isinstance(given, str) else given
    made = await end.post(MESSAGES, {"model": MODEL, "max_tokens": 32_000, "messages": given, **members})
    check_message(made)
    return made


def text_of(made: Json) -> str:
    return "".join(block["text"] for block in made["content"] if block["type"] == "text")


def use_of(made: Json) -> Json:
    (use,) = (block for block in made["content"] if block["type"] == "tool_use")
    return use


def result(use: Json, content: str) -> Json:
    return user([{"type": "tool_result", "tool_use_id": use["id"], "content": content}])


@serves("path", "Messages", "/v1/messages")
async def messages_path(end: End) -> Any:
    made = await message(end, "sim:text")
    assert text_of(made) == PIECES
    return made["stop_reason"]


@serves("streaming", "Messages", "SSE")
async def messages_sse(end: End) -> Any:
    body = {"model": MODEL, "max_tokens": 32_000, "messages": [user(end.prompt("sim:text"))], "stream": True}
    found = await end.stream(MESSAGES, body)
    assert "".join(event["delta"]["text"] for event in found if event["type"] == "content_block_delta") == PIECES
    return [event["type"] for event in found if event["type"] not in ("content_block_delta", "ping")]


@serves("thinking", "Messages", "signed thinking blocks", "with thinking", "without their text by display")
async def messages_thinking(end: End) -> Any:
    """The signature of a call comes back to Google from the blocks alone."""
    found: list[Any] = []
    for more in ({}, {"display": "omitted"}):
        asked: list[Any] = [user(end.prompt("sim:tool"))]
        members: Json = {"thinking": {"type": "adaptive", **more}, "tools": [TOOL]}
        made = await message(end, asked, **members)
        thought, *_ = made["content"]
        assert thought["signature"]
        assert bool(thought["thinking"]) is not more
        said = {"role": "assistant", "content": made["content"]}
        await message(end, [*asked, said, result(use_of(made), "18 degrees")], **members)
        assert signed(end.sent()[-1]) == [True]
        found.append([block["type"] for block in made["content"]])
    assert "thinking" not in [block["type"] for block in (await message(end, "sim:think"))["content"]]
    return found


@serves("tools", "Messages", "custom", "deferred")
async def messages_tools(end: End) -> Any:
    later = {**TOOL, "name": "get_tides", "defer_loading": True}
    asked: list[Any] = [user(end.prompt("sim:tool"))]
    use = use_of(await message(end, asked, tools=[TOOL, later]))
    assert [one["name"] for one in end.sent()[-1]["tools"][0]["functionDeclarations"]] == ["get_weather"]
    loaded = user([{
        "type": "tool_result", "tool_use_id": use["id"],
        "content": [{"type": "tool_reference", "tool_name": "get_tides"}],
    }])  # fmt: skip
    await message(end, [*asked, {"role": "assistant", "content": [use]}, loaded], tools=[TOOL, later])
    assert len(end.sent()[-1]["tools"][0]["functionDeclarations"]) == 2
    return use["name"], use["input"]


@serves("tools", "Messages", "web search with citations")
async def messages_search(end: End) -> Any:
    made = await message(end, "sim:grounding", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert any(block.get("citations") for block in made["content"])
    return [block["type"] for block in made["content"]]


@serves("tools", "Messages", "run by the client", *OF_CLIENTS)
async def messages_run_by_the_client(end: End) -> Any:
    await message(end, "sim:text", tools=[*OF_CLIENTS.values()])
    declared = end.sent()[-1]["tools"][0]["functionDeclarations"]
    assert [one["name"] for one in declared] == [tool["name"] for tool in OF_CLIENTS.values()]
    asked: list[Any] = [user(end.prompt("sim:tool"))]
    use = use_of(await message(end, asked, tools=[OF_CLIENTS["bash"]]))
    said = {"role": "assistant", "content": [use]}
    await message(end, [*asked, said, result(use, "done")], tools=[OF_CLIENTS["bash"]])
    return use["name"]


@serves("structured output", "Messages", "output_config.format")
async def messages_structured(end: End) -> Any:
    made = await message(end, "sim:json", output_config={"format": {"type": "json_schema", "schema": CITY}})
    assert end.sent()[-1]["generationConfig"]["responseMimeType"] == "application/json"
    return text_of(made)


@serves("stop sequences", "Messages", "watched for here", "and named in the answer")
async def messages_stops(end: End) -> Any:
    made = await message(end, "sim:text", stop_sequences=["nowhere", " pieces"])
    assert (text_of(made), made["stop_reason"]) == ("Here is an answer in several", "stop_sequence")
    assert "stopSequences" not in end.sent()[-1]["generationConfig"]
    return made["stop_sequence"]


@serves("stop sequences", "Responses", "–")
@serves("stop sequences", "Chat Completions, Gemini", "by Google")
async def stops_by_google(end: End) -> Any:
    asked = [user(end.prompt("sim:text"))]
    await end.post(CHAT, {"model": MODEL, "messages": asked, "stop": ["END"]})
    body = {"contents": [says(end.prompt("sim:text"))], "generationConfig": {"stopSequences": ["END"]}}
    await end.post(f"{GEMINI}:generateContent", body)
    assert [one["generationConfig"]["stopSequences"] for one in end.sent()] == [["END"]] * 2
    refused = await end.post(RESPONSES, {"model": MODEL, "input": end.prompt("sim:text"), "stop": ["END"]}, 400)
    return refused["error"]["param"]


@serves("state", "Messages, Gemini", "–")
async def nothing_is_kept(end: End) -> Any:
    made = await message(end, "sim:text")
    body = {"contents": [says(end.prompt("sim:text"))]}
    candidate = await end.post(f"{GEMINI}:generateContent", body)
    lost, gone = await asyncio.gather(
        end.get(f"{MESSAGES}/{made['id']}", 404), end.get(f"/v1beta/responses/{candidate['responseId']}", 404)
    )
    return lost["error"]["type"], sorted(gone["error"])


@serves("counting tokens", "Messages", "/v1/messages/count_tokens")
async def messages_counting(end: End) -> Any:
    body = {"model": MODEL, "messages": [user(end.prompt("x" * 400))], "tools": [TOOL]}
    counted = await end.post(f"{MESSAGES}/count_tokens", body)
    assert counted["input_tokens"] > 100
    assert set(counted) == {"input_tokens"}


@serves("counting tokens", "Chat Completions", "–")
async def chat_counts_nothing(end: End) -> Any:
    missing = await end.post(f"{CHAT}/input_tokens", {"model": MODEL, "messages": [user("hello")]}, 404)
    return missing["error"]["code"]


@serves("errors", "Messages", "Anthropic's form")
async def messages_errors(end: End) -> Any:
    body: Json = {"model": MODEL, "max_tokens": 100, "messages": [user(end.prompt("sim:400"))]}
    found: list[Any] = []
    for given, status in ((body | {"temperature": 9}, 400), (body | {"model": "no-such-model"}, 404), (body, 400)):
        made = await end.post(MESSAGES, given, status)
        assert (made["type"], made["request_id"]) == ("error", end.notes["request-id"])
        found.append((made["error"]["type"], made["error"]["message"][:40]))
    return found
