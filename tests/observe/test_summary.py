"""What is said of a turn at one glance: what it does, what was asked."""

from __future__ import annotations

import pytest

from tests.strategies import LISTINGS
from zerogravity.core.events import AttemptClosed, AttemptOpened, CallReturned, Failed, FunctionCall, RequestLine, Usage
from zerogravity.core.registry import MitmStore
from zerogravity.core.turn import Target
from zerogravity.errors import Termination, cancelled
from zerogravity.observe import prices, summary
from zerogravity.observe.sessions import NOWHERE
from zerogravity.surfaces import REGISTRY


def state(scene, channel, answered=()):
    """(words, seconds since)"""
    words, since = summary.activity(channel, scene.store.clock(), answered, REGISTRY)
    return words, (scene.store.clock() - since) / 1e9


@pytest.mark.parametrize(
    ("to", "words"),
    [("queued", "queued"), ("admitted", "starting cascade"), ("told", "waiting for LS"), ("matched", "matched")],
)
def test_states_before_the_first_byte(scene, to, words):
    channel = scene.open(to=to)
    scene.advance(3)
    assert state(scene, channel) == (words, 3)


def test_states_of_an_answer(scene):
    channel = scene.open()
    scene.advance(1)
    scene.begin(channel)
    assert state(scene, channel) == ("first byte", 0)
    for step, words in ((scene.think, "thinking"), (scene.text, "text")):
        scene.advance(1)
        step(channel, "x")
        scene.advance(2)
        assert state(scene, channel) == (words, 2)
    scene.call(channel)
    scene.advance(4)
    assert state(scene, channel) == ("tool wait", 4)
    scene.advance(7)
    assert state(scene, channel) == ("stalled", 11)
    scene.text(channel, "on")
    scene.say(channel, None, AttemptClosed("STOP"))
    scene.advance(5)
    assert state(scene, channel) == ("waiting for LS", 5)
    scene.inside(channel).attempt_sent(RequestLine("POST", "https://x.example", "HTTP/1.1"))
    assert state(scene, channel)[0] == "text"
    scene.fail(channel)
    scene.advance(100)
    assert state(scene, channel) == ("failed", 100)


def test_a_turn_whose_calls_the_gateway_runs(scene):
    channel = scene.open()
    scene.begin(channel)
    scene.say(channel, {"text": ""}, LISTINGS[0], FunctionCall("call_1", "docs.find", "{}"))
    scene.say(channel, None, AttemptClosed("STOP"))
    scene.advance(60)
    assert state(scene, channel) == ("running tool", 60)
    scene.say(channel, None, CallReturned("call_1", "found"))
    scene.advance(1)
    assert state(scene, channel)[0] == "waiting for LS"
    scene.end(channel, "stop")
    assert state(scene, channel) == ("done", 0)


def test_a_turn_that_only_got_matched_can_stall(scene):
    channel = scene.open()
    scene.advance(10.5)
    assert state(scene, channel) == ("stalled", 10.5)
    early = scene.open(to="told")
    scene.advance(60)
    assert state(scene, early) == ("waiting for LS", 60)


def tool_turn(scene, surface="chat", family="gemini-3-flash", upstream_id=None):
    channel = scene.open(surface=surface, target=Target("m", "M", family=family))
    scene.begin(channel)
    scene.say(channel, {"text": ""}, FunctionCall("call_1", "f", "{}", None, upstream_id))
    scene.end(channel, "tool")
    scene.advance(5)
    return channel


@pytest.mark.parametrize(
    ("surface", "family", "upstream_id", "answered", "words"),
    [
        ("chat", "gemini-3-flash", None, (), "tool wait"),
        ("chat", "gemini-3-flash", None, ("call_1",), "done"),
        ("chat", "gemini-3-flash", "up_1", ("up_1",), "done"),
        ("chat", "gemini-3-flash", "up_1", ("other",), "tool wait"),
        ("gemini", "gemini-3-flash", "up_1", (), "tool wait"),
        ("gemini", "gemini-3-flash", None, (), "done"),  # the client could not name the call
        ("chat", "gemini-2.5-flash", None, (), "done"),  # nor can it here
        ("chat", "gemini-3-flash", None, None, "done"),  # a recorded turn: nobody works at it
    ],
)
def test_after_calls_the_client_is_at_work_until_it_brings_results(
    scene, surface, family, upstream_id, answered, words
):
    channel = tool_turn(scene, surface, family, upstream_id)
    assert state(scene, channel, answered) == (words, 5)


def test_tool_results_are_not_expected_for_ever(scene):
    channel = tool_turn(scene)
    scene.advance(summary.TOOLS_NS / 1e9)
    assert state(scene, channel) == ("no result came", 5 + summary.TOOLS_NS / 1e9)
    assert state(scene, channel, ("call_1",))[0] == "done"  # it came late
    assert state(scene, channel, None)[0] == "done"
    assert state(scene, tool_turn(scene, "gemini"))[0] == "done"  # its client could not name the call


def test_a_client_that_went_on_without_the_result_brings_none(scene):
    channel = tool_turn(scene)
    assert state(scene, channel, (channel.id,)) == ("no result came", 5)
    assert state(scene, channel, (channel.id, "call_1")) == ("done", 5)
    assert state(scene, channel, ("turn_other",)) == ("tool wait", 5)


