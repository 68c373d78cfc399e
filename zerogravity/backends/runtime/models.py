"""Google's lists of models → ``Model``s: what the runtime can be asked for. Pure; ``TABLE`` where no list can be had.

Facts: wire-gemini-and-mapping 1.1, 1.2, 3; language-server-and-google E; antigravity-runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from zerogravity.core.turn import Model
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

_GENERATES = frozenset({"generateContent", "streamGenerateContent"})
# Vertex does not say what a model can do; these are known to do something else.
_VERTEX = re.compile(r"gemini-(?!.*(?:embedding|live|native-audio|tts)).+")


def next_page(answer: object) -> str:
    """The token of the page after this one; empty: there is none."""
    return narrow.text(narrow.members(answer).get("nextPageToken"))


def read(pages: Iterable[object]) -> tuple[Model, ...]:
    """The models that generate, of all pages of either list, in Google's order."""
    found: dict[str, Model] = {}
    for answer in map(narrow.members, pages):
        for entry in narrow.objects(answer.get("models")):
            if _GENERATES & set(narrow.texts(entry.get("supportedGenerationMethods"))):
                _add(found, entry, thinking=entry.get("thinking") is True)
        for entry in narrow.objects(answer.get("publisherModels")):
            if _VERTEX.fullmatch(_name(entry)):
                _add(found, entry)
    return tuple(found.values())


def _add(found: dict[str, Model], entry: Json, *, thinking: bool | None = None) -> None:
    """``thinking``: as the list says; a list that says nothing leaves it to the family."""
    if name := _name(entry):
        found.setdefault(name, Model(
            name, narrow.text(entry.get("displayName")) or name, wire=name, thinking=thinking,
            input_limit=narrow.whole(entry.get("inputTokenLimit")),
            output_limit=narrow.whole(entry.get("outputTokenLimit")),
        ))  # fmt: skip


def _name(entry: Json) -> str:
    """``models/gemini-x``, ``publishers/google/models/gemini-x`` → ``gemini-x``."""
    return narrow.text(entry.get("name")).rpartition("/")[2]


# The text models that the SDK of the runtime knows (google-genai 3.6.1, its list of Interactions' models).
TABLE = tuple(
    Model(name, label, wire=name)
    for name, label in (
        ("gemini-4-argon", "Gemini 4 Argon"),
        ("gemini-4-carbon", "Gemini 4 Carbon"),
        ("gemini-4-hydrogen", "Gemini 4 Hydrogen"),
        ("gemini-4-neon", "Gemini 4 Neon"),
        ("gemini-3.8-flash", "Gemini 3.8 Flash"),
        ("gemini-3.7-flash", "Gemini 3.7 Flash"),
        ("gemini-3.6-flash", "Gemini 3.6 Flash"),
        ("gemini-3.5-flash", "Gemini 3.5 Flash"),
        ("gemini-3.5-flash-lite", "Gemini 3.5 Flash Lite"),
        ("gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview"),
        ("gemini-3.1-pro-preview-customtools", "Gemini 3.1 Pro Preview Custom Tools"),
        ("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite"),
        ("gemini-3.1-flash-image", "Gemini 3.1 Flash Image"),
        ("gemini-3-flash-preview", "Gemini 3 Flash Preview"),
        ("gemini-3-pro-image", "Gemini 3 Pro Image"),
        ("gemini-2.5-pro", "Gemini 2.5 Pro"),
        ("gemini-2.5-flash", "Gemini 2.5 Flash"),
        ("gemini-2.5-flash-lite", "Gemini 2.5 Flash Lite"),
        ("gemini-2.5-flash-image", "Gemini 2.5 Flash Image"),
        ("gemini-flash-latest", "Gemini Flash Latest"),
        ("gemini-flash-lite-latest", "Gemini Flash Lite Latest"),
        ("gemini-pro-latest", "Gemini Pro Latest"),
    )
)
