"""The routes of conversations, and turns that belong to one, by the openai SDK's typed calls and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.conversations import ConversationDeletedResource, ConversationItem, ConversationItemList
from openai.types.responses import Response
from pydantic import TypeAdapter

from tests.server.support import Serve, Served, forever, hello, say
from tests.store.disks import TROUBLES, Disk
from tests.waiting import until
from zerogravity.core.events import AttemptOpened, Failed, Finished, TextDelta
from zerogravity.core.running import RunningTurn
from zerogravity.errors import FaultError, upstream
from zerogravity.server.fetch import Fetch, refused
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
    store = {"store": str(tmp_path / "store.db")} if request.param == "sqlite" else {}
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


# -- conversations -------------------------------------------------------------------------------------------------


async def test_a_conversation_lives(client: openai.AsyncOpenAI) -> None:
    made = await client.conversations.create(metadata={"topic": "fruit"})
    assert made.id.startswith("conv_")
    assert (made.object, made.metadata) == ("conversation", {"topic": "fruit"})
    assert await client.conversations.retrieve(made.id) == made
    changed = await client.conversations.update(made.id, metadata={"other": "x"})
    assert changed == made.model_copy(update={"metadata": {"other": "x"}}), "all of it is replaced"
    assert (await client.conversations.update(made.id, metadata=None)).metadata == {}
    gone = await client.conversations.delete(made.id)
    assert gone == ConversationDeletedResource(id=made.id, object="conversation.deleted", deleted=True)
    for call in (client.conversations.retrieve, client.conversations.delete):
        with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{made.id}' not found.") as error:
            await call(made.id)
        assert (error.value.code, error.value.param, error.value.type) == (None, None, "invalid_request_error")


async def test_without_anything(client: openai.AsyncOpenAI) -> None:
    made = await client.conversations.create()
    assert made.metadata == {}
    assert await items_of(client, made.id) == []
    listed = await client.conversations.items.list(made.id)
    assert (listed.data, listed.has_more, listed.has_next_page()) == ([], False, False)


async def test_what_belongs_to_another_key_does_not_exist(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "mine"}])
    (item,) = await items_of(client, made.id)
    async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key="other", max_retries=0) as other:
        for asked in (
            other.conversations.retrieve(made.id),
            other.conversations.update(made.id, metadata={}),
            other.conversations.delete(made.id),
            other.conversations.items.list(made.id),
            other.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}]),
            other.conversations.items.retrieve(item.id, conversation_id=made.id),
            other.conversations.items.delete(item.id, conversation_id=made.id),
            other.responses.create(model=MODEL, input="hi", conversation=made.id),
        ):
            with pytest.raises(openai.NotFoundError, match=f"Conversation with id '{made.id}' not found."):
                await asked
        reference: Any = [{"type": "item_reference", "id": item.id}]
        with pytest.raises(openai.NotFoundError, match=f"Item with id '{item.id}' not found."):
            await other.conversations.create(items=reference)
    assert await client.conversations.retrieve(made.id) == made


# -- items ---------------------------------------------------------------------------------------------------------

EVERY: list[dict[str, Any]] = [
    {"role": "user", "content": "text"},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "D"}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "low"}]},
    {"role": "assistant", "content": "said"},
    {"id": "msg_own", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "status": "incomplete"},
    {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
    {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "+"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "done"}]},
    {"type": "reasoning", "id": "rs_own", "summary": [{"type": "summary_text", "text": "hm"}]},
    {"type": "reasoning"},
    {"type": "shell_call", "call_id": "call_3", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "call_3",
     "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    {"type": "local_shell_call", "call_id": "call_4", "action": {"type": "exec", "command": ["ls"], "env": {}}},
    {"type": "local_shell_call_output", "id": "call_4", "output": "a"},
    {"type": "apply_patch_call", "call_id": "call_5", "operation": {"type": "delete_file", "path": "a"}},
    {"type": "apply_patch_call_output", "call_id": "call_5", "status": "completed", "output": "gone"},
    {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
    {"type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgo="},
    {"type": "additional_tools", "tools": [WEATHER]},
]  # fmt: skip


async def test_items_of_every_kind(client: openai.AsyncOpenAI, served: Served) -> None:
    """As the SDK's types demand them, and one by one as in the list."""
    made = await client.conversations.create(items=EVERY)  # type: ignore[arg-type]
    options = {"headers": {"Authorization": f"Bearer {KEY}"}}
    _, _, listed = await served.get(f"{PATH}/{made.id}/items?order=asc&limit=100", **options)
    assert ConversationItemList.model_validate(listed).has_more is False
    assert [item["type"] for item in listed["data"]] == [item.get("type", "message") for item in EVERY]
    assert len({item["id"] for item in listed["data"]}) == len(EVERY)
    for given, item in zip(EVERY, listed["data"], strict=True):
        TypeAdapter(ConversationItem).validate_python(item)
        kept = {name: value for name, value in given.items() if not isinstance(value, str) or name != "content"}
        assert item.items() >= kept.items()
        _, _, alone = await served.get(f"{PATH}/{made.id}/items/{item['id']}", **options)
        assert alone == item
    said = listed["data"][0]
    assert (said["status"], said["content"]) == ("completed", [{"type": "input_text", "text": "text"}])


