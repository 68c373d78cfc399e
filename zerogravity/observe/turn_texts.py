"""A turn → its texts, by part: what it is found by. Pure.

Of a request it is what is new in it (``Placement.fresh``), so that a long conversation is not there once per turn:

| part       | text                                                                                    |
|------------|-----------------------------------------------------------------------------------------|
| `request`  | the user's words; at the beginning of a conversation also the system instruction        |
| `result`   | what tools have answered: the client's, and those that were run here                    |
| `thinking` | the model's thoughts                                                                    |
| `text`     | its answer                                                                              |
| `call`     | the tools that it calls: `name(arguments)`                                              |
| `failure`  | code and message of a failed turn                                                       |
| `note`     | the owner's                                                                             |

A part ends after 16,777,216 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

from zerogravity.core import codec
from zerogravity.core.events import CallReturned
from zerogravity.core.fold import Call, TurnState
from zerogravity.errors import join_sentences
from zerogravity.observe import summary, tool_results
from zerogravity.observe.source import TurnSource
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import count, members, objects, text

MOST = 16 << 20  # characters of a part


class Said(NamedTuple):
    """What of an answer is looked for. ``calls``: without signatures, pictures, and what Google's own tools did."""

    text: str
    thinking: str
    calls: Sequence[Call]

    @classmethod
    def of(cls, state: TurnState) -> Self:
        return cls(state.text[:MOST], state.thinking[:MOST], [_bare(call) for call in state.function_calls])

    @property
    def size(self) -> int:
        """Characters."""
        of_calls = sum(len(call.args_json) + len(_output(call)) for call in self.calls)
        return len(self.text) + len(self.thinking) + of_calls


def _bare(call: Call) -> Call:
    returned = None if call.returned is None else CallReturned(call.call_id, call.returned.output)
    return replace(call, signature=None, before=[], after=[], returned=returned)


def _output(call: Call) -> str:
    """What the tool has answered, where it was run here."""
    return "" if call.returned is None else call.returned.output


def of(source: TurnSource, said: Said, *, whole: bool = False) -> dict[str, str]:
    """Part → text, of those that have one. ``said``: its answer; ``whole``: also of what was in the turn before."""
    info = source.info
    names = {name: text(client) for name, client in members(info.get("tool_names")).items()}
    follows, contents = _follows(info, whole), fresh(source, whole=whole)
    asked = [] if follows else list(_texts(source.google_request.get("systemInstruction")))
    for content in contents:
        if not (follows and content.get("role") == "model"):  # else it is the answer of the turn before
            asked += _texts(content)
    results = [members(part.get("functionResponse")) for content in contents for part in summary.parts(content)]
    failure = codec.fault_members(members(info.get("failure")))
    code, words = (text(failure.get(name)) for name in ("code", "message"))
    made = {
        "request": "\n".join(asked),
        "result": "\n".join(filter(None, (*map(_printed, results), *map(_output, said.calls)))),
        "thinking": said.thinking,
        "text": said.text,
        "call": "\n".join(f"{names.get(call.name, call.name)}({call.args_json})" for call in said.calls),
        "failure": f"{code}: {join_sentences(words, text(failure.get('remedy')))}" if code else "",
        "note": text(info.get("note")),
    }
    return {name: part[:MOST] for name, part in made.items() if part}


def fresh(source: TurnSource, *, whole: bool = False) -> list[dict[str, object]]:
    """The contents of the request that were not in the turn before."""
    contents = objects(source.google_request.get("contents"))
    return contents[count(source.info.get("fresh")) if _follows(source.info, whole) else 0 :]


def _follows(info: Mapping[str, object], whole: bool) -> bool:
    return bool(text(info.get("previous"))) and not whole


def _texts(content: object) -> Iterator[str]:
    for part in summary.parts(content):
        if found := text(part.get("text")):
            yield found


def _printed(result: Mapping[str, object]) -> str:
    """What a tool gave back, as the inspector shows it, and what else it said."""
    output = tool_results.of_part(result)
    return "\n".join(filter(None, (output.text, jsonio.text(output.rest) if output.rest else "")))
