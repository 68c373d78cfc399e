"""A conversation as text, and what is refused because only interception can serve it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zerogravity.backends.polling import polling
from zerogravity.backends.polling.polling import Polling
from zerogravity.backends.polling.prompt import Message, as_message, refuse, unapplied
from zerogravity.core.turn import ToolServer, Turn
from zerogravity.errors import FaultError

Make = Callable[..., Turn]
PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return user(*parts) | {"role": "model"}


@pytest.mark.parametrize(
    ("generate", "text"),
    [
        ({"contents": [user("Hello")]}, "Hello"),
        ({"contents": [user("Hello", "again")]}, "Hello\nagain"),
        ({"contents": [{"parts": [{"text": "no role"}]}]}, "no role"),
        (
            {"contents": [user("Hello")], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
            "<instructions>\nBe brief.\n</instructions>\n\n<user>\nHello\n</user>\n\n"
            "Answer as the assistant, to the last user entry.",
        ),
        (
            {"contents": [user("2+2"), model({"text": "sum", "thought": True}, "4"), user("and 3+3")]},
            "<user>\n2+2\n</user>\n\n<assistant>\n4\n</assistant>\n\n<user>\nand 3+3\n</user>\n\n"
            "Answer as the assistant, to the last user entry.",
        ),
        ({"contents": [user({"fileData": {"fileUri": "https://x.example/a.png"}})]}, "[file https://x.example/a.png]"),
        ({"contents": [user("a", {"thoughtSignature": "c2ln"})]}, "a"),
    ],
)
def test_the_conversation_as_text(make_turn: Make, generate: dict[str, Any], text: str) -> None:
    turn = make_turn(google_request=generate)
    refuse(turn)
    assert as_message(turn) == Message(text)


def test_pictures_go_along(make_turn: Make) -> None:
    generate = {"contents": [user(PNG, "first"), model("ok"), user("second", PNG)]}
    turn = make_turn(google_request=generate)
    refuse(turn)
    message = as_message(turn)
    image = {"base64Data": "iVBORw0KGgo=", "mimeType": "image/png"}
    assert message.images == (image, image)
    assert "[image 1]\nfirst" in message.text
    assert "second\n[image 2]" in message.text


def test_earlier_calls_have_the_clients_names(make_turn: Make) -> None:
    call = {"functionCall": {"name": "get_weather_1", "args": {"city": "Rome"}}, "thoughtSignature": "c2ln"}
    result = {"functionResponse": {"name": "get_weather_1", "response": {"output": "18"}}}
    turn = make_turn(
        google_request={"contents": [user("Rome?"), model(call), user(result)]},
        tool_names={"get_weather_1": "get.weather"},
    )
    refuse(turn)
    text = as_message(turn).text
    assert '[called get.weather with {"city":"Rome"}]' in text
    assert '[get.weather answered {"output":"18"}]' in text


@pytest.mark.parametrize(
    ("generate", "param", "word"),
    [
        ({"tools": [{"functionDeclarations": [{"name": "get_weather_1"}, {"name": "b"}]}]}, "tools", "get.weather, b"),
        ({"tools": [{"googleSearch": {}}]}, "tools", "googleSearch"),
        ({"generationConfig": {"responseSchema": {"type": "OBJECT"}}}, "text.format", "schema"),
        ({"generationConfig": {"responseJsonSchema": {"type": "object"}}}, "text.format", "schema"),
        ({"contents": [user({"inlineData": {"mimeType": "audio/wav", "data": "AA=="}})]}, None, "audio/wav"),
        ({"contents": [user({"inlineData": {"mimeType": "", "data": "AA=="}})]}, None, "cannot be sent"),
        ({"contents": [user({"executableCode": {"code": "1"}})]}, None, "executableCode"),
        ({"systemInstruction": {"parts": [{"executableCode": {"code": "1"}}]}}, None, "executableCode"),
        ({"contents": [user({"functionCall": {}})]}, None, "functionCall"),
    ],
)
def test_what_only_interception_can_serve(
    make_turn: Make, generate: dict[str, Any], param: str | None, word: str
) -> None:
    turn = make_turn(google_request={"contents": [user("x")], **generate}, tool_names={"get_weather_1": "get.weather"})
    with pytest.raises(FaultError) as raised:
        refuse(turn, {turn.surface: "text.format"})
    fault = raised.value.fault
    assert (fault.status, fault.param) == (400, param)
    assert word in fault.message
    assert "intercept" in fault.message


@pytest.mark.parametrize(
    ("surface", "param"),
    [("chat", "response_format"), ("responses", "text.format"), ("gemini", "generationConfig.responseSchema")],
)
def test_the_error_names_the_surfaces_own_parameter(make_turn: Make, surface: str, param: str) -> None:
    generate = {"contents": [user("x")], "generationConfig": {"responseSchema": {"type": "OBJECT"}}}
    with pytest.raises(FaultError) as raised:
        refuse(make_turn(surface=surface, google_request=generate), {surface: param})
    assert raised.value.fault.param == param


def test_to_admit_a_turn_builds_no_message(make_turn: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(polling, "as_message")
    Polling().admit(make_turn(google_request={"contents": [user("x", PNG)]}))


def test_an_empty_list_of_tools(make_turn: Make) -> None:
    turn = make_turn(google_request={"contents": [user("x")], "tools": []})
    refuse(turn)
    assert as_message(turn).text == "x"


def test_settings_without_effect_are_named(make_turn: Make) -> None:
    generate = {"contents": [], "generationConfig": {"temperature": 0}, "safetySettings": [{"category": "x"}]}
    assert [text.split()[0] for text in unapplied(make_turn(google_request=generate))] == [
        "temperature",
        "safetySettings",
    ]
    assert unapplied(make_turn(google_request={"contents": []})) == []


def test_mcp_servers_are_refused(make_turn: Make) -> None:
    turn = make_turn(google_request={"contents": [user("Hello")]}, servers=(ToolServer("files"),))
    with pytest.raises(FaultError, match="MCP server files") as caught:
        refuse(turn)
    assert caught.value.fault.param == "tools"
