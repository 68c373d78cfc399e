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


# -- names of participants ---------------------------------------------------------------------------------------

ONE_NAME = "In this conversation you answer under the name Ann."


def named(role: str, name: Any, content: Any) -> dict[str, Any]:
    return {"role": role, "name": name, "content": content}


def picture(url: str = PNG) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hi", [{"text": "Sam: hi"}]),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], [{"text": "Sam: a"}, {"text": "b"}]),
        ([picture(), {"type": "text", "text": "a"}], [BLOB, {"text": "Sam: a"}]),
        ([picture()], [{"text": "Sam:"}, BLOB]),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "a"}], [{"text": "Sam: a"}]),
    ],
)  # fmt: skip
def test_a_speakers_name_stands_before_the_text(content: Any, parts: list[dict[str, Any]]) -> None:
    assert contents_of(named("user", "Sam", content)) == [{"role": "user", "parts": parts}]


def test_participants_of_a_group_chat_are_told_apart() -> None:
    turn = parse(messages=[named("user", "Adam", "I am from Seattle."), named("user", "Sam", "I am from Tacoma."),
                           named("user", "Adam", "What did Sam say?")])  # fmt: skip
    texts = [part["text"] for part in turn.google_request["contents"][0]["parts"]]
    assert texts == ["Adam: I am from Seattle.", "Sam: I am from Tacoma.", "Adam: What did Sam say?"]
    assert "systemInstruction" not in turn.google_request
    assert turn.notes == ()


@pytest.mark.parametrize("name", [None, "", "  "])
def test_an_empty_name_is_ignored(name: Any) -> None:
    turn = parse(messages=[named("system", name, "s"), named("user", name, "a"), named("assistant", name, "b"), USER])
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": "s"}]
    assert [content["parts"] for content in turn.google_request["contents"]] == [
        [{"text": each}] for each in ("a", "b", "Hello")
    ]


def test_a_name_stays_on_one_line() -> None:
    assert contents_of(named("user", "Sam\n\nof Tacoma", "hi"))[0]["parts"] == [{"text": "Sam of Tacoma: hi"}]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_names_of_the_instructions_speakers(role: str) -> None:
    turn = parse(
        messages=[named(role, "example_user", "How do I?"), named(role, "example_assistant", "Like this."), USER]
    )
    texts = [part["text"] for part in turn.google_request["systemInstruction"]["parts"]]
    assert texts == ["example_user: How do I?", "example_assistant: Like this."]


def test_an_assistants_only_name_does_not_stand_in_its_words() -> None:
    """What it said is the pattern of what it says next: agents' frameworks put one name on every message."""
    turn = parse(messages=[USER, named("assistant", "Ann", "a"), USER, named("assistant", "Ann", "b"), USER])
    assert [content["parts"][0]["text"] for content in turn.google_request["contents"]] == [
        "Hello",
        "a",
        "Hello",
        "b",
        "Hello",
    ]
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": ONE_NAME}]


def test_several_assistants_are_told_apart() -> None:
    ann, sam, bob = named("assistant", "Ann", "a"), named("user", "Sam", "b"), named("assistant", "Bob", "c")
    turn = parse(messages=[USER, ann, sam, bob, {"role": "assistant", "content": "d"}, USER])
    made = [[part["text"] for part in content["parts"]] for content in turn.google_request["contents"]]
    assert made == [["Hello"], ["Ann: a"], ["Sam: b"], ["Bob: c", "d"], ["Hello"]]
    (told,) = turn.google_request["systemInstruction"]["parts"]
    assert "Do not put a name before your own answers." in told["text"]


def test_names_of_calls_and_tools_are_no_participants() -> None:
    spoken = {**assistant(call("c", "f")), "name": "Ann"}
    turn = parse(messages=[USER, spoken, {**tool("c"), "name": "f"}])
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": ONE_NAME}]
    assert set(turn.google_request["contents"][1]["parts"][0]) == {"functionCall", "thoughtSignature"}
    assert turn.google_request["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "ok"}
    assert turn.notes == ()


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
        (user("x"), "messages[0].content[0]", "invalid_type"),
        (user({}), "messages[0].content[0].type", "missing_required_parameter"),
        (user({"type": "text", "text": "a"}, {"type": "video"}), "messages[0].content[1].type", "invalid_value"),
        (user({"type": "input_text", "text": "a"}), "messages[0].content[0].type", "invalid_value"),
        (user({"type": "text"}), "messages[0].content[0].text", "missing_required_parameter"),
        (user({"type": "image_url"}), "messages[0].content[0].image_url", "missing_required_parameter"),
        (user({"type": "image_url", "image_url": 7}), "messages[0].content[0].image_url", "invalid_type"),
        (user({"type": "image_url", "image_url": {}}), "messages[0].content[0].image_url.url",
         "missing_required_parameter"),
        (user({"type": "image_url", "image_url": {"url": PNG, "detail": "x"}}),
         "messages[0].content[0].image_url.detail", "invalid_value"),
        (user({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
         "messages[0].content[0].image_url.url", "unsupported_url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}}),
         "messages[0].content[0].image_url.url", "invalid_value"),
        (user({"type": "input_audio", "input_audio": {"data": WAV, "format": "ogg"}}),
         "messages[0].content[0].input_audio.format", "invalid_value"),
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
