"""``system`` and ``messages`` → contents: roles, calls, results, thoughts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.golden.cases import sent
from tests.judging import complaint
from tests.surfaces.messages.support import (
    HELLO,
    PDF,
    PIXEL,
    SECRET,
    Block,
    assistant,
    contents,
    document,
    image,
    parse,
    refused,
    result,
    text,
    thought,
    use,
    user,
)
from tests.surfaces.playing import play
from zerogravity.core.registry import RememberedCall
from zerogravity.surfaces.common.sealed_state import Carried
from zerogravity.surfaces.messages import surface
from zerogravity.surfaces.messages.turns import PREFILL
from zerogravity.testing.builders import call as made
from zerogravity.testing.builders import chunk
from zerogravity.testing.simulator.google.signatures import Kind, Signer, call_binding

SYSTEM = {"role": "system", "content": [text("be kind", cache_control={"type": "ephemeral"})]}
REMINDER = {"text": "<system-reminder>\nbe kind\n</system-reminder>"}


def call(call_id: str, name: str = "look", **args: Any) -> Block:
    return {"functionCall": {"name": name, "args": args, "id": call_id}}


def response(call_id: str, name: str = "look", **members: Any) -> Block:
    return {"functionResponse": {"name": name, "response": members, "id": call_id}}


def says(role: str, *words: str) -> Block:
    return {"role": role, "parts": [{"text": word} for word in words]}


DIALOGUES: list[tuple[str, list[Block], list[Block]]] = [
    ("a string", [user("Hi")], [says("user", "Hi")]),
    ("messages of one role in a row", [user("a"), user("b"), assistant("c"), assistant("d"), user("e")],
     [says("user", "a", "b"), says("model", "c", "d"), says("user", "e")]),
    ("an empty turn", [user("a"), assistant(text("")), user("b")], [says("user", "a", "b")]),
    ("an empty list", [user("a"), {"role": "assistant", "content": []}, user("b")], [says("user", "a", "b")]),
    ("a system message keeps its place", [user("a"), SYSTEM, assistant("b"), user("c")],
     [{"role": "user", "parts": [{"text": "a"}, REMINDER]}, says("model", "b"), says("user", "c")]),
    ("the same as a string", [user("a"), {"role": "system", "content": "be kind"}, assistant("b"), user("c")],
     [{"role": "user", "parts": [{"text": "a"}, REMINDER]}, says("model", "b"), says("user", "c")]),
    ("one that is a reminder already", [user("a"), {"role": "system", "content": REMINDER["text"]}],
     [{"role": "user", "parts": [{"text": "a"}, REMINDER]}]),
    ("one between a call and its result", [user("a"), assistant(use()), SYSTEM, user(result())],
     [says("user", "a"), {"role": "model", "parts": [call("toolu_1")]},
      {"role": "user", "parts": [response("toolu_1", output="fine")]}, {"role": "user", "parts": [REMINDER]}]),
    ("results in another order than the calls, and text behind them",
     [user("a"), assistant(text("b"), use("toolu_1", x=1), use("toolu_2", "hear")),
      user(result("toolu_2", "no", is_error=True), result("toolu_1"), text("go on"))],
     [says("user", "a"),
      {"role": "model", "parts": [{"text": "b"}, call("toolu_1", x=1), call("toolu_2", "hear")]},
      {"role": "user", "parts": [response("toolu_1", output="fine"), response("toolu_2", "hear", error="no")]},
      says("user", "go on")]),
    ("text before the results, and results in two messages",
     [user("a"), assistant(use("toolu_1"), use("toolu_2")), user(text("so"), result("toolu_1")),
      user(result("toolu_2")), user("and")],
     [says("user", "a"), {"role": "model", "parts": [call("toolu_1"), call("toolu_2")]},
      {"role": "user", "parts": [response("toolu_1", output="fine"), response("toolu_2", output="fine")]},
      says("user", "so", "and")]),
    ("calls in two messages", [user("a"), assistant(use("toolu_1")), assistant(use("toolu_2")),
                               user(result("toolu_1"), result("toolu_2"))],
     [says("user", "a"), {"role": "model", "parts": [call("toolu_1"), call("toolu_2")]},
      {"role": "user", "parts": [response("toolu_1", output="fine"), response("toolu_2", output="fine")]}]),
    ("an id that is used again", [user("a"), assistant(use()), user(result()), assistant(use()), user(result())],
     [says("user", "a"), *[{"role": "model", "parts": [call("toolu_1")]},
                           {"role": "user", "parts": [response("toolu_1", output="fine")]}] * 2]),
    ("a call without a name, which no client can have run",
     [user("a"), assistant(use(name="")), user(result(), text("b"))],
     [says("user", "a", "b")]),
    ("an answer that was interrupted", [user("a"), assistant("All done,"), user("[Request interrupted by user]\n")],
     [says("user", "a"), says("model", "All done,"), says("user", "[Request interrupted by user]\n")]),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "made"), [row[1:] for row in DIALOGUES], ids=[row[0] for row in DIALOGUES])
def test_a_dialogue(messages: list[Block], made: list[Block]) -> None:
    assert contents(*messages) == made
    assert complaint(sent(parse(messages=messages))) is None


RESULTS: list[tuple[Any, dict[str, Any], Block]] = [
    ("fine", {}, {"output": "fine"}), (None, {}, {"output": ""}), ("", {}, {"output": ""}), ([], {}, {"output": ""}),
    ([text("a"), text("b")], {}, {"output": "a\nb"}), ('{"a":  1}', {}, {"output": '{"a":  1}'}),
    ("no", {"is_error": True}, {"error": "no"}), (None, {"is_error": True}, {"error": ""}),
    ("yes", {"is_error": False, "cache_control": {"type": "ephemeral"}}, {"output": "yes"}),
    ([{"type": "tool_reference", "tool_name": "A"}, {"type": "tool_reference", "tool_name": "B"}], {},
     {"output": "Tool A is now available.\nTool B is now available."}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "more", "made"), RESULTS)
def test_a_result(content: Any, more: dict[str, Any], made: Block) -> None:
    messages = [user("a"), assistant(use()), user(result(content=content, **more))]
    assert contents(*messages)[-1]["parts"] == [response("toolu_1", **made)]
    for model in ("gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-6"):
        assert complaint(sent(parse(model=model, messages=messages))) is None


def test_files_in_results_go_where_the_family_takes_them() -> None:
    messages = [user("a"), assistant(use()), user(result(content=[text("see"), image(), document()]))]
    files = [{"inlineData": {"mimeType": mime, "data": data}}
             for mime, data in (("image/png", PIXEL), ("application/pdf", PDF))]  # fmt: skip
    assert contents(*messages)[-1]["parts"][0]["functionResponse"]["parts"] == files
    *_, results, behind = contents(*messages, model="gemini-2.5-flash")
    assert results["parts"] == [{"functionResponse": {"name": "look", "response": {"output": "see"}}}]
    assert behind["parts"] == [{"text": "Files of the tool results:"}, *files]


# -- system ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "made"),
    [
        ("be brief", ["be brief"]),
        ([text("be brief"), text(""), text("and kind", cache_control={"type": "ephemeral"})], ["be brief\n\nand kind"]),
        ("", None), ([], None), (None, None), ([text("")], None),
    ],
)  # fmt: skip
def test_system(system: Any, made: list[str] | None) -> None:
    instruction: Any = parse(system=system).google_request.get("systemInstruction")
    assert (instruction and [part["text"] for part in instruction["parts"]]) == made


def test_the_billing_header_is_left_out() -> None:
    """wire-anthropic 7.21: it is new each time, so nothing behind it would ever be cached."""
    turn = parse(system=[text("x-anthropic-billing-header: cc_version=2.1;"), text("be brief")])
    assert turn.google_request["systemInstruction"]["parts"] == [{"text": "be brief"}]
    assert turn.notes == ("system[0]: the billing header left out: it is for another provider",)


def test_a_leading_system_message_joins_the_instruction() -> None:
    turn = parse(system="be brief", messages=[SYSTEM, user("Hi")])
    assert [part["text"] for part in turn.google_request["systemInstruction"]["parts"]] == ["be brief", "be kind"]
    assert turn.google_request["contents"] == [says("user", "Hi")]


def test_the_last_effort_of_a_system_message_counts() -> None:
    efforts = [{**SYSTEM, "output_config": {"effort": word}} for word in ("high", "low")]
    turn = parse(thinking={"type": "adaptive"}, output_config={"effort": "high"}, messages=[user("a"), *efforts])
    assert turn.google_request["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"


# -- refusals --------------------------------------------------------------------------------------------------------

MISSING = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` block must have a "
    "corresponding `tool_result` block in the next message."
)
ORPHAN = (
    "unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` block must have a corresponding "
    "`tool_use` block in the previous message."
)
SPOILT: list[tuple[str, list[Any], str, str]] = [
    ("prefill", [user("a"), assistant("b")], "messages", PREFILL),
    ("prefill alone", [assistant("b")], "messages", PREFILL),
    ("a call at the end", [user("a"), assistant(use())], "messages[1]", MISSING.format("toolu_1")),
    ("a call before nothing", [user("a"), assistant(use()), user("")], "messages[1]", MISSING.format("toolu_1")),
    ("no result", [user("a"), assistant(use()), user("b")], "messages[1]", MISSING.format("toolu_1")),
    ("one of two", [user("a"), assistant(use("toolu_1"), use("toolu_2")), user(result("toolu_1"))], "messages[1]",
     MISSING.format("toolu_2")),
    ("too late", [user("a"), assistant(use()), user("b"), assistant("c"), user(result())], "messages[1]",
     MISSING.format("toolu_1")),
    ("no call", [user(result("toolu_9"))], "messages[0].content[0]", ORPHAN.format("toolu_9")),
    ("no call in the message before", [user("a"), assistant(use()), user(result()), assistant("b"), user(result())],
     "messages[4].content[0]", ORPHAN.format("toolu_1")),
    ("two results", [user("a"), assistant(use()), user(result(), result())], "messages[2].content[1]",
     "each tool_use must have a single result. Found multiple `tool_result` blocks with id: toolu_1"),
    ("a call of the user's", [user(use())], "messages[0].content[0]",
     "`tool_use` blocks can only be in `assistant` messages"),
    ("a result of the model's", [user("a"), assistant(result()), user("b")], "messages[1].content[0]",
     "`tool_result` blocks can only be in `user` messages"),
    ("a role", [{"role": "developer", "content": "a"}], "messages[0].role",
     "Invalid value: 'developer'. Supported values are: 'user', 'assistant', 'system'."),
    ("no role", [{"content": "a"}], "messages[0].role", "Missing required parameter: 'messages[0].role'."),
    ("no content", [{"role": "user"}], "messages[0].content", "Missing required parameter: 'messages[0].content'."),
    ("content of a kind", [{"role": "user", "content": 5}], "messages[0].content",
     "Invalid type for 'messages[0].content': expected a string or an array of content blocks, but got an integer "
     "instead."),
    ("no object", ["a"], "messages[0]",
     "Invalid type for 'messages[0]': expected an object, but got a string instead."),
    ("nothing said", [user("")], "messages", "Invalid 'messages': there is nothing to answer."),
    ("no id", [user("a"), assistant({"type": "tool_use", "name": "f", "input": {}})], "messages[1].content[0].id",
     "Missing required parameter: 'messages[1].content[0].id'."),
    ("an empty id", [user("a"), assistant(use(""))], "messages[1].content[0].id",
     "Invalid 'messages[1].content[0].id': it is empty."),
    ("arguments of a kind", [user("a"), assistant({**use(), "input": "x"})], "messages[1].content[0].input",
     "Invalid type for 'messages[1].content[0].input': expected an object, but got a string instead."),
    ("no tool_use_id", [user("a"), assistant(use()), user({"type": "tool_result"})],
     "messages[2].content[0].tool_use_id", "Missing required parameter: 'messages[2].content[0].tool_use_id'."),
    ("an error of a kind", [user("a"), assistant(use()), user(result(is_error="no"))],
     "messages[2].content[0].is_error",
     "Invalid type for 'messages[2].content[0].is_error': expected a boolean, but got a string instead."),
    ("a signature of a kind", [user("a"), assistant({"type": "thinking", "thinking": "", "signature": 5}), user("b")],
     "messages[1].content[0].signature",
     "Invalid type for 'messages[1].content[0].signature': expected a string, but got an integer instead."),
    ("a thought of a kind", [user("a"), assistant({"type": "thinking", "thinking": 5}), user("b")],
     "messages[1].content[0].thinking",
     "Invalid type for 'messages[1].content[0].thinking': expected a string, but got an integer instead."),
    ("an unknown effort", [user("a"), {**SYSTEM, "output_config": {"effort": "most"}}],
     "messages[1].output_config.effort",
     "Invalid value: 'most'. Supported values are: 'low', 'medium', 'high', 'xhigh', 'max'."),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "param", "message"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_spoilt_dialogue_is_refused_by_name(messages: list[Any], param: str, message: str) -> None:
    fault = refused(messages=messages)
    assert (fault.param, fault.message) == (param, message)


# -- thoughts --------------------------------------------------------------------------------------------------------


def round_of(*blocks: Block, **body: Any) -> list[Block]:
    """The model's parts of a round with these blocks before a call."""
    own = "toolu_5f5f5f5f5f"
    turn = parse(messages=[user("a"), assistant(*blocks, use(own, x=1)), user(result(own))], **body)
    found: list[Any] = list(turn.google_request["contents"][1]["parts"])
    return found


