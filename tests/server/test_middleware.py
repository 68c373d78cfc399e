"""Who is let in: Host, Origin, key; on every route, matched or not (T1, T2, T4, T5, H27, H28, H30)."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import web

from tests.server.support import Serve, Served, forever
from zerogravity.errors import FaultError, internal
from zerogravity.server.middleware import owner_of

ROUTES = [
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses"),
    ("GET", "/v1/responses/resp_1"),
    ("DELETE", "/v1/responses/resp_1"),
    ("POST", "/v1/responses/resp_1/cancel"),
    ("POST", "/v1/responses/compact"),
    ("POST", "/v1/conversations"),
    *((method, "/v1/conversations/conv_1") for method in ("GET", "POST", "DELETE")),
    *((method, "/v1/conversations/conv_1/items") for method in ("GET", "POST")),
    *((method, "/v1/conversations/conv_1/items/msg_1") for method in ("GET", "DELETE")),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/messages/batches"),
    ("POST", "/v1beta/models/gemini-3-flash:generateContent"),
    ("POST", "/v1/models/gemini-3-flash:countTokens"),
    ("GET", "/v1/models"),
    ("GET", "/v1beta/models/gemini-3-flash"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
    ("GET", "/run/k3f9"),
    ("POST", "/run/k3f9"),
    ("POST", "/run/k3f9/v1/messages"),
    ("POST", "/v1/token"),
    ("GET", "/nothing/here"),
    ("OPTIONS", "/v1/responses"),
    ("PATCH", "/v1/responses"),
]
HELLO = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
KEY = "zg-right-key-0123456789"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost:1", "localhost", "127.0.0.1:80",
                                  "user@localhost:{port}", "localhost:{port}/x", "localhost:port", "127.0.0.2:{port}",
                                  "localhost:{port}:{port}", "[::1:{port}", ""])  # fmt: skip
async def test_h27_foreign_host_reaches_nothing(serve: Serve, host: str) -> None:
    served = await serve()
    for method, path in ROUTES:
        status, headers, body = await served.ask(method, path, {"Host": host.format(port=served.running.port)})
        assert status == 421, (method, path)
        assert b"misdirected" in body or b"MISDIRECTED" in body or b"allowed_hosts" in body
        assert not [name for name in headers if name.startswith("access-control")]
    assert not served.engine.channels


@pytest.mark.parametrize("host", ["localhost:{port}", "LocalHost:{port}", "127.0.0.1:{port}", "[::1]:{port}",
                                  "localhost.:{port}"])  # fmt: skip
async def test_own_names_are_served(serve: Serve, host: str) -> None:
    served = await serve()
    status, _, _ = await served.ask("GET", "/health", {"Host": host.format(port=served.running.port)})
    assert status == 200


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("box.lan", "box.lan:{port}", 200),
        ("box.lan", "BOX.lan:{port}", 200),
        ("box.lan", "box.lan:1", 421),
        ("box.lan", "sub.box.lan:{port}", 421),
        ("box.lan:443", "box.lan:443", 200),
        ("box.lan:443", "box.lan:{port}", 421),
        ("box.lan:80", "box.lan", 200),
        ("bücher.lan", "xn--bcher-kva.lan:{port}", 200),
        ("xn--bcher-kva.lan", "xn--BCHER-kva.lan:{port}", 200),
        ("bücher.lan", "bucher.lan:{port}", 421),
        ("bücher.lan:443", "xn--bcher-kva.lan:443", 200),
    ],
)
async def test_configured_names(serve: Serve, allowed: str, host: str, status: int) -> None:
    served = await serve(allowed_hosts=(allowed,))
    found, _, _ = await served.ask("GET", "/health", {"Host": host.format(port=served.running.port)})
    assert found == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example{path}", 421),
        ("http://localhost:1{path}", 421),
        ("http://127.0.0.1:{port}@evil.example{path}", 421),
        ("http://127.0.0.1:{port}{path}", 200),
    ],
)
async def test_h27_absolute_target_is_checked_beside_the_host(serve: Serve, target: str, status: int) -> None:
    served = await serve()
    for path in ("/health", "/ready", "/metrics", "/v1/models", "/v1beta/models"):
        found, _, _ = await served.ask("GET", target.format(port=served.running.port, path=path))
        assert found == status, path


@pytest.mark.parametrize(
    ("fields", "size", "status"), [(100, 100, 200), (129, 1, 400), (12, 5000, 200), (16, 5000, 431)]
)
async def test_headers_in_number_and_in_all(serve: Serve, fields: int, size: int, status: int) -> None:
    served = await serve()
    for path in ("/health", "/v1/models", "/v1beta/models"):
        found, _, body = await served.ask("GET", path, {f"X-{number}": "s" * size for number in range(fields)})
        assert found == status
        assert b"ssss" not in body


async def test_h28_foreign_pages_reach_nothing(serve: Serve) -> None:
    served = await serve()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://evil.example:{served.running.port}"},
        {"Origin": f"https://localhost:{served.running.port + 1}"},
        {"Origin": f"chrome-extension://localhost:{served.running.port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"http://localhost:{served.running.port}", "Sec-Fetch-Site": "cross-site"},
    ):
        for method, path in ROUTES:
            status, told, body = await served.ask(method, path, headers, json.dumps(HELLO).encode())
            assert status == 403, (headers, method, path)
            assert told["x-should-retry"] == "false"
            assert b"other web pages" in body
            assert b"to allow one, add its origin" in body
            assert b"to cors_origins" in body
            assert not [name for name in told if name.startswith("access-control")]
    assert not served.engine.channels


@pytest.mark.parametrize("headers", [{"Origin": "http://localhost:{port}"}, {"Origin": "http://127.0.0.1:{port}"},
                                     {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}])  # fmt: skip
async def test_own_pages_and_typed_addresses_are_served(serve: Serve, headers: dict[str, str]) -> None:
    served = await serve()
    own = {name: value.format(port=served.running.port) for name, value in headers.items()}
    status, told, _ = await served.ask("POST", "/v1/chat/completions", own, json.dumps(HELLO).encode())
    assert status == 200
    assert not [name for name in told if name.startswith("access-control")]


async def test_configured_origin_gets_its_preflight_and_its_answers(serve: Serve) -> None:
    page = "https://app.example"
    served = await serve(cors_origins=(page,), key=KEY)
    from_page = {"Origin": page, "Sec-Fetch-Site": "cross-site"}
    status, told, body = await served.ask("OPTIONS", "/v1/chat/completions", from_page)
    assert (status, body) == (204, b"")
    assert told["access-control-allow-origin"] == page
    assert told["access-control-allow-headers"] == "authorization, content-type"
    assert "access-control-allow-private-network" not in told
    for asked, allowed in (
        ("authorization,x-stainless-os, OpenAI-Beta", "authorization,x-stainless-os, OpenAI-Beta"),
        ("x;y", "authorization, content-type"),
        ("*", "authorization, content-type"),
    ):
        more = {"Access-Control-Request-Headers": asked, "Access-Control-Request-Private-Network": "true"}
        _, told, _ = await served.ask("OPTIONS", "/v1/chat/completions", {**from_page, **more})
        assert told["access-control-allow-headers"] == allowed
        assert told["access-control-allow-private-network"] == "true"
    assert told["vary"] == "Origin"
    sent = json.dumps(HELLO).encode()
    status, told, _ = await served.ask("POST", "/v1/chat/completions", {**from_page, "x-api-key": KEY}, sent)
    assert (status, told["access-control-allow-origin"]) == (200, page)
    assert "request-id" in told["access-control-expose-headers"].split(", ")
    status, told, _ = await served.ask("POST", "/v1/chat/completions", from_page, sent)
    assert (status, told["access-control-allow-origin"]) == (401, page), "the page must be able to read why"
    status, told, _ = await served.ask("OPTIONS", "/v1/chat/completions", {"Origin": "https://other.example"})
    assert status == 403
    assert "access-control-allow-origin" not in told


@pytest.mark.parametrize("form", ["Bearer", "bearer", "x-api-key", "x-goog-api-key", "query"])
async def test_h30_key_in_every_form(serve: Serve, form: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    served = await serve(key=KEY, keys=("zg-second-key",))

    async def ask(key: str) -> tuple[int, bytes, bytes]:
        """A turn, and both lists of models: their one status, and the bodies of the first two."""
        headers = {"authorization": f"{form} {key}"} if form.lower() == "bearer" else {form: key}
        query = ""
        if form == "query":
            headers, query = {}, f"?key={key}"
        chat = await served.ask("POST", f"/v1/chat/completions{query}", headers, json.dumps(HELLO).encode())
        gemini = await served.ask("GET", f"/v1beta/models{query}", headers)
        listing = await served.ask("GET", f"/v1/models{query}", headers)
        assert chat[0] == gemini[0] == listing[0]
        return chat[0], chat[2], gemini[2]

    assert (await ask(KEY))[0] == 200
    assert (await ask("zg-second-key"))[0] == 200
    for wrong in (KEY[:-1], KEY + "x", "zg-wrong-key"):
        status, openai, google = await ask(wrong)
        assert status == 401
        assert json.loads(openai)["error"] == {
            "message": "Incorrect API key provided.",
            "type": "authentication_error",
            "param": None,
            "code": "invalid_api_key",
        }
        assert json.loads(google)["error"]["code"] == 401
        assert json.loads(google)["error"]["status"] == "UNAUTHENTICATED"
        assert wrong.encode() not in openai + google
    for secret in (KEY, "zg-second-key", "zg-wrong-key"):
        assert secret not in caplog.text
    assert "zerogravity.access" in caplog.text


@pytest.mark.parametrize(("given", "status"), [((KEY, "login"), 200), (("login", KEY), 401), (("", KEY), 200)])
async def test_of_two_keys_anthropics_counts(serve: Serve, given: tuple[str, str], status: int) -> None:
    served = await serve(key=KEY)
    own, bearer = given
    headers = {"x-api-key": own, "Authorization": f"Bearer {bearer}", "anthropic-version": "2023-06-01"}
    told = await served.ask("GET", "/v1/models", headers)
    assert told[0] == status
    if status == 401:
        assert json.loads(told[2]) == {
            "type": "error", "request_id": told[1]["request-id"],
            "error": {"type": "authentication_error", "message": "invalid x-api-key: Incorrect API key provided."},
        }  # fmt: skip


async def test_no_key_at_all(serve: Serve) -> None:
    served = await serve(key=KEY)
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {KEY}"}):
        for method, path in ROUTES:
            if path in ("/health", "/ready"):
                continue
            status, told, body = await served.ask(method, path, headers)
            assert status == 401, (headers, method, path)
            assert told["x-should-retry"] == "false"
            assert b"You did not provide an API key." in body
    assert (await served.ask("GET", "/health"))[0] == 200
    assert (await served.ask("GET", "/ready"))[0] == 200


@pytest.mark.parametrize("path", ["/inspector/../v1/models", "/inspector/%2e%2e/v1/models", "//v1/models",
                                  "/health/../v1/models", "/health/", "/%2Fhealth", "/V1/models", "/inspectors",
                                  "/healthy"])  # fmt: skip
async def test_no_spelling_of_a_path_gets_past_the_key(serve: Serve, path: str) -> None:
    served = await serve(key=KEY)
    status, _, body = await served.ask("GET", path)
    if path.startswith("/inspector/"):  # to its own guard
        assert status == 404
        assert b"Unknown URL" in body
    else:
        assert status == 401


async def test_key_of_odd_bytes_is_only_compared(serve: Serve) -> None:
    served = await serve(key=KEY)
    for key in ("'; DROP TABLE keys; --", "\xff\xfe", "{key}", "%s%n", "a" * 4000):
        status, _, body = await served.ask("GET", "/v1/models", {"x-api-key": key})
        assert status == 401
        assert key.encode("latin-1") not in body


def test_owners_stay_the_same() -> None:
    """Stored responses outlive us: a key that named somebody else after an update would lose them all."""
    assert owner_of(KEY) == "41521831989bed115b9c9878"
    assert owner_of("") == ""


async def test_an_answer_that_has_begun_is_broken_off(serve: Serve) -> None:
    """A second status line in the middle of it would be read as content."""

    async def begun(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise FaultError(internal("too late"))

    served = await serve(services={"mount": lambda app: app.router.add_get("/begun", begun)})
    status, _, body = await served.ask("GET", "/begun")
    assert status == 200
    assert body == b"4\r\nhalf\r\n"


async def test_too_many_requests_at_once_are_refused(serve: Serve) -> None:
    served = await serve(limits={"requests": 1})
    served.engine.script = forever
    first = asyncio.create_task(served.post("/v1/chat/completions", HELLO))
    channel = await served.engine.begun()
    status, told, body = await served.ask("GET", "/health")
    assert (status, told["retry-after"]) == (503, "1")
    assert json.loads(body)["error"]["code"] == "overloaded"
    served.engine.cancel(channel)
    await first
    assert (await served.ask("GET", "/health"))[0] == 200


def _lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(record.message) for record in caplog.records if record.name == "zerogravity.access"]


async def test_access_line(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served: Served = await serve()
    await served.ask("GET", "/v1beta/models?key=hidden&pageSize=1", {"x-request-id": "mine-1"})
    await served.ask("GET", "/nothing?prompt=hidden", {"x-request-id": "bad id; \xe9"})
    await served.ask("POST", "/v1/chat/completions", body=json.dumps(HELLO).encode())
    listing, nothing, chat = _lines(caplog)
    assert listing.pop("ms") >= 0  # type: ignore[operator]
    assert listing.pop("bytes") > 0  # type: ignore[operator]
    assert listing == {
        "request_id": "mine-1",
        "method": "GET",
        "path": "/v1beta/models",
        "surface": "gemini",
        "status": 200,
    }
    assert (nothing["status"], nothing["code"], nothing["path"]) == (404, "rejected", "/nothing")
    assert str(nothing["request_id"]).startswith("req_")
    assert (chat["code"], chat["model"], chat["turn"]) == ("ok", "gemini-3-flash", served.engine.channels[0].id)
    assert "hidden" not in caplog.text


async def test_every_answer_carries_its_headers(serve: Serve) -> None:
    served = await serve(key=KEY)
    right = {"x-api-key": KEY}
    for method, path in ROUTES:
        for headers in ({}, right, {"Host": "evil.example"}):
            _, told, _ = await served.ask(method, path, {**headers, "x-request-id": "abc.1:2_3-4"})
            assert told["x-request-id"] == told["request-id"] == "abc.1:2_3-4"
            assert "dur=" in told["server-timing"]
            assert told["openai-processing-ms"].isdigit()
            assert told["x-content-type-options"] == "nosniff"
            assert "server" not in told
