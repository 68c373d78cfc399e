"""The driver over real sockets: what is sent, what refusals become, TLS, reuse, a restart elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from tests.backends.conftest import CSRF, Station
from zerogravity.backends.antigravity import client as module
from zerogravity.backends.antigravity import forms
from zerogravity.backends.antigravity.client import Endpoint, LsClient
from zerogravity.backends.antigravity.errors import Refused
from zerogravity.core.turn import Model
from zerogravity.errors import FaultError, Termination
from zerogravity.wire.connect import END, envelope

CASCADE = "c0ffee00-1111-4222-8333-444455556666"
Driver = Callable[..., LsClient]


async def fault_of(call: Any) -> Any:
    with pytest.raises(FaultError) as raised:
        await call
    return raised.value.fault


# -- what is sent ------------------------------------------------------------------------------------------------


async def test_start_cascade(station: Station, driver: Driver) -> None:
    station.answers["StartCascade"] = (200, {"cascadeId": CASCADE})
    assert await driver(station.endpoint).start_cascade() == CASCADE
    ((method, body),) = station.seen
    assert method == "StartCascade"
    assert body["source"] == "CORTEX_TRAJECTORY_SOURCE_CASCADE_CLIENT"
    headers = station.headers[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["Connect-Protocol-Version"] == "1"
    assert headers["X-Codeium-Csrf-Token"] == CSRF


@pytest.mark.parametrize("answer", [{}, {"cascadeId": ""}, {"cascadeId": 7}, [], b"no json"])
async def test_a_cascade_without_an_id_is_refused(station: Station, driver: Driver, answer: Any) -> None:
    station.answers["StartCascade"] = (200, answer)
    fault = await fault_of(driver(station.endpoint).start_cascade())
    assert (fault.status, fault.code) == (502, "ls_refused")


async def test_a_message(station: Station, driver: Driver) -> None:
    images = ({"base64Data": "AA==", "mimeType": "image/png"},)
    await driver(station.endpoint).send_message(CASCADE, "hello", model="MODEL_X", images=images)
    assert station.seen == [("SendUserCascadeMessage", forms.message(CASCADE, "hello", "MODEL_X", images).newer)]


async def test_a_queued_message_is_taken(station: Station, driver: Driver) -> None:
    station.answers["SendUserCascadeMessage"] = (200, {"queued": True})
    await driver(station.endpoint).send_message(CASCADE, "hello", model="M")


@pytest.mark.parametrize(
    ("verb", "method", "body"),
    [
        ("cancel", "CancelCascadeInvocation", {"cascadeId": CASCADE}),
        ("delete", "DeleteCascadeTrajectory", {"cascadeId": CASCADE}),
        ("trajectory", "GetCascadeTrajectory", {"cascadeId": CASCADE}),
        ("generator_metadata", "GetCascadeTrajectoryGeneratorMetadata", {"cascadeId": CASCADE}),
    ],
)
async def test_calls_about_a_cascade(
    station: Station, driver: Driver, verb: str, method: str, body: dict[str, Any]
) -> None:
    await getattr(driver(station.endpoint), verb)(CASCADE)
    assert station.seen == [(method, body)]


async def test_annotations_are_merged_and_timed(station: Station, driver: Driver) -> None:
    await driver(station.endpoint).annotate(CASCADE)
    ((method, body),) = station.seen
    assert method == "UpdateConversationAnnotations"
    assert body["mergeAnnotations"] is True
    assert body["annotations"]["lastUserViewTime"].endswith("Z")


async def test_steps_from_an_offset(station: Station, driver: Driver) -> None:
    station.answers["GetCascadeTrajectorySteps"] = (200, {"steps": [{"type": "X"}, "odd"]})
    assert await driver(station.endpoint).steps(CASCADE, 3) == [{"type": "X"}]
    assert station.seen[0][1]["stepOffset"] == 3


async def test_lists_that_are_empty_are_left_out_by_the_ls(station: Station, driver: Driver) -> None:
    client = driver(station.endpoint)
    assert await client.steps(CASCADE) == []
    assert await client.generator_metadata(CASCADE) == []
    assert await client.models() == ()


async def test_settings_are_best_effort(station: Station, driver: Driver) -> None:
    station.answers["SetUserSettings"] = (501, {"code": "unimplemented"})
    await driver(station.endpoint).use_proxy()
    assert station.seen == [
        ("SetUserSettings", {"userSettings": {"detectAndUseProxy": "DETECT_AND_USE_PROXY_ENABLED"}})
    ]


# -- both forms --------------------------------------------------------------------------------------------------

NEITHER = (500, {"code": "unknown", "message": "neither PlanModel nor RequestedModel specified"})
UNKNOWN = (400, {"code": "invalid_argument", "message": 'proto: (line 1:76): unknown field "planModel"'})
NO_SUCH = (500, {"code": "unknown", "message": "model not found: 2651"})
SEND, STEPS, ANNOTATE = "SendUserCascadeMessage", "GetCascadeTrajectorySteps", "UpdateConversationAnnotations"


def in_older(station: Station) -> dict[str, list[bool]]:
    """Of each method, which of its calls had a member that only the older form has."""
    marks = {"metadata", "verbosity", "images"}
    seen: dict[str, list[bool]] = {}
    for method, body in station.seen:
        old = bool(marks & set(body)) or (method == ANNOTATE and "cascadeId" in body)
        seen.setdefault(method, []).append(old)
    return seen


def older_build(refusal: Any, *, of: str = SEND) -> Callable[[web.Request], Any]:
    """Refuses the newer form of a method."""

    async def answer(request: web.Request) -> Any:
        body = await request.json()
        old = body.get("metadata") or body.get("verbosity") or (of == ANNOTATE and body.get("cascadeId"))
        return (200, {"cascadeId": CASCADE}) if old else refusal

    return answer


@pytest.mark.parametrize("refusal", [NEITHER, UNKNOWN, NO_SUCH])
async def test_an_older_build_is_sent_the_older_form_and_known_by_one_refusal(
    station: Station, driver: Driver, refusal: Any
) -> None:
    station.answers[SEND] = older_build(refusal)
    client = driver(station.endpoint)
    for _ in range(3):
        await client.send_message(CASCADE, "x", model="MODEL_X")
    await client.steps(CASCADE, 3)
    await client.annotate(CASCADE)
    await client.heartbeat()
    assert in_older(station) == {
        SEND: [False, True, True, True], STEPS: [False, True], ANNOTATE: [True], "Heartbeat": [True],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("StartCascade", lambda client: client.start_cascade()),
        ("Heartbeat", lambda client: client.heartbeat()),
        ("GetUserStatus", lambda client: client.user_status()),
        (STEPS, lambda client: client.steps(CASCADE)),
        (ANNOTATE, lambda client: client.annotate(CASCADE)),
    ],
)
async def test_every_method_has_its_second_choice(
    station: Station, driver: Driver, method: str, call: Callable[[LsClient], Any]
) -> None:
    station.answers[method] = older_build((400, {"code": "invalid_argument", "message": "x is required"}), of=method)
    client = driver(station.endpoint)
    for _ in range(2):
        await call(client)
    assert in_older(station) == {method: [False, True, True]}


@pytest.mark.parametrize(
    "refusal",
    [
        (400, {"code": "failed_precondition", "message": "x"}),
        (403, {"code": "permission_denied", "message": "x"}),
        (404, {"code": "not_found", "message": "cascade x not found"}),
        (429, {"code": "resource_exhausted", "message": "quota"}),
        (500, {"code": "unknown", "message": "x"}),
        (501, {"code": "unimplemented"}),
        (400, {"code": "invalid_argument", "message": "INVALID_ARGUMENT (code 400): * contents is empty"}),
        (500, {"code": "unknown", "message": "NOT_FOUND (code 404): the model x was not found"}),
    ],
    ids=lambda refusal: refusal[1]["code"],
)
async def test_what_is_no_refusal_of_the_form_is_sent_once(station: Station, driver: Driver, refusal: Any) -> None:
    station.answers[SEND] = refusal
    await fault_of(driver(station.endpoint).send_message(CASCADE, "x", model="MODEL_X"))
    assert in_older(station)[SEND] == [False]


@pytest.mark.parametrize(
    "steps",
    [(200, {"steps": [{"type": "CORTEX_STEP_TYPE_USER_INPUT"}]}), (404, {"code": "not_found"}), ConnectionError],
    ids=["begun", "unknown", "gone"],
)
async def test_a_message_that_may_have_reached_google_is_not_sent_again(
    station: Station, driver: Driver, steps: Any
) -> None:
    """A server that answers at the turn's end may hand on what Google said about it. The next turn is sent in the older
    form if the newer was named as the reason."""
    for refusal, next_in_older in ((UNKNOWN, True), ((400, {"code": "invalid_argument", "message": "x"}), False)):
        station.answers |= {SEND: refusal, STEPS: steps}
        station.seen.clear()
        client = driver(station.endpoint)
        for _ in range(2):
            fault = await fault_of(client.send_message(CASCADE, "x", model="MODEL_X"))
            assert fault.code == "ls_refused"
        assert in_older(station)[SEND] == [False, next_in_older]


async def test_what_both_forms_are_refused_for_is_not_the_form(station: Station, driver: Driver) -> None:
    station.answers |= {SEND: NO_SUCH, "GetUserStatus": (501, {})}
    client = driver(station.endpoint)
    for _ in range(2):
        await fault_of(client.send_message(CASCADE, "x", model="MODEL_X"))
    assert in_older(station)[SEND] == [False, True, False, True]


async def test_another_server_is_asked_in_the_newer_form_again(station: Station, driver: Driver) -> None:
    station.answers["Heartbeat"] = older_build(UNKNOWN)
    client = driver(station.endpoint)
    await client.heartbeat()
    client.endpoint = replace(station.endpoint, pid=7)
    await client.heartbeat()
    assert in_older(station)["Heartbeat"] == [False, True, False, True]


# -- refusals ----------------------------------------------------------------------------------------------------


async def test_a_refusal_has_the_servers_message(station: Station, driver: Driver) -> None:
    station.answers["CancelCascadeInvocation"] = (400, {"code": "invalid_argument", "message": "cascade_id is odd"})
    with pytest.raises(Refused, match="cascade_id is odd") as raised:
        await driver(station.endpoint).cancel(CASCADE)
    assert (raised.value.status, raised.value.word) == (400, "invalid_argument")


async def test_nothing_listens_there(driver: Driver, unused_tcp_port: int) -> None:
    fault = await fault_of(driver(Endpoint(f"https://127.0.0.1:{unused_tcp_port}", CSRF)).heartbeat())
    assert (fault.status, fault.code, fault.termination) == (503, "ls_gone", Termination.LS_GONE)
    assert str(unused_tcp_port) in fault.message
    assert CSRF not in fault.message


async def test_googles_refusal_is_no_missing_login_and_no_wrong_token(station: Station, driver: Driver) -> None:
    for status in (500, 403):
        text = "PERMISSION_DENIED (code 403): This version of Antigravity is no longer supported."
        station.answers["GetUserStatus"] = (status, {"code": "unknown", "message": text})
        client = driver(station.endpoint)
        fault = await fault_of(client.models())
        assert fault.code == "ls_refused"
        assert fault.remedy.startswith("Update the editor")
    assert [method for method, _ in station.seen] == ["GetUserStatus"] * 2  # nothing is tried with another token


async def test_none_found(driver: Driver) -> None:
    async def nothing() -> None:
        return None

    for client in (driver(None), driver(None, rediscover=nothing)):
        fault = await fault_of(client.heartbeat())
        assert (fault.status, fault.code) == (503, "ls_absent")
        assert "--ls-url" in fault.message


async def test_a_redirect_gets_neither_the_token_nor_the_message(station: Station, driver: Driver) -> None:
    other = Station()
    await other.start()

    def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": other.url + request.path})

    station.answers["Heartbeat"] = redirect
    fault = await fault_of(driver(station.endpoint).heartbeat())
    assert fault.code == "ls_refused"
    assert other.seen == []
    await other.stop()


# -- login -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 501, 503])
async def test_other_refusals_say_nothing_about_the_login(station: Station, driver: Driver, status: int) -> None:
    station.answers["GetUserStatus"] = (status, {})
    client = driver(station.endpoint)
    with pytest.raises(Refused):
        await client.user_status()
    assert client.logged_in


@pytest.mark.parametrize(("login", "code"), [(500, "ls_not_logged_in"), (200, "ls_refused"), (501, "ls_refused")])
async def test_a_message_refused_because_nobody_is_logged_in(
    station: Station, driver: Driver, login: int, code: str
) -> None:
    station.answers["SendUserCascadeMessage"] = (500, {"code": "unknown", "message": "model not found"})
    station.answers["GetUserStatus"] = (login, {})
    fault = await fault_of(driver(station.endpoint).send_message(CASCADE, "x", model="MODEL_X"))
    assert fault.code == code
    sent = ["SendUserCascadeMessage", "GetCascadeTrajectorySteps", "SendUserCascadeMessage", "GetUserStatus"]
    assert station.methods() == [*sent, *(["GetAuthStatus"] if login == 500 else [])]


@pytest.mark.parametrize(
    ("auth", "code", "message", "remedy"),
    [
        ((501, {"code": "unimplemented"}), "ls_not_logged_in", "not logged in", "Open the editor"),
        ((404, b"404 page not found"), "ls_not_logged_in", "not logged in", "Open the editor"),
        ((200, {}), "ls_not_logged_in", "not logged in", "Open the editor"),
        (
            (200, {"authResult": {"verificationRequired": {"verificationUrl": "https://accounts.google.com/v"}}}),
            "ls_not_logged_in", "wants this account verified", "https://accounts.google.com/v",
        ),
        ((200, {"authResult": {"licenseRequired": {}}}), "ls_not_logged_in", "no licence", "administrator"),
        ((200, {"authResult": {"hasValidAuth": True}}), "ls_refused", "boom", ""),
    ],
)  # fmt: skip
async def test_why_nobody_is_logged_in(
    station: Station, driver: Driver, auth: Any, code: str, message: str, remedy: str
) -> None:
    station.answers |= {"GetUserStatus": (500, {"code": "unknown", "message": "boom"}), "GetAuthStatus": auth}
    client = driver(station.endpoint)
    fault = await fault_of(client.user_status())
    assert fault.code == code
    assert message in fault.message
    assert remedy in fault.remedy
    assert client.logged_in is (code == "ls_refused")


async def test_models(station: Station, driver: Driver) -> None:
    configs = [
        {"label": "Gemini 3 Flash", "modelOrAlias": {"model": "M18"}, "quotaInfo": {"remainingFraction": 0.83}},
        {"modelOrAlias": {"model": "M19"}, "quotaInfo": {"resetTime": "x"}},
        {"modelOrAlias": {"model": "M20"}, "quotaInfo": {"remainingFraction": 1, "resetTime": "2026-02-02T02:40:00Z"}},
        {"modelOrAlias": {"model": "M21"}, "quotaInfo": {"resetTime": "2026-02-02T02:40:00.123456789Z"}},
        {"modelOrAlias": {"model": "M22"}, "quotaInfo": {"resetTime": 7}},
        {"modelOrAlias": {"model": 2651}, "modelId": "gemini-9-flash"},
        {"label": "Nine", "modelId": "gemini-9-pro"},
        {"modelOrAlias": {"model": 0}},
        {"label": "odd", "modelOrAlias": {}},
        {"label": "odder"},
        7,
    ]
    data = {"userStatus": {"cascadeModelConfigData": {"clientModelConfigs": configs}}}
    station.answers["GetUserStatus"] = (200, data)
    assert await driver(station.endpoint).models() == (
        Model("M18", "Gemini 3 Flash", 0.83),
        Model("M19"),
        Model("M20", left=1, resets=1_770_000_000.0),
        Model("M21", resets=1_770_000_000.123456),  # used up, or not known: a 0 is left out
        Model("M22"),
        Model("2651", wire="gemini-9-flash"),
        Model("gemini-9-pro", "Nine", wire="gemini-9-pro"),
    )


# -- TLS and connections -----------------------------------------------------------------------------------------


async def test_its_own_certificate_is_accepted_and_no_other(station: Station, driver: Driver, pinned: Path) -> None:
    await driver(replace(station.endpoint, cert=pinned)).heartbeat()
    trustme.CA().cert_pem.write_to_path(pinned)
    fault = await fault_of(driver(replace(station.endpoint, cert=pinned)).heartbeat())
    assert fault.code == "ls_refused"
    assert "certificate" in fault.message
    assert station.methods() == ["Heartbeat"]


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_certificate_that_cannot_be_read(
    station: Station, driver: Driver, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "cert.pem"
    if content is not None:
        file.write_text(content)
    fault = await fault_of(driver(replace(station.endpoint, cert=file)).heartbeat())
    assert fault.retryable is False
    assert str(file) in fault.message


async def test_nothing_unverified_leaves_this_machine(driver: Driver) -> None:
    fault = await fault_of(driver(Endpoint("https://192.0.2.1:42100", CSRF)).heartbeat())
    assert (fault.code, fault.retryable) == ("ls_refused", False)


async def test_connections_are_kept(station: Station, driver: Driver) -> None:
    client = driver(station.endpoint)
    for _ in range(5):
        await client.heartbeat()
    assert len(station.peers) == 1


async def test_short_calls_are_limited_and_do_not_block_what_turns_wait_for(
    station: Station, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORT_CALLS", 3)
    go, full, inside, most = asyncio.Event(), asyncio.Event(), 0, 0

    async def slow(_: web.Request) -> tuple[int, dict[str, Any]]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 3:
            full.set()
        await go.wait()
        inside -= 1
        return 200, {}

    arrived = asyncio.Event()

    async def long(_: web.Request) -> tuple[int, dict[str, Any]]:
        arrived.set()
        return 200, {}

    station.answers |= {
        "Heartbeat": slow,
        "StartCascade": (200, {"cascadeId": CASCADE}),
        "SendUserCascadeMessage": long,
    }
    client = driver(station.endpoint)
    calls = [asyncio.create_task(client.heartbeat()) for _ in range(8)]
    await full.wait()
    assert await client.start_cascade() == CASCADE  # comes through though all short ones are taken
    await client.send_message(CASCADE, "x", model="M")
    assert arrived.is_set()
    go.set()
    await asyncio.gather(*calls)
    assert most <= 3
    assert len(station.methods()) == 10


# -- restarts ----------------------------------------------------------------------------------------------------


async def test_a_restart_on_another_port_is_noticed(station: Station, driver: Driver, unused_tcp_port: int) -> None:
    searches = 0

    async def rediscover() -> Endpoint:
        nonlocal searches
        searches += 1
        return station.endpoint

    client = driver(Endpoint(f"https://127.0.0.1:{unused_tcp_port}", "old"), rediscover=rediscover)
    await asyncio.gather(*(client.heartbeat() for _ in range(5)))
    assert client.endpoint == station.endpoint
    assert searches == 1  # those who fail together search once
    await client.heartbeat()
    assert searches == 1


@pytest.mark.parametrize(
    ("kind", "searches"), [("workspace", 2), ("simulator", 2), ("core", 0), ("child", 0), ("given", 0)]
)
async def test_a_better_server_replaces_a_second_choice(
    station: Station, driver: Driver, kind: str, searches: int
) -> None:
    """While an editor restarts there may be none but the servers of its workspaces."""
    second = Endpoint("https://127.0.0.1:9", "old", kind=kind)
    found = [second, replace(station.endpoint, kind="core")]

    async def rediscover() -> Endpoint:
        return found.pop(0)

    client = driver(second, rediscover=rediscover)
    for _ in range(4):
        await client.find_better()
    assert len(found) == 2 - searches
    assert client.endpoint is not None
    assert client.endpoint.kind == ("core" if searches else kind)


@pytest.mark.parametrize("tidy", [LsClient.annotate, LsClient.cancel, LsClient.delete], ids=lambda tidy: tidy.__name__)
async def test_no_other_server_is_searched_for_to_tidy_up(unused_tcp_port, tidy):
    """It does not know the cascade; and while ours restarts, a second choice would take its place."""
    searched = 0

    async def rediscover() -> None:
        nonlocal searched
        searched += 1

    client = LsClient(Endpoint(f"https://127.0.0.1:{unused_tcp_port}", "ours"), rediscover=rediscover)
    with pytest.raises(FaultError):
        await tidy(client, "a cascade")
    await client.close()
    assert searched == 0


async def test_concurrent_failures_share_one_search(unused_tcp_port: int) -> None:
    searches = callers = 0
    everybody = asyncio.Event()

    class Counting(LsClient):
        async def _find_another(self, old: Endpoint | None) -> bool:
            nonlocal callers
            callers += 1
            if callers >= 5:
                everybody.set()
            return await super()._find_another(old)

    async def rediscover() -> None:
        nonlocal searches
        searches += 1
        await everybody.wait()

    client = Counting(Endpoint(f"https://127.0.0.1:{unused_tcp_port}", "old"), rediscover=rediscover)
    faults = await asyncio.gather(*(fault_of(client.heartbeat()) for _ in range(5)))
    assert {fault.code for fault in faults} == {"ls_gone"}
    assert searches == 1
    await fault_of(client.heartbeat())
    assert searches == 2  # it may have come up since
    await client.close()


async def test_a_new_token_is_noticed(station: Station, driver: Driver) -> None:
    async def rediscover() -> Endpoint:
        return station.endpoint

    client = driver(Endpoint(station.url, "the old token"), rediscover=rediscover)
    station.answers["StartCascade"] = (200, {"cascadeId": CASCADE})
    assert await client.start_cascade() == CASCADE
    assert station.methods() == ["StartCascade", "StartCascade"]


async def test_a_token_that_stays_wrong_is_tried_once(station: Station, driver: Driver) -> None:
    wrong = Endpoint(station.url, "wrong")

    async def rediscover() -> Endpoint:
        return wrong

    fault = await fault_of(driver(wrong, rediscover=rediscover).heartbeat())
    assert (fault.status, fault.code) == (502, "ls_refused")
    assert len(station.seen) == 1


async def test_a_kept_connection_that_has_died_is_replaced(station: Station, driver: Driver) -> None:
    client = driver(station.endpoint)
    await client.heartbeat()
    port = station.port
    await station.stop()
    await station.start(port)
    await client.heartbeat()
    assert station.methods() == ["Heartbeat", "Heartbeat"]


async def test_a_message_is_never_sent_twice(station: Station, driver: Driver) -> None:
    station.answers["SendUserCascadeMessage"] = ConnectionError
    fault = await fault_of(driver(station.endpoint).send_message(CASCADE, "x", model="MODEL_X"))
    assert fault.code == "ls_gone"
    assert station.methods() == ["SendUserCascadeMessage"]


async def test_idempotent_calls_are_tried_twice(station: Station, driver: Driver) -> None:
    station.answers["Heartbeat"] = ConnectionError
    fault = await fault_of(driver(station.endpoint).heartbeat())
    assert fault.code == "ls_gone"
    assert len(station.seen) == 2


# -- state streams -----------------------------------------------------------------------------------------------


def streamed(*frames: bytes) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/connect+json"})
        await response.prepare(request)
        for frame in frames:
            await response.write(frame)
        return response

    return answer


DISABLED = envelope(json.dumps({"error": {"code": "unknown", "message": "reactive state is disabled"}}).encode(), END)
STATE, OVER = envelope(b'{"update":{}}'), envelope(b"{}", END)
AGENT, REACTIVE = "StreamAgentStateUpdates", "StreamCascadeReactiveUpdates"


@pytest.mark.parametrize(
    ("agent", "reactive", "methods", "least"),
    [
        ((501, b""), streamed(DISABLED), [AGENT, REACTIVE], 0),
        (streamed(DISABLED), (404, b"404 page not found"), [AGENT, REACTIVE], 0),
        (streamed(STATE, OVER), streamed(STATE, OVER), [AGENT, REACTIVE], 2),
        (streamed(STATE), streamed(b"\x00\x00"), [AGENT, REACTIVE], 1),
        (streamed(b"\x01\x00\x00\x00\x01x"), streamed(OVER), [AGENT, REACTIVE], 0),
    ],
    ids=["neither", "disabled", "one frame", "cut", "nonsense"],
)
async def test_a_state_stream_is_drained_whatever_it_does(
    station: Station, driver: Driver, agent: Any, reactive: Any, methods: list[str], least: int
) -> None:
    station.answers |= {AGENT: agent, REACTIVE: reactive}
    woken: list[None] = []
    await driver(station.endpoint).follow(CASCADE, lambda: woken.append(None))
    assert station.methods() == methods
    assert len(woken) >= least
    assert station.seen[0][1]["conversationId"] == station.seen[1][1]["id"] == CASCADE


@pytest.mark.parametrize(
    ("lasting", "pauses"),
    [
        ([0.01], [0.1]),
        ([0.01] * 9, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]),
        ([0.01, 0.01, 60, 0.01, 0.01], [0.1, 0.2, 0.1, 0.1, 0.2]),
        ([60, 60, 60], [0.1, 0.1, 0.1]),
    ],
    ids=["once", "again and again", "one that lasts", "all last"],
)
@pytest.mark.parametrize("method", [AGENT, REACTIVE])
async def test_a_finite_stream_is_opened_again_after_a_pause(
    station: Station, driver: Driver, method: str, lasting: list[float], pauses: list[float]
) -> None:
    now, slept, lengths = [0.0], list[float](), iter([*lasting, None])

    async def stream(request: web.Request) -> web.StreamResponse:
        if (seconds := next(lengths)) is None:
            return await streamed(STATE, OVER)(request)
        now[0] += seconds
        return await streamed(STATE, STATE, OVER)(request)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    station.answers |= {AGENT: (501, b""), REACTIVE: (404, b""), method: stream}
    await driver(station.endpoint, sleep=sleep, clock=lambda: now[0]).follow(CASCADE)
    assert slept == pauses
    assert station.methods().count(method) == len(lasting) + 1


# -- secrets -----------------------------------------------------------------------------------------------------


async def test_the_token_is_in_no_text(station: Station, driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = station.endpoint

    async def rediscover() -> Endpoint:
        return replace(endpoint, pid=7)

    client = driver(replace(endpoint, csrf="wrong-" + CSRF), rediscover=rediscover)
    await client.heartbeat()
    station.answers["Heartbeat"] = (500, {"code": "unknown"})
    texts = [repr(endpoint), str(endpoint), endpoint.masked_csrf, (await fault_of(client.heartbeat())).message]
    assert not [text for text in (*texts, caplog.text) if CSRF in text]
