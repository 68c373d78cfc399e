"""Blocks → Google's parts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.messages.support import PDF, PIXEL, Block, contents, document, image, parse, refused, text, user

PICTURE = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
PAPER = {"inlineData": {"mimeType": "application/pdf", "data": PDF}}


def source(kind: str, **more: Any) -> Block:
    return {"type": "document", "source": {"type": kind, **more}}


BLOCKS: list[tuple[Block, list[Block]]] = [
    (text("a", cache_control={"type": "ephemeral"}, citations=None), [{"text": "a"}]),
    (text(""), []),
    (image(), [PICTURE]),
    (image(media_type="image/jpeg"), [PICTURE]),  # the bytes are a PNG's
    (document(), [PAPER]),
    (document(title="A", context="of B", citations={"enabled": True}), [{"text": "Document: A\nof B"}, PAPER]),
    (source("text", media_type="text/plain", data="lines"), [{"text": "lines"}]),
    ({**source("text", data="lines"), "title": "A"}, [{"text": "Document: A"}, {"text": "lines"}]),
    (source("content", content="lines"), [{"text": "lines"}]),
    (source("content", content=[text("a"), image()]), [{"text": "a"}, PICTURE]),
    ({"type": "image", "source": {"type": "url", "url": f"data:image/png;base64,{PIXEL}"}}, [PICTURE]),
    (source("url", url=f"data:application/pdf;base64,{PDF}"), [PAPER]),
    ({"type": "search_result", "source": "https://a.b", "title": "A", "content": [text("b")]},
     [{"text": "A\nhttps://a.b"}, {"text": "b"}]),
    ({"type": "tool_reference", "tool_name": "Read"}, [{"text": "Tool Read is now available."}]),
    ({"type": "compaction", "content": "so far"}, [{"text": "so far"}]),
    ({"type": "compaction", "content": None}, []),
    ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "bananas"}},
     [{"text": "[web_search: bananas]"}]),
    ({"type": "server_tool_use", "id": "s", "name": "web_fetch", "input": {"url": "https://a.b"}},
     [{"text": "[web_fetch: https://a.b]"}]),
    ({"type": "server_tool_use", "id": "s", "name": "other", "input": {"x": 1}}, [{"text": '[other: {"x":1}]'}]),
    ({"type": "web_search_tool_result", "tool_use_id": "s", "content": [
        {"type": "web_search_result", "title": "A", "url": "https://a.b", "encrypted_content": "x"},
        {"type": "web_search_result", "url": "https://c.d"}, {"type": "web_search_result"}]},
     [{"text": "[found: A https://a.b]\n[found: https://c.d]"}]),
    ({"type": "web_search_tool_result", "content": {"type": "web_search_tool_result_error", "error_code": "too_many"}},
     [{"text": "[failed: too_many]"}]),
    ({"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result", "url": "https://a.b",
      "content": {"type": "document", "title": "A"}}}, [{"text": "[found: A https://a.b]"}]),
    ({"type": "web_search_tool_result", "content": 5}, []),
]  # fmt: skip


@pytest.mark.parametrize(("block", "parts"), BLOCKS, ids=[f"{block['type']}{n}" for n, (block, _) in enumerate(BLOCKS)])
def test_a_block(block: Block, parts: list[Block]) -> None:
    assert contents(user(block, text("?"))) == [{"role": "user", "parts": [*parts, {"text": "?"}]}]


@pytest.mark.parametrize("kind", ["mcp_tool_use", "container_upload", "fallback", "of_tomorrow"])
def test_what_no_reader_knows_is_left_out_and_noted_once(kind: str) -> None:
    """wire-anthropic 7.23: a closed list of kinds breaks with the next client."""
    turn = parse(messages=[user({"type": kind, "x": 1}, {"type": kind}, text("?"))])
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "?"}]}]
    assert turn.notes == (f"blocks of the type {kind} left out: they cannot be passed on to the model",)


AT = "messages[0].content[0]"
SPOILT: list[tuple[Any, str, str]] = [
    ({}, f"{AT}.type", "missing_required_parameter"),
    ({"type": 5}, f"{AT}.type", "invalid_type"),
    ("text", AT, "invalid_type"),
    ({"type": "text"}, f"{AT}.text", "missing_required_parameter"),
    ({"type": "text", "text": 5}, f"{AT}.text", "invalid_type"),
    ({"type": "image"}, f"{AT}.source", "missing_required_parameter"),
    (image(type="ftp"), f"{AT}.source.type", "invalid_value"),
    (image(data=None), f"{AT}.source.data", "missing_required_parameter"),
    (image(data="%"), f"{AT}.source.data", "invalid_value"),
    (image(media_type=5), f"{AT}.source.media_type", "invalid_type"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, f"{AT}.source.file_id", "invalid_value"),
    ({"type": "image", "source": {"type": "url"}}, f"{AT}.source.url", "missing_required_parameter"),
    ({"type": "image", "source": {"type": "url", "url": "https://a.b/c"}}, f"{AT}.source.url", "unsupported_url"),
    (source("file", file_id="f"), f"{AT}.source.file_id", "invalid_value"),
    (source("text"), f"{AT}.source.data", "missing_required_parameter"),
    (source("content", content=[{"type": "text"}]), f"{AT}.source.content[0].text", "missing_required_parameter"),
    (document(title=5), f"{AT}.title", "invalid_type"),
    ({"type": "tool_reference"}, f"{AT}.tool_name", "missing_required_parameter"),
    ({"type": "search_result", "title": "A"}, f"{AT}.source", "missing_required_parameter"),
    ({"type": "server_tool_use", "name": "x", "input": 5}, f"{AT}.input", "invalid_type"),
]


@pytest.mark.parametrize(
    ("block", "param", "code"), SPOILT, ids=[f"{param}{n}" for n, (_, param, _) in enumerate(SPOILT)]
)
def test_a_spoilt_block_is_refused_by_its_path(block: Any, param: str, code: str) -> None:
    fault = refused(messages=[{"role": "user", "content": [block]}])
    assert (fault.param, fault.code) == (param, code)


def test_a_result_has_one_text_before_its_files() -> None:
    found = [text("a"), image(), text("b"), {"type": "tool_reference", "tool_name": "X"}, document(title="T")]
    made = parse(
        messages=[
            user("?"),
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]},
            user({"type": "tool_result", "tool_use_id": "toolu_1", "content": found}),
        ]
    )
    response = made.google_request["contents"][-1]["parts"][0]["functionResponse"]
    assert response["response"] == {"output": "a\nb\nTool X is now available.\nDocument: T"}
    assert response["parts"] == [PICTURE, PAPER]
