"""A running gateway's models, with their limits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from zerogravity.observe import quotas
from zerogravity.observe.cooling import seconds_left
from zerogravity.observe.gateway import nobody, stranger
from zerogravity.observe.quotas import Quota
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
    quota: Quota | None = None

    def as_json(self) -> dict[str, object]:
        """``quota_left``: a fraction; ``quota_resets``: ISO 8601, UTC; null: not known."""
        quota = (self.quota or Quota(self.name)).as_json()
        return {
            "name": self.name, "label": self.label, "input_limit": self.input_limit, "output_limit": self.output_limit,
            "aliases": list(self.aliases), "cooldown": self.cooldown, "quota_left": quota["left"],
            "quota_resets": quota["resets"],
        }  # fmt: skip


async def fetch(url: str, key: str | None, aliases: Mapping[str, str]) -> list[Offered]:
    """What ``GET /v1beta/models`` lists, with the quotas of ``GET /health``.

    ``aliases``: name → the model it leads to. Raises OSError.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
        try:
            async with session.get(f"{url}/v1beta/models", params={"pageSize": str(PAGE)}) as response:
                if response.status != 200:
                    raise OSError(f"{url} does not list its models: HTTP {response.status}")
                listed = objects(members(await response.json()).get("models"))
            async with session.get(f"{url}/health") as response:
                health = members(await response.json())
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise stranger(url) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise nobody(url) from error
    return list(_rows(listed, aliases, health))


def _rows(
    listed: Iterable[Mapping[str, object]], aliases: Mapping[str, str], health: Mapping[str, object]
) -> Iterable[Offered]:
    now, cooldowns = time.time(), objects(health.get("cooldowns"))
    known = {quota.model: quota for quota in quotas.read(health.get("quota"))}
    for entry in listed:
        name = text(entry.get("name")).removeprefix("models/")
        others = tuple(sorted(alias for alias, meant in aliases.items() if meant == name))
        limits = count(entry.get("inputTokenLimit")), count(entry.get("outputTokenLimit"))
        waits = [seconds_left(one, now) for one in cooldowns if one.get("shared") or one.get("model") == name]
        yield Offered(
            name, text(entry.get("displayName")), *limits, others, max(waits, default=0), quota=known.get(name)
        )
