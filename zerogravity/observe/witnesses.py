"""Bodies of a turn → everybody who wants to see them: the trace recorder, and the inspector's memory."""

from __future__ import annotations

from collections.abc import Mapping

from zerogravity.core.turn import Turn
from zerogravity.observe.inspector.bodies import Bodies
from zerogravity.observe.recorder import TraceSink


class Witnesses:
    """``bodies``: None without an inspector."""

    def __init__(self, recorder: TraceSink, bodies: Bodies | None) -> None:
        self._recorder = recorder
        self._bodies = bodies

    def client_request(self, turn: Turn, body: bytes, headers: Mapping[str, str]) -> None:
        """What an agent sent."""
        self._recorder.client_request(turn, body, headers)
        if self._bodies is not None:
            self._bodies.client_request(turn.id, body)

    def upstream_request(
        self, turn_id: str, attempt_no: int, original: bytes, rewritten: bytes, headers: Mapping[str, str]
    ) -> None:
        """What the LS wanted to send to Google, and what was sent instead."""
        self._recorder.upstream_request(turn_id, attempt_no, original, rewritten, headers)
        if self._bodies is not None:
            self._bodies.upstream_request(turn_id, original, rewritten)
