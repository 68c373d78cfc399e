"""What Google's Antigravity runtime really sends, through match and rewrite: with our marker where its user spoke it is
the turn's, in every try and round; what leaves then is a request that Google takes; its own turns stay its own."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from tests import cases
from tests.surfaces import playing
from zerogravity.capture.match import Match, match
from zerogravity.capture.rewrite import REPLACED, rewrite
from zerogravity.core.marker import marker_for
from zerogravity.core.turn import Target, Turn
from zerogravity.testing import builders
from zerogravity.testing.simulator.google import SIGN
from zerogravity.testing.simulator.google.server import Received
from zerogravity.testing.simulator.google.signatures import Signer
from zerogravity.testing.simulator.google.validation import refusal

pytestmark = cases.needed
MINE = "5d9ba1a9-42a8-4b0e-9be9-2a33a1e3c1f0"
MODEL = "gemini-3-flash"
SUMMARY = "compaction", 1
SIGNER = Signer(b"the runtime's requests")
SPOKEN = re.compile(r"(?s)<USER_REQUEST>\n.*?\n</USER_REQUEST>")


ALL = [pytest.param(*row, id=f"{row[0]}-{row[1]}") for row in cases.runtime_requests()]


def marked(body: dict[str, Any]) -> dict[str, Any]:
    """``body``, in which our marker stands wherever a user's words did: it is all that this user has ever said."""
    body = copy.deepcopy(body)
    for content in body["contents"]:
        for part in content["parts"]:
            if "text" in part:
                mine = f"<USER_REQUEST>\n{marker_for(MINE)}\n</USER_REQUEST>"
                part["text"] = SPOKEN.sub(lambda _, mine=mine: mine, part["text"])
    return body


@pytest.mark.parametrize(("name", "number", "path", "body"), ALL)
def test_each_call_of_a_turn_is_known(name: str, number: int, path: str, body: dict[str, Any]) -> None:
    kind = "checkpoint" if (name, number) == SUMMARY else "agent"
    assert match(path, marked(body)) == Match(kind, MINE, kind)


@pytest.mark.parametrize(("name", "number", "path", "body"), ALL)
def test_its_own_turns_are_nobodys(name: str, number: int, path: str, body: dict[str, Any]) -> None:
    own = copy.deepcopy(body)
    for part in (part for content in own["contents"] for part in content["parts"] if "text" in part):
        part["text"] = part["text"].replace("<cid:", "")  # the situations that were made with a marker
    assert match(path, own) == Match("other", None, "no_marker")


DECLARED = {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}]}
ASKED = {"role": "user", "parts": [{"text": "What now?"}]}
CALLED = {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": SIGN}]}
RETURNED = {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "f", "response": {"output": "1"}}}]}
TURNS: dict[str, dict[str, Any]] = {
    "text": {"contents": [ASKED]},
    "system and figures": {
        "contents": [ASKED],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 99},
    },
    "tools": {
        "contents": [ASKED],
        "tools": [DECLARED],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
    "results": {"contents": [ASKED, CALLED, RETURNED], "tools": [DECLARED]},
    "structured": {
        "contents": [ASKED],
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
    },
}


def turn(request: dict[str, Any]) -> Turn:
    signed = json.loads(json.dumps(request).replace(SIGN, SIGNER.mint(MODEL, "call", "f")))
    return builders.turn(model=MODEL, target=Target(MODEL, "", family="gemini-3"), google_request=signed)


@pytest.mark.parametrize("wanted", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize(("name", "number", "path", "body"), ALL)
def test_what_leaves_is_the_turns_and_google_takes_it(
    name: str, number: int, path: str, body: dict[str, Any], wanted: dict[str, Any]
) -> None:
    mine = turn(wanted)
    sent = json.loads(rewrite(marked(body), mine).body)
    assert {key: value for key, value in sent.items() if key in REPLACED} == {
        key: value for key, value in mine.google_request.items() if key in REPLACED
    }
    kept = {key: value for key, value in body.items() if key not in (*REPLACED, "generationConfig")}
    assert {key: sent[key] for key in kept} == kept
    assert "sessionId" in kept
    assert MINE not in json.dumps(sent)
    assert refused(path, sent) == (None, "")


def refused(path: str, sent: dict[str, Any]) -> tuple[int | None, str]:
    """(status, message) of the stand-in's refusal."""
    received = Received(
        "POST", path.partition("?")[0], {"alt": "sse"},
        {"x-goog-api-key": "k", "user-agent": "google-antigravity-sdk/0.1.22 go/1"}, sent, "HTTP/1.1", model=MODEL,
    )  # fmt: skip
    found = refusal(received, SIGNER, internal=False, auth=True, strict=True)
    return (None, "") if found is None else (found.status, str(found.body))


@pytest.mark.parametrize(("name", "number", "path", "body"), ALL)
def test_our_gemini_surface_takes_it_as_it_is(name: str, number: int, path: str, body: dict[str, Any]) -> None:
    made = playing.SURFACES["gemini"].parse({**body, "model": MODEL, "stream": True}, playing.context())
    assert made.google_request == {key: value for key, value in body.items() if key != "sessionId"}
    assert made.conversation == body["sessionId"]


def test_the_situations_that_are_there() -> None:
    assert len({row.values[0] for row in ALL}) >= 26
    assert len(ALL) >= 45
