"""An answer on the wire: framing, compression, usage, ids, and the forms that are no event stream."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.testing.simulator.support import (
    INTERNAL,
    TEXT,
    THOUGHT,
    envelope,
    fetch,
    inner,
)
from zerogravity.testing.simulator.google import (
    SIGN,
    Do,
    GoogleSimulator,
    Scenario,
    event,
)


async def test_a_call_whose_name_is_no_text(google: GoogleSimulator) -> None:
    google.script(Scenario([(0, event({"functionCall": {"name": 5}, "thoughtSignature": SIGN}, finish="STOP"))]))
    told = (await fetch(google, INTERNAL, envelope(inner("hello")))).stream
    assert [call["name"] for call in told.calls] == [5]


async def test_gzip_only_when_asked_for(google: GoogleSimulator) -> None:
    body = envelope(inner("sim:think"))
    plain = await fetch(google, INTERNAL, body)
    packed = await fetch(google, INTERNAL, body, Accept_Encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.stream.text == plain.stream.text == TEXT


async def test_each_event_of_a_gzip_stream_can_be_read_at_once(google: GoogleSimulator) -> None:
    """Every HTTP chunk ends at a flush, so that nothing waits in the compressor."""
    import zlib

    reply = await fetch(google, INTERNAL, envelope(inner("sim:think")), Accept_Encoding="gzip")
    inflate = zlib.decompressobj(31)
    pieces = [inflate.decompress(chunk) for chunk in reply.chunks]
    assert sum(piece.endswith(b"\r\n\r\n") for piece in pieces) == len(reply.stream.events) > 3


async def test_framing_is_crlf_and_one_line_per_event(google: GoogleSimulator) -> None:
    reply = await fetch(google, INTERNAL, envelope(inner("sim:unicode")))
    lines = reply.body.split(b"\r\n")
    assert reply.body.endswith(b"\r\n\r\n")
    assert all(line.startswith(b"data: {") for line in lines[::2] if line)
    assert all(line == b"" for line in lines[1::2])
    assert b"\n" not in reply.body.replace(b"\r\n", b"")


async def test_usage_is_cumulative_and_adds_up(google: GoogleSimulator) -> None:
    usages = (await fetch(google, INTERNAL, envelope(inner("sim:think")))).stream.usages
    for earlier, later in pairwise(usages):
        assert later.get("thoughtsTokenCount", 0) >= earlier.get("thoughtsTokenCount", 0)
        assert later.get("candidatesTokenCount", 0) >= earlier.get("candidatesTokenCount", 0)
    last = usages[-1]
    assert last["totalTokenCount"] == (
        last["promptTokenCount"] + last["candidatesTokenCount"] + last["thoughtsTokenCount"]
    )
    assert "candidatesTokenCount" not in usages[0], "zeros are left out"


async def test_ids_stay_the_same_within_an_answer(google: GoogleSimulator) -> None:
    stream = (await fetch(google, INTERNAL, envelope(inner("sim:think"), "gemini-3-flash-agent"))).stream
    assert len({one["responseId"] for one in stream.inner}) == 1
    assert {one["modelVersion"] for one in stream.inner} == {"gemini-3-flash-a"}
    claude = (await fetch(google, INTERNAL, envelope(inner("hello"), "claude-sonnet-4-6"))).stream
    assert claude.inner[0]["responseId"].startswith("req_vrtx_")


async def test_a_drop_may_be_scripted_anywhere(google: GoogleSimulator) -> None:
    google.script(Scenario([(0, b"data: {"), (0, Do.DROP)]))
    reply = await fetch(google, INTERNAL, envelope(inner("x")))
    assert (reply.raw, reply.end) == (b"data: {", "closed")
    assert google.requests[-1].ended == "drop"


PUBLIC = "/v1beta/models/gemini-3-flash"


@pytest.mark.parametrize("path", [f"{PUBLIC}:streamGenerateContent", INTERNAL.partition("?")[0]])
@pytest.mark.parametrize("scenario", ["think", "parallel", "split 3", "gzip"])
async def test_without_alt_sse_it_is_a_json_array(google: GoogleSimulator, path: str, scenario: str) -> None:
    body = inner(f"sim:{scenario}")
    reply = await fetch(google, path, envelope(body) if "v1internal" in path else body)
    whole = reply.json
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert isinstance(whole, list)
    assert len(whole) > 1
    assert reply.body.startswith(b"[{\n")
    assert reply.body.endswith(b"}]")
    assert reply.body.count(b"}\n,") == 0
    assert reply.body.count(b",\r\n{") == len(whole) - 1
    parts = [part for one in whole for part in one.get("response", one)["candidates"][0]["content"]["parts"]]
    if scenario == "parallel":
        assert len([part for part in parts if "functionCall" in part]) == 3
    else:
        assert "".join(part["text"] for part in parts if not part.get("thought")) == TEXT


async def test_an_array_that_is_empty_or_cut(google: GoogleSimulator) -> None:
    empty = await fetch(google, f"{PUBLIC}:streamGenerateContent", inner("sim:empty-body"))
    assert empty.json == []
    cut = await fetch(google, f"{PUBLIC}:streamGenerateContent", inner("sim:drop"))
    assert cut.end == "closed"
    assert not cut.body.endswith(b"]")


@pytest.mark.parametrize("alt", ["", "?alt=sse"])
async def test_errors_are_in_an_array_only_without_alt_sse(google: GoogleSimulator, alt: str) -> None:
    value = (await fetch(google, f"{PUBLIC}:streamGenerateContent{alt}", inner("sim:503"))).json
    assert isinstance(value, dict if alt else list)
    assert (value if alt else value[0])["error"]["code"] == 503


@pytest.mark.parametrize("internal", [True, False])
async def test_one_object_holds_the_whole_answer(google: GoogleSimulator, internal: bool) -> None:
    body = inner("sim:think")
    path = "/v1internal:generateContent" if internal else f"{PUBLIC}:generateContent"
    value = (await fetch(google, path, envelope(body) if internal else body)).json
    assert ("response" in value) is internal
    value = value.get("response", value)
    (candidate,) = value["candidates"]
    thought, text = candidate["content"]["parts"]
    assert (thought["text"], thought["thought"], text["text"]) == (THOUGHT, True, TEXT)
    assert "thoughtSignature" in text
    assert candidate["finishReason"] == "STOP"
    assert value["usageMetadata"]["candidatesTokenCount"] > 0


@pytest.mark.parametrize(
    ("scenario", "status", "end"), [("503-mid", 503, "complete"), ("drop", None, "closed"), ("reset", None, "reset")]
)
async def test_one_object_that_does_not_come(
    google: GoogleSimulator, scenario: str, status: int | None, end: str
) -> None:
    reply = await fetch(google, f"{PUBLIC}:generateContent", inner(f"sim:{scenario}"))
    assert (reply.status, reply.end) == (status, end)


@pytest.mark.parametrize(
    ("model", "signed"), [("gemini-3-flash", 1), ("gemini-2.5-flash", 0), ("gpt-oss-120b-medium", 0)]
)
async def test_signatures_only_where_the_family_has_them(google: GoogleSimulator, model: str, signed: int) -> None:
    stream = (await fetch(google, INTERNAL, envelope(inner("sim:tool"), model))).stream
    assert sum("thoughtSignature" in part for part in stream.parts) == signed
