"""Live and ready, apart: *live* means this process answers, *ready* means a turn can be served now.

Collects what the rooms tell; asks nobody, so that asking for health costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zerogravity.core.channel import CascadeChannel, Clock
from zerogravity.core.store import MitmStore
from zerogravity.errors import Fault, Termination

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """``fix``: one line that says what to do when it is not ``ok``."""

    name: str
    ok: bool
    text: str
    fix: str = ""


class Health:
    """``known_fault``  why no turn can be served, if the language server's driver knows it already.

    Before the first turn nobody knows whether there is a path. A turn that ended as ``match_timeout`` with no call seen
    since is a missing one.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        known_fault: Callable[[], Fault | None] = lambda: None,
        intercepting: bool = True,
    ) -> None:
        self._clock = clock
        self._started = clock()
        self._known_fault = known_fault
        self._intercepting = intercepting
        self._seen: int | None = None
        self._missed = False
        self._degraded: dict[str, str] = {}
        self.stopping = False

    # -- what the rooms tell ---------------------------------------------------------------------------------

    def path_seen(self) -> None:
        """A request of the language server has come through the proxy."""
        self._seen = self._clock()
        self._missed = False

    def watch(self, store: MitmStore) -> None:
        """Learn from every turn of ``store``."""
        store.on_open.append(lambda channel: channel.on_close.append(self.turn_closed))

    def turn_closed(self, channel: CascadeChannel) -> None:
        """Learn from how a turn ended."""
        if channel.termination is Termination.MATCH_TIMEOUT:
            seen_during = self._seen is not None and self._seen >= channel.marks["received"]
            self._missed = self._missed or not seen_during

    def degrade(self, what: str, text: str) -> None:
        """Something beside the path works less well (a full trace disk); shown, never in the way."""
        self._degraded[what] = text

    def recover(self, what: str) -> None:
        self._degraded.pop(what, None)

    # -- what is asked ---------------------------------------------------------------------------------------

    @property
    def uptime(self) -> float:
        return (self._clock() - self._started) / NS

    @property
    def degraded(self) -> Mapping[str, str]:
        return dict(self._degraded)

    def checks(self) -> list[Check]:
        """What a turn needs, in the order of its path."""
        fault = self._known_fault()
        checks = [
            Check("server", not self.stopping, "stopping" if self.stopping else "answering"),
            Check("language_server", fault is None, "known" if fault is None else fault.message,
                  "run: zerogravity doctor" if fault is not None else ""),
        ]  # fmt: skip
        if self._intercepting:
            checks.append(self._path())
        return checks

    def ready(self) -> tuple[bool, list[Check]]:
        checks = self.checks()
        return all(check.ok for check in checks), checks

    def line(self) -> str:
        """One line for a person."""
        ready, checks = self.ready()
        if ready:
            notes = "; ".join(f"{what}: {text}" for what, text in self._degraded.items())
            return f"ready{' (' + notes + ')' if notes else ''}"
        return "not ready: " + "; ".join(f"{check.name}: {check.text}" for check in checks if not check.ok)

    def _path(self) -> Check:
        fix = "point the language server's endpoint or HTTPS_PROXY at the proxy port"
        if self._missed:
            return Check("path", False, "the last turn's call to Google did not come through the proxy", fix)
        if self._seen is None:
            return Check("path", True, "no call to Google seen yet")
        return Check("path", True, "calls to Google come through the proxy")
