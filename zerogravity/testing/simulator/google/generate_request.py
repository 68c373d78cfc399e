"""What a generate request asks for: Google's JSON → ``GenerateRequest``, which scenarios answer. Refuses nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from zerogravity.testing.simulator import Object
from zerogravity.testing.simulator.google.families import Family
from zerogravity.testing.simulator.google.signatures import Kind
from zerogravity.wire.narrow import an_object, items, members, objects, text, texts, whole

KEYWORD = re.compile(r"sim:([a-z0-9][a-z0-9-]*)((?:[ \t]+\d+(?:\.\d+)?)*)(?![\w.])")
USER_REQUEST = re.compile(r"<USER_REQUEST>\s*(.*?)\s*</USER_REQUEST>", re.DOTALL)
REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)  # what a client says beside the user
CWD = re.compile(
    r"(?:working director(?:y|ies)|current directory|workspace|<cwd>|\bcwd\b|director(?:y|ies):)"
    r"[^\n/]{0,60}(/[\w./@+-]*[\w@+-])",
    re.IGNORECASE,
)
IMAGE_TOKENS = 258  # as Google counts a picture


# -- reading Google's JSON: camelCase or snake_case, a single value where a list belongs ----------------------------


def get(message: object, *path: str) -> object:
    """A member by its camelCase names; None when a member on the way is missing."""
    for name in path:
        found = members(message)
        message = found[name] if name in found else found.get(snake(name))
    return message


def listed(value: object) -> list[object]:
    """A repeated field: Google takes a single value for a list of one."""
    many = items(value)
    return many if value is None or isinstance(value, list) else [value]


def messages(message: object, *path: str) -> list[Object]:
    """The objects of a repeated member."""
    return objects(listed(get(message, *path)))


@cache
def snake(name: str) -> str:
    """``functionCall`` → ``function_call``."""
    return re.sub(r"[A-Z]", lambda found: "_" + found.group().lower(), name)


def parts_of(content: object) -> list[Object]:
    """The parts of a content, whatever is wrong with it."""
    return messages(content, "parts")


def role_of(content: Mapping[str, object]) -> str:
    """A missing role counts as the user's."""
    return str(content.get("role") or "user")


def server_step(part: Mapping[str, object]) -> str | None:
    """The step of Google's own tools that a part holds; None for any other part."""
    for name in ("toolCall", "toolResponse"):
        if (step := an_object(get(part, name))) is not None:
            return f"{name} {step.get('id', '')}"
    return None


def declarations(request: object) -> list[Object]:
    """The declared functions of all tools."""
    return [one for tool in messages(request, "tools") for one in messages(tool, "functionDeclarations")]


# -- the parsed request --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared function; ``schema`` is whichever of both schema members was given."""

    name: str
    description: str
    schema: Object


@dataclass(slots=True)
class GenerateRequest:
    """``prompt``: the user's last text of the current turn; ``texts``: all of them.

    ``step``: how many rounds of tools the turn has had. ``results``: (name, response) of the function responses the
    request ends with. ``tokens``: of the whole prompt. ``json``: the request; ``body``: the same in its envelope.
    """

    model: str
    family: Family
    internal: bool
    json: Object
    body: object
    sign: Callable[[Kind, str], str]
    pace: float = 0.0
    prompt: str = ""
    texts: str = ""
    step: int = 0
    results: list[tuple[str, object]] = field(default_factory=list[tuple[str, object]])
    tools: list[Declared] = field(default_factory=list[Declared])
    mode: str = "AUTO"
    allowed: tuple[str, ...] = ()
    thoughts: bool = False
    mime: str = ""
    schema: Object | None = None
    search: bool = False
    folder: str | None = None
    tokens: int = 0
    lone_call: str = ""  # the function a signature in a part of its own belongs to
    server_steps: list[str] = field(default_factory=list[str])  # of Google's own tools since the last call

    @property
    def callable_tools(self) -> list[Declared]:
        """The functions the model may call under the request's tool mode."""
        if self.mode == "NONE":
            return []
        return [tool for tool in self.tools if not self.allowed or tool.name in self.allowed]

    def _named(self) -> tuple[str, str]:
        found: list[tuple[str, str]] = KEYWORD.findall(self.texts)
        return found[self.step] if self.step < len(found) else ("", "")

    @property
    def keyword(self) -> str:
        """The scenario the prompt names for this step: the n-th ``sim:…`` is for the n-th call of the turn."""
        return self._named()[0]

    def number(self, index: int, default: float, most: float) -> float:
        """The number at ``index`` behind the keyword."""
        numbers = self._named()[1].split()
        return min(float(numbers[index]), most) if index < len(numbers) else default


