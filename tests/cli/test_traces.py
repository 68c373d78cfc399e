from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from click.testing import CliRunner

from zerogravity.capture import tap
from zerogravity.cli import traces
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    TextDelta,
    ThinkingDelta,
)
from zerogravity.errors import Termination, upstream
from zerogravity.observe import terminal, trace_reader


@pytest.fixture
def run(recording, make_turn):
    """``run("ls", …)`` → click's result, on three recorded turns: ok, tool, failed (ids aaaa…, bbbb…, cccc…)."""
    made = recording()

    def turn(letter, question, *events, terminal, **fields):
        made.now[0] += 60
        generate = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        given = make_turn(id=f"turn_{letter * 32}", google_request=generate, created=int(made.now[0]), **fields)
        made.recorder.client_request(given, json.dumps({"input": question}).encode(), {})
        running = made.store.open(given)
        channel = running.channel
        made.clock.advance(0.5)
        running.mark("admitted")
        running.mark("told")
        made.clock.advance(0.5)
        running.mark("matched")
        made.recorder.upstream_request(
            channel.id, 0, b'{"keep": 1, "contents": "LS"}', b'{"keep": 1, "contents": "ours"}', {}
        )
        running.append(0, b"", (AttemptOpened("m"),))
        for event in events:
            made.clock.advance(0.5)
            running.append(0, b"{}", (event,))
        running.append(0, b"", (AttemptClosed("STOP"),))
        running.close(terminal)

    turn("a", "Capital of France?", ThinkingDelta("let me think"), TextDelta("Paris [bold]is[/bold] it\x1b[31m"),
         terminal=Finished("stop"), surface="chat")  # fmt: skip
    turn("b", "List files", FunctionCall("call_1", "f_sh", '{"cmd": "ls -la"}', "sig"), terminal=Finished("tool"),
         tool_names={"f_sh": "shell"}, notes=("dropped: minLength",))  # fmt: skip
    turn("c", "Explode", terminal=Failed(upstream(502, "boom", "it broke", Termination.UPSTREAM_DROP)))
    made.flush()

    def invoke(*arguments, ok=True):
        result = CliRunner().invoke(traces.trace, ["--dir", str(made.root), *arguments])
        if ok:
            assert result.exception is None, result.output
        return result

    invoke.made = made
    return invoke


def output(result):
    return json.loads(result.stdout)


def test_ls(run):
    lines = run("ls").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["turn", "cccccccc", "bbbbbbbb", "aaaaaaaa"]
    assert "upstream_drop" in lines[1]
    assert "02-02 02:41" in lines[3]
    assert "Capital of France?" in lines[3]
    assert "2.00 s" in lines[3]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], "cba"), (["-n", "2"], "cb"), (["-n", "0"], "cba"), (["--surface", "chat"], "a"),
        (["--code", "upstream_drop"], "c"), (["--model", "flash"], "cba"), (["--model", "pro"], ""),
    ],
)  # fmt: skip
def test_ls_filters(run, options, found):
    assert [turn["id"][5] for turn in output(run("ls", *options, "--json"))] == list(found)


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
    shown = [[column.header for column in terminal.turns(found, width=width).columns] for width in (100, 90)]
    assert ["conversation" in headers for headers in shown] == [True, False]


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
    assert "serve --trace" in result.stderr


def test_a_filter_that_matches_nothing_is_not_reported_as_an_empty_folder(run):
    told = run("ls", "--code", "empty").stderr
    assert "none of the traces" in told
    assert "no traces" not in told


def test_show(run):
    shown = run("show", "aaaa").stdout
    for part in ("turn_" + "a" * 32, "first thinking", "let me think", "Paris [bold]is[/bold] it", "ok", "tokens 0 in"):
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
        {"kind": "call", "call_id": "call_1", "name": "f_sh", "args_json": '{"cmd": "ls -la"}', "signature": "sig"}
    ]


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


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("France", [("a", "request")]), ("let me", [("a", "thinking")]), ("Par.s", [("a", "text")]),
        ("ls -la", [("b", "call")]), ("it broke", [("c", "failure")]),
    ],
)  # fmt: skip
def test_grep(run, pattern, found):
    hits = output(run("grep", pattern, "--json"))
    assert [(hit["turn"][5], place) for hit in hits for place, _ in hit["places"]] == found


def test_grep_for_people(run):
    assert run("grep", "paris", "-i").stdout.startswith("aaaaaaaa  text       Paris")
    missed = run("grep", "paris", ok=False)
    assert (missed.exit_code, missed.stdout) == (1, "")
    assert len(output(run("grep", ".", "-n", "2", "--json"))) == 2
    assert run("grep", "(", ok=False).exit_code == 2


@pytest.mark.parametrize("form", ["har", "jsonl", "otel", "html"])
def test_export(run, form, tmp_path):
    printed = run("export", "a", "--format", form).stdout_bytes
    target = tmp_path / "out"
    run("export", "a", "--format", form, "-o", str(target))
    assert target.read_bytes() == printed
    assert b"a" * 32 in printed
    assert b"b" * 32 not in printed
    assert target.stat().st_mode & 0o777 == 0o600


def test_export_all(run):
    printed = run("export", "--all", "--format", "jsonl").stdout
    assert [json.loads(line)["id"][5] for line in printed.splitlines() if '"kind":"turn"' in line] == ["a", "b", "c"]


def test_bundle(run, tmp_path):
    target = tmp_path / "report.zip"
    run("bundle", "a", "c", "-o", str(target))
    with zipfile.ZipFile(target) as archive:
        assert len([name for name in archive.namelist() if name.endswith("turn.json")]) == 2


def test_bundle_has_a_name_by_itself(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("bundle", "b")
    assert (tmp_path / "zerogravity-bbbbbbbb.zip").exists()


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--speed", "quick"], ["--fault", "explode"]])
def test_replay_refuses_nonsense(run, arguments):
    result = CliRunner().invoke(traces.replay, ["a", "--dir", str(run.made.root), *arguments])
    assert result.exception.fault.status == 400


def test_an_empty_cassette_says_what_to_do(tmp_path):
    result = CliRunner().invoke(traces.cassette, [str(tmp_path)])
    assert result.exit_code == 2
    assert "--record" in result.output


def test_the_configured_folder_is_used(run, monkeypatch):
    monkeypatch.setenv("ZEROGRAVITY_TRACE_DIR", str(run.made.root))
    result = CliRunner().invoke(traces.trace, ["ls", "--json"])
    assert len(json.loads(result.stdout)) == 3


def test_every_command_has_help():
    for group in (traces.trace, traces.replay, traces.cassette):
        result = CliRunner().invoke(group, ["--help"])
        assert result.exit_code == 0
    for name, command in traces.trace.commands.items():
        assert command.help, name
