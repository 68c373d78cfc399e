"""The runtime beside the stand-in: who is asked, how often, in which order, and what the table says."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from zerogravity.cli import comparison
from zerogravity.cli.comparison import Figures
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.simulator.stack import StackOptions


@pytest.fixture
def paths(monkeypatch):
    """The options of each path that was opened; its URL is its number."""
    opened = []

    class Fake:
        def __init__(self, options):
            opened.append(options)
            self.url = str(len(opened))
            memory = SimpleNamespace(rss=len(opened) * 100 * comparison.MIB)
            self.ls_process = SimpleNamespace(memory_info=lambda: memory)

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

    async def start(process):
        return {"RuntimeProcess": 0.25, "LsChild": 0.75}[type(process).__name__]

    monkeypatch.setattr(comparison, "Stack", Fake)
    monkeypatch.setattr(comparison, "_start", start)
    return opened


async def test_they_take_turns_on_paths_alike(paths, tmp_path: Path) -> None:
    asked = []

    async def first_delta(url, surface):
        asked.append((url, surface.name))
        return {"1": 0.05, "2": 0.07}[url]

    given = StackOptions(mode="proxy", port=5, runtime=tmp_path, settings={"trace": "true"})
    shown = (await comparison.compare(given, first_delta)).splitlines()
    runtime, other = paths
    assert (runtime.runtime, runtime.apart, other.runtime, other.apart) == (tmp_path, False, None, True)
    assert [(one.mode, one.port, one.settings) for one in paths] == [("proxy", 0, {})] * 2
    names = list(REGISTRY)
    assert asked[:2] == [("1", names[0]), ("2", names[0])], "the first turns open connections and do not count"
    first_and_last = itertools.cycle("2112")
    assert asked[2:] == [(next(first_and_last), name) for name in names * comparison.ROUNDS for _ in paths]
    assert [line.split() for line in shown[:3]] == [
        ["runtime", "LS", "stand-in"],
        ["start", "until", "ready", "250", "ms", "750", "ms"],
        ["memory", "(RSS)", "100", "MiB", "200", "MiB"],
    ]
    assert [line.split()[-4:] for line in shown[3:-1]] == [["50", "ms", "70", "ms"]] * len(REGISTRY)
    assert "5 turns each" in shown[-1]


def test_a_table_of_medians() -> None:
    runtime, other = Figures([0.1, 0.9, 0.2], 1 << 20), Figures([0.3], 2 << 20)
    name = next(iter(REGISTRY))
    runtime.first[name] = [0.001, 0.003, 0.002]
    lines = comparison.table(runtime, other).splitlines()
    assert [line.split()[-4:] for line in lines[1:3]] == [["200", "ms", "300", "ms"], ["1", "MiB", "2", "MiB"]]
    assert lines[3].split()[-3:] == ["2", "ms", "none"]
    assert len({len(line) for line in lines[:-1]}) == 1
