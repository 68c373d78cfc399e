"""Ids of the Responses API: of responses, each named after its turn, and the prefixes of items' ids by type."""

from __future__ import annotations

from zerogravity.ids import valid

PREFIXES = {
    "message": "msg", "function_call": "fc", "function_call_output": "fco", "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco", "reasoning": "rs", "compaction": "cmp", "compaction_summary": "cmp",
    "local_shell_call": "lsh", "local_shell_call_output": "lsho", "shell_call": "sh", "shell_call_output": "sho",
    "apply_patch_call": "apc", "apply_patch_call_output": "apco", "tool_search_call": "tsc",
    "tool_search_output": "tso", "additional_tools": "at", "image_generation_call": "ig", "web_search_call": "ws",
    "compaction_trigger": "cmpt", "mcp_list_tools": "mcpl", "mcp_call": "mcp", "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcpa",
}  # fmt: skip


def response_id(turn_id: str) -> str:
    """``turn_…`` → ``resp_…``."""
    return "resp_" + turn_id.removeprefix("turn_")


def turn_id_of(response: str) -> str | None:
    """``resp_…`` → ``turn_…``; None for an id that was not made here."""
    return "turn_" + response.removeprefix("resp_") if valid(response, "resp") else None
