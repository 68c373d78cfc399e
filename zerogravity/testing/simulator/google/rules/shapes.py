"""Google's request messages as tables, and what its JSON codec says about a body that does not fit them.

camelCase and snake_case, enums by name or number, bytes in either base64, 64-bit integers as strings; unknown members
are refused. Facts: wire-gemini-and-mapping 1.1, 2.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zerogravity.testing.simulator.google.generate_request import snake

TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."
STRUCT = "type.googleapis.com/google.protobuf.Struct"
INTEGER = re.compile(r"-?[0-9]{1,20}")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
WORD = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Message:
    """Members by camelCase name; ``oneof``: of these only one may be there."""

    members: Callable[[], Mapping[str, Any]]
    oneof: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Many:
    """A repeated field."""

    kind: Any


@dataclass(frozen=True, slots=True)
class Named:
    """A map with string keys."""

    kind: Any


@dataclass(frozen=True, slots=True)
class Words:
    """An enum; no ``words``: any upper-case word."""

    name: str
    words: tuple[str, ...] = ()
    any_case: bool = False


Violation = tuple[str, str]  # (field path, description)
EMPTY = Message(dict[str, Any])


def members(**kinds: Any) -> Callable[[], Mapping[str, Any]]:
    return lambda: kinds


BLOB = Message(members(mimeType=str, data=bytes, displayName=str))
FILE = Message(members(mimeType=str, fileUri=str, displayName=str))
CALL = Message(members(id=str, name=str, args=dict))
RESPONSE_PART = Message(members(inlineData=BLOB, fileData=FILE))
RESPONSE = Message(members(
    id=str, name=str, response=dict, parts=Many(RESPONSE_PART), willContinue=bool,
    scheduling=Words("FunctionResponse.Scheduling"),
))  # fmt: skip
CODE = Message(members(id=str, language=Words("ExecutableCode.Language"), code=str))
OUTCOME = Message(members(id=str, outcome=Words("CodeExecutionResult.Outcome"), output=str))
TOOL_CALL = Message(members(id=str, toolType=Words("ToolType"), args=dict))
TOOL_RESPONSE = Message(members(id=str, toolType=Words("ToolType"), response=dict))
PART_RESOLUTION = Message(members(level=Words("PartMediaResolution.Level"), numTokens=int))
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
        "toolCall", "toolResponse")  # fmt: skip
PART = Message(members(
    text=str, inlineData=BLOB, fileData=FILE, functionCall=CALL, functionResponse=RESPONSE, executableCode=CODE,
    codeExecutionResult=OUTCOME, toolCall=TOOL_CALL, toolResponse=TOOL_RESPONSE, thought=bool, thoughtSignature=bytes,
    videoMetadata=dict, mediaResolution=PART_RESOLUTION, partMetadata=dict,
), DATA)  # fmt: skip
CONTENT = Message(members(role=str, parts=Many(PART)))
TYPE = Words("Type", ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"), True)
SCHEMA = Message(lambda: {
    "type": TYPE, "format": str, "title": str, "description": str, "nullable": bool, "default": object,
    "items": SCHEMA, "minItems": int, "maxItems": int, "enum": Many(str), "properties": Named(SCHEMA),
    "propertyOrdering": Many(str), "required": Many(str), "minProperties": int, "maxProperties": int,
    "minimum": float, "maximum": float, "minLength": int, "maxLength": int, "pattern": str, "example": object,
    "anyOf": Many(SCHEMA),
})  # fmt: skip
DECLARATION = Message(members(
    name=str, description=str, parameters=SCHEMA, parametersJsonSchema=object, response=SCHEMA,
    responseJsonSchema=object, behavior=Words("FunctionDeclaration.Behavior"),
))  # fmt: skip
TOOL = Message(members(
    functionDeclarations=Many(DECLARATION), googleSearch=dict, urlContext=dict, codeExecution=dict, googleMaps=dict,
    fileSearch=dict, computerUse=dict, googleSearchRetrieval=dict,
))  # fmt: skip
MODE = Words("FunctionCallingConfig.Mode", ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
CALLING = Message(members(mode=MODE, allowedFunctionNames=Many(str)))
TOOL_CONFIG = Message(
    members(functionCallingConfig=CALLING, retrievalConfig=dict, includeServerSideToolInvocations=bool)
)
LEVEL = Words(
    "ThinkingConfig.ThinkingLevel", ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"), True
)
THINKING = Message(members(includeThoughts=bool, thinkingBudget=int, thinkingLevel=LEVEL))
GENERATION = Message(members(
    temperature=float, topP=float, topK=int, candidateCount=int, maxOutputTokens=int, stopSequences=Many(str),
    seed=int, presencePenalty=float, frequencyPenalty=float, responseLogprobs=bool, logprobs=int,
    responseMimeType=str, responseSchema=SCHEMA, responseJsonSchema=object,
    responseModalities=Many(Words("GenerationConfig.Modality")), mediaResolution=Words("MediaResolution"),
    speechConfig=dict, imageConfig=dict, thinkingConfig=THINKING, enableEnhancedCivicAnswers=bool,
))  # fmt: skip
SAFETY = Message(members(category=Words("HarmCategory"), threshold=Words("SafetySetting.HarmBlockThreshold")))
_REQUEST: dict[str, Any] = {
    "contents": Many(CONTENT), "systemInstruction": CONTENT, "tools": Many(TOOL), "toolConfig": TOOL_CONFIG,
    "generationConfig": GENERATION, "safetySettings": Many(SAFETY), "cachedContent": str,
}  # fmt: skip
PUBLIC = Message(lambda: {**_REQUEST, "model": str, "store": bool, "serviceTier": str})
RUNTIME = Message(lambda: {**PUBLIC.members(), "sessionId": str})
INNER = Message(lambda: {**_REQUEST, "labels": Named(str), "sessionId": str})
ENVELOPE = Message(members(
    project=str, requestId=str, model=str, userAgent=str, requestType=str, request=INNER, userPromptId=str,
    sessionId=str, enabledCreditTypes=Many(str),
))  # fmt: skip


def violations(body: Any, message: Message, path: str = "") -> Iterator[Violation]:
    """Everything the codec finds wrong, in the order of the body."""
    known = message.members()
    names = {name: name for name in known} | {snake(name): name for name in known}
    given: str | None = None
    for name, value in body.items():
        where = f"{path}.{snake(name)}" if path else snake(name)
        full = names.get(name)
        if full is None:
            at = f" at '{path}'" if path else ""
            yield path, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            continue
        if full in message.oneof and value is not None:
            if given is not None:
                text = f"Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set '{name}'"
                yield path, text
            given = full
        if value is not None:
            yield from _value(value, known[full], where, name, path)


def _value(value: Any, kind: Any, where: str, name: str, parent: str) -> Iterator[Violation]:
    match kind:
        case Many(inner):
            # a single value where a list belongs is taken as a list of one, as Google's codec does
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                yield from _value(item, inner, f"{where}[{index}]", name, parent)
        case _ if isinstance(value, list) and kind is not object:
            at = f" at '{parent}'" if parent else ""
            text = f'Unknown name "{name}"{at}: Proto field is not repeating, cannot start list.'
            yield parent, f"Invalid JSON payload received. {text}"
        case Message() if isinstance(value, dict):
            yield from violations(value, kind, where)
        case Named(inner) if isinstance(value, dict):
            for index, (key, item) in enumerate(value.items()):
                yield from _value(item, inner, f"{where}[{index}].value", key, where)
        case _:
            if (wrong := _wrong(value, kind)) is not None:
                yield where, f"Invalid value at '{where}' ({wrong}), {json.dumps(value, ensure_ascii=False)[:200]}"


def _wrong(value: Any, kind: Any) -> str | None:
    """The type's name when a single value does not fit it."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is object:
        return None
    if kind is str:
        return None if isinstance(value, str) else "TYPE_STRING"
    if kind is bool:
        return None if isinstance(value, bool) else "TYPE_BOOL"
    if kind is int:
        fits = (number and float(value).is_integer()) or (isinstance(value, str) and INTEGER.fullmatch(value))
        return None if fits else "TYPE_INT32"
    if kind is float:
        return None if number or (isinstance(value, str) and NUMBER.fullmatch(value)) else "TYPE_FLOAT"
    if kind is bytes:
        return None if isinstance(value, str) and _is_base64(value) else "TYPE_BYTES"
    if kind is dict:
        return None if isinstance(value, dict) else STRUCT
    if isinstance(kind, Words):
        return None if _is_word(value, kind) else TYPES + kind.name
    return "type.googleapis.com/google.protobuf.Struct" if isinstance(kind, Named) else TYPES + "Message"


def _is_word(value: Any, kind: Words) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return not kind.words or 0 <= value < len(kind.words)
    if not isinstance(value, str):
        return False
    word = value.upper() if kind.any_case else value
    return word in kind.words if kind.words else WORD.fullmatch(word) is not None


def _is_base64(text: str) -> bool:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
