"""``LiveFrames``: the frames of background responses in Redis while they come; the layout is in ``keys``."""

from __future__ import annotations

from collections.abc import Sequence

from zerogravity.store.joined import joined, split
from zerogravity.store.peers import Batch
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection, is_of_another_kind

BATCHES = 64  # that are read at once

# A batch that is there already came with an answer that was lost. The version grows, so that whoever changes the entry
# at this moment looks again.
_APPEND = """
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(ARGV[2]) then return 1 end
redis.call('XADD', KEYS[2], ARGV[2] .. '-0', 'f', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'version', 1)
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[2], left) end
redis.call('PUBLISH', ARGV[4], '')
return 1
"""

# The batch that begins with the frame that is wanted, or before it, and those behind it.
_READ = """
local run = redis.call('HGET', KEYS[1], 'run')
if not run or run == '' then return {} end
local found = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])
if not found[1] or found[1][1] ~= ARGV[1] .. '-0' then
  local before = redis.call('XREVRANGE', KEYS[2], ARGV[1], '-', 'COUNT', 1)[1]
  if before then table.insert(found, 1, before) end
end
return {run, found}
"""


class LiveFrames:
    """``own``: this gateway's run."""

    def __init__(self, connection: Connection, own: str) -> None:
        self._connection = connection
        self._own = own
        self._append = connection.client.register_script(_APPEND)
        self._read = connection.client.register_script(_READ)

    async def append(self, batches: Sequence[Batch]) -> Sequence[bool]:
        """See ``Peers``."""
        with self._connection.guarded():
            async with self._connection.client.pipeline(transaction=False) as at_once:
                for batch in batches:
                    owner, response_id = batch.owner, batch.response_id
                    arguments = [self._own, batch.number + 1, joined(batch.frames), keys.news(owner, response_id)]
                    await self._append(keys=_keys(owner, response_id), args=arguments, client=at_once)
                return [_shown(answer) for answer in await at_once.execute(raise_on_error=False)]

    async def read(self, owner: str, response_id: str, number: int) -> tuple[str, tuple[bytes, ...]] | None:
        """Whose run it is, and the frames from that number on. None: nobody's any more."""
        with self._connection.guarded():
            found = await self._read(keys=_keys(owner, response_id), args=[number + 1, BATCHES])
        if not found:
            return None
        run, batches = found
        frames: list[bytes] = []
        for name, fields in batches:
            first = int(name.partition(b"-")[0]) - 1
            batch = split(dict(zip(fields[::2], fields[1::2], strict=True))[b"f"])
            frames += batch[max(0, number - first) :]
        return run.decode(), tuple(frames)


def _shown(answer: object) -> bool:
    """One entry that is damaged keeps no other back."""
    if isinstance(answer, Exception) and not is_of_another_kind(answer):
        raise answer
    return answer == 1


def _keys(owner: str, response_id: str) -> list[str]:
    return [keys.entry(owner, response_id), keys.frames(owner, response_id)]
