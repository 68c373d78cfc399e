"""The model list in Google's form, and token counts where nobody can be asked: pure functions.

| part            | estimate                                                                          |
|-----------------|-----------------------------------------------------------------------------------|
| text            | a token per four ASCII characters, per two of other alphabets, per ideograph      |
| image           | 258, as Google documents for one tile                                             |
| PDF             | 258 per page, a page per 50 kB                                                    |
| audio, video    | 32 and 300 per second, at 16 kB and 128 kB per second                             |
| calls, results, declarations, schemas | their JSON as text                                          |
| each content    | 4 more                                                                            |

Good to about a fifth for prose. An estimated answer is marked by the header ``x-zerogravity-tokens: estimate``: its
body has only Google's own members, since typed clients refuse others. Facts: wire-gemini-and-mapping 1.1, 1.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from zerogravity.errors import bad_request
from zerogravity.surfaces.base import Answer
from zerogravity.surfaces.common.models import ModelInfo
from zerogravity.wire import jsonio

Json = Mapping[str, Any]
METHODS = ("generateContent", "streamGenerateContent", "countTokens")
PAGE, MAX_PAGE = 50, 1000
IMAGE = 258
ESTIMATE = {"x-zerogravity-tokens": "estimate"}
_KINDS = (("image/", "IMAGE"), ("audio/", "AUDIO"), ("video/", "VIDEO"), ("application/pdf", "DOCUMENT"))


def model_json(info: ModelInfo) -> dict[str, Any]:
    """One entry; ``name`` needs its prefix."""
    return {
        "name": f"models/{info.id}",
        "version": "001",
        "displayName": info.display_name,
        "description": f"{info.display_name}, through the language server",
        "inputTokenLimit": info.input_limit,
        "outputTokenLimit": info.output_limit,
        "supportedGenerationMethods": list(METHODS),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": info.thinking,
    }


def list_json(infos: Sequence[ModelInfo], page_size: str = "", page_token: str = "") -> dict[str, Any]:
    """One page. A token only when there is more: the SDK's pager follows it without end. Raises FaultError 400."""
    size = min(_whole(page_size, "pageSize"), MAX_PAGE) or PAGE
    start = _whole(page_token, "pageToken")
    made: dict[str, Any] = {"models": [model_json(info) for info in infos[start : start + size]]}
    if start + size < len(infos):
        made["nextPageToken"] = str(start + size)
    return made


def count_answer(total: int, *, estimated: bool, details: Sequence[Json] = ()) -> Answer:
    """The answer of countTokens."""
    body: dict[str, Any] = {"totalTokens": total}
    if details:
        body["promptTokensDetails"] = list(details)
    return Answer(200, body, ESTIMATE if estimated else {})


def estimate(request: Json) -> Answer:
    """countTokens of a request that ``count_request`` has read, without asking anybody."""
    counts: dict[str, int] = {}
    for modality, tokens in _tokens(request):
        counts[modality] = counts.get(modality, 0) + tokens
    details = [{"modality": modality, "tokenCount": tokens} for modality, tokens in counts.items()]
    return count_answer(sum(counts.values()), estimated=True, details=details)


def text_tokens(text: str) -> int:
    """Tokens of a text, roughly; none for an empty one."""
    plain = sum(character < "\x80" for character in text)
    wide = sum("\u2e80" <= character < "\ufb00" or character >= "\U00020000" for character in text)
    return math.ceil(plain / 4 + wide + (len(text) - plain - wide) / 2)


def _tokens(request: Json) -> Iterator[tuple[str, int]]:
    """(modality, tokens) of everything that is sent."""
    contents = list(cast("list[Json]", request.get("contents") or []))
    if isinstance(system := request.get("systemInstruction"), dict):
        contents.append(cast("Json", system))
    for content in contents:
        yield "TEXT", 4
        for part in cast("list[Json]", content.get("parts") or []):
            yield from _part_tokens(part)
    config = cast("Json", request.get("generationConfig") or {})
    for value in (request.get("tools"), config.get("responseSchema"), config.get("responseJsonSchema")):
        if value:
            yield "TEXT", text_tokens(jsonio.dumps(value).decode("utf-8", "replace"))


def _part_tokens(part: Json) -> Iterator[tuple[str, int]]:
    for name, value in part.items():
        if name == "text":
            yield "TEXT", text_tokens(str(value))
        elif name == "inlineData" and isinstance(value, dict):
            yield _media_tokens(cast("Json", value))
        elif name not in ("thought", "thoughtSignature") and isinstance(value, dict):
            inner = dict(cast("Json", value))
            for nested in cast("list[Json]", inner.pop("parts", None) or []):  # media of a function's result
                yield from _part_tokens(nested)
            yield "TEXT", text_tokens(jsonio.dumps(inner).decode("utf-8", "replace"))


def _media_tokens(blob: Json) -> tuple[str, int]:
    mime, size = str(blob.get("mimeType", "")), len(str(blob.get("data", ""))) * 3 // 4
    modality = next((name for prefix, name in _KINDS if mime.startswith(prefix)), "TEXT")
    match modality:
        case "IMAGE":
            return modality, IMAGE
        case "AUDIO":
            return modality, max(1, size // 16_000) * 32
        case "VIDEO":
            return modality, max(1, size // 128_000) * 300
        case "DOCUMENT":
            return modality, max(1, size // 50_000) * IMAGE
        case _:
            return modality, math.ceil(size / 4)


def _whole(text: str, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise bad_request(
            f"Invalid value at '{name}' (TYPE_INT32), \"{text[:40]}\"", param=name, code="invalid_argument"
        )
    return int(text)
