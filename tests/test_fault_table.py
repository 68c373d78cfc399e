"""The fault table: each of its rows, and the tests that carry its number in their names.

| row | fault or input                                              | tests (below ``tests/``)                       |
|-----|-------------------------------------------------------------|------------------------------------------------|
| H1  | a body split at every byte                                  | wire/test_sse, capture/test_tap                |
| H2  | line ends, comments, BOM, no blank line at the end          | wire/test_sse                                  |
| H3  | Google closes in the middle of an event                     | e2e/test_failures, capture/test_tap            |
| H4  | Google resets before the headers                            | e2e/test_failures                              |
| H5  | Google is silent                                            | e2e/test_failures                              |
| H6  | Google's error statuses                                     | e2e/test_failures                              |
| H7  | an error event inside a 200                                 | e2e/test_failures                              |
| H8  | a 200 without parts                                         | e2e/test_failures                              |
| H9  | a malformed call                                            | e2e/test_failures                              |
| H10 | thinking only, then a second call                           | e2e/test_failures                              |
| H11 | thinking only, and no second call                           | test_engine                                    |
| H12 | parallel calls in one chunk or several                      | e2e/test_failures, wire/test_google            |
| H13 | the same ids everywhere                                     | server/test_responses                          |
| H14 | usage after STOP, missing, odd                              | wire/test_google, capture/test_tap             |
| H15 | fifty turns at once                                         | e2e/test_path                                  |
| H16 | a client leaves in the middle                               | e2e/test_failures                              |
| H17 | a client leaves at the end                                  | server/test_respond                            |
| H18 | one of two readers stalls                                   | server/test_resume                             |
| H19 | a stream read again from every place                        | server/test_resume                             |
| H20 | an id that is unknown, foreign, expired                     | server/test_responses                          |
| H21 | the LS refuses                                              | e2e/test_failures                              |
| H22 | the LS never calls Google, or too late                      | e2e/test_failures, e2e/test_turns              |
| H23 | Google's call comes before the LS's answer                  | test_engine                                    |
| H24 | a title call repeats the marker                             | e2e/test_failures                              |
| H25 | a fault of our own                                          | e2e/test_failures                              |
| H26 | SIGTERM with open streams                                   | e2e/test_failures                              |
| H27 | a foreign Host or target                                    | server/test_middleware                         |
| H28 | a foreign page, another content type                        | server/test_middleware, server/test_body       |
| H29 | 0.0.0.0 without a key                                       | cli/test_serve                                 |
| H30 | a key in every form                                         | server/test_middleware                         |
| H31 | a body too large, a bomb, too deep, too many                | server/test_body                               |
| H32 | half a body                                                 | server/test_body                               |
| H33 | a header too long                                           | server/test_protocol                           |
| H34 | secrets in a trace                                          | observe/test_recorder, observe/test_trace_writer |
| H35 | an id that is a path                                        | server/test_responses                          |
| H36 | gzip, also cut                                              | e2e/test_failures, capture/test_tap            |
| H37 | every stream passes its checker                             | e2e/test_path                                  |
| H38 | a hidden call, and the connection goes on                   | e2e/test_failures                              |
| H39 | thousands of turns leave nothing                            | e2e/test_soak, server/test_app                 |
| H40 | the public API refuses: key, plan, billing, place      | wire/test_reasons, capture/test_tap, e2e/test_runtime |
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = dict(re.findall(r"^\| H(\d+) +\|[^|]*\| (.*?) +\|$", __doc__ or "", re.MULTILINE))
NUMBER = re.compile(r"_h(\d\d)(?=_)")


def numbers_in(file: Path) -> set[int]:
    """The rows that this file's tests name."""
    names = [node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if hasattr(node, "name") and node.name]
    return {int(number) for name in names if name.startswith("test_") for number in NUMBER.findall(name)}


def test_every_row_is_there():
    assert sorted(map(int, ROWS)) == list(range(1, 41))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"H{row}")
def test_every_row_has_its_tests(row):
    for module in ROWS[row].split(", "):
        assert int(row) in numbers_in(TESTS / f"{module}.py"), f"no test of {module} carries the number in its name"


def test_every_numbered_test_is_in_the_table():
    for file in TESTS.rglob("test_*.py"):
        module = file.relative_to(TESTS).with_suffix("").as_posix()
        for number in numbers_in(file):
            assert module in ROWS[str(number)].split(", ")
