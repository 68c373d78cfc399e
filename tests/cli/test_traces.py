from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.cli.printed import output
from zerogravity.capture import tap
from zerogravity.cli import traces
from zerogravity.core.events import (
    Finished,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.observe import terminal, trace_reader


def test_ls(run):
    lines = run("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["turn", "cccccccc", "bbbbbbbb", "aaaaaaaa"]
    assert "upstream_drop" in lines[1]
    assert "02-02 02:41" in lines[3]
    assert "Capital of France?" in lines[3]
    assert "2.0 s" in lines[3]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], "cba"), (["-n", "2"], "cb"), (["-n", "0"], "cba"), (["--surface", "chat"], "a"),
        (["--code", "upstream_drop"], "c"), (["--model", "flash"], "cba"), (["--model", "pro"], ""),
    ],
)  # fmt: skip
def test_ls_filters(run, options, found):
    assert [turn["id"][5] for turn in output(run("ls", *options, "--json"))] == list(found)


@pytest.mark.parametrize(
    ("query", "found"),
    [(["paris"], "a"), (["is:error"], "c"), (["-is:error"], "ba"), (["-tool:shell", "-n", "1"], "c"),
     (["tool:shell"], "b"),
     (["ls", "-la"], None), (["ls", '"-la"'], "b"), (["since:1h"], ""), (["code:tool code:ok"], ""),
     (["--", "-files"], "ca"),
     (["paris", "--surface", "chat"], "a"), (["paris", "--code", "tool"], "")],
)  # fmt: skip
def test_ls_with_a_query(run, query, found):
    told = run("ls", *query, "--json" if "--" not in query else "--", ok=False) if found is None else None
    if told is not None:
        assert told.exit_code == 2
        return
    options = ["--json", *query]
    assert [turn["id"][5] for turn in output(run("ls", *options))] == list(found)


@pytest.mark.parametrize(
    ("query", "below"),
    [
        (["france"], {"a": "    request: Capital of France?"}), (["ls"], {"b": "    call: shell("}),
        (["broke"], {"c": "    failure: "}), (["code:tool"], {}), ([], {}), (['-"france"'], {}),
    ],
)  # fmt: skip
def test_ls_shows_the_words_that_were_found_below_each_turn(run, query, below):
    _, *lines = run("ls", *query).stdout.splitlines()
    told = output(run("ls", "--json", *query))
    assert [line[:4] for line in lines] == [at for turn in told for at in (turn["id"][5:9], *["    "] * len(below))]
    assert all(("snippet" in turn) is bool(below) for turn in told)
    for letter, wanted in below.items():
        (turn,) = told
        assert turn["id"][5] == letter
        assert lines[1].startswith(wanted)
        assert turn["snippet"] == {"part": wanted.strip().partition(":")[0], "text": lines[1].partition(": ")[2]}


@pytest.mark.parametrize("query", ["colour:red", "since:soon", "is:lost"])
def test_a_query_that_cannot_be_read_is_a_mistake(run, query):
    fault = run("ls", query, ok=False).exception.fault
    assert (fault.status, fault.origin) == (400, "client")
    assert query.partition(":")[0] in fault.message


@pytest.fixture
def spoken(run, make_turn):
    """Two more turns, of one conversation."""
    for letter in "de":
        made = run.made
        made.now[0] += 60
        given = make_turn(id=f"turn_{letter * 32}", created=int(made.now[0]), surface="passive",
                          conversation="3543007957932988539")  # fmt: skip
        made.store.open(given).close(Finished("stop"))
    run.made.flush()
    return run


@pytest.mark.parametrize(
    ("wanted", "found"), [("3543007957932988539", "ed"), ("35430", "ed"), ("43", ""), ("", "edcba")]
)
def test_ls_of_a_conversation(spoken, wanted, found):
    assert [turn["id"][5] for turn in output(spoken("ls", "--conversation", wanted, "--json"))] == list(found)


def test_a_conversation_has_a_column_where_there_is_one(spoken):
    heading, newest, *_ = spoken("ls").stdout.splitlines()
    assert "conversation" in heading
    assert " 354300795793 " in newest
    assert "conversation" not in spoken("ls", "--surface", "chat").stdout
    assert "conversation 3543007957932988539" in spoken("show", "--no-requests").stdout.replace("\n", " ")
    found = list(trace_reader.scan(spoken.made.root))
    for width, wide in ((100, True), (90, False)):
        narrow = Console(width=width, record=True, file=StringIO())
        narrow.print(terminal.Turns(found))
        assert ("conversation" in narrow.export_text().splitlines()[0]) is wide