def read(
    request: Object,
    body: object,
    *,
    model: str,
    family: Family,
    internal: bool,
    sign: Callable[[Kind, str], str],
    pace: float,
) -> GenerateRequest:
    """Parse a valid request; ``body`` is the whole of it, for the echo scenario."""
    contents = messages(request, "contents")
    thinking = get(request, "generationConfig", "thinkingConfig")
    parsed = GenerateRequest(
        model, family, internal, request, body, sign, pace,
        tools=[_declared(one) for one in declarations(request)],
        mode=str(get(request, "toolConfig", "functionCallingConfig", "mode") or "AUTO").upper(),
        allowed=tuple(texts(listed(get(request, "toolConfig", "functionCallingConfig", "allowedFunctionNames")))),
        thoughts=bool(get(thinking, "includeThoughts")) and whole(get(thinking, "thinkingBudget")) != 0,
        mime=text(get(request, "generationConfig", "responseMimeType")),
        schema=members(get(request, "generationConfig", "responseSchema"))
        or members(get(request, "generationConfig", "responseJsonSchema")) or None,
        search=any(get(tool, "googleSearch") is not None for tool in messages(request, "tools")),
        folder=_folder([*contents, members(get(request, "systemInstruction"))]),
        tokens=count_tokens(request),
    )  # fmt: skip
    _read_turn(parsed, contents)
    return parsed


def _declared(declaration: Object) -> Declared:
    schema = get(declaration, "parameters") or get(declaration, "parametersJsonSchema")
    return Declared(text(declaration.get("name")), text(declaration.get("description")), members(schema))


def _read_turn(parsed: GenerateRequest, contents: list[Object]) -> None:
    contents = [content for content in contents if not _only_reminds(content)]
    asks = [role_of(content) == "user" and not _responds(content) for content in contents]
    last = max((index for index, one in enumerate(asks) if one), default=-1)
    # a run of user contents is one prompt: the language server puts its own entries behind the user's
    first = last
    while first > 0 and asks[first - 1]:
        first -= 1
    parts = [part for content in contents[max(first, 0) : last + 1] for part in parts_of(content)]
    found = [said for part in parts if (said := _said(part))]
    wrapped = USER_REQUEST.findall("\n".join(found))
    parsed.texts = wrapped[-1] if wrapped else "\n".join(found)
    parsed.prompt = wrapped[-1] if wrapped else found[-1] if found else ""
    parsed.step = sum(role_of(content) == "model" for content in contents[last + 1 :])
    for part in parts_of(contents[-1]) if contents else ():
        if (answer := an_object(get(part, "functionResponse"))) is not None:
            parsed.results.append((str(answer.get("name", "")), answer.get("response")))


def _said(part: Object) -> str:
    """A part's text without reminders."""
    return REMINDER.sub("", str(part.get("text") or "")).strip()


def _only_reminds(content: Object) -> bool:
    parts = parts_of(content)
    return role_of(content) == "user" and bool(parts) and all(part.get("text") and not _said(part) for part in parts)


def _responds(content: Object) -> bool:
    return any(get(part, "functionResponse") is not None for part in parts_of(content))


def _folder(contents: list[Object]) -> str | None:
    for content in contents:
        for part in parts_of(content):
            if found := CWD.search(text(part.get("text"))):
                return found.group(1)
    return None


def count_tokens(value: object) -> int:
    """About four characters each."""
    characters, total = 0, 0
    stack: list[object] = [value]
    while stack:
        one = stack.pop()
        fields = members(one)
        if get(fields, "inlineData") is not None:
            total += IMAGE_TOKENS
            continue
        stack += [*fields.values(), *items(one)]
        characters += len(text(one)) + 4 * len(fields)
    return total + characters // 4 + 1
