"""Where URLs of media stand in a body, on every surface."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.surfaces import REGISTRY

X = "https://good.test/x"


def chat(url: str) -> dict[str, Any]:
    picture = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": X}, picture]}]}


@pytest.mark.parametrize(
    ("surface", "body", "found"),
    [
        ("chat", chat(X), ["messages[0].content[1].image_url.url"]),
        ("chat", chat("data:image/png;base64,AAAA"), []),
        ("chat", {"messages": [{"role": "user", "content": X}]}, []),
        ("chat", {"messages": "x"}, []),
        ("chat", {"messages": [7, {"content": [7, {"image_url": X}]}]}, ["messages[1].content[1].image_url"]),
        ("chat", {"messages": [7, {"content": [7, {"image_url": 7}]}]}, []),
        ("responses", {"input": X}, []),
        ("responses", {"input": [{"role": "user", "content": [
            {"type": "input_image", "image_url": X}, {"type": "input_file", "file_url": X}]}]},
         ["input[0].content[0].image_url", "input[0].content[1].file_url"]),
        ("responses", {"input": [{"type": "function_call_output", "output": [{"image_url": X}]}]},
         ["input[0].output[0].image_url"]),
    ],
)  # fmt: skip
def test_where_urls_stand(surface: str, body: dict[str, Any], found: list[str]) -> None:
    assert [place.param for place in REGISTRY[surface].media(body)] == found
