"""Known failures of translators, by their numbers in the facts (wire-gemini-and-mapping 8): none may happen here.

Requests are judged by the Google stand-in; answers go through the decoder, the policy and each surface's checker.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.judging import complaint
from tests.surfaces.playing import ALL, OPENAI, SECRET, SURFACES, ask, context, frames, hear, play
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.family import STAND_IN
from zerogravity.core.registry import CallMemory, RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces.base import Context
from zerogravity.surfaces.common.sealed_state import Carried, seal
from zerogravity.surfaces.responses.stored import stored_at_end
from zerogravity.testing.builders import TURN_ID, call, chunk
from zerogravity.testing.simulator.google.signatures import Signer, call_binding
from zerogravity.wire.google_errors import decode_error

openai = pytest.mark.parametrize("name", OPENAI)
every = pytest.mark.parametrize("name", ALL)
FN = {"type": "object", "properties": {"a": {"type": "string"}}}
PNG = "data:image/png;base64,iVBORw0KGgo="
OTHER_TURN = "turn_" + "8" * 32


# -- the same dialogue in both of OpenAI's forms ------------------------------------------------------------------


def user(text: str) -> tuple[str, Any]:
    return "user", text


def calls(*made: tuple[str, str, str]) -> tuple[str, Any]:
    """(id, name, arguments) each."""
    return "calls", made


def result(call_id: str, output: Any = "ok") -> tuple[str, Any]:
    return "result", (call_id, output)


def body(name: str, *entries: tuple[str, Any], tools: tuple[str, ...] = ("f", "g"), **more: Any) -> dict[str, Any]:
    """A request of surface ``name`` with that dialogue."""
    given = [entry for kind, value in entries for entry in _entry(name, kind, value)]
    functions = [{"name": tool, "parameters": FN} for tool in tools]
    if name == "chat":
        declared = [{"type": "function", "function": function} for function in functions]
        return {"model": "gemini-3-flash", "messages": given, "tools": declared, **more}
    return {"model": "gemini-3-flash", "input": given, "tools": [{"type": "function", **f} for f in functions], **more}


def _entry(name: str, kind: str, value: Any) -> list[dict[str, Any]]:
    match kind, name:
        case "calls", "chat":
            made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in value]
            return [{"role": "assistant", "content": None, "tool_calls": made}]
        case "calls", _:
            return [{"type": "function_call", "call_id": i, "name": n, "arguments": a} for i, n, a in value]
        case "result", "chat":
            return [{"role": "tool", "tool_call_id": value[0], "content": value[1]}]
        case "result", _:
            return [{"type": "function_call_output", "call_id": value[0], "output": value[1]}]
        case _:
            return [{"role": kind, "content": value}]


def sent(name: str, request: dict[str, Any], of: Context | None = None) -> dict[str, Any]:
    """The Google-shaped request, accepted by Google."""
    turn = SURFACES[name].parse(request, of or context())
    wire = turn.target.wire_model or turn.target.name
    assert complaint({"model": wire, "request": dict(turn.google_request)}) is None
    return dict(turn.google_request)


def parts(generate: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part for content in generate["contents"] for part in content["parts"] if kind in part]


def refused(name: str, request: dict[str, Any]) -> Any:
    with pytest.raises(FaultError) as caught:
        SURFACES[name].parse(request, context())
    return caught.value.fault


ROUND = (user("go"), calls(("c1", "f", "{}"), ("c2", "g", "{}")), result("c2", "2"), result("c1", "1"))


# -- what goes to Google ------------------------------------------------------------------------------------------


@openai
def test_01_no_call_of_the_current_turn_is_unsigned(name: str) -> None:
    steps = (*ROUND, calls(("c3", "f", "{}")), result("c3"))
    made = sent(name, body(name, *steps))
    assert [part.get("thoughtSignature") for part in parts(made, "functionCall")] == [STAND_IN, None, STAND_IN]
    known = context(c3=RememberedCall("f", "{}", STAND_IN[::-1], None, "gemini-3-flash"))
    turn = SURFACES[name].parse(body(name, *steps), known)
    assert parts(dict(turn.google_request), "functionCall")[2]["thoughtSignature"] == STAND_IN[::-1]


@every
def test_02_a_signature_in_an_empty_text_part_is_kept(name: str) -> None:
    channel = play(ask(name), chunk(call()), chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"))
    memory = CallMemory(lambda: 0)
    memory.learn(channel)
    (made,) = channel.state.function_calls
    known = memory.get(made.call_id)
    assert known is not None
    assert known.signature == "c2ln"
    if name == "gemini":
        assert b'"thoughtSignature":"c2ln"' in b"".join(frames(name, channel))


@openai
def test_03_a_foreign_signature_is_not_forwarded(name: str) -> None:
    foreign = context(c1=RememberedCall("f", "{}", "Zm9yZWlnbg==", None, "claude"))
    made = sent(name, body(name, user("go"), calls(("c1", "f", "{}")), result("c1")), foreign)
    assert parts(made, "functionCall")[0]["thoughtSignature"] == STAND_IN


@pytest.mark.parametrize(
    "content",
    ["gAAAAABopenai", seal(b"another secret of 32 bytes length", [Carried("Zm9yZ2Vk", "gemini-3-flash", "c1")]),
     seal(SECRET, [Carried("Y2xhdWRl", "claude", "c1")])],
)  # fmt: skip
def test_03_foreign_or_forged_encrypted_content_is_ignored(content: str) -> None:
    request = body("responses", user("go"), calls(("c1", "f", "{}")), result("c1"))
    request["input"].insert(1, {"type": "reasoning", "summary": [], "encrypted_content": content})
    assert parts(sent("responses", request), "functionCall")[0]["thoughtSignature"] == STAND_IN


@every
def test_04_only_thought_true_is_a_thought(name: str) -> None:
    signed = chunk({"text": "yes", "thoughtSignature": "c2ln"}, finish="STOP")
    heard = hear(name, play(ask(name), chunk({"text": "hm", "thought": True}), signed))
    assert (heard.thoughts, heard.text) == ("hm", "yes")


@openai
def test_05_parallel_results_go_out_in_one_content(name: str) -> None:
    made = sent(name, body(name, *ROUND))
    assert [content["role"] for content in made["contents"]] == ["user", "model", "user"]
    assert [part["functionResponse"]["name"] for part in made["contents"][2]["parts"]] == ["f", "g"]


@openai
def test_06_two_calls_of_one_function_keep_their_results(name: str) -> None:
    entries = (
        user("go"),
        calls(("x", "f", '{"a":"1"}'), ("y", "f", '{"a":"2"}')),
        result("y", "two"),
        result("x", "one"),
    )
    made = sent(name, body(name, *entries))
    assert [part["functionCall"]["args"] for part in parts(made, "functionCall")] == [{"a": "1"}, {"a": "2"}]
    answers = [part["functionResponse"] for part in parts(made, "functionResponse")]
    assert [(answer["id"], answer["response"]["output"]) for answer in answers] == [("x", "one"), ("y", "two")]


@openai
def test_07_a_result_has_its_functions_name(name: str) -> None:
    made = sent(name, body(name, *ROUND))
    assert {part["functionResponse"]["name"] for part in parts(made, "functionResponse")} == {"f", "g"}


@openai
def test_08_no_call_id_is_given_out_twice(name: str) -> None:
    answers = (chunk(call(a="1"), call(a="1")), chunk(call("g"), finish="STOP"))
    heard = [hear(name, play(ask(name, turn), *answers)) for turn in (TURN_ID, OTHER_TURN)]
    found = [call_id for one in heard for call_id, _, _ in one.calls]
    assert len(set(found)) == len(found) == 6


@openai
def test_09_user_text_is_not_merged_into_results(name: str) -> None:
    made = sent(name, body(name, *ROUND, user("and now?")))
    assert [list(part) for part in made["contents"][2]["parts"]] == [["functionResponse"], ["functionResponse"]]
    assert made["contents"][3] == {"role": "user", "parts": [{"text": "and now?"}]}


@openai
def test_10_nothing_stands_between_calls_and_results(name: str) -> None:
    step = (("assistant", "I look."), calls(("c1", "f", "{}")), user("hurry"), ("developer", "be quick"), result("c1"))
    made = sent(name, body(name, user("go"), *step))
    assert [content["role"] for content in made["contents"]] == ["user", "model", "user", "user"]
    assert [next(iter(part)) for part in made["contents"][1]["parts"]] == ["text", "functionCall"]


@openai
def test_11_no_empty_part_or_text_goes_upstream(name: str) -> None:
    empty = (("system", ""), user(""), ("assistant", ""))
    made = sent(name, body(name, *empty, user("go"), *empty, calls(("c1", "f", "{}")), result("c1", "")))
    assert "systemInstruction" not in made
    for content in made["contents"]:
        assert content["parts"]
        assert all(part and part.get("text") != "" for part in content["parts"])


@openai
def test_12_there_are_no_roles_but_user_and_model(name: str) -> None:
    entries = (("system", "s"), ("developer", "d"), *ROUND, ("assistant", "a"), ("system", "late"), user("u"))
    made = sent(name, body(name, *entries))
    assert {content["role"] for content in made["contents"]} == {"user", "model"}
    assert [part["text"] for part in made["systemInstruction"]["parts"]] == ["s", "d", "late"]


@openai
@pytest.mark.parametrize("output", ["", "text", "[1]", "5", '"x"', "null", '{"a": 1}'])
def test_13_a_result_is_an_object_and_an_empty_one_is_a_result(name: str, output: str) -> None:
    made = sent(name, body(name, user("go"), calls(("c1", "f", "{}")), result("c1", output)))
    (answer,) = parts(made, "functionResponse")
    expected = {"a": 1} if output.startswith("{") else {"output": output}
    assert answer["functionResponse"]["response"] == expected


@openai
@pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-flash"])
def test_14_pictures_in_results_stay_pictures(name: str, model: str) -> None:
    chat, responses = {"type": "image_url", "image_url": {"url": PNG}}, {"type": "input_image", "image_url": PNG}
    picture = chat if name == "chat" else responses
    made = sent(name, body(name, user("go"), calls(("c1", "f", "{}")), result("c1", [picture]), model=model))
    (answer,) = parts(made, "functionResponse")
    inside = answer["functionResponse"].get("parts", [])
    assert len(inside) + len(parts(made, "inlineData")) == 1
    assert "iVBORw0KGgo=" not in json.dumps(answer["functionResponse"]["response"])


DEEP = {
    "type": "object", "$schema": "x", "additionalProperties": False,
    "properties": {"a": {"type": "array", "items": {"type": "object", "patternProperties": {}, "properties": {
        "b": {"exclusiveMinimum": 0, "multipleOf": 2, "x-z": 1, "type": "integer", "contentEncoding": "q"}}}}},
}  # fmt: skip


def with_schema(name: str, schema: Any, **more: Any) -> dict[str, Any]:
    """The function's parameters as they reach Google."""
    request = body(name, user("go"), **more)
    tool = request["tools"][0]
    (tool["function"] if name == "chat" else tool)["parameters"] = schema
    return sent(name, request)["tools"][0]["functionDeclarations"][0]["parameters"]


