"""The one list of surfaces: what each of them tells, and that a new one needs nothing but its package and its line."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest

from tests.server.conftest import no_leaks, serve  # noqa: F401  # pyright: ignore[reportUnusedImport]  # fixtures
from tests.server.support import Serve, Served
from tests.surfaces import toy
from tests.waiting import until
from zerogravity import surfaces
from zerogravity.backends.polling.prompt import refuse
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import PASSIVE
from zerogravity.errors import FaultError
from zerogravity.observe import doctor, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.metrics import Metrics
from zerogravity.observe.recorder import Recorder
from zerogravity.observe.replica import Replica
from zerogravity.server import paths
from zerogravity.surfaces import REGISTRY
from zerogravity.surfaces.base import Context, Storing, Surface
from zerogravity.surfaces.common.models import Catalogue

WITH_TOY = {**REGISTRY, "toy": toy.surface}
PACKAGE = Path(__file__).resolve().parents[2] / "zerogravity"
MODEL = "gemini-3-flash"


# -- a surface that is in no list of the house ---------------------------------------------------------------------


@pytest.fixture
async def served(serve: Serve) -> Served:  # noqa: F811
    metrics = Metrics(WITH_TOY)
    made = await serve(services={"surfaces": WITH_TOY, "metrics": metrics})
    metrics.watch(made.services.store)
    return made


async def test_its_turns_are_answered(served: Served) -> None:
    status, _, body = await served.post("/toy/v1/say", {"say": "hi"})
    assert (status, body) == (200, {"heard": "Hello"})
    async with served.http.post(served.url + "/toy/v1/say", json={"say": "hi", "stream": True}) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = await answer.read()
    assert stream == b'data: {"heard":"Hel"}\n\ndata: {"heard":"lo"}\n\ndata: {"over":true}\n\n'
    toy.surface.check(stream)
    text = served.services.metrics.render().decode()
    assert 'zg_turns_total{code="ok",surface="toy"} 2.0' in text
    assert 'zg_requests_total{status_class="2xx",surface="toy"} 2.0' in text


async def test_its_errors_have_its_form(served: Served) -> None:
    assert (await served.post("/toy/v1/say", {}))[::2] == (400, {"wrong": "say something"})
    status, _, body = await served.get("/toy/v1/say")
    assert (status, list(body)) == (405, ["wrong"])
    status, _, body = await served.post("/toy/v2", {})
    assert (status, list(body)) == (404, ["wrong"])
    assert body["wrong"].endswith(" and /toy/v1/say.")
    status, _, body = await served.post("/api/toy/v1/say", {})
    assert (status, body["wrong"].partition(". ")[2]) == (404, "Did you mean /toy/v1/say?")
    assert b'{"wrong":' in await served.raw(b"POST /toy/v1/say HTTP/1.1\r\nbad header\r\n\r\n")


async def test_its_models_are_listed_for_its_clients(served: Served) -> None:
    """Elsewhere than at its own paths, a client is known by its headers."""
    status, _, body = await served.get("/v1/models", headers={"x-toy": "1"})
    assert (status, MODEL in body["toys"]) == (200, True)
    status, _, body = await served.get(f"/v1/models/{MODEL}", headers={"x-toy": "1"})
    assert (status, body) == (200, {"toy": MODEL})
    status, _, body = await served.get("/nowhere", headers={"x-toy": "1"})
    assert (status, list(body)) == (404, ["wrong"])
    assert (await served.get("/v1/models"))[2]["object"] == "list"


async def test_its_requests_are_counted(served: Served) -> None:
    assert (await served.post("/toy/v1/count", {"say": "hi"}))[::2] == (200, {"counted": None})
    assert (await served.post("/toy/v1/count", {}))[::2] == (400, {"wrong": "say something"})
    assert not served.engine.channels


async def test_what_it_cannot_store_is_not_stored(serve: Serve, tmp_path: Path, caplog: Any) -> None:  # noqa: F811
    served = await serve(services={"surfaces": WITH_TOY}, store=str(tmp_path / "responses.db"))
    async with asyncio.timeout(10):
        assert (await served.post("/toy/v1/say", {"say": "hi", "keep": True}))[::2] == (200, {"heard": "Hello"})
    assert served.writer.waiting == 0
    assert (await served.get("/health"))[2].get("degraded") is None
    assert "TypeError" not in caplog.text


@dataclass(frozen=True)
class Kept:
    """A toy's turn as it might be stored."""

    id: str
    owner: str
    created: float
    text: str
    items = MappingProxyType({"word_1": MappingProxyType({})})
    frames = (b"frame",)
    running = False

    def as_json(self) -> dict[str, str]:
        return {"text": self.text}


