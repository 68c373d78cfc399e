"""Requests and contexts for the tests of the Chat surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.chat import surface
from zerogravity.surfaces.common.models import Catalogue

TURN_ID = "turn_" + "5" * 32
HELLO = [{"role": "user", "content": "Hello"}]
PNG = "data:image/png;base64,iVBORw0KGgo="


def context(recall: Callable[[str], RememberedCall | None] = lambda _: None) -> Context:
    return Context(TURN_ID, 1_770_000_000, Catalogue().resolve, owner="someone", recall=recall)


def parse(recall: Callable[[str], RememberedCall | None] = lambda _: None, **body: Any) -> Turn:
    """A turn from a request; model and messages have defaults."""
    return surface.parse({"model": "gemini-3-flash", "messages": HELLO, **body}, context(recall))


def function(name: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": schema, **more}}


def call(call_id: str, name: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}
