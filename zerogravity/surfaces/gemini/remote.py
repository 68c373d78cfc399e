"""The URLs of media in a Gemini request; what Google reads by itself is left to it."""

from __future__ import annotations

from collections.abc import Iterator

from yarl import URL

from zerogravity.surfaces.base import MediaUrl
from zerogravity.surfaces.common.remote import content_parts, is_remote, one_or_many
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

READ_BY_GOOGLE = ("generativelanguage.googleapis.com", "www.youtube.com", "youtube.com", "youtu.be")


def media(body: Json) -> Iterator[MediaUrl]:
    for path, part in content_parts(body, "contents", "parts"):
        yield from _files(part, path)


def _files(part: dict[str, object], path: str) -> Iterator[MediaUrl]:
    """fileData of a part, and of a function's result in it."""
    for name in ("fileData", "file_data"):
        if (file := narrow.an_object(part.get(name))) is not None:
            url = file.get("fileUri", file.get("file_uri"))
            if is_remote(url) and _host(url) not in READ_BY_GOOGLE:
                yield MediaUrl(part, name, url, f"{path}.fileData.fileUri", picture=False, blob=True)
    for name in ("functionResponse", "function_response"):
        for index, inner in one_or_many(narrow.lookup(part, name, "parts")):
            yield from _files(inner, f"{path}.functionResponse.parts[{index}]")


def _host(url: str) -> str | None:
    try:
        return URL(url).raw_host
    except ValueError:
        return None
