"""Everything of a turn, line by line."""

from __future__ import annotations

import json

from zerogravity.observe.exports.jsonl import write
from zerogravity.surfaces import REGISTRY


def test_jsonl(traces):
    lines = [json.loads(line) for line in write(traces[:1], REGISTRY).splitlines()]
    kinds = [line["kind"] for line in lines]
    assert kinds[:4] == ["turn", "client_request", "upstream_request.original", "upstream_request"]
    assert kinds.count("record") == 8
    assert kinds[-1] == "emitted"
    assert next(line for line in lines if line["kind"] == "record" and line["data"])["data"] == '{"t":1}'
