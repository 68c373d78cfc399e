"""What Anthropic says, through Google, about a request for Claude that Google's own rules let pass.

Each rule yields the message of the 400 it would be. Anthropic counts in messages: neighbouring contents of one role are
one. Facts: wire-anthropic 2.4, 8; language-server-and-google C.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from zerogravity.testing.simulator import Object
from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.generate_request import (
    declarations,
    get,
    listed,
    messages,
    parts_of,
    role_of,
)
from zerogravity.testing.simulator.google.signatures import Signer, is_stand_in
from zerogravity.wire.narrow import an_object, text, whole

MAX_TOKENS = "max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for this model"
BUDGET = "thinking.budget_tokens: Input should be greater than or equal to 1024"
ABOVE = "`max_tokens` must be greater than `thinking.budget_tokens`."
FORCED = "Thinking may not be enabled when tool_choice forces tool use."
SCHEMA = "tools.{index}.custom.input_schema{member}: Field required"
BLANK = "{where}: text content blocks must contain non-whitespace text"
BLANK_STOP = "stop_sequences: each stop sequence must contain non-whitespace"
NO_THINKING_FIRST = (
    "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When `thinking` "
    "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
    "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid this "
    "requirement, disable `thinking`."
)
THINKING_WHILE_OFF = (
    "messages.{index}.content.{at}: When thinking is disabled, an `assistant` message in the final position cannot "
    "contain `thinking`. To use thinking blocks, enable `thinking` in your request."
)
UNSIGNED = "messages.{index}.content.{at}.thinking.signature: Field required"
SIGNATURE = "messages.{index}.content.{at}: Invalid `signature` in `thinking` block"
MISPLACED = "messages.{index}.content.{at}: Extra inputs are not permitted: signature"
LEAST = 1024
Message = tuple[bool, list[Object]]  # whether it is the assistant's; its parts


def claude_errors(request: Object, family: Family, signer: Signer) -> Iterator[str]:
    """Everything wrong, the first first."""
    budget = whole(get(request, "generationConfig", "thinkingConfig", "thinkingBudget"))
    yield from _numbers(get(request, "generationConfig"), budget, family)
    mode = get(request, "toolConfig", "functionCallingConfig", "mode")
    if budget != 0 and str(mode).upper() in ("ANY", "2"):
        yield FORCED
    yield from _schemas(request)
    conversation = [
        (assistant, [part for content in run for part in parts_of(content)])
        for assistant, run in groupby(messages(request, "contents"), lambda content: role_of(content) == "model")
    ]
    yield from _blanks(request, conversation)
    yield from _signatures(conversation, family, signer)
    yield from _last_turn(conversation, budget)


def _numbers(config: object, budget: int | None, family: Family) -> Iterator[str]:
    limit = whole(get(config, "maxOutputTokens"))
    if limit is not None and limit > family.most_tokens:
        yield MAX_TOKENS.format(limit=limit, most=family.most_tokens)
    if budget is not None and budget != 0 and budget < LEAST:
        yield BUDGET
    if limit is not None and budget and limit <= budget:
        yield ABOVE
    if any(not str(word).strip() for word in listed(get(config, "stopSequences"))):
        yield BLANK_STOP


def _schemas(request: Object) -> Iterator[str]:
    for index, one in enumerate(declarations(request)):
        schema = get(one, "parameters") if get(one, "parameters") is not None else get(one, "parametersJsonSchema")
        if schema is None:
            yield SCHEMA.format(index=index, member="")
        elif not (an_object(schema) or {}).get("type"):
            yield SCHEMA.format(index=index, member=".type")


def _blanks(request: Object, conversation: list[Message]) -> Iterator[str]:
    for part in parts_of(get(request, "systemInstruction")):
        if not str(part.get("text")).strip():
            yield BLANK.format(where="system")
    for index, (_, parts) in enumerate(conversation):
        for part in parts:
            result = an_object(get(part, "functionResponse", "response")) or {}
            blocks = [*result.values()] if len(result) == 1 else []
            if not part.get("thought"):
                blocks.append(part.get("text"))
            if any(isinstance(one, str) and not one.strip() for one in blocks):
                yield BLANK.format(where=f"messages.{index}")


def _signatures(conversation: list[Message], family: Family, signer: Signer) -> Iterator[str]:
    """Thoughts come back signed and word for word; nothing else is signed."""
    for index, (_, parts) in enumerate(conversation):
        for at, part in enumerate(parts):
            signature = text(get(part, "thoughtSignature"))
            if not part.get("thought"):
                if signature:
                    yield MISPLACED.format(index=index, at=at)
            elif not signature:
                yield UNSIGNED.format(index=index, at=at)
            elif is_stand_in(signature) or not signer.verify(signature, family.name, "text", text(part.get("text"))):
                yield SIGNATURE.format(index=index, at=at)


def _last_turn(conversation: list[Message], budget: int | None) -> Iterator[str]:
    """Each step of the turn that goes on begins with its thoughts; without thinking the last one holds none."""
    for index, (assistant, parts) in reversed(list(enumerate(conversation))):
        if not assistant and not any(get(part, "functionResponse") for part in parts):
            break
        if assistant and budget != 0 and not (parts and parts[0].get("thought")):
            found = "text" if parts and "text" in parts[0] else "tool_use"
            yield NO_THINKING_FIRST.format(index=index, found=found)
    last = max((index for index, (assistant, _) in enumerate(conversation) if assistant), default=None)
    for at, part in enumerate(conversation[last][1] if last is not None else ()):
        if budget == 0 and part.get("thought"):
            yield THINKING_WHILE_OFF.format(index=last, at=at)
