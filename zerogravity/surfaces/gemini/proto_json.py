"""The known part of a GenerateContentRequest, as a table, and ``normalise``: proto-JSON in any spelling → camelCase.

As in proto-JSON, null is no value, and one object may stand for a list of one. What the table does not know is kept as
it is, and so are arguments, responses, JSON schemas and the names in them. Wrong JSON types inside the table are
refused in Google's words; values are Google's to judge. Facts: wire-gemini-and-mapping 1.1, 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from zerogravity.errors import FaultError, bad_request
from zerogravity.surfaces.common.media import usual_alphabet
from zerogravity.wire import narrow

_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


@dataclass(slots=True)
class Node:
    """An object with known members; ``check`` looks at the whole of it afterwards."""

    members: dict[str, Kind] = field(default_factory=dict[str, "Kind"])
    default: tuple[str, str] | None = None
    spellings: dict[str, str] = field(default_factory=dict[str, str])

    def know(self, **members: Kind) -> Node:
        for name, kind in members.items():
            self.members[name] = kind
            self.spellings[name] = self.spellings[snake(name)] = name
        return self


@dataclass(frozen=True, slots=True)
class Many:
    """A repeated member."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Named:
    """A map from names of the client's own to values."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or an opaque value; ``read`` checks it and gives it back."""

    read: Callable[[object, str], object]


Kind = Node | Many | Named | Leaf


def snake(name: str) -> str:
    """``inlineData`` → ``inline_data``."""
    return _CAPITAL.sub(r"_\1", name).lower()


def normalise(value: object, kind: Kind, path: str = "") -> Any:
    """Raises FaultError 400 naming the field."""
    match kind:
        case Leaf(read):
            return read(value, path)
        case Many(inner):
            items = cast("list[object]", value) if isinstance(value, list) else [value]
            return [normalise(item, inner, f"{path}[{index}]") for index, item in enumerate(items)]
        case Named(inner):
            given = _object(value, path)
            return {name: normalise(item, inner, f"{path}.{name}") for name, item in given.items()}
        case Node(members, default, spellings):
            made: dict[str, object] = {}
            for name, item in _object(value, path).items():
                known = spellings.get(name)
                if known is None:
                    made[name] = item
                elif item is not None:
                    made[known] = normalise(item, members[known], f"{path}.{known}" if path else known)
            if default is not None and not made.get(default[0]):
                made = {default[0]: default[1], **made, default[0]: default[1]}
            return made


def invalid(path: str, kind: str, value: object) -> FaultError:
    """Google's words for a value of the wrong JSON type."""
    shown = repr(value) if not isinstance(value, str) else f'"{value}"'
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return bad_request(f"Invalid value at '{path}' ({kind}), {shown}", param=path, code="invalid_argument")


def _object(value: object, path: str) -> dict[str, object]:
    if (found := narrow.an_object(value)) is None:
        raise invalid(path, "an object is expected", value)
    return found


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, "TYPE_STRING", value)
    return value


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(path, "TYPE_BOOL", value)
    return value


def _media(value: object, path: str) -> str:
    """Base64 in either alphabet → the standard one."""
    text = usual_alphabet("".join(_text(value, path).split()))
    if not _BASE64.fullmatch(text) or len(text.rstrip("=")) % 4 == 1:
        text = f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed"
        raise bad_request(text, param=path, code="invalid_argument")
    return text + "=" * (-len(text) % 4)


ANY = Leaf(lambda value, path: value)
TEXT, FLAG, MEDIA, STRUCT = Leaf(_text), Leaf(_flag), Leaf(_media), Leaf(_object)


def some(*names: str) -> dict[str, Kind]:
    """Members of which only the spelling is known."""
    return dict.fromkeys(names, ANY)


