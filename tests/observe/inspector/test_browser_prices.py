"""Prices and quotas in a real Chromium: in the rows, in the heads of turns and sessions, in the strip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.observe.inspector.browser import MISSING, Browser, running
from tests.observe.inspector.support import Looked
from zerogravity.core.events import AttemptClosed, AttemptOpened, Failed, Finished, RoundOpened, TextDelta, Usage
from zerogravity.core.turn import Fallback, Target
from zerogravity.errors import upstream
from zerogravity.observe import prices
from zerogravity.observe.sessions import Placement, Sessions
from zerogravity.testing import builders

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

THOUSANDS = Usage(200_000, 40_000, 1_000, 500, 3_000, 204_500)
SUMS = ("600 000", "120 000", "1 500", "3 000", "9 000", "613 500")  # of three like that
SESSION = Placement("5e5510000001")


class Together(Sessions):
    """All turns are of one session."""

    def place(self, turn: Any) -> Placement:
        return SESSION

    def known(self, turn_id: str) -> Placement:
        return SESSION


@pytest.fixture
def sessions() -> Together:
    return Together()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("profile")) as session:
        yield session


@pytest.fixture
async def looked(look: Any) -> Looked:
    """Four turns: with a price, cut, of a model without a price, refused."""
    prices.load()
    made: Looked = await look()
    scene = made.scene
    scene.health = {
        "line": "ready", "active": 0, "quota": [
            {"model": "gemini-3-flash", "left": 0.83, "resets": "2099-02-02T02:40:00.000Z"},
            {"model": "gemini-3.1-pro", "left": 0.04, "resets": "2099-02-02T02:40:00.000Z"},
            {"model": "claude-sonnet-4-6", "left": None, "resets": None},
        ],
    }  # fmt: skip
    for name, asked, finish, terminal in (
        ("gemini-3-flash", "with a price", "STOP", Finished("stop")),
        ("gemini-3-flash", "cut", None, Finished("stop_sequence")),
        ("secret-1", "no price", "STOP", Finished("stop")),
        ("gemini-3-flash", "refused", None, Failed(upstream(429, "rate_limit_exceeded", "slow down"))),
    ):  # fmt: skip
        channel = scene.open(asked, model=name, target=Target(name, ""), client="codex")
        running_ = scene.inside(channel)
        refused = isinstance(terminal, Failed)
        events = () if refused else (TextDelta("yes"), THOUSANDS)
        running_.append(0, b"", (AttemptOpened(status=429 if refused else 200), *events, AttemptClosed(finish)))
        scene.advance(1)
        running_.close(terminal)
    return made


@pytest.fixture
async def browser(chromium: str, looked: Looked) -> AsyncIterator[Browser]:
    """At the end nothing may have been written to the console."""
    async with Browser(chromium) as browser:
        yield browser
        assert await browser.console() == []
        await browser.run("try { localStorage.clear() } catch {}")
        await browser.open("about:blank")


async def says(browser: Browser, selector: str, text: str) -> None:
    await browser.until("return $(arguments[0])?.innerText.includes(arguments[1])", selector, text)


async def test_rows_and_heads_say_what_turns_cost_and_what_is_not_known(looked, browser):
    await browser.open(looked.link)
    await says(browser, "#turns", "refused")
    rows = await browser.run("return $$('#turns [data-id]').map((row) => row.querySelector('.price')?.innerText ?? '')")
    assert rows == ["", "?", "≥ $0.09", "$0.09"]
    assert "203k→1\u2009500" in await browser.run("return $$('#turns [data-id]')[3].innerText")
    for n, shown in ((3, "$0.09"), (2, "≥ $0.09"), (1, "?")):
        await browser.run("$$('#turns [data-id]')[arguments[0]].click()", n)
        await says(browser, ".head .price", shown)
        await browser.press("4")
        await browser.until("return $('.pane tr.sum td:last-child')?.innerText === arguments[0]", shown)
    await browser.run("$$('#turns [data-id]')[0].click()")
    await browser.until("return $('.pane tr.sum')?.innerText.endsWith('–\\t–')")
    assert await browser.count(".head .price") == 0


async def test_the_usage_pane_says_what_each_call_cost_and_what_is_not_known(looked, browser):
    scene = looked.scene
    flash, other = Target("gemini-3-flash", ""), Target("secret-1", "")
    channel = scene.open("several", model=flash.name, target=flash, fallbacks=(Fallback(other, builders.turn),))
    writer = scene.inside(channel)
    for call, status, *events in (
        (0, 200, TextDelta("a"), THOUSANDS, AttemptClosed("STOP")), (1, 503, AttemptClosed(None)),
        (2, 200, TextDelta("b"), AttemptClosed("STOP")), (3, 200, TextDelta("c"), THOUSANDS, AttemptClosed(None)),
    ):  # fmt: skip
        writer.append(call, b"", (AttemptOpened(status=status), *events))
    writer.append(-1, b"", (RoundOpened("secret-1", former="gemini-3-flash"),))
    writer.append(4, b"", (AttemptOpened(), TextDelta("d"), THOUSANDS, AttemptClosed("STOP")))
    writer.close(Finished("stop"))
    await browser.open(f"{looked.link}#{channel.id}/Usage")
    await browser.until("return $('.pane tr.sum')")
    await says(browser, "#turns", "~609k→4\u2009501")
    rows = "return $$('.pane tbody tr').map((row) => [...row.cells].map((cell) => cell.innerText))"
    known = ["200\u2009000", "40\u2009000", "500", "1\u2009000", "3\u2009000", "204\u2009500", "captured"]
    assert await browser.run(rows) == [
        ["call 0", *known, "$0.09"],
        ["call 2", "6", "0", "0", "1", "0", "7", "estimate", "?"],
        ["call 3", *known, "≥ $0.09"],
        ["call 4 secret-1", *known, "?"],
        [
            "turn",
            "600\u2009006",
            "120\u2009000",
            "1\u2009500",
            "3\u2009001",
            "9\u2009000",
            "613\u2009507",
            "estimate",
            "≥ $0.18",
        ],
    ]
    await browser.resize(420, 800)
    assert await browser.run("return $('.pane tr.sum td:nth-child(8)').offsetParent !== null"), "the source is told"


async def test_a_session_s_price_says_that_it_is_a_part(looked, browser):
    await browser.open(looked.link)
    await says(browser, "#turns", "refused")
    await browser.press("s")
    await says(browser, "#turns", "≥ $0.18")
    await browser.click("[data-session]")
    await says(browser, ".session-head", "price\n≥ $0.18")
    rows = await browser.run("return $$('.session-turn').map((row) => row.querySelector('.price')?.innerText ?? '')")
    assert rows == ["$0.09", "≥ $0.09", "?", ""]


async def test_the_strip_shows_the_scarcest_quota_and_all_of_them_on_wish(looked, browser):
    await browser.open(looked.link)
    await says(browser, "#health", "quota 4 % of gemini-3.1-pro")
    title = await browser.run("return $$('#health .chip').find((chip) => chip.innerText.startsWith('quota')).title")
    lines = title.split("\n")
    assert lines[0].startswith("gemini-3-flash: quota 83 %, resets ")
    assert lines[2] == "claude-sonnet-4-6: quota unknown or used up"
    looked.scene.health = {"line": "ready", "active": 0, "quota": []}
    looked.scene.open("another")
    await browser.until("return !$('#health').innerText.includes('quota')")
