"""The named scenarios: ``sim:NAME`` in a prompt → ``Scenario``. ``scenarios.py`` describes each."""

from __future__ import annotations

import base64
import json
import secrets
import struct
import zlib
from collections.abc import Callable
from typing import Any

from zerogravity.testing.simulator import Json
from zerogravity.testing.simulator.google import default_answers
from zerogravity.testing.simulator.google.generate_request import GenerateRequest
from zerogravity.testing.simulator.google.scenarios import (
    RPC,
    SIGN,
    Ending,
    Scenario,
    Stamp,
    Step,
    bad_request,
    call,
    error,
    error_info,
    event,
    failure,
    retry_info,
    say,
    stop,
    think,
)

# long: one table and what its entries are made of
MAX_EVENTS = 200_000
MAX_TEXT_KIB = 24 << 10
MAX_WAIT = 3600.0
PUBLIC_DOMAIN = "googleapis.com"
Builder = Callable[[GenerateRequest], Scenario]

THOUGHTS = ("**Reading the request**\n\nThe user wants this to be shown. ", "I know what to do.\n")
TEXTS = ("Here is ", "an answer ", "in several pieces, ", "as the real one would come.")


def named(request: GenerateRequest) -> Scenario | None:
    """The scenario the prompt names for this call, or None."""
    if (build := CATALOGUE.get(request.keyword)) is None:
        return None
    scenario = build(request)
    scenario.name = request.keyword
    return scenario


def _texts(request: GenerateRequest) -> list[Step]:
    return say(*TEXTS, pace=request.pace)


def _thoughts(request: GenerateRequest) -> list[Step]:
    return think(*THOUGHTS, pace=request.pace)


def _full(request: GenerateRequest) -> list[Step]:
    return [*_thoughts(request), *_texts(request), *stop(pace=request.pace)]


def _text(request: GenerateRequest) -> Scenario:
    return Scenario([*_texts(request), *stop(pace=request.pace)])


# -- calls ---------------------------------------------------------------------------------------------------------


def _call_parts(request: GenerateRequest, count: int = 1) -> list[Json]:
    """``count`` calls of the fitting function (or of a made-up one), only the first signed."""
    return [default_answers.call_part(request, turn, signed=turn == 0) for turn in range(count)]


def _count(request: GenerateRequest) -> int:
    return int(request.number(0, 3, 100))


def _one_chunk(request: GenerateRequest, *parts: Json) -> Scenario:
    return Scenario([(request.pace, event(*parts, finish="STOP"))])


def _thought_out(request: GenerateRequest, *steps: Step) -> Scenario:
    return Scenario([*_thoughts(request), *steps])


def _tool(request: GenerateRequest) -> Scenario:
    return _thought_out(request, (request.pace, event(*_call_parts(request), finish="STOP")))


def _parallel(request: GenerateRequest) -> Scenario:
    return _thought_out(request, (request.pace, event(*_call_parts(request, _count(request)), finish="STOP")))


def _parallel_split(request: GenerateRequest) -> Scenario:
    chunks = [(request.pace, event(part)) for part in _call_parts(request, _count(request))]
    return _thought_out(request, *chunks, *stop(None))


def _tool_apart(request: GenerateRequest) -> Scenario:
    chunk = (request.pace, event(*_call_parts(request)))
    return _thought_out(request, chunk, *stop(None, pace=request.pace))


def _signature_apart(*, before: bool) -> Builder:
    def build(request: GenerateRequest) -> Scenario:
        part = _call_parts(request)[0]
        alone = {"thoughtSignature": part.pop("thoughtSignature", SIGN)}
        request.lone_call = part["functionCall"]["name"]
        parts = [alone, part] if before else [part, alone]
        return _thought_out(request, *((request.pace, event(one)) for one in parts), *stop(None))

    return build


def _tool_text(request: GenerateRequest) -> Scenario:
    return _one_chunk(request, {"text": "I will look that up."}, *_call_parts(request))


def _tool_late_text(request: GenerateRequest) -> Scenario:
    chunk = (request.pace, event(*_call_parts(request)))
    return _thought_out(request, chunk, *say("That was the call.", pace=request.pace), *stop(None))


def _with_call(**changes: object) -> Builder:
    """One chunk with a call whose members are changed; None takes one out."""

    def build(request: GenerateRequest) -> Scenario:
        part = _call_parts(request)[0]
        members = part["functionCall"] | changes
        part["functionCall"] = {name: value for name, value in members.items() if value is not None}
        return _one_chunk(request, part)

    return build


EXACT_ARGS: Json = {
    "big": 123456789012345678901234567890, "float": 1.10, "exp": 1e-7, "title": "t",
    "text": "a\u2028b <c> \"d\" \\e é 🙂", "nested": {"default": None, "list": [1, [2, {}]], "": ""},
}  # fmt: skip


