"""What spans say of a turn; ``test_otel`` and ``exports/test_otel`` look at what is made of it."""

from __future__ import annotations

import json

from zerogravity.core.fold import TurnState
from zerogravity.observe.spans import content_attributes


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
