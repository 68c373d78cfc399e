"""What every turn leaves behind, each written by a thread of its own: its trace, the trace's place in the index, its
place in a session, sums of tokens, spans, a line of the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from zerogravity.config import Config
from zerogravity.core.budget import Budget
from zerogravity.core.registry import MitmStore
from zerogravity.observe import otel, prices, trace_folders
from zerogravity.observe.health import Health
from zerogravity.observe.history import History
from zerogravity.observe.indexing import Indexer
from zerogravity.observe.recorder import NullRecorder, Recorder, TraceLimits, TraceSink
from zerogravity.observe.sessions import Past, Sessions
from zerogravity.observe.turn_lines import TurnLines
from zerogravity.store import address, usage
from zerogravity.surfaces import REGISTRY

if TYPE_CHECKING:
    from zerogravity.store.redis.usage import SharedUsage

logger = logging.getLogger("zerogravity")
REMEMBERED = 20_000  # recorded turns that are read at the start, at about 0.02 ms each


@asynccontextmanager
async def recorded(
    config: Config, store: MitmStore, health: Health, budget: Budget, sessions: Sessions
) -> AsyncGenerator[TraceSink]:
    """Everything that is kept of the turns of ``store``, until the end. Yields what takes their requests."""
    async with AsyncExitStack() as stack:
        spans = otel.start(store, REGISTRY, session=lambda channel: sessions.of(channel).session)
        shared = _shared(config, health)
        sums = usage.UsageLog(
            config.data_path / usage.FILE, session=lambda channel: sessions.of(channel).session, price=prices.in_time,
            instance=config.own_name, report=partial(health.report, "usage"),
            written=lambda days: None if shared is None else shared.written(days),
        )  # fmt: skip
        indexer = Indexer(config.trace_path, report=partial(health.report, "trace index"))
        recorder, lines = _recorder(config, health, budget, sessions, indexer), TurnLines(sessions.of)
        for writer in (spans, shared, sums, lines, sessions, indexer, recorder):
            if writer is not None:
                stack.push_async_callback(asyncio.to_thread, writer.close)
        health.watch(store)
        sessions.attach(store, partial(_past, config))
        recorder.attach(store)
        if config.trace:
            indexer.start()
        if shared is not None:
            shared.start()
        sums.attach(store)
        lines.attach(store)
        yield recorder


def _shared(config: Config, health: Health) -> SharedUsage | None:
    """What copies the sums of tokens to where other gateways' are, if there is such a place."""
    if not address.is_redis(config.store):
        return None
    try:
        from zerogravity.store.redis.usage import SharedUsage

        file = config.data_path / usage.FILE
        return SharedUsage(config.store, file, report=partial(health.report, "usage of all gateways"))
    except (ImportError, ValueError):  # the store says so
        return None


def _past(config: Config) -> list[Past]:
    """The newest recorded turns, for conversations that go on after a restart."""
    if not config.trace:
        return []
    return [Past.of(row) for row in History(config.trace_path).search(limit=REMEMBERED).rows]


def _recorder(config: Config, health: Health, budget: Budget, sessions: Sessions, indexer: Indexer) -> TraceSink:
    if not config.trace:
        return NullRecorder()
    _tell_of_traces(config)
    waiting = budget.share("traces") // 2  # half: jobs for the thread; half: its turns that have not begun
    return Recorder(
        config.trace_path,
        limits=TraceLimits(max_bytes=config.trace_bytes, max_age_s=config.trace_days * 86400, job_bytes=waiting),
        sessions=sessions,
        report=partial(health.report, "traces"),
        on_finished=indexer.changed,
        on_removed=indexer.changed,
    )


def _tell_of_traces(config: Config) -> None:
    """The first time, what is kept from now on."""
    try:
        if trace_folders.begin(config.trace_path):
            logger.warning(
                "each turn is kept in %s, without secrets, for %g days and up to %d MiB; trace = false turns that off",
                config.trace_path, config.trace_days, config.trace_bytes >> 20,
            )  # fmt: skip
    except OSError:  # the recorder will say so, once there is something to keep
        return
