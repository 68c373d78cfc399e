"""The stand-in of the language server, keeping every exchange, and what each part of one has to be by the schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.runtime.schema import Schema
from zerogravity.testing.simulator.http.exchange import Exchange
from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions

CODES = {
    "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
    "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable",
    "data_loss", "unauthenticated",
}  # fmt: skip
STREAM = "application/connect+json"


@dataclass
class Kept:
    """One exchange. ``answer`` grows while it streams."""

    method: str
    content_type: str
    request: bytes
    status: int = 0
    answer: bytearray = field(default_factory=bytearray)

    @property
    def streamed(self) -> bool:
        return self.content_type == STREAM

    def messages(self) -> tuple[Any, list[Any]]:
        """The request, and the answer's messages that are no errors. Errors are looked at here."""
        if self.streamed:
            (flags, request), *more = _frames(self.request)
            assert (flags, more) == (0, [])
            frames = _frames(bytes(self.answer))
            for flags, end in [frame for frame in frames if frame[0]]:
                assert flags == 2
                assert set(end) <= {"error"}
                if "error" in end:
                    _check_error(end["error"])
            assert [flags for flags, _ in frames[:-1]] == [0] * len(frames[:-1]), "only the last frame is an end"
            return request, [message for flags, message in frames if not flags]
        answer = json.loads(self.answer)
        if self.status != 200:
            _check_error(answer)
        return json.loads(self.request), [answer] if self.status == 200 else []


class Recorder(LanguageServerSimulator):
    """``kept``: every exchange so far."""

    def __init__(self, options: LsOptions) -> None:
        super().__init__(options)
        self.kept: list[Kept] = []

    async def _handle(self, exchange: Exchange) -> None:
        method = exchange.target.rpartition("/")[2]
        kept = Kept(method, exchange.headers.get("content-type", ""), exchange.body)
        self.kept.append(kept)
        start, write = exchange.start, exchange.write

        def started(status: int, *arguments: Any, **more: Any) -> None:
            kept.status = status
            start(status, *arguments, **more)

        def written(data: bytes) -> None:
            kept.answer += data
            write(data)

        exchange.start, exchange.write = started, written  # type: ignore[method-assign]
        await super()._handle(exchange)


def faults(kept: list[Kept], schema: Schema) -> list[str]:
    """What in the exchanges is not by the schema. Errors of the transport raise AssertionError."""
    found: list[str] = []
    for one in kept:
        request, answers = one.messages()
        method = schema.methods[one.method]
        for kind, message in ((method.input_type, request), *((method.output_type, each) for each in answers)):
            try:
                schema.check(kind, message)
            except Exception as error:  # noqa: BLE001 - reported with all others
                found.append(f"{one.method}: {kind.name}: {str(error).splitlines()[0][:300]}")
    return sorted(set(found))


def deprecated(kept: list[Kept], schema: Schema) -> set[str]:
    """Every deprecated method, member and enum value that was sent."""
    found: set[str] = set()
    for one in kept:
        method = schema.methods[one.method]
        if method.GetOptions().deprecated:
            found.add(one.method)
        found |= {f"{one.method}: {path}" for path in schema.check(method.input_type, one.messages()[0])}
    return found


def _frames(data: bytes) -> list[tuple[int, Any]]:
    """(flags, message) of each Connect frame; the last may be cut where the client left."""
    found: list[tuple[int, Any]] = []
    while len(data) >= 5:
        size = int.from_bytes(data[1:5], "big")
        found.append((data[0], json.loads(data[5 : 5 + size])))
        data = data[5 + size :]
    assert data == b""
    return found


def _check_error(error: Any) -> None:
    assert set(error) <= {"code", "message", "details"}
    assert error["code"] in CODES
    assert isinstance(error.get("message", ""), str)
