"""Content blocks → Google's parts: text, pictures, documents, search results, and what servers' tools found before.

The list of kinds is open: what has no reader is left out and noted, since clients learn new kinds every month.
Facts: wire-anthropic 2.2, 7.16, 7.23.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields, media
from zerogravity.surfaces.common.remote import one_or_many
from zerogravity.wire import jsonio, narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
Skip = Callable[[str, str], None]  # gets the kind of a block that is left out, and its path


def blocks(holder: Json, name: str, path: str, *, required: bool = True) -> Iterator[tuple[str, Json, str]]:
    """(kind, block, path) of each block of a content; a string is one block of text. Raises FaultError 400."""
    place, content = fields.join(path, name), holder.get(name)
    if content is None:
        if required:
            raise fields.missing(place)
        return
    if isinstance(content, str):
        yield "text", {"text": content}, place
        return
    if not isinstance(content, list):
        raise fields.invalid_type(place, "a string or an array of content blocks", content)
    for block, at in fields.each_object(narrow.items(holder[name]), place):
        yield fields.required_string(block, "type", path=at), block, at


def parts(kind: str, block: Json, path: str, skip: Skip) -> list[Part]:
    """Google's parts of one block, without empty texts. Raises FaultError 400."""
    reader = READERS.get(kind)
    if reader is None:
        skip(kind, path)
        return []
    return [part for part in reader(block, path, skip) if part.get("text") != ""]


def nested(holder: Json, name: str, path: str, skip: Skip, *, required: bool = True) -> list[Part]:
    """The parts of all blocks of a content that a block holds."""
    return [
        part
        for kind, block, place in blocks(holder, name, path, required=required)
        for part in parts(kind, block, place, skip)
    ]


def joined(found: list[Part]) -> list[Part]:
    """The same with one text, a line or more for each, before everything else: as a tool's result has it."""
    texts = [str(part["text"]) for part in found if "text" in part]
    return [{"text": "\n".join(texts)}, *(part for part in found if "text" not in part)]


# -- readers: all raise FaultError 400 -------------------------------------------------------------------------------


def _text(block: Json, path: str, skip: Skip) -> list[Part]:
    return [{"text": fields.required_string(block, "text", path=path)}]


def _image(block: Json, path: str, skip: Skip) -> list[Part]:
    source, place = fields.required_obj(block, "source", path=path), f"{path}.source"
    return _file(source, place, ("base64", "url"))


def _document(block: Json, path: str, skip: Skip) -> list[Part]:
    """Headed by its title and its context."""
    source, place = fields.required_obj(block, "source", path=path), f"{path}.source"
    title, context = fields.string(block, "title", path=path), fields.string(block, "context", path=path)
    heading = "\n".join(filter(None, (title and f"Document: {title}", context)))
    match source.get("type"):
        case "text":
            found: list[Part] = [{"text": fields.required_string(source, "data", path=place)}]
        case "content":
            found = nested(source, "content", place, skip)
        case _:
            found = _file(source, place, ("base64", "text", "content", "url"))
    return [{"text": heading}, *found]


def _file(source: Json, path: str, kinds: tuple[str, ...]) -> list[Part]:
    """A file's data, or a URL: where those are fetched, a data URI is in its place by now."""
    match fields.required_string(source, "type", path=path):
        case "base64":
            data = fields.required_string(source, "data", path=path)
            mime = fields.required_string(source, "media_type", path=path)
            return [media.blob(data, mime, None, param=f"{path}.data")]
        case "url":
            return [media.image(fields.required_string(source, "url", path=path), param=f"{path}.url")]
        case "file":
            text = "Files are not stored here, so a file_id cannot be used. Send the data as 'base64' instead."
            raise bad_request(text, param=f"{path}.file_id", code="invalid_value")
        case kind:
            raise fields.invalid_value(f"{path}.type", kind, kinds)


def _search_result(block: Json, path: str, skip: Skip) -> list[Part]:
    title = fields.required_string(block, "title", path=path)
    source = fields.required_string(block, "source", path=path)
    return [{"text": f"{title}\n{source}"}, *nested(block, "content", path, skip)]


def _tool_reference(block: Json, path: str, skip: Skip) -> list[Part]:
    return [{"text": f"Tool {fields.required_string(block, 'tool_name', path=path)} is now available."}]


def _compaction(block: Json, path: str, skip: Skip) -> list[Part]:
    return nested(block, "content", path, skip, required=False)


def _server_tool_use(block: Json, path: str, skip: Skip) -> list[Part]:
    name, given = fields.required_string(block, "name", path=path), fields.obj(block, "input", path=path) or {}
    asked = narrow.text(given.get("query")) or narrow.text(given.get("url")) or jsonio.text(given)
    return [{"text": f"[{name}: {asked}]"}]


def _server_tool_result(block: Json, path: str, skip: Skip) -> list[Part]:
    """The titles and URLs of what a server's tool found. Total: their forms are many."""
    found = [result for _, result in one_or_many(block.get("content"))]
    return [{"text": "\n".join(filter(None, map(_found, found)))}]


def _found(result: Json) -> str:
    url, code = narrow.text(result.get("url")), narrow.text(result.get("error_code"))
    title = narrow.text(result.get("title")) or narrow.text(narrow.lookup(result, "content", "title"))
    if code:
        return f"[failed: {code}]"
    return f"[found: {title} {url}]" if title and url else f"[found: {title or url}]" if title or url else ""


READERS: dict[str, Callable[[Json, str, Skip], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "compaction": _compaction,
    "server_tool_use": _server_tool_use,
    "web_search_tool_result": _server_tool_result,
    "web_fetch_tool_result": _server_tool_result,
}