@openai
def test_15_no_keyword_that_google_does_not_know_goes_upstream(name: str) -> None:
    inner = with_schema(name, DEEP)["properties"]["a"]["items"]["properties"]["b"]
    assert inner == {"type": "integer", "description": 'exclusiveMinimum: 0. multipleOf: 2. contentEncoding: "q".'}


@openai
def test_16_the_content_of_combined_schemas_is_kept(name: str) -> None:
    kids = {"type": "array", "items": {"$ref": "#/$defs/T"}}
    made = with_schema(name, {
        "type": "object", "$defs": {"T": {"type": "object", "properties": {"kids": kids}}},
        "properties": {
            "one": {"oneOf": [{"const": "x"}, {"type": "integer"}]},
            "tree": {"$ref": "#/$defs/T", "description": "mine"},
            "all": {"allOf": [{"properties": {"p": {"type": "string"}}}, {"properties": {"q": {"type": "number"}}}]},
        },
    })["properties"]  # fmt: skip
    assert made["one"] == {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "integer"}]}
    assert made["tree"]["description"] == "mine"
    kid = made["tree"]["properties"]["kids"]["items"]
    assert kid["type"] == "object"
    assert kid["description"].startswith('Like "T" above.')
    assert list(made["all"]["properties"]) == ["p", "q"]


