"""Input items → the items that the API lists: each with an id, and with what its schema demands though a request may
leave it out.

Source: OpenAI's schema (ItemResource, ConversationItem). Facts: wire-openai 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zerogravity import ids
from zerogravity.surfaces.responses.ids import PREFIXES
from zerogravity.surfaces.responses.items import Entry
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

_DONE: Json = {"status": "completed"}
_SEARCHED: Json = {**_DONE, "execution": "client", "call_id": None}
DEFAULTS: Mapping[str, Json] = {
    **dict.fromkeys(
        (
            "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
            "local_shell_call", "apply_patch_call", "apply_patch_call_output", "web_search_call", "computer_call",
            "computer_call_output",
        ),
        _DONE,
    ),
    **dict.fromkeys(("tool_search_call", "tool_search_output"), _SEARCHED),
    "shell_call": {**_DONE, "environment": None},
    "shell_call_output": {**_DONE, "max_output_length": None},
    "additional_tools": {"role": "developer"},
    "reasoning": {"summary": []},
}  # fmt: skip
PARTS: Mapping[str, Json] = {
    "input_image": {"detail": "auto"},
    "output_text": {"annotations": [], "logprobs": []},
}


def listed(entries: Sequence[Entry], turn_id: str) -> list[Json]:
    """The items of a request; ``turn_id`` makes the ids of those that have none."""
    made: list[Json] = []
    for index, entry in enumerate(entries):
        given = entry.item.get("id")
        prefix = PREFIXES.get(entry.kind, "item")
        own = given if isinstance(given, str) and given else ids.derive(prefix, turn_id, "input", index)
        item = {**DEFAULTS.get(entry.kind, {}), **entry.item, "type": entry.kind, "id": own}
        if item.get("encrypted_content", "") is None:
            del item["encrypted_content"]
        if entry.kind == "message":
            item["content"] = _contents(item)
        elif narrow.an_array(item.get("output")) is not None:
            item["output"] = [_part(part) for part in narrow.objects(item["output"])]
        made.append(item)
    return made


def _contents(item: Json) -> list[Json]:
    """A message's content as parts, its texts of the kind that its role has."""
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    if isinstance(item.get("content"), str):
        return [_part({"type": kind, "text": item["content"]})]
    parts = narrow.objects(item.get("content"))
    return [_part({**part, "type": kind} if part.get("type") in ("text", "input_text") else part) for part in parts]


def _part(part: Json) -> Json:
    return {**PARTS.get(str(part.get("type")), {}), **part}
