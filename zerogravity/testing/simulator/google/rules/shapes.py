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

from zerogravity.testing.simulator.google.generate_request import listed, snake
from zerogravity.wire.narrow import an_object, number

TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."
STRUCT = "type.googleapis.com/google.protobuf.Struct"
INTEGER = re.compile(r"-?[0-9]{1,20}")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
WORD = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Message:
    """``fields``: by camelCase name, called when it is needed since messages hold one another. ``oneof``: of these only
    one may be there."""

    fields: Callable[[], Mapping[str, object]]
    oneof: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    kind: object


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with string keys."""

    kind: object


@dataclass(frozen=True, slots=True)
class Enum:
    """No ``words``: any upper-case word."""

    name: str
    words: tuple[str, ...] = ()
    any_case: bool = False


Violation = tuple[str, str]  # (field path, description)


def message(**fields: object) -> Message:
    return Message(lambda: fields)


BLOB = message(mimeType=str, data=bytes, displayName=str)
FILE = message(mimeType=str, fileUri=str, displayName=str)
CALL = message(id=str, name=str, args=dict)
RESPONSE_PART = message(inlineData=BLOB, fileData=FILE)
RESPONSE = message(
    id=str, name=str, response=dict, parts=Repeated(RESPONSE_PART), willContinue=bool,
    scheduling=Enum("FunctionResponse.Scheduling"),
)  # fmt: skip
CODE = message(id=str, language=Enum("ExecutableCode.Language"), code=str)
OUTCOME = message(id=str, outcome=Enum("CodeExecutionResult.Outcome"), output=str)
TOOL_CALL = message(id=str, toolType=Enum("ToolType"), args=dict)
TOOL_RESPONSE = message(id=str, toolType=Enum("ToolType"), response=dict)
PART_RESOLUTION = message(level=Enum("PartMediaResolution.Level"), numTokens=int)
DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
        "toolCall", "toolResponse")  # fmt: skip
PART = Message(message(
    text=str, inlineData=BLOB, fileData=FILE, functionCall=CALL, functionResponse=RESPONSE, executableCode=CODE,
    codeExecutionResult=OUTCOME, toolCall=TOOL_CALL, toolResponse=TOOL_RESPONSE, thought=bool, thoughtSignature=bytes,
    videoMetadata=dict, mediaResolution=PART_RESOLUTION, partMetadata=dict,
).fields, oneof=DATA)  # fmt: skip
CONTENT = message(role=str, parts=Repeated(PART))
TYPE = Enum("Type", ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"), True)
SCHEMA = Message(lambda: {
    "type": TYPE, "format": str, "title": str, "description": str, "nullable": bool, "default": object,
    "items": SCHEMA, "minItems": int, "maxItems": int, "enum": Repeated(str), "properties": MapOf(SCHEMA),
    "propertyOrdering": Repeated(str), "required": Repeated(str), "minProperties": int, "maxProperties": int,
    "minimum": float, "maximum": float, "minLength": int, "maxLength": int, "pattern": str, "example": object,
    "anyOf": Repeated(SCHEMA),
})  # fmt: skip
DECLARATION = message(
    name=str, description=str, parameters=SCHEMA, parametersJsonSchema=object, response=SCHEMA,
    responseJsonSchema=object, behavior=Enum("FunctionDeclaration.Behavior"),
)  # fmt: skip
TOOL = message(
    functionDeclarations=Repeated(DECLARATION), googleSearch=dict, urlContext=dict, codeExecution=dict, googleMaps=dict,
    fileSearch=dict, computerUse=dict, googleSearchRetrieval=dict,
)  # fmt: skip
MODE = Enum("FunctionCallingConfig.Mode", ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
CALLING = message(mode=MODE, allowedFunctionNames=Repeated(str))
TOOL_CONFIG = message(functionCallingConfig=CALLING, retrievalConfig=dict, includeServerSideToolInvocations=bool)
LEVEL = Enum(
    "ThinkingConfig.ThinkingLevel", ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"), True
)
THINKING = message(includeThoughts=bool, thinkingBudget=int, thinkingLevel=LEVEL)
GENERATION = message(
    temperature=float, topP=float, topK=int, candidateCount=int, maxOutputTokens=int, stopSequences=Repeated(str),
    seed=int, presencePenalty=float, frequencyPenalty=float, responseLogprobs=bool, logprobs=int,
    responseMimeType=str, responseSchema=SCHEMA, responseJsonSchema=object,
    responseModalities=Repeated(Enum("GenerationConfig.Modality")), mediaResolution=Enum("MediaResolution"),
    speechConfig=dict, imageConfig=dict, thinkingConfig=THINKING, enableEnhancedCivicAnswers=bool,
)  # fmt: skip
SAFETY = message(category=Enum("HarmCategory"), threshold=Enum("SafetySetting.HarmBlockThreshold"))
_REQUEST: dict[str, object] = {
    "contents": Repeated(CONTENT), "systemInstruction": CONTENT, "tools": Repeated(TOOL), "toolConfig": TOOL_CONFIG,
    "generationConfig": GENERATION, "safetySettings": Repeated(SAFETY), "cachedContent": str, "serviceTier": str,
}  # fmt: skip
PUBLIC = Message(lambda: {**_REQUEST, "model": str, "store": bool})
RUNTIME = Message(lambda: {**PUBLIC.fields(), "sessionId": str})
INNER = Message(lambda: {**_REQUEST, "labels": MapOf(str), "sessionId": str})
ENVELOPE = message(
    project=str, requestId=str, model=str, userAgent=str, requestType=str, request=INNER, userPromptId=str,
    sessionId=str, enabledCreditTypes=Repeated(str),
)  # fmt: skip


def violations(body: Mapping[str, object], expected: Message, path: str = "") -> Iterator[Violation]:
    """Everything the codec finds wrong, in the order of the body."""
    known = expected.fields()
    names = {name: name for name in known} | {snake(name): name for name in known}
    given: str | None = None
    for name, value in body.items():
        where = f"{path}.{snake(name)}" if path else snake(name)
        full = names.get(name)
        if full is None:
            at = f" at '{path}'" if path else ""
            yield path, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            continue
        if full in expected.oneof and value is not None:
            if given is not None:
                text = f"Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set '{name}'"
                yield path, text
            given = full
        if value is not None:
            yield from _value(value, known[full], where, name, path)


def _value(value: object, kind: object, where: str, name: str, parent: str) -> Iterator[Violation]:
    fields = an_object(value)
    match kind:
        case Repeated(inner):
            # a single value where a list belongs is taken as a list of one, as Google's codec does
            for index, item in enumerate(listed(value)):
                yield from _value(item, inner, f"{where}[{index}]", name, parent)
        case _ if kind is not object and _is_list(value):
            at = f" at '{parent}'" if parent else ""
            text = f'Unknown name "{name}"{at}: Proto field is not repeating, cannot start list.'
            yield parent, f"Invalid JSON payload received. {text}"
        case Message() if fields is not None:
            yield from violations(fields, kind, where)
        case MapOf(inner) if fields is not None:
            for index, (key, item) in enumerate(fields.items()):
                yield from _value(item, inner, f"{where}[{index}].value", key, where)
        case _:
            if (wrong := _wrong(value, kind)) is not None:
                yield where, f"Invalid value at '{where}' ({wrong}), {json.dumps(value, ensure_ascii=False)[:200]}"


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _wrong(value: object, kind: object) -> str | None:
    """The type's name when a single value does not fit it."""
    read = number(value)
    if kind is object:
        return None
    if kind is str:
        return None if isinstance(value, str) else "TYPE_STRING"
    if kind is bool:
        return None if isinstance(value, bool) else "TYPE_BOOL"
    if kind is int:
        fits = (read is not None and read.is_integer()) or (isinstance(value, str) and INTEGER.fullmatch(value))
        return None if fits else "TYPE_INT32"
    if kind is float:
        return None if read is not None or (isinstance(value, str) and NUMBER.fullmatch(value)) else "TYPE_FLOAT"
    if kind is bytes:
        return None if isinstance(value, str) and _is_base64(value) else "TYPE_BYTES"
    if kind is dict:
        return None if isinstance(value, dict) else STRUCT
    if isinstance(kind, Enum):
        return None if _is_word(value, kind) else TYPES + kind.name
    return STRUCT if isinstance(kind, MapOf) else TYPES + "Message"


def _is_word(value: object, kind: Enum) -> bool:
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