async def test_it_is_stored_as_it_says(serve: Serve) -> None:  # noqa: F811
    def at_end(channel: CascadeChannel, secret: bytes, frames: Sequence[bytes]) -> Kept:
        return Kept(f"toy_{channel.id}", channel.turn.owner, channel.turn.created, channel.state.text)

    storing = Storing("toy_{}".format, lambda channel, secret: at_end(channel, secret, ()), at_end)
    served = await serve(services={"surfaces": {**REGISTRY, "toy": replace(toy.surface, storing=storing)}})
    for keep in (False, True):
        await served.post("/toy/v1/say", {"say": "hi", "keep": keep})
    await until(lambda: served.writer.waiting == 0)
    store = served.services.responses
    turns = [channel.turn for channel in served.engine.channels]
    not_kept, kept = [await store.get(f"toy_{turn.id}", turn.owner) for turn in turns]
    assert not_kept is None
    assert kept is not None
    assert (kept.data, kept.items, kept.frames) == ({"text": "Hello"}, {"word_1"}, (b"frame",))


async def test_its_media_are_fetched(serve: Serve) -> None:  # noqa: F811
    served = await serve(services={"surfaces": WITH_TOY}, remote_urls=True)
    status, _, body = await served.post("/toy/v1/say", {"say": "hi", "look": "http://plain.test/a.png"})
    assert (status, list(body)) == (400, ["wrong"])
    assert "'look'" in body["wrong"]


async def test_doctor_holds_it_against_its_grammar(served: Served) -> None:
    async with aiohttp.ClientSession() as session:
        found = await doctor.turn(session, served.url, toy.surface)
    assert (found.name, found.ok) == ("toy", True), found.text


async def test_it_is_recorded_exported_and_shown(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surfaces, "REGISTRY", WITH_TOY)
    recorder = Recorder(tmp_path)
    recorder.attach(served.services.store)
    await served.post("/toy/v1/say", {"say": "hi", "stream": True})
    recorder.close()
    trace = trace_reader.find(tmp_path)
    assert [frame.frame for frame in trace.emitted if frame.frame] == [
        'data: {"heard":"Hel"}\n\n', 'data: {"heard":"lo"}\n\n', 'data: {"over":true}\n\n',
    ]  # fmt: skip
    client = json.loads(EXPORTS["har"].write([trace], WITH_TOY))["log"]["entries"][0]
    assert client["request"]["url"].endswith("/toy/v1/say")
    assert client["response"]["content"]["text"].endswith('data: {"over":true}\n\n')
    (resource,) = json.loads(EXPORTS["otel"].write([trace], WITH_TOY))["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"][0]["name"] == f"small_talk {MODEL}"
    channel = served.engine.channels[-1]
    copy = Replica(channel, channel.records, WITH_TOY[channel.turn.surface], bytes(32))
    assert len(list(copy.grow())) == channel.count
    assert copy.frames[-1].text == 'data: {"over":true}\n\n'


# -- what every surface tells --------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", WITH_TOY.values(), ids=WITH_TOY)
def test_every_surface_reads_its_own_samples(surface: Surface) -> None:
    prompt, more = surface.demo
    for body in (surface.sample(MODEL, prompt), {**surface.sample(MODEL, prompt), **more}):
        context = Context("turn_" + "1" * 32, 0, Catalogue().resolve)
        turn = surface.parse({"model": MODEL, **body}, context)
        assert (turn.surface, turn.model) == (surface.name, MODEL)
        assert prompt in json.dumps(turn.google_request["contents"])
        assert surface.input in body


@pytest.mark.parametrize("surface", WITH_TOY.values(), ids=WITH_TOY)
@pytest.mark.parametrize("stream", [True, False])
def test_every_surface_owns_where_it_is_spoken(surface: Surface, stream: bool) -> None:
    path = surface.url(MODEL, stream=stream).partition("?")[0]
    assert [found.name for found in WITH_TOY.values() if found.owns(path)] == [surface.name]
    assert paths.surface_at(path, WITH_TOY) is surface
    assert paths.suggestion(path, WITH_TOY) is None


def test_paths_of_no_surface_belong_to_the_first_one() -> None:
    assert paths.surface_at("/health", WITH_TOY) is next(iter(REGISTRY.values()))


def test_the_list_is_made_once_and_is_all_that_is_made() -> None:
    assert surfaces.REGISTRY is REGISTRY
    with pytest.raises(AttributeError, match="TOYS"):
        surfaces.TOYS  # noqa: B018


def test_surfaces_are_registered_by_their_names() -> None:
    assert all(name == surface.name for name, surface in REGISTRY.items())


