"""What a model would plausibly answer when the prompt names no scenario: tools when they fit, JSON, or some text."""

from __future__ import annotations

import json
import re
import secrets

from zerogravity.testing.simulator import Json
from zerogravity.testing.simulator.google.generate_request import Declared, GenerateRequest, get, parts_of
from zerogravity.testing.simulator.google.scenarios import SIGN, Scenario, Step, event, say, stop, think
from zerogravity.testing.simulator.google.synthesise import Synthesiser
from zerogravity.wire.narrow import an_object, lookup, members, text

ANY_ANSWER: Json = {"type": "object", "properties": {"answer": {"type": "string"}}}
QUOTE = 2000  # characters of a tool result that the answer quotes
WANTS_TOOL = re.compile(r"\bweather\b|\btools?\b|\bcreate a file\b|\bwrite a file\b|\bcreate the file\b", re.I)
WANTS_SEARCH = re.compile(r"\bsearch|\bnews\b|\blatest\b|\bthe web\b", re.I)
SCHEMA_WORDS = {"properties", "additionalProperties", "$defs"}
WRITERS = ("write_file", "writefile", "write", "create_file", "create", "apply_patch", "edit", "editor",
           "exec_command", "exec", "shell", "local_shell", "bash", "run_shell_command", "run_command",
           "execute")  # fmt: skip
GROUNDED = "Zürich is the largest city of Switzerland. Its café culture is old."
REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect"


def default_answer(request: GenerateRequest) -> Scenario:
    """The answer without a keyword."""
    tools = request.callable_tools
    if request.results:
        scenario = _about_results(request)
    elif tools and (request.mode == "ANY" or (request.step == 0 and _wants_tool(request, tools))):
        scenario = Scenario([*_thoughts(request, "I need a tool for this."), *_calls(request)], name="natural-tool")
    elif request.mime:
        scenario = json_answer(request)
    elif request.family.kind == "claude":
        scenario = claude_answer(request, ["The user writes: ", _shorten(request.prompt, 60)], _texts(request))
    else:
        thoughts = _thoughts(request, f"The user writes: {_shorten(request.prompt, 60)}")
        steps = [*thoughts, *say(*_texts(request), pace=request.pace), *stop(pace=request.pace)]
        scenario = Scenario(steps, name="natural")
    # agents offer search in every request
    searches = request.search and (not tools or WANTS_SEARCH.search(request.prompt))
    if searches and not request.results and scenario.name != "natural-tool":
        _ground(request, scenario)
    return scenario


def call_part(request: GenerateRequest, turn: int, *, signed: bool) -> Json:
    """A functionCall part for the fitting function; ``turn`` makes parallel calls differ."""
    tools = request.callable_tools or request.tools
    if tools:
        tool = fitting(request, tools)
        made = Synthesiser(request.prompt, request.folder, turn=turn)
        args = made.arguments(tool.schema, tool.name, tool.description)
        if tool.description.startswith("Run JavaScript") and args.keys() == {"input"}:
            args = {"input": made.javascript()}
        call: Json = {"name": tool.name, "args": args}
    else:
        call = {"name": "get_weather", "args": {"city": ("Rome", "Oslo", "Lima")[turn % 3]}}
    part: Json = {"functionCall": call}
    if request.internal or request.family.call_ids:
        # Gemini 3 and v1internal give ids; Claude's have Anthropic's form (C.4)
        form = "toolu_vrtx_01" if request.family.kind == "claude" else "call_"
        call["id"] = form + secrets.token_hex(8)
    if signed:
        part["thoughtSignature"] = SIGN
    return part


def fitting(request: GenerateRequest, tools: list[Declared]) -> Declared:
    """The function the prompt names, else the one that fits its subject, else the first."""
    prompt = request.prompt.lower()
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


