"""A session at a glance."""

from __future__ import annotations

from tests.observe.inspector.support import Scene
from zerogravity.observe import session_summary, summary
from zerogravity.observe.sessions import Placement


def test_figures_are_sums_over_its_turns(scene: Scene, clock):
    first, second = scene.whole(asked="mend it", client="codex"), scene.fail(scene.open("go on", client="codex"))
    placed = (Placement("s1"), Placement("s1", first.id, second.id, 1))
    rows = [summary.row(channel, clock(), placed=at) for channel, at in zip((first, second), placed, strict=True)]
    told = session_summary.of(rows)
    assert (told["session"], told["client"], told["title"]) == ("s1", "codex", "mend it")
    assert (told["turns"], told["branches"], told["errors"]) == (2, 1, 1)
    assert (told["prompt"], told["cached"], told["out"], told["thoughts"]) == (1200, 1000, 30, 12)
    assert told["models"] == ["gemini-3-flash"]
