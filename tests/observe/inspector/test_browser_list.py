"""The frame of the page in a real Chromium: turns and sessions, in memory and on disk, search, connection, access."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import evict
from tests.observe import queries, trees
from tests.observe.inspector.browser import MISSING, Browser, running
from tests.observe.inspector.support import Looked
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.turn import Target, Turn
from zerogravity.observe import prices
from zerogravity.observe.history import History
from zerogravity.observe.recorder import Recorder
from zerogravity.observe.sessions import Placement, Sessions

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

ROWS = "#turns [data-id]"
NOW = 1_764_000_000.0


class Arranged(Sessions):
    """Places turns as a test says, by the order in which they come: (session, number of the previous turn, of the
    branch's first)."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, Placement] = {}

    def place(self, turn: Turn) -> Placement:
        return self.at.get(turn.id) or Placement(f"session-of-{turn.conversation or turn.id}")

    def known(self, turn_id: str) -> Placement:
        return self.at.get(turn_id) or Placement(f"session-of-{turn_id}")


@pytest.fixture
def sessions() -> Arranged:
    return Arranged()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("profile")) as session:
        yield session


@dataclass
class Page:
    """A served scene whose turns are recorded, and a browser that looks at it."""

    looked: Looked
    browser: Browser
    recorder: Recorder
    sessions: Arranged

    def whole(self, asked: str, at: float = 0.0, **fields: Any) -> CascadeChannel:
        self.looked.scene.advance(1)
        return self.looked.scene.whole(asked=asked, created=NOW + at, **fields)

    def forget(self, *channels: CascadeChannel) -> None:
        """They leave memory; what they were is on disk."""
        assert self.recorder.flush()
        for channel in channels:
            evict(self.looked.scene.store, channel.id)

    def session(self) -> list[CascadeChannel]:
        """Four turns of an agent, of which the second starts a sub-agent with two turns."""
        made: list[CascadeChannel] = []
        for n, (asked, previous, branch) in enumerate(
            [("mend the test", None, None), ("it failed", 0, None), ("look for others", 1, 2), ("14 hits", 2, 2),
             ("go on", 1, None), ("done?", 4, None)]
        ):  # fmt: skip
            channel = self.looked.scene.open(asked, "responses", client="codex", created=NOW + n)
            before = "" if previous is None else made[previous].id
            first = "" if branch is None else channel.id if branch == n else made[branch].id
            self.sessions.at[channel.id] = Placement("5e5510000001", before, first, n)
            self.looked.scene.advance(1)
            self.looked.scene.begin(channel)
            self.looked.scene.text(channel, "yes")
            made.append(self.looked.scene.end(channel))
        return made

    async def open(self, place: str = "") -> None:
        await self.browser.open(self.looked.link + place)
        await self.says("#health", "live")

    async def says(self, selector: str, text: str) -> None:
        """Wait until ``text`` stands in the element."""
        await self.browser.until("return $(arguments[0])?.innerText.includes(arguments[1])", selector, text)

    async def texts(self, selector: str) -> list[str]:
        return await self.browser.run("return $$(arguments[0]).map((node) => node.innerText)", selector)

    async def reconsole(self, text: str) -> None:
        """Take what must be on the console, and nothing else may be."""
        messages = await self.browser.console()
        assert all(text in message for message in messages), messages


@pytest.fixture
async def page(chromium: str, look: Any, recorder: Recorder, sessions: Arranged) -> AsyncIterator[Page]:
    """At the end nothing may have been written to the console."""
    looked = await look(history=History(recorder.directory))
    async with Browser(chromium) as browser:
        yield Page(looked, browser, recorder, sessions)
        assert await browser.console() == []
        await browser.run("try { localStorage.clear() } catch {}")
        await browser.open("about:blank")


# -- older turns ---------------------------------------------------------------------------------------------------


