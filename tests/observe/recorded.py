"""Traces written without a recorder: a turn's folder in a millisecond."""

from __future__ import annotations

import json
from pathlib import Path

from tests.recording import WALL
from zerogravity.core import codec
from zerogravity.core.events import Event, Finished, Terminal
from zerogravity.observe import trace_folders
from zerogravity.observe.sessions import NOWHERE, Placement
from zerogravity.observe.summary import summary
from zerogravity.testing import builders


def turn_id(name: str) -> str:
    return f"turn_{name * 32}"


def record(
    root: Path,
    name: str,
    *events: Event,
    end: Terminal | None = None,
    at: float = 0,
    placed: Placement = NOWHERE,
    contents: list[dict[str, object]] | None = None,
    **fields: object,
) -> Path:
    """The folder of a turn with the id ``turn_nnnn…`` that began ``at`` seconds after WALL."""
    request = builders.google_request(f"question {name}") if contents is None else {"contents": contents}
    given = builders.turn(**{"id": turn_id(name), "created": int(WALL + at), "google_request": request, **fields})
    channel = builders.channel(given, *events, end=end or Finished("stop"))
    folder = trace_folders.create(root, given.id, WALL + at)
    lines = [codec.record_out(each, channel.marks["received"], (0, 0)) for each in channel.records]
    (folder / "generate.json").write_text(json.dumps(given.google_request))
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    trace_folders.write(folder / "turn.json", json.dumps(summary(channel, placed, given)).encode())
    return folder


def user(text: str) -> dict[str, object]:
    return {"role": "user", "parts": [{"text": text}]}


def model(text: str) -> dict[str, object]:
    return {"role": "model", "parts": [{"text": text}]}


def result(name: str, answer: dict[str, object]) -> dict[str, object]:
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": answer}}]}
