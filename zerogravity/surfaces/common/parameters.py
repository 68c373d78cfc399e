"""A request's parameters as rows, which drive how it is read and print themselves (``zerogravity surfaces``).

A row says which values a parameter takes and what becomes of it: a member of generationConfig, a member that the answer
repeats, something that another module makes of it, a refusal, or nothing, which is noted. A dotted name is a member of
an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields
from zerogravity.wire.narrow import Json

Read = Callable[[Json, str, str], Any]
NOT_SHOWN = object()
INT32 = 2**31 - 1
ASKS_FOR_NOTHING: tuple[object, ...] = (None, False, "", [], {})


@dataclass(frozen=True, slots=True)
class Kind:
    """The values that a parameter takes: in ``words``, and ``read`` from (body, name, path of the body): None if it is
    not set. ``read`` raises FaultError 400."""

    words: str
    read: Read


def number(lo: float, hi: float) -> Kind:
    return Kind(f"{lo} to {hi}", lambda body, name, path: fields.number(body, name, lo=lo, hi=hi, path=path))


def integer(lo: int, hi: int | None = None) -> Kind:
    words = f"an integer from {lo}" if hi in (None, INT32) else f"an integer, {lo} to {hi}"
    return Kind(words, lambda body, name, path: fields.integer(body, name, lo=lo, hi=hi, path=path))


def choice(*words: str) -> Kind:
    return Kind(", ".join(words), lambda body, name, path: fields.choice(body, name, words, path=path))


def _boolean(body: Json, name: str, path: str) -> bool | None:
    return None if body.get(name) is None else fields.boolean(body, name, path=path)


ANY = Kind("anything", lambda body, name, _: body.get(name))
STRING = Kind("a string", lambda body, name, path: fields.string(body, name, path=path))
BOOLEAN = Kind("true, false", _boolean)
OBJECT = Kind("an object", lambda body, name, path: fields.obj(body, name, path=path))
ARRAY = Kind("an array", lambda body, name, path: fields.array(body, name, path=path))
TEXT_OR_ARRAY = Kind("a string or an array", lambda body, name, _: body.get(name))
TEXT_OR_OBJECT = Kind("a string or an object", lambda body, name, _: body.get(name))


@dataclass(frozen=True, slots=True)
class Parameter:
    """``does``: what another module makes of it, in words. ``config``: the member of generationConfig that it becomes.
    ``shown``: the answer repeats it, and shows this value if it is not set. ``refused``: why a value that ``asks`` for
    something is refused. ``noted``: other values are noted as ignored. ``accepted``: without effect and without a note,
    since clients send it with every request."""

    name: str
    kind: Kind
    does: str = ""
    config: str = ""
    shown: object = NOT_SHOWN
    refused: str = ""
    asks: Callable[[Any], bool] = bool
    noted: bool = False
    accepted: bool = False
    top: str = field(init=False, repr=False, compare=False)  # the body's member that it is, or is in

    def __post_init__(self) -> None:
        object.__setattr__(self, "top", self.name.partition(".")[0])

    @property
    def becomes(self) -> str:
        """What becomes of it, for people."""
        outcomes = [
            self.does,
            f"generationConfig.{self.config}" if self.config else "",
            f"refused: {self.refused}" if self.refused else "",
            "repeated in the answer" if self.shown is not NOT_SHOWN else "",
        ]
        return "; ".join(filter(None, outcomes)) or (
            "no effect; validated" if self.accepted else "no effect; validated and noted"
        )

    @property
    def served(self) -> bool:
        return not self.noted and bool(self.does or self.config or self.refused or self.shown is not NOT_SHOWN)

    def read(self, body: Json) -> Any:
        """Its value; None where it is not set. Raises FaultError 400."""
        *outer, name = self.name.split(".")
        for depth, step in enumerate(outer):
            body = fields.obj(body, step, path=".".join(outer[:depth])) or {}
        return self.kind.read(body, name, ".".join(outer))


MAX_MODELS = 8


def _models(body: Json, name: str, path: str) -> list[str] | None:
    given = fields.array(body, name, path=path)
    if given is None:
        return None
    if len(given) > MAX_MODELS:
        text = (
            f"Invalid '{name}': array too long. Expected an array with maximum length {MAX_MODELS}, got {len(given)}."
        )
        raise bad_request(text, param=name, code="array_above_max_length")
    return [fields.as_string(model, f"{name}[{index}]") for index, model in enumerate(given)]


MODELS = Parameter(
    "models", Kind(f"up to {MAX_MODELS} names", _models), "who is asked, in this order, where the model has no room"
)


def named_models(body: Json) -> tuple[str, tuple[str, ...]]:
    """``model``, and those that may answer in its place. Without it the first of ``models`` is meant, as on OpenRouter.
    Raises FaultError 400."""
    others: list[str] = MODELS.read(body) or []
    model = fields.string(body, "model")
    if model is not None:
        return model, tuple(others)
    if not others:
        raise fields.missing("model")
    return others[0], tuple(others[1:])


def is_given(value: object) -> bool:
    return value is not None


# -- what the rows do --------------------------------------------------------------------------------------------


def _given(body: Json, rows: Iterable[Parameter]) -> list[Parameter]:
    """Those that the body may have a value for: a request names few of what there is."""
    return [row for row in rows if row.top in body]


def refuse(body: Json, rows: Iterable[Parameter]) -> None:
    """Raises FaultError 400 for a parameter that cannot be served and asks for something."""
    for row in _given(body, rows):
        if row.refused and row.asks(row.read(body)):
            raise fields.unsupported(row.name, row.refused)


def settings(body: Json, rows: Iterable[Parameter]) -> dict[str, Any]:
    """Members of generationConfig; of several names for one member, the first that is set counts."""
    made: dict[str, Any] = {}
    for row in _given(body, rows):
        if row.config and (value := row.read(body)) is not None:
            made.setdefault(row.config, value)
    return made


def repeated(body: Json, rows: Iterable[Parameter], config: Json, special: Json) -> dict[str, Any]:
    """The members that an answer repeats, in the rows' order. ``special``: values to show instead of those sent.
    Sampling and limits are shown as they are sent to the model (``config``)."""
    made: dict[str, Any] = {}
    for row in rows:
        if row.shown is NOT_SHOWN:
            continue
        value = row.read(body)
        if row.name in special:
            value = special[row.name]
        elif value is not None and row.config:
            value = config.get(row.config, row.shown)
        made[row.name] = row.shown if value is None else value
    return made


def unserved(body: Json, rows: Iterable[Parameter], path: str = "") -> list[str]:
    """Notes on what is ignored. Parameters of the table are validated all the same."""
    rows = tuple(rows)
    if not path:
        for row in _given(body, rows):
            if not row.served and not row.refused:
                row.read(body)
    names = [fields.join(path, name) for name in body if path or body[name] is not None]
    known = {row.name for row in rows if row.name in names and (row.served or row.accepted)}
    return [ignored(name) for name in names if name not in known]


def ignored(param: str) -> str:
    """The note on a parameter that is taken and does nothing."""
    return f"{param}: ignored, it has no effect here"


def table(rows: Iterable[Parameter]) -> list[tuple[str, str, str]]:
    """(name, what it takes, what becomes of it) of each row, for people."""
    return [(row.name, row.kind.words, row.becomes) for row in rows]
