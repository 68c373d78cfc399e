"""What ready means, hop by hop: who learns what from whom, what shows that it is over, and what only degrades."""

from __future__ import annotations

import pytest

from zerogravity.core.events import AttemptOpened, Failed, Finished
from zerogravity.core.registry import MitmStore
from zerogravity.errors import (
    Fault,
    Origin,
    Termination,
    certificate_refused,
    internal,
    language_server,
    unreachable,
    upstream,
)
from zerogravity.observe.health import STALE_S, Check, Failure, Health, describe, fix_of

T = Termination
OK = Finished("stop")
NO_LOGIN = Fault(Origin.LS, 401, "ls_not_logged_in", "not logged in", termination=T.LS_REFUSED, remedy="Log in.")
GONE = language_server(503, "ls_gone", "nothing answers", T.LS_GONE)
TOKEN = language_server(502, "ls_refused", "the token is refused", T.LS_REFUSED)
BUSY = language_server(429, "rate_limit_exceeded", "slower", T.LS_REFUSED)
UNMATCHED = language_server(504, "match_timeout", "no call came", T.MATCH_TIMEOUT)
AUTH = upstream(502, "upstream_auth", "login refused", remedy="Log in again.", reason="login", upstream_status=401)
REGION = upstream(400, "invalid_argument", "not here", reason="region", upstream_status=400)
QUOTA = upstream(429, "insufficient_quota", "used up", reason="quota", upstream_status=429)
BAD = upstream(400, "invalid_argument", "no such member", upstream_status=400)
NO_MODEL = upstream(404, "model_not_found", "no such model", reason="model", upstream_status=404)
DOWN = upstream(503, "upstream_error", "unavailable", reason="trouble", upstream_status=503)
DROP = upstream(502, "upstream_drop", "broke off", T.UPSTREAM_DROP)
IDLE = upstream(504, "upstream_idle", "silence", T.UPSTREAM_IDLE)
EMPTY = upstream(502, "empty_response", "nothing", T.EMPTY)
LOST = unreachable("Connect call failed")
GONE_CLIENT = Fault(Origin.CLIENT, 499, "client_gone", "left", termination=T.CLIENT_GONE)


@pytest.fixture
def health(clock):
    return Health(clock, wall=lambda: 1e9 + clock() / 1e9)


@pytest.fixture
def turn(clock, make_turn, health):
    """``turn(terminal, far)``: one turn that came so far and ended like this."""
    store = MitmStore(clock)
    health.watch(store)

    def run(terminal, far="done", **settings):
        running = store.open(make_turn(**settings))
        for phase in ("admitted", "told", "matched"):
            if far == "nowhere":
                break
            running.mark(phase)
            clock.advance(1)
            if phase == "matched":
                health.path_seen()
            if phase == far:
                break
            if phase == "told" and far == "matched-by-others":
                health.path_seen()
                break
        if far == "done":
            health.google_seen(None)
            running.append(0, b"", (AttemptOpened(),))
        running.close(Failed(terminal) if isinstance(terminal, Fault) else terminal)

    return run


def verdicts(health):
    """hop → works, warns, broken"""
    ready, checks = health.ready()
    broken = [check for check in checks if not check.ok]
    assert ready == (not broken)
    assert all(check.fix or check.name == "server" for check in broken), "each broken hop says what to do"
    return {
        check.name: "broken" if not check.ok else "warns" if check.fix else "works" for check in checks
    }  # fmt: skip


def off(health):
    return {name: verdict for name, verdict in verdicts(health).items() if verdict != "works"}


def check_of(health, name):
    return next(check for check in health.checks() if check.name == name)


def test_ready_from_the_start(health):
    assert list(verdicts(health)) == ["server", "language_server", "path", "google"]
    assert off(health) == {}
    assert health.line() == "ready"


def test_no_secret_is_shown(health):
    """Everything that tells of health (``/ready``, ``status``, the inspector, doctor) shows checks."""
    assert Check("a", False, "it said sk-abcdefgh1234", "use ?key=abcdefgh") == Check(
        "a", False, "it said [redacted]", "use ?key=[redacted]"
    )
    health.ls_checked(language_server(503, "ls_gone", "Bearer abcdefgh-1234", T.LS_GONE))
    health.report("traces", "password=hunter22x")
    assert "not ready: language_server: Bearer [redacted]" in health.line()
    assert "abcdefgh-1234" not in repr(health.checks())
    assert health.degraded == {"traces": "password=[redacted]"}


