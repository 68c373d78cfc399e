"""Input items → Google's contents: every kind, in any legal order; the rest is refused by name or noted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from tests.surfaces.responses.asking import (
    PNG,
    PNG_PART,
    SECRET,
    STAND_IN,
    call,
    check_contents,
    contents,
    context,
    function,
    output,
    parse,
    refused,
    text,
    user,
)
from zerogravity.surfaces.common.sealed_state import Carried, seal, seal_text
from zerogravity.surfaces.responses.items import SUMMARY

OLD = "gemini-2.5-pro"
FAMILY = "gemini-3-flash"


def said(value: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": value}]}


def thought(*carried: Carried, summary: str = "hm", **more: Any) -> dict[str, Any]:
    parts = [{"type": "summary_text", "text": summary}] if summary else []
    sealed = {"encrypted_content": seal(SECRET, carried)} if carried else {}
    return {"type": "reasoning", "id": "rs_1", "summary": parts, **sealed, **more}


def parts(*items: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    """The parts of the only content."""
    (content,) = contents(*items, **body)
    return list(content["parts"])


def the_call(*items: dict[str, Any], **body: Any) -> dict[str, Any]:
    """The first part of the first content with a call."""
    made = contents(*items, **body)
    return next(part for content in made for part in content["parts"] if "functionCall" in part)


# -- messages ----------------------------------------------------------------------------------------------------


def test_a_string_is_one_user_message_unchanged() -> None:
    assert parse(input="  a\n").google_request["contents"] == [{"role": "user", "parts": [{"text": "  a\n"}]}]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("x", [{"text": "x"}]),
        ([text("a"), text("b")], [{"text": "a"}, {"text": "b"}]),
        ([text(""), text("b")], [{"text": "b"}]),
        ([text("<image name=a>"), {"type": "input_image", "image_url": PNG, "detail": "high"}, text("</image>")],
         [{"text": "<image name=a>"}, PNG_PART, {"text": "</image>"}]),
        ([{"type": "input_image", "image_url": {"url": PNG}}], [PNG_PART]),
        ([{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}],
         [{"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}}]),
        ([{"type": "input_file", "filename": "a.csv", "file_data": "AAEC"}],
         [{"inlineData": {"mimeType": "text/csv", "data": "AAEC"}}]),
        ([{"type": "input_audio", "input_audio": {"format": "wav", "data": "AAEC"}}],
         [{"inlineData": {"mimeType": "audio/wav", "data": "AAEC"}}]),
    ],
)  # fmt: skip
def test_user_content(content: Any, wanted: list[dict[str, Any]]) -> None:
    assert parts({"type": "message", "role": "user", "content": content, "unknown": 1}) == wanted


def test_system_and_developer_messages_wherever_they_stand() -> None:
    turn = parse(
        instructions="I",
        input=[
            {"role": "system", "content": "S"}, user("a"),
            {"role": "developer", "content": [text("D"), {"type": "input_image", "image_url": PNG}]}, user("b"),
        ],
    )  # fmt: skip
    assert [part["text"] for part in turn.google_request["systemInstruction"]["parts"]] == ["I", "S", "D"]
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "a"}, PNG_PART, {"text": "b"}]}]
    assert turn.details.system == ("S", "D")


def test_system_messages_alone_become_a_user_message() -> None:
    assert contents({"role": "developer", "content": "D"}) == [{"role": "user", "parts": [{"text": "D"}]}]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("plain", ["plain"]),
        ([{"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "b"}], ["a", "b"]),
        ([{"type": "output_text", "text": "a"}, {"type": "output_text", "text": ""}], ["a"]),
    ],
)
def test_answers_go_back_as_the_models(content: Any, wanted: list[str]) -> None:
    made = contents(user("x"), {"role": "assistant", "content": content, "status": "completed"}, user("y"))
    assert made[1] == {"role": "model", "parts": [{"text": each} for each in wanted]}


@pytest.mark.parametrize("content", ["", None, []])
def test_an_empty_answer_is_nothing(content: Any) -> None:
    assert parts(user("x"), {"role": "assistant", "content": content}) == [{"text": "x"}]


def test_a_dialogue_never_ends_with_the_models_message() -> None:
    assert contents(user("x"), said("y"))[-1]["role"] == "user"


@pytest.mark.parametrize(
    ("item", "param", "code"),
    [
        ({"type": "message"}, "input[0].role", "missing_required_parameter"),
        ({"role": "tool", "content": "x"}, "input[0].role", "invalid_value"),
        ({"role": "user"}, "input[0].content", "missing_required_parameter"),
        ({"role": "user", "content": 3}, "input[0].content", "invalid_type"),
        ({"role": "user", "content": [{"type": "video"}]}, "input[0].content[0].type", "invalid_value"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}, "input[0].content[0].file_id",
         "invalid_value"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "https://host/a.png"}]},
         "input[0].content[0].image_url", "unsupported_url"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}, "input[0].content[0].file_id",
         "invalid_value"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "https://host/a"}]},
         "input[0].content[0].file_url", "unsupported_url"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "ogg", "data": "AA=="}}]},
         "input[0].content[0].input_audio.format", "invalid_value"),
        ({"role": "assistant", "content": 3}, "input[0].content", "invalid_type"),
        ({"role": "assistant", "content": [{"type": "input_image"}]}, "input[0].content[0].type", "invalid_value"),
        ({"type": 3}, "input[0].type", "invalid_type"),
        ({"type": "novelty_call", "call_id": "c"}, "input[0].type", "invalid_value"),
        ({"type": "novelty_call_output", "call_id": "c", "output": "x"}, "input[0].type", "invalid_value"),
        ({"type": "compaction_trigger"}, "input", "invalid_value"),
        ({"type": "function_call", "call_id": "c"}, "input[0].name", "missing_required_parameter"),
        ({"type": "function_call", "name": "f"}, "input[0].call_id", "missing_required_parameter"),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}, "input[0].arguments",
         "invalid_type"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input[0].input", "missing_required_parameter"),
        ({"type": "function_call_output", "output": "x"}, "input[0].call_id", "missing_required_parameter"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output", "missing_required_parameter"),
        ({"type": "function_call_output", "call_id": "c", "output": {}}, "input[0].output", "invalid_type"),
        ({"type": "reasoning", "summary": "x"}, "input[0].summary", "invalid_type"),
        ({"type": "reasoning", "encrypted_content": 3}, "input[0].encrypted_content", "invalid_type"),
        ({"type": "compaction"}, "input[0].encrypted_content", "missing_required_parameter"),
        ({"type": "compaction", "encrypted_content": "gAAAA"}, "input[0].encrypted_content",
         "invalid_encrypted_content"),
        ({"type": "additional_tools", "tools": {}}, "input[0].tools", "invalid_type"),
        ({"type": "image_generation_call", "result": "%"}, "input[0].result", "invalid_value"),
    ],
)  # fmt: skip
def test_refused_by_name(item: Any, param: str, code: str) -> None:
    fault = refused(input=[item])
    assert (fault.param, fault.code) == (param, code)


# -- calls and their outputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "response"),
    [
        ("", {"output": ""}),
        ([], {"output": ""}),
        ([text("a"), text("b")], {"output": "ab"}),
    ],
)
def test_outputs(value: Any, response: dict[str, Any]) -> None:
    made = contents(user("x"), call("c"), output("c", value))
    assert made[-1]["parts"][0]["functionResponse"]["response"] == response


@pytest.mark.parametrize("value", ["patched", [text("patched")]])
def test_a_custom_call_and_its_output(value: Any) -> None:
    """Codex: ``ctco_`` ids, output a string or a list of texts."""
    made = contents(
        user("x"), {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": '*** "a"\n'},
        {"type": "custom_tool_call_output", "id": "ctco_1", "call_id": "c", "output": value},
        tools=[{"type": "custom", "name": "apply_patch"}],
    )  # fmt: skip
    assert made[1]["parts"][0]["functionCall"] == {"name": "apply_patch", "args": {"input": '*** "a"\n'}, "id": "c"}
    assert made[2]["parts"][0]["functionResponse"]["response"] == {"output": "patched"}


@pytest.mark.parametrize("answer", [{"id": "c"}, {"id": "lsh_1"}, {"id": "x", "call_id": "c"}])
def test_a_local_shell_call_and_its_output(answer: dict[str, Any]) -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}, "working_directory": "/"}
    made = contents(
        user("x"), {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "action": action},
        {"type": "local_shell_call_output", **answer, "output": '{"out": "a"}'}, tools=[{"type": "local_shell"}],
    )  # fmt: skip
    assert made[1]["parts"][0]["functionCall"] == {
        "name": "local_shell", "args": {"command": ["ls"], "env": {}, "working_directory": "/"}, "id": "c",
    }  # fmt: skip
    assert made[2]["parts"][0]["functionResponse"]["response"] == {"out": "a"}


def test_a_tool_search_and_what_it_found() -> None:
    tool = function("find", description="d", parameters={"type": "object"})
    made = contents(
        user("x"), {"type": "tool_search_call", "call_id": "c", "arguments": {"query": "q"}, "execution": "client"},
        {"type": "tool_search_output", "call_id": "c", "tools": [tool], "status": "completed"},
    )  # fmt: skip
    assert made[1]["parts"][0]["functionCall"] == {"name": "tool_search", "args": {"query": "q"}, "id": "c"}
    found = {"tools": [{"name": "find", "description": "d"}]}
    assert made[2]["parts"][0]["functionResponse"]["response"] == found


def test_a_tool_search_of_the_server_leaves_only_its_tools() -> None:
    turn = parse(
        input=[
            user("x"), {"type": "tool_search_call", "call_id": None, "arguments": {}, "execution": "server"},
            {"type": "tool_search_output", "call_id": None, "tools": [function("find")], "execution": "server"},
        ]
    )  # fmt: skip
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "x"}]}]
    assert turn.google_request["tools"] == [{"functionDeclarations": [{"name": "find"}]}]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([user("x"), output("c")], "No tool call found for function call output with call_id c."),
        ([user("x"), call("c"), output("d")], "No tool call found for function call output with call_id d."),
        ([user("x"), call("c"), output("c"), output("c")],
         "No tool call found for function call output with call_id c."),
        ([user("x"), call("c")], "No tool output found for function call c."),
        ([user("x"), call("c"), user("y")], "No tool output found for function call c."),
        ([user("x"), call("c"), call("d"), output("c"), user("y")], "No tool output found for function call d."),
        ([user("x"), {"type": "custom_tool_call_output", "call_id": "c", "output": ""}],
         "No tool call found for function call output with call_id c."),
    ],
)  # fmt: skip
def test_orphans(items: list[Any], message: str) -> None:
    fault = refused(input=items)
    assert (fault.param, fault.message) == ("input", message)


# -- signatures --------------------------------------------------------------------------------------------------


def test_a_reasoning_item_brings_the_signature_of_its_call_back() -> None:
    made = contents(
        user("x"), thought(Carried("real", FAMILY, "c1")), call("c1"), call("c2"), output("c1"), output("c2"),
        thought(Carried("next", FAMILY, "c3"), summary=""), call("c3"), output("c3"),
    )  # fmt: skip
    calls = [part for content in made for part in content["parts"] if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in calls] == ["real", None, "next"]


def test_a_signed_thought_goes_back_before_what_it_led_to() -> None:
    signed = {"text": "hm", "thought": True, "thoughtSignature": "s"}
    made = contents(user("x"), thought(Carried("s", FAMILY)), said("y"), user("z"))
    assert made[1]["parts"] == [signed, {"text": "y"}]
    made = contents(user("x"), thought(Carried("s", FAMILY), Carried("t", FAMILY, "c")), call("c"), output("c"))
    assert made[1]["parts"][0] == signed
    assert made[1]["parts"][1]["thoughtSignature"] == "t"


@pytest.mark.parametrize(
    "item",
    [
        thought(),
        thought(encrypted_content="gAAAAABforeign"),
        thought(encrypted_content=seal(bytes(32), [Carried("forged", FAMILY, "c")])),
        thought(Carried("other", "gemini-3-pro", "c"), Carried("other", "claude")),
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
        {"type": "reasoning", "id": "rs_foreign"},
    ],
)
def test_foreign_reasoning_is_ignored_and_never_text(item: dict[str, Any]) -> None:
    made = contents(user("x"), item, call("c"), output("c"))
    assert [len(content["parts"]) for content in made] == [1, 1, 1]
    assert made[1]["parts"][0]["thoughtSignature"] == STAND_IN


def test_a_blob_that_is_not_ours_is_noted() -> None:
    turn = parse(input=[user("x"), thought(encrypted_content="gAAAA")])
    assert turn.notes == ("input[1].encrypted_content ignored: it was not made here",)


def test_a_thought_that_led_to_nothing_is_forgotten() -> None:
    made = contents(user("x"), thought(Carried("s", FAMILY)), user("y"), said("z"), user("w"))
    assert [content["parts"] for content in made] == [[{"text": "x"}, {"text": "y"}], [{"text": "z"}], [{"text": "w"}]]


def test_a_signature_without_its_thought_has_no_place() -> None:
    made = contents(user("x"), thought(Carried("s", FAMILY), summary=""), said("y"), user("z"))
    assert made[1]["parts"] == [{"text": "y"}]


@pytest.mark.parametrize("item", [thought(), thought(Carried("s", FAMILY))])
def test_a_lone_thought_makes_no_content(item: dict[str, Any]) -> None:
    assert parts(user("x"), item, user("y")) == [{"text": "x"}, {"text": "y"}]
    assert parts(user("x"), item) == [{"text": "x"}]


# -- references, compaction, pictures, the rest ------------------------------------------------------------------


def test_references_are_followed() -> None:
    """AI SDK: ``item_reference`` for earlier answers, the type may be missing."""
    known = {
        "msg_1": {**said("stored"), "id": "msg_1"},
        "fc_1": {**call("c"), "id": "fc_1", "encrypted_content": seal(SECRET, [Carried("kept", FAMILY, "c")])},
    }
    items = [user("x"), {"type": "item_reference", "id": "msg_1"}, user("y"), {"id": "fc_1"}, output("c")]
    made = contents(*items, within=context(items=known))
    assert made[1] == {"role": "model", "parts": [{"text": "stored"}]}
    assert made[3]["parts"][0]["thoughtSignature"] == "kept"
    listed = parse(context(items=known), input=items).details.input
    assert [item["id"] for item in listed[1::2]] == ["msg_1", "fc_1"]


def test_unknown_references_are_skipped_and_noted() -> None:
    turn = parse(input=[user("x"), {"type": "item_reference", "id": "rs_gone"}])
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "x"}]}]
    assert turn.notes == ("input[1]: item rs_gone is not stored here, skipped",)
    assert len(turn.details.input) == 1


@pytest.mark.parametrize("wrong", [{"id": 5}, {}, {"id": None}, {"id": ["a"]}])
def test_a_reference_names_an_item(wrong: dict[str, Any]) -> None:
    assert refused(input=[user("x"), {"type": "item_reference", **wrong}]).param == "input[1].id"


def test_a_compaction_is_a_user_text() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": seal_text(SECRET, "It went well.")}
    assert parts(user("x"), item, user("y")) == [{"text": "x"}, {"text": SUMMARY + "It went well."}, {"text": "y"}]


def test_a_signature_is_no_summary() -> None:
    blob = seal(SECRET, [Carried("s", FAMILY)])
    assert refused(input=[{"type": "compaction", "encrypted_content": blob}]).code == "invalid_encrypted_content"


def test_pictures_of_the_model_go_back() -> None:
    sealed = seal(SECRET, [Carried("sig", FAMILY)])
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="}
    made = contents(user("x"), item, {**item, "encrypted_content": sealed}, {**item, "result": None}, user("y"))
    assert made[1]["parts"] == [PNG_PART, {**PNG_PART, "thoughtSignature": "sig"}]


def test_a_search_of_the_server_is_skipped_though_it_bears_a_call_id() -> None:
    """OpenAI took the same history."""
    call = {"type": "tool_search_call", "call_id": "c", "execution": "server", "arguments": {}, "status": "completed"}
    output = {"type": "tool_search_output", "call_id": "c", "execution": "server", "tools": []}
    turn = parse(input=[user("x"), call, output])
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "x"}]}]
    assert len(turn.notes) == 2


@pytest.mark.parametrize(
    "kind", ["web_search_call", "file_search_call", "code_interpreter_call", "computer_call",
             "program", "agent_message", "agent_reasoning", "context_compaction", "novelty"]
)  # fmt: skip
def test_replayed_items_of_hosted_tools_are_skipped_and_noted(kind: str) -> None:
    turn = parse(input=[user("x"), {"type": kind, "id": "ws_1", "status": "completed"}])
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "x"}]}]
    assert turn.notes == (f"input[1]: {kind} skipped: it cannot be passed on to the model",)


# -- any list of items -------------------------------------------------------------------------------------------

words = texts(8).filter(bool)
reasonings = st.one_of(
    st.just(thought()), st.just(thought(encrypted_content="gAAAA")),
    st.builds(lambda of: thought(Carried("s", of)), st.sampled_from((FAMILY, "claude", OLD))),
)  # fmt: skip
systems = st.builds(
    lambda role, value: {"role": role, "content": value}, st.sampled_from(("system", "developer")), words
)
pieces = st.one_of(st.builds(text, texts(5)), st.just({"type": "input_image", "image_url": PNG}))
users = st.lists(pieces, max_size=3).map(lambda made: {"role": "user", "content": [*made, text("x")]})
answers = st.builds(said, texts(8))
extras = st.lists(st.one_of(reasonings, systems, users, answers), max_size=2)
outputs = st.one_of(texts(8), st.just([text("t"), {"type": "input_image", "image_url": PNG}]), st.just([]))


@st.composite
def rounds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Calls of one step with anything between them, then their outputs in any order, with anything between those."""
    names = draw(st.lists(st.sampled_from("fgh"), min_size=1, max_size=3))
    prefix = draw(st.integers(0, 3))  # ids come again in later rounds
    kinds = [draw(st.sampled_from(("function", "custom"))) for _ in names]
    made: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        call_id = f"call_{prefix}_{number}"
        made += draw(st.one_of(st.just([]), st.lists(st.one_of(reasonings, answers), max_size=1)))
        if draw(st.booleans()):
            made.append(thought(Carried(f"sig_{number}", FAMILY, call_id), summary=""))
        if kind == "custom":
            made.append({"type": "custom_tool_call", "call_id": call_id, "name": name, "input": draw(texts(5))})
        else:
            made.append(call(call_id, name, draw(st.sampled_from(("", "{}", '{"a": 1}', "[1]", "no json")))))
        results.append({"type": f"{'custom_tool' if kind == 'custom' else 'function'}_call_output",
                        "call_id": call_id, "output": draw(outputs)})  # fmt: skip
    for result in draw(st.permutations(results)):
        made += [*draw(extras), result]
    return made


