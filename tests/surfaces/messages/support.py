"""Requests and contexts for the tests of the Messages surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.errors import Fault, FaultError
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.common.sealed_state import Carried, seal
from zerogravity.surfaces.messages import surface

TURN_ID = "turn_" + "5" * 32
SECRET = bytes(range(32))
PIXEL = "iVBORw0KGgo="
PDF = "JVBERi0xLjQK"
HELLO = [{"role": "user", "content": "Hello"}]
Block = dict[str, Any]


def context(recall: Callable[[str], RememberedCall | None] = lambda _: None) -> Context:
    return Context(TURN_ID, 1_770_000_000, Catalogue().resolve, owner="someone", recall=recall, secret=SECRET)


def parse(recall: Callable[[str], RememberedCall | None] = lambda _: None, **body: Any) -> Turn:
    """A turn from a request; model, limit and messages have defaults."""
    return surface.parse({"model": "gemini-3-flash", "max_tokens": 32_000, "messages": HELLO, **body}, context(recall))


def refused(**body: Any) -> Fault:
    """The 400 that such a request gets."""
    with pytest.raises(FaultError) as caught:
        parse(**body)
    assert caught.value.fault.status == 400
    return caught.value.fault


def contents(*messages: Block, **body: Any) -> list[Block]:
    """What Google gets of these messages, without the stand-in of the first call's signature."""
    found: list[Block] = [
        dict(content) for content in parse(messages=list(messages), **body).google_request["contents"]
    ]
    for content in found:
        content["parts"] = [
            {name: value for name, value in part.items() if value != "skip_thought_signature_validator"}
            for part in content["parts"]
        ]
    return found


def user(*blocks: Block | str) -> Block:
    return {"role": "user", "content": blocks[0] if isinstance(blocks[0], str) else list(blocks)}


def assistant(*blocks: Block | str) -> Block:
    return {**user(*blocks), "role": "assistant"}


def text(words: str, **more: Any) -> Block:
    return {"type": "text", "text": words, **more}


def use(own: str = "toolu_1", name: str = "look", **given: Any) -> Block:
    return {"type": "tool_use", "id": own, "name": name, "input": given}


def result(own: str = "toolu_1", content: Any = "fine", **more: Any) -> Block:
    return {"type": "tool_result", "tool_use_id": own, "content": content, **more}


def image(**source: Any) -> Block:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL, **source}}


def document(**more: Any) -> Block:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    return {"type": "document", "source": source, **more}


def thought(words: str, *carried: Carried) -> Block:
    """A thinking block that holds these signatures."""
    return {"type": "thinking", "thinking": words, "signature": seal(SECRET, carried)}
