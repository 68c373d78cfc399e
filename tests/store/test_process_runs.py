"""Who still lives: a run holds its lock from open to close, and what the dead have left is put away."""

from __future__ import annotations

import pytest

from zerogravity.store.process_runs import ProcessRuns


@pytest.fixture
def runs(tmp_path):
    made = [ProcessRuns(tmp_path / "r.db") for _ in range(2)]
    yield made
    for each in made:
        each.close()


def test_nothing_is_touched_before_it_is_opened(runs, tmp_path) -> None:
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_alive_from_open_to_close(runs) -> None:
    mine, other = runs
    assert not other.alive(mine.own)
    mine.open()
    other.open()
    assert mine.alive(mine.own)
    assert other.alive(mine.own)
    mine.close()
    mine.close()
    assert not other.alive(mine.own)


@pytest.mark.parametrize("run", ["", "0" * 16, "../x", "*", "0" * 15])
def test_what_is_no_run_is_not_alive(runs, run) -> None:
    runs[0].open()
    assert not runs[0].alive(run)


def test_what_the_dead_have_left_is_put_away(runs, tmp_path) -> None:
    dead = tmp_path / "r.db-run-0123456789abcdef"
    dead.touch()
    runs[0].open()
    runs[1].open()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"r.db-run-{run.own}" for run in runs)
