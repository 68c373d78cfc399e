"""``response_format`` and ``text.format``: one form, whichever of the two nestings it stands in."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.answer_form import JSON_MODE, TEXT, Form, schema_form
from zerogravity.surfaces.openai.output import wanted_form

FAMILY = "gemini-3-flash"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False, "required": ["a"]}
NAMED = {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
BY_SCHEMA = schema_form(SCHEMA, FAMILY, param="p")
FLAT = (True, False)


def nested(flat: bool, **schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", **(schema if flat else {"json_schema": schema})}


@pytest.mark.parametrize("flat", FLAT)
@pytest.mark.parametrize(
    ("given", "form"), [(None, TEXT), ({"type": "text"}, TEXT), ({"type": "json_object"}, JSON_MODE)]
)
def test_forms_without_a_schema(flat: bool, given: Any, form: Form) -> None:
    assert wanted_form(given, FAMILY, path="p", flat=flat) == form


@pytest.mark.parametrize("flat", FLAT)
def test_a_schema(flat: bool) -> None:
    assert wanted_form(nested(flat, **NAMED), FAMILY, path="p", flat=flat) == BY_SCHEMA


def test_only_the_inner_object_of_chat_may_lack_a_schema() -> None:
    assert wanted_form(nested(False, name="n"), FAMILY, path="p", flat=False) == JSON_MODE


@pytest.mark.parametrize(
    ("flat", "given", "param", "code"),
    [
        *((flat, given, f"p.{member}", code) for flat in FLAT for given, member, code in (
            ({}, "type", "missing_required_parameter"), ({"type": 1}, "type", "invalid_type"),
            ({"type": "xml"}, "type", "invalid_value"),
        )),
        *((flat, nested(flat, **{**NAMED, **change}), f"{'p' if flat else 'p.json_schema'}.{member}", code)
          for flat in FLAT for change, member, code in (
            ({"name": None}, "name", "missing_required_parameter"), ({"name": 1}, "name", "invalid_type"),
            ({"description": 1}, "description", "invalid_type"), ({"strict": "yes"}, "strict", "invalid_type"),
            ({"schema": "x"}, "schema", "invalid_type"),
        )),
        (True, nested(True, name="n"), "p.schema", "missing_required_parameter"),
        (False, {"type": "json_schema"}, "p.json_schema", "missing_required_parameter"),
        (False, {"type": "json_schema", **NAMED}, "p.json_schema", "missing_required_parameter"),
        (False, {"type": "json_schema", "json_schema": 1}, "p.json_schema", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_refused(flat: bool, given: Any, param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        wanted_form(given, FAMILY, path="p", flat=flat)
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)
