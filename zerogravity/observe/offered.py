"""A running gateway's models, with their limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from zerogravity.observe import quotas
from zerogravity.observe.gateway import nobody, stranger
from zerogravity.observe.quotas import Quota
from zerogravity.wire.narrow import count, members, objects, text

TIMEOUT = aiohttp.ClientTimeout(total=30)
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Offered:
    """``input_limit``, ``output_limit``: tokens. ``aliases``: other names that lead to it."""

    name: str
    label: str
    input_limit: int
    output_limit: int
    aliases: tuple[str, ...] = ()
    quota: Quota | None = None

    def as_json(self) -> dict[str, object]:
        """``quota_left``: a fraction; ``quota_resets``: ISO 8601, UTC; null: not known."""
        quota = (self.quota or Quota(self.name)).as_json()
        return {
            "name": self.name, "label": self.label, "input_limit": self.input_limit, "output_limit": self.output_limit,
            "aliases": list(self.aliases), "quota_left": quota["left"], "quota_resets": quota["resets"],
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
                known = quotas.read(members(await response.json()).get("quota"))
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise stranger(url) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise nobody(url) from error
    return list(_rows(listed, aliases, {quota.model: quota for quota in known}))


def _rows(
    listed: Iterable[Mapping[str, object]], aliases: Mapping[str, str], known: Mapping[str, Quota]
) -> Iterable[Offered]:
    for entry in listed:
        name = text(entry.get("name")).removeprefix("models/")
        others = tuple(sorted(alias for alias, meant in aliases.items() if meant == name))
        limits = count(entry.get("inputTokenLimit")), count(entry.get("outputTokenLimit"))
        yield Offered(name, text(entry.get("displayName")), *limits, others, known.get(name))