async def test_the_list_goes_on_with_what_is_on_disk(page):
    old = [page.whole(f"question {n}", n) for n in range(150)]
    page.forget(*old)
    page.whole("the newest", 1000)
    await page.open()
    await page.says("#count", "101+ turns")
    assert "the newest" in (await page.texts(ROWS))[0]
    await page.browser.press("G")
    await page.says("#count", "151 turns")
    await page.browser.run("$('#turns').scrollTop = 1e6")
    await page.says("#turns", "question 0")
    assert await page.browser.count(ROWS) < 60
    await page.browser.click(f'[data-id="{old[0].id}"]')
    await page.says(".pane", "question 0")
    await page.browser.press("2")
    await page.says(".pane", "Hello there")


async def test_a_link_to_a_turn_that_is_only_on_disk_stays_valid(page):
    channel = page.whole("long ago")
    page.forget(channel, *(page.whole(f"later {n}", 10 + n) for n in range(120)))
    page.whole("now", 1000)
    await page.open(f"#{channel.id}/Answer")
    await page.says(".head code", channel.id)
    await page.says(".pane", "Hello there")
    assert await page.browser.run("return location.hash") == f"#{channel.id}/Answer"
    await page.browser.run("location.hash = '#turn_none/Usage'")
    await page.says("#turn", "no longer in memory, and not on disk")
    await page.reconsole("404")


async def test_a_turn_that_leaves_memory_stays_where_it_is(page):
    channel, other = page.whole("stays"), page.whole("other", 5)
    await page.open(f"#{channel.id}/Conversation")
    await page.says(".pane", "stays")
    page.forget(channel, other)
    page.whole("another", 9)
    await page.says("#turns", "another")
    await page.says("#count", "3 turns")
    await page.browser.press("4")
    await page.says("tr.sum", "turn")
    await page.browser.press("5")
    await page.says(".events", "AttemptOpened")


async def test_without_traces_there_are_no_older_turns(chromium, look):
    looked = await look()
    channel = looked.scene.whole()
    async with Browser(chromium) as browser:
        await browser.open(looked.link)
        await browser.until("return $('#count').textContent === '1 turns'")
        evict(looked.scene.store, channel.id)
        await browser.until("return $('#turns').innerText.includes('No turns yet')")
        assert await browser.console() == []
        await browser.open("about:blank")


# -- rows ----------------------------------------------------------------------------------------------------------


async def test_codes_have_the_colour_of_what_they_mean(page):
    scene = page.looked.scene
    cut = scene.open("cut", created=NOW)
    scene.begin(cut)
    scene.text(cut, "once upon")
    scene.end(cut, "length")
    scene.fail(scene.open("fails", created=NOW + 1))
    page.whole("good", 2, client="codex")
    await page.open()
    await page.says("#count", "3 turns")
    assert await page.browser.run(
        "return $$('#turns .badge').map((badge) => [badge.className, badge.innerText].join(': '))"
    ) == ["badge good: ok", "badge bad: upstream_drop 502", "badge warn: length"]
    assert "codex" in (await page.texts(ROWS))[0]
    colours = await page.browser.run("return $$('#turns .badge').map((badge) => getComputedStyle(badge).color)")
    assert len(set(colours)) == 3


# -- sessions ------------------------------------------------------------------------------------------------------