def test_stopping(health):
    health.stopping = True
    assert off(health) == {"server": "broken"}
    assert health.line() == "not ready: server: stopping"


def test_without_interception_there_is_no_path(clock):
    health = Health(clock, intercepting=False)
    assert [check.name for check in health.checks()] == ["server", "language_server", "google"]


@pytest.mark.parametrize(
    ("terminal", "far", "off_now"),
    [
        (OK, "done", {}),
        (Finished("tool"), "done", {}),
        (GONE, "admitted", {"language_server": "broken"}),
        (GONE, "done", {"language_server": "broken"}),  # it hung up in the middle
        (NO_LOGIN, "admitted", {"language_server": "broken"}),
        (TOKEN, "admitted", {"language_server": "broken"}),
        (TOKEN, "told", {"language_server": "broken"}),  # the cascade started, the message was refused
        (BUSY, "told", {"language_server": "warns"}),
        (UNMATCHED, "told", {"path": "broken"}),
        (AUTH, "done", {"google": "broken"}),
        (REGION, "done", {"google": "broken"}),
        (NO_MODEL, "done", {}),
        (QUOTA, "done", {"google": "warns"}),
        (DOWN, "done", {"google": "warns"}),
        (BAD, "done", {}),  # about the request
        (DROP, "done", {"google": "warns"}),
        (DROP, "matched", {}),  # the proxy tells it by itself
        (IDLE, "matched", {"google": "warns"}),
        (EMPTY, "done", {"google": "warns"}),
        (upstream(502, "upstream_garbage", "x", T.UPSTREAM_GARBAGE), "done", {"google": "warns"}),
        (upstream(502, "malformed_function_call", "x", T.UPSTREAM_GARBAGE), "done", {}),
        (GONE_CLIENT, "done", {}),
        (internal(), "done", {}),
        (internal("full", T.QUEUE_FULL), "nowhere", {}),
    ],
)  # fmt: skip
def test_what_a_turns_end_teaches(health, turn, terminal, far, off_now):
    turn(terminal, far)
    assert off(health) == off_now


def test_a_recorded_call_that_is_not_ours_teaches_nothing(health, turn):
    turn(AUTH, surface="passive")
    assert off(health) == {}


@pytest.mark.parametrize(
    ("trouble", "far", "proof", "over"),
    [
        # a look clears what a look would have seen
        (GONE, "admitted", "look", True),
        (NO_LOGIN, "admitted", "look", True),
        (TOKEN, "told", "look", False),  # it answers questions, and refuses turns
        (TOKEN, "told", "bad look, look", True),  # the look saw it as well, and then no more
        (TOKEN, "told", "turn", True),
        ("bad look", "", "look", True),
        ("bad look", "", "turn", True),
        ("bad look", "", "late turn", True),  # one that timed out later has got past the LS
        (UNMATCHED, "told", "look", False),
        (UNMATCHED, "told", "any call", True),
        ("untrusted", "", "no call", False),  # why is known
        ("untrusted", "", "any call", True),
        ("lost", "", "look", False),
        ("lost", "", "any answer", True),
        ("lost", "", "turn", True),
        (AUTH, "done", "any answer", False),
        (AUTH, "done", "quota", False),
        (AUTH, "done", "bearer", True),
        (AUTH, "done", "turn", True),
        (AUTH, "done", "dropped turn", True),  # Google answered it, with 200
        (AUTH, "done", "empty turn", False),  # that may have been anybody's
        ("lost", "", "bearer", False),
    ],
)  # fmt: skip
def test_what_shows_that_it_is_over(health, turn, trouble, far, proof, over):
    ways = {
        "look": lambda: health.ls_checked(None),
        "bad look": lambda: health.ls_checked(GONE),
        "bad look, look": lambda: (health.ls_checked(TOKEN), health.ls_checked(None)),
        "any call": health.path_seen,
        "no call": lambda: turn(UNMATCHED, "told"),
        "untrusted": lambda: health.path_refused(certificate_refused("unknown ca")),
        "any answer": lambda: health.google_seen(None),
        "lost": lambda: health.google_seen(LOST),
        "bearer": health.bearer_changed,
        "quota": lambda: turn(QUOTA),
        "turn": lambda: turn(OK),
        "dropped turn": lambda: turn(DROP),
        "empty turn": lambda: turn(EMPTY),
        "late turn": lambda: turn(UNMATCHED, "told"),
    }
    ways[trouble]() if isinstance(trouble, str) else turn(trouble, far)
    before = [name for name, verdict in off(health).items() if verdict == "broken"]
    assert len(before) == 1
    ways[proof]()
    assert (off(health).get(before[0]) != "broken") is over


