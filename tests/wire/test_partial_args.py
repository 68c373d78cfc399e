"""Arguments in pieces → the text of one object, or that they do not fit together."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.wire import jsonio
from zerogravity.wire.partial_args import MAX_STEPS, Partial


def piece(path: str, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value}


def put_together(*given: Any) -> tuple[bytes | None, bool]:
    """(the text of the object, whether all fit): an object is taken whole, a list is one of pieces."""
    partial = Partial()
    fit = True
    for one in given:
        if isinstance(one, bytes):
            partial.take(one)
        else:
            fit &= partial.apply(jsonio.dumps(one))
    return partial.text(), fit


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([], b"{}"),
        ([b'{"a": 1.0}'], b'{"a": 1.0}'),
        ([b'{"a": 1.0}', b'{"b": 1e400, "a": 2}'], b'{"a":2,"b":1e400}'),
        ([b'{"a": 1}', [piece("$.b", stringValue="c")]], b'{"a":1,"b":"c"}'),
        ([[piece("$.a", stringValue="x", willContinue=True)], [piece("$.a", stringValue="y")]], b'{"a":"xy"}'),
        ([[piece("$.a", stringValue="x", willContinue=True)], [piece("$.a")]], b'{"a":"x"}'),
        ([[piece("$.a", stringValue="x", willContinue=True)], [piece("$.a", willContinue=True)]], None),
        ([[piece("$.n", numberValue=1.5), piece("$.t", boolValue=True), piece("$.z", nullValue="NULL_VALUE")]],
         b'{"n":1.5,"t":true,"z":null}'),
        ([[piece("$.l[0].a", numberValue=1), piece("$.l[1]['b c']", numberValue=2)]], b'{"l":[{"a":1},{"b c":2}]}'),
        ([[piece("a.b", boolValue=True)]], b'{"a":{"b":true}}'),
        ([[piece('$["a\\"b"]', boolValue=True)]], b'{"a\\"b":true}'),
        ([[{"json_path": "$.a", "string_value": "x", "will_continue": False}]], b'{"a":"x"}'),
    ],
)  # fmt: skip
def test_pieces_that_fit(given: list[Any], text: bytes | None) -> None:
    assert put_together(*given) == (text, True)


@pytest.mark.parametrize(
    "pieces",
    [
        [1], {"a": 1}, [{"stringValue": "x"}], [piece("$", stringValue="x")], [piece("$.a[1]", stringValue="x")],
        [piece("$.a", stringValue="x"), piece("$.a.b", stringValue="y")], [piece("$.a", numberValue="NaN")],
        [piece("$.a[0]", boolValue=True), piece("$.a.b", boolValue=True)], [piece("$.a..b", boolValue=True)],
        [piece("$.a", boolValue="yes")], [piece("$.a[x]", boolValue=True)], [piece("$.a")],
        [piece("$[0]", nullValue=0)], [piece("$" + ".a" * (MAX_STEPS + 1), boolValue=True)],
    ],
    ids=str,
)  # fmt: skip
def test_pieces_that_do_not_fit(pieces: Any) -> None:
    assert not put_together(pieces)[1]
