"""The shape of a Response object and of its output items, streamed or not.

* All members are there, null where there is nothing; ids have their prefixes and differ; indices of citations lie
  inside their text; arguments are the text of a JSON object.
* ``queued``, ``in_progress``: no output, usage, error. ``completed``: with a time, all items whole. ``incomplete``:
  with a reason. ``failed``: with an error of the closed list. ``cancelled``: without one. An end has usage that adds
  up; a failed or cancelled one may have none.

Facts: wire-openai 5, 6, 13.
"""

from __future__ import annotations

from typing import cast

from zerogravity.surfaces.grammar import (
    Json,
    expect_count,
    expect_object,
    expect_objects,
    expect_string,
    json_object,
    need,
    one_of,
)

MEMBERS = (
    "id", "object", "created_at", "status", "completed_at", "error", "incomplete_details", "model", "output", "usage",
    "instructions", "metadata", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p",
    "previous_response_id", "truncation", "text", "presence_penalty", "frequency_penalty", "top_logprobs", "reasoning",
    "user", "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "safety_identifier",
    "prompt_cache_key",
)  # fmt: skip
RUNNING = ("queued", "in_progress")
STATUSES = (*RUNNING, "completed", "incomplete", "failed", "cancelled")
REASONS = ("max_output_tokens", "content_filter")
ERROR_CODES = (
    "server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy",
    "vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
    "image_too_large", "image_too_small", "image_parse_error", "image_content_policy_violation", "invalid_image_mode",
    "image_file_too_large", "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
    "image_file_not_found",
)  # fmt: skip
BOOLEANS = ("parallel_tool_calls", "store", "background")
NUMBERS = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs", "max_output_tokens",
    "max_tool_calls",
)  # fmt: skip
CALL_ERRORS = ("mcp_protocol_error", "mcp_tool_execution_error", "http_error")
PATCHES = ("create_file", "update_file", "delete_file")
TEXTS = ("previous_response_id", "user", "service_tier", "safety_identifier", "prompt_cache_key")
PREFIXES = {
    "message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_",
    "web_search_call": "ws_", "image_generation_call": "ig_", "local_shell_call": "lsh_", "tool_search_call": "tsc_",
    "shell_call": "sh_", "apply_patch_call": "apc_", "compaction": "cmp_", "mcp_list_tools": "mcpl_",
    "mcp_call": "mcp_", "mcp_approval_request": "mcpr_",
}  # fmt: skip


def check_response(value: Json, place: str = "response") -> None:
    """One Response object. Raises GrammarError."""
    for name in MEMBERS:
        need(name in value, place, f"has no {name}")
    need(value["object"] == "response", f"{place}.object", "is not response")
    need(expect_string(value["id"], f"{place}.id").startswith("resp_"), f"{place}.id", "does not begin with resp_")
    need(bool(expect_string(value["model"], f"{place}.model")), f"{place}.model", "is empty")
    expect_count(value["created_at"], f"{place}.created_at")
    _echoed(value, place)
    status = value["status"]
    one_of(status, STATUSES, f"{place}.status")
    output = expect_objects(value["output"], f"{place}.output")
    _by_status(value, status, place)
    for index, item in enumerate(output):
        here = f"{place}.output[{index}]"
        check_item(item, here)
        need(status != "completed" or item.get("status") != "incomplete", here, "is incomplete in a completed response")
        alone = item["type"] != "compaction" or (len(output) == 1 and status == "completed")
        need(alone, here, "is a compaction that is not the whole answer")
    _ids(output, place)


def _echoed(value: Json, place: str) -> None:
    for name in BOOLEANS:
        need(isinstance(value[name], bool), f"{place}.{name}", "must be true or false")
    for name in NUMBERS:
        number = value[name]
        fine = number is None or (isinstance(number, int | float) and not isinstance(number, bool))
        need(fine, f"{place}.{name}", "must be a number or null")
    for name in TEXTS:
        need(value[name] is None or isinstance(value[name], str), f"{place}.{name}", "must be a string or null")
    if (conversation := value.get("conversation")) is not None:
        identity = expect_string(
            expect_object(conversation, f"{place}.conversation").get("id"), f"{place}.conversation"
        )
        need(identity.startswith("conv_"), f"{place}.conversation.id", "does not begin with conv_")
    expect_objects(value["tools"], f"{place}.tools")
    need(isinstance(value["tool_choice"], str | dict), f"{place}.tool_choice", "must be a word or an object")
    need(isinstance(value["metadata"], dict | None), f"{place}.metadata", "must be an object or null")
    need(isinstance(value["reasoning"], dict | None), f"{place}.reasoning", "must be an object or null")
    need(isinstance(value["instructions"], str | list | None), f"{place}.instructions", "must be a string or items")
    need(value["truncation"] in ("auto", "disabled"), f"{place}.truncation", "is neither auto nor disabled")
    text = expect_object(value["text"], f"{place}.text")
    expect_string(expect_object(text.get("format"), f"{place}.text.format").get("type"), f"{place}.text.format.type")


