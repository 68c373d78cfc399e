"""Everything in README's table "What is served" works over Google's runtime as over an editor's language server: the
client is told the same, Google is asked the same, and it is right."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import openai
import psutil
import pytest
import pytest_asyncio
from google import genai
from google.genai import types

import tests.runtime.messages  # noqa: F401  # registers its features
from tests.e2e.support import NO_COOLDOWN, SURFACES, ask, at_rest, quick, request
from tests.mcp.serving import Witness, sdk_server, served
from tests.reading import to_the_end
from tests.runtime.features import (
    CHAT,
    COVERED,
    FEATURES,
    GEMINI,
    MODEL,
    RESPONSES,
    STAND_IN,
    WEATHER,
    Cell,
    End,
    also,
    called,
    events,
    item,
    said,
    says,
    serves,
    signed,
    text_of,
    user,
)
from tests.test_readme import TEXT, rows
from tests.waiting import until
from zerogravity.testing.check import check_responses
from zerogravity.testing.simulator.stack import KEY, Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PIECES = "Here is an answer in several pieces, as the real one would come."
FUNCTION = {"type": "function", **WEATHER}
CHAT_TOOLS = [{"type": "function", "function": WEATHER}]
GEMINI_TOOLS = [{"functionDeclarations": [WEATHER]}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
WAV = base64.b64encode(
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0"
).decode()
NODE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    "required": ["name"],
}
TREE: dict[str, Any] = {  # a map, and a type within itself
    "type": "object",
    "properties": {
        "scores": {"type": "object", "additionalProperties": {"type": "integer"}},
        "root": {"$ref": "#/$defs/node"},
    },
    "required": ["scores", "root"],
    "$defs": {"node": NODE},
}
IMAGES = {"editor": "gemini-3.1-flash-image", "runtime": "gemini-2.5-flash-image"}


def is_tree(text: str) -> bool:
    """Whether a text is JSON of that schema."""
    made = json.loads(text)
    assert set(made) == {"scores", "root"}
    assert all(isinstance(value, int) for value in made["scores"].values())
    nodes = [made["root"]]
    for node in nodes:
        assert isinstance(node["name"], str)
        nodes += node.get("children", [])
    return True


# -- paths and streams ---------------------------------------------------------------------------------------------


@serves("path", "Responses", "/v1/responses")
@serves("path", "Chat Completions", "/v1/chat/completions")
async def paths_of_openai(end: End) -> Any:
    response, choice = await asyncio.gather(end.respond("sim:text"), end.chat("sim:text"))
    assert (text_of(response), choice["message"]["content"]) == (PIECES, PIECES)
    assert (response["status"], choice["finish_reason"]) == ("completed", "stop")


@serves("path", "Gemini", "/v1beta/models/{model}:generateContent", ":streamGenerateContent", "/v1", "/v1alpha")
async def paths_of_google(end: End) -> Any:
    body = {"contents": [says(end.prompt("sim:text"))]}
    for version in ("v1beta", "v1", "v1alpha"):
        path = f"/{version}/models/{MODEL}"
        whole, array = await asyncio.gather(
            end.post(f"{path}:generateContent", body), end.post(f"{path}:streamGenerateContent", body)
        )
        assert said(whole["candidates"][0]) == PIECES
        assert "".join(said(chunk["candidates"][0]) for chunk in array) == PIECES


@serves("streaming", "Responses", "SSE")
async def responses_sse(end: End) -> Any:
    body = {"model": MODEL, "input": end.prompt("sim:think"), "stream": True, "reasoning": {"summary": "auto"}}
    found = await end.stream(RESPONSES, body)
    assert text_of(found[-1]["response"]) == PIECES
    return [event["type"] for event in found if not event["type"].endswith(".delta")]


@serves("streaming", "Responses", "WebSocket")
async def responses_websocket(end: End) -> Any:
    found: list[Any] = []
    async with end.http.ws_connect(end.url + RESPONSES) as socket:
        first: Any = {"type": "response.create", "model": MODEL, "input": end.prompt("sim:text"), "store": False}
        more: Any = {**first, "input": end.prompt("sim:echo go on")}
        for create in (first, more):
            await socket.send_json(create)
            seen = [json.loads(await socket.receive_str(timeout=20))]
            while seen[-1]["type"] != "response.completed":
                seen.append(json.loads(await socket.receive_str(timeout=20)))
            check_responses(b"".join(
                b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in seen
            ))  # fmt: skip
            more["previous_response_id"] = seen[-1]["response"]["id"]
            found.append(seen)
    assert text_of(found[0][-1]["response"]) == PIECES
    assert PIECES in text_of(found[1][-1]["response"]), "what was said before goes on, without being stored"


@serves("streaming", "Chat Completions", "SSE")
async def chat_sse(end: End) -> Any:
    body = {"model": MODEL, "messages": [user(end.prompt("sim:text"))], "stream": True}
    found = await end.stream(CHAT, body | {"stream_options": {"include_usage": True}})
    deltas = [choice["delta"] for event in found for choice in event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == PIECES
    assert found[-1]["usage"]["completion_tokens"] > 0
    return [choice["finish_reason"] for event in found for choice in event["choices"] if choice["finish_reason"]]


@serves("streaming", "Gemini", "SSE (alt=sse)", "JSON array", "partial responses (fields=)")
async def gemini_streams(end: End) -> Any:
    body = {"contents": [says(end.prompt("sim:text"))]}
    sse, array, some, part = await asyncio.gather(
        end.stream(f"{GEMINI}:streamGenerateContent?alt=sse", body),
        end.post(f"{GEMINI}:streamGenerateContent", body),
        end.stream(f"{GEMINI}:streamGenerateContent?alt=sse&fields=candidates(content,finishReason)", body),
        end.post(f"{GEMINI}:generateContent?fields=candidates/content/parts/text", body),
    )
    for chunks in (sse, array, some):
        assert "".join(said(chunk["candidates"][0]) for chunk in chunks) == PIECES
    assert {name for chunk in some for name in chunk} == {"candidates"}
    assert set(part) == {"candidates"}
    assert set(part["candidates"][0]) == {"content"}
    return [[sorted(chunk) for chunk in chunks] for chunks in (sse, array)]


# -- thinking ------------------------------------------------------------------------------------------------------

WHY = "Why is the sky blue?"  # the stand-in shows thoughts only if it is asked for them


@serves("thinking", "Responses", "reasoning summaries (with reasoning.summary)")
async def reasoning_summaries(end: End) -> Any:
    plain, shown, hard = await asyncio.gather(
        end.respond(WHY), end.respond(WHY, reasoning={"summary": "auto"}),
        end.respond(WHY, reasoning={"summary": "detailed", "effort": "high"}),
    )  # fmt: skip
    assert not any(one["summary"] for one in plain["output"] if one["type"] == "reasoning")
    for one in (shown, hard):
        assert "Considering" in item(one, "reasoning")["summary"][0]["text"]
        assert one["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    levels = [one.get("generationConfig", {}).get("thinkingConfig", {}).get("thinkingLevel") for one in end.sent()]
    assert "HIGH" in levels


@serves("thinking", "Responses", "encrypted_content (with include)")
async def encrypted_content(end: End) -> Any:
    """Handed back, it holds Google's own signatures: of an answer, and of a call."""
    how: Any = {"include": ["reasoning.encrypted_content"], "store": False, "tools": [FUNCTION]}
    given: list[Any] = [user(end.prompt(WHY))]
    first = await end.respond(given, **how)
    assert item(first, "reasoning")["encrypted_content"]
    given += [*first["output"], user("get_weather of Rome, please")]
    second = await end.respond(given, **how)
    call = item(second, "function_call")
    given += [*second["output"], {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}]
    assert "18 degrees" in text_of(await end.respond(given, **how))
    last = end.sent()[-1]
    assert signed(last) == [True]
    (answer,) = [one for one in last["contents"][:2] if one["role"] == "model"]
    assert any(part.get("thoughtSignature") not in (None, STAND_IN) for part in answer["parts"])


