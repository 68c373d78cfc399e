"""A request in Google's shape → one that Anthropic's API takes, since Google hands Claude's requests on to it. Pure.

Every function gets a schema, and blank texts and stop sequences go. The model's calls stand behind the signed thoughts
that led to them; other thoughts and signatures go. Where ``_obstacles`` finds one, thinking is off, with a note.

This turn is all behind the last user message that holds no results; neighbouring contents of one role are one message
there. A step that the model took without thoughts counts as one that has lost them: that is always legal, and whoever
goes on without thinking has no thoughts to send back. What also depends on the language server's own settings is seen
to where both are merged (``capture/generation_config.py``): thoughts go out of a request that does not think, and the
budget stays below the limit. Facts: wire-anthropic 2.4, 8; language-server-and-google C.3, C.4.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, cast

from zerogravity.core.family import STAND_IN, THINKING_OFF, Family, rules
from zerogravity.core.google import GenerateContentRequest, as_request
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Target
from zerogravity.surfaces.common.functions import calling_mode
from zerogravity.surfaces.common.media import usual_alphabet
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
Recall = Callable[[str], RememberedCall | None]
NO_ARGUMENTS: Json = {"type": "object", "properties": {}}
NOTHING_SAID, NO_OUTPUT = "(blank)", "(no output)"
SCHEMAS = ("parameters", "parametersJsonSchema")
ENVELOPE = 0x12  # the first byte of Gemini's signatures; Claude's are base64 of base64 here


def for_model(generate: Json, target: Target, recall: Recall) -> tuple[GenerateContentRequest, tuple[str, ...]]:
    """``generate`` as that model takes it, and notes. Other families' requests stay as they are."""
    family = rules(target.family)
    made = dict(generate)
    if not family.anthropic:
        return as_request(made), ()
    blanks: list[str] = []
    made["contents"] = _contents(made["contents"], target.family, recall, blanks)
    _system(made, blanks)
    if "tools" in made:
        made["tools"] = [_tool(tool) for tool in made["tools"]]
    if (config := narrow.an_object(made.get("generationConfig"))) is not None:
        made["generationConfig"] = _stops(config, blanks)
    notes = [f"blank {what} left out: this model takes none" for what in dict.fromkeys(blanks)]
    return as_request(made), (*notes, *_thinking(made, family))


# -- thinking ------------------------------------------------------------------------------------------------


def _thinking(made: dict[str, Any], family: Family) -> list[str]:
    """Switch thinking off where it would be illegal; says why."""
    config: Json = made.get("generationConfig") or {}
    thinking: Json = config.get("thinkingConfig") or {}
    why = next(_obstacles(made, config, family), None)
    if why is None or narrow.whole(thinking.get("thinkingBudget")) == 0:
        return []
    made["generationConfig"] = {**config, "thinkingConfig": dict(THINKING_OFF)}
    return [f"thinking switched off for this request: {why}"]


def _obstacles(made: Json, config: Json, family: Family) -> Iterator[str]:
    if calling_mode(made) == "ANY":
        yield "this model cannot be forced to call a function and think"
    limit, least = narrow.whole(config.get("maxOutputTokens")), family.budget[0]
    if limit is not None and limit <= least:
        yield f"a limit of {limit} tokens leaves no room for it, at least {least + 1} would"
    if _lost(made["contents"]):
        yield "the thoughts before a function call are gone, and this model wants them back"


def _lost(contents: Sequence[Json]) -> bool:
    """Whether a step of this turn does not begin with a thought."""
    runs = [
        (by_model, [part for content in run for part in content["parts"]])
        for by_model, run in groupby(contents, lambda content: content.get("role") == "model")
    ]
    for by_model, parts in reversed(runs):
        if by_model and not parts[0].get("thought"):
            return True
        if not by_model and not any("functionResponse" in part for part in parts):
            return False
    return False


# -- contents ------------------------------------------------------------------------------------------------


def _contents(contents: Sequence[Json], family: str, recall: Recall, blanks: list[str]) -> list[Part]:
    made: list[Part] = []
    for content in contents:
        parts = [dict(part) for part in content["parts"] if not _blank(part)]
        if len(parts) < len(content["parts"]):
            blanks.append("text")
        if content.get("role") == "model":
            parts = _model_parts(parts, family, recall)
        else:
            parts = [_user_part(part) for part in parts] or [{"text": NOTHING_SAID}]
        if parts:
            made.append({**content, "parts": parts})
    return made or [{"role": "user", "parts": [{"text": NOTHING_SAID}]}]


