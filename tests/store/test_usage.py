"""Sums of tokens: what a turn adds, that they survive, that a bad disk costs nobody a turn."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from shutil import copy

import pytest

from zerogravity.core.events import AttemptOpened, Failed, Finished, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target
from zerogravity.errors import upstream
from zerogravity.observe import prices
from zerogravity.store.usage import SESSION_DAYS, STEPS, Row, UsageLog, first_day, read, read_all, rows_of, summed

WALL = 1_770_000_000.0  # 2026-02-02 02:40:00 UTC
DAY = 86400.0
FAILED = Failed(upstream(500, "x", "x"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "usage.sqlite"


@pytest.fixture
def log(file, clock):
    """``log(report=…)`` → (play, log): play(turn, usage…) is one turn from its opening to its end."""
    started = []

    def start(**options):
        now = [WALL]
        made = UsageLog(file, wall=lambda: now[0], **options)
        store = MitmStore(clock)
        made.attach(store)
        started.append(made)

        def play(turn, *usages, terminal=None, days=0):
            now[0] = WALL + days * DAY
            running = store.open(turn)
            for call, usage in enumerate(usages):
                running.append(call, b"", (AttemptOpened(), usage))
            running.close(terminal or Finished("stop"))
            assert made.worker.flush()

        return play, made

    yield start
    for each in started:
        each.close()


def test_tokens_add_up_per_day_and_model(log, file, make_turn):
    play, _ = log()
    flash, pro = {"target": Target("flash", "1")}, {"target": Target("pro", "2")}
    play(make_turn(**flash), Usage(100, 40, 10, 5, 1, 116), Usage(50, 0, 7, 0, 0, 57))
    play(make_turn(**flash), Usage(1, 0, 1, 0, 0, 2), terminal=FAILED)
    play(make_turn(**pro), Usage(7, 0, 2, 1, 0, 10))
    play(make_turn(**flash), days=1)
    assert read(file) == [
        Row("2026-02-03", "flash", turns=1),
        Row("2026-02-02", "flash", "", "", "", 2, 1, 151, 40, 18, 5, 1, unpriced=3),
        Row("2026-02-02", "pro", "", "", "", 1, 0, 7, 0, 2, 1, 0, unpriced=1),
    ]
    assert read(file)[1].total == 151 + 18 + 5 + 1


def test_sums_survive_a_restart_and_a_second_process(log, file, make_turn):
    first, one = log()
    first(make_turn(), Usage(prompt=5))
    second, _ = log()
    second(make_turn(), Usage(prompt=6))
    one.close()
    third, _ = log()
    third(make_turn(), Usage(prompt=7))
    assert [(row.turns, row.prompt) for row in read(file)] == [(3, 18)]


def test_the_file_is_private(log, file, make_turn):
    play, _ = log()
    play(make_turn(), Usage(prompt=5))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_no_link_is_followed(log, file, tmp_path, make_turn):
    other = tmp_path / "other"
    other.write_text("mine")
    file.parent.mkdir()
    file.symlink_to(other)
    play, made = log()
    play(make_turn())
    assert other.read_text() == "mine"
    assert made.worker.degraded


def test_a_bad_disk_is_reported_and_nothing_is_lost(log, file, make_turn):
    reports = []
    play, _ = log(report=reports.append)
    file.parent.mkdir()
    file.mkdir()
    play(make_turn(), Usage(prompt=5))
    play(make_turn(), Usage(prompt=6))
    assert len(reports) == 1
    assert reports[0]
    file.rmdir()
    play(make_turn(), Usage(prompt=7))
    assert reports[1:] == [None]
    assert [(row.turns, row.prompt) for row in read(file)] == [(3, 18)]


def test_what_waited_for_the_disk_is_written_at_the_end(log, file, make_turn):
    play, made = log()
    file.parent.mkdir()
    file.mkdir()
    play(make_turn(), Usage(prompt=5))
    file.rmdir()
    made.close()
    assert [row.prompt for row in read(file)] == [5]


def test_a_file_that_is_no_database(file):
    file.parent.mkdir()
    file.write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match="cannot be read"):
        read(file)
    assert read(file.with_name("missing")) == []


def test_reading_creates_nothing(file):
    assert read(file) == []
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("since", "model", "found"),
    [
        ("", "", [("2026-02-04", "a-flash"), ("2026-02-02", "a-flash"), ("2026-02-02", "b%pro")]),
        ("2026-02-03", "", [("2026-02-04", "a-flash")]),
        ("", "pro", [("2026-02-02", "b%pro")]),
        ("", "%", [("2026-02-02", "b%pro")]),
        ("2026-02-03", "pro", []),
    ],
)
def test_filters(log, file, make_turn, since, model, found):
    play, _ = log()
    play(make_turn(target=Target("a-flash", "1")))
    play(make_turn(target=Target("b%pro", "1")))
    play(make_turn(target=Target("a-flash", "1")), days=2)
    assert [(row.day, row.model) for row in read(file, since=since, model=model)] == found


def test_names_are_cut_and_counts_are_never_negative(clock, make_turn):
    running = MitmStore(clock).open(make_turn(target=Target("x" * 5000, "1")))
    running.append(0, b"", (Usage(prompt=-5, candidates=3),))
    running.close(Finished("stop"))
    (row,) = rows_of(running.channel, WALL)
    assert (len(row.model), row.prompt, row.candidates) == (100, 0, 3)


# -- agents, sessions, prices ------------------------------------------------------------------------------------------


def test_agents_and_sessions_are_told_apart_and_summed_on_wish(log, file, make_turn):
    play, _ = log(session=lambda channel: f"s-{channel.turn.client}")
    for agent in ("codex", "cline", "codex", ""):
        play(make_turn(target=Target("pro", "2"), client=agent), Usage(prompt=5))
    assert [(row.agent, row.session, row.turns) for row in read(file)] == [
        ("", "s-", 1), ("cline", "s-cline", 1), ("codex", "s-codex", 2),
    ]  # fmt: skip
    assert [(row.agent, row.prompt) for row in read(file, agent="c", by=("agent",))] == [("cline", 5), ("codex", 10)]
    assert [row.turns for row in read(file, session="s-co", by=("day",))] == [2]


def test_what_is_known_of_a_price_is_added_up_and_the_rest_is_counted(log, file, make_turn):
    known = iter((prices.Price(0.25), prices.UNKNOWN, prices.Price(0.5, partial=True), prices.UNKNOWN))
    play, _ = log(price=lambda attempt: next(known))
    for _ in range(3):
        play(make_turn(target=Target("pro", "2")), Usage(prompt=5))
    play(make_turn(target=Target("flash", "2")), Usage(prompt=5))
    play(make_turn(target=Target("refused", "2")), terminal=FAILED)
    assert [(row.model, row.turns, row.usd, row.unpriced) for row in read(file)] == [
        ("flash", 1, None, 1), ("pro", 3, 0.75, 2), ("refused", 1, None, 0),
    ]  # fmt: skip


def test_where_the_figures_come_from_is_kept(log, file, make_turn):
    play, _ = log()
    for usage in (Usage(1, 1, 2, 3, 4), Usage(10, source="ls"), Usage(100, 0, 1, source="estimate")):
        play(make_turn(), usage)
    (row,) = read(file)
    assert (row.total, row.from_ls, row.estimated) == (121, 10, 101)


def test_sessions_are_told_apart_for_some_time_only(log, file, make_turn):
    play, _ = log(session=lambda channel: "s1", price=lambda attempt: prices.Price(0.5))
    play(make_turn(), Usage(prompt=5))
    play(make_turn(), Usage(prompt=6), days=1)
    before = read(file, by=("model",))
    play(make_turn(), Usage(prompt=0), days=SESSION_DAYS)
    assert [(row.day, row.session, row.prompt) for row in read(file)][1:] == [
        ("2026-02-03", "s1", 6), ("2026-02-02", "", 5),
    ]  # fmt: skip
    (after,) = read(file, by=("model",))
    assert (after.prompt, after.usd) == (before[0].prompt, before[0].usd)


def test_sums_are_ordered_newest_day_first():
    days = ("09", "b", 1), ("10", "z", 1), ("10", "a", 1), ("09", "b", 2)
    rows = [Row(f"2026-01-{day}", model, turns=turns) for day, model, turns in days]
    assert [(row.day[-2:], row.model, row.turns) for row in summed(rows)] == [
        ("10", "a", 1),
        ("10", "z", 1),
        ("09", "b", 3),
    ]


@pytest.mark.parametrize(("days", "day"), [(1, "2026-02-02"), (2, "2026-02-01"), (30, "2026-01-04")])
def test_first_day(days, day):
    assert first_day(WALL, days) == day


# -- files of other versions ---------------------------------------------------------------------------------------


def version(file):
    database = sqlite3.connect(file)
    (found,) = database.execute("pragma user_version").fetchone()
    database.close()
    return found


def test_a_file_without_a_version_is_read_and_migrated(log, file, make_turn):
    file.parent.mkdir()
    copy(Path(__file__).parent / "files" / "usage-0.sqlite", file)
    old = Row("2026-09-21", "gemini-3-flash", "", "", "", 1, 0, 100, 40, 10, 5, 1, unpriced=1)
    assert read(file) == [old]
    assert version(file) == 0, "reading changes nothing"
    play, _ = log()
    play(make_turn(target=Target("pro", "2")), Usage(prompt=5))
    assert read(file)[0] == old
    assert [row.prompt for row in read(file)] == [100, 5]
    assert version(file) == len(STEPS) == 2


def test_a_file_of_the_first_version_is_read_and_migrated(log, file, make_turn):
    file.parent.mkdir()
    database = sqlite3.connect(file)
    for statement in STEPS[0]:
        database.execute(statement)
    database.execute("insert into usage values ('2026-02-02', 'pro', 3, 1, 100, 40, 10, 5, 1)")
    database.execute("pragma user_version = 1")
    database.commit()
    database.close()
    old = Row("2026-02-02", "pro", "", "", "", 3, 1, 100, 40, 10, 5, 1, unpriced=3)
    assert read(file) == [old], "neither agent, session nor price is known"
    play, _ = log(price=lambda attempt: prices.Price(0.5), session=lambda channel: "s1")
    play(make_turn(target=Target("pro", "2"), client="codex"), Usage(prompt=5))
    assert read(file) == [old, Row("2026-02-02", "pro", "codex", "s1", turns=1, prompt=5, usd=0.5)]
    assert read(file, by=("model",)) == [Row("", "pro", "", "", "", 4, 1, 105, 40, 10, 5, 1, usd=0.5, unpriced=3)]


def test_a_newer_file_is_refused_and_the_sums_wait(log, file, make_turn):
    reports = []
    play, _ = log(report=reports.append)
    play(make_turn(), Usage(prompt=5))
    database = sqlite3.connect(file)
    database.execute("pragma user_version = 9")
    database.close()
    play(make_turn(), Usage(prompt=6))
    assert "file version 9, this one supports up to 3): update zerogravity" in reports[0]
    with pytest.raises(OSError, match="update zerogravity, or use another file"):
        read(file)
    database = sqlite3.connect(file)
    database.execute(f"pragma user_version = {len(STEPS)}")
    database.close()
    play(make_turn(), Usage(prompt=7))
    assert [(row.turns, row.prompt) for row in read(file)] == [(3, 18)]


def test_a_file_of_the_second_version_is_read_and_migrated(log, file, make_turn):
    file.parent.mkdir()
    database = sqlite3.connect(file)
    for statement in (*STEPS[0], *STEPS[1]):
        database.execute(statement)
    database.execute("insert into usage values ('2026-02-02', 'pro', 'codex', 's1', 3, 1, 9, 4, 1, 5, 1, 2, 0, 0.5, 1)")
    database.execute("pragma user_version = 2")
    database.commit()
    database.close()
    old = Row("2026-02-02", "pro", "codex", "s1", "", 3, 1, 9, 4, 1, 5, 1, 2, 0, 0.5, 1)
    assert read(file) == [old], "no gateway had a name"
    assert read_all(file) == ("", [old]), "nor the file an id"
    play, _ = log(instance="left", session=lambda channel: "s1")
    play(make_turn(target=Target("pro", "2"), client="codex"), Usage(prompt=5))
    assert read(file) == [old, Row("2026-02-02", "pro", "codex", "s1", "left", turns=1, prompt=5, unpriced=1)]


def test_each_gateway_on_a_file_has_its_own_sums_and_the_file_one_id(log, file, make_turn):
    written = []
    left, one = log(instance="left", written=written.append)
    right, _ = log(instance="right")
    left(make_turn(), Usage(prompt=5))
    right(make_turn(), Usage(prompt=6))
    left(make_turn(), Usage(prompt=7), days=1)
    assert [(row.day, row.instance, row.prompt) for row in read(file)] == [
        ("2026-02-03", "left", 7), ("2026-02-02", "left", 5), ("2026-02-02", "right", 6),
    ]  # fmt: skip
    assert [row.prompt for row in read(file, by=("day",))] == [7, 11]
    assert written == [{"2026-02-02"}, {"2026-02-03"}]
    own, _ = read_all(file)
    one.close()
    assert len(own) == 16 and read_all(file)[0] == own
