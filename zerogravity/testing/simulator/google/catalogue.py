"""The named scenarios: ``sim:NAME`` in a prompt → ``Scenario``. The table is in ``scenarios.py``."""

from __future__ import annotations

import base64
import json
import secrets
import struct
import zlib
from collections.abc import Callable
from typing import Any

from zerogravity.testing.simulator.google import default_answers, failures
from zerogravity.testing.simulator.google.generate_request import Ask
from zerogravity.testing.simulator.google.scenarios import (
    SIGN,
    Do,
    Scenario,
    Stamp,
    Step,
    call,
    error,
    event,
    say,
    stop,
    think,
)

MAX_EVENTS = 200_000
MAX_TEXT = 24 << 20
MAX_WAIT = 3600.0
Numbers = tuple[float, ...]
Builder = Callable[[Ask, Numbers], Scenario]

THOUGHTS = ("**Reading the request**\n\nThe user wants this to be shown. ", "I know what to do.\n")
TEXTS = ("Here is ", "an answer ", "in several pieces, ", "as the real one would come.")


def named(ask: Ask) -> Scenario | None:
    """The scenario the prompt names for this call, or None."""
    keyword = ask.keyword
    if keyword is None or keyword[0] not in CATALOGUE:
        return None
    scenario = CATALOGUE[keyword[0]](ask, keyword[1])
    scenario.name = keyword[0]
    return scenario


def _number(numbers: Numbers, index: int, default: float, most: float) -> float:
    return min(numbers[index], most) if len(numbers) > index else default


def _texts(ask: Ask) -> list[Step]:
    return say(*TEXTS, pace=ask.pace)


def _thoughts(ask: Ask) -> list[Step]:
    return think(*THOUGHTS, pace=ask.pace)


def _full(ask: Ask) -> list[Step]:
    return [*_thoughts(ask), *_texts(ask), *stop(pace=ask.pace)]


def _think(ask: Ask, _: Numbers) -> Scenario:
    return Scenario(_full(ask))