def test_a_call_that_was_seen_for_another_turn_is_no_missing_path(clock, make_turn, health):
    """The LS's calls come by; it only made none for this turn."""
    store = MitmStore(clock)
    health.watch(store)
    running = store.open(make_turn())
    running.mark("told")
    clock.advance(1)
    health.path_seen()
    running.close(Failed(UNMATCHED))
    assert off(health) == {"path": "warns"}


def test_turns_of_one_outage_that_have_no_call_count_once(clock, make_turn, health):
    store = MitmStore(clock)
    health.watch(store)
    during = [store.open(make_turn()) for _ in range(3)]
    health.path_seen()
    clock.advance(20)
    for channel in during:
        channel.close(Failed(UNMATCHED))
    assert off(health) == {"path": "warns"}


def test_calls_of_others_while_turn_after_turn_has_none(health, turn):
    for expected in ("warns", "broken", "broken"):
        turn(UNMATCHED, "matched-by-others")
        assert off(health) == {"path": expected}
        health.path_seen()
    turn(OK)
    assert off(health) == {}


def test_many_turns_of_one_outage_are_over_with_a_good_look(clock, make_turn, health):
    store = MitmStore(clock)
    health.watch(store)
    during = [store.open(make_turn()) for _ in range(3)]
    clock.advance(1)
    during[0].close(Failed(GONE))
    during[1].close(Failed(GONE))
    health.ls_checked(None)
    assert off(health) == {}
    clock.advance(1)
    during[2].close(Failed(GONE))  # it began before that look
    health.ls_checked(None)
    assert off(health) == {}
    health.ls_checked(GONE)
    store.open(make_turn()).close(Failed(GONE))  # another outage, which a look has seen as well
    health.ls_checked(None)
    assert off(health) == {}


def test_an_ls_that_passes_checks_and_drops_every_turn(health, turn):
    turn(GONE, "admitted")
    health.ls_checked(None)
    assert off(health) == {}, "it may have restarted"
    turn(GONE, "admitted")
    health.ls_checked(None)
    assert off(health) == {"language_server": "broken"}
    turn(OK)
    turn(GONE, "admitted")
    health.ls_checked(None)
    assert off(health) == {}


def test_since_when_how_often_and_the_last_failure(clock, health, turn):
    turn(OK)
    clock.advance(60)
    turn(AUTH)
    clock.advance(60)
    turn(AUTH)
    google = check_of(health, "google")
    assert google.failure is not None
    assert (google.text, google.fix, google.failure.times) == ("login refused", "Log in again.", 2)
    assert google.failure.at - google.since == 63, "the first is 60 seconds and a turn before the last"
    assert health.line().startswith("not ready: google: login refused (since ")
    assert health.line().endswith(", 2 times)")
    turn(OK)
    again = check_of(health, "google")
    assert (again.ok, again.text, again.failure) == (True, "answers", google.failure)
    assert again.since > google.failure.at
    assert health.line() == "ready"


def test_a_stale_failure_is_shown_but_does_not_break_ready(clock, health, turn):
    turn(AUTH)
    clock.advance(STALE_S)
    assert off(health) == {"google": "broken"}
    clock.advance(1)
    assert off(health) == {"google": "warns"}
    assert check_of(health, "google").text == "not tried since; the last failure: login refused"
    assert health.line() == "ready (google: not tried since; the last failure: login refused)"
    turn(AUTH)
    assert off(health) == {"google": "broken"}


