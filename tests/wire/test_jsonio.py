"""JSON at its borders: what orjson cannot do, exact slices."""

from __future__ import annotations

import copy
import json
import math
import pickle
import tracemalloc
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from zerogravity.wire import jsonio
from zerogravity.wire.jsonio import Number

BIG = 2**64 + 1

# -- parse and write -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' {"a": [1, -2.5, true, null, "\\u00e4"]} ', {"a": [1, -2.5, True, None, "ä"]}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'"\\ud800x"', "\ufffdx"),
        (b'{"\\udfff":["\\ud83d"]}', {"\ufffd": ["\ufffd"]}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'["\\ud83d\\ude00\\ud83d"]', ["\U0001f600\ufffd"]),
        (b'"a\xffb"', "a\ufffdb"),
        (b"[18446744073709551617]", [BIG]),
        (b'{"a": -18446744073709551617 }', {"a": -BIG}),
        (b'{"a":18446744073709551617}', {"a": BIG}),
        (b"18446744073709551617", BIG),
        (b" -18446744073709551617\n", -BIG),
        (b"[1,18446744073709551617,2]", [1, BIG, 2]),
        (b'":18446744073709551617,"', ":18446744073709551617,"),
        (b"[12345678901234567890.5]", [12345678901234567890.5]),
        (b"[Infinity]", [math.inf]),
    ],
)
def test_loads(data: bytes, value: object) -> None:
    assert jsonio.loads(data) == jsonio.exact(data) == value


@pytest.mark.parametrize("loads", [jsonio.loads, jsonio.exact])
def test_loads_nan(loads: Callable[[bytes], Any]) -> None:
    assert math.isnan(loads(b"[NaN]")[0])


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,]", b"{'a': 1}", b'"\x00"', b"nul", b'{"a":1} x', b"\xff", b"[" * 100_000]
)
def test_loads_refuses(data: bytes) -> None:
    for loads in (jsonio.loads, jsonio.exact):
        with pytest.raises(ValueError):
            loads(data)


def test_a_syntax_error_says_where() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        jsonio.loads(b'{"a": 1,\n "b"}')
    assert (caught.value.lineno, caught.value.colno) == (2, 5)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"a": ["ä", 1, None]}, '{"a":["ä",1,null]}'.encode()),
        ([BIG, -BIG], b"[18446744073709551617,-18446744073709551617]"),
        ({"a": "\ud800", "\udfff": BIG}, '{"a":"\ufffd","\ufffd":18446744073709551617}'.encode()),
        ([math.nan, math.inf, 1.5], b"[null,null,1.5]"),
        ([math.nan, BIG], b"[null,18446744073709551617]"),
        (MappingProxyType({"a": MappingProxyType({"b": (1, 2)})}), b'{"a":{"b":[1,2]}}'),
        ({'a"': {1: BIG, None: [], "": {}}}, b'{"a\\"":{"1":18446744073709551617,"null":[],"":{}}}'),
    ],
)
def test_dumps(value: object, data: bytes) -> None:
    assert jsonio.dumps(value) == data
    assert jsonio.text(value) == data.decode()


def test_dumps_goes_as_deep_as_loads() -> None:
    data = b"[" * 1000 + b"]" * 1000
    assert jsonio.dumps(jsonio.loads(data)) == data


def test_dumps_refuses() -> None:
    with pytest.raises(TypeError):
        jsonio.dumps({"a": object()})
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(ValueError, match="deep"):
        jsonio.dumps(deep)
    while deep:  # taken apart by hand: freeing it whole would go as deep
        deep = deep.pop()


@given(json_values)
def test_round_trip(value: object) -> None:
    assert jsonio.loads(jsonio.dumps(value)) == value
    assert jsonio.loads(json.dumps(value).encode()) == value


# -- numbers -------------------------------------------------------------------------------------------------------

NUMBERS = [
    "0", "-0", "-0.0", "1.0", "1.10", "100.00", "1E5", "1e5", "1e+5", "1e-5", "0.00001", "0.0001", "1e16",
    "1e400", "-1E400", "1e-400", "5e-324", "0.1000000000000000055", "3.141592653589793238462643383279",
    "9007199254740993", "9007199254740993.0", "18446744073709551615", "18446744073709551617", "-9223372036854775809",
    "1" * 400, "9" * 5000, "-" + "9" * 4300, "12345678901234567890.5", "0e0", "0.0e-0",
]  # fmt: skip


