"""One back end as the features' tests see it: a client's requests, and what reached Google for them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.reading import to_the_end
from zerogravity.testing.check import check_chat, check_gemini, check_messages, check_response, check_responses
from zerogravity.testing.simulator.stack import Stack

MODEL = "gemini-3-flash"
WIRE = f"{MODEL}-preview"  # Google's own name, where its list is asked
STAND_IN = "skip_thought_signature_validator"
RESPONSES, CHAT, GEMINI = "/v1/responses", "/v1/chat/completions", f"/v1beta/models/{MODEL}"
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: dict[str, Any] = {"name": "get_weather", "description": "Weather of a city", "parameters": CITY}
OF_THE_LS = ("thinkingConfig", "maxOutputTokens")  # the back end's own where a client says nothing
BY_CHANCE = ("id", "thoughtSignature")
Json = dict[str, Any]
CHECKS: dict[str, Callable[[bytes], object]] = {
    "responses": check_responses, "chat": check_chat, "messages": check_messages,
}  # fmt: skip


@dataclass
class End:
    """``word``: in every prompt of a feature, so that its calls to Google are known."""

    name: str
    stack: Stack
    http: aiohttp.ClientSession
    word: str = ""
    notes: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        return self.stack.url

    def on(self, word: str) -> End:
        return End(self.name, self.stack, self.http, word)

    def prompt(self, text: str) -> str:
        return f"{text} about {self.word}"

    async def post(self, path: str, body: Any, status: int = 200, **headers: str) -> Json:
        """The whole answer; its headers are in ``notes``."""
        async with self.http.post(self.url + path, json=body, headers=headers) as answer:
            found = json.loads(await answer.read())
            assert answer.status == status, found
            self.notes = {name.lower(): value for name, value in answer.headers.items()}
            return found

    async def get(self, path: str, status: int = 200, **headers: str) -> Json:
        async with self.http.get(self.url + path, headers=headers) as answer:
            found = json.loads(await answer.read())
            assert answer.status == status, found
            return found

    async def stream(self, path: str, body: Any) -> list[Json]:
        """The events of a stream that obeys its grammar."""
        async with self.http.post(self.url + path, json=body) as answer:
            raw, well = await to_the_end(answer)
            assert answer.status == 200, raw
            assert well
        return events(path, raw)

    # -- the surfaces ----------------------------------------------------------------------------------------------

    async def respond(self, given: Any, /, **members: Any) -> Json:
        """A whole Response. ``given``: a prompt, or the items of the input."""
        given = self.prompt(given) if isinstance(given, str) else given
        made = await self.post(RESPONSES, {"model": MODEL, "input": given, **members})
        check_response(made)
        return made

    async def chat(self, given: Any, /, **members: Any) -> Json:
        given = [user(self.prompt(given))] if isinstance(given, str) else given
        made = await self.post(CHAT, {"model": MODEL, "messages": given, **members})
        (choice,) = made["choices"]
        return choice

    async def generate(self, given: Any, /, **members: Any) -> Json:
        """The candidate of generateContent. ``given``: a prompt, or the contents."""
        given = [says(self.prompt(given))] if isinstance(given, str) else given
        made = await self.post(f"{GEMINI}:generateContent", {"contents": given, **members})
        (candidate,) = made["candidates"]
        return candidate

    # -- Google ----------------------------------------------------------------------------------------------------

    def sent(self) -> list[Json]:
        """The requests of this feature that reached Google, in their order."""
        return [one.request for one in self.calls()]

    def calls(self) -> list[Any]:
        assert self.stack.google is not None
        return [one for one in self.stack.google.agent_requests if self.word in json.dumps(one.body)]

    def reached(self) -> list[str]:
        """The same without what is the back end's own or made by chance."""
        kept = ("contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig")
        return sorted(
            json.dumps(_plain({name: one[name] for name in kept if one.get(name)}), sort_keys=True).replace(WIRE, MODEL)
            for one in self.sent()
        )


def _plain(value: Any) -> Any:
    match value:
        case dict():
            made = {name: "*" if name in BY_CHANCE else _plain(one) for name, one in value.items()}
            return {name: one for name, one in made.items() if name not in OF_THE_LS and one != {}}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def events(path: str, raw: bytes) -> list[Json]:
    """The checked events of a stream of that path."""
    next((check for word, check in CHECKS.items() if word in path), check_gemini)(raw)
    lines = [line[6:] for line in raw.splitlines() if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def user(content: Any) -> Json:
    return {"role": "user", "content": content}


def says(*parts: Any, role: str = "user") -> Json:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


# -- reading answers -------------------------------------------------------------------------------------------------


def text_of(response: Json) -> str:
    """Of a Response."""
    contents = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in contents)


def said(candidate: Json, *, thought: bool = False) -> str:
    """The text, or the thoughts, of a candidate."""
    return "".join(
        part.get("text", "") for part in candidate["content"]["parts"] if bool(part.get("thought")) is thought
    )


def item(response: Json, kind: str) -> Json:
    """The first item of that kind."""
    return next(one for one in response["output"] if one["type"] == kind)


def called(request: Json) -> list[Json]:
    """The parts with a call in a request to Google."""
    return [part for content in request["contents"] for part in content["parts"] if "functionCall" in part]


def signed(request: Json) -> list[bool]:
    """Whether the first call of each step has the signature that Google gave it."""
    steps = [[part for part in one["parts"] if "functionCall" in part] for one in request["contents"]]
    return [step[0].get("thoughtSignature") not in (None, STAND_IN) for step in steps if step]


# -- the table --------------------------------------------------------------------------------------------------------

Feature = Callable[[End], Awaitable[Any]]


@dataclass(frozen=True)
class Cell:
    row: str
    column: str


FEATURES: dict[str, Feature] = {}
COVERED: dict[Cell, dict[str, list[str]]] = {}  # cell → words of it → features


def serves(row: str, columns: str, *words: str) -> Callable[[Feature], Feature]:
    """The decorated feature serves those words of these cells of README's table "What is served"."""

    def keep(feature: Feature) -> Feature:
        FEATURES[feature.__name__] = feature
        for column in columns.split(", "):
            for word in words:
                COVERED.setdefault(Cell(row, column), {}).setdefault(word, []).append(feature.__name__)
        return feature

    return keep


def also(feature: Feature) -> Feature:
    """One that README's table does not name."""
    FEATURES[feature.__name__] = feature
    return feature
