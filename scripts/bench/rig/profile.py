"""Where a gateway's time goes: py-spy's samples while it runs, or cProfile's figures where py-spy is not installed.

``pip install py-spy`` is enough; cProfile counts the start as well, and makes everything slower.
"""

from __future__ import annotations

import asyncio
import io
import pstats
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

RATE = 250  # samples a second
LINES = 45
WAITING = re.compile(r"(\w+\.)*(select \(selectors|wait \(threading|_worker \(concurrent/futures/thread)\.py")


def py_spy() -> str | None:
    """Its path: beside this Python, or in PATH."""
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


def command(python: list[str], raw: Path) -> list[str]:
    """``python -m …`` such that ``summary`` finds something in ``raw``."""
    if py_spy() is not None:
        return python
    return [python[0], "-m", "cProfile", "-o", str(raw), *python[1:]]


@asynccontextmanager
async def sampled(pid: int, raw: Path) -> AsyncIterator[None]:
    """Sample a process as long as the block runs."""
    if (program := py_spy()) is None:
        yield
        return
    arguments = (
        "--pid",
        str(pid),
        "--rate",
        str(RATE),
        "--format",
        "raw",
        "--output",
        str(raw),
        "--duration",
        "unlimited",
    )
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(program, "record", *arguments, stdout=null, stderr=null)
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


def summary(raw: Path) -> str:
    """The functions that cost most."""
    if not raw.exists():
        return "no profile was written; py-spy may need the right to trace processes"
    if py_spy() is None:
        text = io.StringIO()
        pstats.Stats(str(raw), stream=text).sort_stats("tottime").print_stats(LINES)
        return text.getvalue()
    own, all_in_all = Counter[str](), Counter[str]()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not WAITING.match(frames[-1]):
            own[frames[-1]] += int(count)
            all_in_all.update(dict.fromkeys(frames, int(count)))
    return "\n".join([*_shares("by itself", own, own.total()), *_shares("with what it calls", all_in_all, own.total())])


def _shares(title: str, counts: Counter[str], total: int) -> list[str]:
    rows = [f"{count * 100 / total:6.1f} %  {name}" for name, count in counts.most_common(LINES)]
    return [f"{title} ({total} samples)", *rows, ""]