SCHEMA = Node()
SCHEMA.know(
    properties=Named(SCHEMA), items=SCHEMA, anyOf=Many(SCHEMA), prefixItems=Many(SCHEMA),
    **some("type", "format", "title", "description", "nullable", "enum", "required", "propertyOrdering", "minItems",
           "maxItems", "minProperties", "maxProperties", "minimum", "maximum", "minLength", "maxLength", "pattern",
           "default", "example"),
)  # fmt: skip
BLOB = Node().know(mimeType=TEXT, data=MEDIA, displayName=TEXT)
FILE = Node().know(mimeType=TEXT, fileUri=TEXT, displayName=TEXT)
CALL = Node().know(id=TEXT, name=TEXT, args=STRUCT, willContinue=FLAG, **some("partialArgs"))
RESULT_PART = Node().know(inlineData=BLOB, fileData=FILE)
RESULT = Node().know(
    id=TEXT, name=TEXT, response=STRUCT, parts=Many(RESULT_PART), willContinue=FLAG, **some("scheduling")
)
PART = Node().know(
    text=TEXT, thought=FLAG, thoughtSignature=TEXT, inlineData=BLOB, fileData=FILE, functionCall=CALL,
    functionResponse=RESULT,
    executableCode=Node().know(code=TEXT, **some("language", "id")),
    codeExecutionResult=Node().know(output=TEXT, **some("outcome", "id")),
    toolCall=Node().know(args=ANY, **some("id", "toolType")),
    toolResponse=Node().know(response=ANY, **some("id", "toolType")),
    videoMetadata=Node().know(**some("startOffset", "endOffset", "fps")),
    mediaResolution=Node().know(**some("level", "numTokens")),
    partMetadata=ANY,
)  # fmt: skip
CONTENT = Node(default=("role", "user")).know(role=TEXT, parts=Many(PART))
SYSTEM = Node().know(role=TEXT, parts=Many(PART))
FUNCTION = Node().know(
    parameters=SCHEMA, response=SCHEMA,
    **some("name", "description", "behavior", "parametersJsonSchema", "responseJsonSchema"),
)  # fmt: skip
TOOL = Node().know(
    functionDeclarations=Many(FUNCTION),
    googleSearch=Node().know(
        timeRangeFilter=Node().know(**some("startTime", "endTime")),
        searchTypes=Node().know(**some("webSearch", "imageSearch")),
        **some("excludeDomains", "blockingConfidence"),
    ),
    googleSearchRetrieval=Node().know(
        dynamicRetrievalConfig=Node().know(**some("mode", "dynamicThreshold")),
    ),
    urlContext=Node(),
    codeExecution=Node(),
    googleMaps=Node().know(**some("enableWidget", "authConfig")),
    fileSearch=Node().know(**some("fileSearchStoreNames", "topK", "metadataFilter")),
    computerUse=Node().know(**some("environment", "excludedPredefinedFunctions")),
    enterpriseWebSearch=ANY,
    mcpServers=ANY,
)
TOOL_CONFIG = Node().know(
    functionCallingConfig=Node().know(**some("mode", "allowedFunctionNames", "streamFunctionCallArguments")),
    retrievalConfig=Node().know(latLng=ANY, languageCode=ANY),
    includeServerSideToolInvocations=ANY,
)
VOICE = Node().know(prebuiltVoiceConfig=Node().know(**some("voiceName")))
SPEECH = Node().know(
    voiceConfig=VOICE, languageCode=ANY,
    multiSpeakerVoiceConfig=Node().know(speakerVoiceConfigs=Many(Node().know(speaker=ANY, voiceConfig=VOICE))),
)  # fmt: skip
GENERATION = Node().know(
    thinkingConfig=Node().know(**some("includeThoughts", "thinkingBudget", "thinkingLevel")),
    responseSchema=SCHEMA,
    speechConfig=SPEECH,
    imageConfig=Node().know(**some("aspectRatio", "imageSize")),
    **some("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed",
           "presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType",
           "responseJsonSchema", "responseModalities", "mediaResolution", "audioTimestamp", "enableAffectiveDialog",
           "enableEnhancedCivicAnswers", "responseFormat", "modelSelectionConfig", "routingConfig"),
)  # fmt: skip
REQUEST = Node().know(
    contents=Many(CONTENT), systemInstruction=SYSTEM, tools=Many(TOOL), toolConfig=TOOL_CONFIG,
    generationConfig=GENERATION,
    safetySettings=Many(Node().know(**some("category", "threshold", "method"))),
    **some("cachedContent", "serviceTier", "store", "labels"),
)  # fmt: skip
