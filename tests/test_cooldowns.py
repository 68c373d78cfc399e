"""How long a model is left alone, which models are meant, and what a client is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zerogravity.cooldowns import INSTEAD, Cooldowns
from zerogravity.core.turn import Target
from zerogravity.errors import Fault, Termination, upstream
from zerogravity.surfaces.common.errors import fault_headers
from zerogravity.testing.builders import TARGET
from zerogravity.wire import google_errors, jsonio

PRO = Target("gemini-3.1-pro", "MODEL_PLACEHOLDER_M37", family="gemini-3.1-pro")
RPC = "type.googleapis.com/google.rpc."
DAY = 86400.0


class Wall:
    now = 1_770_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def cooldowns(wall: Wall) -> Cooldowns:
    return Cooldowns(7 * DAY, wall)


def refused(delay: str = "22s", *details: Any, status: int = 429, headers: dict[str, str] | None = None) -> Fault:
    """Google's error, as it is decoded."""
    retry = [{"@type": RPC + "RetryInfo", "retryDelay": delay}] if delay else []
    word = "RESOURCE_EXHAUSTED" if status == 429 else "UNAVAILABLE"
    error = {"code": status, "message": "too much", "status": word, "details": [*details, *retry]}
    return google_errors.decode_error(status, headers or {}, jsonio.dumps({"error": error}))


def quota(name: str, **dimensions: str) -> dict[str, Any]:
    return {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": name, "quotaDimensions": dimensions}]}


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": RPC + "ErrorInfo", "reason": reason, "metadata": metadata}


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (refused("22s"), 22),
        (refused("", info("QUOTA_EXHAUSTED", quotaResetDelay="143h4m52s")), 143 * 3600 + 4 * 60 + 52),
        (refused("", headers={"Retry-After": "90"}), 90),
        (refused("5s", status=503), 5),
        (refused("31536000s"), 7 * DAY),
        (refused(""), 0),
        (refused("0s"), 0),
        (refused("", status=503), 0),
        (refused("9s", info("VALIDATION_REQUIRED")), 0),
        (refused("9s", info("BILLING_DISABLED")), 0),
        (upstream(502, "upstream_drop", "lost", Termination.UPSTREAM_DROP, retry_after=9.0), 0),
    ],
)
def test_it_lasts_as_long_as_google_says_up_to_a_week(cooldowns: Cooldowns, fault: Fault, seconds: float) -> None:
    cooldowns.note(TARGET, fault)
    found = cooldowns.of(TARGET)
    assert (0 if found is None else cooldowns.left(found)) == pytest.approx(seconds)


def test_it_ends_by_itself_and_never_early(cooldowns: Cooldowns, wall: Wall) -> None:
    cooldowns.note(TARGET, refused("60s"))
    cooldowns.note(TARGET, refused("1s"))
    wall.now += 59.9
    assert cooldowns.of(TARGET) is not None
    wall.now += 0.2
    assert cooldowns.of(TARGET) is None
    assert [*cooldowns] == []


def test_a_longer_one_takes_over(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused("1s"))
    cooldowns.note(TARGET, refused("60s"))
    assert [cooldowns.left(one) for one in cooldowns] == [60]


def test_switched_off(wall: Wall) -> None:
    cooldowns = Cooldowns(0, wall)
    cooldowns.note(TARGET, refused())
    assert cooldowns.of(TARGET) is None