@serves("thinking", "Chat Completions", "reasoning_content")
async def reasoning_content(end: End) -> Any:
    """Unasked, too."""
    whole, hidden, level = await asyncio.gather(
        end.chat(WHY), end.chat(WHY, reasoning_effort="none"), end.chat(WHY, reasoning_effort="low")
    )
    events = await end.stream(CHAT, {"model": MODEL, "messages": [user(end.prompt(WHY))], "stream": True})
    streamed = "".join(one["delta"].get("reasoning_content") or "" for event in events for one in event["choices"])
    for thoughts in (whole["message"]["reasoning_content"], level["message"]["reasoning_content"], streamed):
        assert thoughts.startswith("**Considering**")
    assert "reasoning_content" not in hidden["message"]


@serves("thinking", "Gemini", "thought: true parts")
async def thought_parts(end: End) -> Any:
    plain, shown = await asyncio.gather(
        end.generate(WHY),
        end.generate(WHY, generationConfig={"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}}),
    )
    assert said(plain, thought=True) == ""
    assert said(shown, thought=True).startswith("**Considering**")
    assert said(plain) == said(shown)


# -- tools ---------------------------------------------------------------------------------------------------------

ROUNDS = "sim:tool sim:tool-apart sim:sig-after sim:text"


@serves("tools", "", "tools")
@serves("tools", "Responses", "function")
async def responses_rounds(end: End) -> Any:
    """Three rounds, each with Google's own signature; the history in full, or by previous_response_id."""
    shapes: list[Any] = []
    for chained in (False, True):
        given: list[Any] = [user(end.prompt(ROUNDS))]
        made = await end.respond(given, tools=[FUNCTION])
        for number in range(3):
            call = item(made, "function_call")
            assert json.loads(call["arguments"])["city"]
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": f"{number} degrees"}
            given = [result] if chained else [*given, call, result]
            before = {"previous_response_id": made["id"]} if chained else {}
            made = await end.respond(given, tools=[FUNCTION], **before)
            if not chained:
                assert signed(end.sent()[-1]) == [True] * (number + 1)
        assert text_of(made) == PIECES
        shapes.append([one["type"] for one in made["output"]])
    return shapes


@serves("tools", "Chat Completions", "function")
async def chat_rounds(end: End) -> Any:
    messages: list[Any] = [user(end.prompt(ROUNDS))]
    for number in range(3):
        choice = await end.chat(messages, tools=CHAT_TOOLS)
        assert choice["finish_reason"] == "tool_calls"
        (call,) = choice["message"]["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": f"{number} degrees"}
        messages += [choice["message"], result]
    last = await end.chat(messages, tools=CHAT_TOOLS)
    assert last["message"]["content"] == PIECES
    assert signed(end.sent()[-1]) == [True] * 3


@serves("tools", "Gemini", "as Google's API")
async def gemini_rounds(end: End) -> Any:
    contents: list[Any] = [says(end.prompt(ROUNDS))]
    for number in range(3):
        candidate = await end.generate(contents, tools=GEMINI_TOOLS)
        (part,) = [part for part in candidate["content"]["parts"] if "functionCall" in part]
        call = part["functionCall"]
        result = {"name": call["name"], "response": {"output": f"{number} degrees"}}
        result |= {"id": call["id"]} if "id" in call else {}
        contents += [candidate["content"], says({"functionResponse": result})]
    assert said(await end.generate(contents, tools=GEMINI_TOOLS)) == PIECES


@serves("tools", "Responses", "custom (text, grammar)")
async def responses_custom(end: End) -> Any:
    lark = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    for more in ({}, {"format": {"type": "text"}}, {"format": lark}):
        given: list[Any] = [user(end.prompt("sim:tool sim:echo"))]
        tools = [{"type": "custom", "name": "note", "description": "Keep a note", **more}]
        first = await end.respond(given, tools=tools)
        call = item(first, "custom_tool_call")
        assert call["name"] == "note"
        assert isinstance(call["input"], str)
        result = {"type": "custom_tool_call_output", "call_id": call["call_id"], "output": "kept it"}
        assert "kept it" in text_of(await end.respond([*given, call, result], tools=tools))
    declared = [one["tools"][0]["functionDeclarations"][0]["description"] for one in end.sent()]
    assert "lark grammar:\nstart: /.+/" in declared[-1]


@serves("tools", "Chat Completions", "custom", "legacy functions")
async def chat_custom_and_legacy(end: End) -> Any:
    custom = [{"type": "custom", "custom": {"name": "note", "description": "Keep a note"}}]
    given: list[Any] = [user(end.prompt("sim:tool sim:echo"))]
    choice, legacy = await asyncio.gather(
        end.chat(given, tools=custom), end.chat(given, functions=[WEATHER])
    )  # fmt: skip
    (call,) = choice["message"]["tool_calls"]
    assert (call["type"], call["custom"]["name"]) == ("custom", "note")
    assert (legacy["finish_reason"], legacy["message"]["function_call"]["name"]) == ("function_call", "get_weather")
    kept = {"role": "tool", "tool_call_id": call["id"], "content": "kept it"}
    sunny = {"role": "function", "name": "get_weather", "content": "18 degrees"}
    one, other = await asyncio.gather(
        end.chat([*given, choice["message"], kept], tools=custom),
        end.chat([*given, legacy["message"], sunny], functions=[WEATHER]),
    )
    assert "kept it" in one["message"]["content"]
    assert "18 degrees" in other["message"]["content"]


@serves("tools", "Responses", "namespaces")
async def namespaces(end: End) -> Any:
    space = {"type": "namespace", "name": "crm", "description": "Customers", "tools": [FUNCTION]}
    given: list[Any] = [user(end.prompt("sim:tool sim:echo"))]
    call = item(await end.respond(given, tools=[space]), "function_call")
    assert (call["namespace"], call["name"]) == ("crm", "get_weather")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    assert "18 degrees" in text_of(await end.respond([*given, call, result], tools=[space]))
    assert [part["functionCall"]["name"] for part in called(end.sent()[-1])] == ["crm.get_weather"]


@serves("tools", "Responses, Chat Completions", "web search")
async def web_search(end: End) -> Any:
    response, choice, candidate = await asyncio.gather(
        end.respond("sim:grounding", tools=[{"type": "web_search"}]),
        end.chat("sim:grounding", web_search_options={}),
        end.generate("sim:grounding", tools=[{"googleSearch": {}}]),
    )
    assert item(response, "web_search_call")["status"] == "completed"
    cited = item(response, "message")["content"][0]["annotations"]
    assert cited[0]["type"] == choice["message"]["annotations"][0]["type"] == "url_citation"
    assert candidate["groundingMetadata"]["groundingSupports"]
    return [(one["start_index"], one["end_index"], one["url"]) for one in cited], choice["message"]["content"]


@also
async def search_before_a_call(end: End) -> Any:
    """What Google has searched goes back to it with the result; the stand-in refuses it else."""
    tools = [FUNCTION, {"type": "web_search"}]
    given: list[Any] = [user(end.prompt("sim:search-tool"))]
    call = item(await end.respond(given, tools=tools), "function_call")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    assert "18 degrees" in text_of(await end.respond([*given, call, result], tools=tools))


@serves("tools", "Responses", "pictures (of image models)")
async def pictures(end: End) -> Any:
    given: Any = {"model": IMAGES[end.name], "input": end.prompt("sim:image"), "tools": [{"type": "image_generation"}]}
    made = await end.post(RESPONSES, given)
    assert base64.b64decode(item(made, "image_generation_call")["result"]).startswith(b"\x89PNG")
    text = end.prompt("sim:image")
    candidate, message = await asyncio.gather(
        end.post(f"/v1beta/models/{IMAGES[end.name]}:generateContent", {"contents": [says(text)]}),
        end.post(CHAT, {"model": IMAGES[end.name], "messages": [user(text)]}),
    )
    (picture,) = [one for one in candidate["candidates"][0]["content"]["parts"] if "inlineData" in one]
    assert picture["inlineData"]["mimeType"] == "image/png"
    return sorted(message["choices"][0]["message"])


CLIENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # tool → its declaration, its result
    "shell": (
        {"type": "shell"},
        {
            "type": "shell_call_output",
            "output": [{"stdout": "seen it", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
    ),
    "apply_patch": (
        {"type": "apply_patch"},
        {"type": "apply_patch_call_output", "status": "completed", "output": "seen it"},
    ),
    "local_shell": ({"type": "local_shell"}, {"type": "local_shell_call_output", "output": "seen it"}),
    "tool_search": (
        {"type": "tool_search", "execution": "client"},
        {"type": "tool_search_output", "execution": "client", "tools": [{**FUNCTION, "description": "seen it"}]},
    ),
}


@serves("tools", "Responses", "run by the client", *CLIENTS)
async def run_by_the_client(end: End) -> Any:
    async def run(name: str) -> Any:
        tool, result = CLIENTS[name]
        given: list[Any] = [user(end.prompt("sim:tool sim:echo"))]
        call = item(await end.respond(given, tools=[tool]), f"{name}_call")
        answered = await end.respond([*given, call, {**result, "call_id": call["call_id"]}], tools=[tool])
        assert "seen it" in text_of(answered)
        return sorted(call)

    return await asyncio.gather(*map(run, CLIENTS))


@serves("tools", "", "512 functions at most")
async def many_functions(end: End) -> Any:
    for count, status in ((512, 200), (513, 400)):
        functions = [{**WEATHER, "name": f"function_{number}"} for number in range(count)]
        found = await asyncio.gather(
            end.post(RESPONSES, {"model": MODEL, "input": end.prompt("sim:text"),
                                 "tools": [{"type": "function", **one} for one in functions]}, status),
            end.post(CHAT, {"model": MODEL, "messages": [user(end.prompt("sim:text"))],
                            "tools": [{"type": "function", "function": one} for one in functions]}, status),
            end.post(f"{GEMINI}:generateContent", {"contents": [says(end.prompt("sim:text"))],
                                                  "tools": [{"functionDeclarations": functions}]}, status),
        )  # fmt: skip
        assert [("512" in one["error"]["message"]) if status == 400 else True for one in found] == [True] * 3


@also
async def parallel_calls(end: End) -> Any:
    """Three at once; all results go back, in their order."""
    given: list[Any] = [user(end.prompt("sim:parallel sim:text"))]
    first = await end.respond(given, tools=[FUNCTION])
    calls = [one for one in first["output"] if one["type"] == "function_call"]
    assert len({one["call_id"] for one in calls}) == 3
    results = [{"type": "function_call_output", "call_id": one["call_id"], "output": "x"} for one in calls]
    assert text_of(await end.respond([*given, *calls, *results], tools=[FUNCTION])) == PIECES
    choice = await end.chat(given, tools=CHAT_TOOLS)
    done = [{"role": "tool", "tool_call_id": one["id"], "content": "x"} for one in choice["message"]["tool_calls"]]
    assert len(done) == 3
    assert (await end.chat([*given, choice["message"], *done], tools=CHAT_TOOLS))["message"]["content"] == PIECES


@also
async def tool_choice(end: End) -> Any:
    """Forced, of one, none; Google is told."""
    chat_one = {"type": "function", "function": {"name": "get_weather"}}
    google = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}}
    none: Any = {"functionCallingConfig": {"mode": "NONE"}}
    forced, one, candidate, *free = await asyncio.gather(
        end.respond("hello", tools=[FUNCTION], tool_choice="required"),
        end.chat("hello", tools=CHAT_TOOLS, tool_choice=chat_one),
        end.generate("hello", tools=GEMINI_TOOLS, toolConfig=google),
        end.respond("get_weather", tools=[FUNCTION], tool_choice="none"),
        end.chat("get_weather", tools=CHAT_TOOLS, tool_choice="none"),
        end.generate("get_weather", tools=GEMINI_TOOLS, toolConfig=none),
    )
    assert item(forced, "function_call")
    assert one["message"]["tool_calls"]
    assert any("functionCall" in part for part in candidate["content"]["parts"])
    assert not any('get_weather\\"' in json.dumps(one) and "call" in str(one.get("finish_reason")) for one in free)
    assert [one["type"] for one in free[0]["output"] if one["type"] != "reasoning"] == ["message"]
    modes = [one["toolConfig"]["functionCallingConfig"]["mode"] for one in end.sent() if "toolConfig" in one]
    return sorted(modes)


# -- structured output -----------------------------------------------------------------------------------------------


@serves("structured output", "", "structured output", "maps, recursion")
@serves("structured output", "Responses", "text.format")
@serves("structured output", "Chat Completions", "response_format")
async def structured_by_openai(end: End) -> Any:
    form = {"name": "tree", "schema": TREE, "strict": False}
    response, choice, loose = await asyncio.gather(
        end.respond("a tree", text={"format": {"type": "json_schema", **form}}),
        end.chat("a tree", response_format={"type": "json_schema", "json_schema": form}),
        end.chat("some JSON", response_format={"type": "json_object"}),
    )
    assert is_tree(text_of(response))
    assert is_tree(choice["message"]["content"])
    json.loads(loose["message"]["content"])


@serves("structured output", "Gemini", "responseSchema", "responseJsonSchema")
async def structured_by_google(end: End) -> Any:
    mime = {"responseMimeType": "application/json"}
    plain = {"type": "OBJECT", "properties": {"answer": {"type": "STRING"}}, "required": ["answer"]}
    candidate, tree = await asyncio.gather(
        end.generate("an answer", generationConfig={**mime, "responseSchema": plain}),
        end.generate("a tree", generationConfig={**mime, "responseJsonSchema": TREE}),
    )
    assert isinstance(json.loads(said(candidate))["answer"], str)
    assert is_tree(said(tree))


# -- state -------------------------------------------------------------------------------------------------------------


@serves("state", "Responses", "stored responses", "previous_response_id")
async def stored(end: End) -> Any:
    first = await end.respond("sim:text quince")
    path = f"{RESPONSES}/{first['id']}"
    assert await end.get(path) == first
    second = await end.respond("sim:echo go on", previous_response_id=first["id"])
    assert "quince" in text_of(second)
    assert PIECES in text_of(second)
    items = await end.get(f"{path}/input_items")
    assert "quince" in json.dumps(items)
    async with end.http.delete(end.url + path) as answer:
        assert (await answer.json())["deleted"] is True
    missing = await end.get(path, 404)
    return missing["error"]["type"]


@serves("state", "Responses", "conversations (/v1/conversations)")
async def conversations(end: End) -> Any:
    path = "/v1/conversations"
    made = await end.post(path, {"items": [user(end.prompt("I like quinces"))], "metadata": {"topic": "fruit"}})
    first = await end.respond("sim:think", conversation=made["id"], store=False)
    assert first["conversation"] == {"id": made["id"]}
    listed = await end.get(f"{path}/{made['id']}/items?order=asc")
    assert listed["data"][2] == first["output"][0]
    await end.respond("sim:text go on", conversation={"id": made["id"]})
    async with end.http.delete(f"{end.url}{path}/{made['id']}/items/{listed['first_id']}") as answer:
        assert await answer.json() == made
    third = await end.respond("sim:echo and now?", conversation=made["id"])
    assert PIECES in text_of(third)
    assert ["quinces" in json.dumps(one["contents"]) for one in end.sent()] == [True, True, False]
    return [item["type"] for item in (await end.get(f"{path}/{made['id']}/items?limit=100"))["data"]]


@serves("state", "Responses", "background", "resumable streams")
async def background(end: End) -> Any:
    given: Any = {"model": MODEL, "background": True}
    queued = await end.post(RESPONSES, {**given, "input": end.prompt("sim:slow 0.02")})
    assert queued["background"] is True
    streamed = await end.stream(RESPONSES, {**given, "input": end.prompt("sim:think"), "stream": True})
    identity = streamed[0]["response"]["id"]
    for after in (0, len(streamed) // 2, len(streamed) - 2):
        query = f"{RESPONSES}/{identity}?stream=true&starting_after={after}"
        async with end.http.get(end.url + query) as answer:
            lines = [line[6:] for line in (await answer.read()).splitlines() if line.startswith(b"data: ")]
        assert [json.loads(line) for line in lines] == streamed[after + 1 :]
    async with end.http.get(f"{end.url}{RESPONSES}/{queued['id']}?stream=true") as answer:
        raw, _ = await to_the_end(answer)  # to its end
    assert events(RESPONSES, raw)[-1]["type"] == "response.completed"
    done = await end.get(f"{RESPONSES}/{queued['id']}")
    assert (done["status"], text_of(done)) == ("completed", PIECES)


@serves("state", "Responses", "/compact", "compaction_trigger")
async def compaction(end: End) -> Any:
    first = await end.respond("I like quinces")
    compacted = await end.post(f"{RESPONSES}/compact", {"model": MODEL, "previous_response_id": first["id"]})
    assert [one["type"] for one in compacted["output"]] == ["message", "compaction"]
    more = await end.respond([*compacted["output"], user(end.prompt("sim:echo what do I like?"))])
    assert "quinces" in text_of(more)
    again = await end.respond([{"type": "compaction_trigger"}], previous_response_id=first["id"])
    assert [one["type"] for one in again["output"]] == ["compaction"]
    last = await end.respond("sim:echo and now?", previous_response_id=again["id"])
    assert "quinces" in text_of(last)
    for one in end.sent()[1:4:2]:
        assert not one.get("tools")


@serves("counting tokens", "Responses", "/input_tokens")
@serves("counting tokens", "Gemini", ":countTokens")
async def counting(end: End) -> Any:
    """The runtime's key counts; an editor's login is not ours to use."""
    marked: list[bool] = []
    responses = await end.post(f"{RESPONSES}/input_tokens", {"model": MODEL, "input": end.prompt("x" * 400)})
    marked.append("x-zerogravity-tokens" in end.notes)
    body = {"contents": [says(end.prompt("x" * 400))]}
    gemini = await end.post(f"{GEMINI}:countTokens", body)
    marked.append("x-zerogravity-tokens" in end.notes)
    assert min(responses["input_tokens"], gemini["totalTokens"]) >= 100
    assert end.stack.google is not None
    asked = [one for one in end.stack.google.requests if one.kind == "count" and end.word in json.dumps(one.body)]
    if end.name == "editor":
        assert (marked, asked) == ([True, True], [])
    else:
        assert marked == [False, False]
        assert [one.headers["x-goog-api-key"] for one in asked] == [KEY, KEY]


@serves("state", "Chat Completions", "–")
async def chat_keeps_nothing(end: End) -> Any:
    made = await end.post(CHAT, {"model": MODEL, "messages": [user(end.prompt("sim:text"))]})
    await end.get(f"{CHAT}/{made['id']}", 404)


# -- errors ------------------------------------------------------------------------------------------------------------


@serves("errors", "Responses, Chat Completions", "OpenAI's form")
@serves("errors", "Gemini", "Google's form")
async def errors(end: End) -> Any:
    """What is wrong with a request, and what Google refuses."""
    found: list[Any] = []
    for surface in ("responses", "chat"):
        path, body = request(surface, end.prompt("sim:400"), stream=False)
        for given, status in ((body | {"temperature": 9}, 400), (body | {"model": "no-such-model"}, 404), (body, 400)):
            error = (await end.post(path, given, status))["error"]
            assert set(error) == {"message", "type", "param", "code"}
            found.append({**error, "message": error["message"][:40]})
    path, body = request("gemini", end.prompt("sim:400"), stream=False)
    wrong = body | {"generationConfig": {"temperature": "warm"}}
    missing = path.replace(MODEL, "no-such-model")
    for where, given, status in ((path, wrong, 400), (missing, body, 404), (path, body, 400)):
        error = (await end.post(where, given, status))["error"]
        assert error["code"] == status
        assert {"code", "message", "status"} <= set(error) <= {"code", "message", "status", "details"}
        found.append(error["status"])
    return found


# -- what the table does not name ----------------------------------------------------------------------------------


@also
async def media(end: End) -> Any:
    """Images, PDF and audio as data, on every surface."""
    data = f"data:image/png;base64,{PNG}"
    await asyncio.gather(
        end.respond([user([
            {"type": "input_text", "text": end.prompt("sim:text")},
            {"type": "input_image", "image_url": data},
            {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        ])]),
        end.chat([user([
            {"type": "text", "text": end.prompt("sim:text")},
            {"type": "image_url", "image_url": {"url": data}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        ])]),
        end.generate([says(
            end.prompt("sim:text"), {"inlineData": {"mimeType": "image/png", "data": PNG}},
            {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
            {"inlineData": {"mimeType": "audio/wav", "data": WAV}},
        )]),
    )  # fmt: skip
    blobs = [
        [part["inlineData"]["data"] for part in one["contents"][0]["parts"] if "inlineData" in part]
        for one in end.sent()
    ]
    assert sorted(map(len, blobs)) == [2, 3, 3]
    assert all(found == [PNG, PDF, WAV][: len(found)] for found in blobs)


@also
async def usage(end: End) -> Any:
    response = (await end.respond("sim:think"))["usage"]
    chat = (await end.post(CHAT, {"model": MODEL, "messages": [user(end.prompt("sim:think"))]}))["usage"]
    body = {"contents": [says(end.prompt("sim:think"))]}
    gemini = (await end.post(f"{GEMINI}:generateContent", body))["usageMetadata"]
    for prompt in (response["input_tokens"], chat["prompt_tokens"], gemini["promptTokenCount"]):
        assert prompt > 0
    thoughts = response["output_tokens_details"]["reasoning_tokens"]
    assert thoughts == chat["completion_tokens_details"]["reasoning_tokens"] == gemini["thoughtsTokenCount"] > 0
    assert response["output_tokens"] == chat["completion_tokens"] == gemini["candidatesTokenCount"] + thoughts
    return response["output_tokens"]


@also
async def headers(end: End) -> Any:
    """``server-timing``, an id, and what was left out of a request."""
    tools = [FUNCTION, {"type": "file_search", "vector_store_ids": ["vs_1"]}]
    await end.post(RESPONSES, {"model": MODEL, "input": end.prompt("sim:text"), "tools": tools})
    timing = end.notes["server-timing"]
    assert end.notes["x-request-id"]
    assert "file_search" in end.notes["x-zerogravity-notes"]
    return sorted(re.findall(r"[a-z_]+(?=;)", timing)), end.notes["x-zerogravity-notes"]


@also
async def cancelled_by_the_api(end: End) -> Any:
    body = {"model": MODEL, "input": end.prompt("sim:stall 60"), "background": True}
    made = await end.post(RESPONSES, body)
    await until(end.calls)
    ended = await end.post(f"{RESPONSES}/{made['id']}/cancel", {})
    assert ended["status"] == "cancelled"
    (call,) = end.calls()
    await until(call.done.is_set)
    assert call.ended == "client_gone"


@also
async def cancelled_by_leaving(end: End) -> Any:
    """On every surface: the call to Google is cut."""
    for surface in SURFACES:
        own = end.on(f"{end.word}-{surface}")
        path, body = request(surface, own.prompt("sim:stall 60"), stream=True)
        answer = await end.http.post(end.url + path, json=body)
        await answer.content.readany()
        await until(own.calls)
        answer.close()
        (call,) = own.calls()
        await until(call.done.is_set)
        assert call.ended == "client_gone"


@also
async def by_openais_sdk(end: End) -> Any:
    async with openai.AsyncOpenAI(base_url=f"{end.url}/v1", api_key="any", max_retries=0) as client:
        text = end.prompt("sim:think")
        async with client.responses.stream(model=MODEL, input=text, reasoning={"summary": "auto"}) as stream:
            kinds = [event.type async for event in stream if not event.type.endswith("delta")]
            final = await stream.get_final_response()
        asked: Any = [{"role": "user", "content": end.prompt("sim:tool")}]
        async with client.chat.completions.stream(model=MODEL, messages=asked, tools=CHAT_TOOLS) as chat:
            async for _ in chat:
                pass
            completion = await chat.get_final_completion()
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model=MODEL, messages=[user(end.prompt("sim:429"))])
        assert final.output_text == PIECES
        assert completion.choices[0].message.tool_calls[0].function.name == "get_weather"
        return kinds


@also
async def by_googles_sdk(end: End) -> Any:
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return f"sunny in {city}"

    options = types.HttpOptions(base_url=end.url)
    async with genai.Client(api_key="any", http_options=options).aio as client:
        config = types.GenerateContentConfig(tools=[get_weather])
        asked = end.prompt("What is the weather in Rome? Use get_weather")
        answer = await client.models.generate_content(model=MODEL, contents=asked, config=config)
        assert "sunny in Rome" in answer.text
        stream = await client.models.generate_content_stream(model=MODEL, contents=end.prompt("sim:text"))
        assert "".join([chunk.text or "" async for chunk in stream]) == PIECES
        shown = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
        thinking = await client.models.generate_content(model=MODEL, contents=end.prompt(WHY), config=shown)
        return [bool(part.thought) for part in thinking.candidates[0].content.parts]


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@serves("tools", "Responses", "MCP servers")
async def mcp_on_responses(end: End) -> Any:
    tool = {"type": "mcp", "server_label": "real", "allowed_tools": ["add"], "require_approval": "never"}
    response = await end.respond("sim:tool", tools=[tool])
    assert item(response, "mcp_call")["output"].isdigit()
    return [one["type"] for one in response["output"]]


@serves("tools", "Chat Completions, Messages, Gemini", "configured MCP servers")
async def mcp_elsewhere(end: End) -> Any:
    prompt = end.prompt("sim:tool")
    choice = await end.chat("sim:tool", tools=[{"type": "mcp", "server_label": "real"}])
    assert (choice["finish_reason"], "tool_calls" in choice["message"]) == ("stop", False)
    message = await end.post("/v1/messages", {
        "model": MODEL, "max_tokens": 9999, "messages": [{"role": "user", "content": prompt}],
        "tools": [{"name": "mcp:real", "input_schema": {"type": "object"}}],
    })  # fmt: skip
    assert [block["type"] for block in message["content"]] == ["text"]
    tools = [{"functionDeclarations": [{"name": "mcp:real"}]}]
    google = await end.post(f"{GEMINI}:generateContent", {"contents": [says(prompt)], "tools": tools})
    assert all("functionCall" not in part for part in google["candidates"][0]["content"]["parts"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    binary: Path, http: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[End, End]]:
    file = tmp_path_factory.mktemp("mcp") / "zerogravity.toml"
    async with AsyncExitStack() as stack:
        tools = await stack.enter_async_context(served(sdk_server(Witness()).streamable_http_app()))
        file.write_text(f'[mcp_servers.real]\nurl = "{tools}/mcp"\n')
        file.chmod(0o600)
        env = {"ZEROGRAVITY_CONFIG": str(file)}
        editor, runtime = await asyncio.gather(
            stack.enter_async_context(Stack(StackOptions(ls=quick(), env={**env, **NO_COOLDOWN}))),
            stack.enter_async_context(Stack(StackOptions(runtime=binary, env={**env, **NO_COOLDOWN}))),
        )
        yield End("editor", editor, http), End("runtime", runtime, http)
        await asyncio.gather(at_rest(editor), at_rest(runtime))


@pytest.fixture
def runtime(both: tuple[End, End]) -> End:
    return both[1]


@pytest.mark.parametrize("name", FEATURES)
async def test_over_both(both: tuple[End, End], name: str) -> None:
    editor, runtime = (end.on(f"quince-{name}") for end in both)
    async with asyncio.timeout(30):  # no turn of these features lasts so long
        told = await asyncio.gather(FEATURES[name](editor), FEATURES[name](runtime))
    assert told[0] == told[1], "the client"
    assert runtime.reached() == editor.reached(), "Google"


async def test_models(runtime: End) -> None:
    """Google's list by its own names, in both forms; aliases lead to them; what is not there is named."""
    openai_list = [one["id"] for one in (await runtime.get("/v1/models"))["data"]]
    google_list = [one["name"] for one in (await runtime.get("/v1beta/models?pageSize=1000"))["models"]]
    assert google_list == [f"models/{name}" for name in openai_list]
    assert {"gemini-3-flash-preview", "gemini-3.1-pro-preview", "gemini-2.5-pro"} <= set(openai_list)
    assert not {"gemini-embedding-001", "imagen-4.0-generate-001"} & set(openai_list), "they generate no text"
    for name, wire in (
        ("gpt-5", "gemini-3.1-pro-preview"),
        ("google/gemini-3-flash", "gemini-3-flash-preview"),
        ("gemini-2.5-pro", "gemini-2.5-pro"),
    ):
        here = runtime.on(f"quince-{wire}-alias")
        assert (await here.get(f"/v1/models/{name}"))["id"] == name
        await here.post(CHAT, {"model": name, "messages": [user(here.prompt("sim:text"))]})
        (call,) = here.calls()
        assert call.path == f"/v1beta/models/{wire}:streamGenerateContent"
    missing = await runtime.post(CHAT, {"model": "gemini-1-nano", "messages": [user("x")]}, 404)
    assert "gemini-3-flash-preview" in missing["error"]["message"]
    assert (await runtime.get("/v1beta/models/gemini-1-nano", 404))["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3.8-flash", {"thinkingConfig": {"includeThoughts": True}}),
        ("gemini-3.1-pro-low", {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}}),
        ("gemini-2.5-flash-lite", None),  # does not think unasked
        ("gemma-4-31b-it", None),  # never thinks; gives less than the runtime's own limit
        ("gemini-3.8-flash-tts", None),  # by Google's list it does not think
    ],
)
async def test_nothing_is_asked_that_a_model_would_refuse(runtime: End, model: str, config: Any) -> None:
    """Where the client says neither how long nor how hard."""
    here = runtime.on(f"quince-{model}-unasked")
    made = await here.post(CHAT, {"model": model, "messages": [user(here.prompt(WHY))]})
    assert ("reasoning_content" in made["choices"][0]["message"]) is (config is not None)
    (sent,) = here.sent()
    assert sent.get("generationConfig") == config


@pytest.mark.parametrize("model", ["gemma-4-31b-it", "gemini-2.5-flash-image"])
async def test_a_limit_above_a_models_own(runtime: End, model: str) -> None:
    """By Google's list; a summary, too, is asked for within it."""
    here = runtime.on(f"quince-{model}-limit")
    asked = [user(here.prompt("hello"))]
    body = {"contents": [says(here.prompt("hello"))], "generationConfig": {"maxOutputTokens": 65536}}
    await here.post(RESPONSES, {"model": model, "input": asked, "max_output_tokens": 65536})
    assert "maxOutputTokens lowered to 32768" in here.notes["x-zerogravity-notes"]
    await here.post(CHAT, {"model": model, "messages": asked, "max_tokens": 65536})
    await here.post(f"/v1beta/models/{model}:generateContent", body)
    await here.post(f"{RESPONSES}/compact", {"model": model, "input": asked})
    assert [one["generationConfig"]["maxOutputTokens"] for one in here.sent()] == [32768] * 4


async def test_fifty_turns_at_once_on_every_surface(runtime: End) -> None:
    async def one(number: int) -> None:
        word, surface = f"kumquat{number:03d}", SURFACES[number % len(SURFACES)]
        got = await ask(runtime.stack, runtime.http, surface, f"sim:echo {word}", stream=bool(number % 2))
        assert re.findall(r"kumquat\d+", got.text) == [word]

    await asyncio.gather(*map(one, range(52)))
    assert len(runtime.on("kumquat").calls()) == 52


def program(stack: Stack) -> psutil.Process | None:
    """The runtime's process, once it runs."""
    assert stack.process is not None
    found = psutil.Process(stack.process.pid).children(recursive=True)
    return next((one for one in found if one.is_running() and one.name().startswith("localharness")), None)


async def test_killed_in_a_turn(runtime: End) -> None:
    """Every open turn ends with a fault of its surface's form; the next one is served by another process."""
    said: list[asyncio.Task[Any]] = []
    for surface in SURFACES:
        here = runtime.on(f"quince-{surface}-killed")
        prompt = here.prompt("sim:stall 60")
        said.append(asyncio.create_task(ask(runtime.stack, runtime.http, surface, prompt, stream=False)))
        await until(here.calls)
    killed = program(runtime.stack)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    for got in await asyncio.gather(*said):
        assert got.status == 503
        assert "the runtime ended or hung up" in got.error["message"]
        assert "editor" not in got.error["message"]
    assert text_of(await runtime.respond("sim:text")) == PIECES
    again = program(runtime.stack)
    assert again is not None
    assert again.pid != killed.pid


async def test_limits_and_traces(binary: Path, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """One turn runs, one waits, one is refused; each that ran has its folder, without the key."""
    env = {"ZEROGRAVITY_LIMITS_TURNS": "1", "ZEROGRAVITY_LIMITS_WAITING": "1"}
    settings = {"trace": "true", "trace_dir": str(tmp_path)}
    async with Stack(StackOptions(runtime=binary, env=env, settings=settings)) as stack:
        end = End("runtime", stack, http, "quince")
        held = asyncio.create_task(end.stream(CHAT, {
            "model": MODEL, "messages": [user(end.prompt("sim:stall-before 60"))], "stream": True,
        }))  # fmt: skip
        await until(end.calls)
        waiting = asyncio.create_task(end.respond("sim:text"))
        async with asyncio.timeout(20):
            while "zg_queue_waiting 1" not in await metrics(end):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for surface in SURFACES:
            got = await ask(stack, http, surface, "sim:text", stream=False)
            assert (got.status, "retry-after" in got.headers) == (503, True)
            assert "1 turns are running and 1 are waiting" in got.error["message"]
        held.cancel()
        assert text_of(await waiting) == PIECES
        await at_rest(stack)
    assert len(list(tmp_path.glob("*/*.json")) + list(tmp_path.glob("*/*/*.json"))) >= 2
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert PIECES[:12].encode() in kept
    assert KEY.encode() not in kept


async def metrics(end: End) -> str:
    async with end.http.get(f"{end.url}/metrics") as answer:
        return await answer.text()


# -- the table ---------------------------------------------------------------------------------------------------------

COLUMNS = ("", "Responses", "Chat Completions", "Messages", "Gemini")


def cells() -> dict[Cell, str]:
    """README's table: the row's own words have the column ``""``."""
    found: dict[Cell, str] = {}
    for row in rows("What is served"):
        plain = [text.replace("`", "") for text in row]
        name = plain[0].partition(" (")[0]
        found |= {Cell(name, column): text for column, text in zip(COLUMNS, plain, strict=True)}
    return found


def table() -> str:
    """Back end × words of each cell → the tests that show it."""
    lines = ["| row | surface | words | editor | runtime |", "|---|---|---|---|---|"]
    for cell in cells():
        for word, names in COVERED.get(cell, {}).items():
            tests = ", ".join(f"test_over_both[{name}]" for name in names)
            lines.append(f"| {cell.row} | {cell.column or 'all'} | {word} | {tests} | {tests} |")
    return "\n".join(lines)


async def test_every_word_of_readmes_table_has_a_test() -> None:
    found = cells()
    assert "## What is served" in TEXT
    assert set(COVERED) <= set(found), "a row or column that README does not have"
    for cell, text in found.items():
        words = COVERED.get(cell, {})
        left = text if cell.column else text.removeprefix(cell.row)
        for word in sorted(words, key=len, reverse=True):
            assert word in text, f"README does not say {word!r} any more"
            left = left.replace(word, "")
        assert re.fullmatch(r"(?:[\s,;:()]|too)*", left), f"{cell}: no test for {left!r}"
    for name in {name for words in COVERED.values() for names in words.values() for name in names}:
        assert f"test_over_both[{name}]" in table()


if __name__ == "__main__":
    print(table())
