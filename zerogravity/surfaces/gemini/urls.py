"""Gemini's URLs: ``/{version}/models/{model}:{method}``, with the model percent-encoded or prefixed as clients do, and
what their queries and headers say.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from zerogravity.errors import bad_request

CALL = "/{version:v1|v1beta|v1alpha}/{kind:models|tunedModels}"
_MODEL = CALL + "/{model:.+}{colon::|%3[Aa]}"
TURN = _MODEL + "{method:generateContent|streamGenerateContent}"
COUNT = _MODEL + "{method:countTokens}"
OF_TURN = ("/v1beta/models/{model}:generateContent", "/v1beta/models/{model}:streamGenerateContent?alt=sse")
FROM_URL = ("model", "stream", "alt", "fields")
_OWN = re.compile(r"/v1(?:beta|alpha)(?:/|$)|/v1/(?:models|tunedModels)/.+(?::|%3[Aa])\w+$")


def also_owns(path: str) -> bool:
    """Google's API is spoken at a path of its own, whoever speaks."""
    return _OWN.match(path) is not None


def is_client(headers: Container[str], query: Container[str]) -> bool:
    """Whether the client is one of Google's kind: decides what ``/v1/models`` means, which has OpenAI's path as well
    (real-clients, HTTP 5)."""
    return "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in query


def from_url(url: Mapping[str, str], query: Mapping[str, str], headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Model and method are in the path; without ``alt=sse`` a stream is one JSON array."""
    alt = query.get("alt", "json")
    if alt not in ("json", "sse"):
        text = f"Invalid value at 'alt', \"{alt[:40]}\": answers are json or sse"
        raise bad_request(text, param="alt", code="invalid_argument")
    stream = url["method"] == "streamGenerateContent"
    return {"model": url["model"], "stream": stream, "alt": alt, "fields": fields_parameter(query, headers)}


def fields_parameter(query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The field mask, as Google takes it: in the query by either name, or in a header."""
    return query.get("fields") or query.get("$fields") or headers.get("X-Goog-FieldMask", "")