@openai
def test_17_nullable_and_unions_are_neither_refused_nor_widened(name: str) -> None:
    made = with_schema(name, {"type": "object", "properties": {
        "a": {"type": ["string", "null"]}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "c": {"anyOf": [{"type": "integer"}, {"type": "boolean"}, {"type": "null"}], "description": "d"},
    }})["properties"]  # fmt: skip
    assert made["a"] == {"type": "string", "nullable": True}
    assert made["b"] == {"type": "integer", "nullable": True}
    assert list(made["c"]) == ["anyOf"]
    assert [branch["type"] for branch in made["c"]["anyOf"]] == ["integer", "boolean"]
    assert all(branch["nullable"] and branch["description"] == "d" for branch in made["c"]["anyOf"])


@openai
def test_18_integer_enums_keep_their_type(name: str) -> None:
    made = with_schema(name, {"type": "object", "properties": {"n": {"type": "integer", "enum": [1, 2]}}})["properties"]
    assert made["n"] == {"type": "integer", "description": "Allowed: 1, 2."}


@openai
def test_19_arguments_outputs_and_property_names_are_no_schemas(name: str) -> None:
    data = {"title": "t", "$schema": "s", "const": 1, "default": {"additionalProperties": False}}
    made = sent(name, body(name, user("go"), calls(("c1", "f", json.dumps(data))), result("c1", json.dumps(data))))
    assert parts(made, "functionCall")[0]["functionCall"]["args"] == data
    assert parts(made, "functionResponse")[0]["functionResponse"]["response"] == data
    named = {word: {"type": "string"} for word in ("type", "title", "$ref", "default", "enum", "properties")}
    assert with_schema(name, {"type": "object", "properties": named})["properties"] == named


