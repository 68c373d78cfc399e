"""What turns cost."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from genai_prices import calc_price
from genai_prices import types as library
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.billing import Billed
from zerogravity.core.events import AttemptClosed, AttemptOpened, RoundOpened, Usage
from zerogravity.core.turn import Fallback, Target
from zerogravity.observe import prices
from zerogravity.observe.prices import FREE, UNKNOWN, Price
from zerogravity.surfaces.common import models
from zerogravity.testing import builders


@pytest.fixture(scope="module", autouse=True)
def loaded():
    prices.load()


def usd(model: str, usage: Usage, **more: Any) -> float | None:
    return prices.of(Billed(model, (model,), usage, **more)).usd


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        ("gemini-3-flash", Usage(prompt=1_000_000), 0.5),
        ("gemini-3-flash", Usage(prompt=1_000_000, cached=1_000_000), 0.05),
        ("gemini-3-flash", Usage(prompt=1_000_000, cached=500_000), 0.275),
        ("gemini-3-flash", Usage(candidates=1_000_000), 3),
        ("gemini-3-flash", Usage(thoughts=1_000_000), 3),
        ("gemini-3-flash", Usage(prompt=1, tool_use=999_999), 0.5),
        ("gemini-3-flash", Usage(prompt=1_000_000, audio=400_000), 0.6 * 0.5 + 0.4),
        ("gemini-3-flash", Usage(prompt=1_000_000, cached=700_000, audio=400_000), 0.6 * 0.05 + 0.3 + 0.1 * 0.1),
        ("gemini-3-pro", Usage(prompt=200_000, candidates=1000), 0.412),
        ("gemini-3-pro", Usage(prompt=200_001), 0.800004),
        ("gemini-3.1-pro-high", Usage(prompt=100_000), 0.2),
        ("gemini-3.8-flash-medium", Usage(prompt=1_000_000), 0.75),
        ("claude-opus-4-6-thinking", Usage(prompt=1_000_000, candidates=1000), 5.025),
        ("claude-sonnet-4-6", Usage(prompt=1000), 0.003),
        ("gemini-3-pro-image", Usage(prompt=1000, candidates=1290, images=1120), 0.002 + 0.1344 + 170 * 12e-6),
        ("gemini-3-pro-image", Usage(prompt=1000, candidates=100), 0.002 + 0.0012),
    ],
)
def test_known_models(model, usage, expected):
    assert usd(model, usage) == pytest.approx(expected)


def test_every_model_of_the_table_has_a_price():
    assert [name for name, *_ in models._TABLE if usd(name, Usage(prompt=1000)) is None] == []


FLASH, UNLISTED = "gemini-3-flash", "no-such-model"
THOUSAND = Usage(prompt=1000)


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [
        ((FLASH,), {}, Price(0.0005)),
        ((UNLISTED,), {}, UNKNOWN),
        ((), {}, UNKNOWN),
        (("",), {}, UNKNOWN),
        ((UNLISTED, FLASH), {}, Price(0.0005)),  # Google's answers name what no list of prices has
        ((FLASH,), {"usage": Usage()}, UNKNOWN),
        ((FLASH,), {"whole": False}, Price(0.0005, partial=True)),
        ((FLASH,), {"searches": 3}, Price(0.0005 + 3 * 0.014)),
        (("gemini-2.5-flash",), {"searches": 3}, Price(0.0003 + 0.035)),  # for each prompt
        (("claude-sonnet-4-6",), {"searches": 3}, Price(0.003, partial=True)),
        (("gemini-3-pro-image",), {"drawn": True}, UNKNOWN),  # how many tokens of it are pictures is not told
        ((FLASH,), {"drawn": True}, Price(0.0005)),
    ],
)
def test_what_is_unknown_stays_unknown(names, given, expected):
    found = prices.of(Billed("m", names, **{"usage": THOUSAND, **given}))
    assert (found.usd, found.partial) == (expected.usd and pytest.approx(expected.usd), expected.partial)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], Price()),
        ([Price(0.5), Price(0.25)], Price(0.75)),
        ([Price(0.5), UNKNOWN], Price(0.5, partial=True)),
        ([UNKNOWN, UNKNOWN], UNKNOWN),
        ([FREE, Price(0.5)], Price(0.5)),
        ([FREE, FREE], FREE),
        ([Price(0.5, partial=True), Price(0.5)], Price(1.0, partial=True)),
    ],
)
def test_a_sum_says_whether_something_is_not_in_it(parts, whole):
    assert prices.summed(parts) == whole
    assert Price.of_json(whole.as_json()) == whole


def test_the_attempts_of_a_turn_are_priced_at_their_own_models():
    turn = builders.turn(target=Target(FLASH, ""), fallbacks=(Fallback(Target("gemini-3-pro", ""), builders.turn),))
    writer = builders.ChannelWriter(turn, builders.FakeClock())
    writer.append(0, b"", (AttemptOpened(), THOUSAND, AttemptClosed("MALFORMED_FUNCTION_CALL")))
    writer.append(1, b"", (AttemptOpened(), THOUSAND, AttemptClosed("STOP")))
    writer.append(-1, b"", (RoundOpened("gemini-3-pro"),))
    writer.append(2, b"", (AttemptOpened(status=503), AttemptClosed(None)))
    writer.append(3, b"", (AttemptOpened(), THOUSAND, AttemptClosed("STOP")))
    assert prices.of_turn(writer.channel) == Price(pytest.approx(2 * 0.0005 + 0.002))


tokens = st.integers(0, 500_000)


@given(
    st.sampled_from(["gemini-3-pro-preview", "gemini-2.5-flash", "claude-sonnet-4-5", "gemini-3-pro-image-preview"]),
    tokens, tokens, tokens, tokens,
)  # fmt: skip
def test_sums_are_the_library_s(model, prompt, cached, output, images):
    draws = "image" in model
    cached, images = 0 if draws else min(cached, prompt), min(images, output) if draws else 0
    usage = library.Usage(
        input_tokens=prompt, cache_read_tokens=cached, output_tokens=output, output_image_tokens=images
    )
    expected = calc_price(usage, model, provider_id="google").total_price
    found = usd(model, Usage(prompt=prompt, cached=cached, candidates=output, images=images))
    assert (found or 0) == pytest.approx(float(expected))


def test_nothing_is_known_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr(prices, "_snapshot", None)
    assert usd("gemini-3-flash", Usage(prompt=1000)) is None


def test_any_thread_may_ask():
    found: list[float | None] = []
    prices._rates.cache_clear()
    threads = [
        threading.Thread(target=lambda: found.append(usd("gemini-3-flash", Usage(prompt=1000)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [pytest.approx(0.0005)] * 8


def test_nothing_is_fetched(monkeypatch):
    def refused(*_):
        raise AssertionError("the network is out of bounds")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    prices._rates.cache_clear()
    monkeypatch.setattr(prices, "_snapshot", None)
    prices.load()
    assert usd("gemini-3-flash", Usage(prompt=1000)) == pytest.approx(0.0005)


def test_importing_the_gateway_reads_no_prices():
    script = "import sys, zerogravity.compose, zerogravity.observe.prices\nassert 'genai_prices' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_of_the_librarys_list_only_what_is_asked_for_is_kept():
    script = """
import sys, threading
from zerogravity.observe import prices
threads = [threading.Thread(target=prices.load) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert {one.id for one in prices._snapshot.providers} == set(prices.PROVIDERS)
assert "genai_prices.data" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
