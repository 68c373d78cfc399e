"""``python -m tests.golden.digest > before.txt``: one line for each golden case, recorded answer and recorded request,
on each surface, with the SHA-256 of what reaches Google or the client. Two runs are equal where a change leaves the
wire as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.golden import cases as golden
from tests.reality import test_recorded as recorded
from tests.surfaces import playing
from zerogravity.errors import FaultError


def golden_lines() -> Iterator[tuple[str, bytes]]:
    for path in golden.FILES:
        surface = path.parent.name
        for case in json.loads(path.read_text("utf-8")):
            try:
                turn = golden.parsed(surface, case)
                shown = golden.sent(turn)
                data = json.dumps([shown, list(turn.notes)], sort_keys=False).encode()
            except FaultError as error:
                data = _answer(surface, error)
            yield f"golden/{surface}/{path.stem}/{case['name']}", data


def _answer(surface: str, error: FaultError) -> bytes:
    answer = golden.SURFACES[surface].error(error.fault)
    return json.dumps([answer.status, answer.body, dict(answer.headers)]).encode()


def answer_lines() -> Iterator[tuple[str, bytes]]:
    for param in (*recorded.WHOLE, *recorded.ERRORS):
        answer: dict[str, Any] = param.values[0]
        for name in playing.ALL:
            for step in (1000, 1 << 20):
                channel = recorded.channel_of(playing.ask(name), answer, step)
                yield f"streamed/{name}/{step}/{param.id}", b"".join(playing.frames(name, channel))
            plain = {"stream": False, **({"stream_options": None} if name == "chat" else {})}
            channel = recorded.channel_of(playing.ask(name, **plain), answer, 1000)
            whole = playing.SURFACES[name].answer(channel, playing.SECRET)
            yield f"whole/{name}/{param.id}", json.dumps([whole.status, whole.body, dict(whole.headers)]).encode()


def request_lines() -> Iterator[tuple[str, bytes]]:
    for param in recorded.REQUESTS:
        request: dict[str, Any] = param.values[0]
        name, body = request["kind"], {**request["body"], "model": "gemini-3-flash"}
        body |= {"stream": "stream" in request["uri"]} if name == "gemini" else {}
        try:
            turn = playing.SURFACES[name].parse(body, playing.context())
            data = json.dumps([golden.sent(turn), list(turn.notes)]).encode()
        except FaultError as error:
            data = _answer(name, error)
        yield f"request/{name}/{param.id}", data


def main() -> None:
    for name, data in (*golden_lines(), *answer_lines(), *request_lines()):
        print(hashlib.sha256(data).hexdigest()[:24], len(data), name)


if __name__ == "__main__":
    main()
