"""Real agents of Google's SDK under passive capture: they get what they would have got, and everything is recorded."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from click.testing import CliRunner
from mitmproxy.contentviews import Metadata
from mitmproxy.io import FlowReader

from tests.e2e.support import quick
from tests.runtime.driving import KEY, Agents, agents
from tests.waiting import until
from zerogravity.capture.contentview import GoogleStreamContentview
from zerogravity.cli import traces as commands
from zerogravity.observe import trace_reader
from zerogravity.observe.trace_reader import Trace
from zerogravity.testing.simulator.google import GoogleSimulator
from zerogravity.testing.simulator.stack import Mode, Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PUBLIC = "https://generativelanguage.googleapis.com"


@dataclass
class Watched:
    """A path with passive capture, and two programs that are watched."""

    mode: Mode
    stack: Stack
    google: GoogleSimulator
    folder: Path
    agents: list[Agents] = field(default_factory=list[Agents])

    @property
    def traces(self) -> Path:
        return self.folder / "traces"

    @property
    def variables(self) -> dict[str, str]:
        """What puts a program of Google's under our capture."""
        if self.mode == "reverse":
            base = f"http://127.0.0.1:{self.stack.proxy_port}"
            return {"GOOGLE_GEMINI_BASE_URL": base, "GOOGLE_VERTEX_BASE_URL": base}
        options = self.stack.ls.options
        return {"HTTPS_PROXY": options.proxy_url, "SSL_CERT_FILE": str(options.proxy_ca)}

    def of(self, conversation: str) -> list[Trace]:
        """The traces of a conversation, oldest first."""
        return [trace for trace in trace_reader.scan(self.traces) if trace.conversation == conversation][::-1]

    def command(self, *words: str) -> str:
        """What one of the commands ``trace …`` prints."""
        done = CliRunner().invoke(commands.trace, ["--dir", str(self.traces), *words])
        assert done.exception is None, done.output
        return done.stdout


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["reverse", "proxy"])
async def watched(
    request: pytest.FixtureRequest, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    mode: Mode = request.param
    folder = tmp_path_factory.mktemp("watched")
    async with GoogleSimulator(tls=mode == "proxy") as google:
        authority = folder / "google.pem"
        authority.write_bytes(google.ca_pem)
        options = StackOptions(
            mode=mode, upstream=google.url, api="public", ls=quick(),
            upstream_ca=authority if mode == "proxy" else None,
            settings={"capture_passive": "true", "trace": "true", "trace_dir": str(folder / "traces")},
            mitm_settings={"save_stream_file": str(folder / "flows")},
        )  # fmt: skip
        async with Stack(options) as stack:
            made = Watched(mode, stack, google, folder)
            started = (agents(environment, folder, **made.variables) for _ in range(2))
            async with next(started) as one, next(started) as other:
                made.agents += one, other
                yield made
        assert "Traceback" not in "\n".join(stack.output)


@dataclass
class Case:
    """``text``, ``thoughts``: in the last answer. ``called``: the tools of all answers. ``codes``: of the traces."""

    does: dict[str, Any]
    text: str = ""
    thoughts: str = ""
    called: list[str] = field(default_factory=list[str])
    structured: Any = None
    error: str = ""
    codes: list[str] = field(default_factory=lambda: ["ok"])


WEATHER = "sunny in Rome"
CASES = {
    "text": Case({"say": ["sim:text hello"]}, text="Here is an answer in several pieces"),
    "thinking": Case({"say": ["sim:think hello"]}, text="as the real one would come", thoughts="I know what to do."),
    "its own tools": Case({"say": ["sim:think hello"], "builtin": True}, text="Here is", thoughts="I know what to do."),
    "a tool": Case(
        {"say": ["sim:tool get_weather"], "tools": ["get_weather", "get_time"]},
        text=WEATHER, called=["get_weather"], codes=["tool", "ok"],
    ),
    "parallel tools": Case(
        {"say": ["sim:parallel 3 get_weather"], "tools": ["get_weather"]},
        text=WEATHER, called=["get_weather"] * 3, codes=["tool", "ok"],
    ),
    "structured": Case(
        {
            "say": ["sim:tool finish"],
            "schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
        },
        called=["finish"], structured={"answer": "answer"}, codes=["tool"],
    ),
    "retries": Case(
        {"say": ["sim:flaky 2 a try"], "retry_ms": 20}, text="a try", codes=["upstream_status", "upstream_status", "ok"]
    ),
    "429": Case({"say": ["sim:429-bare no"], "retry_ms": 20}, error="Error 429", codes=["upstream_status"] * 3),
    "400": Case({"say": ["sim:400 no"]}, error="Error 400", codes=["upstream_status"]),
    "safety": Case({"say": ["sim:safety sim:text no"]}, text="Here is", codes=["filtered", "ok"]),
    "an image": Case({"say": [["look at this", {"png": PNG}]]}, text="look at this"),
    "two turns": Case({"say": ["sim:think one", "sim:text two"]}, text="Here is", codes=["ok", "ok"]),
    "Vertex": Case(
        {"say": ["sim:think hello"], "config": {"vertex": True, "api_key": KEY}},
        text="Here is", thoughts="I know what to do.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_an_agent(watched: Watched, case: Case) -> None:
    watched.google.requests.clear()
    answers = await watched.agents[0].run(case.does)

    # the agent got its answer
    last = answers[-1]
    assert case.error in (last["error"] or "")
    assert bool(last["error"]) == bool(case.error), last
    assert case.text in last["text"]
    assert case.thoughts in last["thoughts"]
    assert [name for answer in answers for name, _ in answer["calls"]] == case.called
    assert last.get("structured") == case.structured

    # each call to Google is a turn of the conversation that it names
    received = watched.google.agent_requests
    (conversation,) = {one.body["sessionId"] for one in received}
    await until(lambda: [trace.closed for trace in watched.of(conversation)] == [True] * len(case.codes))
    traces = watched.of(conversation)
    assert [trace.info["code"] for trace in traces] == case.codes
    for trace, one in zip(traces, received, strict=True):
        original, sent = trace.body("upstream_request.original"), trace.body("upstream_request")
        assert original is not None and sent is not None
        assert original["body"] == sent["body"] == one.body
        assert trace.google_request == one.body
        (line,) = trace.lines().values()
        assert line.http_version == ("HTTP/2.0" if watched.mode == "proxy" else "HTTP/1.1")
        assert one.path in line.url
    told = [answer["usage"] for answer in answers if not case.error]
    for ours, theirs in (("prompt", "prompt_token_count"), ("candidates", "candidates_token_count")):
        spent = sum(getattr(trace.state.usage, ours) for trace in traces)
        assert spent == sum(usage[theirs] for usage in told)
    await shown(watched, conversation, traces)
    no_key(watched)


async def shown(watched: Watched, conversation: str, traces: list[Trace]) -> None:
    """The conversation in all that shows turns."""
    listed = json.loads(watched.command("ls", "--conversation", conversation, "--json"))
    assert [one["id"] for one in listed] == [trace.id for trace in reversed(traces)]
    page = watched.command("show", traces[-1].id, "--no-requests")
    assert conversation in page
    assert traces[-1].short in page
    ids = [trace.id for trace in traces]
    archive = json.loads(watched.command("export", *ids, "--format", "har"))["log"]
    assert {entry["pageref"] for entry in archive["entries"]} == {page["id"] for page in archive["pages"]}
    assert {page["id"] for page in archive["pages"]} == {trace.info["session"] for trace in traces}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await http.get(watched.stack.inspector_url)
        async with http.get(f"{watched.stack.url}/inspector/api/turns") as answer:
            rows = {row["id"]: row for row in (await answer.json())["turns"]}
    assert {rows[one]["conversation"] for one in ids} == {conversation}
    assert [one for one, row in rows.items() if row["conversation"] == conversation] == ids


def no_key(watched: Watched) -> None:
    """The key reached Google, and nothing that we keep or print has it."""
    assert all(one.headers.get("x-goog-api-key") == KEY for one in watched.google.agent_requests)
    kept = [path for path in watched.traces.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []
    assert KEY not in "\n".join(watched.stack.output)


async def test_other_calls_of_the_public_api_pass(watched: Watched) -> None:
    """What is no generate call is neither changed nor recorded."""
    began = round(time.time(), 3)
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    calls = [
        ("GET", "/v1beta/models", None),
        ("GET", "/v1beta/models/gemini-3-flash", None),
        ("GET", "/v1beta/models/no-such-model", None),
        ("POST", "/v1beta/models/gemini-3-flash:countTokens", contents),
        ("POST", "/v1beta/models/no-such-model:countTokens", contents),
        ("GET", "/v1beta/files", None),
    ]
    for method, path, body in calls:
        direct = await asked(watched, watched.google.url, method, path, body)
        assert await asked(watched, None, method, path, body) == direct
    assert [trace.id for trace in trace_reader.scan(watched.traces) if trace.info["created"] >= began] == []


async def asked(watched: Watched, base: str | None, method: str, path: str, body: Any) -> tuple[int, str, bytes]:
    """(status, type, body) of Google itself, or through us as a program would ask."""
    trust = str(watched.stack.ls.options.proxy_ca) if base is None and watched.mode == "proxy" else None
    context: Any = ssl.create_default_context(cafile=trust) if trust else False
    proxy = watched.variables.get("HTTPS_PROXY") if base is None else None
    url = base or watched.variables.get("GOOGLE_GEMINI_BASE_URL") or PUBLIC
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.request(method, url + path, json=body, headers={"x-goog-api-key": KEY}, proxy=proxy) as answer,
    ):
        return answer.status, answer.headers["content-type"], await answer.read()


async def test_agents_side_by_side_keep_their_conversations_apart(watched: Watched) -> None:
    watched.google.requests.clear()
    say = ["sim:tool get_weather", "sim:think and now?"]
    both = await asyncio.gather(*(agent.run({"say": say, "tools": ["get_weather"]}) for agent in watched.agents))
    assert all(answer["error"] is None for answers in both for answer in answers)
    conversations = {one.body["sessionId"] for one in watched.google.agent_requests}
    assert len(conversations) == 2
    for conversation in conversations:
        await until(lambda conversation=conversation: len(watched.of(conversation)) == 3)
        await until(lambda conversation=conversation: all(one.closed for one in watched.of(conversation)))
        assert [trace.info["code"] for trace in watched.of(conversation)] == ["tool", "ok", "ok"]


async def test_the_contentview_shows_a_watched_answer(watched: Watched) -> None:
    await watched.agents[0].run({"say": ["sim:think seen by mitmproxy"]})
    saved = watched.folder / "flows"
    await until(lambda: saved.exists() and b"seen by mitmproxy" in saved.read_bytes())
    with saved.open("rb") as file:
        flow = [flow for flow in FlowReader(file).stream() if b"seen by mitmproxy" in flow.request.content][-1]
    view, content = GoogleStreamContentview(), flow.response.get_content()
    told = Metadata(flow=flow, content_type=flow.response.headers["content-type"], http_message=flow.response)
    assert view.render_priority(content, told) > 1
    page = view.prettify(content, told)
    assert "== thinking ==\n**Reading the request**" in page
    assert "Here is an answer in several pieces" in page
