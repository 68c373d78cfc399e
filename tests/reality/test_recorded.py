"""Answers and requests that public projects recorded: every answer on every surface, streamed and whole, says what
Google said; every request that its own service took is taken, or refused for a reason that is written down here."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests import cases
from tests.surfaces import playing
from zerogravity.capture.tap import Tap
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.events import Failed
from zerogravity.core.running import RunningTurn
from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.wire import google_errors

pytestmark = cases.needed


def recorded(folder: str) -> list[Any]:
    root = cases.cases()
    names = sorted(path.name for path in (root / "recorded" / folder).glob("*.jsonl")) if root else []
    return [
        pytest.param(one, id=f"{name.removesuffix('.jsonl')}-{one['id']}")
        for name in names
        for one in cases.lines(f"recorded/{folder}/{name}")
    ]


ANSWERS = recorded("bodies")
WHOLE = [one for one in ANSWERS if one.values[0]["kind"] != "error"]
ERRORS = [one for one in ANSWERS if one.values[0]["kind"] == "error"]
TYPES = {"stream": "text/event-stream"}


def objects(answer: dict[str, Any]) -> list[Any]:
    """What Google said, as the standard library reads it; what is no object ends it."""
    body = answer["body"]
    if answer["kind"] != "stream":
        value = json.loads(body)
        return value if isinstance(value, list) else [value]
    found: list[Any] = []
    for block in re.split(r"(?:\r\n|\r|\n){2,}", body):
        data = "\n".join(line[5:].removeprefix(" ") for line in block.splitlines() if line.startswith("data:"))
        if data and data != "[DONE]":
            found.append(json.loads(data))
    return found


class Meant:
    """What an answer says to a client."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.text = self.thoughts = ""
        self.calls: list[tuple[str, Any]] = []
        self.finish, self.images, self.said = "", 0, [one.get("response", one) for one in objects(answer)]
        for one in self.said:
            for candidate in (one.get("candidates") or ())[:1]:
                self.finish = candidate.get("finishReason") or self.finish
                for part in (candidate.get("content") or {}).get("parts") or ():
                    self._part(part)

    def _part(self, part: dict[str, Any]) -> None:
        if "functionCall" in part:
            self._call(part["functionCall"])
        elif "inlineData" in part:
            self.images += not part.get("thought")
        elif part.get("thought"):
            self.thoughts += part.get("text", "")
        else:
            self.text += part.get("text", "")

    def _call(self, call: dict[str, Any]) -> None:
        """A call that comes in pieces is one with a name and what is written into it, path by path."""
        if call.get("name"):
            self.calls.append((call["name"], call.get("args") or {}))
        for piece in call.get("partialArgs") or ():
            place: Any = self.calls[-1][1]
            *way, last = [
                int(step) if step.isdigit() else step for step in re.findall(r"[^$.\[\]']+", piece["jsonPath"])
            ]
            for step, following in zip(way, [*way, last][1:], strict=True):
                place = _within(place, step, [] if isinstance(following, int) else {})
            value = next(piece[name] for name in piece if name.endswith("Value"))
            before = _within(place, last, "" if isinstance(value, str) else value)
            place[last] = before + value if isinstance(value, str) else value


def _within(place: Any, step: Any, new: Any) -> Any:
    """What stands there, made if it does not."""
    if isinstance(place, list):
        place += [None] * (step + 1 - len(place))
        place[step] = new if place[step] is None else place[step]
        return place[step]
    return place.setdefault(step, new)


def channel_of(turn: Any, answer: dict[str, Any], step: int) -> CascadeChannel:
    """The closed channel of a turn whose answer came in pieces of ``step`` bytes."""
    running, failures = RunningTurn(turn, lambda: 0), Tap.failures
    tap = Tap(running, 0, content_type=TYPES.get(answer["kind"], "application/json"))
    data = answer["body"].encode()
    for at in range(0, len(data), step):
        tap.feed(data[at : at + step])
    tap.feed(b"")
    if not running.closed:  # waits for the language server's next call, which never comes
        assert running.awaiting is not None
        running.close(Failed(running.awaiting.late))
    assert Tap.failures == failures
    return running.channel