dialogues = st.lists(
    st.one_of(st.lists(st.one_of(users, answers, systems, reasonings), min_size=1, max_size=2), rounds()),
    min_size=1, max_size=6,
).map(lambda blocks: [user("begin"), *(item for block in blocks for item in block)])  # fmt: skip


@given(dialogues, st.sampled_from(("gemini-3-flash", OLD, "claude-sonnet-4-6")))
def test_any_dialogue_obeys_the_rules_of_turns(items: list[dict[str, Any]], model: str) -> None:
    turn = parse(model=model, input=items)
    check_contents(turn.google_request["contents"], turn.target.family)
    assert len(turn.details.input) == len(items)
    asked = [item for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    calls = [part for content in turn.google_request["contents"] for part in content["parts"] if "functionCall" in part]
    assert [part["functionCall"]["name"] for part in calls] == [item["name"] for item in asked]
    own = {f"sig_{number}" for number in range(3)} | {STAND_IN, None}
    assert {part.get("thoughtSignature") for part in calls} <= own


def test_a_thought_that_brings_its_own_text_is_that_whatever_the_client_made_of_it() -> None:
    carried = Carried("c2ln", "claude", None, ("hm, exactly",))
    for summary in ("", "hm, about"):
        turn = parse(
            model="claude-sonnet-4-6", input=[user("x"), thought(carried, summary=summary), call("c"), output("c")]
        )
        signed = {"text": "hm, exactly", "thought": True, "thoughtSignature": "c2ln"}
        assert turn.google_request["contents"][1]["parts"][0] == signed
        assert turn.notes == ()
