"""Traces → one file for somebody else: curl, jsonl, har, otel, html, or a zip of the folders. Everything was redacted
when it was recorded; nothing is read but trace folders.
"""

from __future__ import annotations

import io
import platform
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zerogravity import __version__
from zerogravity.core import codec
from zerogravity.observe.exports.curl import curl
from zerogravity.observe.exports.har import har
from zerogravity.observe.exports.html import page
from zerogravity.observe.exports.otel import spans
from zerogravity.observe.trace_reader import BODIES, Trace
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio

ABOUT = ("mitmproxy", "aiohttp", "orjson", "pydantic", "cryptography")


def jsonl(traces: Iterable[Trace]) -> bytes:
    """Everything of a turn, a line each: turn, bodies, records with their bytes, frames."""
    lines: list[Mapping[str, Any]] = []
    for trace in traces:
        lines.append({"kind": "turn", **trace.info, "generate": trace.google_request})
        for name in BODIES:
            if (body := trace.body(name)) is not None:
                lines.append({"kind": name, "turn": trace.id, **body})
        for record in trace.records:
            data = record.data.decode("utf-8", "replace")
            line = codec.record_out(record, 0, (0, 0))
            del line["file"]
            lines.append({"kind": "record", "turn": trace.id, **line, "data": data})
        lines += (
            {"kind": "emitted", "turn": trace.id,
             **{name: value for name, value in vars(emitted).items() if value not in (None, {})}}
            for emitted in trace.emitted
        )  # fmt: skip
    return b"".join(jsonio.dumps(line) + b"\n" for line in lines)


def bundle(traces: Sequence[Trace]) -> bytes:
    """A zip of the folders, and of what program wrote them: what to attach to a bug report."""
    packages: dict[str, str] = {}
    for name in ABOUT:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "missing"
    about = {
        "zerogravity": __version__,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": packages,
        "turns": [trace.id for trace in traces],
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("about.json"), jsonio.dumps(about))
        for trace in traces:
            for file in trace.files():
                entry = zipfile.ZipInfo(f"{trace.folder.parent.name}/{trace.folder.name}/{file.name}")
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


Format = tuple[Callable[[Sequence[Trace]], bytes], str]


def formats(surfaces: Surfaces) -> dict[str, Format]:
    """Name → how to write it, and how such a file's name ends."""
    return {
        "curl": (curl, ".sh"),
        "har": (lambda traces: jsonio.dumps(har(traces, surfaces)), ".har"),
        "jsonl": (jsonl, ".jsonl"),
        "otel": (lambda traces: jsonio.dumps(spans(traces, surfaces)), ".otlp.json"),
        "html": (page, ".html"),
        "bundle": (bundle, ".zip"),
    }
