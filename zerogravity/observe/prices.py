"""A turn's tokens → what they would cost at the provider's list price. The prices come with ``genai-prices``; nothing
is fetched. Reading them takes a third of a second, so ``load`` is for a thread; before, no price is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from zerogravity.core.events import Usage

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice, TieredPrices

PROVIDERS = ("google", "anthropic", "openai")  # the last for gpt-oss, which Google serves and does not list
_EFFORT = re.compile(r"-(?:minimal|low|medium|high|thinking)$")  # a part of Google's names that changes no price
_snapshot: DataSnapshot | None = None


def load() -> None:
    """Read the prices. Idempotent; without the library none is ever known."""
    global _snapshot
    if _snapshot is None:
        try:
            from genai_prices.data_snapshot import get_snapshot
        except ImportError:
            return
        _snapshot = get_snapshot()


def usd(model: str, usage: Usage) -> float | None:
    """US dollars. ``model``: Google's name of it. None: not known, which is not 0. Takes microseconds, and some
    milliseconds for a model's first turn. Thread-safe."""
    if _snapshot is None or usage.prompt + usage.candidates + usage.thoughts == 0:
        return None
    rates = _rates(model)
    return None if rates is None else rates.usd(usage)


@dataclass(frozen=True, slots=True)
class _Rate:
    """US dollars per million tokens. ``steps``: (tokens in, rate), highest first: more tokens in make all dearer."""

    base: float
    steps: tuple[tuple[int, float], ...] = ()

    def at(self, tokens_in: int) -> float:
        return next((rate for start, rate in self.steps if tokens_in > start), self.base)


@dataclass(frozen=True, slots=True)
class _Rates:
    prompt: _Rate
    cached: _Rate
    output: _Rate

    def usd(self, usage: Usage) -> float:
        given = usage.prompt + usage.tool_use
        cached = min(usage.cached, usage.prompt)
        made = usage.candidates + usage.thoughts  # thinking costs as much as what is shown
        spent = (given - cached) * self.prompt.at(given) + cached * self.cached.at(given) + made * self.output.at(given)
        return spent / 1e6


@lru_cache(maxsize=256)  # a passive call's model is anything
def _rates(model: str) -> _Rates | None:
    price = _price(model)
    prompt, output = getattr(price, "input_mtok", None), getattr(price, "output_mtok", None)
    # pictures cost ten times as much as text, and nothing says how many tokens of an answer they are
    if prompt is None or output is None or getattr(price, "output_image_mtok", None) is not None:
        return None
    return _Rates(_rate(prompt), _rate(getattr(price, "cache_read_mtok", None) or prompt), _rate(output))


def _price(model: str) -> ModelPrice | None:
    assert _snapshot is not None
    for name in _names(model):
        for provider in PROVIDERS:
            try:
                _, found = _snapshot.find_provider_model(name, None, provider, None)
            except LookupError:
                continue
            return found.get_prices(datetime.now(UTC))
    return None


def _names(model: str) -> Iterator[str]:
    """As price lists may spell it: they name previews in full, and know no effort."""
    plain = _EFFORT.sub("", model)
    yield from dict.fromkeys((model, f"{model}-preview", plain, f"{plain}-preview"))


def _rate(price: Decimal | TieredPrices) -> _Rate:
    from genai_prices.types import TieredPrices

    if not isinstance(price, TieredPrices):
        return _Rate(float(price))
    tiers = sorted(((tier.start, float(tier.price)) for tier in price.tiers), reverse=True)
    return _Rate(float(price.base), tuple(tiers))
