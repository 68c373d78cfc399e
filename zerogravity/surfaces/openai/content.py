"""Message content, in the part types of Chat or Responses → Google's parts: text, pictures, audio, files.

Each API names its own part types and passes a reader for each (``Content``). Which models take a resolution for a
picture is decided in ``History``. Facts: wire-gemini-and-mapping 2.1, 6; livekit/agents#5712.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zerogravity.errors import bad_request
from zerogravity.surfaces.common import fields, media
from zerogravity.surfaces.common.media import HIGH
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

Part = dict[str, Any]
Reader = Callable[[Json, str], Part | None]
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
DETAIL: dict[str, Part | None] = {
    "auto": None,
    "low": {"level": "MEDIA_RESOLUTION_LOW"},
    "high": HIGH,
    "original": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"},
}


@dataclass(frozen=True, slots=True)
class Content:
    """What one member may hold: a string, or an array of parts. ``types``: part type → its reader, which gets the part
    and its path, and returns None for a part to leave out. ``also``: types that are read too, but that errors do not
    offer. ``required``: null is an error.
    """

    types: Mapping[str, Reader]
    also: Mapping[str, Reader] = field(default_factory=dict[str, Reader])
    required: bool = True

    def read(self, holder: Json, name: str, path: str) -> list[Part]:
        """Google's parts, without empty texts. Raises FaultError 400."""
        path, content = fields.join(path, name), holder.get(name)
        if content is None:
            if self.required:
                raise fields.missing(path)
            return []
        if isinstance(content, str):
            return [{"text": content}] if content else []
        if not isinstance(content, list):
            raise fields.invalid_type(path, "a string or an array of content parts", content)
        values = enumerate(narrow.items(holder[name]))
        parts = [self._part(value, fields.join(path, index)) for index, value in values]
        return [part for part in parts if part is not None and part.get("text") != ""]

    def _part(self, value: object, path: str) -> Part | None:
        part = fields.as_object(value, path)
        kind = fields.required_string(part, "type", path=path)
        reader = self.types.get(kind) or self.also.get(kind)
        if reader is None:
            raise fields.invalid_value(f"{path}.type", kind, tuple(self.types))
        return reader(part, path)


# -- readers: all raise FaultError 400 ---------------------------------------------------------------------------


def text(part: Json, path: str) -> Part:
    return {"text": fields.required_string(part, "text", path=path)}


def refusal(part: Json, path: str) -> Part:
    return {"text": fields.required_string(part, "refusal", path=path)}


def picture(part: Json, path: str) -> Part:
    """``image_url``: the URL itself (Responses, early Chat) or an object that holds it (Chat), in both APIs."""
    holder, name, detail = part, "image_url", _detail(part, path)
    if (nested := narrow.an_object(part.get("image_url"))) is not None:
        holder, name, path = nested, "url", f"{path}.image_url"
        detail = _detail(holder, path) or detail
    made = media.image(fields.required_string(holder, name, path=path), param=f"{path}.{name}")
    level = DETAIL[detail or "auto"]
    return made if level is None else {**made, "mediaResolution": level}


def audio(part: Json, path: str) -> Part:
    given, place = fields.required_obj(part, "input_audio", path=path), f"{path}.input_audio"
    form = fields.required_string(given, "format", path=place)
    if form not in AUDIO:
        raise fields.invalid_value(f"{place}.format", form, tuple(AUDIO))
    return media.blob(fields.required_string(given, "data", path=place), AUDIO[form], None, param=f"{place}.data")


def file(part: Json, path: str, *, urls: bool = False) -> Part:
    """A file by its data or, where ``urls`` are known, by ``file_url``."""
    refuse_file_id(part, path, "file_data")
    filename = fields.string(part, "filename", path=path)
    url = fields.string(part, "file_url", path=path) if urls else None
    if url is not None and part.get("file_data") is None:
        return media.image(url, param=f"{path}.file_url")
    data = fields.required_string(part, "file_data", path=path)
    if media.is_data_uri(data):
        return media.data_uri(data, param=f"{path}.file_data")
    return media.blob(data, None, filename, param=f"{path}.file_data")


def refuse_file_id(part: Json, path: str, instead: str) -> None:
    """Raises FaultError 400 if the part names a stored file."""
    if part.get("file_id") is not None:
        text = f"Files are not stored here, so a file_id cannot be used. Send '{instead}' instead."
        raise bad_request(text, param=f"{path}.file_id", code="invalid_value")


def _detail(holder: Json, path: str) -> str | None:
    return fields.choice(holder, "detail", tuple(DETAIL), path=path)