def test_a_trace_of_before_belongs_to_no_conversation(spoken):
    for trace in trace_reader.scan(spoken.made.root):
        before = {name: value for name, value in trace.info.items() if name != "conversation"}
        (trace.folder / "turn.json").write_text(json.dumps(before))
    assert "conversation" not in spoken("ls").stdout
    assert trace_reader.find(spoken.made.root).turn.conversation == ""
    assert output(spoken("ls", "--conversation", "35", "--json")) == []


def test_ls_without_traces(tmp_path):
    result = CliRunner().invoke(traces.trace, ["--dir", str(tmp_path), "ls"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no traces" in result.stderr
    assert "zerogravity serve" in result.stderr


def test_a_filter_that_matches_nothing_is_not_reported_as_an_empty_folder(run):
    told = run("ls", "--code", "empty").stderr
    assert "none of the traces" in told
    assert "no traces" not in told


def test_show(run):
    shown = run("show", "aaaa").stdout
    for part in (
        "turn_" + "a" * 32,
        "first thinking",
        "let me think",
        "Paris [bold]is[/bold] it",
        "ok",
        "thinking (estimate)",
    ):
        assert part in shown
    assert '-"contents": "LS"' in shown.replace(" ", "").replace('"contents":"LS"', '"contents": "LS"')
    assert '+  "contents": "ours"' in shown
    assert '  "keep": 1' in shown
    assert "\x1b[31m" not in shown
    assert "\\x1b[31m" in shown
    assert '"contents"' not in run("show", "aaaa", "--no-requests").stdout


def test_show_a_call_and_a_failure(run):
    shown = run("show", "b").stdout
    for part in ("call shell", "signed", '"cmd": "ls -la"', "dropped: minLength"):
        assert part in shown
    assert "boom (502): it broke" in run("show").stdout


def test_show_json(run):
    value = output(run("show", "b", "--json"))
    assert value["code"] == "tool"
    assert value["items"] == [
        {
            "kind": "call",
            "call_id": "call_1",
            "name": "f_sh",
            "args_json": '{"cmd": "ls -la"}',
            "signature": "sig",
            "server": "",
        },
    ]


def test_show_says_where_the_turn_is(run):
    folder = trace_reader.find(run.made.root, "a").folder
    assert str(folder) in run("show", "a").stdout.replace("\n", "")


def test_show_raw_writes_the_recorded_bytes(run):
    found = trace_reader.find(run.made.root, "a")
    raw = {name: run("show", "a", "--raw", name).stdout_bytes for name in traces.RAW}
    assert raw["in"] == b'{"input":"Capital of France?"}'
    assert raw["sent"] == b'{"keep":1,"contents":"ours"}'
    assert raw["google"] == found.upstream
    assert raw["google"]
    assert json.loads(raw["out"])["choices"][0]["message"]["content"] == found.state.text
    assert run("show", "a", "--raw", "up", ok=False).exit_code == 2


def test_show_raw_of_what_was_not_recorded_is_empty(run):
    (trace_reader.find(run.made.root, "a").folder / "client_request.json").unlink()
    assert run("show", "a", "--raw", "in").stdout_bytes == b""


def test_show_nothing(run):
    assert run("show", "dddd", ok=False).exception.fault.code == "trace_not_found"


def test_the_waterfall_has_a_bar_per_phase(run):
    marks = trace_reader.find(run.made.root, "a").info["marks_ms"]
    table = terminal.waterfall(marks)
    assert table.row_count == 7
    assert terminal.waterfall({}).row_count == 0
    assert terminal.waterfall({"received": 0, "done": 0}).row_count == 1


def test_follow(run, make_turn):
    made = run.made
    running = made.store.open(make_turn(id="turn_" + "d" * 32))
    running.append(0, b"{}", (ThinkingDelta("hm"), TextDelta("Hel")))
    made.flush()
    steps = [
        lambda: running.append(0, b"{}", (TextDelta("lo\x07"), FunctionCall("call_1", "f", "{}"))),
        lambda: running.close(Finished("tool")),
    ]
    written = []

    def sleep(_):
        steps.pop(0)()
        made.flush()

    closed = traces.follow_turn(trace_reader.find(made.root, "d"), written.append, sleep=sleep)
    assert closed.closed
    assert "".join(written) == "\n[thinking] hm\n[text] Hello\\x07\n[call] f({})\n"


def test_show_follow_of_a_finished_turn_just_shows_it(run):
    assert "Paris" in run("show", "a", "--follow").stdout


def test_errors(run):
    assert run("errors").stdout.split() == ["1", "upstream_drop", "cccccccc", "it", "broke"]
    (value,) = output(run("errors", "--json"))
    assert (value["code"], value["count"], value["newest"]) == ("upstream_drop", 1, "turn_" + "c" * 32)


def test_errors_of_a_query(run):
    assert output(run("errors", "code:upstream_drop", "--json"))[0]["count"] == 1
    told = run("errors", "code:empty")
    assert (told.stdout, told.stderr) == ("", "no failed turns\n")


def test_errors_without_traces(tmp_path):
    result = CliRunner().invoke(traces.trace, ["--dir", str(tmp_path), "errors"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no traces" in result.stderr


REFUSED = {"error": {"code": 403, "message": "This version of Antigravity is no longer supported. Please update to "
                     "receive the latest features!", "status": "PERMISSION_DENIED"}}  # fmt: skip


def refuse(run, make_turn, letter="d"):
    """A turn that Google answered with 403; its folder."""
    made = run.made
    made.now[0] += 60
    running = made.store.open(make_turn(id=f"turn_{letter * 32}", created=int(made.now[0])))
    tap.close_with_error(running, 403, {}, json.dumps(REFUSED).encode())
    made.flush()
    return trace_reader.find(made.root, letter * 8).folder


def with_old_names(fault: dict[str, Any]) -> dict[str, Any]:
    return {{"origin": "guilt", "retryable": "heals"}.get(name, name): value for name, value in fault.items()}


def as_older(folder):
    """The trace as it was written before it told Google's status."""
    info = json.loads((folder / "turn.json").read_bytes())
    for name in ("upstream_status", "remedy"):
        del info["failure"][name]
    info["failure"] = with_old_names(info["failure"])
    (folder / "turn.json").write_text(json.dumps(info))
    records = (folder / "records.jsonl").read_text().splitlines()
    older = [json.loads(line) for line in records]
    for record in older:
        for event in record["events"]:
            for name in ("upstream_status", "remedy"):
                event.get("fault", {}).pop(name, None)
            if "fault" in event:
                event["fault"] = with_old_names(event["fault"])
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in older))


@pytest.mark.parametrize("older", [False, True])
def test_googles_own_status_is_shown_with_the_code(run, make_turn, older):
    folder = refuse(run, make_turn)
    if older:
        as_older(folder)
    assert "upstream_status 403 " in run("ls").stdout.splitlines()[1]
    shown = " ".join(run("show", "d").stdout.split())
    assert "upstream_status 403 PERMISSION_DENIED" in shown
    assert "upstream_auth (502; Google: 403 PERMISSION_DENIED): Google refused" in shown
    line = next(line for line in run("errors").stdout.splitlines() if "403" in line)
    assert line.split()[:4] == ["1", "upstream_status", "403", "PERMISSION_DENIED"]
    assert ("Update the editor" in run("errors").stdout) is ("Update the editor" in shown) is (not older)
    told = {found["google"]: found["code"] for found in output(run("errors", "--json"))}
    assert told == {"403 PERMISSION_DENIED": "upstream_status", None: "upstream_drop"}
    assert trace_reader.load(folder).state.terminal.fault.code == "upstream_auth"


def test_diff(run):
    value = output(run("diff", "a", "b", "--json"))
    assert any(line.startswith("-") and "Capital of France?" in line for line in value["request"])
    assert any(line.startswith("+") and "List files" in line for line in value["request"])
    assert "+[call f_sh]" in value["answer"]
    assert value["numbers"]["code"] == ["ok", "tool"]
    shown = run("diff", "a", "b").stdout
    assert "Capital of France?" in shown
    assert "latency_ms.total" in shown
    assert "the same" in run("diff", "a", "a").stdout


def test_every_command_has_help():
    assert CliRunner().invoke(traces.trace, ["--help"]).exit_code == 0
    for name, command in traces.trace.commands.items():
        assert command.help, name
