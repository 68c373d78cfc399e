"""Each metric after a scripted turn; label values from closed sets only."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from zerogravity.core.events import (
    SOURCES,
    AttemptClosed,
    AttemptOpened,
    Failed,
    Finished,
    FunctionCall,
    Notice,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from zerogravity.core.registry import MitmStore
from zerogravity.errors import Fault, Origin, Termination, upstream
from zerogravity.observe.metrics import KINDS, PARSE_FAILURES, PLACES, REASONS, Metrics
from zerogravity.surfaces import REGISTRY


@pytest.fixture
def store(clock):
    return MitmStore(clock, max_bytes=20_000)


@pytest.fixture
def metrics(store):
    made = Metrics(REGISTRY)
    made.watch(store)
    return made


def samples(metrics):
    """``name{label=value,…}`` → value of everything that is not zero."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            if sample.value and not sample.name.endswith(("_bucket", "_created")):
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = pytest.approx(sample.value)
    return found


def buckets(metrics, name, **labels):
    """upper bound → count that is within it and above the one before."""
    counts, before = {}, 0.0
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == f"{name}_bucket" and sample.labels.items() >= labels.items():
                if sample.value > before:
                    counts[sample.labels["le"]] = sample.value - before
                before = sample.value
    return counts


def play(store, clock, turn):
    """A turn of 9 s: told at 1, matched at 1.5, first byte 2, thinking 3, text 5, its last event at 8."""
    running = store.open(turn)
    channel = running.channel
    for seconds, step in (
        (1, lambda: running.mark("told")),
        (0.5, lambda: running.mark("matched")),
        (0.5, lambda: running.append(0, b"", (AttemptOpened(),))),
        (1, lambda: running.append(0, b"1", (ThinkingDelta("hm"),))),
        (2, lambda: running.append(0, b"2", (TextDelta("Hel"),))),
        (0.02, lambda: running.append(0, b"3", (TextDelta("lo"), Usage(10, 4, 5, 3, 2, 20)))),
        (2.98, lambda: running.append(0, b"4", (FunctionCall("call_1", "f", "{}"),))),
        (1, lambda: running.append(0, b"", (AttemptClosed("STOP"),))),
    ):
        clock.advance(seconds)
        step()
    running.close(Finished("tool"))
    return channel


def test_a_whole_turn(store, metrics, clock, make_turn):
    channel = play(store, clock, make_turn(surface="chat"))
    assert samples(metrics) == {
        "zg_turns_total{code=tool,surface=chat}": 1,
        "zg_first_event_seconds_count{surface=chat}": 1,
        "zg_first_event_seconds_sum{surface=chat}": 2,
        "zg_first_thinking_seconds_count{surface=chat}": 1,
        "zg_first_thinking_seconds_sum{surface=chat}": 3,
        "zg_first_text_seconds_count{surface=chat}": 1,
        "zg_first_text_seconds_sum{surface=chat}": 5,
        "zg_turn_seconds_count{surface=chat}": 1,
        "zg_turn_seconds_sum{surface=chat}": 9,
        "zg_match_seconds_count": 1,
        "zg_match_seconds_sum": 0.5,
        "zg_upstream_calls_total{kind=agent,status_class=2xx}": 1,
        "zg_tokens_total{kind=input,source=captured}": 10,
        "zg_tokens_total{kind=cached,source=captured}": 4,
        "zg_tokens_total{kind=output,source=captured}": 5,
        "zg_tokens_total{kind=thinking,source=captured}": 3,
        "zg_tokens_total{kind=tool_use,source=captured}": 2,
        "zg_event_gap_seconds_count": 3,
        "zg_event_gap_seconds_sum": 5,
        "zg_store_bytes": channel.held,
        "zg_store_channels": 1,
    }
    assert buckets(metrics, "zg_first_text_seconds", surface="chat") == {"5.0": 1}
    assert buckets(metrics, "zg_turn_seconds") == {"13.0": 1}


