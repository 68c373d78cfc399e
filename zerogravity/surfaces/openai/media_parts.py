"""Content parts that both OpenAI surfaces have, pictures, sounds and files → Google's parts.

| detail   | Google's level (Gemini 3 and later; for the whole picture)                                  |
|----------|---------------------------------------------------------------------------------------------|
| low      | LOW                                                                                         |
| high     | HIGH, which is what those models do by themselves: ``History`` leaves it out again          |
| original | ULTRA_HIGH                                                                                  |
| auto     | none: the model's own                                                                       |

Which models take a level is ``History``'s to know. Facts: wire-gemini-and-mapping 2.1, 6; livekit/agents#5712.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from zerogravity.errors import bad_request
from zerogravity.surfaces.common import media
from zerogravity.surfaces.openai import fields

Json = Mapping[str, Any]
Part = dict[str, Any]
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
DETAILS = ("auto", "low", "high", "original")
HIGH: Part = {"level": "MEDIA_RESOLUTION_HIGH"}
_LEVELS: dict[str | None, Part] = {
    "low": {"level": "MEDIA_RESOLUTION_LOW"}, "high": HIGH, "original": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"},
}  # fmt: skip


def detail(holder: Json, path: str) -> str | None:
    """How closely a picture is to be looked at. Raises FaultError 400 for other words."""
    return fields.choice(holder, "detail", DETAILS, path=path)


def picture(part: Json, path: str) -> Part:
    """The picture of a part's ``image_url``: a URL (Responses, and Chat at its beginning) or an object that holds it
    (Chat), on both surfaces. Raises FaultError 400."""
    holder, name, closely = part, "image_url", detail(part, path)
    if isinstance(nested := part.get("image_url"), dict):
        holder, name, path = cast("Json", nested), "url", f"{path}.image_url"
        closely = detail(holder, path) or closely
    made = media.image(fields.required_string(holder, name, path=path), param=f"{path}.{name}")
    level = _LEVELS.get(closely)
    return made if level is None else {**made, "mediaResolution": level}


def audio(holder: Json, path: str) -> Part:
    """``input_audio`` of ``holder``. Raises FaultError 400."""
    given, place = fields.obj(holder, "input_audio", path=path), f"{path}.input_audio"
    if given is None:
        raise fields.missing(place)
    form = fields.required_string(given, "format", path=place)
    if form not in AUDIO:
        raise fields.invalid_value(f"{place}.format", form, tuple(AUDIO))
    return media.blob(fields.required_string(given, "data", path=place), AUDIO[form], None, param=f"{place}.data")


def file(holder: Json, path: str, *, urls: bool = False) -> Part:
    """A file by its data, or by ``file_url`` where that exists. Raises FaultError 400."""
    no_file_id(holder, path, "file_data")
    filename = fields.string(holder, "filename", path=path)
    url = fields.string(holder, "file_url", path=path) if urls else None
    if url is not None and holder.get("file_data") is None:
        return media.image(url, param=f"{path}.file_url")
    data = fields.required_string(holder, "file_data", path=path)
    if media.is_data_uri(data):
        return media.data_uri(data, param=f"{path}.file_data")
    return media.blob(data, None, filename, param=f"{path}.file_data")


def no_file_id(holder: Json, path: str, instead: str) -> None:
    """Raises FaultError 400 when a stored file is named."""
    if holder.get("file_id") is not None:
        text = f"Files are not stored here, so no file_id is known; send '{instead}'."
        raise bad_request(text, param=f"{path}.file_id", code="invalid_value")
