"""Data URIs and base64 → inlineData, types by magic bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.errors import FaultError
from zerogravity.surfaces.common import media

PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(4), b"\xff\xd8\xff\xe0" + bytes(4)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("raw", "mime"),
    [
        (PNG, "image/png"), (JPEG, "image/jpeg"), (b"GIF87a..", "image/gif"), (b"GIF89a..", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"), (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypmif1", "image/heif"),
        (b"\0\0\0\x1cftypavif", "image/avif"), (b"%PDF-1.4", "application/pdf"), (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mpeg"), (b"\xff\xfb\x90", "audio/mpeg"), (b"\xff\xf3\x90", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"), (b"\0\0\0\x18ftypM4A ", "audio/mp4"), (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"), (b"hello\n", "text/plain"), ("grüße".encode(), "text/plain"),
        ("é".encode() * 300, "text/plain"), (b"a" * 511 + "é".encode(), "text/plain"),
        (b"\0\1\2", None), (b"\xff\xfe\0", None), (b"a\0b", None), (b"\xe2\x82", None),
    ],
)  # fmt: skip
def test_sniffing(raw: bytes, mime: str | None) -> None:
    assert media.sniff(raw) == mime


@pytest.mark.parametrize(
    ("url", "mime", "raw"),
    [
        (f"data:image/png;base64,{b64(PNG)}", "image/png", PNG),
        (f"DATA:IMAGE/PNG;BASE64,{b64(PNG)}", "image/png", PNG),
        (f"data:image/jpg;base64,{b64(JPEG)}", "image/jpeg", JPEG),
        (f"data:image/jpeg;base64,{b64(PNG)}", "image/png", PNG),
        (f"data:image/png;name=a.png;charset=x;base64,{b64(PNG)}", "image/png", PNG),
        (f"data:;base64,{b64(PNG)}", "image/png", PNG),
        (f"data:application/octet-stream;base64,{b64(b'%PDF-1')}", "application/pdf", b"%PDF-1"),
        (f"data:audio/mp3;base64,{b64(b'xx')}", "audio/mpeg", b"xx"),
        (f"data:audio/x-wav;base64,{b64(b'xx')}", "audio/wav", b"xx"),
        (f"data:image/png;base64,{b64(PNG)[:5]} \n{b64(PNG)[5:]}", "image/png", PNG),
        ("data:image/jpeg;base64," + b64(JPEG).replace("/", "_").rstrip("="), "image/jpeg", JPEG),
        ("data:text/plain,a%20b%C3%A9", "text/plain", "a bé".encode()),
        ("data:,hi", "text/plain", b"hi"),
        ("data:image/svg+xml,%3Csvg/%3E", "image/svg+xml", b"<svg/>"),
    ],
)
def test_data_uris(url: str, mime: str, raw: bytes) -> None:
    part = media.image(url, param="p")
    assert part == {"inlineData": {"mimeType": mime, "data": b64(raw)}}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/a.png", "unsupported_url"), ("http://127.0.0.1/", "unsupported_url"),
        ("file:///etc/passwd", "unsupported_url"), ("", "unsupported_url"), ("a.png", "unsupported_url"),
        ("data:image/png;base64", "invalid_value"), ("data:image/png;base64,", "invalid_value"),
        ("data:image/png,", "invalid_value"), ("data:image/png;base64,é", "invalid_value"),
        ("data:image/png;base64,AAAAA", "invalid_value"), ("data:image/png;base64,A=AA", "invalid_value"),
        ("data:image/png;base64,%%%%", "invalid_value"), ("data:;base64,AAECAw==", "invalid_value"),
    ],
)  # fmt: skip
def test_what_is_refused(url: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        media.image(url, param="messages[0].content[0].image_url.url")
    fault = caught.value.fault
    assert (fault.status, fault.code, fault.param) == (400, code, "messages[0].content[0].image_url.url")


@pytest.mark.parametrize(
    ("data", "mime", "filename", "made"),
    [
        (b64(b"%PDF-1"), None, "x.bin", "application/pdf"),
        (b64(b"\0\1"), None, "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b64(b"a,b"), None, "a.csv", "text/plain"),
        (b64(b"\0\1"), "audio/wav", None, "audio/wav"),
        (b64(b"\0\1"), " Audio/WAVE ", None, "audio/wav"),
    ],
)
def test_bare_base64(data: str, mime: str | None, filename: str | None, made: str) -> None:
    assert media.blob(data, mime, filename, param="p")["inlineData"]["mimeType"] == made


@pytest.mark.parametrize(
    ("data", "made"),
    [
        ("AAEC", None), ("AAE=", None), ("AA==", None), ("+/+/", None),
        ("AB==", "AA=="), ("AAF=", "AAE="), ("AAE", "AAE="), ("-_-_", "+/+/"), ("AA EC", "AAEC"), ("AAEC\n", "AAEC"),
    ],
)  # fmt: skip
def test_only_what_is_not_the_usual_text_is_written_anew(data: str, made: str | None) -> None:
    text = media.blob(data, "audio/wav", None, param="p")["inlineData"]["data"]
    assert text == (made or data)
    assert (text is data) is (made is None)


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 1 << 20)
    with pytest.raises(FaultError, match="larger than 1 MiB"):
        media.decode("A" * (2 << 20), param="p")


@given(st.binary(min_size=1, max_size=40), st.booleans(), st.booleans())
def test_base64_of_either_alphabet(raw: bytes, urlsafe: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(raw).decode()
    assert media.decode(text if padded else text.rstrip("="), param="p") == (raw, b64(raw))
