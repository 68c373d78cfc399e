"""A running gateway's models, with their limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import aiohttp

from zerogravity.observe.cooling import seconds_left
from zerogravity.observe.gateway import nobody, stranger
from zerogravity.wire.narrow import count, members, objects, text

TIMEOUT = aiohttp.ClientTimeout(total=30)
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Offered:
    """``input_limit``, ``output_limit``: tokens. ``aliases``: other names that lead to it. ``cooldown``: for how many
    seconds it is left alone, because Google says so; 0: it is not."""

    name: str
    label: str
    input_limit: int
    output_limit: int
    aliases: tuple[str, ...] = ()
    cooldown: float = 0

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "aliases": list(self.aliases)}


async def fetch(url: str, key: str | None, aliases: Mapping[str, str]) -> list[Offered]:
    """What ``GET /v1beta/models`` lists. ``aliases``: name → the model it leads to. Raises OSError."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
        try:
            async with session.get(f"{url}/v1beta/models", params={"pageSize": str(PAGE)}) as response:
                if response.status != 200:
                    raise OSError(f"{url} does not list its models: HTTP {response.status}")
                listed = objects(members(await response.json()).get("models"))
            async with session.get(f"{url}/health") as response:
                cooldowns = objects(members(await response.json()).get("cooldowns"))
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise stranger(url) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise nobody(url) from error
    return list(_rows(listed, aliases, cooldowns))


def _rows(
    listed: Iterable[Mapping[str, object]], aliases: Mapping[str, str], cooldowns: Sequence[Mapping[str, object]]
) -> Iterable[Offered]:
    now = time.time()
    for entry in listed:
        name = text(entry.get("name")).removeprefix("models/")
        others = tuple(sorted(alias for alias, meant in aliases.items() if meant == name))
        limits = count(entry.get("inputTokenLimit")), count(entry.get("outputTokenLimit"))
        waits = [seconds_left(one, now) for one in cooldowns if one.get("shared") or one.get("model") == name]
        yield Offered(name, text(entry.get("displayName")), *limits, others, max(waits, default=0))
