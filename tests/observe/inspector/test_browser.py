"""The page in a real Chromium: live, linked, virtual, and nothing of a turn ever becomes markup."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import evict
from tests.observe.inspector.browser import MISSING, Browser, running
from tests.observe.inspector.support import HOSTILE
from zerogravity.observe import trace_reader
from zerogravity.observe.exports import EXPORTS
from zerogravity.observe.recorder import Recorder
from zerogravity.surfaces import REGISTRY

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

ROWS = "#turns [data-id]"
# A page that grew with its data would have tens of thousands.
FEW = 1500


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("profile")) as session:
        yield session


@pytest.fixture
async def page(chromium: str, look: Any) -> AsyncIterator[tuple[Any, Browser]]:
    """A served scene and a browser. At the end nothing may have been written to the console."""
    looked = await look()
    async with Browser(chromium) as browser:
        yield looked, browser
        assert await browser.console() == []
        await browser.open("about:blank")


async def choose(browser: Browser, channel: Any, pane: str) -> None:
    await browser.until("return $(arguments[0])", f'[data-id="{channel.id}"]')
    await browser.click(f'[data-id="{channel.id}"]')
    await browser.until("return $('.head code')?.textContent === arguments[0]", channel.id)
    await browser.click(f'[data-pane="{pane}"]')


async def words(browser: Browser, selector: str, text: str) -> None:
    """Wait until ``text`` stands in the element."""
    await browser.until("return $(arguments[0])?.innerText.includes(arguments[1])", selector, text)


async def test_turns_appear_and_change_while_one_looks(page):
    looked, browser = page
    scene = looked.scene
    await browser.open(looked.link)
    assert await browser.run("return location.pathname + location.search") == "/inspector/"
    assert TOKEN_IN_SIGHT not in await browser.run("return document.cookie")
    await words(browser, "#turns", "No turns yet")
    await words(browser, "#health", "ready")
    channel = scene.open("why does it hang?", to="queued")
    await words(browser, ROWS, "queued")
    await words(browser, ROWS, "why does it hang?")
    await choose(browser, channel, "Conversation")
    await words(browser, ".pane", "why does it hang?")
    scene.inside(channel).mark("told")
    await words(browser, ROWS, "waiting for LS")
    scene.inside(channel).mark("matched")
    scene.begin(channel)
    scene.think(channel, "I look at the cursor")
    await words(browser, ".badge", "thinking")
    await words(browser, ".item.thinking", "I look at the cursor")
    scene.text(channel, "It waits ")
    scene.text(channel, "once more.")
    await words(browser, ".badge", "text")
    await words(browser, ".item.text.answer", "It waits once more.")
    scene.advance(11)
    await words(browser, ".badge", "stalled")
    scene.end(channel)
    await words(browser, ".head .badge", "ok")
    await words(browser, ".waterfall", "first thinking")
    await browser.until("return $('.waterfall .mark.end')")  # all of it has been fetched
    evict(scene.store, channel.id)
    await words(browser, "#turn", "no longer in memory")
    assert await browser.count(ROWS) == 0


TOKEN_IN_SIGHT = "a-token"  # HttpOnly: no script sees the cookie


async def test_without_the_link_there_is_no_page(page):
    looked, browser = page
    await browser.open(looked.url + "/inspector/")
    assert "zerogravity open" in await browser.text("body")
    assert any("401" in message for message in await browser.console())  # taken, so that none is left


async def test_the_panes_of_a_turn(page):
    looked, browser = page
    scene = looked.scene
    channel = scene.open("read it", notes=("tools[0]: $schema dropped",), google_request={
        "contents": [{"role": "user", "parts": [{"text": "read it"}]}],
        "tools": [{"functionDeclarations": [{"name": "read_file", "parametersJsonSchema": {"type": "object"}}]}],
    })  # fmt: skip
    scene.begin(channel)
    scene.think(channel, "the file first")
    scene.text(channel, "I read it.")
    scene.call(channel)
    scene.end(channel, "tool")
    tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "title": "gone"}}}
    scene.client_request(channel, json.dumps({"tools": [tool]}).encode())
    original = {"project": "p", "big": 2**63 + 1, "contents": [{"a": 1}, {"b": 2}], "old": [1]}
    sent = {"project": "p", "big": 2**63 + 1, "contents": [{"b": 2}, {"c": 3}], "new": "text"}
    scene.upstream_request(channel, json.dumps(original).encode(), json.dumps(sent).encode())
    await browser.open(looked.link)
    await choose(browser, channel, "Answer")
    await words(browser, ".pane", "the file first")
    await words(browser, ".pane", "I read it.")
    await words(browser, ".item.call", '"path": "a.py"')
    await browser.press("3")
    await words(browser, ".item.tool", "schema changed")
    await browser.click(".item.tool summary")
    await words(browser, ".item.tool .step.gone", '"title": "gone"')
    await browser.press("4")
    await words(browser, "tr.sum", "1\u2009242")
    await browser.press("8")
    await words(browser, ".pane", "tools[0]: $schema dropped")
    await words(browser, ".pane", channel.cascade_id)
    await browser.press("7")
    await words(browser, ".diff", '"new": "text"')
    steps = "return $$(arguments[0]).map((node) => node.innerText.replace(/\\s+/g, ' ').trim())"
    assert await browser.run(steps, ".step.gone") == ['− "old": [ 1 ]', '− { "a": 1 }']
    assert await browser.run(steps, ".step.new") == ['+ { "c": 3 }', '+ "new": "text"']
    assert '"big": 9223372036854775809' in await browser.run("return $('.diff').innerText")
    await browser.click(".choice button:nth-child(2)")
    await words(browser, ".pane", '"title": "gone"')
    await browser.click(".choice button:nth-child(5)")
    await words(browser, ".pane", "data: {")


@pytest.mark.parametrize("pane", ["Events", "Raw"])
async def test_an_event_shows_its_bytes_and_what_was_sent_for_it(page, pane):
    looked, browser = page
    channel = looked.scene.whole("one two three")
    await browser.open(looked.link)
    await choose(browser, channel, pane)
    await browser.until("return $('.events [data-seq=\"3\"]')")
    await browser.click('.events [data-seq="3"]')
    await words(browser, ".detail section", f"bytes {channel.records[3].span[0]}–{channel.records[3].span[1]}")
    assert await browser.text(".detail section pre.bytes") == channel.records[3].data.decode()
    await words(browser, ".detail section + section pre.bytes", '"content":"two "')
    if pane == "Raw":
        await browser.until("return $$('.event.lit').length === 2")
    await browser.press("Escape")
    assert await browser.count(".event.lit") == 0


async def test_a_frame_leads_to_the_upstream_bytes_that_caused_it(page):
    looked, browser = page
    channel = looked.scene.whole(" ".join(f"word{n}" for n in range(600)))
    await browser.open(looked.link)
    await choose(browser, channel, "Raw")
    frames, events = (f".two > section:nth-child({n}) .events" for n in (2, 1))
    await browser.until("return $$(arguments[0] + ' [data-seq]').length", frames)
    await browser.run("$(arguments[0]).scrollTop = 9000", frames)
    row = await browser.until(
        "return $$(arguments[0] + ' [data-seq]').find((row) => row.innerText.includes('word400'))"
        "?.dataset.seq", frames)  # fmt: skip
    await browser.click(f'{frames} [data-seq="{row}"]')
    # Its cause stands in the other list, in sight and lit, and its bytes below.
    await browser.until("return $(arguments[0] + ' .event.lit')?.dataset.seq === arguments[1]", events, row)
    data = await browser.until("return $('.detail pre.bytes')?.textContent")
    assert data == channel.records[int(row)].data.decode()
    assert "word400" in data
    seen = (
        "const [row, box] = [$(arguments[0] + ' .event.lit'), $(arguments[0])].map((n) => n.getBoundingClientRect());"
        "return row.top >= box.top - 1 && row.bottom <= box.bottom + 1"
    )
    assert await browser.run(seen, events)
    assert await browser.run(seen, frames)


async def test_a_thousand_turns_are_a_few_rows(page):
    looked, browser = page
    scene = looked.scene
    for n in range(1000):
        scene.advance(0.001)
        scene.fail(scene.open(f"question {n}", ("chat", "gemini")[n % 2])) if n % 10 == 0 else scene.whole(
            asked=f"question {n}"
        )
    await browser.open(looked.link)
    await words(browser, "#count", "1000 turns")
    await words(browser, ROWS, "question 999")
    assert 10 < await browser.count(ROWS) < 60
    assert await browser.count("*") < FEW
    await browser.press("G")
    await browser.until("return $$(arguments[0]).some((row) => row.innerText.includes('question 0'))", ROWS)
    assert await browser.count(ROWS) < 60
    # the filter
    await browser.press("/", *"code:upstream_drop surface:chat question 99")
    await words(browser, "#count", "1 of 1000 turns")
    await words(browser, ROWS, "question 990")
    await browser.press("Enter")
    await words(browser, ".head .badge", "upstream_drop")
    await words(browser, ".pane", "Google's answer broke off")
    await browser.press("/", "Escape")
    await words(browser, "#count", "1000 turns")
    await browser.press("Escape", "k")
    await browser.until("return $('.row.chosen')?.innerText.includes('question 991')")
    await browser.press("j", "j")
    await browser.until("return $('.row.chosen')?.innerText.includes('question 989')")


async def test_turns_of_one_conversation_are_found_by_it(page):
    looked, browser = page
    other: Any = None
    for question, conversation in (("first", "35430079"), ("second", "35430079"), ("another", "-42"), ("a chat", "")):
        channel = looked.scene.whole(asked=question, conversation=conversation)
        other = channel if question == "another" else other
    await browser.open(looked.link)
    await words(browser, "#count", "4 turns")
    await browser.until("return $(`[data-id='${arguments[0]}']`)", channel.id)
    await browser.press("/", *"conversation:3543")
    await words(browser, "#count", "2 of 4 turns")
    await browser.press("Enter")
    await words(browser, ".head .badge", "ok")
    await words(browser, ".head [data-conversation]", "35430079")
    await browser.click('[data-pane="Notes"]')
    await words(browser, ".pane", "35430079")
    await browser.press("/", "Escape")
    await words(browser, "#count", "4 turns")
    await choose(browser, other, "Answer")
    await browser.click(".head [data-conversation='-42']")
    await words(browser, "#count", "1 of 4 turns")
    await words(browser, ROWS, "another")


async def test_a_turn_of_ten_thousand_events_scrolls(page):
    looked, browser = page
    channel = looked.scene.open("write much")
    looked.scene.begin(channel)
    for n in range(10_000):
        looked.scene.text(channel, f"line {n}\n")
    looked.scene.end(channel)
    await browser.open(looked.link)
    await choose(browser, channel, "Events")
    await words(browser, ".events", "line 3")
    for place in (0.5, 1, 0.1):
        await browser.run("const box = $('.events'); box.scrollTop = box.scrollHeight * arguments[0]", place)
        seq = min(int(place * len(channel.records)) + 3, len(channel.records) - 3)
        await browser.until('return $(`.events [data-seq="${arguments[0]}"]`)', seq)
        assert await browser.count(".events [data-seq]") < 60
        assert await browser.count("*") < FEW
    await browser.click('[data-pane="Raw"]')
    await words(browser, ".two > section + section .events", "line 3")
    assert await browser.count("*") < FEW


async def test_hostile_text_is_text_everywhere(page):
    looked, browser = page
    scene = looked.scene
    channel = scene.open(HOSTILE, model=HOSTILE, notes=(HOSTILE,), google_request={
        "contents": [{"role": HOSTILE, "parts": [{"text": HOSTILE}, {"functionCall": {"name": HOSTILE, "args": "x"}}]}],
        "tools": [{"functionDeclarations": [{"name": HOSTILE, "description": HOSTILE, "parameters": {"x": HOSTILE}}]}],
    })  # fmt: skip
    scene.begin(channel)
    scene.think(channel, HOSTILE)
    scene.text(channel, HOSTILE)
    scene.call(channel, HOSTILE, json.dumps({HOSTILE: HOSTILE}))
    scene.client_request(channel, HOSTILE.encode())
    scene.upstream_request(channel, json.dumps({HOSTILE: 1}).encode(), json.dumps({"x": HOSTILE}).encode())
    scene.health["line"] = HOSTILE
    scene.fail(channel, HOSTILE)
    await browser.open(looked.link)
    await choose(browser, channel, "Conversation")
    tags = "return [...new Set([...document.body.querySelectorAll('*')].map((node) => node.localName))].sort()"
    for number, pane in enumerate(("Conversation", "Answer", "Tools", "Usage", "Events", "Raw", "Bodies", "Notes"), 1):
        await browser.press(str(number))
        await browser.until("return $('[aria-selected=true][data-pane]').dataset.pane === arguments[0]", pane)
        if pane in ("Events", "Raw"):
            await browser.until("return $('.events [data-seq=\"2\"]')")
            await browser.click('.events [data-seq="2"]')
        if pane != "Usage":
            await words(browser, ".pane", "onerror=")
        assert not {"img", "script", "b-"} & set(await browser.run(tags)), pane
    await words(browser, "#health", "onerror=")
    assert await browser.run("return document.title") == "zerogravity inspector"


async def test_the_policy_holds_in_the_browser(page):
    """The page itself breaks no rule (the fixture looks); what would break one is stopped."""
    looked, browser = page
    await browser.open(looked.link)
    ran = await browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); return window.ran ?? 0"
    )
    assert ran == 0
    assert any("Content Security Policy" in message for message in await browser.console())


async def test_the_place_is_kept_over_a_reload(page):
    looked, browser = page
    first = looked.scene.whole(asked="the first one")
    looked.scene.advance(1)
    looked.scene.whole(asked="the second one")
    await browser.open(looked.link)
    await words(browser, ".pane", "the second one")  # the newest, when nothing is said
    await choose(browser, first, "Usage")
    await browser.run("location.reload()")
    await browser.until("return $('.head code')?.textContent === arguments[0]", first.id)
    await words(browser, "tr.sum", "turn")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (820, 700), (420, 800)])
async def test_nothing_is_wider_than_the_window(page, width, height):
    looked, browser = page
    channel = looked.scene.whole("word " * 200 + "w" * 500)
    await browser.resize(width, height)
    await browser.open(looked.link)
    await choose(browser, channel, "Conversation")
    await words(browser, ".item.text.answer", "wwww")
    for number in range(1, 9):
        await browser.press(str(number))
        assert await browser.run(
            "const all = document.documentElement;"
            "return all.scrollWidth <= innerWidth && all.scrollHeight <= innerHeight"
        )


# -- an exported page ----------------------------------------------------------------------------------------------


PANES = ("Conversation", "Answer", "Tools", "Usage", "Events", "Raw", "Bodies", "Notes")


def play(scene: Any, sink: Any) -> list[Any]:
    """A hostile turn with everything in it, one that failed, and one that was not streamed."""
    declared = [{"name": "read_file", "description": HOSTILE, "parametersJsonSchema": {"type": "object"}}]
    asked = {"contents": [{"role": "user", "parts": [{"text": f"read it {HOSTILE}"}]}],
             "tools": [{"functionDeclarations": declared}]}  # fmt: skip
    channel = scene.open(google_request=asked, notes=(f"tools[0]: {HOSTILE}",))
    tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "title": "gone"}}}
    sink.client_request(channel.turn, json.dumps({"tools": [tool], "api_key": "hunter22"}).encode(), {})
    scene.begin(channel)
    scene.think(channel, "the file first")
    for n in range(300):
        scene.advance(0.01)
        scene.text(channel, f"word{n} ")
    scene.text(channel, HOSTILE)
    scene.call(channel)
    sink.upstream_request(channel.id, 0, b'{"old": 1, "a": 2}', b'{"new": 1, "a": 2}', {})
    scene.end(channel, "tool")
    scene.advance(1)
    failed = scene.fail(scene.open("what fails", "gemini"))
    scene.advance(1)
    return [channel, failed, scene.whole("said at once", "not streamed", "responses", stream=False)]


@pytest.fixture
async def exported(chromium: str, tmp_path: Path, scene: Any, recorder: Recorder) -> AsyncIterator[tuple[Any, Browser]]:
    """Turns, and a browser that has opened their export as a file: without a server, and without a word on the
    console."""
    channels = play(scene, recorder)
    assert recorder.flush()
    file = tmp_path / "turns.html"
    file.write_bytes(EXPORTS["html"].write(list(trace_reader.scan(recorder.directory)), REGISTRY))
    async with Browser(chromium) as browser:
        await browser.open(file.as_uri())
        yield channels, browser
        assert await browser.console() == []
        await browser.open("about:blank")


async def test_an_exported_page_shows_every_pane(exported):
    (channel, failed, whole), browser = exported
    await words(browser, "#count", "3 turns")
    await words(browser, "#health", "recorded")
    await choose(browser, channel, "Conversation")
    tags = "return [...new Set([...document.body.querySelectorAll('*')].map((node) => node.localName))].sort()"
    shown = {
        "Conversation": "read it", "Answer": "word299", "Tools": "schema changed", "Usage": "1\u2009242",
        "Events": "first", "Raw": "data:", "Bodies": '"new": 1', "Notes": "tools[0]",
    }  # fmt: skip
    for number, pane in enumerate(PANES, 1):
        await browser.press(str(number))
        await browser.until("return $('[aria-selected=true][data-pane]').dataset.pane === arguments[0]", pane)
        await words(browser, ".pane", shown[pane])
        assert not {"img", "script", "b-"} & set(await browser.run(tags)), pane
    await words(browser, ".pane", channel.cascade_id)
    assert await browser.run("return document.title") == "zerogravity inspector"
    assert "hunter22" not in await browser.run("return document.documentElement.outerHTML")
    await words(browser, ".waterfall", "first thinking")
    await choose(browser, failed, "Answer")
    await words(browser, ".pane", "Google's answer broke off")
    await choose(browser, whole, "Raw")
    await words(browser, ".pane", "out: the answer to the client")
    await words(browser, ".pane", "said at once")


@pytest.mark.parametrize("pane", ["Events", "Raw"])
async def test_an_exported_event_shows_its_bytes_and_what_was_sent_for_it(exported, pane):
    (channel, *_), browser = exported
    await choose(browser, channel, pane)
    await browser.until("return $('.events [data-seq=\"3\"]')")
    await browser.click('.events [data-seq="3"]')
    await words(browser, ".detail section", "event 3")
    assert await browser.text(".detail section pre.bytes") == channel.records[3].data.decode()
    await words(browser, ".detail section + section pre.bytes", '"content":"word1 "')
    await browser.run("const box = $('.events'); box.scrollTop = box.scrollHeight")
    await browser.until('return $(`.events [data-seq="${arguments[0]}"]`)', len(channel.records) - 1)


async def test_an_exported_page_says_what_the_served_one_says(exported, page, chromium):
    """Word for word, pane by pane. (Only the served one knows whether the client is still at work at a tool.)"""
    (channel, *_), browser = exported
    looked, _ = page
    looked.scene.client_request(channel, b'{"tools": []}')
    said: list[dict[str, str]] = []
    for address in (None, looked.link):
        if address:
            await browser.open(address)
        await choose(browser, channel, "Conversation")
        texts = {"waterfall": "first thinking"}
        await words(browser, ".waterfall", texts["waterfall"])
        for pane, text in (("Conversation", "word299"), ("Answer", "word299"), ("Notes", "tools[0]")):
            await browser.click(f'[data-pane="{pane}"]')
            await words(browser, ".pane", text)
            texts[pane] = await browser.text(".pane")
        texts["head"] = await browser.run(
            "return $$('.head > :not(.badge, .actions)').map((node) => node.innerText).join(' ')"
        )
        texts["row"] = await browser.text(".row.chosen .line + .line")
        said.append(texts)
    assert said[0] == said[1]


SEARCHES = [
    ("word299", [0], "text", "word298 word299"), ("FILE hm", [], "", ""), ("FILE FIRST", [0], "thinking", "the file"),
    ('"the FILE first"', [0], "thinking", "the file"), ("hunter22", [], "", ""),
    ("broke", [1], "failure", "answer broke off"), ("-word299", [1, 2], "", ""),
    ("word299 code:stop", [], "", ""), ("once surface:responses", [2], "text", "said at once"),
    ("read_file", [0], "call", "read_file("), ("no such words", [], "", ""),
]  # fmt: skip


async def test_an_exported_page_finds_what_is_said_in_its_turns(exported):
    channels, browser = exported
    await words(browser, "#count", "3 turns")
    for query, found, part, snippet in SEARCHES:
        await browser.run(
            "const box = $('#filter'); box.value = arguments[0]; box.dispatchEvent(new Event('input'))", query
        )
        await words(browser, "#count", f"{len(found)} of 3 turns")
        shown = await browser.run("return $$('#turns [data-id]').map((row) => row.dataset.id)")
        assert sorted(shown) == sorted(channels[n].id for n in found), query
        if part:
            assert await browser.text("#turns [data-id] .part") == part
            assert snippet in await browser.run("return $('#turns .words').textContent"), query


async def test_the_policy_of_an_exported_page_holds(exported):
    _, browser = exported
    ran = await browser.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script); return window.ran ?? 0"
    )
    assert ran == 0
    fetched = await browser.run("return fetch('data:,x').then(() => 'fetched', () => 'refused')")
    assert fetched == "refused"
    assert any("Content Security Policy" in message for message in await browser.console())