def _model_parts(parts: Sequence[Part], family: str, recall: Recall) -> list[Part]:
    """What the model said, with the thoughts that led to its calls before everything else."""
    kept = [part for part in parts if not part.get("thought") or _genuine(part.get("thoughtSignature"))]
    kept = [part if part.get("thought") else _unsigned(part) for part in kept]
    calls = narrow.objects([part.get("functionCall") for part in parts])
    if not calls:
        return kept
    plain = [part for part in kept if not part.get("thought")]
    known = [found for call in calls if (found := _recalled(call, recall)) is not None]
    if any(call.family != family for call in known):
        return plain
    if led := next((call.thoughts for call in known if call.thoughts), ()):
        return [*(_thought(text, signature) for text, signature in led), *plain]
    if kept[0].get("thought"):
        return kept
    if len(plain) == len(kept) and (signature := _of_call(parts, known)) is not None:
        return [_thought("", signature), *plain]
    return [*(part for part in kept if part.get("thought")), *plain]


def _recalled(call: Json, recall: Recall) -> RememberedCall | None:
    """The call as it was made, by the id that stands in contents."""
    identity = call.get("id")
    found = recall(identity) if isinstance(identity, str) and identity else None
    return found if found is not None and found.name == call.get("name") else None


def _of_call(parts: Sequence[Part], known: Sequence[RememberedCall]) -> str | None:
    """A signature that a call holds: that of a thought without text, for which there is no other place."""
    held = [call.signature for call in known] + [part.get("thoughtSignature") for part in parts]
    return next((signature for signature in held if _genuine(signature)), None)


def _thought(text: str, signature: object) -> Part:
    return {"text": text, "thought": True, "thoughtSignature": signature}


def _unsigned(part: Json) -> Part:
    return {name: value for name, value in part.items() if name != "thoughtSignature"}


def _genuine(signature: object) -> bool:
    """Whether a signature may be Claude's: no stand-in, and not in Gemini's envelope."""
    if not isinstance(signature, str) or not signature or signature == STAND_IN:
        return False
    try:
        data = base64.b64decode(usual_alphabet(signature) + "=" * (-len(signature) % 4))
    except (binascii.Error, ValueError):
        return False
    return data[:1] != bytes((ENVELOPE,)) and data != STAND_IN.encode()


def _user_part(part: Part) -> Part:
    """A part of the user's; a result that says nothing says so."""
    response = narrow.members(part.get("functionResponse"))
    match list(narrow.members(response.get("response")).items()):
        case [(name, str(value))] if not value.strip():
            return {**part, "functionResponse": {**response, "response": {name: NO_OUTPUT}}}
        case _:
            return part


def _blank(part: Json) -> bool:
    text = part.get("text")
    return isinstance(text, str) and not text.strip() and not part.get("thought")


# -- the rest ------------------------------------------------------------------------------------------------


def _system(made: dict[str, Any], blanks: list[str]) -> None:
    if (system := narrow.an_object(made.get("systemInstruction"))) is None:
        return
    given = narrow.objects(system.get("parts"))
    parts = [part for part in given if not _blank(part)]
    if len(parts) < len(given):
        blanks.append("text")
    if parts:
        made["systemInstruction"] = {**system, "parts": parts}
    else:
        del made["systemInstruction"]


def _stops(config: Json, blanks: list[str]) -> dict[str, Any]:
    given = config.get("stopSequences")
    if not isinstance(given, list):
        return dict(config)
    words = cast("list[Any]", given)
    seen = [word for word in words if not (isinstance(word, str) and not word.strip())]
    if len(seen) < len(words):
        blanks.append("stop sequences")
    rest = {name: value for name, value in config.items() if name != "stopSequences"}
    return {**rest, "stopSequences": seen} if seen else rest


def _tool(tool: Json) -> Json:
    if "functionDeclarations" not in tool:
        return tool
    return {**tool, "functionDeclarations": [_function(one) for one in narrow.objects(tool["functionDeclarations"])]}


def _function(declared: Json) -> Json:
    """With a schema in one of both forms, and in either an object's."""
    rest = {name: value for name, value in declared.items() if name not in SCHEMAS}
    for name in SCHEMAS:
        given = declared.get(name)
        if isinstance(given, dict) and given:
            return {**rest, name: {**NO_ARGUMENTS, **given}}
    return {**rest, "parameters": dict(NO_ARGUMENTS)}