async def test_sessions_open_as_trees_of_their_turns(page):
    made = page.session()
    page.forget(*made[:2])
    alone = page.whole("alone", 100)
    await page.open()
    await page.browser.click("[data-mode=sessions]")
    await page.says("#count", "2 sessions")
    await page.browser.until("return $$('[data-session]').length === 2")
    first, second = await page.texts("[data-session]")
    assert "alone" in first
    for text in ("codex", "mend the test", "6 turns", "1 branch", "83 % cached"):
        assert text in second, second
    assert alone.id not in second
    session = "[data-session='5e5510000001']"
    await page.browser.click(f"{session} .twist")
    await page.browser.until("return $$(arguments[0]).length === 6", ROWS)
    assert await page.browser.run("return $$(arguments[0]).map((row) => row.ariaLevel).join('')", ROWS) == "223322"
    assert await page.texts(f"{ROWS} .line.dim .grow") == [
        "mend the test", "it failed", "look for others", "14 hits", "go on", "done?",
    ]  # fmt: skip
    assert await page.browser.run("return $(arguments[0]).ariaExpanded", session) == "true"
    assert await page.browser.run("return $('#turns').role") == "tree"
    await page.browser.click(session)
    await page.browser.press("ArrowLeft")
    await page.browser.until("return $$(arguments[0]).length === 0", ROWS)
    await page.browser.press("ArrowRight")
    await page.browser.until("return $$(arguments[0]).length === 6", ROWS)


async def test_a_chosen_session_shows_its_figures_and_what_is_new_in_each_turn(page):
    made = page.session()
    page.forget(*made)
    await page.open("#session/5e5510000001")
    await page.says(".session-head", "6 turns, 1 branch")
    await page.says(".session-head", "83 % from the cache")
    await page.browser.until("return $$('.session-turn').length === 6")
    assert "look for others" in (await page.texts(".session-turn"))[2]
    assert "+200→42" in (await page.texts(".session-turn"))[2].replace("\u2009", "")
    await page.browser.run("location.reload()")
    await page.says(".session-head", "mend the test")
    await page.browser.until("return $$('.session-turn').length === 6")
    await page.browser.click(".session-turn[data-turn]")
    await page.says(".head code", made[0].id)
    await page.says(".pane", "mend the test")


async def test_figures_of_a_session_follow_its_turns(page):
    page.session()
    await page.open()
    await page.browser.press("s")
    await page.says("[data-session]", "6 turns")
    channel = page.looked.scene.open("one more", client="codex", created=NOW + 50)
    page.sessions.at[channel.id] = Placement("5e5510000001")
    page.looked.scene.fail(channel)
    await page.says("[data-session]", "7 turns")
    await page.says("[data-session]", "1 error")


# -- search --------------------------------------------------------------------------------------------------------


async def test_the_page_reads_queries_as_the_index_does(page):
    await page.open()
    asking = """
      const [row, sources] = arguments, { parse } = await import(`${location.origin}/inspector/query.js`);
      return sources.map((source) => parse(source)).map(({ matches, problem }) => problem || matches(row));
    """
    sources = [*(source for source, _ in queries.FOUND), *queries.REFUSED]
    asked = f"return (async function () {{ {asking} }})(...arguments)"
    told = await page.browser.run(asked, queries.row(time.time()), sources)
    read = dict(zip(sources, told, strict=True))
    assert {source: read[source] for source, _ in queries.FOUND} == dict(queries.FOUND)
    assert all(isinstance(read[source], str) for source in queries.REFUSED), read


async def test_the_page_draws_sessions_as_the_terminal_does(page):
    await page.open()
    asking = """
      const { tree } = await import(`${location.origin}/inspector/tree.js`);
      return arguments[0].map((turns) => tree(turns).map(({ turn, depth }) => " ".repeat(depth) + turn.id));
    """
    asked = f"return (async function () {{ {asking} }})(...arguments)"
    told = await page.browser.run(asked, [case.turns for case in trees.CASES])
    read = {case.name: drawn for case, drawn in zip(trees.CASES, told, strict=True)}
    assert read == {case.name: case.drawn for case in trees.CASES}