@pytest.mark.parametrize(
    ("generate", "text"),
    [
        ({}, ""),
        ({"contents": "x"}, ""),
        ({"contents": [{"parts": [{"text": "  a \n b "}]}]}, "a b"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}, "a"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "user", "parts": [{"x": 1}]}]}, "a"),
        (
            {"contents": [None, {"role": "user", "parts": [None, {"text": 7}, {"text": "w" * 500}]}]},
            "w" * (summary.PREVIEW - 1) + "…",
        ),
    ],
)
def test_the_question_of_a_turn(scene, generate, text):
    channel = scene.store.open(scene.turn(google_request=generate)).channel
    assert summary.row(channel, 0)["question"] == text


ASKED = {"role": "user", "parts": [{"text": "fix it"}]}
CALLED = {"role": "model", "parts": [{"functionCall": {"name": "sh", "args": {}}}]}
REMINDER = {"text": "<system-reminder>\nx\n</system-reminder>"}


def result(response, *more):
    return {"role": "user", "parts": [{"functionResponse": {"name": "sh", "response": response}}, *more]}


@pytest.mark.parametrize(
    ("contents", "label"),
    [
        ([ASKED], "fix it"),
        ([ASKED, CALLED, result({"output": "12 files\nmore"})], "shell → 12 files"),
        ([ASKED, CALLED, result({"output": '{"output": "\\n  12 files"}'})], "shell → 12 files"),
        ([ASKED, CALLED, result({"output": "", "exit_code": 1})], "shell → exit code 1"),
        ([ASKED, CALLED, result({"output": ""})], "shell → no output"),
        ([ASKED, CALLED, result({"output": "x"}), ASKED], "fix it"),
        ([ASKED, CALLED, result({"output": "x"}, {"text": "no, that"})], "no, that"),
        ([ASKED, CALLED, result({"output": "x"}, REMINDER)], "shell → x"),
        ([ASKED, CALLED, result({"output": "key AIzaSyA-0123456789abcdefghijklmno"})], "shell → key [redacted]"),
        ([ASKED, CALLED, result({"output": "w" * 9000})], "shell → " + "w" * (summary.PREVIEW - 9) + "…"),
    ],
)
def test_a_row_is_labelled_with_what_its_turn_goes_on_from(scene, contents, label):
    turn = scene.turn(google_request={"contents": contents}, tool_names={"sh": "shell"})
    channel = scene.store.open(turn).channel
    assert summary.row(channel, 0)["label"] == label
    assert summary.stored_row(summary.summary(channel, NOWHERE, channel.turn))["label"] == label
    assert summary.row(channel, 0)["question"] in ("fix it", "no, that")


def test_an_older_trace_is_labelled_with_its_question():
    assert summary.stored_row({"previews": {"user": "fix it"}})["label"] == "fix it"


def test_the_question_is_extracted_once(scene, monkeypatch):
    channel = scene.store.open(scene.turn()).channel
    first = summary.row(channel, 0)["question"]
    monkeypatch.setattr(summary, "newest_question", lambda _: "once more")
    assert summary.row(channel, 1)["question"] == first


def test_a_row_names_the_run_live_and_from_its_file(scene):
    channel = scene.open(run="k3f9")
    assert summary.row(channel, 0)["run"] == "k3f9"
    assert summary.stored_row(summary.summary(channel, NOWHERE, channel.turn))["run"] == "k3f9"
    assert summary.stored_row({})["run"] == ""


def test_a_row_names_the_conversation_without_secrets(scene):
    key = "AIzaSyA-0123456789abcdefghijklmno"
    rows = [summary.row(scene.open(conversation=each), 0)["conversation"] for each in ("-42", "", key)]
    assert rows == ["-42", "", "[redacted]"]


@pytest.mark.parametrize(
    ("told", "price"),
    [
        ({"price": 0.5, "price_partial": True}, (0.5, True)),
        ({"price": 0.5}, (0.5, False)),
        ({"price": None}, (None, True)),  # traces of before there were parts: not known
        ({"price": None, "failure": {"status": 429}}, (None, False)),
        ({"price": None, "price_partial": True, "failure": {"status": 502}}, (None, True)),
    ],
)
def test_a_recorded_price_says_whether_something_is_not_in_it(told, price):
    row = summary.stored_row({"closed": True, **told})
    assert (row["price"], row["price_partial"]) == price


def test_live_and_recorded_rows_have_the_same_price(make_turn, clock):
    prices.load()
    running = MitmStore(clock).open(make_turn(target=Target("gemini-3-flash", "")))
    running.append(0, b"", (AttemptOpened(), Usage(prompt=1000)))
    running.close(Failed(cancelled(Termination.CLIENT_GONE)))
    row, info = summary.row(running.channel, 0), summary.summary(running.channel, NOWHERE, running.channel.turn)
    for made in (row, info, summary.stored_row(info)):
        assert (made["price"], made["price_partial"]) == (pytest.approx(0.0005), True), "it was cut"


def test_the_status_is_what_the_client_got(scene):
    """A stream that had begun had sent its 200."""
    whole, refused, begun = scene.whole(), scene.open(), scene.open()
    assert summary.client_status(begun) is None
    scene.begin(begun)
    scene.text(begun, "half")
    assert summary.client_status(begun) == 200
    assert [summary.client_status(channel) for channel in (whole, scene.fail(refused), scene.fail(begun))] == [
        200, 502, 200,
    ]  # fmt: skip