CALL = "call_5f5f5f5f5f"
FUNCTION = {"functionCall": {"name": "look", "args": {"x": 1}, "id": CALL}}
STAND_IN = {**FUNCTION, "thoughtSignature": "skip_thought_signature_validator"}


@pytest.mark.parametrize(
    ("blocks", "made"),
    [
        ([thought("hm", Carried("c2ln", "gemini-3-flash", CALL))], [{**FUNCTION, "thoughtSignature": "c2ln"}]),
        ([thought("", Carried("c2ln", "gemini-3-flash", CALL))], [{**FUNCTION, "thoughtSignature": "c2ln"}]),
        ([thought("hm", Carried("dGg=", "gemini-3-flash")), text("so")],
         [{"text": "hm", "thought": True, "thoughtSignature": "dGg="}, {"text": "so"}, STAND_IN]),
        ([thought("", Carried("dGg=", "gemini-3-flash", None, ("hidden",)))],
         [{"text": "hidden", "thought": True, "thoughtSignature": "dGg="}, STAND_IN]),
        ([thought("hm", Carried("dGg=", "gemini-3-flash"), Carried("c2ln", "gemini-3-flash", CALL))],
         [{"text": "hm", "thought": True, "thoughtSignature": "dGg="}, {**FUNCTION, "thoughtSignature": "c2ln"}]),
        ([thought("hm", Carried("c2ln", "claude", CALL))], [STAND_IN]),
        ([thought("hm", Carried("c2ln", "gemini-3-flash", "call_9f9f9f9f9f"))], [STAND_IN]),
        ([{"type": "thinking", "thinking": "hm", "signature": "RXVvbWU="}], [STAND_IN]),
        ([{"type": "thinking", "thinking": "hm", "signature": ""}], [STAND_IN]),
        ([{"type": "thinking", "thinking": "hm"}], [STAND_IN]),
        ([{"type": "redacted_thinking", "data": "RXVvbWU="}], [STAND_IN]),
    ],
)  # fmt: skip
def test_signatures_return_to_what_they_are_of(blocks: list[Block], made: list[Block]) -> None:
    """wire-anthropic 7.2 to 7.4, 7.25: foreign ones are never sent on, and no thought becomes ordinary text."""
    assert round_of(*blocks) == made