def _snake(request: GenerateRequest) -> Scenario:
    part = _call_parts(request)[0]
    spelled = {"function_call": part["functionCall"], "thought_signature": part.get("thoughtSignature", SIGN)}
    return _thought_out(request, (request.pace, event(spelled, finish="STOP")))


def _search_tool(request: GenerateRequest) -> Scenario:
    """Google searches, then calls a function of the client's: both steps of the search must come back with it."""
    query = "largest city of switzerland"
    step = {"id": "srv_" + secrets.token_hex(6), "toolType": "GOOGLE_SEARCH_WEB"}
    searched = {**step, "response": {"search_suggestions": "<div>results</div>"}}
    events = (
        event({"toolCall": {**step, "args": {"queries": [query]}}, "thoughtSignature": SIGN}),
        event({"toolResponse": searched, "thoughtSignature": SIGN}),
        event(*_call_parts(request), finish="STOP", groundingMetadata={"webSearchQueries": [query]}),
    )
    return _thought_out(request, *((request.pace, one) for one in events))


# -- other content ---------------------------------------------------------------------------------------------------


def picture(width: int = 8, height: int = 8) -> bytes:
    """A small PNG of one colour."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x20\x60\xc0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")


def _image(request: GenerateRequest) -> Scenario:
    blob = {"mimeType": "image/png", "data": base64.b64encode(picture()).decode()}
    chunk = event({"inlineData": blob, "thoughtSignature": SIGN})
    return Scenario([*say("Here is your picture.", pace=request.pace), (request.pace, chunk), *stop(None)])


def _code(request: GenerateRequest) -> Scenario:
    return Scenario([
        (request.pace, event({"executableCode": {"language": "PYTHON", "code": "print(6 * 7)\n"}})),
        (request.pace, event({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}})),
        *say("The answer is 42.", pace=request.pace),
        *stop(),
    ])  # fmt: skip


def _grounding(request: GenerateRequest) -> Scenario:
    text, pace = default_answers.GROUNDED, request.pace
    early = event({"text": text[:9]}, groundingMetadata={})  # empty on early chunks
    return Scenario([
        (pace, early), *say(text[9:50], text[50:], pace=pace), *stop(groundingMetadata=default_answers.grounding()),
    ])  # fmt: skip


def _signed_text(request: GenerateRequest) -> Scenario:
    part = {"text": "This text is signed.", "thoughtSignature": SIGN}
    return Scenario([*say("First. "), (request.pace, event(part)), (request.pace, event(finish="STOP"))])


def _echo(request: GenerateRequest) -> Scenario:
    text = json.dumps(request.body, ensure_ascii=False)
    return Scenario([*say(*(text[start : start + 400] for start in range(0, len(text), 400))), *stop()])


def _unicode(request: GenerateRequest) -> Scenario:
    texts = ("line\u2028separator ", "paragraph\u2029separator ", "next\u0085line \u000b\u000c\u001c ", "🙂👩‍👩‍👧 é ",
             "<script>&amp;</script> ", "\ufeff\u00ad end\r\nof it\t\"q\" \\u2028")  # fmt: skip
    return Scenario([*say(*texts, pace=request.pace), *stop()], chunk=7)


def _claude(request: GenerateRequest) -> Scenario:
    return default_answers.claude_answer(request, ["Let me think. ", "Yes."], list(TEXTS))


# -- timing and size ---------------------------------------------------------------------------------------------------


def _slow(request: GenerateRequest) -> Scenario:
    gap = request.number(0, 0.5, MAX_WAIT)
    return Scenario([*think(*THOUGHTS, pace=gap), *say(*TEXTS, pace=gap), *stop(pace=gap)])


def _stall(request: GenerateRequest) -> Scenario:
    wait = request.number(0, 600, MAX_WAIT)
    return Scenario([*say("Before the silence."), (wait, event({"text": " After it."})), *stop()])


def _stall_before(request: GenerateRequest) -> Scenario:
    return Scenario(_full(request), before=request.number(0, 600, MAX_WAIT))


def _many(default: int, *, paced: bool) -> Builder:
    def build(request: GenerateRequest) -> Scenario:
        words = (f"word{number} " for number in range(int(request.number(0, default, MAX_EVENTS))))
        return Scenario([*say(*words, pace=request.pace if paced else 0.0), *stop()])

    return build


def _big(request: GenerateRequest) -> Scenario:
    return Scenario([*say("x" * (int(request.number(0, 1024, MAX_TEXT_KIB)) << 10)), *stop()])


def _bench(request: GenerateRequest) -> Scenario:
    count, gap = int(request.number(0, 100, MAX_EVENTS)), request.number(1, 20, 60_000) / 1000
    size = int(request.number(2, 40, 65_536))
    return Scenario([*((gap, Stamp(number, size)) for number in range(count)), *stop()], usage="last")


# -- the shape of the stream ------------------------------------------------------------------------------------------


def _shaped(**fields: Any) -> Builder:
    return lambda request: Scenario(_full(request), **fields)


def _split(request: GenerateRequest) -> Scenario:
    return Scenario(_full(request), chunk=max(1, int(request.number(0, 1, 1 << 20))))


def _ends(*before: str, how: Ending, **fields: Any) -> Builder:
    def build(request: GenerateRequest) -> Scenario:
        steps = [*(_thoughts(request) if "think" in before else ()), *(_texts(request) if "text" in before else ())]
        return Scenario([*steps, (request.pace, how)], **fields)

    return build


def _after_text(raw: bytes, *then: Step) -> Builder:
    """The texts, then these bytes."""
    return lambda request: Scenario([*_texts(request), (request.pace, raw), *then])


def _finishes(finish: str, *, text: bool = False, thoughts: bool = False, **more: object) -> Builder:
    def build(request: GenerateRequest) -> Scenario:
        steps = [*(_thoughts(request) if thoughts else ()), *(_texts(request)[:2] if text else ())]
        last: Json = {"candidates": [{"content": {}, "finishReason": finish, "index": 0, **more}]}
        return Scenario([*steps, (request.pace, last)])

    return build


def _blocked(request: GenerateRequest) -> Scenario:
    rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
    feedback = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": [rating]}
    return Scenario([(request.pace, {"promptFeedback": feedback})])


def _error_mid(code: int, status: str, message: str) -> Builder:
    return lambda request: Scenario([*_texts(request), (request.pace, error(code, status, message))])


# -- refusals before a stream: status, message and google.rpc details as they are seen on the wire (C.5) -------------


def _refuses(code: int, status: str, message: str, *details: Json) -> Builder:
    return lambda request: failure(code, status, message, details)


def _rate_limited(request: GenerateRequest) -> Scenario:
    if not request.internal:
        return _free_tier("Minute", 10)(request)
    info = error_info("RATE_LIMIT_EXCEEDED", model=request.model, uiMessage="true", quotaResetDelay="479.417207ms",
                      quotaResetTimeStamp="2026-03-01T10:00:01Z")  # fmt: skip
    return failure(429, "RESOURCE_EXHAUSTED", RESET_AFTER.format("0s"), [info, retry_info("0.479417207s")])


def _free_tier(span: str, limit: int) -> Builder:
    """A quota of the public API's free tier is used up; a limit of 0: it has nothing of this model."""

    def build(request: GenerateRequest) -> Scenario:
        metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
        quota = {
            "quotaMetric": metric,
            "quotaId": f"GenerateRequestsPer{span}PerProjectPerModel-FreeTier",
            "quotaDimensions": {"model": request.model, "location": "global"},
            **({"quotaValue": str(limit)} if limit else {}),
        }
        link = {"description": "Learn more about Gemini API quotas", "url": RATE_LIMITS}
        details = [
            {"@type": RPC + "Help", "links": [link]},
            {"@type": RPC + "QuotaFailure", "violations": [quota]},
            retry_info("27s"),
        ]
        text = (
            "You exceeded your current quota, please check your plan and billing details. For more information on "
            f"this error, head to: {RATE_LIMITS}. To monitor your current usage, head to: https://ai.dev/rate-limit. \n"
            f"* Quota exceeded for metric: {metric}, limit: {limit}, model: {request.model}\nPlease retry in 27.3s."
        )
        return failure(429, "RESOURCE_EXHAUSTED", text, details)

    return build


