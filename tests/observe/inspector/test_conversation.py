"""The conversation and the tools of a request, as the client sees them."""

from __future__ import annotations

from zerogravity.observe.inspector import conversation


def test_calls_are_paired_with_their_results(scene):
    def call(name, call_id=None):
        return {"functionCall": {"name": name, "args": {"n": 1}, **({"id": call_id} if call_id else {})}}

    def result(name, value, call_id=None):
        return {"functionResponse": {"name": name, "response": value, **({"id": call_id} if call_id else {})}}

    generate = {
        "systemInstruction": {"parts": [{"text": "be good"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "go"}, {"inlineData": {"mimeType": "image/png", "data": "A" * 8}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": True}, call("f", "1"), call("f", "2"), call("g")]},
            {"role": "user", "parts": [result("f", {"r": 2}, "2"), result("f", {"r": 1}, "1"), result("g", {"r": 3}),
                                       result("h", {"r": 4}), {"executableCode": {"code": "1"}}]},
        ],
    }  # fmt: skip
    lines = conversation.conversation(scene.turn(google_request=generate, tool_names={"f": "F"}))
    told = [(line["role"], line["kind"], line.get("name"), line.get("result")) for line in lines]
    assert told == [
        ("system", "text", None, None),
        ("user", "text", None, None),
        ("user", "media", None, None),
        ("model", "thinking", None, None),
        ("model", "call", "F", '{"r":1}'),
        ("model", "call", "F", '{"r":2}'),
        ("model", "call", "g", '{"r":3}'),
        ("user", "result", "h", None),
        ("user", "other", None, None),
    ]
    assert lines[2]["size"] == 6
    assert lines[4]["arguments"] == '{"n":1}'


SCHEMA = {"type": "object", "$schema": "x"}
AFTER = {"type": "object"}


def test_tools_before_and_after(scene):
    declared = {"name": "f_", "description": "does", "parametersJsonSchema": AFTER}
    generate = {"tools": [{"functionDeclarations": [declared, {"name": "new"}]}, {"googleSearch": {}}]}
    turn = scene.turn(google_request=generate, tool_names={"f_": "f"})
    assert conversation.tools(turn, {"f": SCHEMA, "g": {}}) == [
        {"name": "f", "description": "does", "before": SCHEMA, "after": AFTER},
        {"name": "new", "description": "", "before": None, "after": None},
        {"name": "googleSearch", "description": "served by Google", "before": None, "after": {}},
    ]


def test_requests_that_hold_no_tools(scene):
    turn = scene.turn(google_request={"tools": [{"functionDeclarations": [{"name": "f"}]}]})
    assert conversation.tools(turn, {}) == [{"name": "f", "description": "", "before": None, "after": None}]
    assert conversation.tools(scene.turn(google_request={}), {}) == []