def test_a_redacted_block_holds_them_too() -> None:
    sealed = thought("", Carried("c2ln", "gemini-3-flash", CALL))["signature"]
    assert round_of({"type": "redacted_thinking", "data": sealed}) == [{**FUNCTION, "thoughtSignature": "c2ln"}]


def test_what_was_not_signed_here_is_noted_once() -> None:
    foreign = {"type": "thinking", "thinking": "hm", "signature": "RXVvbWU="}
    turn = parse(messages=[user("a"), assistant(foreign, foreign, text("b")), user("c")])
    assert turn.notes == ("thinking left out: it was not signed here",)


def test_a_remembered_call_needs_no_thinking_block() -> None:
    known = RememberedCall(name="look", args_json="{}", family="gemini-3-flash", signature="c2ln", upstream_id="up1")
    messages = [user("a"), assistant(use("toolu_5f5f5f5f5f")), user(result("toolu_5f5f5f5f5f"))]
    turn = parse({CALL: known}.get, messages=messages)
    made: Any = turn.google_request["contents"][1]["parts"]
    assert made == [{"functionCall": {"name": "look", "args": {}, "id": "up1"}, "thoughtSignature": "c2ln"}]


def test_claudes_thoughts_go_back_to_claude() -> None:
    signature = "RXFRQg=="
    blocks = [thought("hm", Carried(signature, "claude", None, ("hm",))), text("so")]
    made = round_of(*blocks, model="claude-sonnet-4-6", thinking={"type": "adaptive"})
    assert made[0] == {"text": "hm", "thought": True, "thoughtSignature": signature}


