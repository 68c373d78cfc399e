"""The actions of a turn in a real Chromium: by mouse and by keyboard, with its clipboard and its downloads."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.observe.inspector.browser import MISSING, Browser, running
from tests.observe.inspector.support import HOSTILE, Looked
from zerogravity.core.events import Failed
from zerogravity.errors import Termination, cancelled
from zerogravity.observe import notes, trace_folders, trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.history import History
from zerogravity.observe.notes import Note
from zerogravity.observe.recorder import Recorder
from zerogravity.surfaces import REGISTRY

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

ASKED = {"messages": [{"role": "user", "content": f"it's {HOSTILE} $HOME `id` \\ !"}]}
HEADERS = {"Host": "localhost:8741", "Authorization": "Bearer sk-proj-abcdefghijklmnop"}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("profile")) as session:
        yield session


def whole(file: Path) -> bytes:
    """A file that the browser is about to have written."""
    end = time.monotonic() + 20
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return file.read_bytes()


@dataclass
class Page:
    """A served inspector over recorded turns, and a browser."""

    looked: Looked
    recorder: Recorder
    browser: Browser
    downloads: Path

    def turn(self, text: str = "It is *so*.") -> Any:
        """A whole turn whose client's request is known."""
        scene = self.looked.scene
        channel = scene.open("why?")
        for sink in (scene.bodies, self.recorder):
            sink.client_request(channel.turn, json.dumps(ASKED).encode(), HEADERS)
        scene.begin(channel)
        scene.think(channel, "let me see")
        scene.text(channel, text)
        scene.end(channel)
        assert self.recorder.flush()
        return channel

    async def open(self, channel: Any) -> None:
        await self.browser.open(self.looked.link)
        await self.chosen(channel)

    async def chosen(self, channel: Any) -> None:
        await self.browser.until("return $('.head code')?.textContent === arguments[0]", channel.id)

    async def says(self, words: str) -> None:
        await self.browser.until("return $('.actions [role=status]').textContent.includes(arguments[0])", words)

    async def act(self, menu: str, item: str) -> None:
        """Open a menu by a click and choose an item by another."""
        for selector, name in ((".opener > button", menu), ('[role="menuitem"]', item)):
            await self.browser.run(
                "$('[data-test]')?.removeAttribute('data-test');"
                "$$(arguments[0]).find((node) => node.textContent.includes(arguments[1])).dataset.test = 1",
                selector, name,
            )  # fmt: skip
            await self.browser.click("[data-test]")

    async def file(self, name: str) -> bytes:
        """A download, once it is whole."""
        await self.says(f"{name}: downloaded")
        return await asyncio.to_thread(whole, self.downloads / name)


@pytest.fixture
async def page(chromium: str, look: Any, scene: Any, recorder: Recorder, tmp_path: Path) -> AsyncIterator[Page]:
    """At the end nothing may have been written to the console."""

    def cancel(turn_id: str) -> bool:
        inside = scene.store.running(turn_id)
        return inside is not None and inside.close(Failed(cancelled(Termination.CANCELLED)))

    looked = await look(history=History(recorder.directory), cancel=cancel)
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    async with Browser(chromium) as browser:
        await browser.allow_clipboard(looked.url)
        await browser.download_to(downloads)
        yield Page(looked, recorder, browser, downloads)
        assert await browser.console() == []
        await browser.open("about:blank")


async def test_everything_is_copied_and_said(page):
    channel = page.turn()
    await page.open(channel)
    for item, wanted in (
        ("Text of the answer", "It is *so*."),
        ("Id", channel.id),
        ("Link", f"{page.looked.url}/inspector/#{channel.id}/Conversation"),
        ("Replay command", f"zerogravity replay {channel.id}"),
    ):
        await page.act("Copy", item)
        await page.says(f"{item}: copied")
        assert await page.browser.clipboard() == wanted
    await page.act("Copy", "Request as JSON")
    await page.says("Request as JSON: copied")
    assert json.loads(await page.browser.clipboard()) == ASKED


