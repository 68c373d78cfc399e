"""A stored history for another family: no foreign signatures, the ids and media places of the new one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.responses.asking import PNG_PART, STAND_IN, check_contents, context, output, parse
from zerogravity.surfaces.base import StoredTurn

SEARCH = ({"toolCall": {"id": "srv"}, "thoughtSignature": "s5"}, {"toolResponse": {"id": "srv"}})
LOW = {"level": "MEDIA_RESOLUTION_LOW"}
NEW, OLD, CLAUDE = "gemini-3-flash", "gemini-2.5-pro", "claude-sonnet-4-6"


def stored(family: str, *, ids: bool, media: bool = False) -> StoredTurn:
    """Two rounds; the second one still waits for its output."""

    def one(name: str, number: int) -> dict[str, Any]:
        return {"name": name, "args": {}, **({"id": f"up{number}"} if ids else {})}

    def result(name: str, number: int) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name, "response": {"output": "r"}, **({"id": f"up{number}"} if ids else {})}
        return {"functionResponse": {**made, "parts": [PNG_PART]} if media and number == 1 else made}

    return StoredTurn(
        (
            {"role": "user", "parts": [{"text": "x"}, {**PNG_PART, "mediaResolution": LOW} if ids else PNG_PART]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": "s0"}, {"text": "t", "thoughtSignature": "s1"},
                *SEARCH, {"functionCall": one("f", 0), "thoughtSignature": "s2"}, {"functionCall": one("g", 1)},
            ]},
            {"role": "user", "parts": [result("f", 0), result("g", 1)]},
            {"role": "model", "parts": [
                {"text": "", "thoughtSignature": "s3"},
                {"functionCall": one("f", 2), "zgCallId": "call_now", "thoughtSignature": "s4"},
            ]},
        ),
        family=family,
    )  # fmt: skip


def go_on(before: StoredTurn, model: str) -> list[dict[str, Any]]:
    turn = parse(context(stored={"r": before}), model=model, previous_response_id="r", input=[output("call_now")])
    check_contents(turn.google_request["contents"], turn.target.family)
    return list(turn.google_request["contents"])


def test_the_same_family_gets_it_back_as_it_was() -> None:
    before = stored(NEW, ids=True)
    made = go_on(before, NEW)
    assert made[:3] == list(before.contents[:3])
    call = {"functionCall": {"name": "f", "args": {}, "id": "up2"}, "thoughtSignature": "s4"}
    assert made[3]["parts"] == [{"text": "", "thoughtSignature": "s3"}, call]
    assert made[4]["parts"][0]["functionResponse"]["id"] == "up2"


@pytest.mark.parametrize(
    ("family", "ids", "model"),
    [(NEW, True, "gemini-3-pro"), (NEW, True, OLD), (NEW, True, CLAUDE), (OLD, False, NEW), (OLD, False, CLAUDE),
     ("", True, NEW)],
)  # fmt: skip
def test_another_family_gets_no_signature_and_no_thought(family: str, ids: bool, model: str) -> None:
    made = go_on(stored(family, ids=ids), model)
    parts = [part for content in made for part in content["parts"]]
    assert {part.get("thoughtSignature") for part in parts} <= {None, STAND_IN}
    assert not any(part.get("thought") or "toolCall" in part or "toolResponse" in part for part in parts)
    assert any("mediaResolution" in part for part in parts) == (ids and model.startswith("gemini-3"))
    assert [part["text"] for part in parts if "text" in part] == ["x", "t"]
    signed = [part for part in parts if "thoughtSignature" in part]
    assert len(signed) == (2 if model.startswith("gemini-3") else 0)


def test_media_of_results_move_behind_them() -> None:
    made = go_on(stored(NEW, ids=True, media=True), OLD)
    assert made[3] == {"role": "user", "parts": [{"text": "Files of the tool results:"}, PNG_PART]}
    assert "parts" not in made[2]["parts"][1]["functionResponse"]
    assert go_on(stored(NEW, ids=True, media=True), NEW)[2]["parts"][1]["functionResponse"]["parts"] == [PNG_PART]
