"""Traces → HAR 1.2: one entry for the client's exchange, one per call to Google; a page for each session.
Own fields start with ``_``. Pure.

mitmproxy's own exporter writes the flows of a proxy: the client's side is not one, and streamed bodies are empty there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from zerogravity import __version__
from zerogravity.core.events import AttemptOpened, RequestLine
from zerogravity.hosts import GOOGLE
from zerogravity.observe import digest, moments
from zerogravity.observe.source import TurnSource
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import count, members, number

UNKNOWN_URL = f"{GOOGLE}/v1internal:streamGenerateContent?alt=sse"


def write(traces: Iterable[TurnSource], surfaces: Surfaces) -> bytes:
    entries = [entry for trace in traces for entry in _entries(trace, surfaces)]
    entries.sort(key=lambda entry: str(entry["startedDateTime"]))
    creator = {"name": "zerogravity", "version": __version__}
    return jsonio.dumps({"log": {"version": "1.2", "creator": creator, "pages": _pages(entries), "entries": entries}})


def _entries(trace: TurnSource, surfaces: Surfaces) -> Iterator[dict[str, object]]:
    session = trace.info.get("session") or trace.info.get("conversation")
    page = {"pageref": session} if session else {}
    for entry in (_client(trace, surfaces), *_upstream(trace)):
        if entry is not None:
            yield {**page, **entry}


def _pages(entries: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """``entries``: in their order, so that a page begins with its first."""
    first: dict[object, Mapping[str, object]] = {}
    for entry in entries:
        if "pageref" in entry:
            first.setdefault(entry["pageref"], entry)
    return [
        {"startedDateTime": entry["startedDateTime"], "id": page, "title": f"session {page}", "pageTimings": {}}
        for page, entry in first.items()
    ]


def _client(trace: TurnSource, surfaces: Surfaces) -> dict[str, object] | None:
    """The agent's exchange with the gateway; None for a passive turn."""
    info = trace.info
    surface = surfaces.get(str(info.get("surface")))
    if surface is None:
        return None
    path = surface.url(str(info.get("model", "")), stream=bool(info.get("stream")))
    headers, body = _sent(trace.body("client_request"))
    url = f"http://{headers.get('host', 'localhost')}{path}"
    status, mime, text, shown = _answer(trace)
    marks = _marks(trace)
    first = trace.emitted[0].t_ms if trace.emitted else marks.get("done", 0.0)
    blocked = marks.get("admitted", 0.0)
    total = max(marks.get("done", first), first)
    return {
        "startedDateTime": _when(trace, 0),
        "time": total,
        "request": _request(RequestLine("POST", url, "HTTP/1.1"), headers, body),
        "response": _response(status, shown, mime, text),
        "cache": {},
        "timings": _timings(blocked=blocked, wait=max(0.0, first - blocked), receive=total - first),
        "comment": f"turn {trace.id}{': ' if info.get('note') else ''}{info.get('note', '')}",
        "_turn": trace.id,
        **{f"_{name}": info[name] for name in ("price", "price_partial", "note", "star") if info.get(name)},
        "_code": info.get("code"),
        "_digest": digest.digest(digest.normalised(trace.channel.turn)),
        "_frames": [
            {"record": frame.seq, "ms": frame.t_ms, "size": len(frame.frame.encode())}
            for frame in trace.emitted
            if frame.frame is not None
        ],
    }


def _answer(trace: TurnSource) -> tuple[int, str, str, Mapping[str, str]]:
    """(status, MIME type, body, headers) of what the client got."""
    failure = members(trace.info.get("failure"))
    if trace.emitted and trace.emitted[0].frame is None:
        whole = trace.emitted[0]
        return whole.status or 200, "application/json", jsonio.text(whole.body), whole.headers
    if not trace.emitted and failure:
        return count(failure.get("status")) or 500, "application/json", "", {}
    return 200, "text/event-stream", "".join(frame.frame or "" for frame in trace.emitted), {}


def _upstream(trace: TurnSource) -> list[dict[str, object]]:
    """One entry per call to Google."""
    marks = _marks(trace)
    entries: list[dict[str, object]] = []
    for call in sorted({record.attempt_no for record in trace.records if record.attempt_no >= 0}):
        records = [record for record in trace.records if record.attempt_no == call]
        headers, body = _sent(trace.body("upstream_request", call))
        line = trace.lines().get(call) or RequestLine("POST", UNKNOWN_URL, "HTTP/1.1")
        first, last = records[0].t_ns / 1e6, records[-1].t_ns / 1e6
        start = min(marks.get("matched", first), first) if call == 0 else first
        opened = next((event for event in records[0].events if isinstance(event, AttemptOpened)), AttemptOpened())
        answer = b"".join(b"data: " + record.data + b"\r\n\r\n" for record in records if record.data)
        entries.append({
            "startedDateTime": _when(trace, start),
            "time": last - start,
            "request": _request(line, headers, body),
            "response": _response(opened.status, {}, "text/event-stream", answer.decode("utf-8", "replace"),
                                  line.http_version),
            "cache": {},
            "timings": _timings(blocked=-1, wait=first - start, receive=last - first),
            "comment": f"turn {trace.id}, call {call} to Google",
            "_turn": trace.id,
            "_call": call,
            "_events": [{"seq": record.seq, "ms": record.t_ns / 1e6, "size": len(record.data)} for record in records],
        })  # fmt: skip
    return entries


def _sent(request: Mapping[str, object] | None) -> tuple[dict[str, str], object]:
    """(headers, body) of a request that was recorded."""
    headers = members(members(request).get("headers"))
    return {name: str(value) for name, value in headers.items()}, members(request).get("body")


def _request(line: RequestLine, headers: Mapping[str, str], body: object) -> dict[str, object]:
    text = body if isinstance(body, str) else jsonio.text(body)
    made: dict[str, object] = {
        "method": line.method,
        "url": line.url,
        "httpVersion": line.http_version,
        "cookies": [],
        "headers": _headers(headers),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(urlsplit(line.url).query, keep_blank_values=True)
        ],
        "headersSize": -1,
        "bodySize": -1,
    }
    if body is not None:
        made["postData"] = {"mimeType": "application/json", "params": [], "text": text}
        made["bodySize"] = len(text.encode())
    return made


def _response(
    status: int, headers: Mapping[str, str], mime: str, text: str, http_version: str = "HTTP/1.1"
) -> dict[str, object]:
    size = len(text.encode())
    return {
        "status": status,
        "statusText": HTTPStatus(status).phrase if status in list(HTTPStatus) else "",
        "httpVersion": http_version,
        "cookies": [],
        "headers": _headers({"content-type": mime, **headers}),
        "content": {"size": size, "mimeType": mime, "text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": size,
    }


def _headers(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


def _timings(*, blocked: float, wait: float, receive: float) -> dict[str, float]:
    return {"blocked": blocked, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": wait, "receive": receive}


def _marks(trace: TurnSource) -> dict[str, float]:
    marks = members(trace.info.get("marks_ms"))
    return {phase: at for phase, value in marks.items() if (at := number(value)) is not None}


def _when(trace: TurnSource, ms: float) -> str:
    return moments.utc((number(trace.info.get("created")) or 0) + ms / 1000)