async def test_the_copied_command_sends_the_request_again(page, shell_curl):
    await page.open(page.turn())
    await page.act("Copy", "Request as cURL")
    await page.says("copied")
    command = await page.browser.clipboard()
    assert "sk-proj" not in command
    arguments, body = shell_curl(command)
    assert json.loads(body) == ASKED
    assert arguments[3] == "http://localhost:8741/v1/chat/completions"
    assert "authorization: Bearer key o" in arguments


async def test_the_link_leads_to_the_turn_and_its_pane(page):
    first = page.turn()
    page.looked.scene.advance(1)
    await page.open(page.turn())
    await page.browser.click(f'[data-id="{first.id}"]')
    await page.chosen(first)
    await page.browser.click('[data-pane="Usage"]')
    await page.act("Copy", "Link")
    await page.says("copied")
    link = await page.browser.clipboard()
    assert "token" not in link
    await page.browser.open("about:blank")
    await page.browser.open(link)
    await page.chosen(first)
    await page.browser.until("return $('[data-pane=Usage]').getAttribute('aria-selected') === 'true'")


@pytest.mark.parametrize(
    ("item", "name"), [("HAR", "har"), ("JSON lines", "jsonl"), ("HTML", "html"), ("Bundle", "bundle")]
)
async def test_files_are_downloaded_with_a_name_of_the_turn(page, item, name):
    channel = page.turn()
    await page.open(channel)
    await page.act("Download", item)
    data = await page.file(f"zerogravity-{trace_folders.short(channel.id)}{EXPORTS[name].ending}")
    assert data[:1] == {"har": b"{", "jsonl": b"{", "html": b"<", "bundle": b"P"}[name]
    await page.says("downloaded")


async def test_a_running_turn_is_cancelled_by_its_button(page):
    channel = page.looked.scene.open("why?")
    await page.open(channel)
    await page.browser.click(".actions .cancel")
    await page.says("cancelled")
    await page.browser.until(
        "return $('.head .badge').textContent.includes('cancelled') && $('.actions .cancel').hidden"
    )
    assert channel.termination == "cancelled"


async def test_a_turn_that_is_only_watched_has_no_button_to_cancel_it(page):
    await page.open(page.looked.scene.open("why?", "passive"))
    assert await page.browser.run("return $('.actions .cancel').hidden")


async def test_a_star_and_a_note(page):
    channel = page.turn()
    await page.open(channel)
    await page.browser.click(".actions .star")
    await page.says("starred")
    await page.browser.until("return $('.actions .star').getAttribute('aria-pressed') === 'true'")
    await page.browser.run("$$('.opener > button').find((node) => node.textContent.includes('Note')).click()")
    await page.browser.press(*"jk 1?")  # what moves in the list is text here
    await page.browser.click(".actions form button")
    await page.says("note saved")
    await page.browser.until("return $('.actions .noted').textContent === 'jk 1?' && $('.popup').hidden")
    folder = trace_reader.find(page.recorder.directory).folder
    assert notes.read(folder) == Note("jk 1?", star=True)
    await page.browser.run("location.reload()")
    await page.chosen(channel)
    await page.browser.until(
        "return $('.actions .noted').textContent === 'jk 1?' && $('.actions .star').textContent === '★'"
    )


async def test_without_a_mouse(page):
    """Tab, Enter and arrows; Escape leads back to the button."""
    channel = page.turn()
    await page.open(channel)
    await page.browser.run("$('.actions .star').focus()")
    await page.browser.press("Tab", "Tab", "Enter", "ArrowDown", "ArrowDown", "ArrowDown", "Enter")
    await page.says("Id: copied")
    assert await page.browser.clipboard() == channel.id
    focused = "return document.activeElement.textContent"
    assert (await page.browser.run(focused)).startswith("Copy")
    await page.browser.press("Enter", "ArrowUp")
    assert await page.browser.run(focused) == "Replay command"
    await page.browser.press("Escape")
    assert (await page.browser.run(focused)).startswith("Copy")
    assert await page.browser.run("return $$('.popup').every((box) => box.hidden)")
    await page.chosen(channel)


