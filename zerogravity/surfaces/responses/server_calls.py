"""The tools of an MCP server as items of this API: the list of them, a call that the gateway runs, one that asks first.

The item of a call is named after the call, so that the answer to a request, or the item sent back, leads to it.
Source: OpenAI's schema (McpListTools, McpCall, McpApprovalRequest, McpToolCallError).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zerogravity import ids
from zerogravity.core.events import CallReturned, ToolsListed
from zerogravity.core.fold import Call
from zerogravity.core.turn import Approval
from zerogravity.surfaces.common.answer_contents import GONE
from zerogravity.surfaces.common.declarations import server_tool
from zerogravity.surfaces.responses.ids import PREFIXES
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

LIST, CALL, REQUEST, RESPONSE = "mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"
RUNS = "in_progress"


def list_item(listing: ToolsListed) -> dict[str, Any]:
    """The tools of a server, without an id."""
    item: dict[str, Any] = {
        "type": LIST,
        "server_label": listing.server,
        "tools": [
            {
                "name": narrow.text(tool.get("name")),
                "description": tool.get("description"),
                "input_schema": tool.get("inputSchema") or {"type": "object"},
                "annotations": tool.get("annotations"),
            }
            for tool in listing.tools
        ],
    }
    return {**item, "error": listing.error} if listing.error else item


def listed_tools(item: Json) -> tuple[Json, ...]:
    """The tools of such an item, as MCP lists them. Total."""
    return tuple(
        {name: value for name, value in {
            "name": narrow.text(tool.get("name")),
            "description": tool.get("description"),
            "inputSchema": tool.get("input_schema"),
            "annotations": tool.get("annotations"),
        }.items() if value is not None}
        for tool in narrow.objects(item.get("tools"))
    )  # fmt: skip


def request_item(call: Call) -> dict[str, Any]:
    """A call that is run only with the client's approval."""
    return {
        "id": item_id(REQUEST, call.call_id),
        "type": REQUEST,
        "arguments": call.args_json,
        "name": call.tool,
        "server_label": call.server,
    }


def call_item(call: Call, request_id: str | None, status: str = RUNS) -> dict[str, Any]:
    """A call as it is now. ``request_id``: of the item that asked; ``status``: while there is no result."""
    returned = call.returned
    if returned is not None:
        status = "completed" if returned.error is None else "failed"
    return {
        "id": item_id(CALL, call.call_id),
        "type": CALL,
        "status": status,
        "approval_request_id": request_id,
        "arguments": call.args_json,
        "error": returned.error if returned else None,
        "name": call.tool,
        "output": returned.output if returned and returned.error is None else None,
        "server_label": call.server,
    }


def gone(approvals: Iterable[Approval], listing: ToolsListed) -> Iterator[Call]:
    """The calls that the client has approved whose tool that server does not offer any more: each with its error."""
    offered = {tool.get("name") for tool in listing.tools}
    for each in approvals:
        if each.approve and each.server == listing.server and not listing.error and each.tool not in offered:
            failed = CallReturned(each.call_id, GONE, {"type": "mcp_protocol_error", "code": -32602, "message": GONE})
            key = server_tool(each.server, each.tool)
            yield Call(0, each.call_id, key, each.args_json, server=each.server, tool=each.tool, returned=failed)


def item_id(kind: str, call_id: str) -> str:
    """The id of a call's item of that type."""
    return f"{PREFIXES[kind]}_{call_id.removeprefix('call_')}"


def call_id(kind: str, item_id: str) -> str:
    """The other way; an id that was not made here stays as it is."""
    prefix = PREFIXES[kind]
    return "call_" + item_id.removeprefix(f"{prefix}_") if ids.valid(item_id, prefix) else item_id
