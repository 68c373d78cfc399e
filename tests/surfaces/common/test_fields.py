"""Typed access to members: the errors name the member in OpenAI's words; null means not set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.common import fields

Read = Callable[[Any], Any]
READERS: dict[str, Read] = {
    "string": lambda body: fields.string(body, "x", path="a[0]"),
    "required": lambda body: fields.required_string(body, "x", path="a[0]"),
    "boolean": lambda body: fields.boolean(body, "x", path="a[0]"),
    "number": lambda body: fields.number(body, "x", lo=0, hi=2, path="a[0]"),
    "integer": lambda body: fields.integer(body, "x", lo=0, hi=2, path="a[0]"),
    "choice": lambda body: fields.choice(body, "x", ("p", "q"), path="a[0]"),
    "obj": lambda body: fields.obj(body, "x", path="a[0]"),
    "array": lambda body: fields.array(body, "x", path="a[0]"),
}


@pytest.mark.parametrize(
    ("reader", "value", "made"),
    [
        ("string", "s", "s"), ("string", "", ""), ("string", None, None), ("required", "", ""),
        ("boolean", True, True), ("boolean", None, False),
        ("number", 0, 0), ("number", 1.5, 1.5), ("number", None, None),
        ("integer", 2, 2), ("integer", 1.0, 1), ("integer", None, None), ("choice", "p", "p"), ("choice", None, None),
        ("obj", {}, {}), ("obj", None, None), ("array", [], []), ("array", None, None),
    ],
)  # fmt: skip
def test_values(reader: str, value: Any, made: Any) -> None:
    assert READERS[reader]({"x": value}) == made


@pytest.mark.parametrize(
    ("reader", "value", "code", "message"),
    [
        ("string", 1, "invalid_type", "Invalid type for 'a[0].x': expected a string, but got an integer instead."),
        ("string", ["s"], "invalid_type", "Invalid type for 'a[0].x': expected a string, but got an array instead."),
        ("required", None, "missing_required_parameter", "Missing required parameter: 'a[0].x'."),
        ("boolean", 1, "invalid_type", "Invalid type for 'a[0].x': expected a boolean, but got an integer instead."),
        ("number", True, "invalid_type", "Invalid type for 'a[0].x': expected a decimal, but got a boolean instead."),
        ("number", "1", "invalid_type", "Invalid type for 'a[0].x': expected a decimal, but got a string instead."),
        (
            "number",
            2.5,
            "decimal_above_max_value",
            "Invalid 'a[0].x': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
        ),
        (
            "integer",
            -1,
            "integer_below_min_value",
            "Invalid 'a[0].x': integer below minimum value. Expected a value >= 0, but got -1 instead.",
        ),
        ("integer", 1.5, "invalid_type", "Invalid type for 'a[0].x': expected an integer, but got a decimal instead."),
        ("choice", "z", "invalid_value", "Invalid value: 'z'. Supported values are: 'p', 'q'."),
        ("obj", [], "invalid_type", "Invalid type for 'a[0].x': expected an object, but got an array instead."),
        ("array", {}, "invalid_type", "Invalid type for 'a[0].x': expected an array, but got an object instead."),
    ],
)
def test_complaints(reader: str, value: Any, code: str, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        READERS[reader]({"x": value})
    fault = caught.value.fault
    assert (fault.status, fault.code, fault.param, fault.message) == (400, code, "a[0].x", message)


@pytest.mark.parametrize(
    ("path", "name", "made"), [("", "a", "a"), ("a", "b", "a.b"), ("a", 0, "a[0]"), ("a[0]", "b", "a[0].b")]
)
def test_paths(path: str, name: str | int, made: str) -> None:
    assert fields.join(path, name) == made


@pytest.mark.parametrize(
    ("given", "param"),
    [({"k" * 65: "v"}, "k" * 65), ({"k": "v" * 513}, "k"), ({"k": 1}, "k"), ({str(n): "" for n in range(17)}, "")],
)
def test_metadata_is_bounded(given: dict[str, Any], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        fields.metadata({"metadata": given})
    assert caught.value.fault.param == (f"metadata.{param}" if param else "metadata")


def test_metadata() -> None:
    assert fields.metadata({"metadata": {"k" * 64: "v" * 512}}) == {"k" * 64: "v" * 512}
    assert fields.metadata({}) == fields.metadata({"metadata": None}) == {}
