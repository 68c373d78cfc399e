"""How the log is printed: for people, for machines, and to a terminal that does not take it."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

import pytest

from zerogravity.observe import log_output, moments
from zerogravity.observe.log_output import LogOutput, printed

PARTS = [("codex", ""), ("ok", "green"), ("340 ms", "dim")]


def record(message="hello", level=logging.INFO, name="zerogravity", **more):
    made = logging.LogRecord(name, level, __file__, 1, message, (), None)
    made.created = 1_770_000_000.123
    for key, value in more.items():
        setattr(made, key, value)
    return made


def clock():
    return moments.local(1_770_000_000, "%H:%M:%S")


@pytest.mark.parametrize(
    ("given", "colour", "shown"),
    [
        (record(), False, "hello"),
        (record(parts=PARTS), False, "codex ok 340 ms"),
        (record(parts=PARTS), True, "codex \x1b[32mok\x1b[0m \x1b[2m340 ms\x1b[0m"),
        (record(level=logging.WARNING), True, "\x1b[33mhello\x1b[0m"),
        (record(level=logging.ERROR), True, "\x1b[31mhello\x1b[0m"),
        (record("a\x1b[2J\nb"), False, "a\\x1b[2J\nb"),
    ],
)
def test_lines_for_people_begin_with_local_time(given, colour, shown):
    time = f"\x1b[2m{clock()}\x1b[0m" if colour else clock()
    assert log_output.as_text(given, colour) == f"{time} {shown}"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (record(), {"event": "log", "level": "info", "logger": "zerogravity", "message": "hello"}),
        (record("a\nb", logging.ERROR), {"event": "log", "level": "error", "logger": "zerogravity", "message": "a\nb"}),
        (record(parts=PARTS, turn={"id": "turn_1"}), {"event": "turn", "id": "turn_1"}),
    ],
)
def test_machines_get_one_object_with_utc(given, wanted):
    shown = log_output.as_json(given)
    assert "\n" not in shown
    assert json.loads(shown) == {"time": "2026-02-02T02:40:00.123Z", **wanted}


def test_a_traceback_is_part_of_the_message():
    try:
        raise ValueError("oh")
    except ValueError:
        shown = log_output.as_json(record(exc_info=sys.exc_info()))
    assert "ValueError: oh" in json.loads(shown)["message"]


@pytest.mark.parametrize(
    ("name", "level", "shown"),
    [
        ("zerogravity.x", logging.INFO, True),
        ("zerogravityx", logging.INFO, False),
        ("mitmproxy.proxy.server", logging.INFO, False),
        ("mitmproxy.proxy.server", logging.ERROR, True),
        ("asyncio", logging.WARNING, True),
    ],
)
def test_other_libraries_are_heard_from_warnings_on(name, level, shown):
    written: list[bytes] = []
    output = LogOutput(written.append, "text")
    output.handle(record("x", level, name))
    output.close()
    assert bool(written) is shown


class Pipe:
    def __init__(self, terminal=False):
        self.reader, self.writer = os.pipe()
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def fileno(self):
        return self.writer

    def read(self):
        os.close(self.writer)
        with os.fdopen(self.reader, "rb") as file:
            return file.read().decode()


@pytest.mark.parametrize(("quiet", "shown"), [(False, ["turn", "warning"]), (True, ["warning"])])
def test_while_it_is_printed_requests_are_left_out_and_quiet_leaves_warnings(quiet, shown):
    pipe, ours = Pipe(), logging.getLogger("zerogravity")
    before = ours.level, list(logging.getLogger().handlers)
    with printed(pipe, "text", quiet=quiet):
        logging.getLogger("zerogravity.turns").info("turn")
        logging.getLogger("zerogravity.access").info("request")
        ours.warning("warning")
    assert [line.split()[1] for line in pipe.read().splitlines()] == shown
    assert (ours.level, list(logging.getLogger().handlers)) == before


@pytest.mark.parametrize(
    ("terminal", "variables", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, terminal, variables, colour):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    pipe = Pipe(terminal)
    with printed(pipe, "text"):
        logging.getLogger("zerogravity").info("hello")
    assert ("\x1b[" in pipe.read()) is colour


def test_a_terminal_that_takes_nothing_holds_up_nobody():
    held, written = threading.Event(), []

    def write(data):
        held.wait(30)
        written.append(data)

    output = LogOutput(write, "text")
    for number in range(5000):
        output.handle(record(str(number)))
    assert output.worker.dropped > 0
    held.set()
    output.close()
    assert written


def test_a_reader_that_has_gone_is_no_endless_complaint():
    tries: list[bytes] = []

    def write(data):
        tries.append(data)
        raise BrokenPipeError("gone")

    output = LogOutput(write, "text")
    logging.getLogger().addHandler(output)
    try:
        logging.getLogger("zerogravity").warning("hello")
        assert output.worker.flush()
        assert output.worker.flush()
    finally:
        logging.getLogger().removeHandler(output)
        output.close()
    assert len(tries) <= 2, "the line, and once that it could not be printed"
