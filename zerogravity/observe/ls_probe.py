"""Checks the back end periodically, and at once when there is a reason → ``Health``.

When Google could not be reached it is probed, too, since no turn may come that would show that it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from zerogravity.backends.base import Backend, Readiness
from zerogravity.background import RepeatedTask
from zerogravity.core.callbacks import run_guarded
from zerogravity.errors import Fault, Termination, language_server
from zerogravity.observe.health import Check, Health

logger = logging.getLogger("zerogravity")
CHECK_S = 60.0  # between two checks
RECHECK_S = 10.0  # while a better LS may still appear, or Google come back
SEARCH_S = 2.0  # while no LS works


class LsProbe:
    """``after_check``: called after each check, whatever it found. ``probe_google``: whether Google can be reached."""

    def __init__(
        self,
        backend: Backend,
        health: Health,
        *,
        after_check: Callable[[], object] = lambda: None,
        probe_google: Callable[[], Awaitable[Check]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backend = backend
        self._health = health
        self._after_check = after_check
        self._probe_google = probe_google
        self._now = asyncio.Event()
        name = backend.words.name
        self._restarting = _gone("ls_gone", f"{name} is being started again")
        absent = _gone("ls_absent", f"{name} has not answered yet")
        self._before: Fault | None = absent
        self._task = RepeatedTask("checking the language server", self._check_once, report=self._report, sleep=sleep)
        self.start, self.stop = self._task.start, self._task.stop
        health.ls_expected(absent)
        health.on_trouble = self._now.set

    def child_changed(self, up: bool) -> None:
        """The language server that we started has come up, or has ended."""
        if up:
            self._now.set()
        else:
            self._health.ls_checked(self._restarting)

    async def _check_once(self) -> None:
        """One check, then the pause until the next one."""
        self._now.clear()
        readiness = await self._backend.readiness()
        fault = readiness.fault
        if fault is not None and fault != self._before:
            logger.info("language server: %s", fault.full_message)
        self._before = fault
        self._health.ls_checked(fault, readiness.text)
        run_guarded(self._after_check)
        if self._probe_google is not None and self._health.google_away and (await self._probe_google()).ok:
            self._health.google_seen(None)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._now.wait(), self._pause(readiness))

    def _report(self, trouble: str | None) -> None:
        text = None if trouble is None else f"the language server cannot be checked now: {trouble}"
        self._health.report("language server check", text)

    def _pause(self, readiness: Readiness) -> float:
        if readiness.fault is not None:
            return SEARCH_S
        return RECHECK_S if readiness.provisional or self._health.google_away else CHECK_S


def _gone(code: str, text: str) -> Fault:
    return language_server(503, code, text, Termination.LS_GONE)
