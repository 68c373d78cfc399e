"""A turn's tokens → what they would cost at the provider's list price. The prices come with ``genai-prices``; nothing
is fetched. Reading them takes a third of a second, so ``load`` is for a thread; before, no price is known.

One rule for all sums: what is known is added up, and ``partial`` says that something is not in it, so that it is the
least that it costs.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

from zerogravity.core import billing
from zerogravity.core.billing import Billed
from zerogravity.core.channel import CascadeChannel
from zerogravity.wire.narrow import Json, number

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice, TieredPrices

PROVIDERS = ("google", "anthropic", "openai")  # the last for gpt-oss, which Google serves and does not list
_EFFORT = re.compile(r"-(?:minimal|low|medium|high|thinking)$")  # a part of Google's names that changes no price
_PER_PROMPT = re.compile(r"gemini-[12]\b")  # which pay for searching, however often; later ones for each search
_snapshot: DataSnapshot | None = None
_loading = threading.Lock()


@dataclass(frozen=True, slots=True)
class Price:
    """``usd``: US dollars, None: not known, which is not 0. ``partial``: something is not in it. Neither: nothing is
    billed."""

    usd: float | None = None
    partial: bool = False

    def __add__(self, other: Price) -> Price:
        known = [usd for usd in (self.usd, other.usd) if usd is not None]
        return Price(sum(known) if known else None, self.partial or other.partial)

    def as_json(self) -> dict[str, object]:
        return {"price": self.usd, "price_partial": self.partial}

    @classmethod
    def of_json(cls, row: Json) -> Price:
        """Of a turn or a sum of some; in an older record of a turn, None stood for what is not known alone."""
        usd, partial = number(row.get("price")), row.get("price_partial")
        return cls(usd, usd is None if partial is None else bool(partial))


FREE, UNKNOWN = Price(), Price(partial=True)


def load() -> None:
    """Read the prices. Idempotent; without the library none is ever known. What the library's list of all providers
    takes, megabytes, is given back."""
    with _loading:
        _load()


def _load() -> None:
    global _snapshot
    if _snapshot is None:
        try:
            from genai_prices.data_snapshot import DataSnapshot
        except ImportError:
            return
        if (found := find_spec("genai_prices.data")) is None or found.loader is None:
            return
        every = module_from_spec(found)
        found.loader.exec_module(every)
        _snapshot = DataSnapshot([one for one in every.providers if one.id in PROVIDERS], from_auto_update=False)


def in_time(attempt: Billed) -> Price:
    """``of``, but what is asked for before the prices have been read waits for them. For threads."""
    load()
    return of(attempt)


def of_turn(channel: CascadeChannel) -> Price:
    """Of all attempts. Takes microseconds, and some milliseconds for a model's first turn. Thread-safe."""
    return summed(map(of, billing.attempts(channel)))


def of(attempt: Billed) -> Price:
    """Of one attempt, at the price of the model that was asked in it. Of tokens that are estimated none is known: a
    sum is the least that something costs."""
    if _snapshot is None or not attempt.usage.told or attempt.usage.source == "estimate":
        return UNKNOWN
    found = ((name, rates) for name in attempt.names if (rates := _rates(name)) is not None)
    name, rates = next(found, ("", None))
    if rates is None:
        return UNKNOWN
    tokens = rates.tokens(attempt)
    searches = rates.searches(min(attempt.searches, 1) if _PER_PROMPT.match(name) else attempt.searches)
    return tokens + searches + (FREE if attempt.whole else UNKNOWN)


def summed(prices: Iterable[Price]) -> Price:
    return sum(prices, FREE)


@dataclass(frozen=True, slots=True)
class _Rate:
    """US dollars per million tokens. ``steps``: (tokens in, rate), highest first: more tokens in make all dearer."""

    base: float
    steps: tuple[tuple[int, float], ...] = ()

    def at(self, tokens_in: int) -> float:
        return next((rate for start, rate in self.steps if tokens_in > start), self.base)


@dataclass(frozen=True, slots=True)
class _Rates:
    """``image``: of the pictures in an answer, ``search``: of a thousand searches; None: not known."""

    prompt: _Rate
    cached: _Rate
    audio: _Rate
    cached_audio: _Rate
    output: _Rate
    image: _Rate | None
    search: float | None

    def tokens(self, attempt: Billed) -> Price:
        """Google does not say how much of the cached part is sound: none, as long as the rest is enough for it."""
        usage = attempt.usage
        sent, cached = usage.sent, min(usage.cached, usage.prompt)
        cached_audio = max(cached - (usage.prompt - usage.audio), 0)
        images = usage.images if self.image is not None else 0
        parts = (
            (sent - usage.audio - (cached - cached_audio), self.prompt),
            (cached - cached_audio, self.cached),
            (usage.audio - cached_audio, self.audio),
            (cached_audio, self.cached_audio),
            (usage.made - images, self.output),  # thinking costs as much as what is shown
            (images, self.image or self.output),
        )
        usd = sum(count * rate.at(sent) for count, rate in parts) / 1e6
        # pictures cost ten times as much as text: without their number the rest of the answer says nothing
        return UNKNOWN if self.image is not None and attempt.drawn and not images else Price(usd)

    def searches(self, count: int) -> Price:
        if not count:
            return FREE
        return UNKNOWN if self.search is None else Price(count * self.search / 1000)


@lru_cache(maxsize=256)  # a passive call's model is anything
def _rates(model: str) -> _Rates | None:
    price = _price(model)
    prompt, output = _rate(price, "input_mtok"), _rate(price, "output_mtok")
    if prompt is None or output is None:
        return None
    cached, audio = _rate(price, "cache_read_mtok") or prompt, _rate(price, "input_audio_mtok") or prompt
    search = _rate(price, "web_searches_kcount")
    return _Rates(
        prompt, cached, audio, _rate(price, "cache_audio_read_mtok") or (cached if audio == prompt else audio), output,
        _rate(price, "output_image_mtok"), None if search is None else search.base,
    )  # fmt: skip


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


def _rate(price: ModelPrice | None, unit: str) -> _Rate | None:
    from genai_prices.types import TieredPrices

    rate: Decimal | TieredPrices | None = getattr(price, unit, None)
    if not isinstance(rate, TieredPrices):
        return None if rate is None else _Rate(float(rate))
    tiers = sorted(((tier.start, float(tier.price)) for tier in rate.tiers), reverse=True)
    return _Rate(float(rate.base), tuple(tiers))
