"""What a build makes of members that it does not know, at any depth."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.testing.simulator.language_server.request_members import MEMBERS, OF_2026_09, UnknownMember, known

PLANNED = {"cascadeConfig": {"plannerConfig": {"planModel": 1, "retryConfig": {"apiRetry": {"maxRetries": 0}}}}}
NESTED = {"cascadeConfig": {"plannerConfig": {"retryConfig": {"apiRetry": {"most": 0}}}}}
SEND = "SendUserCascadeMessage"


@pytest.mark.parametrize(
    ("message", "body", "lacking", "kept", "unknown"),
    [
        ("Heartbeat", {}, (), {}, None),
        ("Heartbeat", {"metadata": {"ideName": "x", "odd": 1}}, (), {"metadata": {"ideName": "x"}}, "odd"),
        ("Heartbeat", {"meta": 1}, (), {}, "meta"),
        (SEND, {"items": [{"text": "x", "words": 1}, 7]}, (), {"items": [{"text": "x"}, 7]}, "words"),
        (SEND, PLANNED, (), PLANNED, None),
        (SEND, NESTED, (), {"cascadeConfig": {"plannerConfig": {"retryConfig": {"apiRetry": {}}}}}, "most"),
        (SEND, {"cascadeConfig": {"plannerConfig": {"planModel": 1}}}, OF_2026_09,
         {"cascadeConfig": {"plannerConfig": {}}}, "planModel"),
        (SEND, {"editorState": {"anything": 1}}, (), {"editorState": {"anything": 1}}, None),
        (SEND, {"cascadeConfig": 7, "items": None}, (), {"cascadeConfig": 7, "items": None}, None),
        ("NoSuchMethod", {"anything": 1}, (), {"anything": 1}, None),
    ],
)  # fmt: skip
def test_members(message: str, body: dict[str, Any], lacking: Any, kept: Any, unknown: str | None) -> None:
    assert known(message, body, strict=False, lacking=lacking) == kept
    if unknown is None:
        assert known(message, body, strict=True, lacking=lacking) == body
        return
    with pytest.raises(UnknownMember, match=f"^{unknown}$"):
        known(message, body, strict=True, lacking=lacking)


def test_the_table_is_whole() -> None:
    """What a member is of is listed, and so is what is new."""
    inner = {word.partition(":")[2] for words in MEMBERS.values() for word in words.split()} - {""}
    assert inner <= set(MEMBERS)
    for message, name in OF_2026_09:
        assert name in (word.partition(":")[0] for word in MEMBERS[message].split())
