"""The two forms of each request, and what says that a build does not know the newer."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.backends.antigravity import forms
from zerogravity.backends.antigravity.errors import error_of
from zerogravity.core.policy import MAX_FOLLOW_UPS
from zerogravity.wire import jsonio

CASCADE = "c0ffee00-1111-4222-8333-444455556666"
IMAGES = ({"base64Data": "AA==", "mimeType": "image/png"},)


@pytest.mark.parametrize(
    ("model", "newer", "older"),
    [
        ("MODEL_PLACEHOLDER_M26", {"planModel": "MODEL_PLACEHOLDER_M26"}, {"model": "MODEL_PLACEHOLDER_M26"}),
        ("1026", {"planModel": 1026}, {"model": 1026}),
    ],
)
def test_a_message_names_the_model(model: str, newer: dict[str, Any], older: dict[str, Any]) -> None:
    both: Any = forms.message(CASCADE, "hello", model)
    planner = both.newer["cascadeConfig"]["plannerConfig"]
    assert {name: planner[name] for name in ("planModel", "modelName", "requestedModel") if name in planner} == newer
    planner = both.older["cascadeConfig"]["plannerConfig"]
    assert planner["requestedModel"] == older
    assert "planModel" not in planner
    assert planner["conversational"]["agenticMode"] is True  # a oneof's member is a key of its own (F3)


def test_a_model_without_an_enum_goes_by_googles_name() -> None:
    both: Any = forms.message(CASCADE, "hello", "gemini-9-pro")
    assert both.newer["cascadeConfig"]["plannerConfig"]["modelName"] == "gemini-9-pro"
    assert both.older == both.newer, "there is no other way to say it"


def test_a_message_in_both_forms() -> None:
    both: Any = forms.message(CASCADE, "hello", "MODEL_X", IMAGES)
    for body in (both.newer, both.older):
        assert (body["cascadeId"], body["items"]) == (CASCADE, [{"text": "hello"}])
        assert "blocking" not in body
        commands = body["cascadeConfig"]["plannerConfig"]["toolConfig"]["runCommand"]["autoCommandConfig"]
        assert commands == {"autoExecutionPolicy": "CASCADE_COMMANDS_AUTO_EXECUTION_OFF"}
    assert both.newer["media"] == [{"mimeType": "image/png", "inlineData": "AA=="}]
    assert both.older["images"] == [{"base64Data": "AA==", "mimeType": "image/png"}]
    assert not {"images", "metadata"} & set(both.newer)
    assert "media" not in both.older
    assert set(both.older["cascadeConfig"]) == {"plannerConfig"}, "no knob that older builds do not know"


def test_the_knobs_leave_the_calls_that_the_policy_waits_for() -> None:
    both: Any = forms.message(CASCADE, "hello", "MODEL_X")
    config = both.newer["cascadeConfig"]
    executor, retries = config["executorConfig"], config["plannerConfig"]["retryConfig"]
    assert executor["disableEmptyOutputContinuation"] is False
    assert executor["maxConsecutiveEmptyOutputRetries"] + 1 == MAX_FOLLOW_UPS
    assert retries["modelOutputRetry"]["maxRetries"] == 1
    assert retries["apiRetry"]["maxRetries"] == 0
    assert config["plannerConfig"]["disableLoopDetection"] is True


@pytest.mark.parametrize(
    ("form", "newer", "older"),
    [
        (forms.HEARTBEAT, set(), {"metadata"}),
        (forms.USER_STATUS, set(), {"metadata"}),
        (forms.START, {"source", "trajectoryType"}, {"source", "trajectoryType", "metadata"}),
        (
            forms.steps(CASCADE, 3),
            {"cascadeId", "stepOffset", "trajectoryVerbosity"},
            {"cascadeId", "stepOffset", "verbosity"},
        ),
        (
            forms.annotation(CASCADE, "2026-11-29T10:00:00Z"),
            {"cascadeIds", "annotations", "mergeAnnotations"},
            {"cascadeId", "annotations", "mergeAnnotations"},
        ),
    ],
    ids=["heartbeat", "user status", "start", "steps", "annotation"],
)
def test_the_members_of_both_forms(form: forms.Forms, newer: set[str], older: set[str]) -> None:
    assert (set(form.newer), set(form.older)) == (newer, older)


def test_the_state_streams() -> None:
    (first, newer), (second, older) = forms.state_streams(CASCADE)
    assert (first, newer["conversationId"]) == ("StreamAgentStateUpdates", CASCADE)
    assert (second, older["id"]) == ("StreamCascadeReactiveUpdates", CASCADE)
    assert "protocolVersion" in older
    assert "protocolVersion" not in newer


@pytest.mark.parametrize(
    ("status", "body", "form"),
    [
        (400, {"code": "invalid_argument", "message": 'proto: (line 1:2): unknown field "media"'}, True),
        (400, {"code": "invalid_argument", "message": "cascade_id is required"}, True),
        (500, {"code": "unknown", "message": "neither PlanModel nor RequestedModel specified"}, True),
        (500, {"code": "internal", "message": 'invalid value for enum field planModel: "MODEL_X"'}, True),
        (500, {"code": "unknown", "message": "plan model not specified; you must specify a valid model"}, True),
        (500, {"code": "unknown", "message": "no base mixin constructor found for planner type <nil>"}, True),
        (500, {"code": "unknown", "message": "model not found: 1187"}, True),
        (404, {"code": "not_found", "message": "model MODEL_X not found"}, True),
        (404, {"code": "not_found", "message": "cascade x not found"}, False),
        (400, {"code": "failed_precondition", "message": "busy"}, False),
        (500, {"code": "unknown", "message": "x"}, False),
        (501, {"code": "unimplemented"}, False),
        (503, {"code": "unavailable"}, False),
        (400, {"code": "invalid_argument", "message": "INVALID_ARGUMENT (code 400): unknown field x"}, False),
        (
            500,
            {"code": "unknown", "message": '{"error": {"code": 404, "message": "model x not found"}}'},
            False,
        ),
    ],
)
def test_what_a_refusal_says_about_the_form(status: int, body: dict[str, Any], form: bool) -> None:
    assert forms.refused(error_of(status, jsonio.dumps(body))) is form