def _by_status(value: Json, status: str, place: str) -> None:
    if status in RUNNING:
        for name in ("usage", "error", "incomplete_details", "completed_at"):
            need(value[name] is None, f"{place}.{name}", f"is set while {status}")
        need(value["output"] == [], f"{place}.output", f"is not empty while {status}")
        return
    if value["usage"] is not None or status in ("completed", "incomplete"):
        check_usage(expect_object(value["usage"], f"{place}.usage"), f"{place}.usage")
    if status == "completed":
        at = expect_count(value["completed_at"], f"{place}.completed_at")
        need(at >= value["created_at"], f"{place}.completed_at", "lies before created_at")
    else:
        need(value["completed_at"] is None, f"{place}.completed_at", f"is set although {status}")
    if status == "incomplete":
        details = expect_object(value["incomplete_details"], f"{place}.incomplete_details")
        one_of(details.get("reason"), REASONS, f"{place}.incomplete_details.reason")
    else:
        need(value["incomplete_details"] is None, f"{place}.incomplete_details", f"is set although {status}")
    if status == "failed":
        error = expect_object(value["error"], f"{place}.error")
        need(error.get("code") in ERROR_CODES, f"{place}.error.code", "is not in the closed list")
        expect_string(error.get("message"), f"{place}.error.message")
    else:
        need(value["error"] is None, f"{place}.error", f"is set although {status}")


def check_usage(usage: Json, place: str) -> None:
    """All five members; they add up."""
    sent, received, total = (
        expect_count(usage.get(name), f"{place}.{name}") for name in ("input_tokens", "output_tokens", "total_tokens")
    )
    need(total == sent + received, place, "total_tokens is not the sum")
    details = expect_object(usage.get("input_tokens_details"), f"{place}.input_tokens_details")
    for name in ("cached_tokens", "cache_write_tokens"):
        expect_count(details.get(name), f"{place}.input_tokens_details.{name}")
    details = expect_object(usage.get("output_tokens_details"), f"{place}.output_tokens_details")
    expect_count(details.get("reasoning_tokens"), f"{place}.output_tokens_details.reasoning_tokens")


def check_item(item: Json, place: str) -> None:
    """One finished output item."""
    kind = expect_string(item.get("type"), f"{place}.type")
    one_of(kind, PREFIXES, f"{place}.type")
    prefix = PREFIXES[kind]
    need(
        expect_string(item.get("id"), f"{place}.id").startswith(prefix), f"{place}.id", f"does not begin with {prefix}"
    )
    if kind == "reasoning":
        for index, part in enumerate(expect_objects(item.get("summary"), f"{place}.summary")):
            check_part(part, ("summary_text",), f"{place}.summary[{index}]")
        expect_string(item.get("encrypted_content", ""), f"{place}.encrypted_content")
        return
    if kind == "compaction":
        need(
            bool(expect_string(item.get("encrypted_content"), f"{place}.encrypted_content")), place, "holds no summary"
        )
        return
    if kind in ("mcp_list_tools", "mcp_approval_request", "mcp_call"):
        _of_server(item, kind, place)
        return
    words = ("completed", "incomplete") if kind == "message" else ("completed",)
    need(item.get("status") in words, f"{place}.status", f"must be {' or '.join(words)}")
    if kind == "message":
        need(item.get("role") == "assistant", f"{place}.role", "is not assistant")
        content = expect_objects(item.get("content"), f"{place}.content")
        need(bool(content), f"{place}.content", "is empty: such a message must not be there")
        for index, part in enumerate(content):
            check_part(part, ("output_text", "refusal"), f"{place}.content[{index}]")
    elif kind == "web_search_call":
        action = expect_object(item.get("action"), f"{place}.action")
        need(action.get("type") == "search", f"{place}.action.type", "is not search")
        expect_string(action.get("query"), f"{place}.action.query")
    elif kind == "image_generation_call":
        expect_string(item.get("result"), f"{place}.result")
    else:
        _call(item, kind, place)


