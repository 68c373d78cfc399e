"""Sessions, and how their turns are drawn: what the terminal and the inspector's page must agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """``turns``: rows, the oldest first; ``drawn``: their ids, indented by how many branches they are off."""

    name: str
    turns: list[dict[str, Any]]
    drawn: list[str]


def _turns(told: list[list[str]]) -> list[dict[str, Any]]:
    """``[id, previous, branch]`` each; what is missing is empty."""
    names = ("id", "previous", "branch")
    return [
        {**dict.fromkeys(names, ""), **dict(zip(names, one, strict=False)), "session": "s1", "created": 1000.0 + number}
        for number, one in enumerate(told)
    ]


CASES = [
    Case(one["case"], _turns(one["turns"]), one["drawn"])
    for one in json.loads(Path(__file__).with_name("session_trees.json").read_text())
]
