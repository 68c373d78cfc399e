"""The official SDKs against the served routes, over real sockets: what they call, and that they take the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.server.support import Serve, Served, forever, say
from zerogravity.core.events import AttemptOpened, Failed, Finished, FunctionCall, TextDelta, ThinkingDelta, Usage
from zerogravity.core.running import RunningTurn
from zerogravity.errors import upstream

MODEL = "gemini-3-flash"
KEY = "zg-sdk-key"


async def story(running: RunningTurn) -> None:
    say(running, AttemptOpened())
    say(running, ThinkingDelta("Let me see."))
    say(running, TextDelta("Hel"))
    say(running, TextDelta("lo"), Usage(prompt=3, candidates=2, thoughts=1, total=6))
    running.close(Finished("stop"))


@pytest.fixture
async def served(serve: Serve) -> Served:
    made = await serve(key=KEY)
    made.engine.script = story
    return made


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key=KEY, max_retries=0) as made:
        yield made


async def test_stored_responses(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(model=MODEL, input="hi")
    assert made.output_text == "Hello"
    assert (await client.responses.retrieve(made.id)).model_dump() == made.model_dump()
    items = [item async for item in client.responses.input_items.list(made.id, limit=1)]
    assert [item.type for item in items] == ["message"]
    more = await client.responses.create(model=MODEL, input="go on", previous_response_id=made.id)
    assert more.previous_response_id == made.id
    await client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{made.id}' not found"):
        await client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as error:
        await client.responses.create(model=MODEL, input="go on", previous_response_id=made.id)
    assert (error.value.code, error.value.param) == ("previous_response_not_found", "previous_response_id")
    assert error.value.request_id is not None


async def test_input_items_page_by_themselves(client: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": f"number {n}"} for n in range(7)]
    made = await client.responses.create(model=MODEL, input=messages)
    found = [item async for item in client.responses.input_items.list(made.id, limit=2, order="asc")]
    assert [item.content[0].text for item in found] == [f"number {n}" for n in range(7)]  # type: ignore[union-attr]


async def test_background(client: openai.AsyncOpenAI, served: Served) -> None:
    served.engine.script = forever
    made = await client.responses.create(model=MODEL, input="hi", background=True)
    assert made.status == "queued"
    cancelled = await client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    plain = await client.responses.create(model=MODEL, input="hi", background=True)
    await story(served.engine.turns[-1])
    done = await client.responses.retrieve(plain.id)
    assert (done.status, done.output_text) == ("completed", "Hello")


async def test_resume_by_number(client: openai.AsyncOpenAI) -> None:
    stream = await client.responses.create(model=MODEL, input="hi", background=True, stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    identity = events[0].response.id  # type: ignore[union-attr]
    for after in (0, 3, len(events) - 2):
        again = await client.responses.retrieve(identity, stream=True, starting_after=after)
        assert [event.to_dict() async for event in again] == [event.to_dict() for event in events[after + 1 :]]


async def test_resume_with_the_stream_helper(client: openai.AsyncOpenAI) -> None:
    identity = ""
    async with client.responses.stream(model=MODEL, input="hi", background=True) as stream:
        async for event in stream:
            if event.type == "response.created":
                identity = event.response.id
            if event.sequence_number == 4:
                break
    async with client.responses.stream(response_id=identity, starting_after=4) as again:
        numbers = [event.sequence_number async for event in again]
        final = await again.get_final_response()
    assert numbers[0] == 5
    assert numbers == list(range(5, 5 + len(numbers)))
    assert final.output_text == "Hello"


async def test_counting_and_compaction(client: openai.AsyncOpenAI) -> None:
    counted = await client.responses.input_tokens.count(model=MODEL, input="x" * 400)
    assert counted.input_tokens == 104
    compacted = await client.responses.compact(model=MODEL, input="a long story")
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    more: Any = [*(item.to_dict(warnings=False) for item in compacted.output), {"role": "user", "content": "go on"}]
    assert (await client.responses.create(model=MODEL, input=more)).output_text == "Hello"


async def test_websocket(client: openai.AsyncOpenAI, served: Served) -> None:
    async with client.responses.connect() as connection:

        async def ask(**members: Any) -> list[Any]:
            await connection.response.create(model=MODEL, **members)
            found: list[Any] = []
            async for event in connection:
                found.append(event)
                if event.type in ("response.completed", "response.failed", "error"):
                    break
            return found

        first = await ask(input="hi", store=False)
        assert first[-1].response.output_text == "Hello"
        more = await ask(input="go on", store=False, previous_response_id=first[-1].response.id)
        assert more[-1].response.output_text == "Hello"
        assert len(served.engine.channels[-1].turn.google_request["contents"]) == 3
        (error,) = await ask(input="x", previous_response_id="resp_" + "0" * 32)
        assert (error.status, error.error.code) == (400, "previous_response_not_found")


async def test_errors(client: openai.AsyncOpenAI, served: Served) -> None:
    async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key="zg-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
    with pytest.raises(openai.NotFoundError) as missing:
        await client.models.retrieve("no-such-model")
    assert missing.value.code == "model_not_found"

    async def busy(running: RunningTurn) -> None:
        running.close(Failed(upstream(429, "rate_limit_exceeded", "slow down", retry_after=2)))

    served.engine.script = busy
    with pytest.raises(openai.RateLimitError) as limited:
        await client.responses.create(model=MODEL, input="hi", stream=True)
    assert limited.value.response.headers["retry-after"] == "2"
    wrong: Any = 7
    with pytest.raises(openai.BadRequestError) as bad:
        await client.responses.create(model=MODEL, input=wrong)
    assert bad.value.param == "input"


async def test_errors_that_cannot_heal_are_not_tried_again(served: Served) -> None:
    async with openai.AsyncOpenAI(base_url=served.url + "/v1", api_key=KEY, max_retries=2) as patient:

        async def gone(running: RunningTurn) -> None:
            fault = upstream(500, "upstream_auth", "the account is closed", retryable=False)
            running.close(Failed(fault))

        served.engine.script = gone
        with pytest.raises(openai.InternalServerError):
            await patient.responses.create(model=MODEL, input="hi")
    assert len(served.engine.channels) == 1


async def test_models(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert MODEL in listed
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_chat(client: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    made = await client.chat.completions.create(model=MODEL, messages=messages)
    assert made.choices[0].message.content == "Hello"
    stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hello"


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_google(served: Served, version: str) -> None:
    async def call(running: RunningTurn) -> None:
        say(running, AttemptOpened(), FunctionCall("call_1", "look", "{}"), Usage(prompt=3, candidates=2, total=5))
        running.close(Finished("tool"))

    options = types.HttpOptions(base_url=served.url, api_version=version)
    async with genai.Client(api_key=KEY, http_options=options).aio as google:
        assert "models/" + MODEL in [model.name async for model in await google.models.list(config={"page_size": 3})]
        counted = await google.models.count_tokens(model=MODEL, contents="x" * 400)
        assert counted.total_tokens == 104
        served.engine.script = call
        made = await google.models.generate_content(model=MODEL, contents="hi")
        assert made.function_calls is not None
        with pytest.raises(errors.ClientError) as missing:
            await google.models.generate_content(model="no-such-model", contents="hi")
        assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")


async def test_a_failure_in_the_middle_of_a_stream(client: openai.AsyncOpenAI, served: Served) -> None:
    """Where the body has no good end, too: the error is what is raised, not the broken connection."""

    async def broken(running: RunningTurn) -> None:
        say(running, AttemptOpened(), TextDelta("Hel"))
        running.close(Failed(upstream(502, "upstream_drop", "the connection broke")))

    served.engine.script = broken
    messages: Any = [{"role": "user", "content": "hi"}]
    stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    with pytest.raises(openai.APIError, match="the connection broke") as caught:
        _ = [chunk async for chunk in stream]
    assert caught.value.code == "upstream_drop"
    events = await client.responses.create(model=MODEL, input="hi", stream=True)
    assert [event async for event in events][-1].type == "response.failed"

    def ask() -> None:
        with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=served.url)) as google:
            list(google.models.generate_content_stream(model=MODEL, contents="hi"))

    with pytest.raises(errors.ServerError, match="the connection broke"):
        await asyncio.to_thread(ask)