async def test_a_search_shows_the_page_s_rows_at_once_and_then_what_is_on_disk(page):
    page.forget(*[page.whole(f"needle {n}", n, client="codex") for n in range(3)])
    page.forget(page.whole("hay", 5, text="a needle in the answer"))
    page.whole("needle in memory", 50, client="aider")
    page.whole("nothing", 60)
    await page.open()
    await page.says("#count", "6 turns")
    await page.browser.press("/", *"needle")
    await page.says("#count", "5 of 6 turns")
    await page.browser.until("return $('#turns').textContent.includes('a needle in the answer')")
    assert "needle" in await page.texts("#turns mark")
    await page.browser.until("return $('#said').textContent === '5 turns found'")
    await page.browser.press(*" client:cod")
    await page.says("#count", "3 of 6 turns")
    await page.browser.press("Escape", "Escape")
    await page.says("#count", "6 turns")
    assert await page.browser.run("return $('#filter').value") == ""


# Faces and widths of letters that some machine may have: the row may rely on none of them.
LETTERS = [
    "", "font-family: monospace", "font-family: 'DejaVu Sans'", "font-family: 'Liberation Sans Narrow'",
    "letter-spacing: 3px", "font-size: 18px", "font-size: 18px; letter-spacing: 3px",
]  # fmt: skip
LETTERED = """
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`#turns .line, #turns .line * { ${arguments[0].replaceAll(';', ' !important;')} !important }`);
  document.adoptedStyleSheets = [sheet];
"""
OUT_OF_SIGHT = """
  const box = (node) => node.getBoundingClientRect(), wrong = [];
  for (const row of $$('#turns [data-id]')) {
    const mark = box(row.querySelector('mark')), cell = box(row.querySelector('.words'));
    const right = Math.min(cell.right, box($('#turns')).right), part = 0.3 * (right - cell.left);
    const seen = mark.left >= cell.left && Math.min(mark.right, right) - mark.left >= Math.min(mark.width, part) - 1;
    if (!seen || right - cell.left < 0.3 * box(row).width)
      wrong.push([row.innerText, cell.left, mark.left, mark.right, right]);
  }
  return wrong;
"""
LONG = "one two three four five six seven eight nine ten eleven twelve thirteen"


async def test_what_was_found_is_in_sight_whatever_the_letters(page):
    prices.load()
    fields = {"client": "an-agent-with-a-long-name/12.34.567", "model": "gemini-3-flash"}
    said = [f"{LONG} needle", f"needle {LONG}", f"{LONG} needle {LONG}", f"{'x' * 90}needle{'y' * 90}", "שלום needle."]
    turns = [("hay", text) for text in said] + [(f"{text[:70]} needle", "hay") for text in said]
    made = [
        page.whole(asked, n, text=text, target=Target("gemini-3-flash", ""), **fields)
        for n, (asked, text) in enumerate(turns)
    ]
    page.sessions.at = {channel.id: Placement("s1") for channel in made}
    page.forget(*made)
    await page.open()
    await page.browser.press("/", *"needle")
    for mode in ("turns", "sessions"):
        await page.browser.click(f"[data-mode={mode}]")
        if mode == "sessions":
            await page.browser.until("return $('#turns .twist')")
            await page.browser.click("#turns .twist")
        await page.browser.until("return $$('#turns [data-id]:has(mark)').length === 10")
        for letters in LETTERS:
            await page.browser.run(LETTERED, letters or "color: inherit")
            for width in (1280, 1001, 800, 690, 420, 330):
                await page.browser.resize(width, 800)
                assert await page.browser.run(OUT_OF_SIGHT) == [], (mode, letters, width)


async def test_what_cannot_be_read_of_a_query_stands_below_the_box(page):
    page.whole("one")
    await page.open()
    await page.browser.press("/", *"cod:x")
    await page.says("#remark", "there is no field cod: (there are code:, model:,")
    assert await page.browser.run("return $('#filter').ariaInvalid") == "true"
    await page.browser.press("Escape", "Escape")
    await page.browser.until("return $('#remark').hidden")
    await page.reconsole("400")


