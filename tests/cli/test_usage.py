"""The command ``usage``: what turns used and cost, by what, in which form."""

from __future__ import annotations

import csv
import json
import time
from contextlib import closing

import pytest
from click.testing import CliRunner
from redis import Redis
from rich.console import Console

from tests.redis_server import RedisServer
from zerogravity.cli import usage as command
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, TextDelta, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target
from zerogravity.observe import prices
from zerogravity.store.redis import keys
from zerogravity.store.redis.usage import SharedUsage
from zerogravity.store.usage import FILE, Row, UsageLog


@pytest.fixture
def run(monkeypatch, tmp_path):
    """``run(…)`` → the result; settings come from nowhere but its arguments."""
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    return lambda *arguments: CliRunner().invoke(command.usage, list(map(str, arguments)))


@pytest.fixture
def used(clock, make_turn, tmp_path):
    """Four turns of three models and two agents, today; the last model has no price."""
    prices.load()
    log = UsageLog(tmp_path / FILE, session=lambda channel: f"s-{channel.turn.client}", price=prices.of)
    store = MitmStore(clock)
    log.attach(store)
    for name, prompt, agent in (
        ("gemini-3-flash", 1_000_000, "codex"), ("gemini-3-flash", 234_567, "codex"), ("gemini-3-pro", 10, "cline"),
        ("secret-1", 10, "cline"),
    ):  # fmt: skip
        running = store.open(make_turn(target=Target(name, "1"), client=agent))
        figures = Usage(prompt=prompt, candidates=5, thoughts=2)
        running.append(0, b"", (AttemptOpened(), TextDelta("hi"), figures, AttemptClosed("STOP")))
        running.close(Finished("stop"))
    log.close()
    return time.strftime("%Y-%m-%d", time.gmtime())


def test_the_table_has_a_line_per_day_and_model_and_a_sum(run, used):
    lines = [line.split() for line in run().stdout.splitlines()]
    assert lines[0] == ["day", "model", "turns", "failed", "in", "cached", "out", "thinking", "tools", "tokens"]
    assert lines[1] == [used, "gemini-3-flash", "2", "0", "1,234,567", "0", "10", "4", "0", "1,234,581"]
    assert lines[2] == [used, "gemini-3-pro", "1", "0", "10", "0", "5", "2", "0", "17"]
    assert lines[-1] == ["total", "4", "0", "1,234,587", "0", "20", "8", "0", "1,234,615"]


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        ("model", [["gemini-3-flash", "2", "$0.62"], ["gemini-3-pro", "1", "$0.0001"], ["secret-1", "1", "?"]]),
        ("agent", [["cline", "2", "≥ $0.0001"], ["codex", "2", "$0.62"]]),
        ("agent,session", [["cline", "s-cline", "2", "≥ $0.0001"], ["codex", "s-codex", "2", "$0.62"]]),
    ],
)
def test_prices_are_shown_by_what_is_wanted_and_say_what_is_not_in_them(run, used, by, lines):
    result = run("--cost", "--by", by)
    rows = [line.split() for line in result.stdout.replace("≥ ", "≥").splitlines()]
    names = len(by.split(","))
    assert rows[0] == [*by.split(","), "turns", "in", "cached", "out", "thinking", "price"]
    assert [[*row[: names + 1], row[-1].replace("≥", "≥ ")] for row in rows[1:-1]] == lines
    assert (rows[-1][0], rows[-1][-1]) == ("total", "≥$0.62")
    assert result.stderr == "of 1 answer the price is not, or not wholly, known\n"


@pytest.mark.parametrize(
    ("filters", "models"),
    [
        (("--model", "pro"), ["gemini-3-pro"]),
        (("--agent", "code"), ["gemini-3-flash"]),
        (("--session", "s-cl"), ["gemini-3-pro", "secret-1"]),
        (("--session", "s-cl", "--model", "secret"), ["secret-1"]),
        (("--session", "cl"), []),
    ],
)
def test_only_what_is_asked_for_is_counted(run, used, filters, models):
    assert [row["model"] for row in json.loads(run(*filters, "--json").stdout)] == models


def test_machines_get_all_figures_of_what_is_told_apart(run, used):
    (row,) = json.loads(run("--model", "secret", "--json").stdout)
    expected = {
        "day": used, "model": "secret-1", "turns": 1, "failed": 0, "prompt": 10, "cached": 0, "candidates": 5,
        "thoughts": 2, "tool_use": 0, "total": 17, "from_ls": 0, "estimated": 0, "price": None, "price_partial": True,
    }  # fmt: skip
    assert row == expected
    header, *lines = csv.reader(run("--by", "model", "--csv").stdout.splitlines())
    assert header == [name for name in expected if name != "day"]
    assert lines[2] == ["secret-1", "1", "0", "10", "0", "5", "2", "0", "17", "0", "0", "", "True"]
    assert float(lines[0][-2]) == pytest.approx(1_234_567 * 0.5e-6 + 14 * 3e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "month"), "'month' is none of day, model, agent, session"),
        (("--by", ""), "'' is none of day, model, agent, session"),
        (("--csv", "--json"), "--csv or --json, not both"),
    ],
)
def test_what_cannot_be_done_is_said(run, words, said):
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_no_usage(run, tmp_path):
    result = run()
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"no usage in {tmp_path / FILE} in the last 30 days" in result.stderr
    assert json.loads(run("--json").stdout) == []
    assert run("--csv").stdout.startswith("day,model,turns,")


