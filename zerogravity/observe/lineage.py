"""A turn → its marks: a digest of each beginning of its contents, by which another turn's history is known again. Pure.

A mark stands for all that was said up to a point, who asked and with which program. What changes from one request to
the next is left out: signatures, thoughts, ids of calls, space around texts, the system prompt. Everything that the
model said in one go is one step, however a client cuts it into parts; a user's parts are a step each, since clients
join messages that were never answered. The cost is linear in the request, and each byte is hashed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson

from zerogravity.core.fold import Call, Media, Message, TurnState
from zerogravity.core.turn import Turn
from zerogravity.wire.narrow import Json, an_object, members, objects, text

SIZE = 8  # bytes of a mark


@dataclass(slots=True)
class Marks:
    """``steps``      the mark after each step of the contents, the last one standing for them all.
    ``covered``    for each step: how many contents are complete with it.
    ``scope``      what every mark of this client and owner begins with: no other's equals one of them.
    ``tools``      a digest of the names of the declared tools; empty: none are.
    ``dialogue``   whether the model has spoken in the contents.
    """

    scope: bytes
    tools: str = ""
    dialogue: bool = False
    steps: list[bytes] = field(default_factory=list[bytes])
    covered: list[int] = field(default_factory=list[int])

    @property
    def whole(self) -> bytes:
        """The mark of all contents."""
        return self.steps[-1] if self.steps else self.scope

    def step(self, data: bytes, covered: int) -> None:
        self.steps.append(_next(self.whole, data))
        self.covered.append(covered)


def of(turn: Turn, key: bytes = b"") -> Marks:
    """``key`` makes marks that say nothing to who does not know it: traces hold them, and what they are made of may be
    masked there."""
    marks = Marks(
        hashlib.blake2b(f"{turn.owner}\n{turn.client}".encode(), digest_size=SIZE, key=key[:64]).digest(),
        _tools(turn.google_request),
    )
    said = _Said()
    for number, content in enumerate(objects(turn.google_request.get("contents"))):
        parts = objects(content.get("parts"))
        if content.get("role") == "model":
            for part in parts:
                said.take(part)
            continue
        if said:
            marks.step(said.bytes(), number)
            marks.dialogue = True
            said = _Said()
        steps = [data for part in parts if (data := _user_part(part))]
        for position, data in enumerate(steps, 1):
            marks.step(data, number + (position == len(steps)))
    if said:
        marks.step(said.bytes(), len(objects(turn.google_request.get("contents"))))
        marks.dialogue = True
    return marks


def answered(mark: bytes, state: TurnState) -> bytes:
    """The mark of a turn's contents → that of its contents and its answer. The same again: there was no answer."""
    said = _Said()
    for item in state.items:
        match item:
            case Message():
                said.texts.append(item.text)
            case Call(server=""):
                from zerogravity.surfaces.common.history import arguments  # heavy, and not for who only reads

                said.others.append(_call(item.name, arguments(item.args_json)))
            case Media():
                said.others.append(item.data.encode("utf-8", "replace"))
            case _:
                pass
    return _next(mark, said.bytes()) if said else mark


class _Said:
    """What a model has said in one go: its texts as one, without the space in them, then its calls and pictures."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.others: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self.others) or any(said and not said.isspace() for said in self.texts)

    def take(self, part: Json) -> None:
        if part.get("thought"):
            return
        if said := text(part.get("text")):
            self.texts.append(said)
        elif (call := an_object(part.get("functionCall"))) is not None:
            self.others.append(_call(text(call.get("name")), members(call.get("args"))))
        elif (blob := an_object(part.get("inlineData"))) is not None:
            self.others.append(text(blob.get("data")).encode("utf-8", "replace"))

    def bytes(self) -> bytes:
        words = "".join(self.texts).encode("utf-8", "replace").translate(None, b" \t\r\n")
        return b"\0".join((b"model", words, *self.others))


def _user_part(part: Json) -> bytes:
    if isinstance(said := part.get("text"), str):
        return b"text" + said.strip().encode("utf-8", "replace") if said and not said.isspace() else b""
    if (blob := an_object(part.get("inlineData"))) is not None:
        return b"blob" + text(blob.get("data")).encode("utf-8", "replace")
    if (result := an_object(part.get("functionResponse"))) is not None:
        return b"result" + _json({name: value for name, value in result.items() if name != "id"})
    return _json({name: value for name, value in part.items() if name != "thoughtSignature"})


def _call(name: str, args: Json) -> bytes:
    return name.encode("utf-8", "replace") + _json(args)


def _next(mark: bytes, data: bytes) -> bytes:
    made = hashlib.blake2b(mark, digest_size=SIZE)
    made.update(data)
    return made.digest()


def _tools(request: Json) -> str:
    names = sorted(
        text(declared.get("name"))
        for tool in objects(request.get("tools"))
        for declared in objects(tool.get("functionDeclarations"))
    )
    return hashlib.blake2b("\n".join(names).encode("utf-8", "replace"), digest_size=4).hexdigest() if names else ""


def _json(value: object) -> bytes:
    """The same for values that are equal, whatever the order of their members."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested too deeply, an integer beyond 64 bits, half a surrogate pair
        return repr(value).encode("utf-8", "replace")


def _plain(value: object) -> object:
    """A number that keeps its text → the number; any mapping or sequence → what JSON has."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    return list(cast("Iterable[object]", value)) if isinstance(value, Iterable) else str(value)