async def test_a_list_of_tools_that_is_added_is_shown_as_it_came(served: Served) -> None:
    """When it was added stands beside it in the store, and in no answer."""
    item = {"type": "mcp_list_tools", "server_label": "docs", "tools": [{"name": "look", "input_schema": {}}]}
    key = {"Authorization": f"Bearer {KEY}"}
    _, _, made = await served.post(PATH, {"items": [item]}, headers=key)
    path = f"{PATH}/{made['id']}/items"
    _, _, added = await served.post(path, {"items": [item]}, headers=key)
    _, _, listed = await served.get(path, headers=key)
    for shown in (*added["data"], *listed["data"]):
        assert shown.keys() <= {*item, "id", "error"} and shown["tools"] == item["tools"]
    assert len(listed["data"]) == 2 and added["data"][0] in listed["data"]


async def test_items_page_by_themselves(client: openai.AsyncOpenAI) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": f"{n}"} for n in range(7)])
    for order, expected in (("asc", "0123456"), ("desc", "6543210")):
        pages = client.conversations.items.list(made.id, order=order, limit=2)  # type: ignore[arg-type]
        assert "".join([item.content[0].text async for item in pages]) == expected  # type: ignore[union-attr]
    first = await client.conversations.items.list(made.id)
    assert [item.content[0].text for item in first.data] == [*"6543210"], "the newest first"  # type: ignore[union-attr]


async def test_items_are_added_and_removed(client: openai.AsyncOpenAI) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "a"}])
    added = await client.conversations.items.create(
        made.id, items=[{"role": "user", "content": "b"}, {"role": "user", "content": "c"}]
    )
    assert isinstance(added, ConversationItemList)
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[1].id, False)
    assert [item.id for item in await items_of(client, made.id)][1:] == [item.id for item in added.data]
    left = await client.conversations.items.delete(added.data[0].id, conversation_id=made.id)
    assert left == made
    assert [item.content[0].text for item in await items_of(client, made.id)] == ["a", "c"]
    for call in (client.conversations.items.retrieve, client.conversations.items.delete):
        with pytest.raises(openai.NotFoundError, match=f"Item with id '{added.data[0].id}' not found."):
            await call(added.data[0].id, conversation_id=made.id)


async def test_references_become_the_items_themselves(client: openai.AsyncOpenAI, served: Served) -> None:
    answered = await client.responses.create(model=MODEL, input="hi")
    reference: Any = {"type": "item_reference", "id": answered.output[0].id}
    made = await client.conversations.create(items=[{"role": "user", "content": "a"}, reference])
    assert [item.id for item in await items_of(client, made.id)][1] == answered.output[0].id
    other = await client.conversations.create(items=[{"type": "item_reference", "id": answered.output[0].id}])
    (item,) = await items_of(client, other.id)
    assert item.content[0].text == "Hello"
    own: Any = [{"type": "item_reference", "id": (await items_of(client, made.id))[0].id}]
    await client.responses.create(model=MODEL, input=own)
    assert texts(sent(served)) == ["a"], "items of a conversation are found as those of responses are"


