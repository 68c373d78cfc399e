"""What the client asks, on each surface, and how it knows that an answer is whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

MODEL = "gemini-3-flash"
PIECE = 2000  # bytes of one message of the history
PROSE = 'Then the quick brown fox, 1.5 years old, said: "jump over [the] lazy dog"\n\tand «so» on. '
NAMED = re.compile(rb'"(?:code|status)": ?"(\w+)"')


def _texts(size: int) -> Iterator[str]:
    """So many bytes of earlier conversation, the user's and the model's in turn; ends with the model's."""
    for number in range(-(-size // (2 * PIECE)) * 2):
        yield f"{number}: " + PROSE * (PIECE // len(PROSE.encode()))


def _gemini(prompt: str, size: int) -> Any:
    roles = ("user", "model")
    contents = [{"role": roles[n % 2], "parts": [{"text": text}]} for n, text in enumerate(_texts(size))]
    return {"contents": [*contents, {"role": "user", "parts": [{"text": prompt}]}]}


def _messages(prompt: str, size: int) -> list[Any]:
    roles = ("user", "assistant")
    return [
        *({"role": roles[n % 2], "content": text} for n, text in enumerate(_texts(size))),
        {"role": "user", "content": prompt},
    ]


SURFACES: dict[str, tuple[str, Callable[[str, int], Any], bytes]] = {  # path, body, what stands at the end of an answer
    "google": (
        "/v1internal:streamGenerateContent?alt=sse",
        lambda prompt, size: {"model": MODEL, "request": _gemini(prompt, size)},
        b'"finishReason": "STOP"',
    ),
    "chat": (
        "/v1/chat/completions",
        lambda prompt, size: {"model": MODEL, "stream": True, "messages": _messages(prompt, size)},
        b"data: [DONE]",
    ),
    "responses": (
        "/v1/responses",
        lambda prompt, size: {"model": MODEL, "stream": True, "input": _messages(prompt, size)},
        b'"total_tokens"',
    ),
    "messages": (
        "/v1/messages",
        lambda prompt, size: {
            "model": MODEL,
            "max_tokens": 64_000,
            "stream": True,
            "messages": _messages(prompt, size),
        },
        b'"message_stop"',
    ),
    "gemini": (f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse", _gemini, b'"finishReason": "STOP"'),
}


@cache
def body(surface: str, prompt: str, size: int) -> bytes:
    """A request whose history has about ``size`` bytes."""
    return json.dumps(SURFACES[surface][1](prompt, size), ensure_ascii=False).encode()


def named(tail: bytes) -> str:
    """The code of the error that an answer ends with."""
    return " ".join(dict.fromkeys(found.decode() for found in NAMED.findall(tail)))


def failure(status: int, surface: str, tail: bytes, count: int, expected: int) -> str | None:
    """What is wrong with an answer, in few words; None if it is whole."""
    if status != 200:
        return f"HTTP {status} {named(tail)}".strip()
    if SURFACES[surface][2] not in tail:
        return f"broken: {named(tail) or 'no end'}"
    return None if count == expected else f"{count} of {expected} events"