# -- a whole round ---------------------------------------------------------------------------------------------------

HM = {"text": "hm", "thought": True}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "g")]


def minted(family: str, kind: Kind, of: str) -> str:
    return Signer().mint(family, kind, of)


OF_CALL = minted("gemini-3-flash", "call", call_binding("f", ()))
OF_THOUGHT = minted("claude", "text", "hm")


@pytest.mark.parametrize("display", ["summarized", "omitted"])
@pytest.mark.parametrize(
    ("model", "given", "kept"),
    [
        ("gemini-3-flash", [HM, {"text": "so"}, made("f", OF_CALL), made("g")],
         [{"text": "so"}, made("f", OF_CALL), made("g")]),
        ("claude-sonnet-4-6", [{**HM, "thoughtSignature": OF_THOUGHT}, {"text": "so"}, made("f"), made("g")],
         [{**HM, "thoughtSignature": OF_THOUGHT}, {"text": "so"}, made("f"), made("g")]),
        ("claude-sonnet-4-6", [{**HM, "thoughtSignature": OF_THOUGHT}, made("f")],
         [{**HM, "thoughtSignature": OF_THOUGHT}, made("f")]),
    ],
)  # fmt: skip
def test_an_answer_comes_back_with_its_signatures(
    model: str, display: str, given: list[Block], kept: list[Block]
) -> None:
    """Without memory: what the client keeps is enough. wire-anthropic 7.2."""
    settings = {"model": model, "tools": TOOLS, "thinking": {"type": "adaptive", "display": display}}
    channel = play(parse(**settings), chunk(*given, finish="STOP"))
    content = surface.answer(channel, SECRET).body["content"]
    results = [result(block["id"]) for block in content if block["type"] == "tool_use"]
    turn = parse(**settings, messages=[*HELLO, {"role": "assistant", "content": content}, user(*results)])
    assert complaint(sent(turn)) is None
    parts: Any = turn.google_request["contents"][1]["parts"]
    for part in parts:
        part.get("functionCall", {}).pop("id", None)
    assert parts == kept
    assert turn.notes == ()
    assert turn.google_request["generationConfig"]["thinkingConfig"]["includeThoughts"]
