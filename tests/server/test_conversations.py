"""The routes of conversations, and turns that belong to one, by the openai SDK's typed calls and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.conversations import (
    Conversation,
    ConversationDeletedResource,
    ConversationItem,
    ConversationItemList,
)
from openai.types.responses import Response
from pydantic import TypeAdapter

from tests.server.support import Serve, Served, forever, hello, say
from tests.waiting import until
from zerogravity.core.events import (
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    Signature,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.core.running import RunningTurn
from zerogravity.errors import upstream
from zerogravity.testing.check import check_response, check_responses

MODEL = "gemini-3-flash"
KEY = "zg-sdk-key"
PATH = "/v1/conversations"
RESPONSES = "/v1/responses"
UNKNOWN = "conv_" + "0" * 32
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(params=["memory", "sqlite"])
async def served(serve: Serve, request: pytest.FixtureRequest, tmp_path: Path) -> Served:
    store = {"store_path": str(tmp_path / "store.db")} if request.param == "sqlite" else {}
    return await serve(keys=f"{KEY},other", **store)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


def sent(served: Served) -> list[Any]:
    """The contents that the newest turn sends to Google."""
    return json.loads(json.dumps(served.engine.channels[-1].turn.google_request["contents"]))


def texts(contents: list[Any]) -> list[str]:
    return [part["text"] for content in contents for part in content["parts"] if "text" in part]


async def items_of(client: openai.AsyncOpenAI, identity: str, **more: Any) -> list[Any]:
    return [item async for item in client.conversations.items.list(identity, order="asc", **more)]


async def test_smoke(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "I like quinces"}], metadata={"a": "b"})
    answered = await client.responses.create(model=MODEL, input="hi", conversation=made.id)
    assert answered.conversation is not None
    assert answered.conversation.id == made.id
    items = await items_of(client, made.id)
    assert [item.type for item in items] == ["message"] * 3
    again = await client.responses.create(model=MODEL, input="go on", conversation={"id": made.id})
    assert texts(sent(served)) == ["I like quinces", "hi", "Hello", "go on"]
