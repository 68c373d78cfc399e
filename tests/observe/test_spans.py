"""What spans say of a turn; ``test_otel`` and ``exports/test_otel`` look at what is made of it."""

from __future__ import annotations

import json

from tests.strategies import CALL_ERRORS, LISTINGS
from zerogravity.core.events import CallReturned, Finished, FunctionCall
from zerogravity.core.fold import TurnState
from zerogravity.observe.spans import content_attributes, spans
from zerogravity.testing import builders


def test_a_tool_that_the_gateway_has_run_has_a_span_of_its_own():
    channel = builders.channel(
        None, LISTINGS[0], FunctionCall("call_1", "docs.find", "{}"), FunctionCall("call_2", "docs.find", "{}"),
        FunctionCall("call_3", "mine", "{}"), CallReturned("call_2", "busy", CALL_ERRORS[2]),
        CallReturned("call_1", "found"), end=Finished("tool"),
    )  # fmt: skip
    made = [span for span in spans(channel, channel.records, {}) if span.name.startswith("execute_tool")]
    assert [(span.name, span.failed) for span in made] == [("execute_tool find", True), ("execute_tool find", False)]
    assert made[0].attributes == {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find", "gen_ai.tool.call.id": "call_2",
        "zerogravity.tool.server": "docs", "error.type": "http_error",
    }  # fmt: skip
    assert len({span.span_id for span in made}) == 2
    assert all(span.start_ns <= span.end_ns for span in made)


def test_contents_have_the_form_of_the_conventions():
    generate = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"parts": [{"text": "Look:"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {
                "role": "model",
                "parts": [{"text": "hm", "thought": True}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
            },
            {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"b": 2}}}]},
            {"role": "user", "parts": [{"fileData": {}}, "odd"]},
        ],
    }  # fmt: skip
    made = content_attributes(generate, TurnState(), "limit_time")
    assert json.loads(made["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert json.loads(made["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Look:"}, {"type": "blob", "mime_type": "image/png"}]},
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": None, "name": "f", "arguments": {"a": 1}},
        ]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "response": {"b": 2}}]},
        {"role": "user", "parts": [{"type": "fileData"}]},
    ]  # fmt: skip
    assert json.loads(made["gen_ai.output.messages"]) == [{"role": "assistant", "parts": [], "finish_reason": "error"}]
