"""Filters of tools, as the Responses API has them."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.mcp.filters import names_of

READS = {"name": "read", "annotations": {"readOnlyHint": True}}
WRITES = {"name": "write", "annotations": {"readOnlyHint": False}}
SILENT = {"name": "silent"}


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (["read", "silent"], ["read", "silent"]),
        (("write",), ["write"]),
        ([], []),
        ({"tool_names": ["read", "write"]}, ["read", "write"]),
        ({"read_only": True}, ["read"]),
        ({"read_only": False}, ["write", "silent"]),
        ({"tool_names": ["write"], "read_only": True}, []),
        ({}, ["read", "write", "silent"]),
        ({"tool_names": None, "read_only": None}, ["read", "write", "silent"]),
    ],
)
def test_which_tools_a_filter_names(wanted: Any, named: list[str]) -> None:
    assert [tool["name"] for tool in (READS, WRITES, SILENT) if names_of(wanted, tool)] == named