@openai
def test_20_function_names_are_legal_told_apart_and_given_back(name: str) -> None:
    wanted = ("my tool", "my/tool", "9lives", "x" * 80)
    turn = SURFACES[name].parse(
        body(name, user("go"), calls(("c1", "my tool", "{}")), result("c1"), tools=wanted), context()
    )
    declared = [entry["name"] for entry in turn.google_request["tools"][0]["functionDeclarations"]]
    assert len(set(declared)) == 4
    assert parts(dict(turn.google_request), "functionCall")[0]["functionCall"]["name"] == declared[0]
    heard = hear(name, play(turn, chunk(*(call(one) for one in declared), finish="STOP")))
    assert tuple(called for _, called, _ in heard.calls) == wanted


def searched() -> list[dict[str, Any]]:
    """Google searches by itself and then calls ``f``: all of it must come back, or the signature fits no more."""
    mint = partial(Signer().mint, "gemini-3-flash")
    steps = [
        {kind: {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", **more}, "thoughtSignature": mint("server", f"{kind} s1")}
        for kind, more in (("toolCall", {"args": {"n": 1.0}}), ("toolResponse", {"response": {"big": 2**70}}))
    ]
    return [*steps, call("f", mint("call", call_binding("f", ("toolCall s1", "toolResponse s1"))), a="x")]


def told(name: str, channel: CascadeChannel) -> list[dict[str, Any]]:
    """The answer as a client keeps it, with all that it does not understand."""
    answer = SURFACES[name].answer(channel, SECRET).body
    return answer["output"] if name == "responses" else [answer["choices"][0]["message"]]


@pytest.mark.parametrize("thoughts", [[], [{"text": "hm", "thought": True}]], ids=["", "thinking"])
@pytest.mark.parametrize(
    ("name", "way"),
    [("chat", "memory"), ("chat", "client"), ("responses", "memory"), ("responses", "client"), ("responses", "stored")],
)
def test_21_what_the_search_did_goes_back_with_the_result(name: str, way: str, thoughts: list[dict[str, Any]]) -> None:
    request = body(name, user("go"), include=["reasoning.encrypted_content"])
    if name == "chat":
        del request["include"]
    request["tools"].append({"type": "web_search"})
    channel = play(SURFACES[name].parse(request, context()), *map(chunk, thoughts), chunk(*searched(), finish="STOP"))
    (made,) = hear(name, channel).calls
    memory = CallMemory(lambda: 0)
    entries = [entry for kind, value in (calls(made), result(made[0])) for entry in _entry(name, kind, value)]
    given = request["messages" if name == "chat" else "input"]
    stored = None
    match way:
        case "memory":
            memory.learn(channel)
            given += entries
        case "client":
            given += [*told(name, channel), entries[-1]]
        case _:
            stored = stored_at_end(channel, SECRET)
            request = {**request, "input": entries[-1:], "previous_response_id": stored.id}
    of = replace(context(OTHER_TURN), recall=memory.get, stored=lambda _: stored.turn if stored else None)
    contents = sent(name, request, of)["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert [next(iter(part)) for part in contents[1]["parts"]] == ["toolCall", "toolResponse", "functionCall"]
    assert [part for part in contents[1]["parts"] if "functionCall" not in part] == searched_again(contents)
    other = SURFACES[name].parse({**request, "model": "gemini-2.5-flash"}, of).google_request
    assert not parts(dict(other), "toolCall")


def searched_again(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps of the search with the signatures that came back: those are fresh every time."""
    came = [part["thoughtSignature"] for part in contents[1]["parts"]]
    return [{**step, "thoughtSignature": own} for step, own in zip(searched()[:2], came, strict=False)]


def test_21_a_malformed_server_tool_is_refused_by_name() -> None:
    request = body("chat", user("go"), calls(("c1", "f", "{}")), result("c1"))
    for bad in ("x", [1], ["{"], ["[]"], ['{"text": "x"}']):
        google = {"thought_signature": STAND_IN, "server_tools": bad}
        request["messages"][1]["tool_calls"][0]["extra_content"] = {"google": google}
        assert refused("chat", request).param.startswith("messages[1].tool_calls[0].extra_content.google.server_tools")


@openai
@pytest.mark.parametrize("effort", ["none", "high"])
@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-3-pro", "gemini-3.8-flash", "claude-sonnet-4-6"])
def test_22_effort_is_one_field_that_the_model_has(name: str, model: str, effort: str) -> None:
    said = {"reasoning_effort": effort} if name == "chat" else {"reasoning": {"effort": effort}}
    thinking = sent(name, body(name, user("go"), model=model, **said))["generationConfig"]["thinkingConfig"]
    assert len(thinking.keys() & {"thinkingLevel", "thinkingBudget"}) == 1


# -- what comes from Google ---------------------------------------------------------------------------------------


@openai
@pytest.mark.parametrize("tail", [(), (chunk({"text": ""}, finish="STOP"),), (chunk(finish="STOP"),)])
def test_23_an_answer_with_calls_never_ends_as_stop(name: str, tail: tuple[Any, ...]) -> None:
    first = chunk(call(), finish=None if tail else "STOP")
    heard = hear(name, play(ask(name), first, *tail))
    assert heard.finish == ("tool_calls" if name == "chat" else "completed")
    assert len(heard.calls) == 1


def test_24_streamed_calls_are_numbered() -> None:
    heard = hear("chat", play(ask("chat"), chunk(call("a"), call("b")), chunk(call("c"), finish="STOP")))
    assert [name for _, name, _ in heard.calls] == ["a", "b", "c"]  # by index, dense from 0


FILTERED = {"chat": "content_filter", "responses": "content_filter", "gemini": "SAFETY", "messages": "refusal"}
CUT = {"chat": "length", "responses": "max_output_tokens", "gemini": "MAX_TOKENS", "messages": "max_tokens"}


@every
def test_25_a_cut_or_blocked_answer_says_so(name: str) -> None:
    thoughts = chunk({"text": "hm", "thought": True})
    assert hear(name, play(ask(name), thoughts, chunk(finish="MAX_TOKENS"))).finish == CUT[name]
    partly = hear(name, play(ask(name), chunk({"text": "par"}), chunk(finish="SAFETY")))
    assert (partly.finish, partly.text) == (FILTERED[name], "par")
    blocked = hear(name, play(ask(name), {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}))
    assert blocked.finish == {**FILTERED, "gemini": "blocked: PROHIBITED_CONTENT"}[name]
    empty = play(ask(name), chunk(finish="STOP"))
    assert hear(name, empty).error is not None
    assert SURFACES[name].answer(empty, SECRET).status >= 500


@every
@pytest.mark.parametrize("text", [[], [chunk({"text": "par"})]])
def test_26_a_malformed_call_is_an_error(name: str, text: list[Any]) -> None:
    channel = play(ask(name), *text, chunk(finish="MALFORMED_FUNCTION_CALL", finishMessage="f(x"))
    heard = hear(name, channel)
    if name == "gemini":  # in Google's own word, as its clients know it
        assert (heard.error, heard.finish) == (None, "MALFORMED_FUNCTION_CALL")
        return
    assert heard.error is not None
    assert "MALFORMED_FUNCTION_CALL" in heard.error["message"]
    assert heard.finish not in ("stop", "completed", "STOP")
    assert SURFACES[name].answer(channel, SECRET).status >= 500


COUNTS = {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5, "thoughtsTokenCount": 7,
          "toolUsePromptTokenCount": 3, "totalTokenCount": 115}  # fmt: skip


@openai
def test_27_usage_is_the_last_one_with_thoughts_and_cached_once(name: str) -> None:
    first = {**COUNTS, "candidatesTokenCount": 1}
    channel = play(ask(name), chunk({"text": "a"}, usage=first), chunk(finish="STOP", usage=COUNTS))
    usage = hear(name, channel).usage
    assert usage is not None
    names = ("prompt", "completion") if name == "chat" else ("input", "output")
    assert [usage[f"{one}_tokens"] for one in (*names, "total")] == [103, 12, 115]
    assert usage[f"{names[0]}_tokens_details"]["cached_tokens"] == 60
    assert usage[f"{names[1]}_tokens_details"]["reasoning_tokens"] == 7


def test_27_anthropics_input_is_without_the_cached_tokens() -> None:
    channel = play(ask("messages"), chunk({"text": "a"}), chunk(finish="STOP", usage=COUNTS))
    usage = hear("messages", channel).usage
    assert usage is not None
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (43, 60, 12)
    assert usage["output_tokens_details"] == {"thinking_tokens": 7}


@every
def test_28_separators_in_text_split_no_frame(name: str) -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh"
    channel = play(ask(name), chunk({"text": text}, finish="STOP"))
    assert hear(name, channel).text == text
    for frame in frames(name, channel):
        lines = frame.decode().splitlines()
        assert all(not line or line.startswith(("data: ", "event: ")) for line in lines), lines
    if name == "gemini":
        sent_bytes = b"".join(frames(name, channel))
        assert b"[DONE]" not in sent_bytes
        assert sent_bytes.endswith(b"\r\n\r\n")
        assert SURFACES[name].emitter(channel, SECRET).heartbeat == b""


@every
@pytest.mark.parametrize(
    ("chunks", "dropped"),
    [([chunk({"text": "par"})], False), ([chunk({"text": "par"}, finish="STOP")], True), ([chunk(call())], False)],
)
def test_29_a_stream_that_breaks_is_no_success(name: str, chunks: list[Any], dropped: bool) -> None:
    heard = hear(name, play(ask(name), *chunks, dropped=dropped))
    assert heard.error is not None
    assert heard.finish is None


def test_30_citations_are_in_characters_of_the_whole_text() -> None:
    text = "Grüße 😀: Oslo is cold."
    start = len("Grüße 😀: ".encode())
    segment = {"startIndex": start, "endIndex": start + 4, "text": "Oslo"}
    grounding = {"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
                 "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}]}  # fmt: skip
    for name in OPENAI:
        channel = play(
            ask(name), chunk({"text": "hm", "thought": True}), chunk({"text": text[:7]}),
            chunk({"text": text[7:]}, finish="STOP", groundingMetadata=grounding),
        )  # fmt: skip
        whole = json.dumps(SURFACES[name].answer(channel, SECRET).body)
        assert '"start_index": 9, "end_index": 13' in whole or '"end_index": 13, "start_index": 9' in whole


@every
def test_31_text_arrives_once(name: str) -> None:
    channel = play(
        ask(name),
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "one "}),
        chunk({"text": "two"}, finish="STOP"),
    )
    heard = hear(name, channel)
    assert (heard.thoughts, heard.text) == ("hm", "one two")


@every
def test_32_each_chunk_goes_out_as_it_comes(name: str) -> None:
    channel = play(ask(name), *(chunk({"text": f"{n} "}) for n in range(5)), chunk(finish="STOP"))
    emitter = SURFACES[name].emitter(channel, SECRET)
    emitter.begin()
    per_record = [b"".join(emitter.feed(record)) for record in channel.records]
    for number in range(5):
        assert f"{number} ".encode() in per_record[number + 1]


def test_33_a_429_keeps_its_delay_and_errors_their_status() -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "21.4s"}
    for status, expected in ((429, 429), (400, 400), (404, 404), (500, 500), (503, 503), (504, 504)):
        error = {"error": {"code": status, "message": "m", "status": "X", "details": [detail]}}
        fault = decode_error(status, {}, json.dumps(error).encode())
        for name in ALL:
            answer = SURFACES[name].error(fault)
            assert answer.status == expected
            assert status != 429 or answer.headers["Retry-After"] == "22"
    assert SURFACES["gemini"].error(fault).body["error"]["details"] == [detail]


def test_34_no_empty_text_stands_beside_a_call() -> None:
    channel = play(
        ask("gemini"),
        chunk({"text": ""}, call()),
        chunk(call(), {"text": "", "thoughtSignature": "c2ln"}, finish="STOP"),
    )
    assert len(hear("gemini", channel).calls) == 2
    for frame in frames("gemini", channel):
        value = json.loads(frame.removeprefix(b"data: "))
        found = [part for one in value["candidates"] for part in one.get("content", {}).get("parts", [])]
        assert not (any("functionCall" in part for part in found) and any(part.get("text") == "" for part in found))


@every
def test_35_no_traceback_or_path_reaches_a_client(name: str) -> None:
    for data in (b"\x00garbage", b'{"response": {"candidates": [{"content": 7}]}}', b'{"response": []}', b"{"):
        channel = play(ask(name), data)
        for text in (b"".join(frames(name, channel)).decode(), json.dumps(SURFACES[name].answer(channel, SECRET).body)):
            assert not any(word in text for word in ("Traceback", ".py", 'File "', "/site-packages"))


def test_36_parameters_work_on_both_openai_surfaces() -> None:
    picked = {"chat": {"type": "function", "function": {"name": "g"}}, "responses": {"type": "function", "name": "g"}}
    for name in OPENAI:
        made = sent(name, body(name, user("go"), tool_choice=picked[name], temperature=0, top_p=0.5))
        assert made["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["g"]}
        assert (made["generationConfig"]["temperature"], made["generationConfig"]["topP"]) == (0, 0.5)
    made = sent("chat", body("chat", user("go"), stop=["x"], seed=5))
    assert (made["generationConfig"]["stopSequences"], made["generationConfig"]["seed"]) == (["x"], 5)
    pdf = "data:application/pdf;base64,JVBERi0xLjcK"
    for name, part in (
        ("chat", {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}}),
        ("responses", {"type": "input_file", "filename": "a.pdf", "file_data": pdf}),
    ):
        assert parts(sent(name, body(name, ("user", [part]))), "inlineData")
        request = body(name, user("go"), tools=())
        request["tools"] = [{"type": "web_search"}]
        assert sent(name, request)["tools"] == [{"googleSearch": {}}]


def test_37_a_https_picture_is_refused_by_name() -> None:
    url = "https://example.com/a,b.png"
    for name, part, param in (
        ("chat", {"type": "image_url", "image_url": {"url": url}}, "messages[0].content[0].image_url.url"),
        ("responses", {"type": "input_image", "image_url": url}, "input[0].content[0].image_url"),
    ):
        fault = refused(name, body(name, ("user", [part])))
        assert (fault.status, fault.code, fault.param) == (400, "unsupported_url", param)


@every
def test_38_empty_arguments_are_an_empty_object(name: str) -> None:
    if name in OPENAI:
        made = sent(name, body(name, user("go"), calls(("c1", "f", "")), result("c1")))
        assert parts(made, "functionCall")[0]["functionCall"]["args"] == {}
    heard = hear(name, play(ask(name), chunk({"functionCall": {"name": "f"}}, finish="STOP")))
    assert [arguments for _, _, arguments in heard.calls] == ["{}"]


@openai
def test_39_a_reused_call_id_takes_its_own_rounds_result(name: str) -> None:
    made = sent(name, body(
        name, user("go"), calls(("c", "f", '{"a":"1"}')), result("c", "one"), ("assistant", "so"), user("again"),
        calls(("c", "f", '{"a":"2"}')), result("c", "two"),
    ))  # fmt: skip
    outputs = [part["functionResponse"]["response"]["output"] for part in parts(made, "functionResponse")]
    assert outputs == ["one", "two"]


def test_every_number_has_its_test() -> None:
    numbers = {int(name[5:7]) for name in globals() if name.startswith("test_") and name[5:7].isdigit()}
    assert numbers == set(range(1, 40))


def test_the_turn_of_each_surface() -> None:
    for name in ALL:
        turn: Turn = ask(name)
        assert (turn.surface, turn.stream) == (name, True)
