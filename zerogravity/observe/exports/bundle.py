"""Traces → a zip of their folders and of the versions that wrote them, to attach to a bug report."""

from __future__ import annotations

import io
import platform
import sys
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from zerogravity import __version__
from zerogravity.wire import jsonio

if TYPE_CHECKING:
    from zerogravity.observe.trace_reader import Trace
    from zerogravity.surfaces.base import Surfaces

DEPENDENCIES = ("mitmproxy", "aiohttp", "orjson", "pydantic", "cryptography")


def versions() -> dict[str, str]:
    """Package → its version, or ``missing``."""
    found: dict[str, str] = {}
    for name in DEPENDENCIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def write(traces: Sequence[Trace], _: Surfaces) -> bytes:
    about = {
        "zerogravity": __version__,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions(),
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
