"""Google's own SDK against the surface, without sockets: its requests are parsed, its answers are our frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx  # what both SDKs stand on
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.surfaces.gemini.support import captured, chunk, frames_of
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Answer, Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini import parse_request, surface
from zerogravity.surfaces.gemini.counting import COUNTING
from zerogravity.surfaces.gemini.models import list_json
from zerogravity.wire import jsonio

CONTEXT = Context("turn_" + "5" * 32, 1, Catalogue().resolve)
MODEL = "gemini-3-flash"
Script = Callable[[Turn], list[Any]]  # a turn → the chunks of Google's answer


class Loop:
    """An httpx transport in front of the surface. ``turns``: what was asked, in Google's form."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.scripts: list[Script] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._answer(request)
        except FaultError as error:
            return plain(surface.error(error.fault))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET":
            return plain(Answer(200, list_json(Catalogue().list(), request.url.params.get("pageSize", ""),
                                               request.url.params.get("pageToken", ""))))  # fmt: skip
        model, _, method = path.rpartition("/")[2].partition(":")
        body = jsonio.loads(request.content)
        if method == "countTokens":
            return plain(COUNTING.answer(COUNTING.parse({**body, "model": model, "fields": ""}, CONTEXT), None))
        stream = method == "streamGenerateContent"
        turn = parse_request(body, CONTEXT, model=model, stream=stream, sse=request.url.params.get("alt") == "sse")
        self.turns.append(turn)
        channel = captured(self.scripts.pop(0)(turn), details=turn.details)
        if stream:
            emitter = surface.emitter(channel, bytes(32))
            content = b"".join(frames_of(channel))
            return httpx.Response(200, content=content, headers={"content-type": emitter.content_type})
        return plain(surface.answer(channel, bytes(32)))


def plain(answer: Answer) -> httpx.Response:
    headers = {**answer.headers, "content-type": "application/json"}
    return httpx.Response(answer.status, content=jsonio.dumps(answer.body), headers=headers)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def client(loop: Loop) -> Iterator[genai.Client]:
    with httpx.Client(transport=httpx.MockTransport(loop)) as http:
        yield genai.Client(api_key="k", http_options=types.HttpOptions(base_url="http://gateway", httpx_client=http))


def says(*chunks: Any) -> Script:
    return lambda turn: list(chunks)


USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
END = chunk(finish="STOP", usageMetadata=USAGE)


def test_generate(loop: Loop, client: genai.Client) -> None:
    loop.scripts = [says(chunk({"text": "Hello "}), chunk({"text": "there"}), END)]
    answer = client.models.generate_content(model=MODEL, contents="hi")
    assert answer.text == "Hello there"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.total_token_count == 5
    assert loop.turns[0].google_request["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_stream_with_awkward_text(loop: Loop, client: genai.Client) -> None:
    text = "a\u2028b\u2029c\x85d\r\n\ndata: [DONE]"
    loop.scripts = [says(chunk({"text": text}), END)]
    assert (
        "".join(part.text or "" for part in client.models.generate_content_stream(model=MODEL, contents="hi")) == text
    )


def test_thoughts_when_asked_for(loop: Loop, client: genai.Client) -> None:
    thinking = [chunk({"text": "hm", "thought": True}), chunk({"text": "a"}), END]
    loop.scripts = [says(*thinking), says(*thinking)]
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="LOW")
    )
    answer = client.models.generate_content(model=MODEL, contents="hi", config=config)
    assert [part.thought for part in answer.candidates[0].content.parts] == [True, None]
    assert loop.turns[0].google_request["generationConfig"]["thinkingConfig"]["includeThoughts"] is True
    answer = client.models.generate_content(model=MODEL, contents="hi")
    assert [part.text for part in answer.candidates[0].content.parts] == ["a"]


def test_automatic_function_calling(loop: Loop, client: genai.Client) -> None:
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    def call(turn: Turn) -> list[Any]:
        part = {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}, "thoughtSignature": "U0lH"}
        return [chunk(part, {"text": ""}), chunk({"text": ""}, finish="STOP")]

    def tell(turn: Turn) -> list[Any]:
        answer = turn.google_request["contents"][-1]["parts"][0]["functionResponse"]["response"]
        return [chunk({"text": str(answer["result"])}), END]

    loop.scripts = [call, tell]
    config = types.GenerateContentConfig(tools=[get_weather])
    answer = client.models.generate_content(model=MODEL, contents="weather?", config=config)
    assert answer.text == "sunny in Rome"
    sent = loop.turns[1].google_request["contents"][1]["parts"][0]
    assert sent["thoughtSignature"] == "U0lH"
    assert sent["functionCall"] == {"name": "get_weather", "args": {"city": "Rome"}}


def test_a_chat_sends_its_history_back(loop: Loop, client: genai.Client) -> None:
    loop.scripts = [
        says(chunk({"text": "one"}), chunk({"text": "", "thoughtSignature": "U0lH"}, finish="STOP")),
        says(chunk({"text": "two"}), END),
    ]
    chat = client.chats.create(model=MODEL)
    for _ in chat.send_message_stream("first"):
        pass
    assert chat.send_message("second").text == "two"
    roles = [content["role"] for content in loop.turns[1].google_request["contents"]]
    assert roles[0] == "user"
    assert roles[-1] == "user"
    texts = [part.get("text") for content in loop.turns[1].google_request["contents"] for part in content["parts"]]
    assert [text for text in texts if text] == ["first", "one", "second"]
    assert "U0lH" in str(loop.turns[1].google_request["contents"])


class City(BaseModel):
    name: str
    size: int | None = None


def test_structured_output(loop: Loop, client: genai.Client) -> None:
    loop.scripts = [says(chunk({"text": '{"name": "Ro'}), chunk({"text": 'me"}'}), END)]
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    answer = client.models.generate_content(model=MODEL, contents="hi", config=config)
    assert answer.parsed == City(name="Rome")
    sent = loop.turns[0].google_request["generationConfig"]
    assert sent["responseMimeType"] == "application/json"
    assert "name" in sent["responseSchema"]["properties"]


def test_media_in_both_alphabets(loop: Loop, client: genai.Client) -> None:
    loop.scripts = [says(chunk({"text": "a"}), END)]
    picture = types.Part.from_bytes(data=b"\xff\xfe\xfd\x00", mime_type="image/png")
    client.models.generate_content(model=MODEL, contents=[picture, "what?"])
    assert loop.turns[0].google_request["contents"][0]["parts"][0] == {
        "inlineData": {"mimeType": "image/png", "data": "//79AA=="}
    }


def test_a_failing_stream_raises(loop: Loop, client: genai.Client) -> None:
    loop.scripts = [
        says(chunk({"text": "a"}), jsonio.dumps({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}))
    ]
    stream = client.models.generate_content_stream(model=MODEL, contents="hi")
    assert next(stream).text == "a"
    with pytest.raises(errors.ServerError) as caught:
        next(stream)
    assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")


def test_refusals_are_client_errors(loop: Loop, client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-0", contents="hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_lists_and_counts(client: genai.Client) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 5})]
    assert names == [f"models/{info.id}" for info in Catalogue().list()]
    counted = client.models.count_tokens(model=MODEL, contents="hello there")
    assert (counted.total_tokens or 0) > 0
