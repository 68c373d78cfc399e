"""What turns cost."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest
from genai_prices import calc_price
from genai_prices import types as library
from hypothesis import given
from hypothesis import strategies as st

from zerogravity.core.events import Usage
from zerogravity.observe import prices
from zerogravity.surfaces.common import models


@pytest.fixture(scope="module", autouse=True)
def loaded():
    prices.load()


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("gemini-3-flash", Usage(prompt=1_000_000), 0.5),
        ("gemini-3-flash", Usage(prompt=1_000_000, cached=1_000_000), 0.05),
        ("gemini-3-flash", Usage(prompt=1_000_000, cached=500_000), 0.275),
        ("gemini-3-flash", Usage(candidates=1_000_000), 3),
        ("gemini-3-flash", Usage(thoughts=1_000_000), 3),
        ("gemini-3-flash", Usage(prompt=1, tool_use=999_999), 0.5),
        ("gemini-3-pro", Usage(prompt=200_000, candidates=1000), 0.412),
        ("gemini-3-pro", Usage(prompt=200_001), 0.800004),
        ("gemini-3.1-pro-high", Usage(prompt=100_000), 0.2),
        ("gemini-3.8-flash-medium", Usage(prompt=1_000_000), 0.75),
        ("claude-opus-4-6-thinking", Usage(prompt=1_000_000, candidates=1000), 5.025),
        ("claude-sonnet-4-6", Usage(prompt=1000), 0.003),
    ],
)
def test_known_models(model, usage, usd):
    assert prices.usd(model, usage) == pytest.approx(usd)


def test_every_model_of_the_table_has_a_price_except_those_that_draw():
    names = [name for name, *_ in models._TABLE]
    unknown = {name for name in names if prices.usd(name, Usage(prompt=1000)) is None}
    assert unknown == {"gemini-3-pro-image", "gemini-3.1-flash-image"}


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("no-such-model", Usage(prompt=1000)),
        ("", Usage(prompt=1000)),
        ("gemini-3-flash", Usage()),
        ("gemini-3-pro-image", Usage(prompt=1000, candidates=1290)),
    ],
)
def test_what_is_unknown_stays_unknown(model, usage):
    assert prices.usd(model, usage) is None


tokens = st.integers(0, 500_000)


@given(st.sampled_from(["gemini-3-pro-preview", "gemini-2.5-flash", "claude-sonnet-4-5"]), tokens, tokens, tokens)
def test_sums_are_the_library_s(model, prompt, cached, output):
    cached = min(cached, prompt)
    usage = library.Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=output)
    expected = calc_price(usage, model, provider_id="google").total_price
    found = prices.usd(model, Usage(prompt=prompt, cached=cached, candidates=output))
    assert (found or 0) == pytest.approx(float(expected))


def test_nothing_is_known_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr(prices, "_snapshot", None)
    assert prices.usd("gemini-3-flash", Usage(prompt=1000)) is None


def test_any_thread_may_ask():
    found: list[float | None] = []
    prices._rates.cache_clear()
    threads = [
        threading.Thread(target=lambda: found.append(prices.usd("gemini-3-flash", Usage(prompt=1000))))
        for _ in range(8)
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
    assert prices.usd("gemini-3-flash", Usage(prompt=1000)) == pytest.approx(0.0005)


def test_importing_the_gateway_reads_no_prices():
    script = "import sys, zerogravity.compose, zerogravity.observe.prices\nassert 'genai_prices' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