async def test_remote_pictures_are_fetched_when_they_are_added(serve: Serve) -> None:
    class Pictures(Fetch):
        async def get(self, url: str, param: str) -> bytes:
            if url.endswith("/none"):
                raise refused(param, "there is none")
            return b"\x89PNG\r\n\x1a\n"

    served = await serve(remote_urls=True, services={"fetch": Pictures()})
    picture = [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a.test/b.png"}]}]
    _, _, made = await served.post(PATH, {"items": picture})
    _, _, listed = await served.get(f"{PATH}/{made['id']}/items")
    assert listed["data"][0]["content"][0]["image_url"] == PNG
    picture[0]["content"][0]["image_url"] = "https://a.test/none"  # type: ignore[index]
    status, _, body = await served.post(PATH, {"items": picture})
    assert (status, body["error"]["param"]) == (400, "items[0].content[0].image_url")


# -- errors --------------------------------------------------------------------------------------------------------

LONG = [{"role": "user", "content": "x"}] * 21
BAD: list[tuple[str, dict[str, Any], int, str | None, str | None, str]] = [
    ("", {"items": "x"}, 400, "items", "invalid_type", "expected an array"),
    ("", {"items": [7]}, 400, "items[0]", "invalid_type", "expected an object"),
    ("", {"items": LONG}, 400, "items", "array_above_max_length", "maximum length 20, but got an array with length 21"),
    ("", {"items": [{"type": "bogus"}]}, 400, "items[0].type", "invalid_value", "Invalid value: 'bogus'"),
    ("", {"items": [{"type": "compaction_trigger"}]}, 400, "items[0].type", "invalid_value", "compaction_trigger"),
    ("", {"items": [{"role": "x", "content": "x"}]}, 400, "items[0].role", "invalid_value", "Invalid value: 'x'"),
    ("", {"items": [{"role": "user"}]}, 400, "items[0].content", "missing_required_parameter", "items[0].content"),
    ("", {"items": [{"content": "x"}]}, 400, "items[0].role", "missing_required_parameter", "items[0].role"),
    ("", {"items": [{"type": "item_reference"}]}, 400, "items[0].id", "missing_required_parameter", "items[0].id"),
    ("", {"items": [{"type": "item_reference", "id": "msg_x"}]}, 404, None, None, "Item with id 'msg_x' not found."),
    ("", {"items": [{"type": "function_call", "name": "f"}]}, 400, "items[0].call_id", "missing_required_parameter",
     "items[0].call_id"),
    ("", {"items": [{"type": "compaction", "encrypted_content": "x"}]}, 400, "items[0].encrypted_content",
     "invalid_encrypted_content", "was not made here"),
    ("", {"items": [{"id": "m", "role": "user", "content": "x"}] * 2}, 400, "items", "invalid_value",
     "Duplicate item found with id m."),
    ("", {"metadata": "x"}, 400, "metadata", "invalid_type", "metadata"),
    ("", {"metadata": {f"{n}": "" for n in range(17)}}, 400, "metadata", "object_above_max_properties", "16"),
    ("", {"metadata": {"k" * 65: ""}}, 400, f"metadata.{'k' * 65}", "string_above_max_length", "64"),
    ("", {"metadata": {"k": "v" * 513}}, 400, "metadata.k", "string_above_max_length", "512"),
    ("", {"metadata": {"k": 1}}, 400, "metadata.k", "invalid_type", "a string"),
    ("", {"title": "x"}, 400, "title", "unknown_parameter", "Unknown parameter: 'title'."),
    ("/ID", {}, 400, "metadata", "missing_required_parameter", "metadata"),
    ("/ID", {"metadata": {}, "items": []}, 400, "items", "unknown_parameter", "Unknown parameter: 'items'."),
    ("/thread_1", {"metadata": {}}, 400, "conversation_id", "invalid_value",
     "Invalid 'conversation_id': 'thread_1'. Expected an ID that begins with 'conv'."),
    ("/ID/items", {}, 400, "items", "missing_required_parameter", "items"),
    ("/ID/items", {"items": []}, 400, "items", "empty_array", "minimum length 1"),
    ("/ID/items", {"items": [{"id": "msg_there", "role": "user", "content": "x"}]}, 400, "items", "invalid_value",
     "Duplicate item found with id msg_there."),
    ("/ID/items?include=x", {"items": LONG[:1]}, 400, "include", "invalid_value", "Invalid value: 'x'"),
    (f"/{UNKNOWN}/items", {"items": LONG[:1]}, 404, None, None, f"Conversation with id '{UNKNOWN}' not found."),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "param", "code", "words"), BAD)