def _quota_exhausted(request: GenerateRequest) -> Scenario:
    info = error_info("QUOTA_EXHAUSTED", model=request.model, uiMessage="true", quotaResetDelay="143h4m52.73s")
    return failure(429, "RESOURCE_EXHAUSTED", RESET_AFTER.format("143h4m52s"), [info, retry_info("515092.73s")])


def _no_capacity(request: GenerateRequest) -> Scenario:
    info = error_info("MODEL_CAPACITY_EXHAUSTED", model=request.model)
    return failure(503, "UNAVAILABLE", f"No capacity available for model {request.model} on the server", [info])


RATE_LIMITS = "https://ai.google.dev/gemini-api/docs/rate-limits"
RESET_AFTER = "You have exhausted your capacity on this model. Your quota will reset after {}."
INVALID = "Request contains an invalid argument."
UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
FAILURES: dict[str, Builder] = {
    "400": _refuses(400, "INVALID_ARGUMENT", INVALID, bad_request(("request.contents", INVALID))),
    "400-long": _refuses(
        400, "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    "401": _refuses(
        401, "UNAUTHENTICATED", UNAUTHENTICATED,
        error_info("ACCESS_TOKEN_EXPIRED", PUBLIC_DOMAIN, service="cloudcode-pa.googleapis.com")),
    "403": _refuses(
        403, "PERMISSION_DENIED", "Permission denied on resource project invented-project-1.",
        error_info("CONSUMER_INVALID", PUBLIC_DOMAIN)),
    "403-verify": _refuses(
        403, "PERMISSION_DENIED", "Verify your account to continue.",
        error_info("VALIDATION_REQUIRED", validation_url="https://accounts.example.org/verify")),
    "404": _refuses(404, "NOT_FOUND", "Requested entity was not found."),
    "429": _rate_limited, "429-quota": _quota_exhausted,
    "429-bare": _refuses(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "500": _refuses(500, "INTERNAL", "Internal error encountered."),
    "400-key": _refuses(
        400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
        error_info("API_KEY_INVALID", PUBLIC_DOMAIN, service="generativelanguage.googleapis.com")),
    "400-region": _refuses(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    "400-billing": _refuses(
        400, "FAILED_PRECONDITION",
        "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI "
        "Studio."),
    "429-day": _free_tier("Day", 20), "429-plan": _free_tier("Day", 0),
    "503": _refuses(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "503-capacity": _no_capacity,
    "504": _refuses(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}  # fmt: skip

HARM: list[Json] = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
RAW_ERROR = json.dumps(error(503, "UNAVAILABLE", "The service is currently unavailable."), indent=2).encode() + b"\n"
PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"

CATALOGUE: dict[str, Builder] = {
    "think": _shaped(), "text": _text,
    "tool": _tool, "parallel": _parallel, "parallel-split": _parallel_split, "tool-apart": _tool_apart,
    "sig-before": _signature_apart(before=True), "sig-after": _signature_apart(before=False), "tool-text": _tool_text,
    "tool-late-text": _tool_late_text, "tool-noargs": _with_call(args=None), "tool-exact": _with_call(args=EXACT_ARGS),
    "tool-unknown": lambda request: _one_chunk(request, call("no_such_function", {"a": 1})),
    "nameless": _with_call(name=""), "snake": _snake, "search-tool": _search_tool,
    "image": _image, "code": _code, "grounding": _grounding, "signed-text": _signed_text, "echo": _echo,
    "json": default_answers.json_answer, "unicode": _unicode, "claude": _claude,
    "slow": _slow, "stall": _stall, "stall-before": _stall_before,
    "long": _many(200, paced=True), "flood": _many(2000, paced=False), "big": _big, "bench": _bench,
    "split": _split, "lf": _shaped(eol=b"\n"), "cr": _shaped(eol=b"\r"), "gzip": _shaped(gzip=True),
    "odd-sse": _shaped(prefix=b"data:", last_blank=False, comments=True, gzip=False),
    "usage-after": _shaped(usage="after"), "usage-root": _shaped(usage="root"), "usage-jump": _shaped(usage="jump"),
    "usage-none": _shaped(usage="none"), "usage-last": _shaped(usage="last"),
    "drop": _ends("text", how=Ending.DROP), "drop-think": _ends("think", how=Ending.DROP),
    "reset": _ends("text", how=Ending.RESET), "half-close": _ends("text", how=Ending.HALF_CLOSE),
    "no-finish": _ends("think", "text", how=Ending.END), "empty-body": _ends(how=Ending.END),
    "cut": _after_text(b'data: {"response": {"candidates": [{"content": {"par', (0, Ending.DROP)),
    "drop-before": _ends(how=Ending.DROP, status=None), "reset-before": _ends(how=Ending.RESET, status=None),
    "gzip-cut": lambda request: Scenario([*_texts(request), (0, Ending.DROP)], gzip=True, truncate_gzip=True),
    "503-mid": _error_mid(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "429-mid": _error_mid(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "raw-mid": _after_text(RAW_ERROR),
    "garbage": _after_text(b'data: {"response": {"candidates": [}\r\n\r\n', *stop()),
    "nonsense": lambda request: Scenario([(0, PAGE)], headers={"Content-Type": "text/html; charset=UTF-8"}),
    "blocked": _blocked, "empty": _finishes("STOP"), "thinking-only": _finishes("STOP", thoughts=True),
    "malformed": _finishes(
        "MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: call:default_api:get_weather{city: Rome}"),
    "unexpected": _finishes("UNEXPECTED_TOOL_CALL", finishMessage="Unexpected tool call: get_weather"),
    "unsigned": _finishes("MISSING_THOUGHT_SIGNATURE", thoughts=True),
    "safety": _finishes("SAFETY", text=True, safetyRatings=HARM), "recitation": _finishes("RECITATION", text=True),
    "other": _finishes("OTHER"), "max-tokens": _finishes("MAX_TOKENS", text=True, thoughts=True),
    "max-thinking": _finishes("MAX_TOKENS", thoughts=True),
    **FAILURES,
}  # fmt: skip
