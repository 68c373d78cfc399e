"""Media parts: data URIs and base64 in both alphabets → inlineData; types by magic bytes. Remote URLs are refused:
where they are allowed, the server has put data URIs in their place before. Facts: wire-gemini-and-mapping 6.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from zerogravity.errors import FaultError, bad_request

MAX_BYTES = 24 << 20
HIGH = {"level": "MEDIA_RESOLUTION_HIGH"}  # the default of every model that has levels
_SPACE = re.compile(r"\s+")
_USUAL = str.maketrans("-_", "+/")
_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"), (b"\xff\xd8\xff", 0, "image/jpeg"), (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"), (b"WEBP", 8, "image/webp"), (b"%PDF-", 0, "application/pdf"),
    (b"WAVE", 8, "audio/wav"), (b"ID3", 0, "audio/mpeg"), (b"\xff\xfb", 0, "audio/mpeg"), (b"OggS", 0, "audio/ogg"),
    (b"fLaC", 0, "audio/flac"), (b"ftypheic", 4, "image/heic"), (b"ftypmif1", 4, "image/heif"),
    (b"ftypavif", 4, "image/avif"), (b"ftypM4A", 4, "audio/mp4"), (b"\xff\xf3", 0, "audio/mpeg"),
    (b"ftyp", 4, "video/mp4"), (b"\x1aE\xdf\xa3", 0, "video/webm"),
)  # fmt: skip
_SAME = {"image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}
_VAGUE = ("", "application/octet-stream", "binary/octet-stream")


def data_uri(url: str, *, param: str) -> dict[str, Any]:
    """``data:image/png;base64,…`` → part. Parameters (``;name=``) are dropped. Raises FaultError 400."""
    head, comma, payload = url.partition(",")
    if not head.lower().startswith("data:") or not comma:
        raise _bad(param, "it is not a data URI")
    mime, *parameters = head[5:].split(";")
    if any(parameter.strip().lower() == "base64" for parameter in parameters):
        return blob(payload, mime, None, param=param)
    if not payload:
        raise _bad(param, "it is empty")
    raw = unquote_to_bytes(payload)
    return _part(raw, base64.b64encode(raw).decode(), mime.strip().lower() or "text/plain")


def blob(data: str, mime: str | None, filename: str | None, *, param: str) -> dict[str, Any]:
    """Base64 (either alphabet, white space allowed) → part; the type from ``mime``, the bytes, or the file's name."""
    raw, text = decode(data, param=param)
    wanted = (mime or "").strip().lower()
    if wanted in _VAGUE:
        guessed = mimetypes.guess_type(filename)[0] if filename else None
        wanted = sniff(raw) or guessed or ""
    if not wanted:
        raise _bad(param, "its media type is unknown; send it as a data URI")
    return _part(raw, text, wanted)


def decode(data: str, *, param: str) -> tuple[bytes, str]:
    """Base64 of either alphabet, padded or not → the bytes, and their usual base64: the same text, where it is that
    already. Raises FaultError 400."""
    raw, text = _strictly(data), data
    if raw is None:
        text = usual_alphabet(_SPACE.sub("", data)).rstrip("=")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise _bad(param, "it is not valid base64") from None
        text = base64.b64encode(raw).decode()
    if not raw:
        raise _bad(param, "it is empty")
    if len(raw) > MAX_BYTES:
        raise _bad(param, f"it is larger than {MAX_BYTES >> 20} MiB")
    return raw, text


def _strictly(data: str) -> bytes | None:
    """The bytes of what an encoder would have written exactly like that; None: something else."""
    try:
        raw = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    tail = raw[len(raw) - (len(raw) % 3 or 3) :]  # strictness does not extend to the bits that padding leaves over
    return raw if data.endswith(base64.b64encode(tail).decode()) else None


def usual_alphabet(text: str) -> str:
    """Base64 of either alphabet → the same in the one with ``+`` and ``/``."""
    return text.translate(_USUAL)


def sniff(raw: bytes) -> str | None:
    """The media type by the first bytes; plain text when it decodes as UTF-8 without control characters."""
    for magic, offset, mime in _MAGIC:
        if raw[offset : offset + len(magic)] == magic:
            return mime
    try:
        head = raw[:512].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(raw[:512]) - 3 or not raw[: error.start]:
            return None
        head = raw[: error.start].decode("utf-8")
    return "text/plain" if all(character.isprintable() or character in "\r\n\t" for character in head) else None


def is_data_uri(url: str) -> bool:
    return url[:5].lower() == "data:"


def image(url: str, *, param: str) -> dict[str, Any]:
    """An ``image_url``: a data URI → part. Remote URLs are refused here; the server fetches them first if allowed."""
    if is_data_uri(url):
        return data_uri(url, param=param)
    raise refuse_url(param)


def refuse_url(param: str) -> FaultError:
    text = "Only data URIs are read here (https URLs are fetched when remote_urls is on)."
    return bad_request(f"Invalid '{param}': {text}", param=param, code="unsupported_url")


def _part(raw: bytes, text: str, mime: str) -> dict[str, Any]:
    """``text``: its base64. Declared types are believed, but a picture is what its bytes say (clients mix up PNG and
    JPEG)."""
    mime = _SAME.get(mime, mime)
    found = sniff(raw)
    if mime.startswith("image/") and found is not None and found.startswith("image/"):
        mime = found
    return {"inlineData": {"mimeType": mime, "data": text}}


def _bad(param: str, why: str) -> FaultError:
    return bad_request(f"Invalid '{param}': {why}.", param=param, code="invalid_value")