async def test_what_is_wrong_is_named(
    serve: Serve, path: str, body: Any, status: int, param: str | None, code: str | None, words: str
) -> None:
    served = await serve()
    _, _, made = await served.post(PATH, {"items": [{"id": "msg_there", "role": "user", "content": "x"}]})
    got, _, answer = await served.post(PATH + path.replace("ID", made["id"]), body)
    error = answer["error"]
    assert (got, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert words in error["message"]


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order"), ("after=msg_x", "after"),
     ("include[]=x", "include")],
)  # fmt: skip
async def test_the_query_of_a_list_is_checked(serve: Serve, query: str, param: str) -> None:
    served = await serve()
    _, _, made = await served.post(PATH, {})
    status, _, answer = await served.get(f"{PATH}/{made['id']}/items?{query}")
    assert (status, answer["error"]["param"]) == (400, param)


IN_RESPONSES: list[tuple[dict[str, Any], int, str | None, str | None]] = [
    ({"conversation": UNKNOWN}, 404, None, None),
    ({"conversation": {"id": UNKNOWN}}, 404, None, None),
    ({"conversation": "thread_1"}, 400, "conversation", "invalid_value"),
    ({"conversation": {"id": "thread_1"}}, 400, "conversation.id", "invalid_value"),
    ({"conversation": {}}, 400, "conversation.id", "missing_required_parameter"),
    ({"conversation": {"id": 7}}, 400, "conversation.id", "invalid_type"),
    ({"conversation": 7}, 400, "conversation", "invalid_type"),
    ({"conversation": "ID", "previous_response_id": "resp_x"}, 400, None, "mutually_exclusive_parameters"),
    ({"conversation": "ID", "input": [{"id": "msg_there", "role": "user", "content": "x"}]}, 400, "input",
     "invalid_value"),
    ({"conversation": "ID", "input": [{"type": "item_reference", "id": "msg_there"}]}, 400, "input", "invalid_value"),
    ({"previous_response_id": "ID"}, 400, "previous_response_id", "previous_response_not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "param", "code"), IN_RESPONSES)
async def test_what_is_wrong_in_a_request_is_named(
    serve: Serve, body: dict[str, Any], status: int, param: str | None, code: str | None
) -> None:
    served = await serve()
    _, _, made = await served.post(PATH, {"items": [{"id": "msg_there", "role": "user", "content": "x"}]})
    asked = json.loads(json.dumps({"model": MODEL, "input": "hi", **body}).replace('"ID"', f'"{made["id"]}"'))
    got, _, answer = await served.post(RESPONSES, asked)
    assert (got, answer["error"]["param"], answer["error"]["code"]) == (status, param, code)
    assert served.engine.channels == []
    again, _, _ = await served.post(RESPONSES, {"model": MODEL, "input": "hi", "conversation": made["id"]})
    assert again == 200, "nothing holds it"


async def test_compaction_of_a_dialogue_takes_no_conversation(serve: Serve) -> None:
    served = await serve()
    _, _, made = await served.post(PATH, {})
    asked = {"model": MODEL, "input": "hi", "conversation": made["id"]}
    status, _, answer = await served.post(f"{RESPONSES}/compact", asked)
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, "conversation", "unknown_parameter")


async def test_other_paths_below_and_beside_are_errors_in_openais_form(serve: Serve) -> None:
    served = await serve()
    for path in (f"{PATH}/{UNKNOWN}/messages", f"{PATH}/{UNKNOWN}/items/a/b"):
        status, _, answer = await served.get(path, headers={"x-goog-api-key": "k"})
        assert (status, answer["error"]["type"]) == (404, "invalid_request_error")
    status, _, answer = await served.get(f"/api/v1/conversations/{UNKNOWN}")
    assert (status, f"Did you mean /v1/conversations/{UNKNOWN}?" in answer["error"]["message"]) == (404, True)


# -- turns ---------------------------------------------------------------------------------------------------------


async def in_a_turn(served: Served, body: dict[str, Any], kind: str) -> dict[str, Any]:
    """The Response, checked."""
    headers = {"Authorization": f"Bearer {KEY}"}
    if kind == "background":
        _, _, queued = await served.post(RESPONSES, {**body, "background": True}, headers=headers)
        check_response(queued)
        await until(lambda: served.engine.channels[-1].closed)
        _, _, answered = await served.get(f"{RESPONSES}/{queued['id']}", headers=headers)
    elif kind == "streamed":
        asked = {**body, "stream": True}
        async with served.http.post(served.url + RESPONSES, json=asked, headers=headers) as answer:
            events = check_responses(await answer.read())
        assert {json.dumps(event["response"].get("conversation")) for event in events if "response" in event} == {
            json.dumps({"id": body["conversation"]})
        }
        answered = events[-1]["response"]
    else:
        more = {"store": False} if kind == "not stored" else {}
        _, _, answered = await served.post(RESPONSES, {**body, **more}, headers=headers)
    check_response(answered)
    Response.model_validate(answered)
    return answered


@pytest.mark.parametrize("kind", ["whole", "streamed", "background", "not stored"])
async def test_a_turn_adds_its_input_and_its_answer(client: openai.AsyncOpenAI, served: Served, kind: str) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "I like quinces"}])
    answered = await in_a_turn(served, {"model": MODEL, "input": "hi", "conversation": made.id}, kind)
    assert answered["conversation"] == {"id": made.id}
    assert answered["previous_response_id"] is None
    assert texts(sent(served)) == ["I like quinces", "hi"]
    first, asked, said = await items_of(client, made.id)
    assert (first.content[0].text, asked.content[0].text) == ("I like quinces", "hi")
    assert said.to_dict() == answered["output"][0], "with the id that the client saw"
    if kind != "not stored":
        own = [item async for item in client.responses.input_items.list(answered["id"])]
        assert [item.id for item in own] == [asked.id]
    await client.responses.create(model=MODEL, input="go on", conversation=made.id)
    assert texts(sent(served)) == ["I like quinces", "hi", "Hello", "go on"]
    assert served.engine.channels[-1].turn.conversation == made.id, "they are one session"


