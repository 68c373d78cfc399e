"""Where URLs of media stand in a Gemini request; what Google reads by itself is left to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yarl import URL

from zerogravity.surfaces.base import Place
from zerogravity.surfaces.common.remote import an_object, content_parts, is_remote, objects

OWN_HOSTS = ("generativelanguage.googleapis.com", "www.youtube.com", "youtube.com", "youtu.be")  # Google reads these


def media(body: Mapping[str, Any]) -> Iterator[Place]:
    for path, part in content_parts(body, "contents", "parts"):
        yield from _files(part, path)


def _files(part: dict[str, Any], path: str) -> Iterator[Place]:
    """fileData of a part, and of a function's result in it."""
    for name in ("fileData", "file_data"):
        if (file := an_object(part.get(name))) is not None:
            url = file.get("fileUri", file.get("file_uri"))
            if is_remote(url) and _host(url) not in OWN_HOSTS:
                yield Place(part, name, url, f"{path}.fileData.fileUri", picture=False, blob=True)
    for name in ("functionResponse", "function_response"):
        if (result := an_object(part.get(name))) is not None:
            for index, inner in objects(result.get("parts")):
                yield from _files(inner, f"{path}.functionResponse.parts[{index}]")


def _host(url: str) -> str | None:
    try:
        return URL(url).raw_host
    except ValueError:
        return None