def test_usage_that_cannot_be_read(run, tmp_path):
    (tmp_path / "x").write_bytes(b"no database" * 100)
    result = run("--file", tmp_path / "x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be read" in result.stderr


def drawn(width, rows, **options):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(command.table(rows, width=width, **options))
    return console.export_text().splitlines()


def test_a_single_row_has_no_sum():
    assert len(drawn(120, [Row("2026-02-02", "pro", turns=1)])) == 2


@pytest.mark.parametrize("cost", [False, True])
@pytest.mark.parametrize("by", [("day", "model"), command.KEYS])
@pytest.mark.parametrize("name", ["gemini-3-flash", "a-name-that-is-longer-than-any-column-of-a-terminal" * 2, "[red]"])
def test_eighty_columns_are_enough_and_every_row_is_one_line(name, by, cost):
    big = dict.fromkeys(("turns", "failed", "prompt", "cached", "candidates", "thoughts", "tool_use"), 1_234_567)
    row = Row("2026-02-02", name, name, "5e4d3c2b1a09", **big, usd=123456.78, unpriced=1)
    lines = drawn(80, [row, row], keys=by, cost=cost)
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith("2026-02-02 ")
    assert name[: 10 if len(by) < len(command.KEYS) else 9] in lines[1]
    assert ("≥ $123456.78" in lines[1]) == cost
    assert "1.2M" in lines[1]


def test_figures_that_are_not_google_s_are_told():
    (head, line) = drawn(160, [Row("2026-02-02", "pro", turns=2, prompt=30, from_ls=10, estimated=20)])
    assert head.split()[-2:] == ["LS", "estimated"]
    assert line.split()[-2:] == ["10", "20"]


def test_the_sums_of_all_gateways(run, used, tmp_path, monkeypatch):
    """Those of the file are one machine's."""
    server = RedisServer(tmp_path / "redis")
    monkeypatch.setenv("ZEROGRAVITY_STORE", server.url)
    refused = run("--all")
    assert refused.exit_code == 1
    assert f"Redis at redis://127.0.0.1:{server.port}/0 cannot be used" in refused.stderr
    server.start()
    try:
        assert f"no usage in redis://127.0.0.1:{server.port}/0 in the last 30 days" in run("--all").stderr
        for file in (tmp_path / FILE, tmp_path / "other.sqlite"):
            log = UsageLog(file, instance=file.stem)
            copies = SharedUsage(server.url, file)
            log.worker.start()
            copies.start()
            log.close()
            copies.close()
        log = UsageLog(tmp_path / "third.sqlite", instance="third")
        copies = SharedUsage(server.url, log.file)
        log._pending = [Row(used, "gemini-3-flash", "codex", "s", "third", turns=1, prompt=5)]
        log._write([])
        copies.start()
        copies.close()
        lines = [line.split() for line in run("--all", "--by", "model,instance").stdout.splitlines()]
        assert lines[1:4] == [
            ["gemini-3-flash", "unknown", "2", "0", "1,234,567", "0", "10", "4", "0", "1,234,581"],
            ["gemini-3-flash", "third", "1", "0", "5", "0", "0", "0", "0", "5"],
            ["gemini-3-pro", "unknown", "1", "0", "10", "0", "5", "2", "0", "17"],
        ]
        told = json.loads(run("--all", "--by", "model", "--model", "flash", "--json").stdout)
        assert [(row["model"], row["turns"], row["prompt"]) for row in told] == [("gemini-3-flash", 3, 1_234_572)]
        with closing(Redis.from_url(server.url)) as client:
            client.sadd(keys.USAGE, "odd")
            client.hset(keys.usage("odd"), used, "{")
        odd = run("--all", "--by", "model,instance")
        assert [line.split() for line in odd.stdout.splitlines()] == lines
        place = f"redis://127.0.0.1:{server.port}/0"
        assert (odd.exit_code, odd.stderr) == (0, f"1 of the sums in {place} cannot be read, and are left out\n")
    finally:
        server.kill()


def test_all_gateways_need_a_place_in_common(run, used):
    refused = run("--all")
    assert refused.exit_code == 2
    assert "--all needs a store that gateways share, store = redis://…; it is memory" in refused.stderr
    assert run("--all", "--file", "x").exit_code == 2
