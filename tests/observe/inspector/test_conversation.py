"""The conversation and the tools of a request, as the client sees them."""

from __future__ import annotations

import pytest

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
    turn = scene.turn(google_request=generate, tool_names={"f": "F"})
    rows = conversation.rows(turn, conversation.conversation(turn))
    told = [(row["role"], row["kind"], row.get("name"), said(row.get("result"))) for row in rows]
    assert told == [
        ("system", "text", None, None),
        ("user", "text", None, None),
        ("user", "media", None, None),
        ("model", "thinking", None, None),
        ("model", "call", "F", '{\n  "r": 1\n}'),
        ("model", "call", "F", '{\n  "r": 2\n}'),
        ("model", "call", "g", '{\n  "r": 3\n}'),
        ("user", "result", "h", '{\n  "r": 4\n}'),
        ("user", "other", None, None),
    ]
    assert said(rows[4]) == '{\n  "n": 1\n}'


def said(row):
    """The text of the code in a row or in a result."""
    return row and "".join(text for block in row["blocks"] for _, text in block["spans"])


def texts(role, *words):
    return {"role": role, "parts": [{"text": word} for word in words]}


CALL = {"role": "model", "parts": [{"text": "so", "thought": True}, {"functionCall": {"name": "f", "args": {}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]}
ASKED, SAID = texts("user", "a", "b"), texts("model", "c")


@pytest.mark.parametrize(
    ("contents", "fresh", "parts"),
    [
        ([ASKED], 0, 0),
        ([ASKED, SAID, ASKED], 1, 3),  # the system prompt and the first question
        ([ASKED, SAID, ASKED], 0, 3),  # not known: all but the last round
        ([ASKED, SAID, ASKED, SAID, ASKED], 0, 6),
        ([ASKED, CALL, RESULT], 1, 3),
        ([ASKED, CALL, RESULT], 0, 4),  # a call is as new as its result
        ([ASKED, SAID, ASKED], 3, 6),  # the same request again
        ([ASKED, SAID, ASKED], 9, 6),
        ([SAID], 0, 0),
        ([], 0, 0),
    ],
)
def test_what_the_turn_before_had_already(scene, contents, fresh, parts):
    system = {"parts": [{"text": "be good"}]}
    made = conversation.conversation(scene.turn(google_request={"contents": contents, "systemInstruction": system}))
    assert conversation.earlier(made, fresh) == parts


def test_rows_hold_no_secrets(scene):
    key = "AIzaSyA-0123456789abcdefghijklmno"
    result = {"functionResponse": {"name": "f", "response": {"output": f"line\n{key}"}}}
    call = {"functionCall": {"name": "f", "args": {"command": f"echo {key}", "password": "hunter22"}}}
    contents = [texts("user", key), {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]
    turn = scene.turn(google_request={"contents": contents})
    shown = str(conversation.rows(turn, conversation.conversation(turn)))
    assert "AIza" not in shown
    assert "hunter22" not in shown
    assert shown.count("[redacted]") == 4


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
