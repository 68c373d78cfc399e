"""What Google says about contents that have the right shape and no sense: turns, parts, calls, signatures.

Each rule yields the message of the 400 it would be. Facts: wire-gemini-and-mapping 2.1, 2.2, 4; C.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from zerogravity.testing.simulator import Object
from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.generate_request import (
    get,
    messages,
    parts_of,
    role_of,
    server_step,
)
from zerogravity.testing.simulator.google.rules.shapes import DATA
from zerogravity.testing.simulator.google.signatures import Kind, Signer, call_binding
from zerogravity.wire.narrow import an_object, members, text

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


def contents_errors(request: Object, family: Family, signer: Signer) -> Iterator[str]:
    """Everything wrong with contents and systemInstruction, the first first."""
    contents = messages(request, "contents")
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified\n"
        return
    for index, content in enumerate(contents):
        if role_of(content) not in ("user", "model", "function"):
            yield BAD_ROLE
        yield from _parts(content, f"contents[{index}]", family)
    if any("text" not in part for part in parts_of(get(request, "systemInstruction"))):
        yield "* GenerateContentRequest.system_instruction: only text parts are supported\n"
    yield from _turns(contents)
    yield from _server_tools(contents, family)
    yield from _signatures(contents, family, signer)


def _parts(content: Object, where: str, family: Family) -> Iterator[str]:
    parts = parts_of(content)
    if not parts:
        yield f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n"
    for index, part in enumerate(parts):
        at = f"GenerateContentRequest.{where}.parts[{index}]"
        data = [name for name in DATA if get(part, name) is not None]
        if not get(part, "thoughtSignature") and (not data or (data == ["text"] and not part.get("text"))):
            yield f"* {at}.data: required oneof field 'data' must have one initialized field\n"
        if (blob := an_object(get(part, "inlineData"))) is not None:
            mime = text(get(blob, "mimeType"))
            if not mime.startswith(BINARY):
                yield f"Unsupported MIME type: {mime}"
        if get(part, "mediaResolution") is not None and not (family.part_resolution and {*data} & {*MEDIA}):
            yield RESOLUTION
        call, answer = an_object(get(part, "functionCall")), an_object(get(part, "functionResponse"))
        if answer is not None and not isinstance(answer.get("response"), dict):
            yield f"* {at}.function_response.response: required field is missing\n"
        if call is not None and not call.get("name"):
            yield f"* {at}.function_call.name: Name cannot be empty.\n"
        if answer is not None and not answer.get("name"):
            yield f"* {at}.function_response.name: Name cannot be empty.\n"


def _turns(contents: list[Object]) -> Iterator[str]:
    """Who may follow whom, and that each call has its answer."""
    if role_of(contents[0]) == "model":
        yield CALL_TURN if calls_of(contents[0]) else FIRST_TURN
    open_calls: list[Object] = []
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


def _pairs(calls: list[Object], answers: list[Object]) -> Iterator[str]:
    if len(calls) != len(answers):
        yield COUNT
        return
    for call, answer in zip(calls, answers, strict=True):
        # An answer without the call's id is taken: google-genai's automatic function calling sends that.
        if call.get("name") != answer.get("name") or answer.get("id", call.get("id")) != call.get("id"):
            yield INVALID


def _server_tools(contents: list[Object], family: Family) -> Iterator[str]:
    """What Google's own tools did comes back from the model's side, each call with its response (2.3)."""
    for content in contents:
        steps = [step for part in parts_of(content) if (step := server_step(part)) is not None]
        called = [step.removeprefix("toolCall ") for step in steps if step.startswith("toolCall ")]
        answered = [step.removeprefix("toolResponse ") for step in steps if step.startswith("toolResponse ")]
        if steps and (not family.mixed_tools or role_of(content) != "model" or sorted(called) != sorted(answered)):
            yield INVALID


def _signatures(contents: list[Object], family: Family, signer: Signer) -> Iterator[str]:
    """Given ones are genuine everywhere; in the current turn the first call of each step has one (4). One of a call is
    only genuine behind the steps of Google's own tools that it was given behind."""
    if not family.signed:  # Claude's are Anthropic's to judge
        return
    current = max((at for at, one in enumerate(contents) if role_of(one) == "user" and not answers_of(one)), default=0)
    for index, content in enumerate(contents):
        alone = False
        bindings = _bindings(content)
        for part, (kind, name) in zip(parts_of(content), bindings, strict=True):
            signature = text(get(part, "thoughtSignature"))
            if signature or (kind == "server" and index > current):
                alone = alone or set(part) <= {"thoughtSignature", "thought_signature", "text"}
                genuine = signer.verify(signature, family.name, kind, name)
                # one in a part of its own is genuine when it is that of a call in the same content
                calls = [name for kind, name in bindings if kind == "call"] if kind is None else []
                if not genuine and not any(signer.verify(signature, family.name, "call", name) for name in calls):
                    yield CORRUPTED
                if role_of(content) == "user":
                    yield INVALID
        first = next((part for part in parts_of(content) if get(part, "functionCall") is not None), None)
        if index > current and first is not None and not get(first, "thoughtSignature") and not alone:
            yield UNSIGNED.format(name=members(get(first, "functionCall")).get("name", ""), position=index)


def _bindings(content: Object) -> list[tuple[Kind | None, str]]:
    """What the signature of each part must have been minted for; kind None: any that has no name."""
    found: list[tuple[Kind | None, str]] = []
    steps: list[str] = []
    for part in parts_of(content):
        if (step := server_step(part)) is not None:
            steps.append(step)
            found.append(("server", step))
        elif (call := get(part, "functionCall")) is not None:
            found.append(("call", call_binding(text(get(call, "name")), steps)))
            steps = []
        else:
            found.append((None, ""))
    return found


def calls_of(content: Object) -> list[Object]:
    return [call for part in parts_of(content) if (call := an_object(get(part, "functionCall"))) is not None]


def answers_of(content: Object) -> list[Object]:
    return [answer for part in parts_of(content) if (answer := an_object(get(part, "functionResponse"))) is not None]
