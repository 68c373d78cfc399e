"""What the form of a Messages answer depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zerogravity.core.turn import Details

Thoughts = Literal["shown", "omitted", "hidden"]
Search = Literal["none", "beside", "alone"]


@dataclass(frozen=True, slots=True)
class MessagesDetails(Details):
    """``thoughts``: with their text, as signatures only, or not at all. ``one_call``: only the first call of an answer
    is handed on. ``input_tokens``: an estimate, for the beginning of a stream. ``search``: whether the client declared
    a web search: ``beside`` other tools, or ``alone``, so that its results stand before the text."""

    thoughts: Thoughts = "hidden"
    one_call: bool = False
    input_tokens: int = 0
    search: Search = "none"
