"""Which cascade a Google call belongs to: facts D.1-D.3 as a table, and that nothing is ever guessed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_values
from zerogravity.capture.match import Match, is_generate_path, match

STREAM = "/v1internal:streamGenerateContent?alt=sse"
MINE, OTHER, THIRD = (f"c0ffee00-1111-4222-8333-44445555666{digit}" for digit in "678")
TRAJECTORY = "7a7a7a7a-0000-4000-8000-000000000001"
TOOLS: list[dict[str, Any]] = [{"functionDeclarations": [{"name": "view_file"}]}]


def marker(cascade: str) -> str:
    return f".<cid:{cascade}>"


def wrapped(text: str) -> str:
    return f"Step Id: 0\n\n<USER_REQUEST>\n{text}\n</USER_REQUEST>\n<ADDITIONAL_METADATA>\nnow\n</ADDITIONAL_METADATA>"


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text} for text in texts]}


def model(text: str = "ok") -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": text}]}


def witness(cascade: str) -> str:
    return f"agent/{cascade}/1772359200300/{TRAJECTORY}/2"


def call(*contents: Any, **envelope: Any) -> dict[str, Any]:
    """An agent call as the IDE sends it (facts C.3); ``None`` takes a member away."""
    mode = envelope.pop("mode", "VALIDATED")
    request = {
        "contents": list(contents),
        "tools": envelope.pop("tools", TOOLS),
        "toolConfig": {"functionCallingConfig": {"mode": mode}},
        "sessionId": "-3750763034362895579",
    }
    body = {
        "project": "p", "requestId": witness(MINE), "model": "gemini-3-flash-agent", "requestType": "agent",
        "request": request, **envelope,
    }  # fmt: skip
    return {key: value for key, value in body.items() if value is not None}


AGENT = Match("agent", MINE, "agent")
HISTORY = user("Step Id: 1\n\n# Conversation History\n(summaries)")
EPHEMERAL = user("Step Id: 2\n\n<EPHEMERAL_MESSAGE>\n(reminders)\n</EPHEMERAL_MESSAGE>")
TURN = user(wrapped(marker(MINE)))

AGENTS = [
    ("as captured", call(TURN, HISTORY, EPHEMERAL)),
    ("several parts of one content", call(user("rules", wrapped(marker(MINE)), "# Conversation History"))),
    ("old build without wrapper", call(user(marker(MINE)))),
    ("role missing", call({"parts": [{"text": wrapped(marker(MINE))}]})),
    ("no requestId", call(TURN, requestId=None)),
    ("older requestIds", call(TURN, requestId=TRAJECTORY)),
    ("another older one", call(TURN, requestId="agent/1772359200300/0a0b0c0d")),
    ("no requestType", call(TURN, requestType=None)),
    ("an empty requestType", call(TURN, requestType="")),
    ("loop: the LS's tool ran", call(TURN, model("let me see"), user("the file"))),
    ("loop in an old build",
     call(TURN, model(), {"role": "user", "parts": [{"functionResponse": {}}]}, requestType=None)),
    ("loop with a reminder in an old build", call(TURN, model(), EPHEMERAL, requestType=None)),
    ("follow-up without tools that says it is an agent", call(TURN, model(), EPHEMERAL, tools=[])),
    ("a small model with tools", call(TURN, requestType=None, model="gemini-3.1-flash-lite")),
    ("a small model that says it is an agent", call(TURN, model="gemini-3.1-flash-lite", mode="NONE", tools=[])),
    ("tool mode NONE", call(TURN, mode="NONE")),
    ("no tools at all in an old build", call(TURN, tools=None, requestType=None)),
    ("an older marker in the history", call(TURN, user(f"# Conversation History\n- {marker(OTHER)}"))),
    ("an older marker before it", call(user(f"titles: {marker(OTHER)}"), TURN)),
    ("an older request quoted before it", call(user(wrapped(marker(OTHER))), model(), TURN)),
    ("a quoted request without marker", call(TURN, user(wrapped("tell me about bees")))),
    ("a user request of before", call(user(wrapped("hello")), model(), TURN)),
    ("the same marker twice", call(TURN, model(), TURN)),
    ("a model that says another marker", call(TURN, model(marker(OTHER)), EPHEMERAL)),
    ("no wrapper, older ones around, the witness tells", call(user(f"{marker(OTHER)} {marker(MINE)} {marker(THIRD)}"))),
    ("two in one wrapper, the witness tells", call(user(wrapped(f"{marker(MINE)} quotes {marker(OTHER)}")))),
    ("a wrapper that is never closed", call(user(f"<USER_REQUEST>\n{marker(MINE)}"))),
    ("a quoted wrapper that is cut", call(TURN, user(f"# Conversation History\n<USER_REQUEST>\n{marker(OTHER)}"))),
    ("odd contents around it", call("x", None, {"parts": "x"}, {"role": "user", "parts": [3, {"text": 4}]}, TURN)),
    ("public form", {"contents": [TURN]}),
    ("public form with tools", {"contents": [TURN, model(), TURN], "tools": TOOLS}),
]  # fmt: skip


@pytest.mark.parametrize("body", [row[1] for row in AGENTS], ids=[row[0] for row in AGENTS])
def test_agent_calls_are_matched_again_and_again(body: Mapping[str, Any]) -> None:
    assert match(STREAM, body) == AGENT
    assert match("/v1internal:generateContent", MappingProxyType(dict(body))) == AGENT


def summary(**changes: Any) -> dict[str, Any]:
    """A checkpoint call as captured (facts D.3): the wrapped request verbatim, then a question of the LS's own."""
    body = call(
        TURN, model(), user("(asks for a title)"), mode="NONE",
        tools=[{"functionDeclarations": [{"name": "do_not_call"}]}],
    )  # fmt: skip
    changed = {
        **body, "requestType": "checkpoint", "requestId": f"checkpoint/{TRAJECTORY}",
        "model": "gemini-3.1-flash-lite", **changes,
    }  # fmt: skip
    return {key: value for key, value in changed.items() if value is not None}


