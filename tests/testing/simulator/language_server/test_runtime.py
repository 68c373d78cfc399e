"""The LS stand-in as Google's Antigravity runtime: its requests and what it does on odd answers, as captured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cases import cases
from tests.testing.simulator.ls_support import Ls
from zerogravity.capture.match import match
from zerogravity.testing.simulator.google import SIGN, Scenario
from zerogravity.testing.simulator.language_server import BUILDS
from zerogravity.testing.simulator.language_server.runtime import PROBLEMS, SUMMARISE
from zerogravity.wire import jsonio

pytestmark = pytest.mark.asyncio
RUNTIME = {**BUILDS["runtime"], "one_connection": False}  # this Google speaks HTTP/1.1


def answer(*parts: dict[str, Any], finish: str = "STOP") -> Scenario:
    return Scenario([(0.0, {"candidates": [{"content": {"parts": list(parts)}, "finishReason": finish}]})])


def last(request: Any) -> str:
    return request["contents"][-1]["parts"][-1].get("text", "")


def mode(request: Any) -> str:
    return request["toolConfig"]["functionCallingConfig"]["mode"]


async def bodies(ls: Ls) -> list[Any]:
    return [one.body for one in ls.google.requests if "GenerateContent" in one.path]


async def test_its_request_is_the_captured_one(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    await ls.turn("hello")
    (request,) = ls.google.requests
    assert request.path.startswith("/v1beta/models/")
    assert "transfer-encoding" not in request.headers
    body = request.body
    assert set(body) == {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "sessionId"}
    assert (len(body["tools"]), mode(body), body["generationConfig"]) == (1, "AUTO", {"maxOutputTokens": 65535})
    assert -(2**63) <= int(body["sessionId"]) < 2**63
    (content,) = body["contents"]
    assert content["parts"][0]["text"].startswith("<USER_REQUEST>\n.<cid:")
    assert " hello\n</USER_REQUEST>\n<ADDITIONAL_METADATA>\nThe current local time is: " in content["parts"][0]["text"]


async def test_an_empty_answer_is_asked_for_again_at_once(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    ls.google.script(answer({"text": "hm", "thought": True}), times=7)
    await ls.turn("sim:text")
    sent = await bodies(ls)
    assert len(sent) == 8
    assert all(last(one).startswith("Error: model output error: model output must contain") for one in sent[1:])
    assert {mode(one) for one in sent} == {"AUTO"}


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "MAX_TOKENS", "SAFETY", "RECITATION"])
async def test_a_bad_end_has_five_calls_and_no_tools_in_the_last(make_ls, finish: str) -> None:
    ls = await make_ls(**RUNTIME)
    ls.google.script(answer({"text": "half"}, finish=finish), times=9)
    cascade = await ls.turn("hello")
    sent = await bodies(ls)
    assert [mode(one) for one in sent] == ["AUTO"] * 4 + ["NONE"]
    assert [last(one).rpartition(" ")[2] for one in sent[1:]] == ["4", "3", "2", "1"]
    assert PROBLEMS[finish] in last(sent[1])
    assert sent[1]["contents"][-2] == {"role": "model", "parts": [{"text": "half"}]}
    assert await ls.ended(cascade) == "ERROR"


async def test_a_result_has_the_models_role_and_ids_of_its_own(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    call = {"functionCall": {"id": "g1", "name": "view_file", "args": {}}, "thoughtSignature": SIGN}
    ls.google.script(answer(call))
    ls.google.script(answer({"text": "seen"}))
    await ls.turn("hello")
    _, second = await bodies(ls)
    called, used = second["contents"][-2:]
    (result,) = used["parts"]
    assert (called["role"], used["role"]) == ("model", "model")
    assert called["parts"][0]["functionCall"]["id"] == result["functionResponse"]["id"] != "g1"
    assert called["parts"][0]["thoughtSignature"]
    assert "Tool response for view_file:\n```json\n" in result["functionResponse"]["response"]["output"]


async def test_an_unknown_tool_has_five_calls(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    ls.google.script(answer({"functionCall": {"name": "nope", "args": {}}, "thoughtSignature": SIGN}), times=9)
    await ls.turn("hello")
    sent = await bodies(ls)
    assert [mode(one) for one in sent] == ["AUTO"] * 4 + ["NONE"]
    assert {one.status for one in ls.google.requests} == {200}
    assert "unknown tool name: `nope`" in str(sent[1]["contents"][-1])


async def test_what_broke_off_goes_on(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    await ls.turn("sim:drop sim:text")
    sent = await bodies(ls)
    assert [last(one) for one in sent[1:]] == ["Error: unexpected EOF: unexpected EOF"]


async def test_a_summary_comes_before_the_answer(make_ls) -> None:
    ls = await make_ls(**RUNTIME, compaction=True)
    await ls.turn("hello")
    summary, answered = await bodies(ls)
    assert (mode(summary), last(summary)) == ("NONE", SUMMARISE)
    assert [one["role"] for one in summary["contents"]] == ["user", "user"]
    assert summary["generationConfig"] == {"maxOutputTokens": 16384}
    assert last(answered).startswith("# Resuming from a compaction")


async def test_an_envelope_on_the_public_path_is_read_as_nothing(make_ls) -> None:
    ls = await make_ls(**RUNTIME)
    inner = {"candidates": [{"content": {"parts": [{"text": "hidden"}]}, "finishReason": "STOP"}]}
    ls.google.script(Scenario([(0.0, b"data: " + jsonio.dumps({"response": inner}) + b"\r\n\r\n")]))
    ls.google.script(answer({"text": "seen"}))
    await ls.turn("hello")
    assert len(await bodies(ls)) == 2


PLACE = cases()


@pytest.mark.skipif(PLACE is None, reason="needs shared/cases/runtime")
async def test_its_errors_are_the_captured_ones() -> None:
    assert PLACE is not None
    for name, finish in (
        ("malformed-call", "MALFORMED_FUNCTION_CALL"),
        ("max-tokens", "MAX_TOKENS"),
        ("safety", "SAFETY"),
    ):
        body = jsonio.loads((PLACE / "runtime" / f"{name}.json").read_bytes())["requests"][-1]["body"]
        assert PROBLEMS[finish] in last(body), name
        assert match("/v1beta/models/m:streamGenerateContent", body).kind in ("agent", "other")