def test_gaps_are_those_between_events_of_the_answer(store, metrics, clock, make_turn):
    play(store, clock, make_turn())
    # 3 → 5 → 5.02 → 8; the opening and the end of the call are none of Google's events
    assert buckets(metrics, "zg_event_gap_seconds") == {"2.0": 1, "0.025": 1, "5.0": 1}


def test_present_states(store, metrics, clock, make_turn):
    one, two = store.open(make_turn()), store.open(make_turn())
    one.append(0, b"12345", (TextDelta("x"),))
    running, other = one.channel, two.channel
    readers = [running.cursor(), running.cursor(), other.cursor(), running.cursor(observer=True)]
    metrics.gauge("zg_queue_waiting", "Turns waiting", lambda: 7)
    metrics.gauge("zg_ls_rss_bytes", "Unknown now", lambda: None)
    metrics.counter("zg_trace_dropped", "Not recorded", lambda: 3)
    metrics.loop_lag.set(0.25)
    told = samples(metrics)
    assert told == {
        "zg_turns_active": 2, "zg_log_bytes": running.size, "zg_store_bytes": running.held + other.held,
        "zg_store_channels": 2, "zg_readers": 3, "zg_queue_waiting": 7,
        "zg_trace_dropped_total": 3, "zg_loop_lag_seconds": 0.25,
    }  # fmt: skip
    assert b"zg_ls_rss_bytes" not in metrics.render()
    for reader in readers:
        reader.close()
    assert "zg_readers" not in samples(metrics)


def test_eviction(store, metrics, clock, make_turn):
    for _ in range(3):
        running = store.open(make_turn())
        channel = running.channel
        running.append(0, bytes(6000), (TextDelta("x"),))
        running.close(Finished("stop"))
    store.sweep()
    told = samples(metrics)
    assert told["zg_store_evicted_total"] == 2
    assert told["zg_store_channels"] == 1
    assert told["zg_store_bytes"] == channel.held
    assert "zg_log_bytes" not in told, "finished turns are no running ones"


def refused(writer):
    writer.append(0, b"{}", (AttemptOpened(status=429), AttemptClosed(None)))
    writer.close(Failed(upstream(429, "rate_limit_exceeded", "wait")))


def dropped_before(writer):
    writer.close(Failed(upstream(502, "upstream_drop", "no answer", Termination.UPSTREAM_DROP)))


def dropped_in_it(writer):
    writer.append(0, b"", (AttemptOpened(),))
    writer.append(0, b"{}", (TextDelta("x"),))
    dropped_before(writer)


def thinks_then_answers(writer):
    for call in (0, 1):
        writer.append(call, b"", (AttemptOpened(),))
        writer.append(call, b"", (AttemptClosed("STOP"),))
    writer.close(Finished("stop"))


def never_called(writer):
    writer.close(Failed(Fault(Origin.LS, 504, "match_timeout", "none", termination=Termination.MATCH_TIMEOUT)))


@pytest.mark.parametrize(
    ("script", "surface", "calls"),
    [
        (refused, "chat", {"kind=agent,status_class=4xx": 1}),
        (dropped_before, "chat", {"kind=agent,status_class=none": 1}),
        (dropped_in_it, "chat", {"kind=agent,status_class=2xx": 1}),
        (thinks_then_answers, "chat", {"kind=agent,status_class=2xx": 2}),
        (thinks_then_answers, "passive", {"kind=passive,status_class=2xx": 2}),
        (never_called, "chat", {}),
    ],
)
def test_calls_to_google_by_their_status(store, metrics, make_turn, script, surface, calls):
    script(store.open(make_turn(surface=surface)))
    prefix = "zg_upstream_calls_total{"
    told = {name[len(prefix) : -1]: value for name, value in samples(metrics).items() if name.startswith(prefix)}
    assert told == calls


@pytest.mark.parametrize("code", sorted(set(Termination) - {Termination.REJECTED}))
def test_every_termination_code_is_counted(store, metrics, make_turn, code):
    terminals = {"ok": Finished("stop"), "tool": Finished("tool"), "length": Finished("length"),
                 "filtered": Finished("filtered")}  # fmt: skip
    fault = Fault(Origin.INTERNAL, 500, "x", "x", termination=code)
    store.open(make_turn(surface="gemini")).close(terminals.get(code.value, Failed(fault)))
    assert samples(metrics)[f"zg_turns_total{{code={code.value},surface=gemini}}"] == 1