def _text(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([*_texts(ask), *stop(pace=ask.pace)])


# -- calls ---------------------------------------------------------------------------------------------------------


def _call_parts(ask: Ask, count: int) -> list[dict[str, Any]]:
    """``count`` calls of the fitting function (or of a made-up one), only the first signed."""
    return [default_answers.call_part(ask, turn, signed=turn == 0) for turn in range(count)]


def _tool(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([*_thoughts(ask), (ask.pace, event(*_call_parts(ask, 1), finish="STOP"))])


def _parallel(ask: Ask, numbers: Numbers) -> Scenario:
    parts = _call_parts(ask, int(_number(numbers, 0, 3, 100)))
    return Scenario([*_thoughts(ask), (ask.pace, event(*parts, finish="STOP"))])


def _parallel_split(ask: Ask, numbers: Numbers) -> Scenario:
    parts = _call_parts(ask, int(_number(numbers, 0, 3, 100)))
    steps: list[Step] = [(ask.pace, event(part)) for part in parts]
    return Scenario([*_thoughts(ask), *steps, *stop(None)])


def _tool_apart(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([*_thoughts(ask), (ask.pace, event(*_call_parts(ask, 1))), *stop(None, pace=ask.pace)])


def _sig_alone(*, before: bool) -> Builder:
    def build(ask: Ask, _: Numbers) -> Scenario:
        part = _call_parts(ask, 1)[0]
        alone = {"thoughtSignature": part.pop("thoughtSignature", SIGN)}
        ask.lone_call = part["functionCall"]["name"]
        parts = [alone, part] if before else [part, alone]
        steps: list[Step] = [(ask.pace, event(one)) for one in parts]
        return Scenario([*_thoughts(ask), *steps, *stop(None)])

    return build


def _tool_text(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([(ask.pace, event({"text": "I will look that up."}, *_call_parts(ask, 1), finish="STOP"))])


def _tool_late_text(ask: Ask, _: Numbers) -> Scenario:
    steps: list[Step] = [(ask.pace, event(*_call_parts(ask, 1))), *say("That was the call.", pace=ask.pace)]
    return Scenario([*_thoughts(ask), *steps, *stop(None)])


def _tool_noargs(ask: Ask, _: Numbers) -> Scenario:
    part = _call_parts(ask, 1)[0]
    part["functionCall"].pop("args", None)
    return Scenario([(ask.pace, event(part, finish="STOP"))])


def _tool_exact(ask: Ask, _: Numbers) -> Scenario:
    part = _call_parts(ask, 1)[0]
    part["functionCall"]["args"] = {
        "big": 123456789012345678901234567890, "float": 1.10, "exp": 1e-7, "title": "t",
        "text": "a\u2028b <c> \"d\" \\e é 🙂", "nested": {"default": None, "list": [1, [2, {}]], "": ""},
    }  # fmt: skip
    return Scenario([(ask.pace, event(part, finish="STOP"))])


def _tool_unknown(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([(ask.pace, event(call("no_such_function", {"a": 1}), finish="STOP"))])


def _nameless(ask: Ask, _: Numbers) -> Scenario:
    part = _call_parts(ask, 1)[0]
    part["functionCall"]["name"] = ""
    return Scenario([(ask.pace, event(part, finish="STOP"))])


def _snake(ask: Ask, _: Numbers) -> Scenario:
    part = _call_parts(ask, 1)[0]
    spelled = {"function_call": part["functionCall"], "thought_signature": part.get("thoughtSignature", SIGN)}
    return Scenario([*_thoughts(ask), (ask.pace, event(spelled, finish="STOP"))])


def _search_tool(ask: Ask, _: Numbers) -> Scenario:
    """Google searches, then calls a function of the client's: both steps of the search must come back with it."""
    asked = "largest city of switzerland"
    step = {"id": "srv_" + secrets.token_hex(6), "toolType": "GOOGLE_SEARCH_WEB"}
    steps: list[Step] = [
        (ask.pace, event({"toolCall": {**step, "args": {"queries": [asked]}}, "thoughtSignature": SIGN})),
        (ask.pace, event({"toolResponse": {**step, "response": {"search_suggestions": "<div>results</div>"}},
                          "thoughtSignature": SIGN})),
        (ask.pace, event(*_call_parts(ask, 1), finish="STOP", groundingMetadata={"webSearchQueries": [asked]})),
    ]  # fmt: skip
    return Scenario([*_thoughts(ask), *steps])


# -- other content ---------------------------------------------------------------------------------------------------


def picture(width: int = 8, height: int = 8) -> bytes:
    """A small PNG of one colour."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x20\x60\xc0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")


def _image(ask: Ask, _: Numbers) -> Scenario:
    blob = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(picture()).decode()}}
    signed = {**blob, "thoughtSignature": SIGN}
    return Scenario([*say("Here is your picture.", pace=ask.pace), (ask.pace, event(signed)), *stop(None)])


def _code(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([
        (ask.pace, event({"executableCode": {"language": "PYTHON", "code": "print(6 * 7)\n"}})),
        (ask.pace, event({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}})),
        *say("The answer is 42.", pace=ask.pace),
        *stop(),
    ])  # fmt: skip


REDIRECT = "https://vertexaisearch.cloud.google.com/grounding-api-redirect"
GROUNDED = "Zürich is the largest city of Switzerland. Its café culture is old."


def grounding() -> dict[str, Any]:
    """groundingMetadata for ``GROUNDED``: byte offsets, the first startIndex left out."""
    first, second = "Zürich is the largest city of Switzerland.", "Its café culture is old."
    start = len(f"{first} ".encode())
    return {
        "webSearchQueries": ["largest city of switzerland", "zürich cafés"],
        "searchEntryPoint": {"renderedContent": "<div>results</div>"},
        "groundingChunks": [
            {"web": {"uri": f"{REDIRECT}/ONE", "title": "example.org"}},
            {"web": {"uri": f"{REDIRECT}/TWO", "title": "example.net"}},
        ],
        "groundingSupports": [
            {"segment": {"endIndex": len(first.encode()), "text": first}, "groundingChunkIndices": [0, 1]},
            {
                "segment": {"startIndex": start, "endIndex": start + len(second.encode()), "text": second},
                "groundingChunkIndices": [1],
            },
        ],
    }  # fmt: skip


def _grounding(ask: Ask, _: Numbers) -> Scenario:
    texts = say(GROUNDED[:9], GROUNDED[9:50], GROUNDED[50:], pace=ask.pace)
    texts[0][1]["candidates"][0]["groundingMetadata"] = {}  # type: ignore[index]  # empty on early chunks
    return Scenario([*texts, *stop(groundingMetadata=grounding())])


def _signed_text(ask: Ask, _: Numbers) -> Scenario:
    part = {"text": "This text is signed.", "thoughtSignature": SIGN}
    return Scenario([*say("First. "), (ask.pace, event(part)), (ask.pace, event(finish="STOP"))])


def _echo(ask: Ask, _: Numbers) -> Scenario:
    text = json.dumps(ask.body, ensure_ascii=False)
    pieces = [text[start : start + 400] for start in range(0, len(text), 400)]
    return Scenario([*say(*pieces), *stop()])


def _json(ask: Ask, _: Numbers) -> Scenario:
    return default_answers.json_answer(ask)


def _unicode(ask: Ask, _: Numbers) -> Scenario:
    texts = ("line\u2028separator ", "paragraph\u2029separator ", "next\u0085line \u000b\u000c\u001c ", "🙂👩‍👩‍👧 é ",
             "<script>&amp;</script> ", "\ufeff\u00ad end\r\nof it\t\"q\" \\u2028")  # fmt: skip
    return Scenario([*say(*texts, pace=ask.pace), *stop()], chunk=7)


def _claude(ask: Ask, _: Numbers) -> Scenario:
    return default_answers.claude_answer(ask, ["Let me think. ", "Yes."], list(TEXTS))


# -- timing and size ---------------------------------------------------------------------------------------------------


def _slow(ask: Ask, numbers: Numbers) -> Scenario:
    gap = _number(numbers, 0, 0.5, MAX_WAIT)
    return Scenario([*think(*THOUGHTS, pace=gap), *say(*TEXTS, pace=gap), *stop(pace=gap)])


def _stall(ask: Ask, numbers: Numbers) -> Scenario:
    wait = _number(numbers, 0, 600, MAX_WAIT)
    return Scenario([*say("Before the silence."), (wait, event({"text": " After it."})), *stop()])


def _stall_before(ask: Ask, numbers: Numbers) -> Scenario:
    return Scenario(_full(ask), before=_number(numbers, 0, 600, MAX_WAIT))


def _long(ask: Ask, numbers: Numbers) -> Scenario:
    count = int(_number(numbers, 0, 200, MAX_EVENTS))
    return Scenario([*say(*(f"word{number} " for number in range(count)), pace=ask.pace), *stop()])


def _flood(ask: Ask, numbers: Numbers) -> Scenario:
    count = int(_number(numbers, 0, 2000, MAX_EVENTS))
    return Scenario([*say(*(f"word{number} " for number in range(count))), *stop()])


def _big(ask: Ask, numbers: Numbers) -> Scenario:
    size = int(_number(numbers, 0, 1024, MAX_TEXT >> 10)) << 10
    return Scenario([*say("x" * size), *stop()])


def _bench(ask: Ask, numbers: Numbers) -> Scenario:
    count = int(_number(numbers, 0, 100, MAX_EVENTS))
    gap = _number(numbers, 1, 20, 60_000) / 1000
    size = int(_number(numbers, 2, 40, 65_536))
    steps: list[Step] = [(gap, Stamp(number, size)) for number in range(count)]
    return Scenario([*steps, *stop()], usage="last")


# -- the shape of the stream ------------------------------------------------------------------------------------------


def _shaped(**fields: Any) -> Builder:
    return lambda ask, _: Scenario(_full(ask), **fields)


def _split(ask: Ask, numbers: Numbers) -> Scenario:
    return Scenario(_full(ask), chunk=max(1, int(_number(numbers, 0, 1, 1 << 20))))


def _cut(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([*_texts(ask), (ask.pace, b'data: {"response": {"candidates": [{"content": {"par'), (0, Do.DROP)])


def _ends(*before: str, how: Do) -> Builder:
    def build(ask: Ask, _: Numbers) -> Scenario:
        steps = [*(_thoughts(ask) if "think" in before else ()), *(_texts(ask) if "text" in before else ())]
        return Scenario([*steps, (ask.pace, how)])

    return build


def _before_headers(how: Do) -> Builder:
    return lambda ask, _: Scenario([(ask.pace, how)], status=None)


def _finishes(finish: str, *, text: bool = False, thoughts: bool = False, message: str = "", **more: Any) -> Builder:
    def build(ask: Ask, _: Numbers) -> Scenario:
        steps = [*(_thoughts(ask) if thoughts else ()), *(_texts(ask)[:2] if text else ())]
        members = {"finishMessage": message, **more} if message else more
        last: dict[str, Any] = {"candidates": [{"content": {}, "finishReason": finish, "index": 0, **members}]}
        return Scenario([*steps, (ask.pace, last)])

    return build


def _blocked(ask: Ask, _: Numbers) -> Scenario:
    rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
    return Scenario([(ask.pace, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": [rating]}})])


def _error_mid(code: int, status: str, message: str) -> Builder:
    return lambda ask, _: Scenario([*_texts(ask), (ask.pace, error(code, status, message))])


def _raw_mid(ask: Ask, _: Numbers) -> Scenario:
    text = json.dumps(error(503, "UNAVAILABLE", "The service is currently unavailable."), indent=2)
    return Scenario([*_texts(ask), (ask.pace, text.encode() + b"\n")])


def _garbage(ask: Ask, _: Numbers) -> Scenario:
    return Scenario([*_texts(ask), (ask.pace, b'data: {"response": {"candidates": [}\r\n\r\n'), *stop()])


def _nonsense(ask: Ask, _: Numbers) -> Scenario:
    page = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
    return Scenario([(0, page)], headers={"Content-Type": "text/html; charset=UTF-8"})


HARM = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]

CATALOGUE: dict[str, Builder] = {
    "think": _think, "text": _text,
    "tool": _tool, "parallel": _parallel, "parallel-split": _parallel_split, "tool-apart": _tool_apart,
    "sig-before": _sig_alone(before=True), "sig-after": _sig_alone(before=False), "tool-text": _tool_text,
    "tool-late-text": _tool_late_text, "tool-noargs": _tool_noargs, "tool-exact": _tool_exact,
    "tool-unknown": _tool_unknown, "nameless": _nameless, "snake": _snake, "search-tool": _search_tool,
    "image": _image, "code": _code, "grounding": _grounding, "signed-text": _signed_text, "echo": _echo, "json": _json,
    "unicode": _unicode, "claude": _claude,
    "slow": _slow, "stall": _stall, "stall-before": _stall_before, "long": _long, "flood": _flood, "big": _big,
    "bench": _bench,
    "split": _split, "lf": _shaped(eol=b"\n"), "cr": _shaped(eol=b"\r"), "gzip": _shaped(gzip=True),
    "odd-sse": _shaped(prefix=b"data:", last_blank=False, comments=True, gzip=False),
    "usage-after": _shaped(usage="after"), "usage-root": _shaped(usage="root"), "usage-jump": _shaped(usage="jump"),
    "usage-none": _shaped(usage="none"), "usage-last": _shaped(usage="last"),
    "drop": _ends("text", how=Do.DROP), "drop-think": _ends("think", how=Do.DROP),
    "reset": _ends("text", how=Do.RESET), "half-close": _ends("text", how=Do.HALF_CLOSE),
    "no-finish": _ends("think", "text", how=Do.END), "empty-body": _ends(how=Do.END), "cut": _cut,
    "drop-before": _before_headers(Do.DROP), "reset-before": _before_headers(Do.RESET),
    "gzip-cut": lambda ask, _: Scenario([*_texts(ask), (0, Do.DROP)], gzip=True, truncate_gzip=True),
    "503-mid": _error_mid(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "429-mid": _error_mid(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "raw-mid": _raw_mid, "garbage": _garbage, "nonsense": _nonsense, "blocked": _blocked,
    "empty": _finishes("STOP"), "thinking-only": _finishes("STOP", thoughts=True),
    "malformed": _finishes(
        "MALFORMED_FUNCTION_CALL", message="Malformed function call: call:default_api:get_weather{city: Rome}"),
    "unexpected": _finishes("UNEXPECTED_TOOL_CALL", message="Unexpected tool call: get_weather"),
    "unsigned": _finishes("MISSING_THOUGHT_SIGNATURE", thoughts=True),
    "safety": _finishes("SAFETY", text=True, safetyRatings=HARM), "recitation": _finishes("RECITATION", text=True),
    "other": _finishes("OTHER"), "max-tokens": _finishes("MAX_TOKENS", text=True, thoughts=True),
    "max-thinking": _finishes("MAX_TOKENS", thoughts=True),
}  # fmt: skip
CATALOGUE |= {name: lambda ask, _, build=build: build(ask) for name, build in failures.FAILURES.items()}
