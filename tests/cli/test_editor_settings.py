"""settings.json of editors: one member changes, and not a byte of anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.cli.editor_settings import value_of, with_member, without_member

PROXY = '"http.proxy": "p"'


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{}", f"{{\n    {PROXY}\n}}"),
        ("{\n}\n", f"{{\n    {PROXY}\n}}\n"),
        ('{"a": 1}', f'{{"a": 1, {PROXY}}}'),
        ('{\n  "a": 1\n}\n', f'{{\n  "a": 1,\n  {PROXY}\n}}\n'),
        ('{\n\t"a": 1,\n}\n', f'{{\n\t"a": 1,\n\t{PROXY}\n}}\n'),
        ('{\n  "a": 1 // one, "http.proxy": 2\n}', f'{{\n  "a": 1, // one, "http.proxy": 2\n  {PROXY}\n}}'),
        ('{\r\n  "a": [1,],\r\n}\r\n', f'{{\r\n  "a": [1,],\r\n  {PROXY}\r\n}}\r\n'),
        (
            '// mine\n{ /* { */ "a": {"http.proxy": "x"} }',
            f'// mine\n{{ /* {{ */ "a": {{"http.proxy": "x"}}, {PROXY}}}',
        ),
        ('{"http.proxy": /* old */ "x", "a": 1}', '{"http.proxy": /* old */ "p", "a": 1}'),
        ('{"http.proxy": {"x": [1]},}', '{"http.proxy": "p",}'),
        ('\ufeff{\n  "http\\u002eproxy": null\n}', '\ufeff{\n  "http\\u002eproxy": "p"\n}'),
        ('{"a": "// no comment", "b": "\\"}"}', f'{{"a": "// no comment", "b": "\\"}}", {PROXY}}}'),
    ],
)
def test_the_member_is_written_and_all_else_stays(text: str, made: str) -> None:
    assert with_member(text, "http.proxy", "p") == made
    assert value_of(made, "http.proxy") == "p"
    assert with_member(made, "http.proxy", "p") == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (f'{{\n  "a": 1,\n  {PROXY}\n}}\n', '{\n  "a": 1\n}\n'),
        (f'{{\n  {PROXY},\n  "a": 1,\n}}\n', '{\n  "a": 1,\n}\n'),
        (f'{{\r\n  "a": 1, // one\r\n  {PROXY}\r\n}}', '{\r\n  "a": 1 // one\r\n}'),
        (f'{{"a": 1, {PROXY}}}', '{"a": 1 }'),
        (f"{{\n{PROXY}\n}}", "{\n}"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_the_member_is_removed_and_all_else_stays(text: str, made: str) -> None:
    assert without_member(text, "http.proxy") == made
    assert value_of(made, "http.proxy") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": }', '{"a": 1} x', '{"a" 1}', "{'a': 1}", '{"a": "x', "{/* }", "null"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    for work in (lambda: with_member(text, "a", 1), lambda: without_member(text, "a"), lambda: value_of(text, "a")):
        with pytest.raises(ValueError):
            work()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES), st.text(), VALUES, st.sampled_from([None, 2, "\t"]))
def test_any_settings_can_be_changed_and_changed_back(given_, name, value, indent) -> None:
    text = json.dumps(given_, indent=indent)
    made = with_member(text, name, value)
    assert json.loads(made) == {**given_, name: value}
    assert json.loads(without_member(made, name)) == {key: item for key, item in given_.items() if key != name}