def test_parse_failures_by_code(store, metrics, make_turn):
    running = store.open(make_turn())
    for code in ("not_json", "not_json", "unknown_part", "dropped", "server_tool"):
        running.append(0, b"x", (Notice(code, "secret words"),))
    running.close(Failed(upstream(502, "upstream_garbage", "x", Termination.UPSTREAM_GARBAGE)))
    told = samples(metrics)
    assert {name for name in told if name.startswith("zg_parse")} == {
        "zg_parse_failures_total{code=not_json}", "zg_parse_failures_total{code=unknown_part}",
    }  # fmt: skip
    assert told["zg_parse_failures_total{code=not_json}"] == 2
    assert told["zg_tap_errors_total"] == 1


def test_counters_fed_by_other_modules(metrics):
    metrics.request("chat", 200)
    metrics.request("chat", 429)
    metrics.reader_left(3)
    metrics.unmatched("no_marker")
    metrics.failed_open("request")
    assert samples(metrics) == {
        "zg_requests_total{status_class=2xx,surface=chat}": 1,
        "zg_requests_total{status_class=4xx,surface=chat}": 1,
        "zg_reader_lag_records_count": 1,
        "zg_reader_lag_records_sum": 3,
        "zg_unmatched_total{reason=no_marker}": 1,
        "zg_fail_open_total{place=request}": 1,
    }


def test_labels_come_from_closed_sets_never_from_content(store, metrics, make_turn):
    """T10: whatever a client or Google writes, no label value can hold it."""
    secret = "ya29.very-secret"
    metrics.request(secret, 200)
    metrics.unmatched(secret)
    metrics.failed_open(secret)
    running = store.open(make_turn(surface=secret, model=secret))
    running.append(0, b"", (AttemptOpened(model=secret),))
    running.append(0, b"x", (TextDelta(secret), Notice(secret, secret)))
    running.close(Failed(upstream(502, secret, secret)))
    text = metrics.render().decode()
    assert secret not in text
    codes = {code.value for code in Termination}
    classes = {"2xx", "4xx", "5xx", "none"}
    tokens = {"input", "cached", "output", "thinking", "tool_use", *SOURCES}
    known = {*REGISTRY, "passive"} | REASONS | PLACES | KINDS | PARSE_FAILURES | codes | classes | tokens | {"other"}
    for name, value in re.findall(r'(\w+)="([^"]*)"', text):
        assert name == "le" or value in known, f"{name}={value}"


def test_two_processes_worth_of_metrics_do_not_meet(store, metrics):
    Metrics(REGISTRY).request("chat", 200)
    assert samples(metrics) == {}


def test_what_follows_failures_is_counted_by_reason():
    metrics = Metrics(REGISTRY)
    for event, reason in (
        ("retry", "trouble"),
        ("fallback", "cooldown"),
        ("refusal", "cooldown"),
        ("retry", "so what"),
    ):
        metrics.failed_over(event, reason)
    lines = metrics.render().decode().splitlines()
    assert {
        'zg_retries_total{reason="trouble"} 1.0', 'zg_retries_total{reason="other"} 1.0',
        'zg_fallbacks_total{reason="cooldown"} 1.0', 'zg_cooldown_refusals_total{reason="cooldown"} 1.0',
    } <= {*lines}  # fmt: skip


def test_every_sample_names_its_gateway(store):
    metrics = Metrics(REGISTRY, instance="left")
    metrics.watch(store)
    metrics.request("chat", 200)
    lines = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    assert all('instance="left"' in line for line in lines)
    assert 'zg_requests_total{instance="left",status_class="2xx",surface="chat"} 1.0' in lines
    assert 'zg_turns_active{instance="left"} 0.0' in lines
    assert metrics.render() == metrics.render()