def json_answer(request: GenerateRequest) -> Scenario:
    """JSON (or one enum word) that satisfies the response schema, in several deltas."""
    schema = request.schema or _described_schema(request) or ANY_ANSWER
    value = Synthesiser(request.prompt, request.folder).value(schema, schema)
    text = str(value) if request.mime == "text/x.enum" else json.dumps(value, ensure_ascii=False)
    third = max(1, len(text) // 3)
    pieces = [text[start : start + third] for start in range(0, len(text), third)]
    return Scenario(
        [*_thoughts(request, "JSON is wanted."), *say(*pieces, pace=request.pace), *stop()], name="natural-json"
    )


def claude_answer(request: GenerateRequest, thoughts: list[str], texts: list[str]) -> Scenario:
    """Claude's form through Google's host: empty text first, signature on a thought part, STOP in an empty text."""
    steps = [*claude_thoughts(request, thoughts), *say(*texts, pace=request.pace), *stop(None, pace=request.pace)]
    return Scenario(steps, name="natural-claude")


def claude_thoughts(request: GenerateRequest, thoughts: list[str]) -> list[Step]:
    """An empty text, then the thoughts, and their signature in a part of its own, which holds for these words only."""
    start: list[Step] = [(request.pace, event({"text": ""}))]
    if not request.thoughts:
        return start
    words = "".join(thoughts) if request.family.kind == "claude" else ""
    signed = {"text": "", "thought": True, "thoughtSignature": request.sign("text", words)}
    return [*start, *think(*thoughts, pace=request.pace), (request.pace, event(signed))]


def _described_schema(request: GenerateRequest) -> dict[str, object] | None:
    """A JSON Schema at the first brace of the instructions or of the prompt: a model would follow it."""
    instructions = [text(part.get("text")) for part in parts_of(get(request.json, "systemInstruction"))]
    for words in (*instructions, request.texts):
        try:
            value, _ = json.JSONDecoder().raw_decode(words, max(words.find("{"), 0))
        except (ValueError, RecursionError):
            continue
        if SCHEMA_WORDS & members(value).keys():
            return members(value)
    return None


def _calls(request: GenerateRequest) -> list[Step]:
    tool = fitting(request, request.callable_tools)
    made = Synthesiser(request.prompt)
    several = len(made.places()) > 1 and "and" in request.prompt and _has_place(tool)
    parts = [call_part(request, turn, signed=turn == 0) for turn in range(min(len(made.places()), 5) if several else 1)]
    if request.family.kind == "claude":
        return [(request.pace, event(*parts)), *stop(None)]
    return [(request.pace, event(*parts, finish="STOP"))]


def _has_place(tool: Declared) -> bool:
    return any(
        (schema := an_object(lookup(tool.schema, "properties", name))) is not None
        and str(schema.get("type", "string")).lower() == "string"
        for name in ("city", "location", "place")
    )


def _about_results(request: GenerateRequest) -> Scenario:
    results = [f"{name} answered: {_quote(response)} " for name, response in request.results]
    texts = say("Done. ", *results, "That is all.", pace=request.pace)
    steps = [*_thoughts(request, "The results are here."), *texts, *stop(pace=request.pace)]
    return Scenario(steps, name="natural-results")


def _quote(response: object) -> str:
    """A tool's result, as an answer quotes it."""
    match [*members(response).values()]:
        case [str(only)]:
            return only[:QUOTE]
        case _:
            return json.dumps(response, ensure_ascii=False)[:QUOTE]


def _wants_tool(request: GenerateRequest, tools: list[Declared]) -> bool:
    prompt = request.prompt.lower()
    return bool(WANTS_TOOL.search(prompt)) or any(_mentions(prompt, tool.name) for tool in tools)


def _mentions(prompt: str, name: str) -> bool:
    word = re.escape(name.lower())
    spaced = word.replace("_", "[ _]")
    # short everyday words (read, write, edit …) are no mention of a function of that name
    return len(name) > 5 and re.search(rf"(?<![\w]){spaced}(?![\w])", prompt) is not None


def _thoughts(request: GenerateRequest, text: str) -> list[Step]:
    if request.family.kind == "claude":
        return claude_thoughts(request, [text])
    if not request.thoughts or request.family.thinking == "none":
        return []
    half = len(text) // 2
    return think(f"**Considering**\n\n{text[:half]}", f"{text[half:]}\n", pace=request.pace)


def _texts(request: GenerateRequest) -> list[str]:
    about = _shorten(request.prompt, 120) or "nothing"
    return [
        "You wrote: ",
        f"“{about}”. ",
        "This answer comes from a stand-in, ",
        "so there is no more to it than that, ",
        "but it streams ",
        f"like the real one of {request.model}.",
    ]


def _shorten(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _ground(request: GenerateRequest, scenario: Scenario) -> None:
    steps = [*_thoughts(request, "I searched."), *say(GROUNDED[:20], GROUNDED[20:], pace=request.pace)]
    scenario.steps = [*steps, *stop(SIGN, groundingMetadata=grounding())]
    scenario.name = "natural-search"


def grounding() -> Json:
    """groundingMetadata for ``GROUNDED``: byte offsets, the first startIndex left out."""
    first, second = "Zürich is the largest city of Switzerland.", "Its café culture is old."
    start = len(f"{first} ".encode())
    return {
        "webSearchQueries": ["largest city of switzerland", "zürich cafés"],
        "searchEntryPoint": {"renderedContent": "<div>results</div>"},
        "groundingChunks": [
            {"web": {"uri": f"{REDIRECT}/ONE", "title": "example.org"}},
            {"web": {"uri": f"{REDIRECT}/TWO", "title": "example.net"}},
        ],
        "groundingSupports": [
            {"segment": {"endIndex": len(first.encode()), "text": first}, "groundingChunkIndices": [0, 1]},
            {
                "segment": {"startIndex": start, "endIndex": start + len(second.encode()), "text": second},
                "groundingChunkIndices": [1],
            },
        ],
    }
