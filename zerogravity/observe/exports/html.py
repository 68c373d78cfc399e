"""Traces → one HTML file that needs nothing else. The data stand in an inert script block with ``<`` escaped, the page
makes text nodes only, and its policy allows nothing but its own script and style (threat T19).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from zerogravity.core import codec
from zerogravity.observe.trace_reader import BODIES, Trace
from zerogravity.wire import jsonio

MAX_RECORDS = 20_000


def page(traces: Sequence[Trace]) -> bytes:
    """The file."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    data = jsonio.dumps({"traces": [_data(trace) for trace in traces]})
    return b"".join((
        b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        b'<meta http-equiv="Content-Security-Policy" content="', policy.encode(), b'">\n',
        b'<meta name="viewport" content="width=device-width">\n<title>zerogravity trace</title>\n<style>',
        style, b'</style>\n</head>\n<body>\n<script type="application/json" id="data">', inert(data),
        b"</script>\n<script>", script, b"</script>\n</body>\n</html>\n",
    ))  # fmt: skip


def inert(data: bytes) -> bytes:
    """JSON that can not leave its script block."""
    return data.replace(b"<", b"\\u003c").replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def _data(trace: Trace) -> dict[str, Any]:
    records = trace.records[:MAX_RECORDS]
    return {
        "info": trace.info,
        "items": [_item(item) for item in trace.state.items],
        "bodies": {name: trace.body(name) for name in BODIES},
        "records": [
            {**codec.record_out(record, 0, (0, 0)), "data": record.data.decode("utf-8", "replace")}
            for record in records
        ],
        "emitted": [
            {"seq": emitted.seq, "t_ms": emitted.t_ms, "text": emitted.frame or jsonio.dumps(emitted.body).decode()}
            for emitted in trace.emitted[:MAX_RECORDS]
        ],
        "cut": len(trace.records) > MAX_RECORDS,
    }


def _item(item: Any) -> dict[str, Any]:
    return {"kind": type(item).__name__, **{
        name: getattr(item, name) for name in ("text", "name", "args_json", "call_id", "mime") if hasattr(item, name)
    }}  # fmt: skip


def _asset(name: str) -> bytes:
    return (files("zerogravity.observe.exports") / "static" / name).read_bytes()


def _hash(source: bytes) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source).digest()).decode()
