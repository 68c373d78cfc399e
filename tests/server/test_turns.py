"""A request → its turn: what is looked up and fetched for it, and who is shown it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.server.support import Serve, hello
from zerogravity.core.events import ToolsListed
from zerogravity.core.running import RunningTurn
from zerogravity.core.turn import Turn
from zerogravity.server.fetch import Fetch

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gemini-3-flash", "input": "hi"}


@pytest.mark.parametrize("allowed", [False, True])
async def test_remote_media_only_where_allowed(serve: Serve, allowed: bool) -> None:
    asked: list[str] = []

    class Fake(Fetch):
        async def get(self, url: str, param: str) -> bytes:
            asked.append(f"{param} {url}")
            return b"\x89PNG\r\n\x1a\n0000"

    served = await serve(remote_urls=allowed, services={"fetch": Fake()})
    picture = {"type": "input_image", "image_url": "https://pictures.example/a.png"}
    body = {"model": "gemini-3-flash", "input": [{"role": "user", "content": [picture]}]}
    status, _, told = await served.post("/v1/responses", body)
    if allowed:
        assert status == 200, told
        assert asked == ["input[0].content[0].image_url https://pictures.example/a.png"]
        parts = served.engine.channels[0].turn.google_request["contents"][0]["parts"]
        assert parts[0]["inlineData"]["mimeType"] == "image/png"
    else:
        assert (status, told["error"]["param"]) == (400, "input[0].content[0].image_url")
        assert not asked


async def test_a_request_without_a_turn_is_not_shown(serve: Serve) -> None:
    """Counting, warm-ups: whoever keeps bodies by turn would keep these for ever."""

    class Seen:
        def __init__(self) -> None:
            self.turns: list[str] = []

        def client_request(self, turn: Turn, body: bytes, headers: Mapping[str, str]) -> None:
            assert body
            assert "Host" in headers
            self.turns.append(turn.id)

    seen = Seen()
    served = await serve(services={"recorder": seen})
    for path in ("/input_tokens", "?x=1"):
        await served.post(PATH + path, {**HELLO, **({"temperature": 9} if "?" in path else {})})
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    await served.post("/v1beta/models/gemini-3-flash:countTokens", contents)
    async with served.http.ws_connect(served.url + PATH) as socket:
        await socket.send_json({"type": "response.create", **HELLO, "generate": False})
        while json.loads(await socket.receive_str(timeout=10))["type"] != "response.completed":
            pass
        assert seen.turns == []
        await socket.send_json({"type": "response.create", **HELLO})
        while json.loads(await socket.receive_str(timeout=10))["type"] != "response.completed":
            pass
    await served.post(PATH, HELLO)
    await served.post(PATH + "/compact", HELLO)
    await served.post("/v1beta/models/gemini-3-flash:generateContent", contents)
    await served.post(
        "/v1/chat/completions", {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert seen.turns == [channel.id for channel in served.engine.channels]


@pytest.mark.parametrize("chain", ["previous_response_id", "conversation"])
async def test_a_dialogue_knows_an_mcp_servers_tools_for_as_long_as_the_limit_says(serve: Serve, chain: str) -> None:
    now = [float(round(time.time()))]  # the store has a clock of its own
    served = await serve(limits={"mcp_list_seconds": 60}, services={"wall": lambda: now[0]})

    async def lists(running: RunningTurn) -> None:
        if running.turn.servers[0].listed is None:
            running.add(ToolsListed("s", ({"name": "f"},), ("s.f",)))
        await hello(running)

    served.engine.script = lists
    body = {**HELLO, "tools": [{"type": "mcp", "server_label": "s", "server_url": "https://s.example/mcp"}]}
    if chain == "conversation":
        body["conversation"] = (await served.post("/v1/conversations", {}))[2]["id"]
    known = list[bool]()
    for later in (0, 30, 30, 1, 60):
        now[0] += later
        status, _, told = await served.post(PATH, body)
        assert status == 200, told
        [server] = served.engine.channels[-1].turn.servers
        known.append(server.listed is not None)
        assert [item["type"] for item in told["output"]] == ["mcp_list_tools"] * (not known[-1]) + ["message"]
        if chain != "conversation":
            body[chain] = told["id"]
    assert known == [False, True, True, False, True]