@pytest.mark.parametrize("answer", WHOLE)
@pytest.mark.parametrize("name", playing.ALL)
def test_answer(name: str, answer: dict[str, Any]) -> None:
    meant = Meant(answer)
    channel = channel_of(playing.ask(name), answer, 1000)
    heard = playing.hear(name, channel)
    plain = {"stream": False, **({"stream_options": None} if name == "chat" else {})}
    status, body = _whole(name, channel_of(playing.ask(name, **plain), answer, 1 << 20))
    if heard.error:
        # on the Gemini surface a turn that failed before its first chunk has a status of its own
        assert status >= 400 or body.get("error") or name == "gemini", body
        return
    assert heard.text == meant.text or not _plain(meant), answer["origin"]
    assert [(called, json.loads(args)) for _, called, args in heard.calls] == meant.calls
    assert status == 200, body
    assert _text(name, body) == heard.text


def _plain(meant: Meant) -> bool:
    """Nothing in it is told to OpenAI's clients as text of ours (pictures, code, sources)."""
    kinds = {key for one in meant.said for candidate in one.get("candidates") or () for part in
             (candidate.get("content") or {}).get("parts") or () for key in part}  # fmt: skip
    return kinds <= {"text", "thought", "thoughtSignature", "functionCall"}


def _whole(name: str, channel: CascadeChannel) -> tuple[int, Any]:
    answer = playing.SURFACES[name].answer(channel, playing.SECRET)
    return answer.status, answer.body


def _text(name: str, body: Any) -> str:
    match name:
        case "chat":
            return body["choices"][0]["message"]["content"] or ""
        case "messages":
            return "".join(block.get("text", "") for block in body["content"])
        case "responses":
            return "".join(part.get("text", "") for item in body["output"] for part in item.get("content") or ())
        case _:
            parts = [part for one in body.get("candidates") or () for part in one.get("content", {}).get("parts", ())]
            return "".join(part.get("text", "") for part in parts if not part.get("thought"))


@pytest.mark.parametrize("answer", ERRORS)
def test_error(answer: dict[str, Any]) -> None:
    """Google's own status and words."""
    fault = google_errors.decode_error(answer["status"], answer["headers"], answer["body"].encode())
    value = json.loads(answer["body"])
    error = (value[0] if isinstance(value, list) else value)["error"]
    assert error["message"].strip() in fault.message
    assert fault.upstream_status == answer["status"]


REQUESTS = recorded("requests")
# message → why what another service took is refused here
REFUSED = {
    "'n' must be 1": "one candidate is captured for each request",
    "'prompt' is not supported": "there are no stored prompts",
    "Conversation with id": "it was made elsewhere",
    "there are no connectors here": "they are OpenAI's own",
    "'context_management' is not supported": "nothing here compacts by itself",
    "'audio' is not supported": "there are no audio answers",
    "Only data URIs are read here": "remote_urls is off by default",
    "Files are not stored here": "there is no files API",
    "Previous response with id": "it was stored elsewhere",
    "Supported values are: 'function', 'custom'": "hosted tools alone",
    "This model does not generate images": "image_generation alone",
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_request(request_: dict[str, Any]) -> None:
    body, name = dict(request_["body"]), request_["kind"]
    if name == "gemini":
        body["stream"] = "stream" in request_["uri"]
    body["model"] = "gemini-3-flash"
    taken = int(str(request_["status"]).split()[0]) == 200
    try:
        playing.SURFACES[name].parse(body, playing.context())
    except FaultError as refused:
        message = refused.fault.message
        assert not taken or any(re.search(known, message) for known in REFUSED), f"{refused.fault.param}: {message}"


def test_there_is_something_to_play() -> None:
    assert len(WHOLE) > 700
    assert len(REQUESTS) > 600
    assert Catalogue().resolve("gemini-3-flash")