class Spelled(str):
    """A number's own text, unlike any string."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and str(self) == str(other)

    __hash__ = str.__hash__


def spellings(data: str | bytes) -> Any:
    return json.loads(data, parse_float=Spelled, parse_int=Spelled)


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("beside", ["null", '"\\ud800"', "[" * 300 + "]" * 300, "18446744073709551617"])
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_keeps_its_text(number: str, beside: str, indent: bool) -> None:
    for text in (
        number,
        f" {number}\n",
        f"[{number}, {beside}]",
        f'{{"a" : {number} , "b":[{beside},{{"c":{number}}}]}}',
    ):
        value = jsonio.loads(text.encode())
        written = jsonio.dumps(value, indent=indent)
        assert spellings(written) == spellings(text.replace("\\ud800", "\ufffd"))


def test_numbers_that_a_float_prints_alike_stay_floats() -> None:
    assert [type(value) for value in jsonio.loads(b'[1.5,0.1,-0.0,7,"1.10",2.50]')] == [
        float,
        float,
        float,
        int,
        str,
        Number,
    ]


@pytest.mark.parametrize("number", ["1.10", "1e400", "-0"])
def test_a_number_behaves_like_a_float(number: str) -> None:
    value = jsonio.loads(number.encode())
    assert isinstance(value, Number)
    assert value == float(number)
    assert hash(value) == hash(float(number))
    assert f"{value}" == str(value) == repr(value) == number
    for again in (copy.copy(value), copy.deepcopy([value])[0], pickle.loads(pickle.dumps(value))):
        assert isinstance(again, Number)
        assert again.source == number


NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
NUMBERED = st.recursive(
    NUMBER | st.sampled_from(NUMBERS) | st.sampled_from(["null", "true", '"1.10"', '":-0,"']),
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: "[" + " , ".join(items) + "]")
        | st.lists(inner, max_size=5).map(
            lambda items: "{" + ",".join(f'"k{n}": {i}' for n, i in enumerate(items)) + "}"
        )
    ),
    max_leaves=12,
)


@given(NUMBERED)
def test_all_numbers_keep_their_text(text: str) -> None:
    for spaced in (text, text.replace(" , ", ",").replace(": ", ":")):  # the second as ``dumps`` writes it
        for loads in (jsonio.loads, jsonio.exact):
            assert spellings(jsonio.dumps(loads(spaced.encode()))) == spellings(spaced)


def test_what_dumps_wrote_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"a": [1.5, -0.0, 1e300, 7], "b": "1.10"}
    data = jsonio.dumps(value)
    monkeypatch.setattr(jsonio, "exact", None)
    assert jsonio.loads(data) == value


# -- exact source ----------------------------------------------------------------------------------------------------

spaces = st.sampled_from(["", "", "", " ", "\n", "\r\n\t "])


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """JSON text of ``value``, with space and escapes as nobody would write them."""
    before, after = draw(spaces), draw(spaces)
    match value:
        case dict():
            members = [f"{draw(spaces)}{draw(spelled(key))}:{draw(spelled(item))}" for key, item in value.items()]
            return before + "{" + (",".join(members) or draw(spaces)) + "}" + after
        case list():
            return before + "[" + (",".join([draw(spelled(item)) for item in value]) or draw(spaces)) + "]" + after
        case _:
            return before + json.dumps(value, ensure_ascii=draw(st.booleans())) + after


def paths(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(prefix, value), *(found for key, item in children for found in paths(item, (*prefix, key)))]


@given(st.data(), json_values)
def test_at_finds_the_source_of_every_value(data: st.DataObject, value: Any) -> None:
    text = data.draw(spelled(value)).encode()
    for path, expected in paths(value):
        found = jsonio.at(text, path)
        assert found is not None
        assert found in text
        assert found == found.strip()
        assert json.loads(found) == expected
    if isinstance(value, list):
        assert [json.loads(element) for element in jsonio.elements(text)] == value


@pytest.mark.parametrize("depth", range(12))
def test_at_goes_through_any_depth(depth: int) -> None:
    deep = b'{"x]":[1,{"y":"\\\\"}],"z":' * depth + b'"}"' + b"}" * depth
    data = b'{"a":{"b":1},"before":%b,"a":{"c":[%b,2]}}' % (deep, deep)
    assert jsonio.at(data, ("before",)) == deep
    assert jsonio.at(data, ("a", "b")) is None
    assert jsonio.elements(data, ("a", "c")) == [deep, b"2"]
    assert jsonio.elements(data, ("a",)) == []


@given(st.binary(max_size=30) | st.text('{}[]":,\\ a1', max_size=30).map(str.encode))
def test_at_never_raises(data: bytes) -> None:
    for path in ((), ("a",), (0,), (0, "a"), ("a", 1)):
        found = jsonio.at(data, path)
        assert found is None or found in data
    assert isinstance(jsonio.elements(data), list)


@pytest.mark.parametrize(
    ("data", "path", "source"),
    [
        (b'{"a": {"b": [1, {"c":  18446744073709551617 }]}}', ("a", "b", 1, "c"), b"18446744073709551617"),
        (b'{"a": 1, "a": 2}', ("a",), b"2"),
        (b'{"a": {"b": 1}, "a": {"c": 2}}', ("a", "b"), None),
        (b'{"\\u0061": 1}', ("a",), b"1"),
        (b'{"a\\"b": "}"}', ('a"b',), b'"}"'),
        (b'{"a": "\\\\", "b": 2}', ("b",), b"2"),
        (b'{"x": "{\\"a\\": 1}", "y": {"a": 2}, "a": 3}', ("a",), b"3"),
        (b'\xef\xbb\xbf {"a": 1.50e3}', ("a",), b"1.50e3"),
        (b"[[], {}, [0]]", (2, 0), b"0"),
        (b"[1]", (1,), None),
        (b"[1]", ("a",), None),
        (b'{"0": 1}', (0,), None),
        (b"1", ("a",), None),
        (b'{"a" 1}', ("a",), None),
        (b'{"a": {"b": 1}', ("a", "b"), None),
        (b"{}", ("a",), None),
        (b"", (), None),
        (b" 7 ", (), b"7"),
    ],
)
def test_at(data: bytes, path: tuple[str | int, ...], source: bytes | None) -> None:
    assert jsonio.at(data, path) == source


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[1, "a,b" ,{"a":[2]}, []]', [b"1", b'"a,b"', b'{"a":[2]}', b"[]"]),
        (b"[]", []),
        (b'{"a": 1}', []),
        (b"[1,", []),
        (b"", []),
    ],
)
def test_elements(data: bytes, found: list[bytes]) -> None:
    assert jsonio.elements(data) == found


@pytest.mark.parametrize("begin", [b"", b'\\"', b"\\\\", b'\\\\\\"'])
@pytest.mark.parametrize("before", [0, 1, 4093, 4094, 4095, 4096, 4097, 20479, 20480])
@pytest.mark.parametrize("end", [b"", b"\\\\", b'\\"', b'\\\\\\"', b"\\n"])
def test_the_end_of_a_long_string(begin: bytes, before: int, end: bytes) -> None:
    """Escapes may stand across any border of what is looked at."""
    text = b'"' + begin + b"x" * before + end + b'"'
    data = b'{"a": {"b": [' + text + b', "z"]}, "c": ' + text + b"}"
    assert jsonio.at(data, ("a", "b", 0)) == text
    assert jsonio.at(data, ("c",)) == text
    assert jsonio.elements(data, ("a", "b")) == [text, b'"z"']


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("[[", 0), ({}, 1), ([], 1), ([[], {}], 2), ({"a": [1, {"b": []}], "c": {}}, 4), ([1, [2], 3], 2)],
)
def test_depth(value, depth):
    assert jsonio.depth(value) == depth


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1.10}', {"a": 1.10}), (b'"\\ud83d\\ude00"', "😀"), (b"-0", 0),
        (b"12345678901234567890123", 12345678901234567890123),
        (b"NaN", ValueError), (b'"\\ud800"', ValueError), (b"\xef\xbb\xbf1", ValueError), (b'"\xff"', ValueError),
        (b"1e400", ValueError), (b"[" * 2000 + b"]" * 2000, ValueError),
    ],
)  # fmt: skip
def test_strict(data, value):
    if value is ValueError:
        with pytest.raises(ValueError):
            jsonio.strict(data)
    else:
        assert jsonio.strict(data) == jsonio.loads(data) == value
        assert jsonio.dumps(jsonio.strict(data)) == jsonio.dumps(jsonio.loads(data))


def test_what_is_kept_takes_no_more_than_its_size() -> None:
    value = {"text": "x" * 20_000}
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        data = jsonio.kept(value)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data == jsonio.dumps(value)
    assert after - before < len(data) + 1000