def test_a_lesser_failure_takes_the_place_of_a_stale_one(clock, health, turn):
    turn(AUTH)
    clock.advance(STALE_S + 1)
    turn(QUOTA)
    assert check_of(health, "google").text == "answers; the last failure: used up"


def test_one_client_without_trust_among_others_breaks_nothing(health):
    health.path_seen()
    health.path_refused(certificate_refused("unknown ca"))
    assert off(health) == {"path": "warns"}


def test_what_is_worse_stays(health, turn):
    turn(AUTH)
    turn(QUOTA)
    assert check_of(health, "google").text == "login refused"


def test_a_turn_that_fails_at_the_language_server_asks_for_a_look(health, turn):
    asked = []
    health.on_trouble = lambda: asked.append(1)
    turn(OK)
    turn(AUTH)
    health.ls_checked(GONE)
    assert asked == []
    turn(GONE, "admitted")
    turn(TOKEN, "told")
    assert asked == [1, 1]


def test_why_no_call_has_come(health):
    assert health.why_no_call() is None
    health.google_seen(LOST)
    assert health.why_no_call().startswith("its calls come here, but Google cannot be reached: Connect call failed. ")
    health.google_seen(None)
    assert health.why_no_call() is None
    health.path_refused(certificate_refused("unknown ca"))
    assert "does not trust zerogravity's certificate: unknown ca" in health.why_no_call()
    assert "SSL_CERT_FILE" in check_of(health, "path").fix


def test_everybody_hears_of_the_path_of_a_call(health):
    heard = []
    health.on_call.append(heard.append)
    health.path_seen("/v1internal:loadCodeAssist")
    assert heard == ["/v1internal:loadCodeAssist"]


def test_what_was_done_to_have_calls_come_here(health, turn):
    health.path_laid("re-pointed to us", "")
    assert check_of(health, "path").text == "no call to Google seen yet; re-pointed to us"
    assert (off(health), health.degraded, health.why_no_call(), health.line()) == ({}, {}, None, "ready")
    health.path_laid("it cannot be re-pointed", "Use proxy mode.")
    assert (off(health), health.degraded) == ({"path": "warns"}, {"path": "it cannot be re-pointed. Use proxy mode."})
    assert health.why_no_call() == "it cannot be re-pointed. Use proxy mode."
    assert health.line() == "ready (path: no call to Google seen yet; it cannot be re-pointed)"
    health.path_seen()  # another program's
    assert off(health) == {"path": "warns"}
    turn(UNMATCHED, "told")
    assert check_of(health, "path").fix == "Use proxy mode."
    turn(OK)
    assert (off(health), health.degraded, check_of(health, "path").text) == (
        {}, {}, "calls to Google come through the proxy",
    )  # fmt: skip
    health.path_laid("re-pointed to us", "")
    health.path_laid("", "")
    assert check_of(health, "path").text == "calls to Google come through the proxy"


@pytest.mark.parametrize(
    ("message", "word"),
    [("Connect call failed", "network"), ("Certificate verify failed: self-signed certificate", "ssl_verify_upstream")],
)
def test_a_google_out_of_reach_has_a_remedy_that_fits(message, word):
    assert word in fix_of(unreachable(message))


def test_degraded_is_still_ready(health):
    health.report("traces", "disk full")
    health.report("usage", "read-only")
    assert off(health) == {}
    assert health.degraded == {"traces": "disk full", "usage": "read-only"}
    assert health.line() == "ready (traces: disk full; usage: read-only)"
    health.report("traces", None)
    health.report("never degraded", None)
    assert health.line() == "ready (usage: read-only)"


@pytest.mark.parametrize(
    "check",
    [
        Check("path", True, "fine"),
        Check("path", False, "broken", "mend it", 1e9, Failure(1e9 + 60, "match_timeout", "broken", 3)),
    ],
)
def test_a_check_crosses_a_process_border(check):
    assert Check.from_json(check.as_json()) == check


def test_what_a_person_reads():
    assert describe(Check("x", True, "fine", since=1e9)) == "fine"
    assert describe(Check("x", False, "broken")) == "broken"


def test_uptime(clock, health):
    clock.advance(12.5)
    assert health.uptime == 12.5
