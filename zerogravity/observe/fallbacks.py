"""The configuration's fallbacks → what is wrong with their names, as far as can be said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from zerogravity.config import Config
from zerogravity.errors import FaultError
from zerogravity.observe import offered
from zerogravity.observe.health import Check
from zerogravity.surfaces.common.models import ALIASES, Catalogue

LOOK = "choose names that `zerogravity models` lists; the others are passed over"
Identify = Callable[[str], str]
"""Name → what all names of that model have in common; empty: unknown."""


def known_here(config: Config) -> Identify:
    """By the names that are known without a language server."""
    catalogue = Catalogue(config.aliases, rewrites=config.intercept)

    def identify(name: str) -> str:
        try:
            return catalogue.resolve(name).identity
        except FaultError:
            return ""

    return identify


async def known_there(config: Config, url: str) -> Identify:
    """By what the gateway there offers. Raises OSError."""
    key = next(iter(config.accepted_keys), None)
    rows = await offered.fetch(url, key, {**ALIASES, **config.aliases})
    names = {name: row.name for row in rows for name in (*row.aliases, row.name)}
    return lambda name: names.get(name.rpartition("/")[2], "")


def strange(config: Config, identify: Identify) -> Iterator[str]:
    """A sentence about each list that is of no use, in part or as a whole."""
    for model, others in config.fallbacks.items():
        if not (own := identify(model)):
            yield f"'{model}' is not offered"
        if unknown := [name for name in others if not identify(name)]:
            yield f"'{model}' names {', '.join(map(repr, unknown))}, which is not offered"
        if same := [name for name in others if own and identify(name) == own]:
            yield f"'{model}' names itself as {', '.join(map(repr, same))}"


async def check(config: Config, url: str | None) -> Check:
    """``url``: of a gateway that runs, which knows what is offered."""
    try:
        identify = known_here(config) if url is None else await known_there(config, url)
    except OSError:
        identify = known_here(config)
    found = [*strange(config, identify)]
    return Check("fallbacks", True, "; ".join(found) or "all of their models are known", LOOK if found else "")
