"""MCP servers on the whole path, by command and over HTTP: each family's rounds with the stand-in of Google as a judge,
clients that leave, what is refused, counted, and kept secret. What clients are shown is in ``test_mcp``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from tests.e2e.support import MODEL, quick
from tests.mcp.serving import Witness, recording, sdk_server, served
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
SECRET = "Zm9vYmFy-secret-t0ken"
SERVER = Path(__file__).parents[1] / "mcp" / "stdio_server.py"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web() -> AsyncIterator[tuple[str, Witness]]:
    witness = Witness()
    async with served(recording(sdk_server(witness).streamable_http_app(), witness)) as base:
        yield f"{base}/mcp", witness


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("mcp")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(web: tuple[str, Witness], folder: Path) -> AsyncIterator[Stack]:
    file = folder / "config.toml"
    file.write_text(
        f"""
        [mcp_servers.people]
        command = {json.dumps(sys.executable)}
        args = [{json.dumps(str(SERVER))}]
        env = {{GREETING = "welcome"}}
        [mcp_servers.web]
        url = "{web[0]}"
        authorization = "{SECRET}"
        """
    )
    env = {"ZEROGRAVITY_CONFIG": str(file), "ZEROGRAVITY_TRACE_DIR": str(folder / "traces")}
    async with Stack(StackOptions(ls=quick(), serve=True, env=env)) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def tool(label: str, **more: Any) -> dict[str, Any]:
    return {"type": "mcp", "server_label": label, "require_approval": "never", **more}


MODELS = [MODEL, "gemini-2.5-flash", "claude-sonnet-4-6"]


@pytest.mark.parametrize("model", MODELS)
async def test_a_command_s_tool_is_called_and_answered(client: openai.AsyncOpenAI, model: str) -> None:
    prompt = "Use the tool people.greet for me."
    made = await client.responses.create(model=model, input=prompt, tools=[tool("people", allowed_tools=["greet"])])
    kinds = [item.type for item in made.output if item.type != "reasoning"]
    assert kinds == ["mcp_list_tools", "mcp_call", "message"]
    [called] = [item for item in made.output if item.type == "mcp_call"]
    assert (called.name, called.server_label, called.status) == ("greet", "people", "completed")
    assert (called.output or "").startswith("welcome ")
    assert "welcome" in made.output_text
    assert made.status == "completed"


@pytest.mark.parametrize("model", MODELS)
async def test_a_dialogue_goes_on_without_another_list(
    client: openai.AsyncOpenAI, web: tuple[str, Witness], model: str
) -> None:
    tools = [tool("web", allowed_tools=["add"])]
    first = await client.responses.create(model=model, input="Use the tool web.add for me.", tools=tools)
    assert "mcp_list_tools" in [item.type for item in first.output]
    second = await client.responses.create(
        model=model, input="And use web.add once more.", tools=tools, previous_response_id=first.id
    )
    assert "mcp_list_tools" not in [item.type for item in second.output]
    assert [item.status for item in second.output if item.type == "mcp_call"] == ["completed"]
    history = [
        {"role": "user", "content": "Use the tool web.add for me."},
        *(item.model_dump() for item in first.output),
        {"role": "user", "content": "And use web.add once more."},
    ]
    third = await client.responses.create(model=model, input=history, tools=tools, store=False)
    assert [item.status for item in third.output if item.type == "mcp_call"] == ["completed"]
    assert {headers["authorization"] for headers in web[1].headers} == {f"Bearer {SECRET}"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("approve", [True, False])
async def test_a_call_waits_for_its_approval(client: openai.AsyncOpenAI, model: str, approve: bool) -> None:
    tools = [tool("web", allowed_tools=["add"], require_approval="always")]
    first = await client.responses.create(model=model, input="Use the tool web.add for me.", tools=tools)
    [request] = [item for item in first.output if item.type == "mcp_approval_request"]
    answer = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}
    second = await client.responses.create(model=model, input=[answer], tools=tools, previous_response_id=first.id)
    called = [item for item in second.output if item.type == "mcp_call"]
    assert [(item.status, item.approval_request_id) for item in called] == [("completed", request.id)] * approve
    assert second.output_text


async def test_a_client_that_leaves_stops_the_call(
    stack: Stack, http: aiohttp.ClientSession, web: tuple[str, Witness]
) -> None:
    body = {"model": MODEL, "input": "Use the tool web.wait for me.", "stream": True, "tools": [tool("web")]}
    async with asyncio.timeout(30):
        async with http.post(f"{stack.url}/v1/responses", json=body) as answer:
            await web[1].waiting.wait()
            answer.close()
        await web[1].cancelled.wait()


@pytest.mark.parametrize(
    ("entry", "status", "param"),
    [
        (tool("s", server_url="https://s.example/mcp"), 400, "tools[0].server_url"),
        (tool("unknown"), 400, "tools[0].server_label"),
        (tool("people", headers={"X": "y"}), 400, "tools[0].server_label"),
    ],
)
async def test_what_is_not_allowed_is_refused(
    client: openai.AsyncOpenAI, entry: dict[str, Any], status: int, param: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.responses.create(model=MODEL, input="hi", tools=[entry])
    assert (caught.value.status_code, caught.value.param) == (status, param)


async def added(client: openai.AsyncOpenAI) -> None:
    await client.responses.create(model=MODEL, input="Use the tool web.add for me.", tools=[tool("web")])


async def test_metrics_count_calls_by_server(
    stack: Stack, client: openai.AsyncOpenAI, http: aiohttp.ClientSession
) -> None:
    await added(client)
    async with http.get(f"{stack.url}/metrics") as answer:
        text = await answer.text()
    assert 'zg_mcp_calls_total{outcome="ok",server="web"}' in text


async def test_nothing_secret_is_left_anywhere(stack: Stack, client: openai.AsyncOpenAI, folder: Path) -> None:
    await added(client)
    assert not [line for line in stack.output if SECRET in line]
    files = [path for path in (folder / "traces").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