async def test_terms_are_proposed_and_completed(page):
    page.whole("one", client="codex")
    page.whole("two", 1, client="gemini-cli")
    await page.open()
    await page.says("#count", "2 turns")
    await page.browser.press("/")
    await page.browser.until("return $$('#hints [role=option]').length === 12")
    await page.browser.press(*"cl")
    assert await page.texts("#hints code") == ["client:"]
    await page.browser.press("ArrowDown")
    assert await page.browser.run("return $('#' + $('#filter').getAttribute('aria-activedescendant')).ariaSelected")
    await page.browser.press("Enter")
    assert sorted(await page.texts("#hints code")) == ["client:codex", "client:gemini-cli"]
    await page.browser.press(*"g")
    await page.browser.press("ArrowDown", "Enter")
    assert await page.browser.run("return $('#filter').value") == "client:gemini-cli "
    await page.says("#count", "1 of 2 turns")
    await page.browser.press("Escape")
    assert await page.browser.run("return $('#hints').hidden && $('#filter').value") == "client:gemini-cli "


TERMS = {
    "code:ok": "abd", "code:length": "", "-code:ok": "c", "model:gemini": "abcd", "client:COD": "a",
    "surface:chat": "acd", "surface:cha": "",
    "tool:read": "d", "session:s1": "ab", "conversation:c-1": "a", "run:r": "", "is:error": "c",
    'is:star': "", '"the first"': "a", "-first": "bcd", "first since:2020-01-01": "a", "before:2020-01-01": "",
    "since:2h": "", "is:error code:502": "", "code:upstream_drop": "c", "client:": "abcd", "http://x": "",
}  # fmt: skip


async def test_the_language_is_that_of_the_command_line(page):
    scene = page.looked.scene
    first = page.whole("a the first", 1, client="codex", conversation="c-1")
    second = page.whole("b", 2, surface="gemini")
    scene.fail(scene.open("c", created=NOW + 3))
    called = scene.open("d", created=NOW + 4)
    scene.begin(called)
    scene.call(called)
    scene.end(called, "stop")
    for channel in (first, second):
        page.sessions.at[channel.id] = Placement("s1")
    await page.open()
    await page.says("#count", "4 turns")
    for query, found in TERMS.items():
        got = await page.browser.run(
            "const box = $('#filter'); box.value = arguments[0]; box.dispatchEvent(new Event('input'));"
            "return $$('#turns .grow:not(.model)').map((words) => words.innerText[0]).sort().join('')",
            query,
        )
        assert got == found, query
    await page.browser.run("const box = $('#filter'); box.value = ''; box.dispatchEvent(new Event('input'))")


# -- the connection ------------------------------------------------------------------------------------------------


async def test_a_strip_that_knows_nothing_is_grey_and_the_page_connects_again(page, look):
    page.looked.scene.health = {
        "line": "ready",
        "checks": [{"name": "google", "ok": True, "text": "untried"},
                   {"name": "listener", "ok": True, "text": "answers", "since": "2026-11-28T10:00:00Z"}],
    }  # fmt: skip
    page.whole("before")
    await page.open()
    kinds = "return $$('#health .chip').map((chip) => [chip.innerText, chip.className.slice(5)].join(' ').trim())"
    assert await page.browser.run(kinds) == ["live good", "ready summary good", "google", "listener good"]
    port = page.looked.running.port
    await page.looked.stop()
    await page.says("#health", "zerogravity serve")
    assert await page.browser.run(kinds) == ["no connection bad"]
    await page.says("#turns", "before")
    again = await look(history=History(page.recorder.directory), listen=f"127.0.0.1:{port}")
    await page.says("#health", "live")
    await again.stop()
    await page.says("#health", "zerogravity serve")
    await look(token="another-token-of-another-run", listen=f"127.0.0.1:{port}")
    await page.says("#health", "zerogravity open")
    assert (await page.browser.run(kinds))[0] == "locked bad"
    await page.browser.open("about:blank")
    await page.browser.console()


