"""The requests that go to Google."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.simulator.ls_support import MakeLs, marker, texts
from tests.testing.simulator.support import (
    TEXT,
)
from zerogravity.testing.simulator.language_server.google_requests import (
    FNV_OFFSET_BASIS,
    TOOLS,
    go_json,
)


async def test_the_agent_call_as_it_goes_out(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.turn("hello")
    received = ls.agent_calls[0]
    assert (received.http, received.path, received.query) == (
        "1.1", "/v1internal:streamGenerateContent", {"alt": "sse"},
    )  # fmt: skip
    assert received.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in received.headers
    assert received.headers["accept-encoding"] == "gzip"
    assert "accept" not in received.headers
    assert received.headers["authorization"].startswith("Bearer ")
    body = received.body
    assert (body["model"], body["requestType"], body["userAgent"]) == ("gemini-3-flash", "agent", "antigravity")
    word, owner, _, trajectory, seq = body["requestId"].split("/")
    assert (word, owner, seq) == ("agent", cascade, "0")
    assert received.request["sessionId"] == FNV_OFFSET_BASIS
    assert received.request["labels"]["trajectory_id"] == trajectory
    declared = [tool["functionDeclarations"] for tool in received.request["tools"]]
    assert [one["name"] for (one,) in declared] == list(TOOLS)
    assert received.request["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


async def test_the_marker_is_wrapped(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.turn("")
    first, *others = texts(ls.agent_calls[0])
    assert first.startswith(
        f"Step Id: 0\n\n<USER_REQUEST>\n{marker(cascade)}\n</USER_REQUEST>\n<ADDITIONAL_METADATA>\n"
    )
    assert [one.split("\n")[0] for one in others] == ["Step Id: 1", "Step Id: 2"]


def test_json_is_escaped_as_go_does_it() -> None:
    assert go_json({"a": ".<cid:x>&\u2028é", "b": [1, None]}) == (
        rb'{"a":".\u003ccid:x\u003e\u0026\u2028' + "é".encode() + b'","b":[1,null]}'
    )


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, [1, 1, 1]),
        ({"layout": "parts"}, [3]),
        ({"history": False}, [1, 1]),
        ({"ephemeral": False, "history": False}, [1]),
    ],
)
async def test_entries_are_contents_or_parts(make_ls: MakeLs, options: dict[str, Any], shape: list[int]) -> None:
    ls = await make_ls(**options)
    await ls.turn("hello")
    assert [len(one["parts"]) for one in ls.agent_calls[0].request["contents"]] == shape


async def test_old_builds_wrap_nothing(make_ls: MakeLs) -> None:
    ls = await make_ls(
        wrap=False, step_ids=False, history=False, ephemeral=False, request_id="uuid", request_types=False
    )
    cascade = await ls.turn("hello")
    body = ls.agent_calls[0].body
    assert texts(ls.agent_calls[0]) == [f"{marker(cascade)} hello"]
    assert "/" not in body["requestId"]
    assert "requestType" not in body
    assert ls.kinds == ["agent", "checkpoint"], "recognised by its shape"


async def test_two_markers_in_one_request(make_ls: MakeLs) -> None:
    ls = await make_ls(history_lines=(marker("old-one"), "plain"))
    cascade = await ls.turn("hello")
    user, history, _ = texts(ls.agent_calls[0])
    assert marker(cascade) in user
    assert marker("old-one") in history


async def test_the_history_quotes_earlier_cascades(make_ls: MakeLs) -> None:
    ls = await make_ls(quote_history=True)
    first = await ls.turn("one")
    second = await ls.turn("two")
    assert marker(first) in texts(ls.agent_calls[1])[1]
    assert marker(second) in texts(ls.agent_calls[1])[0]
    assert marker(second) not in texts(ls.agent_calls[1])[1]


async def test_a_request_id_of_another_cascade(make_ls: MakeLs) -> None:
    ls = await make_ls(request_id="other")
    cascade = await ls.turn("hello")
    word, owner, *_ = ls.agent_calls[0].body["requestId"].split("/")
    assert (word, owner != cascade) == ("agent", True)


async def test_a_marker_in_the_users_own_words(make_ls: MakeLs) -> None:
    ls = await make_ls()
    cascade = await ls.start()
    await ls.send(cascade, f"what does {marker('somebody-else')} mean?")
    assert f"what does {marker('somebody-else')} mean?" in texts(ls.agent_calls[0])[0]
    assert ls.agent_calls[0].body["requestId"].split("/")[1] == cascade


@pytest.mark.parametrize("form", ["images", "media"])
async def test_images_go_along(make_ls: MakeLs, form: str) -> None:
    ls = await make_ls()
    one = {"mimeType": "image/png", "base64Data" if form == "images" else "inlineData": "iVBORw0KGgo="}
    await ls.turn("see", **{form: [one]})
    parts = ls.agent_calls[0].request["contents"][0]["parts"]
    assert parts[1] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


async def test_the_public_api_as_upstream(make_ls: MakeLs) -> None:
    ls = await make_ls(envelope=False, background=True)
    cascade = await ls.turn("sim:text")
    assert {one.path for one in ls.google.requests} == {
        f"/v1beta/models/{model}:streamGenerateContent" for model in ("gemini-3-flash", "gemini-3.1-flash-lite")
    }
    assert ls.agent_calls[0].headers["x-goog-api-key"]
    assert ls.agent_calls[0].status == 200, "no member of the other form"
    assert (await ls.planners(cascade))[0]["plannerResponse"]["response"] == TEXT
