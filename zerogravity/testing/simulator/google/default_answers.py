"""What a model would plausibly answer when the prompt names no scenario: tools when they fit, JSON, or some text."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from zerogravity.testing.simulator.google.generate_request import Ask, Declared, get, parts_of
from zerogravity.testing.simulator.google.scenarios import SIGN, Scenario, Step, event, say, stop, think
from zerogravity.testing.simulator.google.synthesise import Synthesiser

QUOTE = 2000  # characters of a tool result that the answer quotes
WANTS_TOOL = re.compile(r"\bweather\b|\btools?\b|\bcreate a file\b|\bwrite a file\b|\bcreate the file\b", re.I)
WANTS_SEARCH = re.compile(r"\bsearch|\bnews\b|\blatest\b|\bthe web\b", re.I)
SCHEMA_WORDS = {"properties", "additionalProperties", "$defs"}
WRITERS = ("write_file", "writefile", "write", "create_file", "create", "apply_patch", "edit", "editor",
           "exec_command", "exec", "shell", "local_shell", "bash", "run_shell_command", "run_command",
           "execute")  # fmt: skip


def natural(ask: Ask) -> Scenario:
    """The answer without a keyword."""
    tools = ask.callable_tools
    if ask.results:
        scenario = _about_results(ask)
    elif tools and (ask.mode == "ANY" or _wants_tool(ask, tools)):
        scenario = Scenario([*_thoughts(ask, "I need a tool for this."), *_calls(ask)], name="natural-tool")
    elif ask.mime:
        scenario = json_answer(ask)
    elif ask.family.kind == "claude":
        scenario = claude_answer(ask, ["The user writes: ", _shorten(ask.prompt, 60)], _texts(ask))
    else:
        thoughts = _thoughts(ask, f"The user writes: {_shorten(ask.prompt, 60)}")
        scenario = Scenario([*thoughts, *say(*_texts(ask), pace=ask.pace), *stop(pace=ask.pace)], name="natural")
    searches = ask.search and (not tools or WANTS_SEARCH.search(ask.prompt))  # agents offer search in every request
    if searches and not ask.results and scenario.name != "natural-tool":
        _ground(ask, scenario)
    return scenario


def call_part(ask: Ask, turn: int, *, signed: bool) -> dict[str, Any]:
    """A functionCall part for the fitting function; ``turn`` makes parallel calls differ."""
    tools = ask.callable_tools or ask.tools
    if tools:
        tool = fitting(ask, tools)
        made = Synthesiser(ask.prompt, ask.folder, turn=turn)
        args = made.arguments(tool.schema, tool.name, tool.description)
        if tool.description.startswith("Run JavaScript") and args.keys() == {"input"}:
            args = {"input": made.javascript()}
        call: dict[str, Any] = {"name": tool.name, "args": args}
    else:
        call = {"name": "get_weather", "args": {"city": ("Rome", "Oslo", "Lima")[turn % 3]}}
    part: dict[str, Any] = {"functionCall": call}
    if ask.internal or ask.family.call_ids:
        # Gemini 3 and v1internal give ids; Claude's have Anthropic's form (C.4)
        form = "toolu_vrtx_01" if ask.family.kind == "claude" else "call_"
        call["id"] = form + secrets.token_hex(8)
    if signed:
        part["thoughtSignature"] = SIGN
    return part


def fitting(ask: Ask, tools: list[Declared]) -> Declared:
    """The function the prompt names, else the one that fits its subject, else the first."""
    prompt = ask.prompt.lower()
    for tool in sorted(tools, key=lambda one: -len(one.name)):
        if _mentions(prompt, tool.name):
            return tool
    for tool in tools:
        if "weather" in prompt and "weather" in tool.name.lower():
            return tool
    if re.search(r"\bfile\b", prompt):
        by_name = {tool.name.lower().split(":")[-1].split(".")[-1]: tool for tool in tools}
        for name in WRITERS:
            if name in by_name:
                return by_name[name]
    return tools[0]


def json_answer(ask: Ask) -> Scenario:
    """JSON (or one enum word) that satisfies the response schema, in several deltas."""
    schema = ask.schema or _told_schema(ask) or {"type": "object", "properties": {"answer": {"type": "string"}}}
    value = Synthesiser(ask.prompt, ask.folder).value(schema, schema)
    text = str(value) if ask.mime == "text/x.enum" else json.dumps(value, ensure_ascii=False)
    third = max(1, len(text) // 3)
    pieces = [text[start : start + third] for start in range(0, len(text), third)]
    return Scenario([*_thoughts(ask, "JSON is wanted."), *say(*pieces, pace=ask.pace), *stop()], name="natural-json")


def claude_answer(ask: Ask, thoughts: list[str], texts: list[str]) -> Scenario:
    """Claude's form through Google's host: empty text first, signature on a thought part, STOP in an empty text."""
    steps = [*claude_thoughts(ask, thoughts), *say(*texts, pace=ask.pace), *stop(None, pace=ask.pace)]
    return Scenario(steps, name="natural-claude")


def claude_thoughts(ask: Ask, thoughts: list[str]) -> list[Step]:
    """An empty text, then the thoughts, and their signature in a part of its own, which holds for these words only."""
    start: list[Step] = [(ask.pace, event({"text": ""}))]
    if not ask.thoughts:
        return start
    words = "".join(thoughts) if ask.family.kind == "claude" else ""
    signed = {"text": "", "thought": True, "thoughtSignature": ask.sign("text", words)}
    return [*start, *think(*thoughts, pace=ask.pace), (ask.pace, event(signed))]


def _told_schema(ask: Ask) -> Mapping[str, Any] | None:
    """A JSON Schema at the first brace of the instructions or of the prompt: a model would follow it."""
    system = get(ask.request, "systemInstruction")
    instructions = [str(part.get("text") or "") for part in parts_of(system)] if isinstance(system, dict) else []
    for text in (*instructions, ask.texts):
        start = text.find("{")
        try:
            value, _ = json.JSONDecoder().raw_decode(text, max(start, 0))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and (SCHEMA_WORDS & value.keys()):
            return value
    return None


def _calls(ask: Ask) -> list[Step]:
    tool = fitting(ask, ask.callable_tools)
    made = Synthesiser(ask.prompt)
    several = len(made.places()) > 1 and "and" in ask.prompt and _has_place(tool)
    parts = [call_part(ask, turn, signed=turn == 0) for turn in range(min(len(made.places()), 5) if several else 1)]
    if ask.family.kind == "claude":
        return [(ask.pace, event(*parts)), *stop(None)]
    return [(ask.pace, event(*parts, finish="STOP"))]


def _has_place(tool: Declared) -> bool:
    properties = tool.schema.get("properties") or {}
    return any(name in properties and properties[name].get("type", "string").lower() == "string"
               for name in ("city", "location", "place"))  # fmt: skip


def _about_results(ask: Ask) -> Scenario:
    texts = ["Done. "]
    for name, response in ask.results:
        texts.append(f"{name} answered: {quote(response)} ")
    texts.append("That is all.")
    return Scenario([*_thoughts(ask, "The results are here."), *say(*texts, pace=ask.pace), *stop(pace=ask.pace)],
                    name="natural-results")  # fmt: skip


def quote(response: Any) -> str:
    """What a tool said, as an answer quotes it."""
    if isinstance(response, dict) and len(response) == 1:
        (value,) = response.values()
        if isinstance(value, str):
            return value[:QUOTE]
    return json.dumps(response, ensure_ascii=False)[:QUOTE]


def _wants_tool(ask: Ask, tools: list[Declared]) -> bool:
    prompt = ask.prompt.lower()
    return bool(WANTS_TOOL.search(prompt)) or any(_mentions(prompt, tool.name) for tool in tools)


def _mentions(prompt: str, name: str) -> bool:
    word = re.escape(name.lower())
    spaced = word.replace("_", "[ _]")
    # short everyday words (read, write, edit …) are no mention of a function of that name
    return len(name) > 5 and re.search(rf"(?<![\w]){spaced}(?![\w])", prompt) is not None


def _thoughts(ask: Ask, text: str) -> list[Step]:
    if ask.family.kind == "claude":
        return claude_thoughts(ask, [text])
    if not ask.thoughts or ask.family.thinking == "none":
        return []
    half = len(text) // 2
    return think(f"**Considering**\n\n{text[:half]}", f"{text[half:]}\n", pace=ask.pace)


def _texts(ask: Ask) -> list[str]:
    about = _shorten(ask.prompt, 120) or "nothing"
    return [
        "You wrote: ",
        f"“{about}”. ",
        "This answer comes from a stand-in, ",
        "so there is no more to it than that, ",
        "but it streams ",
        f"like the real one of {ask.model}.",
    ]


def _shorten(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _ground(ask: Ask, scenario: Scenario) -> None:
    from zerogravity.testing.simulator.google.catalogue import GROUNDED, grounding

    steps = [*_thoughts(ask, "I searched."), *say(GROUNDED[:20], GROUNDED[20:], pace=ask.pace)]
    scenario.steps = [*steps, *stop(SIGN, groundingMetadata=grounding())]
    scenario.name = "natural-search"