def without_tools(**changes: Any) -> dict[str, Any]:
    body = summary(requestType=None, requestId=TRAJECTORY, **changes)
    return {**body, "request": {**body["request"], "tools": []}}


CHECKPOINTS = [
    ("as captured", summary()),
    ("by type alone", call(TURN, requestType="checkpoint")),
    ("by type, with another's witness", call(TURN, requestType="checkpoint", requestId=witness(OTHER))),
    ("by requestId alone", call(TURN, requestId=f"checkpoint/{TRAJECTORY}")),
    ("by its dummy tool", summary(requestType=None, requestId=None, model="big")),
    ("by its dummy tool, whatever it says", summary(requestType="agent", requestId=witness(MINE))),
    ("by its dummy tool alone", call(TURN, tools=[*TOOLS, {"functionDeclarations": [{"name": "do_not_call"}]}])),
    ("old build: mode NONE and a small model", without_tools()),
    ("old build: mode NONE and a question", without_tools(model="big")),
    (
        "old build: no tools and a question",
        call(TURN, model(), user("title?"), tools=[], mode="AUTO", requestType=None),
    ),
    ("agent in name: mode NONE and a question", call(TURN, model(), user("title?"), mode="NONE")),
]


@pytest.mark.parametrize("body", [row[1] for row in CHECKPOINTS], ids=[row[0] for row in CHECKPOINTS])
def test_checkpoints_are_told_apart(body: dict[str, Any]) -> None:
    assert match(STREAM, body) == Match("checkpoint", MINE, "checkpoint")