async def test_models_that_are_left_alone_are_in_the_strip(page):
    cooldown = {"model": "gemini-3-flash", "until": "2996-02-02T02:42:22Z", "reason": "quota", "google": "429 X"}
    page.looked.scene.health = {"line": "ready", "cooldowns": [cooldown], "active": 1}
    await page.open()
    chips = "return $$('#health .chip').map((chip) => [chip.innerText, chip.className.slice(5), chip.title])"
    _, _, (words, kind, title), active = await page.browser.run(chips)
    assert words.startswith("gemini-3-flash waits until ")
    assert "2996" in words
    assert (kind, title) == ("warn", "Google answered 429 X (quota), and is not asked before that")
    assert active[0] == "active 1"
    page.looked.scene.health = {"line": "ready", "cooldowns": [], "active": 1}
    await page.browser.until("return !$('#health').innerText.includes('gemini-3-flash')")


async def test_configured_mcp_servers_are_in_the_strip(page):
    unused, seen = {"reachable": None, "seen": None}, "2026-11-28T10:00:00Z"
    docs = {"name": "docs", "kind": "http", "reachable": True, "seen": seen}
    servers = [docs, {"name": "files", "kind": "stdio", **unused}]
    page.looked.scene.health = {"line": "ready", "mcp_servers": servers, "active": 1}
    await page.open()
    chips = "return $$('#health .chip').map((chip) => [chip.innerText, chip.className.slice(5), chip.title])"
    _, _, (words, kind, title), active = await page.browser.run(chips)
    assert (words, kind, active[0]) == ("mcp 2", "good", "active 1")
    assert re.fullmatch(r"docs \(http\): reachable \(.+\)\nfiles \(stdio\): not used yet", title)
    broken = {**docs, "name": "web", "reachable": False, "failure": "nobody answers there"}
    page.looked.scene.health = {"line": "ready", "mcp_servers": [*servers, broken], "active": 1}
    await page.says("#health", "mcp: web failed")
    _, _, (_, kind, title), _ = await page.browser.run(chips)
    assert (kind, title.splitlines()[2][:38]) == ("warn", "web (http): failed: nobody answers the")
    page.looked.scene.health = {"line": "ready", "mcp_servers": [], "active": 1}
    await page.browser.until("return !$('#health').innerText.includes('mcp')")


