"""Stub."""

from __future__ import annotations

from collections.abc import Iterable

from zerogravity.core.turn import Model
from zerogravity.wire import narrow

NAMES = ("gemini-3-flash-preview", "gemini-3-pro-preview", "gemini-3.8-flash", "gemini-3.5-flash", "gemini-2.5-flash")
TABLE = tuple(Model(name, name, wire=name) for name in NAMES)


def next_page(page: object) -> str:
    return narrow.text(narrow.lookup(page, "nextPageToken"))


def read(pages: Iterable[object]) -> tuple[Model, ...]:
    names = [
        narrow.text(model.get("name")).rpartition("/")[2]
        for page in pages
        for model in narrow.objects(narrow.lookup(page, "models"))
    ]
    return tuple(Model(name, name.removesuffix("-preview"), wire=name) for name in names)
