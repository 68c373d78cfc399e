"""Function calls as Google writes them → calls that a client can run: a name, and arguments that are one object.

| what comes                                                  | the call                                              |
|-------------------------------------------------------------|-------------------------------------------------------|
| a name and an object                                        | as it is                                              |
| a name without arguments                                    | as it is, unless nameless arguments follow            |
| ``willContinue``, then nameless ``args`` or ``partialArgs`` | gathered; ``{}`` closes it                            |
| ``args`` that are the JSON text of an object                | with that object                                      |
| ``default_api:view`` or ``default_api.view``                | ``view``, when that is declared and the other is not  |
| no name, arguments that are no object, NaN or Infinity      | none: ``broken`` says why                             |
| whatever comes behind such a one                            | none                                                  |

A piece without a name belongs to the call before it. Text in between ends a call of which nothing says that it goes on.
What an answer was cut in (length, filter) is no call. Sans-I/O, knows neither events nor surfaces; numbers and whole
calls keep their text. Facts: wire-gemini-and-mapping 2.3.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from math import isfinite

from zerogravity.core.policy import FILTERED, LENGTH
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json
from zerogravity.wire.partial_args import Partial

KEYS = ("functionCall", "function_call")
PIECES = ("partialArgs", "partial_args")
_NAMED = re.compile(rb"function(?:Call|_call)")
_NAMESPACE = re.compile(r"default_api[:.]")


@dataclass(frozen=True, slots=True)
class Whole:
    """One call. ``args``: the source text of an object, on one line. ``part``: that of its part, Google's own where
    nothing had to be done. ``place``: where it began, in the words of whoever asked."""

    name: str
    args: str
    part: bytes
    place: object = None
    signature: str | None = None
    upstream_id: str | None = None
    mended: bool = False


@dataclass(slots=True)
class _Held:
    """A call that may go on. ``source``: its part, as long as nothing has come to it. ``goes_on``: so it was said."""

    name: str
    place: object
    source: bytes | None
    signature: str | None = None
    upstream_id: str | None = None
    goes_on: bool = False
    made: Partial = field(default_factory=Partial)
    texts: list[str] = field(default_factory=list[str])  # of arguments that come as text

    @property
    def unfinished(self) -> bool:
        return self.goes_on or self.made.open


class Calls:
    """The calls of one answer. ``declared``: names of the functions that there are. ``broken``: why a call of this
    answer cannot be run."""

    def __init__(self, declared: Collection[str] = ()) -> None:
        self.broken: str | None = None
        self._declared = declared
        self._held: _Held | None = None
        self._seen = False

    @property
    def waits_at(self) -> object:
        """Where the call began that is not complete yet; None: there is none."""
        return None if self._held is None else self._held.place

    def take(self, part: Json, source: bytes, place: object = True) -> list[Whole]:
        """The calls that a part with a call completes."""
        key = next(key for key in KEYS if isinstance(part.get(key), dict))
        call = narrow.members(part[key])
        name, upstream_id = narrow.text(call.get("name")), narrow.text(call.get("id")) or None
        name = name if name.strip() else ""
        done: list[Whole] = []
        held = self._held
        begins = held is None or not _continues(held, name, upstream_id, call)
        if held is None or begins:
            done = self._close()
            if self.broken is not None:
                return done
            if not name:
                self._nameless(call)
                return done
            self._seen = True
            self._held = held = _Held(name, place, source)
        elif not _says_nothing(call):
            held.source = None
        signature = narrow.text(part.get("thoughtSignature")) or narrow.text(part.get("thought_signature"))
        held.signature, held.upstream_id = held.signature or signature or None, held.upstream_id or upstream_id
        held.goes_on = call.get("willContinue", call.get("will_continue")) is True
        if not self._add(held, call, source, key):
            self._held = None
        elif begins and not held.goes_on and not held.made.open and not _empty(call.get("args")):
            done += self._close()  # complete, as nearly all are
        return done

    def flush(self) -> list[Whole]:
        """Something else than a call follows."""
        return [] if self._held is None or self._held.unfinished else self._close()

    def end(self, finish: str | None) -> list[Whole]:
        """The answer is over."""
        if self._held is not None and (finish is None or (self._held.unfinished and _cuts(finish))):
            self._held = None
        return self._close()

    # -- inside ----------------------------------------------------------------------------------------------

    def _nameless(self, call: Json) -> None:
        if not (self._seen and _says_nothing(call)):  # else it closes a call that was closed already
            self._break("a function call without a name")

    def _add(self, held: _Held, call: Json, source: bytes, key: str) -> bool:
        """The arguments of one piece. False: the call is broken."""
        args = call.get("args")
        if isinstance(args, str):
            held.texts.append(args)
            held.source = None
        elif args is None and "args" in call:
            held.source = None  # null is no object, though to Google it is the empty one
        elif not _empty(args):
            text = jsonio.at(source, (key, "args")) or jsonio.dumps(args)
            if narrow.an_object(args) is None:
                return self._break(f"arguments of {held.name[:64]} that are no object")
            if _not_finite(args, text):
                return self._break(f"a number in the arguments of {held.name[:64]} that JSON does not have")
            held.made.take(jsonio.one_line(text))
        name = next((name for name in PIECES if call.get(name)), None)
        if name is not None:
            held.source = None
            if not held.made.apply(jsonio.at(source, (key, name)) or b""):
                return self._break(f"pieces of the arguments of {held.name[:64]} that do not fit together")
        return True

    def _close(self) -> list[Whole]:
        held, self._held = self._held, None
        if held is None:
            return []
        args = self._arguments(held)
        if args is None:
            self._break(f"arguments of {held.name[:64]} that are no object")
            return []
        name = self._own_name(held.name)
        part, text = held.source, args.decode("utf-8", "replace")
        mended = part is None or name != held.name
        part = _part(held, name, args) if part is None or mended else part
        return [Whole(name, text, part, held.place, held.signature, held.upstream_id, mended)]

    def _arguments(self, held: _Held) -> bytes | None:
        """The object's source text; None when there is none."""
        if held.texts and (text := "".join(held.texts).strip().encode("utf-8", "replace")):
            try:
                value = jsonio.loads(text)
            except ValueError:
                return None
            if narrow.an_object(value) is None or _not_finite(value, text):
                return None
            held.made.take(jsonio.one_line(text))
        return held.made.text()

    def _own_name(self, name: str) -> str:
        found = _NAMESPACE.match(name)
        if found is None or name in self._declared or name[found.end() :] not in self._declared:
            return name
        return name[found.end() :]

    def _break(self, why: str) -> bool:
        self.broken = self.broken or why
        return False


