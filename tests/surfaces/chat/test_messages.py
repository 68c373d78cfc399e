"""``messages`` → contents: every role, every part, every refusal; calls with their results and signatures."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.chat.support import PNG, call, parse
from zerogravity.core.registry import RememberedCall
from zerogravity.errors import FaultError

BLOB = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
WAV = "UklGRgAAAABXQVZF"
USER = {"role": "user", "content": "Hello"}
SIGNED = {"extra_content": {"google": {"thought_signature": "U0lH"}}}
STAND_IN = "skip_thought_signature_validator"


def contents_of(*messages: Any, **body: Any) -> list[dict[str, Any]]:
    return list(parse(messages=list(messages), **body).google_request["contents"])


def one_user_content(*parts: Any) -> list[dict[str, Any]]:
    return contents_of({"role": "user", "content": list(parts)})


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        ({"type": "image_url", "image_url": {"url": PNG}}, BLOB),
        ({"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}, BLOB),
        ({"type": "image_url", "image_url": PNG}, BLOB),
        ({"type": "image_url", "image_url": {"url": "data:image/jpg;name=x.png;base64,iVBORw0KGgo="}}, BLOB),
        ({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
         {"inlineData": {"mimeType": "audio/wav", "data": WAV}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "x.pdf"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}),
        ({"type": "file", "file": {"file_data": "JVBERi0=", "filename": "x"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}),
    ],
)  # fmt: skip
def test_user_parts(part: dict[str, Any], made: dict[str, Any]) -> None:
    assert one_user_content(part) == [{"role": "user", "parts": [made]}]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": "a"}, [{"text": "a"}]),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, [{"text": "a"}, {"text": "b"}]),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, [{"text": "no"}]),
        ({"content": None, "refusal": "no"}, [{"text": "no"}]),
        ({"content": "a", "reasoning_content": "secret", "reasoning": "secret"}, [{"text": "a"}]),
        ({"content": [{"type": "thinking", "thinking": "secret"}, {"type": "text", "text": "a"}]}, [{"text": "a"}]),
        ({"content": "a", "annotations": [], "audio": None, "function_call": None, "tool_calls": None, "parsed": None},
         [{"text": "a"}]),
        ({"content": "a", **SIGNED}, [{"text": "a", "thoughtSignature": "U0lH"}]),
        ({"content": "a", "images": [{"type": "image_url", "image_url": {"url": PNG}, **SIGNED}]},
         [{"text": "a"}, {**BLOB, "thoughtSignature": "U0lH"}]),
        ({"content": [{"type": "image_url", "image_url": {"url": PNG}}]}, [BLOB]),
    ],
)  # fmt: skip
def test_assistant_messages(message: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    made = contents_of(USER, {"role": "assistant", **message}, USER)
    assert made[1] == {"role": "model", "parts": parts}


@pytest.mark.parametrize(
    "message",
    [{"content": ""}, {"content": None, "reasoning_content": "x"}, {"content": []}, {"content": None},
     {"content": None, "refusal": None, "tool_calls": None}, {"content": None, "tool_calls": []},
     {"content": None, "name": "Sam"}],
)  # fmt: skip
def test_an_assistant_that_said_nothing_leaves_no_content(message: dict[str, Any]) -> None:
    turn = parse(messages=[USER, {"role": "assistant", **message}, {"role": "user", "content": "again"}])
    made = turn.google_request["contents"]
    assert made == [{"role": "user", "parts": [{"text": "Hello"}, {"text": "again"}]}]


# -- calls and results -------------------------------------------------------------------------------------------


def tool(call_id: str, content: Any = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def assistant(*calls: dict[str, Any], content: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def remembered(family: str) -> RememberedCall:
    return RememberedCall("f", "{}", "cmVhbA==", None, family)


@pytest.mark.parametrize(
    ("recalled", "sent", "signature"),
    [
        (None, {}, STAND_IN),
        (None, SIGNED, "U0lH"),
        (None, {"provider_specific_fields": {"thought_signature": "bGl0"}}, "bGl0"),
        (None, {"extra_content": {"google": "nonsense"}}, STAND_IN),
        (remembered("gemini-3-flash"), {}, "cmVhbA=="),
        (remembered("claude"), {}, STAND_IN),
        (remembered("claude"), SIGNED, STAND_IN),
    ],
)
def test_where_a_calls_signature_comes_from(
    recalled: RememberedCall | None, sent: dict[str, Any], signature: str
) -> None:
    messages = [USER, assistant(call("c", "f", **sent)), tool("c")]
    turn = parse(lambda _: recalled, messages=messages)
    assert turn.google_request["contents"][1]["parts"][0]["thoughtSignature"] == signature


def test_the_deprecated_form() -> None:
    made = contents_of(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}},
        {"role": "function", "name": "f", "content": "one"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "two"},
        functions=[{"name": "f"}],
    )
    calls = [part["functionCall"]["args"] for content in made for part in content["parts"] if "functionCall" in part]
    outputs = [part["functionResponse"]["response"]["output"] for content in made for part in content["parts"]
               if "functionResponse" in part]  # fmt: skip
    assert calls == [{"a": 1}, {}]
    assert outputs == ["one", "two"]


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        (["hi"], "messages[0]", "invalid_type"),
        ([{}], "messages[0].role", "missing_required_parameter"),
        ([{"role": "model", "content": "x"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "user", "content": 7}], "messages[0].content", "invalid_type"),
        ([{"role": "user", "content": "x", "name": 7}], "messages[0].name", "invalid_type"),
        ([{"role": "system", "content": None}], "messages[0].content", "missing_required_parameter"),
        ([{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}],
         "messages[0].content[0].type", "invalid_value"),
        (user({"type": "text", "text": "a"}, {"type": "video"}), "messages[0].content[1].type", "invalid_value"),
        (user({"type": "input_text", "text": "a"}), "messages[0].content[0].type", "invalid_value"),
        (user({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
         "messages[0].content[0].image_url.url", "unsupported_url"),
        (user({"type": "input_audio", "input_audio": {"data": "!", "format": "wav"}}),
         "messages[0].content[0].input_audio.data", "invalid_value"),
        (user({"type": "file", "file": {"file_id": "file-1"}}), "messages[0].content[0].file.file_id", "invalid_value"),
        (user({"type": "file", "file": {}}), "messages[0].content[0].file.file_data", "missing_required_parameter"),
        ([USER, {"role": "assistant"}], "messages[1].content", "missing_required_parameter"),
        ([USER, {"role": "assistant", "content": [{"type": "audio"}]}], "messages[1].content[0].type", "invalid_value"),
        ([USER, {"role": "assistant", "audio": {"id": "a"}}], "messages[1].audio", "unsupported_parameter"),
        ([USER, {"role": "assistant", "tool_calls": {}}], "messages[1].tool_calls", "invalid_type"),
        ([USER, {"role": "assistant", "tool_calls": [{"type": "function"}]}], "messages[1].tool_calls[0].id",
         "missing_required_parameter"),
        ([USER, assistant(call("", "f"))], "messages[1].tool_calls[0].id", "invalid_value"),
        ([USER, {"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}],
         "messages[1].tool_calls[0].function", "missing_required_parameter"),
        ([USER, {"role": "assistant", "tool_calls": [{"id": "c", "type": "mcp"}]}],
         "messages[1].tool_calls[0].type", "invalid_value"),
        ([USER, {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]}],
         "messages[1].tool_calls[0].function.arguments", "invalid_type"),
        ([USER, assistant(call("c", "f"))], "messages[1].tool_calls[0]", "invalid_value"),
        ([USER, assistant(call("c", "f"), call("d", "f")), tool("c")], "messages[1].tool_calls[1]", "invalid_value"),
        ([USER, tool("c")], "messages[1].tool_call_id", "invalid_value"),
        ([USER, assistant(call("c", "f")), tool("c"), tool("c")], "messages[3].tool_call_id", "invalid_value"),
        ([USER, assistant(call("c", "f")), {"role": "tool", "content": "x"}], "messages[2].tool_call_id",
         "missing_required_parameter"),
        ([USER, assistant(call("c", "f")), {"role": "tool", "tool_call_id": "c"}], "messages[2].content",
         "missing_required_parameter"),
        ([USER, {"role": "function", "name": "f", "content": "x"}], "messages[1].name", "invalid_value"),
        ([USER, {"role": "function", "content": "x"}], "messages[1].name", "missing_required_parameter"),
        ([{"role": "user", "content": ""}], "messages", "invalid_value"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(messages: list[Any], param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(messages=messages)
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)
