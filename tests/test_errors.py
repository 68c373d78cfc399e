from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from zerogravity import errors
from zerogravity.errors import Fault, FaultError, Origin, Termination

DOCUMENTED = (
    "ok length filtered tool upstream_status upstream_drop upstream_garbage upstream_idle empty ls_refused ls_gone "
    "match_timeout client_gone client_stall cancelled queue_full queue_timeout limit_bytes limit_time shutdown internal"
)


def test_termination_codes_are_the_documented_ones():
    assert [code.value for code in Termination if code is not Termination.REJECTED] == DOCUMENTED.split()


def test_a_bad_request_names_its_parameter_and_cannot_heal():
    fault = errors.bad_request("no", param="input[0]", code="invalid_type").fault
    assert (fault.origin, fault.status, fault.code, fault.param) == (Origin.CLIENT, 400, "invalid_type", "input[0]")
    assert (fault.termination, fault.retryable) == (Termination.REJECTED, False)


@pytest.mark.parametrize(
    ("fault", "origin", "status", "code", "termination"),
    [
        (errors.upstream(429, "slow", "m"), Origin.UPSTREAM, 429, "slow", Termination.UPSTREAM_STATUS),
        (errors.upstream(504, "d", "m", Termination.UPSTREAM_IDLE), Origin.UPSTREAM, 504, "d",
         Termination.UPSTREAM_IDLE),
        (errors.language_server(503, "x", "m", Termination.LS_GONE), Origin.LS, 503, "x", Termination.LS_GONE),
        (errors.internal(), Origin.INTERNAL, 500, "internal", Termination.INTERNAL),
        (errors.internal("m", Termination.LIMIT_TIME, status=504), Origin.INTERNAL, 504, "limit_time",
         Termination.LIMIT_TIME),
        (errors.internal("m", code="other"), Origin.INTERNAL, 500, "other", Termination.INTERNAL),
    ],
)  # fmt: skip
def test_faults_by_origin(fault, origin, status, code, termination):
    assert (fault.origin, fault.status, fault.code, fault.termination) == (origin, status, code, termination)
    assert fault.retryable


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (Termination.CANCELLED, "the turn was cancelled"),
        (Termination.CLIENT_GONE, "the client has gone"),
        (Termination.CLIENT_STALL, "the turn was cancelled"),
    ],
)
def test_an_answer_that_nobody_wants(ends, message):
    fault = errors.cancelled(ends)
    assert (fault.origin, fault.status, fault.code, fault.message) == (Origin.CLIENT, 499, ends.value, message)
    assert fault.termination is ends


def test_further_fields_are_handed_on():
    fault = errors.upstream(429, "slow", "m", retry_after=1.5, rpc_status="RESOURCE_EXHAUSTED", details=({"a": 1},))
    assert (fault.retry_after, fault.rpc_status, fault.details) == (1.5, "RESOURCE_EXHAUSTED", ({"a": 1},))


def test_a_fault_is_a_value():
    assert errors.internal("x") == errors.internal("x")
    with pytest.raises(FrozenInstanceError):
        errors.internal("x").status = 200


def test_the_exception_carries_the_fault():
    fault = Fault(Origin.LS, 503, "gone", "it left")
    error = FaultError(fault)
    assert error.fault is fault
    assert str(error) == "gone: it left"


@pytest.mark.parametrize(
    ("words", "remedy", "expected"),
    [
        ("It is over", "Wait a day.", "It is over. Wait a day."),
        ("It is over.", "Wait a day.", "It is over. Wait a day."),
        ("It is over!", "Wait a day.", "It is over! Wait a day."),
        ("It is over (check quota).", "Wait.", "It is over (check quota). Wait."),
        ("It is over (e.g. check quota)", "Wait.", "It is over (e.g. check quota). Wait."),
        ('He said "no."', "Wait.", 'He said "no." Wait.'),
        ("It is over;", "Wait.", "It is over. Wait."),
        ("It is over: ", "Wait.", "It is over. Wait."),
        ("It is over...", "Wait.", "It is over... Wait."),
        ("It is over…\n", "Wait.", "It is over… Wait."),
        ("See https://x.test/a?b=c", "Wait.", "See https://x.test/a?b=c — Wait."),
        ("See https://x.test/a?b=c.", "Wait.", "See https://x.test/a?b=c. Wait."),
        ("See (https://x.test/a)", "Wait.", "See (https://x.test/a). Wait."),
        ("", "Wait.", "Wait."),
        ("It is over", "", "It is over"),
        (" ", "", ""),
    ],
)
def test_full_messages_are_whole_sentences(words, remedy, expected):
    assert errors.upstream(502, "c", words, remedy=remedy).full_message == expected


def test_a_fault_without_a_remedy_tells_its_message():
    fault = errors.internal("it broke")
    assert (fault.remedy, fault.full_message) == ("", "it broke")


def test_garbage():
    fault = errors.garbage("no")
    assert (fault.status, fault.termination, fault.origin) == (502, Termination.UPSTREAM_GARBAGE, Origin.UPSTREAM)
