"""Input items as the API lists them, with OpenAI's types as the judge."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.conversations import ConversationItem
from openai.types.responses import ResponseItem

from tests.strategies import TURN_ID
from tests.surfaces.responses.asking import PNG, call, output, parse, text, user
from tests.surfaces.responses.strict import faults
from zerogravity.surfaces.responses.items import Entry
from zerogravity.surfaces.responses.listed import listed

SEEN = [text("x"), {"type": "input_image", "image_url": PNG}]
SMALLEST: list[dict[str, Any]] = [  # each as small as it is taken
    user("x"), {"role": "system", "content": "x"}, {"role": "developer", "content": [text("x")]},
    user({"type": "input_image", "image_url": PNG}), user({"type": "text", "text": "x"}),
    user({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}),
    {"role": "assistant", "content": "x"}, {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
    {"role": "assistant", "content": [text("x")]},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "x"}]},
    call("c"), output("c"), {**output("c"), "output": SEEN},
    {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
    {"type": "custom_tool_call_output", "call_id": "c", "output": SEEN},
    {"type": "reasoning"}, {"type": "reasoning", "summary": [], "encrypted_content": None},
    {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "c",
     "output": [{"stdout": "", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
    {"type": "local_shell_call_output", "id": "c", "output": "x"},
    {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "x"}},
    {"type": "apply_patch_call_output", "call_id": "c"},
    {"type": "tool_search_call", "arguments": {}}, {"type": "tool_search_output", "tools": []},
    {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
    {"type": "image_generation_call", "status": "completed", "result": "AAAA"},
    {"type": "compaction", "encrypted_content": "x"}, {"type": "additional_tools", "tools": []},
    {"type": "mcp_list_tools", "server_label": "s", "tools": []},
    {"type": "mcp_call", "server_label": "s", "name": "f", "arguments": "{}"},
    {"type": "mcp_approval_request", "server_label": "s", "name": "f", "arguments": "{}"},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
]  # fmt: skip


@pytest.mark.parametrize("kind", [ResponseItem, ConversationItem], ids=["of a response", "of a conversation"])
@pytest.mark.parametrize("item", SMALLEST, ids=lambda item: item.get("type", item.get("role")))
def test_every_item_has_all_members_that_openais_types_demand(item: dict[str, Any], kind: Any) -> None:
    (shown,) = listed([Entry("input[0]", item)], TURN_ID)
    assert faults(shown, kind) == []


def test_what_a_client_sends_stays_as_it_is() -> None:
    own = {
        "type": "function_call",
        "id": "fc_own",
        "call_id": "c",
        "status": "incomplete",
        "name": "f",
        "arguments": "",
    }
    seen = {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "low"}]}
    assert listed([Entry("input[0]", own), Entry("input[1]", seen)], TURN_ID)[0] == own
    assert listed([Entry("input[0]", seen)], TURN_ID)[0]["content"] == seen["content"]


def test_items_are_listed_with_ids_and_in_the_apis_form() -> None:
    thought = {"type": "reasoning", "id": None, "summary": []}
    items = [user("x"), {"role": "assistant", "content": "y"}, call("c", id="fc_own"), output("c"), thought]
    shown = parse(input=items).details.input
    assert shown[0] == {
        "id": shown[0]["id"], "type": "message", "status": "completed", "role": "user", "content": [text("x")],
    }  # fmt: skip
    assert shown[1]["content"] == [{"type": "output_text", "text": "y", "annotations": [], "logprobs": []}]
    assert shown[2] == {**call("c", id="fc_own"), "status": "completed"}
    assert [item["id"].partition("_")[0] for item in shown] == ["msg", "msg", "fc", "fco", "rs"]
    assert len({item["id"] for item in shown}) == 5
    assert parse(input=items).details.input == shown
