"""What a generate request asks for: Google's JSON → ``Ask``, which scenarios answer. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.signatures import Kind

KEYWORD = re.compile(r"sim:([a-z0-9][a-z0-9-]*)((?:[ \t]+\d+(?:\.\d+)?)*)(?![\w.])")
USER_REQUEST = re.compile(r"<USER_REQUEST>\s*(.*?)\s*</USER_REQUEST>", re.DOTALL)
CWD = re.compile(
    r"(?:working director(?:y|ies)|current directory|workspace|<cwd>|\bcwd\b|director(?:y|ies):)"
    r"[^\n/]{0,60}(/[\w./@+-]*[\w@+-])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared function; ``schema`` is whichever of both schema members was given."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(slots=True)
class Ask:
    """``prompt``: the user's last text of the current turn; ``texts``: all of them.

    ``step``: how many rounds of tools the turn has had. ``results``: (name, response) of the function responses the
    request ends with. ``tokens``: of the whole prompt.
    """

    model: str
    family: Family
    internal: bool
    request: Mapping[str, Any]
    body: Any
    sign: Callable[[Kind, str], str]
    prompt: str = ""
    texts: str = ""
    step: int = 0
    results: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    tools: list[Declared] = field(default_factory=list[Declared])
    mode: str = "AUTO"
    allowed: tuple[str, ...] = ()
    thoughts: bool = False
    mime: str = ""
    schema: Mapping[str, Any] | None = None
    search: bool = False
    folder: str | None = None
    tokens: int = 0
    pace: float = 0.0
    lone_call: str = ""  # the function a signature in a part of its own belongs to
    ran: list[str] = field(default_factory=list[str])  # steps of Google's own tools since the last call

    @property
    def callable_tools(self) -> list[Declared]:
        """The functions the model may call under the request's tool mode."""
        if self.mode == "NONE":
            return []
        return [tool for tool in self.tools if not self.allowed or tool.name in self.allowed]

    @property
    def keyword(self) -> tuple[str, tuple[float, ...]] | None:
        """The scenario the prompt names for this step: the n-th ``sim:…`` is for the n-th call of the turn."""
        found = KEYWORD.findall(self.texts)
        if self.step >= len(found):
            return None
        name, numbers = found[self.step]
        return name, tuple(float(number) for number in numbers.split())


def read(
    request: Mapping[str, Any],
    body: Any,
    *,
    model: str,
    family: Family,
    internal: bool,
    sign: Callable[[Kind, str], str],
    pace: float,
) -> Ask:
    """The ``Ask`` of a valid request; ``body`` is the whole of it, for the echo scenario."""
    ask = Ask(model, family, internal, request, body, sign, pace=pace)
    contents = [content for content in listed(get(request, "contents")) if isinstance(content, dict)]
    ask.tokens = count_tokens(request)
    _read_turn(ask, contents)
    for tool in listed(get(request, "tools")):
        for declaration in listed(get(tool, "functionDeclarations")):
            schema = get(declaration, "parameters") or get(declaration, "parametersJsonSchema") or {}
            ask.tools.append(Declared(declaration.get("name", ""), declaration.get("description", ""), schema))
        ask.search = ask.search or get(tool, "googleSearch") is not None
    calling = get(get(request, "toolConfig") or {}, "functionCallingConfig") or {}
    ask.mode = str(get(calling, "mode") or "AUTO").upper()
    ask.allowed = tuple(listed(get(calling, "allowedFunctionNames")))
    generation = get(request, "generationConfig") or {}
    thinking = get(generation, "thinkingConfig") or {}
    ask.thoughts = bool(get(thinking, "includeThoughts")) and get(thinking, "thinkingBudget") != 0
    ask.mime = get(generation, "responseMimeType") or ""
    ask.schema = get(generation, "responseSchema") or get(generation, "responseJsonSchema")
    ask.folder = _folder(request, contents)
    return ask


def get(message: Mapping[str, Any], name: str) -> Any:
    """A member by its camelCase name, also when it is spelled in snake_case."""
    if name in message:
        return message[name]
    return message.get(snake(name))


def listed(value: Any) -> list[Any]:
    """A repeated field: Google takes a single value for a list of one."""
    return [] if value is None else value if isinstance(value, list) else [value]


def server_step(part: Mapping[str, Any]) -> str | None:
    """Which step of which of Google's own tools a part tells of; None for any other part."""
    for name in ("toolCall", "toolResponse"):
        if isinstance(step := get(part, name), dict):
            return f"{name} {step.get('id', '')}"
    return None


def snake(name: str) -> str:
    """``functionCall`` → ``function_call``."""
    return re.sub(r"[A-Z]", lambda found: "_" + found.group().lower(), name)


def parts_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a content, whatever is wrong with it."""
    return [part for part in listed(content.get("parts")) if isinstance(part, dict)]


def role_of(content: Mapping[str, Any]) -> str:
    """A missing role counts as the user's."""
    return content.get("role") or "user"


def _read_turn(ask: Ask, contents: list[dict[str, Any]]) -> None:
    last_user = -1
    for index, content in enumerate(contents):
        responds = any(get(part, "functionResponse") is not None for part in parts_of(content))
        if role_of(content) == "user" and not responds:
            last_user = index
    # a run of user contents is one prompt: the language server puts its own entries behind the user's
    first = last_user
    while first > 0 and role_of(contents[first - 1]) == "user" and not _responds(contents[first - 1]):
        first -= 1
    run = contents[max(first, 0) : last_user + 1]
    texts = [str(part["text"]) for content in run for part in parts_of(content) if part.get("text")]
    ask.texts = "\n".join(texts)
    wrapped = USER_REQUEST.findall(ask.texts)
    if wrapped:
        ask.texts = wrapped[-1]
    ask.prompt = wrapped[-1] if wrapped else texts[-1] if texts else ""
    ask.step = sum(role_of(content) == "model" for content in contents[last_user + 1 :])
    if contents:
        for part in parts_of(contents[-1]):
            answer = get(part, "functionResponse")
            if isinstance(answer, dict):
                ask.results.append((str(answer.get("name", "")), answer.get("response")))


def _responds(content: Mapping[str, Any]) -> bool:
    return any(get(part, "functionResponse") is not None for part in parts_of(content))


def _folder(request: Mapping[str, Any], contents: list[dict[str, Any]]) -> str | None:
    system = get(request, "systemInstruction")
    for content in (*contents, system if isinstance(system, dict) else {}):
        for part in parts_of(content):
            if found := CWD.search(part.get("text") or ""):
                return found.group(1)
    return None


def count_tokens(value: Any) -> int:
    """About four characters each; pictures cost 258, as Google counts them."""
    characters, total, stack = 0, 0, [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            characters += len(one)
        elif isinstance(one, dict):
            if get(one, "inlineData") is not None:
                total += 258
            else:
                stack.extend(one.values())
                characters += 4 * len(one)
        elif isinstance(one, list):
            stack.extend(one)
    return total + characters // 4 + 1
