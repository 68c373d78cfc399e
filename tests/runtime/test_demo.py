"""The demo with the real runtime: it answers on every surface, is called real, and is compared in the same run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running import command
from zerogravity.backends.runtime.discover import version_of
from zerogravity.surfaces import REGISTRY

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_the_real_demo(binary: Path, tmp_path: Path, mode: str) -> None:
    async with command(tmp_path, "demo", "--real", "--mode", mode, ANTIGRAVITY_HARNESS_PATH=str(binary)) as demo:
        assert await demo.ended() == 0, demo.output
    shown, _, table = demo.output.partition("The runtime beside the LS stand-in")
    real = f"Google's Antigravity runtime (real, {version_of(binary)})"
    assert re.search(rf"agent → http://\S+ → {re.escape(real)} → mitmdump → Google stand-in", shown)
    assert shown.count("first delta after") == len(REGISTRY)
    labels = ("start until ready", "memory (RSS)", *(f"first delta, {one.title}" for one in REGISTRY.values()))
    for label in labels:
        (found,) = re.findall(rf"^  {re.escape(label)} +(\d+) (ms|MiB) +(\d+) (ms|MiB)$", table, re.M)
        assert int(found[0]) > 0
        assert int(found[2]) > 0
