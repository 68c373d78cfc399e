"""MCP tools run by the gateway: real mitmdump, the SDK's own server, and what clients see on each surface."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.e2e.support import CHECK, quick
from tests.mcp.serving import Witness, recording, sdk_server, served
from tests.waiting import until
from zerogravity.testing.simulator.google.scenarios import call, calls, failure
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
MODEL = "gemini-3-flash"
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def mcp(*tools: str, approval: Any = "never", **more: Any) -> Any:
    return {"type": "mcp", "server_label": "real", "allowed_tools": list(tools), "require_approval": approval, **more}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def witness() -> Witness:
    return Witness()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(witness: Witness, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    file = tmp_path_factory.mktemp("mcp") / "zerogravity.toml"
    async with served(recording(sdk_server(witness).streamable_http_app(), witness)) as base:
        file.write_text(f'[mcp_servers.real]\nurl = "{base}/mcp"\nauthorization = "s3cret-token"\n')
        file.chmod(0o600)
        async with Stack(StackOptions(ls=quick(), env={"ZEROGRAVITY_CONFIG": str(file)})) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="k", max_retries=0) as made:
        yield made


def contents(stack: Stack) -> list[dict[str, Any]]:
    """Of the newest request to Google."""
    return stack.google.requests[-1].body["request"]["contents"]


async def events(client: openai.AsyncOpenAI, **body: Any) -> list[dict[str, Any]]:
    """A streamed turn, each event as the SDK types it, and all of them by the grammar."""
    async with client.responses.with_streaming_response.create(model=MODEL, stream=True, **body) as answer:
        found = CHECK["responses"](b"".join([piece async for piece in answer.iter_bytes()]))
    for one in found:
        assert EVENT.validate_python(one).type == one["type"]
    return found


async def test_a_call_is_listed_run_and_answered_in_one_response(client: openai.AsyncOpenAI, stack: Stack) -> None:
    found = await events(client, input="sim:tool", tools=[mcp("add")])
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["mcp_list_tools", "mcp_call", "message"]
    assert [tool["name"] for tool in output[0]["tools"]] == ["add"]
    assert (output[1]["name"], output[1]["server_label"], output[1]["status"]) == ("add", "real", "completed")
    numbers = json.loads(output[1]["arguments"])
    assert output[1]["output"] == str(numbers["a"] + numbers["b"])
    assert [one["type"].removeprefix("response.") for one in found if "mcp" in one["type"]] == [
        "mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_call.in_progress", "mcp_call_arguments.delta",
        "mcp_call_arguments.done", "mcp_call.completed",
    ]  # fmt: skip


async def test_not_streamed(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(model=MODEL, input="sim:tool", tools=[mcp("add")])
    assert [item.type for item in made.output] == ["mcp_list_tools", "mcp_call", "message"]
    assert made.output_text
    assert (await client.responses.retrieve(made.id)).to_dict() == made.to_dict()


async def test_several_calls_at_once_and_a_failed_one(client: openai.AsyncOpenAI) -> None:
    found = await events(client, input="sim:parallel 2", tools=[mcp("add")])
    calls = [item for item in found[-1]["response"]["output"] if item["type"] == "mcp_call"]
    assert [item["status"] for item in calls] == ["completed", "completed"]
    found = await events(client, input="sim:tool", tools=[mcp("fail")])
    (call,) = [item for item in found[-1]["response"]["output"] if item["type"] == "mcp_call"]
    assert (call["status"], call["error"]["type"]) == ("failed", "mcp_tool_execution_error")
    assert found[-1]["response"]["status"] == "completed"


async def test_the_dialogue_goes_on_and_the_tools_are_not_listed_again(
    client: openai.AsyncOpenAI, stack: Stack
) -> None:
    first = await client.responses.create(model=MODEL, input="sim:tool", tools=[mcp("add")])
    second = await client.responses.create(
        model=MODEL, input="sim:tool", tools=[mcp("add")], previous_response_id=first.id
    )
    assert [item.type for item in second.output] == ["mcp_call", "message"]
    roles = [content["role"] for content in contents(stack)]
    assert roles == ["user", "model", "user", "model", "user", "model", "user"]


async def test_a_client_that_keeps_no_response_sends_everything_back(client: openai.AsyncOpenAI, stack: Stack) -> None:
    include: Any = ["reasoning.encrypted_content"]
    first = await client.responses.create(
        model=MODEL, input="sim:tool", tools=[mcp("add")], store=False, include=include
    )
    back: Any = [{"role": "user", "content": "sim:tool"}, *(item.to_dict() for item in first.output)]
    second = await client.responses.create(
        model=MODEL, input=[*back, {"role": "user", "content": "thanks"}], tools=[mcp("add")], store=False
    )
    assert [item.type for item in second.output] == ["message"]
    called = [part for content in contents(stack) for part in content["parts"] if "functionCall" in part]
    assert len(called) == 1
    assert "skip" not in called[0]["thoughtSignature"]


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("stored", [True, False])
async def test_a_call_that_asks(client: openai.AsyncOpenAI, stack: Stack, approve: bool, stored: bool) -> None:
    tools = [mcp("add", approval="always")]
    first = await client.responses.create(model=MODEL, input="sim:tool", tools=tools)
    assert [item.type for item in first.output] == ["mcp_list_tools", "mcp_approval_request"]
    said: Any = {"type": "mcp_approval_response", "approval_request_id": first.output[1].id, "approve": approve}
    if stored:
        body: dict[str, Any] = {"input": [said], "previous_response_id": first.id}
    else:
        sent = [{"role": "user", "content": "sim:tool"}, *(item.to_dict() for item in first.output)]
        body = {"input": [*sent, said]}
    found = await events(client, tools=tools, **body)
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == (["mcp_call", "message"] if approve else ["message"])
    if approve:
        assert output[0]["approval_request_id"] == first.output[1].id
    results = [part["functionResponse"]["response"] for one in contents(stack) for part in one["parts"]
               if "functionResponse" in part]  # fmt: skip
    assert ["error" in result for result in results] == [not approve]
    assert "pending" not in str(results)


@pytest.mark.parametrize("stream", [True, False])
async def test_another_model_goes_on_behind_the_list_of_tools(
    client: openai.AsyncOpenAI, stack: Stack, stream: bool
) -> None:
    """That is no part of what the first one has answered."""
    stack.google.script(failure(429, "RESOURCE_EXHAUSTED", "no room"))
    body: dict[str, Any] = {"input": "sim:tool", "tools": [mcp("add")], "extra_body": {"models": ["gemini-3.1-pro"]}}
    if stream:
        found = await events(client, **body)
        made = found[-1]["response"]
        assert [one["type"] for one in found].count("response.mcp_list_tools.completed") == 1
    else:
        answer = await client.responses.with_raw_response.create(model=MODEL, **body)
        assert answer.headers["x-zerogravity-model"] == "gemini-3.1-pro"
        made = answer.parse().to_dict()
    kinds = [item["type"] for item in made["output"] if item["type"] != "reasoning"]
    assert (kinds, made["model"]) == (["mcp_list_tools", "mcp_call", "message"], "gemini-3.1-pro")


@pytest.mark.parametrize("stream", [True, False])
async def test_no_other_model_goes_on_behind_a_call_that_was_run(
    client: openai.AsyncOpenAI, stack: Stack, stream: bool
) -> None:
    stack.google.script(calls(call("real.add", {"a": 1, "b": 2})))
    stack.google.script(failure(429, "RESOURCE_EXHAUSTED", "no room"))
    asked = len(stack.google.agent_requests)
    body: dict[str, Any] = {"input": "hello", "tools": [mcp("add")], "extra_body": {"models": ["gemini-3.1-pro"]}}
    if stream:
        last = (await events(client, **body))[-1]["response"]
        assert (last["status"], [item["type"] for item in last["output"]][-1]) == ("failed", "mcp_call")
    else:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.responses.create(model=MODEL, **body)
        assert caught.value.response.headers["x-zerogravity-model"] == MODEL
    assert len(stack.google.agent_requests) == asked + 2


async def test_in_the_background(client: openai.AsyncOpenAI) -> None:
    stream = await client.responses.create(
        model=MODEL, input="sim:tool", tools=[mcp("add")], background=True, stream=True
    )
    found = [event.to_dict() async for event in stream]
    identity: Any = found[0]["response"]["id"]
    again = await client.responses.retrieve(identity, stream=True, starting_after=3)
    assert [event.to_dict() async for event in again] == found[4:]


async def test_a_choice_and_a_limit_of_calls(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(
        model=MODEL, input="hello", tools=[mcp("add", "fail")],
        tool_choice={"type": "mcp", "server_label": "real", "name": "add"},
    )  # fmt: skip
    assert [item.name for item in made.output if item.type == "mcp_call"] == ["add"]
    made = await client.responses.create(model=MODEL, input="sim:parallel 3", tools=[mcp("add")], max_tool_calls=2)
    calls = [item for item in made.output if item.type == "mcp_call"]
    assert [item.status for item in calls].count("completed") == 2


async def test_servers_that_are_not_allowed(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(
            model=MODEL, input="x", tools=[{"type": "mcp", "server_label": "a", "server_url": "https://example.com"}]
        )
    assert caught.value.param == "tools[0].server_url"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model=MODEL, input="x", tools=[{"type": "mcp", "server_label": "other"}])
    assert caught.value.param == "tools[0].server_label"


# -- the other surfaces --------------------------------------------------------------------------------------------


def hidden(surface: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """(path, body) of a request that offers the configured server."""
    match surface:
        case "chat":
            messages = [{"role": "user", "content": "sim:tool"}]
            tools: Any = [{"type": "mcp", "server_label": "real"}]
            return "/v1/chat/completions", {"model": MODEL, "messages": messages, "tools": tools, "stream": stream}
        case "messages":
            messages = [{"role": "user", "content": "sim:tool"}]
            tools = [{"name": "mcp:real", "input_schema": {"type": "object"}}]
            return "/v1/messages", {
                "model": MODEL, "messages": messages, "tools": tools, "stream": stream, "max_tokens": 9999,
            }  # fmt: skip
        case _:
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            return f"/v1beta/models/{MODEL}:{method}", {
                "contents": [{"role": "user", "parts": [{"text": "sim:tool"}]}],
                "tools": [{"functionDeclarations": [{"name": "mcp:real"}]}],
            }


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("surface", ["chat", "messages", "gemini"])
async def test_elsewhere_the_call_is_hidden(stack: Stack, http: Any, surface: str, stream: bool) -> None:
    before = len(stack.google.agent_requests)
    path, body = hidden(surface, stream)
    async with http.post(f"{stack.url}{path}", json=body) as answer:
        raw = await answer.read()
        assert answer.status == 200, raw
    assert len(stack.google.agent_requests) == before + 2
    if stream:
        CHECK[surface](raw)
    for word in (b"tool_calls", b'"tool_use"', b"functionCall", b"function_call"):
        assert word not in raw


@pytest.mark.parametrize("surface", ["chat", "messages", "gemini"])
async def test_what_ran_beside_a_client_s_call_goes_back_with_its_result(stack: Stack, http: Any, surface: str) -> None:
    """Google takes the second request, in which the client has sent only what it has seen."""
    path, body = hidden(surface, stream=False)
    match surface:
        case "chat":
            body["tools"].append({"type": "function", "function": {"name": "mine"}})
        case "messages":
            body["tools"].append({"name": "mine", "input_schema": {"type": "object"}})
        case _:
            body["tools"][0]["functionDeclarations"].append({"name": "mine"})
    add, mine = call("real.add", {"a": 2, "b": 3}, id="g1"), call("mine", {}, None, id="g2")
    stack.google.script(calls(add, mine))
    async with http.post(f"{stack.url}{path}", json=body) as answer:
        assert answer.status == 200
        told = await answer.json()
    match surface:
        case "chat":
            message = told["choices"][0]["message"]
            (made,) = message["tool_calls"]
            body["messages"] += [message, {"role": "tool", "tool_call_id": made["id"], "content": "done"}]
        case "messages":
            (made,) = (block for block in told["content"] if block["type"] == "tool_use")
            result = {"type": "tool_result", "tool_use_id": made["id"], "content": "done"}
            body["messages"] += [
                {"role": "assistant", "content": told["content"]}, {"role": "user", "content": [result]},
            ]  # fmt: skip
        case _:
            content = told["candidates"][0]["content"]
            (made,) = (part["functionCall"] for part in content["parts"] if "functionCall" in part)
            assert (made["name"], made["id"]) == ("mine", "g2")
            named = {"id": made["id"], "name": "mine", "response": {"output": "done"}}
            body["contents"] += [content, {"role": "user", "parts": [{"functionResponse": named}]}]
    async with http.post(f"{stack.url}{path}", json=body) as answer:
        assert answer.status == 200, await answer.text()
    parts = [part for one in contents(stack) for part in one["parts"]]
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part][:2] == ["real.add", "mine"]
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    assert results[:2] == [{"output": "5"}, {"output": "done"}]


# -- what is kept of it ----------------------------------------------------------------------------------------------


async def test_no_secret_of_a_server_is_said(client: openai.AsyncOpenAI, stack: Stack, witness: Witness) -> None:
    made = await client.responses.create(
        model=MODEL, input="sim:tool", tools=[mcp("add", headers={"X-Custom": "pr1vate-words"})]
    )
    assert {headers["authorization"] for headers in witness.headers} == {"Bearer s3cret-token"}
    assert witness.headers[-1]["x-custom"] == "pr1vate-words"
    said = str(made.to_dict()) + "\n".join(stack.output)
    await until(lambda: any(one.stat().st_size for one in Path(stack._folder.name).rglob("client_request.json")))  # pyright: ignore[reportPrivateUsage]
    folders = [path for path in Path(stack._folder.name).rglob("*") if path.is_file()]  # pyright: ignore[reportPrivateUsage]
    kept = b"".join(path.read_bytes() for path in folders if path.stat().st_size < 10_000_000)
    assert b"mcp_approval" in kept or b"sim:tool" in kept
    for secret in ("s3cret-token", "pr1vate-words"):
        assert secret not in said
        assert secret.encode() not in kept
