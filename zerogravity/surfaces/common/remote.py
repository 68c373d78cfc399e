"""Where URLs of media stand in a body: what the APIs share of it. Total: what has another shape has no such places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, cast

from zerogravity.surfaces.base import Place


def is_remote(url: object) -> TypeGuard[str]:
    return isinstance(url, str) and url[:8].lower().startswith(("http://", "https://"))


def content_parts(body: Mapping[str, Any], entries: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, part) of every content part."""
    for index, entry in objects(body.get(entries)):
        for number, part in objects(entry.get(name)):
            yield f"{entries}[{index}].{name}[{number}]", part


def objects(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, object) of a list; a single object is a list of one, as Google's clients write it."""
    for index, item in enumerate(cast("list[object]", value) if isinstance(value, list) else [value]):
        if (found := an_object(item)) is not None:
            yield index, found


def an_object(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def picture(part: dict[str, Any], path: str) -> Iterator[Place]:
    """An ``image_url``, in either of OpenAI's forms."""
    if (image := an_object(part.get("image_url"))) is not None:
        yield from place(image, "url", f"{path}.image_url.url")
    else:
        yield from place(part, "image_url", f"{path}.image_url")


def place(holder: dict[str, Any], member: str, param: str, *, picture: bool = True) -> Iterator[Place]:
    url = holder.get(member)
    if is_remote(url):
        yield Place(holder, member, url, param, picture)