SCHEMA = {"type": "object", "$schema": "x"}
GRAMMAR = {"type": "text"}
OF_OPENAI = (
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]},
    {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
    {"tools": [None, 7, {"function": 7}, {"type": "web_search"}, {"name": "f", "parameters": SCHEMA}]},
)
TOOLS = [
    *(("chat", body, {"f": SCHEMA}) for body in OF_OPENAI),
    *(("responses", body, {"f": SCHEMA}) for body in OF_OPENAI),
    ("chat", {"functions": [{"name": "f", "parameters": SCHEMA}, {"name": "g"}]}, {"f": SCHEMA, "g": None}),
    ("chat", {"tools": [{"type": "custom", "custom": {"name": "c", "format": GRAMMAR}}]}, {"c": GRAMMAR}),
    ("responses", {"tools": [{"type": "custom", "name": "c", "format": GRAMMAR}]}, {"c": GRAMMAR}),
    ("gemini", {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}]}, {"f": SCHEMA}),
    ("gemini", {"tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": SCHEMA}]}]},
     {"f": SCHEMA}),
    ("gemini", {"tools": [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}, {"googleSearch": {}}]},
     {"f": SCHEMA}),
    ("toy", {"say": "hi", "tool": "f"}, {"f": "any words"}),
    *((name, body, {}) for name in WITH_TOY for body in ({}, {"tools": "x"}, {"tools": [None, 7, {"function": 7}]})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "declared"), TOOLS)
def test_every_surface_finds_the_tools_of_a_body(name: str, body: Any, declared: dict[str, Any]) -> None:
    assert dict(WITH_TOY[name].tools(body)) == declared


# -- the house knows no surface by its name ------------------------------------------------------------------------

APIS = {"server.conversations", "server.models", "server.responses", "server.websocket"}  # what else such an API has
WORDS = {  # the same words in another meaning
    "responses": {  # the store of responses, in which more than one room has a share
        "cli.store", "compose", "core.budget", "server.response_writer", "store.responses", "store.sqlite",
        "testing.builders", "testing.replay_server",
        "agents.coders",  # a word of Codex' configuration
        "mcp.servers",  # the one API that can ask for an approval
    },
    "gemini": {  # a family of models, and one of Google's APIs
        "backends.base", "backends.runtime.backend", "server.counting",
        "agents.coders",  # a program's name
        "core.family", "capture.generation_config", "surfaces.common.models", "testing.simulator.google.families",
        "testing.simulator.google.rules.config", "testing.simulator.language_server.rpc",
    },
    "messages": {  # of Chat, of a mailbox
        "observe.summary", "observe.terminal", "surfaces.chat.__init__", "surfaces.chat.request",
        "surfaces.chat.samples", "surfaces.responses.request",
    },
    "chat": {"surfaces.base"},  # an operation's name in OpenTelemetry's words
}  # fmt: skip
COMPOSE = (
    "cli.",
    "compose",
    "recording",
    "testing.",
    "observe.trace_reader",
    "observe.indexing",
)  # which render and read what was recorded


def modules(word: str) -> Iterator[tuple[str, ast.AST]]:
    """(module, node) of the modules in which ``word`` stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        if word in text:
            module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
            yield from ((module, node) for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize("name", REGISTRY)
def test_no_module_outside_of_its_package_names_a_surface(name: str) -> None:
    found = {
        module for module, node in modules(name)
        if isinstance(node, ast.Constant) and node.value == name and not module.startswith(f"surfaces.{name}.")
    }  # fmt: skip
    assert found <= APIS | WORDS[name]


def test_one_module_says_what_stands_for_no_surface() -> None:
    found = {module for module, node in modules(PASSIVE) if isinstance(node, ast.Constant) and node.value == PASSIVE}
    assert found == {"core.turn", "capture.decision"}, "a decision's option is another thing"


def test_only_composing_modules_import_the_registry() -> None:
    takers = {
        module
        for module, node in modules("REGISTRY")
        if isinstance(node, ast.ImportFrom) and node.module == "zerogravity.surfaces"
        if any(alias.name == "REGISTRY" for alias in node.names)
    }
    assert takers
    assert [module for module in takers if not module.startswith(COMPOSE)] == []


def test_what_only_interception_serves_is_refused_by_the_surfaces_own_name(make_turn: Any) -> None:
    params = {surface.name: surface.schema_param for surface in WITH_TOY.values()}
    schema = {"contents": [], "generationConfig": {"responseSchema": {"type": "OBJECT"}}}
    with pytest.raises(FaultError) as raised:
        refuse(make_turn(surface="toy", google_request=schema), params)
    assert raised.value.fault.param is None
