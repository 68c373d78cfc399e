"""The types of OpenAI's SDK as a strict judge: it reads what has members too many or too few, this tells of them."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAliasType, Union, get_args, get_origin

from pydantic import BaseModel

UNKNOWN = {  # which the API sends, though its SDK does not know them; the last one is ours
    "Response.store", "Response.presence_penalty", "Response.frequency_penalty",
    "ResponseFunctionCallArgumentsDoneEvent.name",
    "ResponseCustomToolCall.status", "ResponseCustomToolCallOutput.status",
    "ImageGenerationCall.encrypted_content",
}  # fmt: skip
PLAIN: dict[Any, Any] = {
    str: str,
    int: int,
    float: (int, float),
    bool: bool,
    NoneType: NoneType,
    list: list,
    dict: dict,
}


def faults(value: Any, kind: Any, path: str = "") -> list[str]:
    """What is wrong with JSON that shall be of a type of the SDK: missing and unknown members, other values. Of a
    union, as the alternative has it that fits best."""
    if isinstance(kind, TypeAliasType):
        return faults(value, kind.__value__, path)
    origin, given = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return faults(value, given[0], path)
    if origin in (Union, UnionType):
        fitting = [each for each in given if _may_be(value, each)] or given
        return min((faults(value, each, path) for each in fitting), key=len)
    if origin is list and isinstance(value, list):
        return [fault for at, each in enumerate(value) for fault in faults(each, given[0], f"{path}[{at}]")]
    if origin is dict and isinstance(value, dict):
        return [fault for name, each in value.items() for fault in faults(each, given[1], f"{path}.{name}")]
    if _is_model(kind) and isinstance(value, dict):
        return _members(value, kind, path)
    if kind in (Any, object) or (origin is Literal and value in given) or _is_plain(value, kind):
        return []
    return [f"{path}: {value!r:.40} is not {kind!s:.80}"]


def _members(value: dict[str, Any], kind: type[BaseModel], path: str) -> list[str]:
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    found = [f"{path}.{name}: missing" for name, field in fields.items() if field.is_required() and name not in value]
    for name, each in value.items():
        if name in fields:
            found += faults(each, fields[name].annotation, f"{path}.{name}")
        elif f"{kind.__name__}.{name}" not in UNKNOWN:
            found.append(f"{path}.{name}: unknown to {kind.__name__}")
    return found


def _may_be(value: Any, kind: Any) -> bool:
    """Whether its type and its role are those of the alternative."""
    if not _is_model(kind):
        return True
    tags = [(name, kind.model_fields[name]) for name in ("type", "role") if name in kind.model_fields]
    return isinstance(value, dict) and all(
        faults(value[name], field.annotation) == [] if name in value else not field.is_required()
        for name, field in tags
    )


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_plain(value: Any, kind: Any) -> bool:
    kind = NoneType if kind is None else kind
    return isinstance(value, PLAIN.get(kind, ())) and (kind is bool or not isinstance(value, bool))
