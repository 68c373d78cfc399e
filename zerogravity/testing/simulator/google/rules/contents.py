"""What Google says about contents that have the right shape and no sense: turns, parts, calls, signatures.

Each rule yields the message of the 400 it would be. Facts: wire-gemini-and-mapping 2.1, 2.2, 4; C.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.generate_request import get, listed, parts_of, role_of, server_step
from zerogravity.testing.simulator.google.rules.shapes import DATA
from zerogravity.testing.simulator.google.signatures import Kind, Signer, behind

INVALID = "Request contains an invalid argument."
BAD_ROLE = "Please use a valid role: user, model."
LAST_TURN = "Please ensure that multiturn requests ends with a user role or a function response."
FIRST_TURN = "Please ensure that multiturn requests begin with a user role."
CALL_TURN = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
)
RESPONSE_TURN = "Please ensure that function response turn comes immediately after a function call turn."
COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
UNSIGNED = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
    "and missing thought_signature may lead to degraded model performance. Additional data, function call "
    "`default_api:{name}`, position {position}. Please refer to "
    "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
)
RESOLUTION = "Media resolution is not supported for this part or this model."
MEDIA = ("inlineData", "fileData")
CORRUPTED = "Corrupted thought signature."
BINARY = ("image/", "audio/", "video/", "text/", "application/pdf", "application/json")


def contents_trouble(request: Mapping[str, Any], family: Family, signer: Signer) -> Iterator[str]:
    """Everything wrong with contents and systemInstruction, the first first."""
    contents = listed(get(request, "contents"))
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified\n"
        return
    for index, content in enumerate(contents):
        if role_of(content) not in ("user", "model", "function"):
            yield BAD_ROLE
        yield from _parts(content, f"contents[{index}]", family)
    system = get(request, "systemInstruction")
    if system is not None and any("text" not in part for part in parts_of(system)):
        yield "* GenerateContentRequest.system_instruction: only text parts are supported\n"
    yield from _turns(contents)
    yield from _server_tools(contents, family)
    yield from _signatures(contents, family, signer)


def _parts(content: Mapping[str, Any], where: str, family: Family) -> Iterator[str]:
    parts = parts_of(content)
    if not parts:
        yield f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n"
    for index, part in enumerate(parts):
        signed = get(part, "thoughtSignature")
        data = [name for name in DATA if get(part, name) is not None]
        if not signed and (not data or (data == ["text"] and not part.get("text"))):
            at = f"GenerateContentRequest.{where}.parts[{index}].data"
            yield f"* {at}: required oneof field 'data' must have one initialized field\n"
        blob = get(part, "inlineData")
        if blob is not None:
            mime = get(blob, "mimeType") or ""
            if not mime.startswith(BINARY):
                yield f"Unsupported MIME type: {mime}"
        if get(part, "mediaResolution") is not None and not (family.part_resolution and {*data} & {*MEDIA}):
            yield RESOLUTION
        answer = get(part, "functionResponse")
        if answer is not None and not isinstance(answer.get("response"), dict):
            at = f"GenerateContentRequest.{where}.parts[{index}].function_response.response"
            yield f"* {at}: required field is missing\n"
        call = get(part, "functionCall") or answer
        if call is not None and not call.get("name"):
            at = f"GenerateContentRequest.{where}.parts[{index}]"
            yield f"* {at}.{'function_call' if answer is None else 'function_response'}.name: Name cannot be empty.\n"


def _turns(contents: list[dict[str, Any]]) -> Iterator[str]:
    """Who may follow whom, and that each call has its answer."""
    if role_of(contents[0]) == "model":
        yield CALL_TURN if calls_of(contents[0]) else FIRST_TURN
    open_calls: list[dict[str, Any]] = []
    previous = "user"
    for content in contents:
        calls, answers, role = calls_of(content), answers_of(content), role_of(content)
        if answers:
            if not open_calls:
                yield RESPONSE_TURN
            else:
                yield from _pairs(open_calls, answers)
        elif open_calls:
            yield COUNT
        if calls and previous != "user":
            yield CALL_TURN
        if calls and role != "model":
            yield BAD_ROLE
        open_calls, previous = calls, "user" if answers else role
    if open_calls or (role_of(contents[-1]) == "model" and not answers_of(contents[-1])):
        yield LAST_TURN


def _pairs(calls: list[dict[str, Any]], answers: list[dict[str, Any]]) -> Iterator[str]:
    if len(calls) != len(answers):
        yield COUNT
        return
    for call, answer in zip(calls, answers, strict=True):
        # An answer without the call's id is taken: google-genai's automatic function calling sends that.
        if call.get("name") != answer.get("name") or answer.get("id", call.get("id")) != call.get("id"):
            yield INVALID


def _server_tools(contents: list[dict[str, Any]], family: Family) -> Iterator[str]:
    """What Google's own tools did comes back from the model's side, each call with its response (2.3)."""
    for content in contents:
        steps = [step for part in parts_of(content) if (step := server_step(part)) is not None]
        called = [step.removeprefix("toolCall ") for step in steps if step.startswith("toolCall ")]
        answered = [step.removeprefix("toolResponse ") for step in steps if step.startswith("toolResponse ")]
        if steps and (not family.mixed_tools or role_of(content) != "model" or sorted(called) != sorted(answered)):
            yield INVALID


def _signatures(contents: list[dict[str, Any]], family: Family, signer: Signer) -> Iterator[str]:
    """Given ones are genuine everywhere; in the current turn the first call of each step has one (4). One of a call is
    only genuine behind the steps of Google's own tools that it was given behind."""
    if not family.signed:  # Claude's are Anthropic's to judge
        return
    current = max((at for at, one in enumerate(contents) if role_of(one) == "user" and not answers_of(one)), default=0)
    for index, content in enumerate(contents):
        lone = False
        minted = _minted_for(content)
        for part, (kind, name) in zip(parts_of(content), minted, strict=True):
            signature = get(part, "thoughtSignature")
            if signature or (kind == "server" and index > current):
                lone = lone or set(part) <= {"thoughtSignature", "thought_signature", "text"}
                fits = signer.verify(signature or "", family.name, kind, name)
                # one in a part of its own is genuine when it is that of a call beside it
                calls = [name for kind, name in minted if kind == "call"] if kind is None else []
                if not fits and not any(signer.verify(signature, family.name, "call", name) for name in calls):
                    yield CORRUPTED
                if role_of(content) == "user":
                    yield INVALID
        calls = [part for part in parts_of(content) if get(part, "functionCall") is not None]
        if index > current and calls and not get(calls[0], "thoughtSignature") and not lone:
            name = get(calls[0], "functionCall").get("name", "")
            yield UNSIGNED.format(name=name, position=index)


def _minted_for(content: Mapping[str, Any]) -> list[tuple[Kind | None, str]]:
    """What the signature of each part must have been minted for; kind None: any that has no name."""
    found: list[tuple[Kind | None, str]] = []
    ran: list[str] = []
    for part in parts_of(content):
        if (step := server_step(part)) is not None:
            ran.append(step)
            found.append(("server", step))
        elif (call := get(part, "functionCall")) is not None:
            found.append(("call", behind(call.get("name", ""), ran)))
            ran = []
        else:
            found.append((None, ""))
    return found


def calls_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [call for part in parts_of(content) if (call := get(part, "functionCall")) is not None]


def answers_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [answer for part in parts_of(content) if (answer := get(part, "functionResponse")) is not None]