async def test_a_hidden_window_is_not_connected(page):
    await page.open()
    hide = (
        "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    await page.browser.run(hide, True)
    await page.says("#health", "paused")
    assert await page.browser.run("return $('#health .chip').className.trim()") == "chip"
    page.whole("meanwhile")
    await page.browser.run(hide, False)
    await page.says("#turns", "meanwhile")


async def test_a_browser_is_led_to_the_inspector(page):
    await page.open()
    await page.browser.open(page.looked.url + "/")
    await page.says("body", "zerogravity runs here")
    await page.browser.click("a[href='/inspector/']")
    await page.says("#health", "live")


# -- narrow, dark, by keyboard, read aloud -------------------------------------------------------------------------


async def test_in_a_narrow_window_list_and_turn_are_two_screens(page):
    channel = page.whole("one")
    await page.browser.resize(420, 800)
    await page.open()
    visible = "return $$('#list, #turn').filter((part) => part.checkVisibility()).map((part) => part.id).join()"
    assert await page.browser.run(visible) == "list"
    await page.browser.until("return $(arguments[0])", f'[data-id="{channel.id}"]')
    await page.browser.click(f'[data-id="{channel.id}"]')
    assert await page.browser.run(visible) == "turn"
    await page.says(".pane", "one")
    await page.browser.click(".back")
    assert await page.browser.run(visible) == "list"
    await page.browser.press("Enter")
    assert await page.browser.run(visible) == "turn"
    await page.browser.press("Escape")
    assert await page.browser.run(visible) == "list"
    await page.browser.click("[data-mode=sessions]")
    await page.browser.until("return $('[data-session]')")
    await page.browser.click("[data-session] .grow")
    await page.says(".session-head", "one")
    assert await page.browser.run(visible) == "turn"
    for width in (420, 800, 1280):
        await page.browser.resize(width, 800)
        assert await page.browser.run("return document.documentElement.scrollWidth <= innerWidth")


LONG_HEALTH = {
    "line": "not ready: google: away", "ready": False, "active": 3, "waiting": 2, "held_bytes": 123_456_789,
    "checks": [
        {"name": name, "ok": name != "google", "text": "is away " * 20, "fix": "wait" if name == "google" else ""}
        for name in ("server", "language_server", "path", "google")
    ],
    "cooldowns": [{"model": "gemini-3.1-pro", "until": "2099-01-01T00:00:00Z", "reason": "", "google": "429"}],
}  # fmt: skip
CUT_PARTS = """return $$('[data-session] .about').flatMap((line) => {
  const { top, bottom, right } = line.getBoundingClientRect();
  return [...line.children].map((part) => [part.innerText, part.getBoundingClientRect()])
    .filter(([, box]) => box.top < bottom - 1)
    .filter(([, box]) => box.right > right + .5 || box.bottom > bottom + 1 || box.top < top - 1)
    .map(([words]) => words);
})"""


async def test_the_buttons_stay_beside_the_search_and_no_figure_of_a_session_is_cut(page):
    """What has no room is left out whole, from the end."""
    page.looked.scene.health = LONG_HEALTH
    prices.load()
    made = [page.whole(f"turn {n}", n, client="claude-code", model="gemini-3-flash") for n in range(12)]
    page.sessions.at = {channel.id: Placement("s1") for channel in made}
    page.forget(*made)
    await page.open()
    await page.says("#health", "not ready")
    await page.browser.click("[data-mode=sessions]")
    await page.browser.until("return $('[data-session] .about')?.innerText.startsWith('12 turns')")
    tops = "return ['#filter', '#theme', '#help'].map((name) => Math.round($(name).getBoundingClientRect().top))"
    for width in (1280, 1001, 800, 690, 420):
        await page.browser.resize(width, 800)
        assert max(found := await page.browser.run(tops)) - min(found) < 12, width
        assert await page.browser.run(CUT_PARTS) == [], width


async def test_dark_or_light_by_choice_is_kept(page):
    await page.open()
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = await page.browser.run(paper)
    assert await page.browser.run("return $('#theme').ariaLabel") == "appearance: auto"
    await page.browser.click("#theme")
    assert await page.browser.run(paper) == light
    await page.browser.click("#theme")
    dark = await page.browser.run(paper)
    assert dark != light
    await page.browser.run("location.reload()")
    await page.says("#health", "live")
    assert await page.browser.run(paper) == dark
    assert await page.browser.run("return $('#theme').ariaLabel") == "appearance: dark"
    await page.browser.click("#theme")
    assert await page.browser.run(paper) == light


async def test_everything_is_done_by_keyboard(page):
    first, second = page.whole("first"), page.whole("second", 1)
    await page.open()
    await page.says(".head code", second.id)
    active = "return document.activeElement.id"
    assert await page.browser.run(active) == "turns"
    await page.browser.press("j")
    await page.says(".head code", first.id)
    assert (
        await page.browser.run("return $('#' + $('#turns').getAttribute('aria-activedescendant')).dataset.id")
        == first.id
    )
    await page.browser.press("Enter")
    assert await page.browser.run(active) == "pane"
    await page.browser.run("$('#tab-Conversation').focus()")
    await page.browser.press("ArrowRight")
    assert await page.browser.run(
        "return document.activeElement.id + ' ' + $('#pane').getAttribute('aria-labelledby')"
    ) == ("tab-Answer tab-Answer")
    await page.browser.press("Escape")
    assert await page.browser.run(active) == "turns"
    await page.browser.press("?")
    assert await page.browser.run("return $('#keys').open && $('#keys').innerText.includes('search')")
    await page.browser.press("Escape")
    assert not await page.browser.run("return $('#keys').open")
    await page.browser.run("$('.skip').focus()")
    await page.browser.press("Enter")
    assert await page.browser.run(active) == "turn"
    assert await page.browser.run("return location.hash") == f"#{first.id}/Answer"


async def test_what_is_read_aloud_is_little(page):
    await page.open()
    await page.browser.run(
        "window.heard = []; for (const node of $$('[aria-live], [role=status], [role=alert]'))"
        " new MutationObserver(() => heard.push(node.innerText)).observe(node, { childList: true, subtree: true })"
    )
    for n in range(5):
        page.whole(f"question {n}", n)
    await page.says("#count", "5 turns")
    assert await page.browser.run("return heard") == []


# what a checker of accessibility would say; each gives the markup that it finds fault with
FAULTS = """
const faults = [], text = (id) => document.getElementById(id)?.textContent ?? '', of = (node, name) =>
  (node.getAttribute(name) ?? '').split(' ').filter(Boolean);
const name = (node) => node.getAttribute('aria-label') || node.textContent.trim()
  || of(node, 'aria-labelledby').map(text).join('') || [...node.labels ?? []].map((one) => one.textContent).join('');
const fault = (what, node) => faults.push(`${what}: ${node.outerHTML.slice(0, 120)}`);
const roles = ['listbox', 'tree', 'tablist', 'tab', 'tabpanel', 'option', 'treeitem'].map((role) => `[role=${role}]`);
for (const node of $$(['button', 'input', 'select', 'textarea', 'a[href]', 'summary', 'dialog', ...roles]))
  if (node.checkVisibility() && !name(node)) fault('no name', node);
for (const attribute of ['aria-controls', 'aria-labelledby', 'aria-describedby', 'aria-activedescendant'])
  for (const node of $$(`[${attribute}]`))
    if (!of(node, attribute).every((id) => document.getElementById(id))) fault(`${attribute} leads nowhere`, node);
const ids = $$('[id]').map((node) => node.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
for (const [role, owner] of [['option', 'listbox'], ['treeitem', 'tree'], ['tab', 'tablist']])
  for (const node of $$(`[role=${role}]`)) {
    if (!node.closest(`[role=${owner}]`)) fault('stands alone', node);
    if (!['true', 'false'].includes(node.getAttribute('aria-selected'))) fault('selected or not?', node);
  }
for (const list of $$('[role=tablist]'))
  if (list.querySelectorAll('[aria-selected=true]').length !== 1) fault('not one tab is open', list);
for (const node of $$('img')) if (!node.hasAttribute('alt')) fault('no alt', node);
for (const node of $$('[tabindex]')) if (node.tabIndex > 0) fault('out of order', node);
return faults;
"""


async def test_every_control_has_a_name_and_every_reference_leads_somewhere(page):
    page.session()
    page.looked.scene.fail(page.looked.scene.open("fails", created=NOW + 90))
    await page.open()
    await page.says(".pane", "fails")
    for pane in range(1, 9):
        await page.browser.press(str(pane))
        assert await page.browser.run(FAULTS) == [], pane
    await page.browser.click("[data-mode=sessions]")
    await page.browser.until("return $$('[data-session]').length === 2")
    await page.browser.click("[data-session='5e5510000001'] .twist")
    await page.browser.click("[data-session='5e5510000001'] .grow")
    await page.says(".session-head", "codex")
    assert await page.browser.run(FAULTS) == []
    await page.browser.press("/")
    await page.browser.until("return !$('#hints').hidden")
    await page.browser.press("ArrowDown")
    assert await page.browser.run(FAULTS) == []
    await page.browser.press("Escape", "Escape", "?")
    assert await page.browser.run("return $('#keys').open")
    assert await page.browser.run(FAULTS) == []
    await page.browser.press("Escape")