@pytest.mark.parametrize(
    ("details", "shared"),
    [
        ([], False),
        ([info("RATE_LIMIT_EXCEEDED", model="gemini-3-flash-agent")], False),
        ([info("INSUFFICIENT_G1_CREDITS_BALANCE")], False),
        ([quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", model="m")], False),
        ([quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")], False),
        ([quota("Requests", model="m")], False),
        ([quota("OnlinePredictionRequestsPerMinutePerProjectPerBaseModel")], False),
        ([quota("OnlinePredictionRequests", base_model="m", region="global")], False),
        ([quota("GenerateRequestsPerMinutePerProject-FreeTier", location="global")], True),
        ([quota("InputTokensPerModelPerMinute", model="m"), quota("RequestsPerDayPerProject")], True),
        ([{"@type": RPC + "QuotaFailure", "violations": [{"subject": "u", "description": "d"}]}], False),
    ],
)
def test_a_quota_that_all_models_share_is_about_all_of_them(
    cooldowns: Cooldowns, details: list[Any], shared: bool
) -> None:
    cooldowns.note(TARGET, refused("22s", *details))
    assert cooldowns.of(TARGET) is not None
    assert (cooldowns.of(PRO) is not None) is shared


def test_names_of_one_model_share_it(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused())
    assert cooldowns.of(replace(TARGET, name="another-name", level="LOW")) is not None
    assert cooldowns.of(replace(TARGET, wire_model="gemini-3.8-flash-medium")) is None


def test_of_two_the_longer_counts(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused("10s"))
    cooldowns.note(PRO, refused("20s", quota("RequestsPerProject")))
    found = cooldowns.of(TARGET)
    assert found is not None
    assert (found.shared, cooldowns.left(found)) == (True, 20)


def test_who_is_not_asked_gets_a_429_with_the_time_that_is_left(cooldowns: Cooldowns, wall: Wall) -> None:
    cooldowns.note(TARGET, refused("60s", info("RATE_LIMIT_EXCEEDED", model="m", quotaResetDelay="60s")))
    wall.now += 17.5
    found = cooldowns.of(TARGET)
    assert found is not None
    fault = cooldowns.refusal(TARGET, found)
    assert (fault.status, fault.code, fault.reason, fault.remedy) == (429, "rate_limit_exceeded", "rate", INSTEAD)
    assert fault.message == (
        "Google was not asked: it answered 429 RESOURCE_EXHAUSTED (rate); 'gemini-3-flash' must be left alone for "
        "43 s more"
    )
    assert fault_headers(fault)["Retry-After"] == "43"
    assert [*fault.details] == [
        info("RATE_LIMIT_EXCEEDED", model="m"), {"@type": RPC + "RetryInfo", "retryDelay": "42.500s"},
    ]  # fmt: skip


def test_a_503_with_a_time_is_a_429_while_it_lasts(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused("8s", status=503))
    found = cooldowns.of(TARGET)
    assert found is not None
    fault = cooldowns.refusal(TARGET, found)
    assert (fault.status, fault.code, fault.rpc_status) == (429, "rate_limit_exceeded", "RESOURCE_EXHAUSTED")
    assert "503 UNAVAILABLE" in fault.message


def test_no_other_model_is_offered_where_the_quota_is_everybodys(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused("8s", quota("RequestsPerProject")))
    found = cooldowns.of(PRO)
    assert found is not None
    fault = cooldowns.refusal(PRO, found)
    assert (fault.remedy, "all models must be left alone" in fault.message) == ("", True)


def test_as_json(cooldowns: Cooldowns) -> None:
    cooldowns.note(TARGET, refused("30s"))
    cooldowns.note(PRO, refused("60s", quota("RequestsPerProject")))
    assert cooldowns.as_json() == [
        {"model": "all models", "shared": True, "until": "2026-02-02T02:41:00.000Z", "reason": "rate",
         "google": "429 RESOURCE_EXHAUSTED"},
        {"model": "gemini-3-flash", "shared": False, "until": "2026-02-02T02:40:30.000Z", "reason": "rate",
         "google": "429 RESOURCE_EXHAUSTED"},
    ]  # fmt: skip


def test_all_of_them_are_forgotten_at_once(cooldowns: Cooldowns) -> None:
    for target, fault in ((TARGET, refused()), (PRO, refused("", quota("Requests"), info("x", quotaResetDelay="9s")))):
        cooldowns.note(target, fault)
    assert len(list(cooldowns)) == 2
    cooldowns.clear()
    assert (list(cooldowns), cooldowns.of(TARGET), cooldowns.of(PRO)) == ([], None, None)
