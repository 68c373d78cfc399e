"""Items of an answer → the parts that go back to Google as the model's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zerogravity.core.family import STAND_IN, rules
from zerogravity.core.fold import Call, Item, Media, Message, Reasoning
from zerogravity.surfaces.common.history import arguments, parsed


def answer_parts(items: Iterable[Item], family: str, *, one_call: bool = False) -> list[dict[str, Any]]:
    """Texts, media, signed thoughts, and calls with the parts of Google's own tools around them; ``one_call``: only the
    first of those that are the client's own. ``zgCallId`` is our id of a call, which ``History.extend`` removes."""
    family_rules = rules(family)
    parts: list[dict[str, Any]] = []
    called = handed_on = False
    for item in items:
        part: dict[str, Any]
        signature = item.signature
        match item:
            case Reasoning():
                if not signature:
                    continue
                part = {"text": item.text, "thought": True}
            case Message():
                part = {"text": item.text}
            case Media():
                part = {"inlineData": {"mimeType": item.mime, "data": item.data}}
            case Call():
                if not item.server:
                    if handed_on and one_call:
                        continue
                    handed_on = True
                call: dict[str, Any] = {"name": item.name, "args": arguments(item.args_json)}
                if family_rules.ids_on_calls:
                    call["id"] = item.upstream_id or item.call_id
                part = {"functionCall": call, "zgCallId": item.call_id}
                if not called and family_rules.needs_signature:
                    signature = signature or STAND_IN
                called = True
                parts += parsed(item.before)
        parts.append({**part, "thoughtSignature": signature} if signature else part)
        if isinstance(item, Call):
            parts += parsed(item.after)
    return parts
