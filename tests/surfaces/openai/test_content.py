"""Message content → Google's parts: what the readers of Chat and Responses share, with part types of their own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.surfaces.responses.asking import PNG, PNG_PART
from zerogravity.errors import FaultError
from zerogravity.surfaces.openai import content
from zerogravity.surfaces.openai.content import Content

ANY = Content(
    {
        "text": content.text, "picture": content.picture, "sound": content.audio, "file": content.file,
        "file_or_url": partial(content.file, urls=True),
    },
    also={"refusal": content.refusal, "thinking": lambda part, path: None},
)  # fmt: skip
OPTIONAL = Content({"text": content.text}, required=False)


def level(name: str) -> dict[str, Any]:
    return {**PNG_PART, "mediaResolution": {"level": f"MEDIA_RESOLUTION_{name}"}}


def sound(**given: Any) -> dict[str, Any]:
    return {"type": "sound", "input_audio": {"data": "AAEC", **given}}


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("a", [{"text": "a"}]),
        ("", []),
        ([], []),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": ""}], [{"text": "a"}]),
        ([{"type": "refusal", "refusal": "no"}, {"type": "thinking"}], [{"text": "no"}]),
        ([{"type": "picture", "image_url": PNG}], [PNG_PART]),
        ([{"type": "picture", "image_url": {"url": PNG}}], [PNG_PART]),
        ([{"type": "picture", "image_url": PNG, "detail": "auto"}], [PNG_PART]),
        ([{"type": "picture", "image_url": PNG, "detail": "low"}], [level("LOW")]),
        ([{"type": "picture", "image_url": PNG, "detail": "high"}], [level("HIGH")]),
        ([{"type": "picture", "image_url": PNG, "detail": "original"}], [level("ULTRA_HIGH")]),
        ([{"type": "picture", "image_url": {"url": PNG, "detail": "low"}, "detail": "high"}], [level("LOW")]),
        ([sound(format="wav")], [{"inlineData": {"mimeType": "audio/wav", "data": "AAEC"}}]),
        ([sound(format="mp3")], [{"inlineData": {"mimeType": "audio/mpeg", "data": "AAEC"}}]),
        ([{"type": "file", "file_data": "AAEC", "filename": "a.csv"}],
         [{"inlineData": {"mimeType": "text/csv", "data": "AAEC"}}]),
        ([{"type": "file_or_url", "file_url": "data:text/csv;base64,AAEC"}],
         [{"inlineData": {"mimeType": "text/csv", "data": "AAEC"}}]),
        ([{"type": "file_or_url", "file_url": "https://host/a", "file_data": "data:text/csv;base64,AAEC"}],
         [{"inlineData": {"mimeType": "text/csv", "data": "AAEC"}}]),
    ],
)  # fmt: skip
def test_parts(given: Any, parts: list[dict[str, Any]]) -> None:
    assert ANY.read({"content": given}, "content", "messages[0]") == parts


def test_optional_content() -> None:
    assert OPTIONAL.read({}, "content", "m") == OPTIONAL.read({"content": None}, "content", "m") == []


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        (None, "m.content", "missing_required_parameter"),
        (7, "m.content", "invalid_type"),
        (["a"], "m.content[0]", "invalid_type"),
        ([{}], "m.content[0].type", "missing_required_parameter"),
        ([{"type": "text", "text": "a"}, {"type": "video"}], "m.content[1].type", "invalid_value"),
        ([{"type": "text"}], "m.content[0].text", "missing_required_parameter"),
        ([{"type": "picture"}], "m.content[0].image_url", "missing_required_parameter"),
        ([{"type": "picture", "image_url": 7}], "m.content[0].image_url", "invalid_type"),
        ([{"type": "picture", "image_url": {}}], "m.content[0].image_url.url", "missing_required_parameter"),
        ([{"type": "picture", "image_url": {"url": PNG, "detail": "x"}}], "m.content[0].image_url.detail",
         "invalid_value"),
        ([{"type": "picture", "image_url": "data:image/png;base64,%"}], "m.content[0].image_url", "invalid_value"),
        ([{"type": "picture", "image_url": PNG, "detail": "x"}], "m.content[0].detail", "invalid_value"),
        ([{"type": "picture", "image_url": "https://host/a"}], "m.content[0].image_url", "unsupported_url"),
        ([{"type": "sound"}], "m.content[0].input_audio", "missing_required_parameter"),
        ([sound(format="ogg")], "m.content[0].input_audio.format", "invalid_value"),
        ([sound(format="wav", data="!")], "m.content[0].input_audio.data", "invalid_value"),
        ([{"type": "file"}], "m.content[0].file_data", "missing_required_parameter"),
        ([{"type": "file", "file_id": "f"}], "m.content[0].file_id", "invalid_value"),
        ([{"type": "file", "file_url": "https://host/a"}], "m.content[0].file_data", "missing_required_parameter"),
        ([{"type": "file_or_url", "file_url": "https://host/a"}], "m.content[0].file_url", "unsupported_url"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(given: Any, param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        ANY.read({"content": given}, "content", "m")
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)


def test_an_unknown_type_is_told_which_there_are() -> None:
    with pytest.raises(FaultError) as caught:
        ANY.read({"content": [{"type": "video"}]}, "content", "m")
    assert "'file_or_url'" in caught.value.fault.message
    assert "refusal" not in caught.value.fault.message
