"""One secret in every place where somebody can put one, and a look into every sink: it is in none of them.

The whole path with real mitmdump, its log at its most talkative, spans with contents, traces on. What a client said it
may read in its own answer; what Google and the language server said of theirs nobody may.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from click.testing import CliRunner

from tests.e2e.support import MODEL, at_rest, quick
from zerogravity.cli.main import main
from zerogravity.observe import trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.simulator.google import Scenario, call, calls, event, failure
from zerogravity.testing.simulator.google import answer as answered
from zerogravity.testing.simulator.google.scenarios import error_info
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FORMS = ("sk-{}", "AIza{}", "ya29.{}", "ghp_{}", "eyJhbGciOiJI.eyJzdWIi{}.c2ln", "1//0{}")
CLIENT = {  # in its own answer a client may find what it sent
    "authorization", "x-api-key", "x-goog-api-key", "x-request-id", "unknown-header", "header-name", "user-agent",
    "x-stainless", "host", "origin", "path", "escaped-path", "key-parameter", "query", "unknown-model", "model",
    "tool-name", "schema-default", "schema-enum", "schema-const", "schema-note", "schema-free", "metadata",
    "metadata-name", "user", "prompt", "split-prompt", "arguments", "arguments-member", "result", "url-userinfo",
    "url-key", "pem",
    "unknown-member", "bad-body", "cookie", "websocket", "websocket-header", "previous", "upgrade", "call-id",
}  # fmt: skip
OTHERS = {
    "google-message",
    "google-details",
    "google-bearer",
    "ls-error",
    "ls-csrf",
    "google-call",
    "google-args",
    "google-finish",
}


def core(place: str) -> str:
    return blake2b(place.encode(), digest_size=12).hexdigest()


def secret(place: str, form: int | None = None) -> str:
    """As the redactor knows them, in one of the forms."""
    assert place in CLIENT | OTHERS, place
    return FORMS[sum(place.encode()) % len(FORMS) if form is None else form].format(core(place))


class Talkative(Stack):
    """Keeps everything that mitmdump says."""

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self.output.append((await process.stdout.read()).decode(errors="replace"))


# -- what is sent --------------------------------------------------------------------------------------------------

LOGIN = {
    "type": "object",
    "properties": {
        "password": {"type": "string", "default": core("schema-default")},
        "apiKey": {"type": "string", "enum": [core("schema-enum"), "other"]},
        "accessToken": {"type": "string", "const": core("schema-const"), "examples": [core("schema-note")]},
        "city": {"type": "string", "default": secret("schema-free")},
    },
}
PEM = f"-----BEGIN PRIVATE KEY-----\n{core('pem')}\n-----END PRIVATE KEY-----"
PROMPT = "\n".join((
    secret("prompt"), PEM, f"https://user:{core('url-userinfo')}@example.org/",
    f"https://example.org/?key={core('url-key')}", f"password = '{core('prompt')}'",
))  # fmt: skip
HEADERS = {
    "Authorization": f"Bearer {core('authorization')}", "x-api-key": core("x-api-key"),
    "x-goog-api-key": core("x-goog-api-key"), "x-request-id": secret("x-request-id", 0),
    "x-something": core("unknown-header"), secret("header-name", 0): "x", "User-Agent": secret("user-agent"),
    "x-stainless-lang": secret("x-stainless"), "Cookie": f"session={core('cookie')}",
}  # fmt: skip
ARGUMENTS = json.dumps({"note": secret("arguments"), "password": core("arguments-member")})


def turns(model: str) -> list[tuple[str, dict[str, Any]]]:
    """The same on each surface: (path, body)."""
    tool, call = secret("tool-name", 0), secret("call-id", 0)
    said = {"token": core("metadata"), secret("metadata-name", 0): "x", "user": secret("user")}
    function = {"name": tool, "parameters": LOGIN}
    return [
        ("/v1/responses", {
            "model": model, "metadata": said, "stream": True, "tools": [{"type": "function", **function}],
            "safety_identifier": secret("user"),
            "input": [
                {"type": "function_call", "call_id": call, "name": tool, "arguments": ARGUMENTS},
                {"type": "function_call_output", "call_id": call, "output": secret("result")},
                {"role": "user", "content": PROMPT},
            ],
        }),
        ("/v1/chat/completions", {
            "model": model, "metadata": said, "user": secret("user"), "stream": True,
            "tools": [{"type": "function", "function": function}],
            "messages": [
                {"role": "assistant", "tool_calls": [
                    {"id": call, "type": "function", "function": {"name": tool, "arguments": ARGUMENTS}},
                ]},
                {"role": "tool", "tool_call_id": call, "content": secret("result")},
                {"role": "user", "content": PROMPT},
            ],
        }),
        (f"/v1beta/models/{model}:generateContent", {
            "labels": {"token": core("metadata")},
            "tools": [{"functionDeclarations": [{"name": tool, "parametersJsonSchema": LOGIN}]}],
            "contents": [
                {"role": "user", "parts": [{"text": PROMPT}]},
                {"role": "model", "parts": [{"functionCall": {"name": tool, "args": json.loads(ARGUMENTS)},
                                             "thoughtSignature": "skip_thought_signature_validator"}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": tool, "response": {"output": secret("result")}}},
                ]},
                {"role": "user", "parts": [{"text": PROMPT}]},
            ],
        }),
    ]  # fmt: skip


def refused() -> list[tuple[str, str, dict[str, str], bytes]]:
    """(method, target, headers, body) of what becomes no turn."""
    plain = {"Content-Type": "application/json"}
    body = json.dumps({"model": MODEL, "input": "hi"}).encode()
    gone = json.dumps({"model": MODEL, "input": "hi", "previous_response_id": secret("previous", 0)}).encode()
    unknown = json.dumps({"model": secret("unknown-model"), "input": "hi"}).encode()
    return [
        ("POST", f"/v1/nothing/{secret('path', 0)}", plain, body),
        ("POST", f"/v1/nothing%2F{secret('escaped-path', 0)}%3Fkey%3D{core('escaped-path')}", plain, body),
        ("GET", f"/v1/models/{secret('model')}?key={core('key-parameter')}&x={secret('query', 0)}", {}, b""),
        ("POST", f"/v1beta/models/{secret('model', 0)}:generateContent?key={core('key-parameter')}", plain, body),
        ("POST", "/v1/responses", plain, unknown),
        ("POST", "/v1/responses", plain, gone),
        ("POST", "/v1/responses", plain, b'{"' + secret("bad-body").encode()),
        ("POST", "/v1/responses", {**plain, "Host": f"{secret('host', 0)}.example:1"}, body),
        ("POST", "/v1/responses", {**plain, "Origin": f"https://{secret('origin', 0)}.example"}, body),
        ("GET", "/v1/responses", {"Upgrade": "websocket", "Connection": "upgrade",
                                  "Sec-WebSocket-Key": secret("upgrade")}, b""),
    ]  # fmt: skip


async def raw(port: int, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request exactly as it is; the head of its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    told = {"Host": f"127.0.0.1:{port}", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[0]


async def drive(stack: Stack, http: aiohttp.ClientSession) -> tuple[str, str]:
    """Everything, once. (headers of all answers, bodies of the answers to what others said)"""
    heads: list[str] = []
    foreign: list[str] = []
    port = int(stack.url.rpartition(":")[2])
    assert stack.google is not None

    async def post(path: str, body: dict[str, Any], headers: dict[str, str] = HEADERS) -> str:
        async with http.post(stack.url + path, json=body, headers=headers) as answer:
            heads.append(f"{answer.status} {dict(answer.headers)}")
            return (await answer.read()).decode()

    for request in refused():
        heads.append((await raw(port, *request)).decode("latin-1"))
    for path, body in turns(MODEL):
        stack.google.script(answered(PROMPT, thoughts=(PROMPT,)))
        await post(path, body)
    pieces = [secret("split-prompt", 0)[at : at + 3] for at in range(0, 40, 3)]
    for path, body in turns(MODEL):
        stack.google.script(answered(*pieces))
        await post(path, body)
        stack.google.script(calls(call(secret("google-call", 0), {"password": core("google-args")})))
        await post(path, body)
        finish = event({"text": "x"}, finish="SAFETY", finishMessage=f"because of {secret('google-finish')}")
        stack.google.script(Scenario([(0, finish)]))
        await post(path, body)
    await post(path, {**body, secret("unknown-member", 0): 1})
    good = len(heads) - 1
    quoted = f"Request had invalid credentials: Bearer {core('google-message')} of {stack.ls.options.token}"
    info = error_info("X", token=core("google-details"), url=f"https://x.example/?key={core('google-details')}")
    for status, word in ((401, "UNAUTHENTICATED"), (429, "RESOURCE_EXHAUSTED"), (400, "INVALID_ARGUMENT")):
        for path, body in turns(MODEL):
            stack.google.script(failure(status, word, quoted, [info]))
            foreign.append(await post(path, body))
    stack.ls.options.refusals = {"StartCascade": (500, "internal", f"bad token={secret('ls-error')}")}
    for path, body in turns(MODEL):
        foreign.append(await post(path, body))
    stack.ls.options.refusals = {}
    socket_headers = {**HEADERS, "x-other": core("websocket-header")}
    async with http.ws_connect(f"{stack.url}/v1/responses", headers=socket_headers) as socket:
        await socket.send_str(json.dumps({"type": secret("websocket")}))
        await socket.receive(timeout=20)
        stack.google.script(answered("hi"))
        await socket.send_str(json.dumps({"type": "response.create", "model": MODEL, "input": secret("websocket")}))
        async for message in socket:
            if "response.completed" in message.data or "error" in message.json():
                break
    await at_rest(stack)
    assert all(head.startswith("200") for head in heads[len(refused()) : good])
    return "\n".join(heads), "\n".join(foreign)


# -- what is looked at ---------------------------------------------------------------------------------------------


async def inspected(stack: Stack, http: aiohttp.ClientSession) -> dict[str, str]:
    """Every view of every turn."""
    found: dict[str, str] = {}

    async def get(path: str) -> Any:
        async with http.get(f"{stack.url}/inspector/{path}") as answer:
            text = await answer.text()
            assert answer.status == 200, (path, text)
            found[path] = text
            return json.loads(text) if path.startswith("api") else None

    await http.get(stack.inspector_url)
    await get("")
    listed = await get("api/turns?limit=1000")
    assert listed["turns"]
    for turn in listed["turns"]:
        for view in ("", "/conversation", "/tools", "/bodies", "/records", "/frames", "/records/0"):
            await get(f"api/turns/{turn['id']}{view}")
    return found


def exported(folder: Path) -> dict[str, str]:
    """The traces themselves, every export of them, and what the commands say."""
    traces = list(trace_reader.scan(folder))
    assert len(traces) > 10
    found = {"traces": "\n".join(file.read_text("utf-8", "replace") for file in folder.rglob("*") if file.is_file())}
    for name, (write, *_) in EXPORTS.items():
        data = write(traces, REGISTRY)
        if name == "bundle":
            archive = zipfile.ZipFile(io.BytesIO(data))
            data = b"\n".join(archive.read(one) for one in archive.namelist())
        found[f"export {name}"] = data.decode("utf-8", "replace")
    runner = CliRunner()
    for arguments in (["ls", "--json"], ["errors"], ["errors", "--json"], *(["show", one.id] for one in traces),
                      *(["show", one.id, "--json"] for one in traces)):  # fmt: skip
        outcome = runner.invoke(main, ["trace", "--dir", str(folder), *arguments])
        assert outcome.exit_code == 0, outcome.output
        found[f"trace {' '.join(arguments)}"] = outcome.output
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sinks(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("secrets")
    options = StackOptions(
        ls=quick(token=secret("google-bearer", 2), csrf=core("ls-csrf")),
        settings={"trace": "true", "trace_dir": str(folder / "traces"), "capture_passive": "true"},
        mitm_settings={"termlog_verbosity": "debug"},
        env={"ZEROGRAVITY_DATA_DIR": str(folder / "data"), "OTEL_TRACES_EXPORTER": "console",
             "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
    )  # fmt: skip
    found: dict[str, str] = {}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), cookie_jar=jar) as http:
        stack = Talkative(options)
        async with stack:
            found["headers of answers"], found["answers"] = await drive(stack, http)
            for path in ("/metrics", "/ready", "/health", "/v1/models"):
                async with http.get(stack.url + path) as answer:
                    found[path] = await answer.text()
            found |= {f"inspector {path}": text for path, text in (await inspected(stack, http)).items()}
    found["log"] = "\n".join(stack.output)
    found |= exported(folder / "traces")
    found["usage"] = (folder / "data" / "usage.sqlite").read_bytes().decode("latin-1")
    yield found


async def test_the_sinks_are_filled(sinks: dict[str, str]) -> None:
    """What is held against them below has been there."""
    assert '"path": "/v1/nothing/[redacted]"' in sinks["log"]
    assert sinks["log"].count('"request_id"') > 25
    assert '"gen_ai.input.messages"' in sinks["log"]
    assert "login" in sinks["answers"]
    assert "[redacted]" in sinks["traces"]
    assert MODEL in sinks["usage"]
    assert len(sinks) > 100


@pytest.mark.parametrize("place", sorted(CLIENT | OTHERS))
async def test_a_secret_is_in_no_sink(sinks: dict[str, str], place: str) -> None:
    wanted = core(place)
    held = [name for name, text in sinks.items() if wanted in text and not (name == "answers" and place in CLIENT)]
    shown = {name: sinks[name][max(0, (at := sinks[name].index(wanted)) - 100) : at + 60] for name in held[:3]}
    assert not held, shown
