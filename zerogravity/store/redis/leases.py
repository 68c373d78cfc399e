"""``Leases``: which gateways live. Each has a run id and a key that it renews; a dead one's runs out.

Redis may lose the key of one that lives, as it may lose any. So where there is none, its gateway gets the time to renew
it before it counts as dead; but one that has stopped leaves word of that. While Redis is away the keys of the living
run out, too: when it is back they get the time of a lease.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable
from contextlib import suppress

from zerogravity.background import RepeatedTask
from zerogravity.errors import FaultError
from zerogravity.store.base import NOBODY
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection

LEASE_S, RENEW_S = 15.0, 5.0
LOOKS = 10  # in half a lease, within which whoever lives renews it
OVER, OVER_S = b"over", 3600

# Removed first: after that a full memory refuses nothing.
_RENEW = """
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
"""


class Leases:
    """``own``: this gateway's run id, which others see from ``open`` to ``close``. ``report`` gets, after each renewal,
    why Redis cannot be used, or None."""

    def __init__(
        self,
        connection: Connection,
        lease_s: float = LEASE_S,
        renew_s: float = RENEW_S,
        report: Callable[[str | None], object] = lambda _: None,
    ) -> None:
        self.own = secrets.token_hex(8)
        self._connection = connection
        self._lease_ms = int(lease_s * 1000)
        self._renew_s = renew_s
        self._report = report
        self._renewals = RepeatedTask("lease in Redis", self._keep)
        self._set = connection.client.register_script(_RENEW)
        self._held = False
        self._kept: dict[str, bytes] = {}
        self._dead = set[str]()
        self._lenient_until = 0.0  # by the event loop's clock

    async def open(self) -> None:
        """Announce this run. Raises FaultError when Redis cannot be used."""
        await self._renew()
        self._held = True
        self._renewals.start()

    async def alive(self, run: str) -> bool:
        """Whether that gateway lives, as far as is known; for one that has just died this takes half a lease. Raises
        FaultError when Redis cannot be used."""
        if run in (self.own, NOBODY):
            return run == self.own
        for look in range(LOOKS + 1):
            if look:
                await asyncio.sleep(self._lease_ms / 1000 / 2 / LOOKS)
            with self._connection.guarded():
                lease = await self._connection.client.get(keys.run(run))
            if lease is not None:
                self._dead.discard(run)
                return lease != OVER
            if asyncio.get_running_loop().time() < self._lenient_until:
                return True
            if run in self._dead:
                return False
        self._dead.add(run)
        return False

    def keep(self, key: str, value: bytes) -> None:
        """Write it again wherever Redis has lost it, as long as this run lives."""
        self._kept[key] = value

    async def close(self) -> None:
        """End this run."""
        if self._held:
            self._held = False
            await self._renewals.stop()
            with suppress(FaultError), self._connection.guarded():  # else it runs out by itself
                await self._connection.client.set(keys.run(self.own), OVER, ex=OVER_S)

    async def _keep(self) -> None:
        await asyncio.sleep(self._renew_s)
        try:
            await self._renew()
        except FaultError as error:
            self._lenient_until = math.inf
            self._report(error.fault.message)
        else:
            if self._lenient_until == math.inf:
                self._lenient_until = asyncio.get_running_loop().time() + self._lease_ms / 1000
            self._report(None)

    async def _renew(self) -> None:
        with self._connection.guarded():
            async with self._connection.client.pipeline(transaction=False) as at_once:
                await self._set(keys=[keys.run(self.own)], args=[self._lease_ms], client=at_once)
                for key, value in self._kept.items():
                    at_once.set(key, value, nx=True)
                await at_once.execute()