async def test_the_sync_client(served: Served) -> None:
    def use() -> list[str]:
        with openai.OpenAI(base_url=served.url + "/v1", api_key=KEY, max_retries=0) as client:
            made = client.conversations.create(items=[{"role": "user", "content": "a"}])
            with client.responses.stream(model=MODEL, input="b", conversation=made.id) as stream:
                assert stream.get_final_response().conversation.id == made.id  # type: ignore[union-attr]
            items = list(client.conversations.items.list(made.id, order="asc", limit=2))
            client.conversations.items.delete(items[0].id, conversation_id=made.id)
            client.conversations.items.create(made.id, items=[{"role": "user", "content": "c"}])
            found = [item.content[0].text for item in client.conversations.items.list(made.id, order="asc")]  # type: ignore[union-attr]
            client.conversations.delete(made.id)
            return found

    assert await asyncio.to_thread(use) == ["b", "Hello", "c"]


async def test_a_conversation_needs_no_input_once_it_has_items(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'input'"):
        await client.responses.create(model=MODEL, conversation=made.id)
    await client.conversations.items.create(made.id, items=[{"role": "user", "content": "a"}])
    await client.responses.create(model=MODEL, conversation=made.id)
    assert texts(sent(served)) == ["a"]
    assert len(await items_of(client, made.id)) == 2


async def failing(running: RunningTurn) -> None:
    say(running, AttemptOpened())
    say(running, TextDelta("Hel"))
    running.close(Failed(upstream(503, "overloaded", "busy")))


async def cut(running: RunningTurn) -> None:
    say(running, AttemptOpened(), TextDelta("Hel"))
    running.close(Finished("length"))


@pytest.mark.parametrize("kind", ["whole", "streamed", "background"])
async def test_a_turn_that_fails_adds_nothing(client: openai.AsyncOpenAI, served: Served, kind: str) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "a"}])
    served.engine.script = failing
    if kind == "whole":
        with pytest.raises(openai.InternalServerError):
            await client.responses.create(model=MODEL, input="b", conversation=made.id)
    else:
        answered = await in_a_turn(served, {"model": MODEL, "input": "b", "conversation": made.id}, kind)
        assert answered["status"] == "failed"
    assert len(await items_of(client, made.id)) == 1
    served.engine.script = hello
    await client.responses.create(model=MODEL, input="again", conversation=made.id)
    assert texts(sent(served)) == ["a", "again"]


