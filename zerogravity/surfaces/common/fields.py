"""Typed access to request members with the errors OpenAI's API gives: code, message and the member's path.

``null`` means "not set" everywhere. Facts: wire-openai 2, 11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.wire.narrow import Json

_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",  # before int, which it is as well
    int: "an integer",
    float: "a decimal",
    list: "an array",
    dict: "an object",
}


def kind_of(value: object) -> str:
    """How an error message names the type of a JSON value."""
    if value is None:
        return "null"
    return next((name for kind, name in _NAMES.items() if isinstance(value, kind)), "something else")


def invalid_type(param: str, wanted: str, value: object) -> FaultError:
    text = f"Invalid type for '{param}': expected {wanted}, but got {kind_of(value)} instead."
    return bad_request(text, param=param, code="invalid_type")


def invalid_value(param: str, value: object, allowed: Sequence[str]) -> FaultError:
    words = ", ".join(f"'{word}'" for word in allowed)
    text = f"Invalid value: '{value}'. Supported values are: {words}."
    return bad_request(text, param=param, code="invalid_value")


def missing(param: str) -> FaultError:
    return bad_request(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def unsupported(param: str, why: str) -> FaultError:
    return bad_request(f"Unsupported parameter: '{param}' {why}.", param=param, code="unsupported_parameter")


def join(path: str, name: str | int) -> str:
    """``join("input[0]", "type")`` → ``input[0].type``; an integer becomes an index."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def string(body: Json, name: str, *, path: str = "") -> str | None:
    value = body.get(name)
    return None if value is None else as_string(value, join(path, name))


def required_string(body: Json, name: str, *, path: str = "") -> str:
    value = string(body, name, path=path)
    if value is None:
        raise missing(join(path, name))
    return value


def boolean(body: Json, name: str, *, path: str = "", default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise invalid_type(join(path, name), "a boolean", value)
    return value


def number(body: Json, name: str, *, lo: float | None = None, hi: float | None = None, path: str = "") -> float | None:
    value, param = body.get(name), join(path, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_type(param, "a decimal", value)
    _range(param, value, lo, hi, "decimal")
    return value


def integer(body: Json, name: str, *, lo: int | None = None, hi: int | None = None, path: str = "") -> int | None:
    value, param = body.get(name), join(path, name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer() and (exact := Decimal(str(value))) == int(exact):
        value = int(exact)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_type(param, "an integer", value)
    _range(param, value, lo, hi, "integer")
    return value


def choice(body: Json, name: str, allowed: Sequence[str], *, path: str = "") -> str | None:
    value = string(body, name, path=path)
    if value is not None and value not in allowed:
        raise invalid_value(join(path, name), value, allowed)
    return value


def obj(body: Json, name: str, *, path: str = "") -> Json | None:
    value = body.get(name)
    return None if value is None else as_object(value, join(path, name))


def required_obj(body: Json, name: str, *, path: str = "") -> Json:
    value = obj(body, name, path=path)
    if value is None:
        raise missing(join(path, name))
    return value


def array(body: Json, name: str, *, path: str = "") -> list[object] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, list):
        raise invalid_type(join(path, name), "an array", value)
    return cast("list[object]", value)


def each_object(values: Iterable[object] | None, path: str) -> Iterator[tuple[Json, str]]:
    """(object, path) of each entry of an array at ``path``. Raises FaultError 400 at one that is not an object."""
    for index, value in enumerate(values or ()):
        param = join(path, index)
        yield as_object(value, param), param


def as_object(value: object, param: str) -> Json:
    if not isinstance(value, dict):
        raise invalid_type(param, "an object", value)
    return cast("Json", value)


def as_string(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise invalid_type(param, "a string", value)
    return value


def metadata(body: Json, name: str = "metadata") -> dict[str, str]:
    """At most 16 pairs, keys up to 64, string values up to 512 characters."""
    given = obj(body, name) or {}
    if len(given) > 16:
        raise bad_request(
            f"Invalid '{name}': at most 16 pairs are allowed.", param=name, code="object_above_max_properties"
        )
    for key, value in given.items():
        param = f"{name}.{key}"
        if not isinstance(value, str):
            raise invalid_type(param, "a string", value)
        if len(key) > 64 or len(value) > 512:
            text = f"Invalid '{param}': keys may have up to 64 and values up to 512 characters."
            raise bad_request(text, param=param, code="string_above_max_length")
    return {key: str(value) for key, value in given.items()}


def _range(param: str, value: float, lo: float | None, hi: float | None, kind: str) -> None:
    if lo is not None and value < lo:
        text = f"Invalid '{param}': {kind} below minimum value. Expected a value >= {lo}, but got {value} instead."
        raise bad_request(text, param=param, code=f"{kind}_below_min_value")
    if hi is not None and value > hi:
        text = f"Invalid '{param}': {kind} above maximum value. Expected a value <= {hi}, but got {value} instead."
        raise bad_request(text, param=param, code=f"{kind}_above_max_value")
