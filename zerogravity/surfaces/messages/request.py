"""A Messages request → ``Turn``.

Facts: wire-anthropic 1, 2, 5, 8.
"""

from __future__ import annotations

from typing import Any

from zerogravity.core.turn import Turn
from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.declarations import NameMap
from zerogravity.surfaces.common.history import History
from zerogravity.surfaces.messages.details import MessagesDetails
from zerogravity.wire.narrow import Json


def parse(body: Json, context: Context) -> Turn:
    """Raises FaultError naming the parameter."""
    model = fields.required_string(body, "model")
    limit = fields.integer(body, "max_tokens", lo=0)
    if limit is None:
        raise fields.missing("max_tokens")
    messages = fields.array(body, "messages")
    if messages is None:
        raise fields.missing("messages")
    if not messages:
        raise bad_request("at least one message is required", param="messages", code="empty_array")
    target = context.target(model)
    names = NameMap()
    history = History(context.recall, names, target)
    for message, path in fields.each_object(messages, "messages"):
        role, text = fields.required_string(message, "role", path=path), message.get("content")
        parts: list[dict[str, Any]] = [{"text": text}]
        if role == "user":
            history.user(parts)
        else:
            history.model_part(parts[0])
    contents, system = history.build(param="messages")
    generate: dict[str, Any] = {"contents": contents, "generationConfig": {"maxOutputTokens": limit}}
    if system is not None:
        generate["systemInstruction"] = system
    request, notes = for_model(generate, target, context.recall)
    return Turn(
        id=context.turn_id,
        surface="messages",
        model=model,
        target=target,
        google_request=request,
        stream=fields.boolean(body, "stream"),
        details=MessagesDetails(),
        tool_names=names.to_client,
        owner=context.owner,
        created=context.created,
        notes=notes,
    )
