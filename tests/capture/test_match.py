"""Which cascade a Google call belongs to: facts D.1-D.3 as a table, and that nothing is ever guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import needed, runtime_requests
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


MALFORMED = (
    "Error: There was a problem. \nError Message: model output error: encountered an improper format stop reason.\n"
    "Please retry with a properly formatted function call. \nRetries remaining: 0"
)
EMPTY = "Error: model output error: model output must contain either output text or tool calls, these cannot both be"
SUMMARISE = "You have been working on the task described above but have not yet completed\nit. Write a summary."
RESUMING = f"# Resuming from a compaction\n\n# User Requests\n1. {marker(OTHER)} and so on"


def result(role: str = "model") -> dict[str, Any]:
    """A tool's answer; the runtime gives it the model's role (facts antigravity-runtime)."""
    return {"role": role, "parts": [{"functionResponse": {"name": "f", "response": {"output": "Error: no"}}}]}


def plain(*contents: Any, mode: str = "AUTO", **members: Any) -> dict[str, Any]:
    """A call on the public path: no envelope, and nothing in it that says what it is."""
    return {"contents": list(contents), "toolConfig": {"functionCallingConfig": {"mode": mode}}, **members}


RETRIES = [
    (f"{name}, mode {mode}, {'without tools' if tools is None else 'with tools'}, {form}",
     call(*contents, mode=mode, tools=tools, **kind) if kind is not None
     else plain(*contents, mode=mode, **({} if tools is None else {"tools": tools})))
    for name, contents in (
        ("a retry after the request", (TURN, user(EMPTY))),
        ("a retry after half an answer", (TURN, model("half"), user("Error: unexpected EOF: unexpected EOF"))),
        ("the last retry", (TURN, user(MALFORMED), model("half"), user(MALFORMED))),
        ("a retry after a tool's result", (TURN, model(), result(), user(MALFORMED))),
        ("a retry with a step's number", (TURN, model(), user(f"Step Id: 7\n\n{MALFORMED}"))),
        ("a retry with a reminder after it", (TURN, model(), user(MALFORMED), EPHEMERAL)),
        ("a retry and a reminder in one", (TURN, model(), user(MALFORMED, "<EPHEMERAL_MESSAGE>\nx"))),
        ("a tool's result", (TURN, model(), result())),
        ("a tool's result as the user's", (TURN, model(), result("user"))),
        ("a tool's result and a reminder", (TURN, model(), result("user"), EPHEMERAL)),
        ("resumed", (TURN, user(RESUMING))),
        ("the turn and a history", (TURN, HISTORY, EPHEMERAL)),
    )
    for mode in ("AUTO", "VALIDATED", "NONE")
    for tools in (TOOLS, None)
    for form, kind in (("as an agent", {}), ("old build", {"requestType": None}), ("public", None))
]  # fmt: skip


@pytest.mark.parametrize("body", [row[1] for row in RETRIES], ids=[row[0] for row in RETRIES])
def test_retries_and_follow_ups_are_agent_calls(body: dict[str, Any]) -> None:
    assert match(STREAM, body) == AGENT


@pytest.mark.parametrize(
    "before",
    [
        (TURN,),
        (TURN, model(), TURN),
        (TURN, model()),
        (TURN, result()),
        (TURN, HISTORY, EPHEMERAL),
        (TURN, user(RESUMING)),
    ],
    ids=["a request", "an answer and a request", "an answer", "a result", "a history", "resumed"],
)
@pytest.mark.parametrize("order", [user(SUMMARISE), user(f"Step Id: 9\n\n{SUMMARISE}")], ids=["plain", "numbered"])
@pytest.mark.parametrize("kind", ["agent", None, "", "checkpoint", "web_search", "new"])
@pytest.mark.parametrize("tools", [TOOLS, None], ids=["tools", "none"])
def test_a_summary_is_a_checkpoint_whatever_its_history_and_type(before, order, kind, tools) -> None:
    found = match(STREAM, call(*before, order, mode="NONE", tools=tools, requestType=kind))
    assert found == Match("checkpoint", MINE, "checkpoint")
    public = plain(*before, order, mode="NONE", **({"tools": tools} if tools else {}))
    assert match(STREAM, public) == Match("checkpoint", MINE, "checkpoint")


def test_a_summary_in_the_content_of_the_request_is_a_checkpoint() -> None:
    body = plain(user(wrapped(marker(MINE)), SUMMARISE), mode="NONE", tools=TOOLS)
    assert match(STREAM, body) == Match("checkpoint", MINE, "checkpoint")


def marked(body: dict[str, Any]) -> dict[str, Any]:
    """``body``, in whose newest request of a user our marker stands, and none in older ones."""
    body = deepcopy(body)
    parts = [
        part for content in body["contents"] for part in content["parts"] if "<USER_REQUEST>" in part.get("text", "")
    ]
    for part in parts:
        part["text"] = re.sub(r"(?s)<USER_REQUEST>\n.*?\n</USER", "<USER_REQUEST>\nbefore\n</USER", part["text"])
    parts[-1]["text"] = parts[-1]["text"].replace("before", marker(MINE))
    return body


CAPTURED = runtime_requests()


@needed
@pytest.mark.parametrize(
    ("name", "number", "path", "body"), CAPTURED, ids=[f"{name}-{number}" for name, number, _, _ in CAPTURED]
)
def test_what_the_real_runtime_sends(name: str, number: int, path: str, body: dict[str, Any]) -> None:
    kind = "checkpoint" if (name, number) == ("compaction", 1) else "agent"
    wanted = Match(kind, MINE, kind)
    sent = marked(body)
    assert match(path, sent) == wanted
    for envelope in ({}, {"requestType": "agent", "requestId": witness(MINE)}):
        assert match(STREAM, {"model": "gemini-x", "request": sent, **envelope}) == wanted
    for mode in ("NONE", "ANY"):  # the last retry has NONE, a summary always
        silenced = {**sent, "toolConfig": {"functionCallingConfig": {"mode": mode}}}
        assert match(path, silenced) == (wanted if kind == "agent" or mode == "NONE" else AGENT)
    without = {key: value for key, value in sent.items() if key != "tools"}
    assert match(path, without) == wanted


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
def test_checkpoints_are_recognised(body: dict[str, Any]) -> None:
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
        "/v1beta1/publishers/google/models/gemini-x:streamGenerateContent?alt=sse",
        "/v1/publishers/google/models/gemini-x:generateContent",
        "/v1beta1/projects/p-1/locations/us-central1/publishers/google/models/gemini-x:streamGenerateContent?alt=sse",
        "/v1/projects/p-1/locations/global/publishers/google/models/gemini-x@001:generateContent?key=K",
        "/v1/projects/123/locations/europe-west4/endpoints/456:streamGenerateContent",
        "/base/v1beta1/publishers/google/models/gemini-x%3AgenerateContent",
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
        "/v1beta1/publishers/google/models/gemini-x:countTokens", "/v1beta1/publishers/google/models/x:predict",
        "/v1beta1/publishers/google/models/:generateContent", "/v1beta1/publishers/google:generateContent",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict",
        "/v1/projects/p/locations/l:generateContent", "/v1/projects/p/publishers/google/models/x:generateContent",
        "/v2beta1/publishers/google/models/x:generateContent", "/v1/projects/p/locations/l/endpoints/e:rawPredict",
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
