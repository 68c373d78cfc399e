"""What Anthropic says, through Google, about a request for Claude that Google's own rules let pass.

Each rule yields the message of the 400 it would be. Anthropic counts in messages: neighbouring contents of one role are
one. Facts: wire-anthropic 2.4, 8; language-server-and-google C.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.generate_request import get, listed, parts_of, role_of
from zerogravity.testing.simulator.google.signatures import Signer, is_stand_in

MAX_TOKENS = "max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for this model"
BUDGET = "thinking.budget_tokens: Input should be greater than or equal to 1024"
ABOVE = "`max_tokens` must be greater than `thinking.budget_tokens`."
FORCED = "Thinking may not be enabled when tool_choice forces tool use."
SCHEMA = "tools.{index}.custom.input_schema{member}: Field required"
BLANK = "{where}: text content blocks must contain non-whitespace text"
BLANK_STOP = "stop_sequences: each stop sequence must contain non-whitespace"
LED = (
    "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` "
    "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
    "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this "
    "requirement, disable `thinking`."
)
UNLED = (
    "messages.{index}.content.{at}: When thinking is disabled, an `assistant` message in the final position cannot "
    "contain `thinking`. To use thinking blocks, enable `thinking` in your request."
)
UNSIGNED = "messages.{index}.content.{at}.thinking.signature: Field required"
SIGNATURE = "messages.{index}.content.{at}: Invalid `signature` in `thinking` block"
MISPLACED = "messages.{index}.content.{at}: Extra inputs are not permitted: signature"
LEAST = 1024
Message = tuple[bool, list[dict[str, Any]]]


def claude_trouble(request: Mapping[str, Any], family: Family, signer: Signer) -> Iterator[str]:
    """Everything wrong, the first first."""
    config = get(request, "generationConfig") or {}
    thinking = get(config, "thinkingConfig") or {}
    given = get(thinking, "thinkingBudget")
    budget = None if given is None else int(given)
    yield from _numbers(config, budget, family)
    calling = get(get(request, "toolConfig") or {}, "functionCallingConfig") or {}
    if budget != 0 and str(get(calling, "mode")).upper() in ("ANY", "2"):
        yield FORCED
    yield from _schemas(request)
    messages = [
        (said, [part for content in run for part in parts_of(content)])
        for said, run in groupby(listed(get(request, "contents")), lambda content: role_of(content) == "model")
    ]
    yield from _blanks(request, messages)
    yield from _signatures(messages, family, signer)
    yield from _last_turn(messages, budget)


def _numbers(config: Mapping[str, Any], budget: int | None, family: Family) -> Iterator[str]:
    limit = get(config, "maxOutputTokens")
    if limit is not None and int(limit) > family.most_tokens:
        yield MAX_TOKENS.format(limit=limit, most=family.most_tokens)
    if budget is not None and budget != 0 and budget < LEAST:
        yield BUDGET
    if limit is not None and budget and int(limit) <= budget:
        yield ABOVE
    if any(not str(word).strip() for word in listed(get(config, "stopSequences"))):
        yield BLANK_STOP


def _schemas(request: Mapping[str, Any]) -> Iterator[str]:
    declared = [one for tool in listed(get(request, "tools")) for one in listed(get(tool, "functionDeclarations"))]
    for index, one in enumerate(declared):
        schema = get(one, "parameters") if get(one, "parameters") is not None else get(one, "parametersJsonSchema")
        if schema is None:
            yield SCHEMA.format(index=index, member="")
        elif not isinstance(schema, dict) or not schema.get("type"):
            yield SCHEMA.format(index=index, member=".type")


def _blanks(request: Mapping[str, Any], messages: list[Message]) -> Iterator[str]:
    for part in parts_of(get(request, "systemInstruction") or {}):
        if not str(part.get("text")).strip():
            yield BLANK.format(where="system")
    for index, (_, parts) in enumerate(messages):
        for part in parts:
            text, answer = part.get("text"), get(part, "functionResponse") or {}
            response = answer.get("response")
            results = list(response.values()) if isinstance(response, dict) and len(response) == 1 else []
            said = [text] if text is not None and not part.get("thought") else []
            if any(isinstance(one, str) and not one.strip() for one in (*said, *results)):
                yield BLANK.format(where=f"messages.{index}")


def _signatures(messages: list[Message], family: Family, signer: Signer) -> Iterator[str]:
    """Thoughts come back signed and word for word; nothing else is signed."""
    for index, (_, parts) in enumerate(messages):
        for at, part in enumerate(parts):
            signature = get(part, "thoughtSignature")
            if not part.get("thought"):
                if signature:
                    yield MISPLACED.format(index=index, at=at)
            elif not signature:
                yield UNSIGNED.format(index=index, at=at)
            elif is_stand_in(signature) or not signer.verify(signature, family.name, "text", part.get("text") or ""):
                yield SIGNATURE.format(index=index, at=at)


def _last_turn(messages: list[Message], budget: int | None) -> Iterator[str]:
    """Each step of the turn that goes on begins with its thoughts; without thinking the last one holds none."""
    for index, (said, parts) in reversed(list(enumerate(messages))):
        if not said and not any(get(part, "functionResponse") for part in parts):
            break
        if said and budget != 0 and not (parts and parts[0].get("thought")):
            yield LED.format(index=index, found="text" if parts and "text" in parts[0] else "tool_use")
    last = max((index for index, (said, _) in enumerate(messages) if said), default=None)
    for at, part in enumerate(messages[last][1] if last is not None else ()):
        if budget == 0 and part.get("thought"):
            yield UNLED.format(index=last, at=at)
