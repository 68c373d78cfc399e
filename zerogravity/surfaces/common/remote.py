"""The URLs of media in a body: what the APIs share of it. Total: what has another shape holds none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from zerogravity.surfaces.base import MediaUrl
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json


def is_remote(url: object) -> TypeGuard[str]:
    return isinstance(url, str) and url[:8].lower().startswith(("http://", "https://"))


def content_parts(body: Json, entries: str, name: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(path, part) of every content part."""
    for index, entry in one_or_many(body.get(entries)):
        for number, part in one_or_many(entry.get(name)):
            yield f"{entries}[{index}].{name}[{number}]", part


def one_or_many(value: object) -> list[tuple[int, dict[str, object]]]:
    """(index, object) of a list; a single object is a list of one, as Google's clients write it."""
    return narrow.numbered(narrow.items(value) or [value])


def picture(part: dict[str, object], path: str) -> Iterator[MediaUrl]:
    """An ``image_url``, in either of OpenAI's forms."""
    if (image := narrow.an_object(part.get("image_url"))) is not None:
        yield from media_url(image, "url", f"{path}.image_url.url")
    else:
        yield from media_url(part, "image_url", f"{path}.image_url")


def media_url(holder: dict[str, object], member: str, param: str, *, picture: bool = True) -> Iterator[MediaUrl]:
    url = holder.get(member)
    if is_remote(url):
        yield MediaUrl(holder, member, url, param, picture)
