"""Where URLs of media stand in a Gemini request, and which of them Google reads by itself."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces.gemini.remote import media

X = "https://good.test/x"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"contents": {"parts": {"file_data": {"file_uri": X}}}}, ["contents[0].parts[0].fileData.fileUri"]),
        ({"contents": [{"parts": [{"functionResponse": {"parts": [{"fileData": {"fileUri": X}}]}}]}]},
         ["contents[0].parts[0].functionResponse.parts[0].fileData.fileUri"]),
        ({"contents": [{"parts": [
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}}, {"fileData": {"fileUri": "gs://b/o"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}]}]}, []),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "https://youtu.be.evil.test/1"}}]}]},
         ["contents[0].parts[0].fileData.fileUri"]),
        ({"contents": [{"parts": [{"fileData": {"fileUri": 7}}, {"fileData": "x"}, {}]}]}, []),
    ],
)  # fmt: skip
def test_where_urls_stand(body: dict[str, Any], found: list[str]) -> None:
    places = list(media(body))
    assert [place.param for place in places] == found
    assert all(place.blob and not place.picture for place in places)