def declared_names(generate: Json) -> frozenset[str]:
    """What a request to Google declares."""
    tools = narrow.objects(generate.get("tools"))
    functions = [function for tool in tools for function in narrow.objects(tool.get("functionDeclarations"))]
    return frozenset(name for function in functions if isinstance(name := function.get("name"), str))


def names_a_call(data: bytes) -> bool:
    """Cheap, and true of every chunk that may hold a call."""
    return data.find(b"function") >= 0 and _NAMED.search(data) is not None


def is_call(part: Json) -> bool:
    return any(isinstance(part.get(key), dict) for key in KEYS)


def says_something(part: Json) -> bool:
    """Whether a part that is no call ends one of which nothing says that it goes on."""
    return not part.keys() <= {"text"} or bool(part.get("text"))


def _continues(held: _Held, name: str, upstream_id: str | None, call: Json) -> bool:
    """Whether a piece belongs to the call before it. Some say its name again in each."""
    if upstream_id and held.upstream_id and upstream_id != held.upstream_id:
        return False
    return not name or (name == held.name and held.goes_on and (bool(upstream_id) or not _says_nothing(call)))


def _says_nothing(call: Json) -> bool:
    return _empty(call.get("args")) and not any(call.get(name) for name in PIECES)


def _empty(args: object) -> bool:
    return args is None or args == {} or args == ""


def _cuts(finish: str) -> bool:
    return finish in LENGTH or finish in FILTERED or finish.startswith("BLOCKED:")


def _not_finite(args: object, source: bytes) -> bool:
    """Whether there is a NaN or Infinity: JSON has none, though lenient readers take them."""
    if b"NaN" not in source and b"Infinity" not in source:
        return False
    pending = [args]
    for item in pending:  # which grows meanwhile
        if type(item) is float and not isfinite(item):  # 1e400 is a Number, and JSON
            return True
        pending += narrow.members(item).values() or narrow.items(item)
    return False


def _part(held: _Held, name: str, args: bytes) -> bytes:
    members = b'"name":' + jsonio.dumps(name) + b',"args":' + args
    if held.upstream_id is not None:
        members += b',"id":' + jsonio.dumps(held.upstream_id)
    signature = b"" if held.signature is None else b',"thoughtSignature":' + jsonio.dumps(held.signature)
    return b'{"functionCall":{' + members + b"}" + signature + b"}"