def _of_server(item: Json, kind: str, place: str) -> None:
    """What belongs to the tools of an MCP server."""
    need(bool(expect_string(item.get("server_label"), f"{place}.server_label")), f"{place}.server_label", "is empty")
    if kind == "mcp_list_tools":
        need(bool(expect_string(item.get("error", "x"), f"{place}.error")), f"{place}.error", "is empty")
        for index, tool in enumerate(expect_objects(item.get("tools"), f"{place}.tools")):
            expect_string(tool.get("name"), f"{place}.tools[{index}].name")
            expect_object(tool.get("input_schema"), f"{place}.tools[{index}].input_schema")
        return
    need("call_id" not in item, f"{place}.call_id", "is none that a client can answer")
    need(bool(expect_string(item.get("name"), f"{place}.name")), f"{place}.name", "is empty")
    json_object(expect_string(item.get("arguments"), f"{place}.arguments"), f"{place}.arguments")
    if kind == "mcp_approval_request":
        return
    status, error, output = item.get("status"), item.get("error"), item.get("output")
    one_of(status, ("completed", "failed", "incomplete"), f"{place}.status")
    need(isinstance(output, str) is (status == "completed"), f"{place}.output", f"does not fit {status}")
    need((error is not None) is (status == "failed"), f"{place}.error", f"does not fit {status}")
    if error is not None:
        _call_error(expect_object(error, f"{place}.error"), f"{place}.error")
    asked = item.get("approval_request_id")
    need(asked is None or isinstance(asked, str), f"{place}.approval_request_id", "must be a string or null")


def _call_error(error: Json, place: str) -> None:
    kind = error.get("type")
    one_of(kind, CALL_ERRORS, f"{place}.type")
    if kind == "mcp_tool_execution_error":
        need("content" in error, place, "has no content")
        return
    need(isinstance(error.get("code"), int), f"{place}.code", "must be a number")
    expect_string(error.get("message"), f"{place}.message")


def _call(item: Json, kind: str, place: str) -> None:
    call_id = expect_string(item.get("call_id"), f"{place}.call_id")
    need(call_id.startswith("call_"), f"{place}.call_id", "does not begin with call_")
    match kind:
        case "local_shell_call":
            action = expect_object(item.get("action"), f"{place}.action")
            need(action.get("type") == "exec", f"{place}.action.type", "is not exec")
            need(isinstance(action.get("command"), list), f"{place}.action.command", "must be an array")
            expect_object(action.get("env"), f"{place}.action.env")
        case "shell_call":
            action = expect_object(item.get("action"), f"{place}.action")
            commands = action.get("commands")
            need(isinstance(commands, list), f"{place}.action.commands", "must be an array")
            for command in cast("list[object]", commands):
                expect_string(command, f"{place}.action.commands")
            for name in ("timeout_ms", "max_output_length"):
                need(isinstance(action.get(name, ""), int | None), f"{place}.action.{name}", "must be a number or null")
            environment = expect_object(item.get("environment"), f"{place}.environment")
            need(environment.get("type") == "local", f"{place}.environment.type", "is not local")
        case "apply_patch_call":
            operation = expect_object(item.get("operation"), f"{place}.operation")
            word = operation.get("type")
            one_of(word, PATCHES, f"{place}.operation.type")
            expect_string(operation.get("path"), f"{place}.operation.path")
            need(("diff" in operation) is (word != "delete_file"), place, "only a deletion must have no diff")
            expect_string(operation.get("diff", ""), f"{place}.operation.diff")
        case "tool_search_call":
            need(item.get("execution") == "client", f"{place}.execution", "is not client")
            expect_object(item.get("arguments"), f"{place}.arguments")
        case "custom_tool_call":
            need(bool(expect_string(item.get("name"), f"{place}.name")), f"{place}.name", "is empty")
            expect_string(item.get("input"), f"{place}.input")
        case _:
            need(bool(expect_string(item.get("name"), f"{place}.name")), f"{place}.name", "is empty")
            json_object(expect_string(item.get("arguments"), f"{place}.arguments"), f"{place}.arguments")


def check_part(part: Json, kinds: tuple[str, ...], place: str) -> None:
    """One part of a message or a summary."""
    kind = part.get("type")
    need(kind in kinds, f"{place}.type", f"must be {' or '.join(kinds)}")
    text = expect_string(part.get("refusal" if kind == "refusal" else "text"), place)
    if kind == "output_text":
        expect_objects(part.get("logprobs"), f"{place}.logprobs")
        for index, entry in enumerate(expect_objects(part.get("annotations"), f"{place}.annotations")):
            check_annotation(entry, len(text), f"{place}.annotations[{index}]")


def check_annotation(entry: Json, length: int, place: str) -> None:
    """A url_citation whose indices lie inside a text of ``length`` characters."""
    need(entry.get("type") == "url_citation", f"{place}.type", "is not url_citation")
    expect_string(entry.get("url"), f"{place}.url")
    expect_string(entry.get("title"), f"{place}.title")
    start, end = (expect_count(entry.get(name), f"{place}.{name}") for name in ("start_index", "end_index"))
    need(start < end <= length, place, "lies outside of its text")


def _ids(output: list[Json], place: str) -> None:
    found = [item["id"] for item in output] + [item["call_id"] for item in output if "call_id" in item]
    need(len(set(found)) == len(found), f"{place}.output", "uses an id twice")