async def test_a_turn_that_goes_on_takes_no_focus_away_and_closes_no_menu(page):
    scene = page.looked.scene
    channel = scene.open("why?")
    scene.begin(channel)
    await page.open(channel)
    await page.browser.run("$$('.opener > button').find((node) => node.textContent.includes('Copy')).click()")
    scene.text(channel, "word ")
    await page.browser.until("return $('.head .badge').textContent.includes('text')")
    assert await page.browser.run("return document.activeElement.textContent") == "Request as cURL"


async def test_every_button_has_a_name(page):
    await page.open(page.turn())
    names = await page.browser.run(
        "const name = (node) => node.getAttribute('aria-label') || node.textContent.trim();"
        "return $$('.actions button, .actions textarea').map(name)"
    )
    assert all(names)
    assert await page.browser.run("return $('.actions').getAttribute('aria-label')")


async def test_what_goes_wrong_is_said(page):
    scene = page.looked.scene
    channel = scene.whole()  # whose request nobody kept
    await page.open(channel)
    await page.act("Copy", "Request as cURL")
    await page.says("the client's request was not kept")
    assert await page.browser.count(".said.bad") == 1


async def test_a_turn_that_is_not_on_disk(chromium, look, scene):
    looked = await look()
    scene.whole()
    async with Browser(chromium) as browser:
        there = Page(looked, None, browser, Path())  # type: ignore[arg-type]
        await browser.open(looked.link)
        await browser.until("return $('.actions')")
        await there.act("Download", "Bundle")
        await there.says("not on disk")
        assert await browser.run(
            "return $$('[role=menuitem]').find((node) => node.textContent === 'Replay command').hidden"
        )
        await browser.click(".actions .star")
        await there.says("in memory only")
        assert any("409" in message for message in await browser.console())
        await browser.open("about:blank")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 700), (420, 800)])
async def test_menus_are_within_the_window(page, width, height):
    channel = page.turn()
    notes.keep(channel, Note("a word " * 60, star=True))
    notes.write(trace_reader.find(page.recorder.directory).folder, notes.of(channel))
    await page.browser.resize(width, height)
    await page.open(channel)
    await page.browser.until("return $('.actions .noted').textContent")
    for number in range(await page.browser.count(".opener")):
        await page.browser.run("$$('.opener > button')[arguments[0]].click()", number)
        inside = (
            "const box = $('.popup:not([hidden])').getBoundingClientRect();"
            "return box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight"
        )
        assert await page.browser.run(inside), number
    assert await page.browser.run("return document.documentElement.scrollWidth <= innerWidth")


# -- an exported page ----------------------------------------------------------------------------------------------


async def test_an_exported_page_can_only_copy(page, tmp_path, shell_curl):
    channel = page.turn()
    notes.write(trace_reader.find(page.recorder.directory).folder, Note("odd", star=True))
    file = tmp_path / "turns.html"
    file.write_bytes(EXPORTS["html"].write(list(trace_reader.scan(page.recorder.directory)), REGISTRY))
    await page.browser.open(file.as_uri())
    await page.chosen(channel)
    assert await page.browser.run("return $$('.opener > button').map((node) => node.textContent)") == ["Copy ▾"]
    assert await page.browser.count(".actions .star, .actions .cancel, .actions form") == 0
    assert await page.browser.text(".actions .noted") == "★ odd"
    for item in ("Request as cURL", "Request as JSON", "Text of the answer", "Id", "Link"):
        await page.act("Copy", item)
        await page.says(f"{item}: copied")
