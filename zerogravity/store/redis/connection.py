"""``Connection``: one gateway's way to a Redis (or Valkey) server, with its errors as ours.

Facts: https://redis.io/docs/latest/develop/clients/redis-py/ (asyncio, pipelines, scripts).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionFailed
from redis.exceptions import RedisError, ResponseError

from zerogravity.errors import FaultError, internal
from zerogravity.store import address

CONNECT_S, ANSWER_S = 2.0, 2.0  # wait for a connection, for an answer
CONNECTIONS = 16  # at a time; further requests wait for one of them
TURN_S = 10.0  # that they wait: many at once are no sign that the server is away


class Connection:
    """``client`` speaks bytes. No connection is made before its first use; a broken one is made again by the next."""

    def __init__(self, url: str) -> None:
        self.name = address.shown(url)
        pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            max_connections=CONNECTIONS,
            timeout=TURN_S,
            encoding_errors="surrogateescape",  # names of keys that others have made come back as they are
            retry=Retry(NoBackoff(), 1, (ConnectionFailed,)),  # one that has broken while it was idle
        )
        self.client: Redis = Redis.from_pool(pool)

    @contextmanager
    def guarded(self) -> Generator[None]:
        """Raises FaultError 503 ``store_unavailable`` for what Redis, or the way to it, raises."""
        try:
            yield
        except (RedisError, OSError) as error:
            text = f"stored responses: Redis at {self.name} cannot be used: {words_of(error)}"
            raise FaultError(internal(text, status=503, code="store_unavailable", retry_after=1)) from error

    async def close(self) -> None:
        """May be called twice."""
        await self.client.aclose()


def words_of(error: Exception) -> str:
    """What Redis, or the way to it, says, without the command that it says it of: that names keys, and so owners."""
    text = str(error) or type(error).__name__
    if not isinstance(error, ResponseError):
        return text
    return text.rpartition(" caused error: ")[2].strip("(,)'\"")


def is_of_another_kind(error: object) -> bool:
    """Whether Redis says that what stands under a key, or in it, is none of what was asked for."""
    return isinstance(error, ResponseError) and ("WRONGTYPE" in str(error) or "is not an integer" in str(error))


def fields_of(flat: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """What a script gives of a hash, or of a batch of a stream: names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