async def test_a_turn_that_its_client_leaves_adds_nothing(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "a"}])
    served.engine.script = forever
    asking = asyncio.create_task(client.responses.create(model=MODEL, input="b", conversation=made.id))
    channel = await served.engine.begun()
    asking.cancel()
    await channel.wait_closed()
    assert len(await items_of(client, made.id)) == 1
    queued = await client.responses.create(model=MODEL, input="b", conversation=made.id, background=True)
    await client.responses.cancel(queued.id)
    assert len(await items_of(client, made.id)) == 1


async def test_an_answer_that_is_cut_off_is_added(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    served.engine.script = cut
    answered = await client.responses.create(model=MODEL, input="b", conversation=made.id)
    assert answered.status == "incomplete"
    assert [item.content[0].text for item in await items_of(client, made.id)] == ["b", "Hel"]


async def test_what_is_deleted_the_model_does_not_get(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create(items=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    await client.responses.create(model=MODEL, input="c", conversation=made.id)
    for item in await items_of(client, made.id):
        if item.content[0].text in ("a", "Hello"):
            await client.conversations.items.delete(item.id, conversation_id=made.id)
    await client.responses.create(model=MODEL, input="d", conversation=made.id)
    assert texts(sent(served)) == ["b", "c", "d"]


# -- one turn at a time --------------------------------------------------------------------------------------------


async def test_two_turns_at_once(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    served.engine.script = forever
    first = asyncio.create_task(client.responses.create(model=MODEL, input="one", conversation=made.id))
    await served.engine.begun()
    for asked in (
        client.responses.create(model=MODEL, input="two", conversation=made.id),
        client.responses.create(model=MODEL, input="two", conversation=made.id, background=True),
        client.responses.create(model=MODEL, input="two", conversation=made.id, stream=True),
        client.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}]),
    ):
        with pytest.raises(openai.BadRequestError, match="Please retry in a few seconds") as error:
            await asked
        assert (error.value.code, error.value.param) == ("conversation_locked", "conversation")
    assert len(served.engine.turns) == 1
    assert (await client.conversations.update(made.id, metadata={"a": "b"})).metadata == {"a": "b"}
    counted = await client.responses.input_tokens.count(model=MODEL, input="x", conversation=made.id)
    assert counted.input_tokens > 0, "to count is no turn"
    await hello(served.engine.turns[0])
    await first
    served.engine.script = hello
    await client.responses.create(model=MODEL, input="two", conversation=made.id)
    assert texts(sent(served)) == ["one", "Hello", "two"]
    assert (await client.conversations.retrieve(made.id)).metadata == {"a": "b"}


async def test_turns_that_race_lose_nothing(client: openai.AsyncOpenAI, served: Served) -> None:
    """Each either sees the whole of those before it or is told to come again."""
    made = await client.conversations.create()

    async def ask(text: str) -> None:
        for _ in range(200):
            try:
                await client.responses.create(model=MODEL, input=text, conversation=made.id)
            except openai.BadRequestError as error:
                assert error.code == "conversation_locked"
            else:
                return

    words = [f"word {number}" for number in range(6)]
    await asyncio.gather(*map(ask, words))
    said = [item.content[0].text for item in await items_of(client, made.id)]
    assert sorted(said[::2]) == words
    assert said[1::2] == ["Hello"] * 6
    assert [len(texts(list(channel.turn.google_request["contents"]))) for channel in served.engine.channels] == [
        1, 3, 5, 7, 9, 11,
    ]  # fmt: skip


async def test_a_conversation_may_be_deleted_under_a_turn(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    served.engine.script = forever
    first = asyncio.create_task(client.responses.create(model=MODEL, input="one", conversation=made.id))
    await served.engine.begun()
    await client.conversations.delete(made.id)
    await hello(served.engine.turns[0])
    assert (await first).output_text == "Hello"
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(made.id)


async def test_a_turn_that_cannot_start_holds_nothing(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    run = served.engine.run

    def refuse(turn: Any) -> Any:
        raise FaultError(upstream(429, "rate_limit_exceeded", "no more"))

    served.engine.run = refuse  # type: ignore[method-assign]
    with pytest.raises(openai.RateLimitError):
        await client.responses.create(model=MODEL, input="one", conversation=made.id)
    served.engine.run = run  # type: ignore[method-assign]
    assert (await client.responses.create(model=MODEL, input="one", conversation=made.id)).output_text == "Hello"


# -- WebSocket -----------------------------------------------------------------------------------------------------


async def test_over_websocket(client: openai.AsyncOpenAI, served: Served) -> None:
    made = await client.conversations.create()
    async with client.responses.connect() as connection:

        async def ask(**members: Any) -> Any:
            await connection.response.create(model=MODEL, conversation=made.id, **members)
            async for event in connection:
                if event.type in ("response.completed", "error"):
                    return event
            raise AssertionError("the connection was closed")

        assert (await ask(input="one", store=False)).response.conversation.id == made.id
        await ask(input="warm", generate=False)
        await ask(input="two")
        assert texts(sent(served)) == ["one", "Hello", "warm", "two"]
        error = await ask(input="x", previous_response_id="resp_1")
        assert (error.status, error.error.code) == (400, "mutually_exclusive_parameters")
        assert (await ask(input="three")).type == "response.completed"
    assert len(await items_of(client, made.id)) == 7


# -- limits and trouble --------------------------------------------------------------------------------------------


async def test_what_a_conversation_brings_in_is_limited(serve: Serve) -> None:
    served = await serve(**{"limits.body_bytes": 4000})
    _, _, made = await served.post(PATH, {"items": [{"role": "user", "content": "x" * 2500}]})
    for path, body, param in (
        (RESPONSES, {"model": MODEL, "input": "y" * 2500, "conversation": made["id"]}, "conversation"),
        (f"{PATH}/{made['id']}/items", {"items": [{"role": "user", "content": "y" * 2500}]}, "items"),
    ):
        status, _, answer = await served.post(path, body)
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
        assert answer["error"]["param"] == param


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_while_nothing_can_be_written_all_of_it_is_in_memory(serve: Serve, trouble: str) -> None:
    disk = Disk()
    served = await serve(services={"responses": disk})
    _, _, old = await served.post(PATH, {"items": [{"role": "user", "content": "a"}]})
    disk.failure = TROUBLES[trouble]
    _, _, new = await served.post(PATH, {"items": [{"role": "user", "content": "a"}]})
    made = [old["id"], new["id"]]
    for identity in made:
        for text in ("b", "c"):
            asked = {"model": MODEL, "input": text, "conversation": identity, "store": False}
            assert (await served.post(RESPONSES, asked))[0] == 200
        assert texts(sent(served)) == ["a", "b", "Hello", "c"]
        _, _, listed = await served.get(f"{PATH}/{identity}/items?order=asc")
        assert (await served.ask("DELETE", f"{PATH}/{identity}/items/{listed['data'][0]['id']}"))[0] == 200
    disk.failure = None
    await until(lambda: served.writer.waiting == 0)
    for identity in made:
        _, _, listed = await served.get(f"{PATH}/{identity}/items?order=asc")
        assert [item["content"][0]["text"] for item in listed["data"]] == ["b", "Hello", "c", "Hello"]
        assert disk.kept["", identity].running is False
