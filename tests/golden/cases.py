"""Golden files: each holds a list of cases, each a client's request and what reaches Google for it.

| member      | meaning                                                                                             |
|-------------|-----------------------------------------------------------------------------------------------------|
| name        | unique in its file                                                                                  |
| body        | the client's request                                                                                |
| model       | gemini only: the model in the URL                                                                   |
| remembered  | call id → the call as the memory holds it                                                           |
| stored      | response id → what a stored response contributes                                                    |
| conversations | conversation id → its items                                                                       |
| google      | the request as Google gets it: model; contents, tools …; of generationConfig what is not the LS's own |
| refused     | instead: status and body of the refusal                                                             |
| notes       | what was changed or left out on the way                                                             |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zerogravity.capture.rewrite import rewrite
from zerogravity.core.registry import RememberedCall
from zerogravity.core.turn import Turn
from zerogravity.errors import FaultError
from zerogravity.surfaces import chat, gemini, messages, responses
from zerogravity.surfaces.base import Context, StoredTurn, Surface
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.testing.simulator.language_server.google_requests import BUDGETS, ENUMS, STOP_SEQUENCES
from zerogravity.wire import jsonio

HERE = Path(__file__).parent
SURFACES: dict[str, Surface] = {
    surface.name: surface for surface in (chat.surface, gemini.surface, messages.surface, responses.surface)
}
FILES = sorted(HERE.glob("*/*.json"))
TURN_ID = "turn_" + "5" * 32
RESULTS = ("google", "refused", "notes")
WIDTH = 116


def context(case: Mapping[str, Any]) -> Context:
    calls = {call_id: RememberedCall(**call) for call_id, call in case.get("remembered", {}).items()}
    turns = {name: StoredTurn(**stored) for name, stored in case.get("stored", {}).items()}
    held = case.get("conversations", {})
    return Context(
        TURN_ID, 1_770_000_000, Catalogue().resolve, recall=calls.get, stored=turns.get, conversation=held.get
    )


def parsed(surface: str, case: Mapping[str, Any]) -> Turn:
    """Raises FaultError."""
    body = case["body"]
    if surface == "gemini":
        return gemini.parse_request(body, context(case), model=case["model"], stream=True)
    return SURFACES[surface].parse(body, context(case))


def ls_body(turn: Turn) -> dict[str, Any]:
    """The language server's own request, as short as it can be."""
    model = ENUMS[turn.target.ls_model]
    thinking = {"includeThoughts": True, "thinkingBudget": BUDGETS.get(model, 1000)}
    return {
        "project": "project-1", "requestId": "agent/c/1/t/1", "model": model, "userAgent": "antigravity",
        "requestType": "agent",
        "request": {
            "contents": [{"role": "user", "parts": [{"text": "<USER_REQUEST>\n.<cid:c>\n</USER_REQUEST>"}]}],
            "systemInstruction": {"role": "user", "parts": [{"text": "You are Antigravity."}]},
            "tools": [{"functionDeclarations": [{"name": "run_command"}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
            "generationConfig": {
                "temperature": 0.4, "topP": 1, "topK": 50, "candidateCount": 1,
                "maxOutputTokens": 64000 if turn.target.family == "claude" else 65536,
                "stopSequences": STOP_SEQUENCES, "thinkingConfig": thinking,
            },
            "labels": {"trajectory_id": "t"},
            "sessionId": "-3750763034362895579",
        },
    }  # fmt: skip


def sent(turn: Turn) -> dict[str, Any]:
    """The whole body that goes to Google."""
    return jsonio.loads(rewrite(ls_body(turn), turn).body)


def outcome(surface: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """``google`` and ``notes``, or ``refused``: what a golden file holds of a case."""
    try:
        turn = parsed(surface, case)
    except FaultError as error:
        answer = SURFACES[surface].error(error.fault)
        return {"refused": {"status": answer.status, "body": answer.body}}
    own, body = ls_body(turn), sent(turn)
    request = {name: value for name, value in body["request"].items() if name not in ("labels", "sessionId")}
    before = own["request"]["generationConfig"]
    config = {name: value for name, value in request.pop("generationConfig").items() if before.get(name) != value}
    if config:
        request["generationConfig"] = config
    made: dict[str, Any] = {"google": {"model": body["model"], **request}}
    return {**made, "notes": list(turn.notes)} if turn.notes else made


def load(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))


def update(path: Path) -> None:
    """Write the results of all cases of a file anew."""
    cases = [{name: value for name, value in case.items() if name not in RESULTS} for case in load(path)]
    text = pretty([{**case, **outcome(path.parent.name, case)} for case in cases])
    path.write_text(text + "\n", "utf-8")


def pretty(value: Any, indent: str = "") -> str:
    """JSON with what fits on a line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + len(indent) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + "  "
    if isinstance(value, list):
        items = [inner + pretty(item, inner) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    members = [f"{inner}{json.dumps(name, ensure_ascii=False)}: {pretty(item, inner)}" for name, item in value.items()]
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"
