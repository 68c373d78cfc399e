"""The board of a running gateway's turns."""

from __future__ import annotations

import pytest
from rich.console import Console

from zerogravity.observe import top
from zerogravity.observe.top import Board

NOW = 1_770_000_100.0
CHECKS = [{"name": "google", "ok": True}, {"name": "path", "ok": False, "text": "no call came", "fix": "look"}]
HEALTH = {"active": 1, "waiting": 2, "checks": CHECKS}


def row(turn_id, *, created=NOW - 10, closed=True, **more):
    usage = {"prompt": 1000, "candidates": 40, "thoughts": 7}
    return {
        "id": turn_id, "created": created, "client": "codex", "surface": "responses", "target": "gemini-3-flash",
        "state": "done", "state_ms": 0.0, "closed": closed, "failed": False, "google": "",
        "code": "ok" if closed else None,
        "total_ms": 1200.0, "usage": usage, "price": 0.0031, "tools": ["shell"], **more,
    }  # fmt: skip


def board(*rows, health=HEALTH):
    made = Board("http://here", clock=lambda: 5.0)
    made.take({"all": True, "turns": list(rows), "gone": [], "health": health})
    return made


def shown(made, width=160):
    screen = Console(width=width, no_color=True, highlight=False)
    with screen.capture() as captured:
        screen.print(top.render(made, NOW, width=width))
    return captured.get()


def test_calls_of_one_tool_are_counted_and_the_gateway_s_own_are_among_them():
    lines = shown(board(row("a", tools=["docs.find", "docs.find", "shell", "docs.find"]))).splitlines()
    assert lines[-1].rstrip().endswith("docs.find×3, shell")


def test_a_turn_whose_call_the_gateway_runs_says_so():
    running = row("a", closed=False, state="running tool", state_ms=500.0, tools=["docs.find"])
    assert "running tool 500 ms" in shown(board(running))


def test_events_add_change_and_remove_turns():
    made = board(row("a"), row("b", closed=False))
    made.take({"turns": [row("b"), row("c")], "gone": ["a"], "health": {"active": 0}})
    assert sorted(made.turns) == ["b", "c"]
    assert (made.running, made.health) == ([], {"active": 0})
    made.take({"all": True, "turns": [], "health": {}})
    assert (made.turns, made.health) == ({}, {"active": 0})


def test_a_running_turn_grows_older_between_events():
    moment = [0.0]
    made = Board("http://here", clock=lambda: moment[0])
    made.take({"turns": [row("a", closed=False, state="thinking", state_ms=500.0)], "health": HEALTH})
    moment[0] = 2.0
    (running,) = made.running
    assert (running["state_ms"], running["total_ms"]) == (2500, 3200)
    assert "thinking 2.5 s" in shown(made)


@pytest.mark.parametrize(
    ("rows", "tokens"),
    [
        ([], 0),
        ([row("a")], 1047),
        ([row("a"), row("b", created=NOW - 100)], 1047),
        ([row("a", closed=False)], 0),
    ],
)
def test_tokens_per_minute_are_those_of_turns_that_have_just_ended(rows, tokens):
    assert board(*rows).tokens_per_minute(NOW) == tokens


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "ok"),
        ({"code": "length"}, "length"),
        ({"code": "client_gone", "failed": True}, "client_gone"),
        ({"code": "upstream_status", "failed": True, "google": "429 RESOURCE_EXHAUSTED"}, "429 RESOURCE_EXHAUSTED"),
        ({"code": "match_timeout", "failed": True}, "match_timeout"),
    ],
)
def test_how_a_turn_ended(more, state):
    line = shown(board(row("a", **more))).splitlines()[-1]
    for cell in ("codex", "gemini-3-flash", state, "1.2 s", "1.0k", "47", "$0.0031", "shell"):
        assert cell in line


def test_the_head_has_places_and_what_is_broken():
    head, broken, *_ = shown(board(row("a"))).splitlines()
    assert "1 running · 2 waiting · 1.0k tokens/min" in head
    assert broken.rstrip() == "path: no call came → look"


def test_models_that_are_left_alone_are_named():
    cooldown = {"model": "gemini-3-flash", "until": "2026-02-02T02:42:22Z", "reason": "rate", "google": "429"}
    made = board(health={**HEALTH, "cooldowns": [cooldown]})
    assert "gemini-3-flash: left alone for 42 s (rate)" in shown(made)
    assert made.as_json(NOW)["cooldowns"] == [cooldown]


def test_80_columns_hold_what_matters():
    lines = shown(board(row("a", google="429 RESOURCE_EXHAUSTED", failed=True, client="claude-code")), 80).splitlines()
    assert all(cell in lines[-1] for cell in ("claude-code", "429 RESOURCE_EXHAUSTED", "1.2 s", "47"))
    assert "…" not in lines[-1]


def test_nothing_yet_says_what_to_do():
    assert "zerogravity run -- codex" in shown(board())


def test_the_last_ten_are_kept_newest_first():
    made = board(*(row(f"t{number:02}", created=NOW - number) for number in range(20)))
    assert [one["id"] for one in made.last] == [f"t{number:02}" for number in range(10)]
    assert made.as_json(NOW)["last"] == made.last


def test_what_a_terminal_would_obey_is_not_passed_on():
    assert "\x1b" not in shown(board(row("a", client="x\x1b[2J")))


async def test_nobody_there_says_what_to_do(unused_tcp_port):
    with pytest.raises(OSError, match="start one with: zerogravity serve"):
        await anext(top.feed(f"http://127.0.0.1:{unused_tcp_port}", "t"))
