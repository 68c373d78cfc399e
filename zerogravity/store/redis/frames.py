"""``LiveFrames``: the frames of background responses in Redis, while they come and after that; the layout is in
``keys``.

Redis may evict a stream, or lose a part of it, and keep the entry: what is missing is never passed over. The end of the
response writes its whole stream again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from zerogravity.store.joined import joined, split
from zerogravity.store.peers import Batch, Shown
from zerogravity.store.redis import keys
from zerogravity.store.redis.connection import Connection, fields_of, is_of_another_kind

BYTES = 1 << 20  # that are read at once, and up to 8 batches more

# A batch that is there already came with an answer that was lost. The version grows, so that whoever changes the entry
# at this moment looks again.
_APPEND = """
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'stream' and kind ~= 'none' then redis.call('UNLINK', KEYS[2]) end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) >= tonumber(ARGV[2]) then return 1 end
redis.call('XADD', KEYS[2], ARGV[2] .. '-0', 'f', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'version', 1)
local left = redis.call('PTTL', KEYS[1])
if left > 0 then redis.call('PEXPIRE', KEYS[2], left) end
redis.call('PUBLISH', ARGV[4], '')
return 1
"""

# Whose run it is ('': nobody's), whether these are all that there are now, and the batch that begins with the frame
# that is wanted, or before it, and those behind it.
_READ = """
local run = redis.call('HGET', KEYS[1], 'run')
if not run then return false end
if redis.call('TYPE', KEYS[2]).ok ~= 'stream' then return {run, 1, {}} end
local before = redis.call('XREVRANGE', KEYS[2], ARGV[1], '-', 'COUNT', 1)[1]
local from, found, bytes, is_all = before and before[1] or ARGV[1], {}, 0, false
repeat
  local some = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 8)
  for _, batch in ipairs(some) do
    found[#found + 1] = batch
    bytes = bytes + #(batch[2][2] or '')
    from = '(' .. batch[1]
  end
  is_all = #some < 8
until is_all or bytes >= tonumber(ARGV[2])
return {run, is_all and 1 or 0, found}
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

    async def read(self, owner: str, response_id: str, number: int) -> tuple[str, Shown] | None:
        """Whose run it is, '' where it is over, and the frames from that number on. None: there is no such response."""
        with self._connection.guarded():
            found = await self._read(keys=_keys(owner, response_id), args=[number + 1, BYTES])
        if found is None:
            return None
        run, is_all, batches = found
        frames, ended = _joined_up(batches, number)
        return run.decode(), Shown(frames, "end" if ended else "later" if is_all else "now")

    async def run(self, owner: str, response_id: str) -> str:
        """Whose run it is. '': nobody's, or there is no such response."""
        with self._connection.guarded():
            found: bytes | None = await cast("Any", self._connection.client).hget(keys.entry(owner, response_id), "run")
        return (found or b"").decode()


def _joined_up(batches: Sequence[tuple[bytes, Sequence[bytes]]], number: int) -> tuple[list[bytes], bool]:
    """The frames from that number on, as far as none is missing, and whether the last of all is among them."""
    frames: list[bytes] = []
    follows = number
    for name, members in batches:
        fields = fields_of(members)
        first, batch = int(name.partition(b"-")[0]) - 1, _frames_of(fields)
        if first > follows or batch is None:
            break
        frames += batch[follows - first :]
        follows = max(follows, first + len(batch))
        if b"end" in fields:
            return frames, True
    return frames, False


def _frames_of(fields: Mapping[bytes, bytes]) -> tuple[bytes, ...] | None:
    """None: it is damaged."""
    try:
        return split(fields[b"f"])
    except (KeyError, ValueError):
        return None


def _shown(answer: object) -> bool:
    """One entry that is damaged keeps no other back."""
    if isinstance(answer, Exception) and not is_of_another_kind(answer):
        raise answer
    return answer == 1


def _keys(owner: str, response_id: str) -> list[str]:
    return [keys.entry(owner, response_id), keys.frames(owner, response_id)]