OTHERS: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("no marker", call(HISTORY), None, "no_marker"),
    ("nothing", {}, None, "no_marker"),
    ("empty", call(), None, "no_marker"),
    ("marker of the model", call(user("hi"), model(marker(MINE))), None, "no_marker"),
    ("marker in the system instruction", {"request": {"systemInstruction": TURN}}, None, "no_marker"),
    ("marker in a tool result", call({"role": "user", "parts": [{"functionResponse": {"response": marker(MINE)}}]}),
     None, "no_marker"),
    ("no id in it", call(user(".<cid:>")), None, "no_marker"),
    ("a very long one", call(user(f".<cid:{'x' * 129}>")), None, "no_marker"),
    ("space in it", call(user(".<cid:a b>")), None, "no_marker"),
    ("somebody goes on in our cascade", call(TURN, model(), user(wrapped("and now?"))), None, "no_marker"),
    ("the witness names another", call(TURN, requestId=witness(OTHER)), MINE, "witness_disagrees"),
    ("a quoted request after it", call(TURN, user(wrapped(marker(OTHER)))), OTHER, "witness_disagrees"),
    ("two in one wrapper, no witness", call(user(wrapped(marker(MINE) + marker(OTHER))), requestId=None), None,
     "ambiguous_marker"),
    ("two in one wrapper, neither is the witness's", call(user(wrapped(marker(THIRD) + marker(OTHER)))), None,
     "ambiguous_marker"),
    ("two without wrapper, no witness", call(user(marker(OTHER)), user(marker(MINE)), requestId=TRAJECTORY), None,
     "ambiguous_marker"),
    *[(kind, call(TURN, requestType=kind), MINE, "request_type") for kind in ("tab", "web_search", "image_gen", "new")],
    ("a type that is no word", call(TURN, requestType=["agent"]), MINE, "request_type"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "cascade", "reason"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_the_rest_is_left_alone(body: dict[str, Any], cascade: str | None, reason: str) -> None:
    assert match(STREAM, body) == Match("other", cascade, reason)


@pytest.mark.parametrize(
    "path",
    [
        STREAM, "/v1internal:generateContent", "/v1beta/models/gemini-x:streamGenerateContent?alt=sse&key=K",
        "/v1/models/gemini-x:generateContent", "/v1alpha/models/gemini-x:generateContent?",
        "/v1beta/tunedModels/t:generateContent", "/v1beta/models/models%2Fgemini-x:streamGenerateContent",
        "/v1beta/models/gemini-x%3AstreamGenerateContent", "/some/base/v1internal:streamGenerateContent",
    ],
)  # fmt: skip
def test_generate_paths(path: str) -> None:
    assert is_generate_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1internal:countTokens", "/v1internal:loadCodeAssist", "/v1internal:streamGenerateContentX", "/", "",
        "/v1beta/models/gemini-x:countTokens", "/v1beta/models", "/v1beta/models/:generateContent",
        "/v2/models/x:generateContent", "/x?next=/v1internal:generateContent", "/v1internal:fetchModels?alt=sse",
        "/v1internal/x:generateContent", "/xv1internal:generateContent",
    ],
)  # fmt: skip
def test_other_paths(path: str) -> None:
    assert not is_generate_path(path)
    assert match(path, call(TURN)) == Match("other", None, "path")


REASONS = {"agent", "checkpoint", "no_marker", "ambiguous_marker", "witness_disagrees", "request_type"}
texts = st.lists(st.sampled_from([
    marker(MINE), marker(OTHER), "<USER_REQUEST>", "</USER_REQUEST>", "<cid:", ">", "text", "\n",
]), max_size=8).map("".join)  # fmt: skip
contents = st.lists(st.one_of(texts.map(user), texts.map(model), json_values), max_size=4)


@given(contents, st.sampled_from([witness(MINE), witness(OTHER), None, "x"]), st.sampled_from(["agent", None, "tab"]))
def test_only_a_cascade_that_a_user_text_names_is_ever_matched(given_contents, request_id, kind):
    found = match(STREAM, call(*given_contents, requestId=request_id, requestType=kind))
    assert found.reason in REASONS
    named = [part["text"] for content in given_contents if isinstance(content, dict) and content.get("role") == "user"
             for part in content["parts"]]  # fmt: skip
    if found.cascade_id is not None:
        assert any(f"<cid:{found.cascade_id}>" in text for text in named)
    if found.kind == "agent":
        assert request_id in (witness(str(found.cascade_id)), None, "x")


@given(json_values)
def test_any_body(value: Any) -> None:
    bodies = (
        {"request": value},
        {"contents": value},
        {"request": {"contents": value, "tools": value}},
        {**call(TURN), "requestType": value},
        {**call(TURN), "requestId": value},
        call(TURN, tools=value, requestType=None),
        {"request": {"contents": [TURN], "toolConfig": value}},
    )
    for body in bodies:
        assert match(STREAM, body).kind in ("agent", "checkpoint", "other")
