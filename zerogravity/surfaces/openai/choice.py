"""What Chat and Responses share of ``tool_choice``: a word, ``allowed_tools``. Which tools may be named is each one's.

Facts: wire-openai 4, 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.declarations import Tools
from zerogravity.surfaces.common.tool_choice import Choice, Mode
from zerogravity.wire.narrow import Json

WORDS = ("none", "auto", "required")


def of_word(value: str, tools: Tools, *, offered: bool, param: str, words: Sequence[str] = WORDS) -> Choice:
    """The choice that is one of ``words``. ``offered``: there is some tool. Raises FaultError 400."""
    if value not in words:
        raise fields.invalid_value(param, value, words)
    if value == "required" and not offered:
        raise bad_request(f"'{param}' is only allowed when 'tools' are specified.", param=param)
    return Choice(cast("Mode", value), tools.search)


@dataclass(frozen=True, slots=True)
class Allowed:
    """``allowed_tools``, a hard limit: no other tool can be used. ``path``: of the object that holds ``tools``."""

    mode: Mode
    tools: Sequence[object]
    path: str

    def entries(self) -> Iterator[tuple[Json, str]]:
        """Each tool that it names, and its path."""
        return fields.each_object(self.tools, f"{self.path}.tools")

    def empty(self, what: str) -> FaultError:
        text = f"Invalid '{self.path}.tools': it must name at least one {what}."
        return bad_request(text, param=f"{self.path}.tools", code="empty_array")


def allowed_tools(choice: Json) -> Allowed:
    """In either API's nesting. Raises FaultError 400."""
    inner = fields.obj(choice, "allowed_tools", path="tool_choice")
    path = "tool_choice" if inner is None else "tool_choice.allowed_tools"
    inner = choice if inner is None else inner
    mode = fields.choice(inner, "mode", ("auto", "required"), path=path)
    if mode is None:
        raise fields.missing(f"{path}.mode")
    tools = fields.array(inner, "tools", path=path) or []
    return Allowed("required" if mode == "required" else "allowed", tools, path)
