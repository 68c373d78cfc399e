"""What Anthropic demands of a request for Claude, on every surface; other models' requests stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judging import about, complaint
from zerogravity.capture.generation_config import without_thoughts
from zerogravity.core.family import THINKING_OFF
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.surfaces import chat, gemini, responses
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.claude import for_model
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.testing.simulator.google.signatures import STAND_INS, Signer

Json = dict[str, Any]
CLAUDE, GEMINI = "claude-opus-4-6-thinking", "gemini-3-flash"
SIGNER = Signer()
SIGNED = SIGNER.mint("claude", "text", "hmm")
FOREIGN = SIGNER.mint("gemini-3-flash", "call", "f")
NOTHING = {"type": "object", "properties": {}}
EMPTY = SIGNER.mint("claude", "text", "")


def thought(text: str = "hmm", signature: str | None = SIGNED) -> Json:
    part: Json = {"text": text, "thought": True}
    return part if signature is None else {**part, "thoughtSignature": signature}


def call(identity: str = "c1", signature: str | None = None) -> Json:
    part: Json = {"functionCall": {"name": "f", "args": {}, "id": identity}}
    return part if signature is None else {**part, "thoughtSignature": signature}


def result(identity: str = "c1", **response: Any) -> Json:
    return {"functionResponse": {"name": "f", "id": identity, "response": response or {"output": "r"}}}


def user(*parts: Any) -> Json:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Any) -> Json:
    return {**user(*parts), "role": "model"}


def remembered(
    *thoughts: tuple[str, str], family: str = "claude", signature: str | None = None, name: str = "f"
) -> RememberedCall:
    return RememberedCall(name, "{}", signature, None, family, thoughts=thoughts)


def sent(*contents: Json, known: Mapping[str, RememberedCall] | None = None, **more: Any) -> tuple[Json, list[str]]:
    """What goes to Claude, judged by the stand-in, and the notes."""
    generate = {"contents": list(contents), **more}
    made, notes = for_model(generate, Catalogue().resolve(CLAUDE), (known or {}).get)
    config = made.get("generationConfig", {})
    judged = {**made, "contents": list(without_thoughts(made["contents"], config, "claude"))}
    assert complaint(about(CLAUDE, **judged)) is None
    return made, list(notes)


def thinking_is_off(made: Json) -> bool:
    return made.get("generationConfig", {}).get("thinkingConfig") == THINKING_OFF


# -- thoughts --------------------------------------------------------------------------------------------------------

HI = user("hi")
KNOWN = {"c1": remembered(("hmm", SIGNED))}
STEPS: dict[str, tuple[list[Json], dict[str, RememberedCall], list[Json] | None]] = {
    "remembered": ([HI, model(call()), user(result())], KNOWN, [thought(), call()]),
    "before the text": ([HI, model("So.", call()), user(result())], KNOWN, [thought(), {"text": "So."}, call()]),
    "instead of the client's": ([HI, model(thought("hm"), call()), user(result())], KNOWN, [thought(), call()]),
    "given": ([HI, model(thought(), call()), user(result())], {}, [thought(), call()]),
    "given, and another between": (
        [HI, model(thought(), "I look.", thought(), call()), user(result())], {},
        [thought(), {"text": "I look."}, thought(), call()]),
    "given behind the text": (
        [HI, model("I look.", thought(), call()), user(result())], {}, [thought(), {"text": "I look."}, call()]),
    "given unsigned": ([HI, model(thought(signature=None), call()), user(result())], {}, None),
    "given with Gemini's signature": ([HI, model(thought(signature=FOREIGN), call()), user(result())], {}, None),
    "given with a stand-in": ([HI, model(thought(signature=STAND_INS[0]), call()), user(result())], {}, None),
    "without text, its signature on the call": (
        [HI, model(call(signature=EMPTY)), user(result())], {}, [thought("", EMPTY), call()]),
    "without text, remembered": (
        [HI, model(call()), user(result())], {"c1": remembered(signature=EMPTY)}, [thought("", EMPTY), call()]),
    "Gemini's signature on the call": ([HI, model(call(signature=FOREIGN)), user(result())], {}, None),
    "a stand-in on the call": ([HI, model(call(signature=STAND_INS[0])), user(result())], {}, None),
    "of Gemini": (
        [HI, model(thought(), call()), user(result())], {"c1": remembered(("hmm", FOREIGN), family="gemini-3-flash")},
        None),
    "of gpt-oss": ([HI, model(call()), user(result())], {"c1": remembered(family="gpt-oss")}, None),
    "of another function by that id": (
        [HI, model(call()), user(result())], {"c1": remembered(("hmm", SIGNED), name="g")}, None),
    "unknown": ([HI, model(call()), user(result())], {}, None),
    "known without thoughts": ([HI, model(call()), user(result())], {"c1": remembered()}, None),
    "parallel": (
        [HI, model(call("c1"), call("c2")), user(result("c1"), result("c2"))], {**KNOWN, "c2": remembered()},
        [thought(), call("c1"), call("c2")]),
    "parallel, in another order": (
        [HI, model(call("c2"), call("c1")), user(result("c2"), result("c1"))], {**KNOWN, "c2": remembered()},
        [thought(), call("c2"), call("c1")]),
    "with the user's words behind the result": ([HI, model(call()), user(result()), user("and?")], {}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
def test_a_step_begins_with_its_thoughts_or_nothing_is_thought(case: str) -> None:
    contents, known, said = STEPS[case]
    made, notes = sent(*contents, known=known)
    assert thinking_is_off(made) is (said is None)
    if said is None:
        gone = "the thoughts before a function call are gone, and this model wants them back"
        assert notes == [f"thinking switched off for this request: {gone}"]
        assert not any("thoughtSignature" in part for content in made["contents"] for part in content["parts"])
    else:
        assert (made["contents"][1]["parts"], notes) == (said, [])


@pytest.mark.parametrize(
    ("first", "second", "off"),
    [("c1", "c2", False), ("c1", "gone", True), ("gone", "c2", True), ("gone", "lost", True)],
)
def test_every_step_of_the_turn_counts(first: str, second: str, off: bool) -> None:
    known = {"c1": remembered(("hmm", SIGNED)), "c2": remembered(("hmm", SIGNED))}
    contents = [HI, model(call(first)), user(result(first)), model(call(second)), user(result(second))]
    assert thinking_is_off(sent(*contents, known=known)[0]) is off


def test_steps_of_an_earlier_turn_need_no_thoughts() -> None:
    made, notes = sent(HI, model(call()), user(result()), model("done"), user("thanks"))
    assert "generationConfig" not in made
    assert notes == []
    made, _ = sent(HI, model(call()), user(result()), model("done"), user("thanks"), known=KNOWN)
    assert made["contents"][1] == model(thought(), call())


def test_thinking_that_is_off_already_is_not_noted() -> None:
    config = {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False}}
    made, notes = sent(HI, model(call()), user(result()), generationConfig=config)
    assert (made["generationConfig"], notes) == (config, [])


def test_signatures_of_texts_and_pictures_stay_here() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    made, _ = sent(
        HI, model({"text": "So.", "thoughtSignature": FOREIGN}, {**picture, "thoughtSignature": FOREIGN}), HI
    )
    assert made["contents"][1] == model("So.", picture)


# -- forced calls and limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "config", "off"),
    [
        ("ANY", {}, True), ("any", {}, True), (2, {}, True), ("AUTO", {}, False), ("VALIDATED", {}, False),
        ("NONE", {}, False),
        ("ANY", {"temperature": 0, "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}}, True),
        ("AUTO", {"maxOutputTokens": 1024}, True), ("AUTO", {"maxOutputTokens": "16"}, True),
        ("AUTO", {"maxOutputTokens": 1025, "thinkingConfig": {"thinkingBudget": 1024}}, False),
    ],
)  # fmt: skip
def test_what_excludes_thinking(mode: Any, config: Json, off: bool) -> None:
    tools = [{"functionDeclarations": [{"name": "f", "parameters": NOTHING}]}]
    body = {"toolConfig": {"functionCallingConfig": {"mode": mode}}, "tools": tools, "generationConfig": config}
    made, notes = for_model({"contents": [HI], **body}, Catalogue().resolve(CLAUDE), lambda _: None)
    assert thinking_is_off(made) is off
    assert [note.startswith("thinking switched off for this request: ") for note in notes] == [True] * off
    assert {**made["generationConfig"], "thinkingConfig": 0} == {**config, "thinkingConfig": 0}


# -- blanks and schemas ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "made"),
    [
        ([user(" ", "hi", "\n")], [user("hi")]),
        ([user(" \u2003")], [user("(blank)")]),
        ([user("a"), model("\n\n"), user("b")], [user("a"), user("b")]),
        ([user("a"), model("b", " "), user("\t")], [user("a"), model("b"), user("(blank)")]),
        ([model(" "), user("b")], [user("b")]),
        ([user("a"), model({"text": "", "thoughtSignature": FOREIGN}), user("b")], [user("a"), user("b")]),
    ],
)
def test_blank_texts_are_left_out_and_no_content_is_empty(contents: list[Json], made: list[Json]) -> None:
    found, notes = sent(*contents)
    assert found["contents"] == made
    assert notes == ["blank text left out: this model takes none"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"output": ""}, {"output": "(no output)"}), ({"error": " \n"}, {"error": "(no output)"}),
        ({"output": "x"}, {"output": "x"}), ({"a": "", "b": 1}, {"a": "", "b": 1}),
        ({"a": {"b": ""}}, {"a": {"b": ""}}),
    ],
)  # fmt: skip
def test_an_empty_result_gets_a_text(given: Json, made: Json) -> None:
    found, _ = sent(HI, model(call()), user(result(**given)), known=KNOWN)
    assert found["contents"][2] == user(result(**made))


def test_system_text_and_stop_sequences() -> None:
    config = {"stopSequences": ["\n", "END", " "]}
    made, notes = sent(HI, systemInstruction=user(" ", "Be brief."), generationConfig=config)
    assert made["systemInstruction"] == user("Be brief.")
    assert made["generationConfig"] == {"stopSequences": ["END"]}
    assert notes == [f"blank {what} left out: this model takes none" for what in ("text", "stop sequences")]
    made, _ = sent(HI, systemInstruction=user("  "), generationConfig={"stopSequences": ["\n"]})
    assert "systemInstruction" not in made
    assert made["generationConfig"] == {}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, {"parameters": NOTHING}),
        ({"parameters": None}, {"parameters": NOTHING}),
        ({"parameters": {}}, {"parameters": NOTHING}),
        ({"parameters": {"type": "OBJECT"}}, {"parameters": {"type": "OBJECT", "properties": {}}}),
        ({"parametersJsonSchema": {}}, {"parameters": NOTHING}),
        ({"parametersJsonSchema": None}, {"parameters": NOTHING}),
        ({"parametersJsonSchema": {"properties": {"a": {}}}},
         {"parametersJsonSchema": {"type": "object", "properties": {"a": {}}}}),
        ({"parameters": {}, "parametersJsonSchema": {"type": "object", "required": []}},
         {"parametersJsonSchema": {"type": "object", "properties": {}, "required": []}}),
    ],
)  # fmt: skip
def test_every_function_has_a_schema(given: Json, made: Json) -> None:
    declared = {"name": "now", "description": "The time."}
    found, notes = sent(HI, tools=[{"functionDeclarations": [{**declared, **given}]}])
    assert found["tools"][0]["functionDeclarations"] == [{**declared, **made}]
    assert notes == []


# -- on every surface ------------------------------------------------------------------------------------------------


def parse(surface: str, target: str, body: Json, known: Mapping[str, RememberedCall]) -> Turn:
    context = Context("turn_" + "5" * 32, 1, Catalogue().resolve, recall=known.get)
    if surface == "gemini":
        return gemini.parse_request(body, context, model=target)
    return {"chat": chat.surface, "responses": responses.surface}[surface].parse({"model": target, **body}, context)


CALL_ITEM = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
DIALOGUES: dict[str, Json] = {
    "chat": {
        "messages": [
            {"role": "system", "content": " "},
            {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": "\n", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"},
                 "extra_content": {"google": {"thought_signature": FOREIGN}}}]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}},
                  {"type": "function", "function": {"name": "g", "parameters": {}}},
                  {"type": "function", "name": "flat"}, {"type": "custom", "custom": {"name": "free"}}],
    },
    "responses": {
        "instructions": "\n",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": " "}, {"type": "input_text", "text": "hi"}]},
            {"role": "assistant", "content": " "},
            CALL_ITEM,
            {"type": "function_call_output", "call_id": "c1", "output": ""},
        ],
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g", "parameters": None},
                  {"type": "function", "name": "h", "parameters": {"type": "object", "properties": {}}},
                  {"type": "custom", "name": "free"}],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": " "}]},
        "contents": [user(" ", "hi"), model("\n", call(signature=FOREIGN)), user(result(output=""))],
        "tools": [{"functionDeclarations": [
            {"name": "f"}, {"name": "g", "parameters": {}}, {"name": "h", "parameters": None},
            {"name": "i", "parametersJsonSchema": {}}]}],
    },
}  # fmt: skip


@pytest.mark.parametrize("surface", DIALOGUES)
@pytest.mark.parametrize("known", [{}, KNOWN, {"c1": remembered(("hmm", FOREIGN), family="gemini-3-flash")}])
def test_every_surface_sends_what_claude_takes(surface: str, known: dict[str, RememberedCall]) -> None:
    turn = parse(surface, CLAUDE, DIALOGUES[surface], known)
    generate = dict(turn.google_request)
    assert generate["contents"][0] == user("hi")
    assert generate["contents"][1]["parts"] == [*([thought()] if known is KNOWN else []), call()]
    assert thinking_is_off(generate) is (known is not KNOWN)
    assert any("thinking switched off" in note for note in turn.notes) is (known is not KNOWN)
    generate["contents"] = without_thoughts(generate["contents"], generate.get("generationConfig", {}), "claude")
    assert complaint(about(CLAUDE, **generate)) is None


@pytest.mark.parametrize("surface", DIALOGUES)
def test_a_forced_call_on_every_surface(surface: str) -> None:
    forced: dict[str, Json] = {
        "chat": {"tool_choice": "required", "reasoning_effort": "high"},
        "responses": {"tool_choice": {"type": "function", "name": "f"}, "reasoning": {"effort": "high"}},
        "gemini": {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
                   "generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2048}}},
    }  # fmt: skip
    turn = parse(surface, CLAUDE, {**DIALOGUES[surface], **forced[surface]}, KNOWN)
    assert thinking_is_off(dict(turn.google_request))
    assert "thinking switched off for this request: this model cannot be forced to call a function and think" in (
        turn.notes
    )


def test_requests_for_other_models_are_unchanged() -> None:
    body = DIALOGUES["gemini"]
    turn = parse("gemini", GEMINI, body, KNOWN)
    assert turn.google_request["contents"] == body["contents"]
    assert turn.google_request["systemInstruction"] == body["systemInstruction"]
    assert turn.notes == ()


# -- any dialogue ----------------------------------------------------------------------------------------------------

words = st.sampled_from(("", " ", "\n\t", "hello"))
spoken = st.builds(
    lambda text, sign: {"text": text} | ({"thoughtSignature": sign} if sign else {}),
    words, st.sampled_from((None, FOREIGN)),
)  # fmt: skip
thoughts = st.builds(thought, st.just("hmm"), st.sampled_from((SIGNED, None, FOREIGN, STAND_INS[0])))
entries = st.one_of(
    st.lists(words.map(lambda text: {"text": text}), min_size=1, max_size=3).map(lambda parts: [user(*parts)]),
    st.lists(spoken | thoughts, min_size=1, max_size=3).map(lambda parts: [user("x"), model(*parts)]),
    st.tuples(
        st.lists(spoken | thoughts, max_size=3), st.sampled_from(("c1", "gone")),
        st.sampled_from((None, EMPTY, FOREIGN, STAND_INS[0])), words,
    ).map(lambda of: [user("x"), model(*of[0], call(of[1], of[2])), user(result(of[1], output=of[3]))]),
)  # fmt: skip


@given(st.lists(entries, min_size=1, max_size=5), st.booleans())
def test_claude_takes_any_dialogue(dialogue: list[list[Json]], known: bool) -> None:
    contents = [content for entry in dialogue for content in entry]
    if contents[-1]["role"] == "model":
        contents.append(user("y"))
    sent(*contents, known=KNOWN if known else {})
