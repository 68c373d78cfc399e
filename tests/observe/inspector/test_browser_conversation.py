"""The panes Conversation and Answer, the waterfall and the bodies in a real Chromium, with what agents send."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from tests.observe.inspector.browser import MISSING
from tests.observe.inspector.support import HOSTILE
from tests.observe.inspector.test_browser import choose, chromium, page, words
from tests.strategies import LISTINGS
from zerogravity.core.events import (
    AttemptClosed,
    AttemptOpened,
    CallReturned,
    FunctionCall,
    InlineData,
    RoundOpened,
    ThinkingDelta,
)
from zerogravity.core.turn import Target
from zerogravity.observe.sessions import NOWHERE, Placement, Sessions

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(MISSING), reason=MISSING)]
__all__ = ["chromium", "page"]

REMINDER = "<system-reminder>\nContents of /src/CLAUDE.md (mine):\nUse tabs.\n</system-reminder>"
PATCH = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n*** End Patch"
AT_END = "const box = $('.pane'); return box.scrollTop > 0 && box.scrollTop + box.clientHeight >= box.scrollHeight - 2"


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: Any) -> dict[str, Any]:
    return {**user(*parts), "role": "model"}


def call(name: str, **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args}}


def result(name: str, response: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response, **more}}


def rounds(number: int) -> list[Any]:
    """A conversation in which a shell is asked ``number`` times."""
    contents = [user("fix the build")]
    for n in range(number):
        contents += [model(call("shell", command=f"step {n}")), user(result("shell", {"output": f"output {n}"}))]
    return contents


def picture() -> str:
    """A PNG of two by two pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (2).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress(b"".join(b"\0" + bytes(6) for _ in range(2)))
    made = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(made).decode()


def asked(scene: Any, *contents: Any, system: str = "", **fields: Any) -> Any:
    generate = {"contents": list(contents), **({"systemInstruction": {"parts": [{"text": system}]}} if system else {})}
    return scene.open(google_request=generate, **fields)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> dict[str, Placement]:
    """Where turns are placed, by their ids."""
    placed: dict[str, Placement] = {}
    monkeypatch.setattr(Sessions, "place", lambda _, turn: placed.get(turn.id, NOWHERE))
    monkeypatch.setattr(Sessions, "known", lambda _, turn_id: placed.get(turn_id, NOWHERE))
    return placed


async def show(page: Any, channel: Any, pane: str = "Conversation") -> Any:
    looked, browser = page
    await browser.open(looked.link)
    await choose(browser, channel, pane)
    return browser


async def older(browser: Any) -> None:
    """Open what is folded, once the page knows of it."""
    await browser.until("return $('.earlier') && !$('.earlier').hidden")
    await browser.run("$('.earlier').click()")


# -- what is in sight ----------------------------------------------------------------------------------------------


async def test_the_newest_is_in_sight_and_the_rest_one_line(page, place):
    scene = page[0].scene
    channel = asked(scene, *rounds(45), system="You are an agent.")
    place[channel.id] = Placement("s", "turn_before", "", 89)
    scene.begin(channel)
    scene.text(channel, "line\n" * 100)
    scene.end(channel)
    browser = await show(page, channel)
    await words(browser, ".earlier", "… 46 earlier")
    await words(browser, ".news", "new in this turn")
    assert await browser.count(".item.call") == 1
    await words(browser, ".item.call", "output 44")
    await browser.until(AT_END)
    # page by page, and what is in sight stays where it is
    seen = "return Math.round($('.item.answer').getBoundingClientRect().top - $('.pane').getBoundingClientRect().top)"
    for left, calls in ((26, 21), (6, 41), (0, 45)):
        before = await browser.run(seen)
        await browser.run("$('.earlier').click()")
        await browser.until("return $$('.item.call').length === arguments[0]", calls)
        assert abs(await browser.run(seen) - before) <= 1
        if left:
            await words(browser, ".earlier", f"… {left} earlier")
    assert await browser.run("return $('.earlier').hidden")
    assert "step 0" in await browser.text(".old .item.call")
    order = await browser.run("return $$('.item.call').map((node) => node.innerText.match(/step (\\d+)/)[1])")
    assert order == [str(n) for n in range(45)]
    await words(browser, ".old .item.system", "system prompt")
    assert not await browser.run("return $('.old .item.system').open")


async def test_a_first_turn_shows_all_of_it(page):
    scene = page[0].scene
    channel = scene.end(asked(scene, user("hello"), system="Be good."))
    browser = await show(page, channel)
    await words(browser, ".item.user", "hello")
    assert await browser.run("return $('.earlier').hidden && $('.news').hidden")
    await browser.click(".item.system summary")
    await words(browser, ".item.system", "Be good.")


async def test_the_end_stays_in_sight_until_one_scrolls_away(page):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.text(channel, "word\n" * 90)
    browser = await show(page, channel)
    await browser.until(AT_END)
    scene.text(channel, "more\n" * 30)
    await browser.until(f"return $('.item.answer').innerText.includes('more') && (() => {{ {AT_END} }})()")
    await browser.run("$('.pane').scrollTop = 10")
    await browser.until("return $('.pane').scrollTop === 10")
    scene.text(channel, "the end\n")
    await words(browser, ".item.answer", "the end")
    assert await browser.run("return $('.pane').scrollTop") == 10
    scene.end(channel)


# -- blocks --------------------------------------------------------------------------------------------------------


async def test_what_programs_add_is_folded_by_its_name(page):
    scene = page[0].scene
    context = "<environment_context>\n<cwd>/src</cwd>\n</environment_context>"
    channel = scene.end(asked(scene, user(f"{REMINDER}\nfix it"), user(context)))
    browser = await show(page, channel)
    await words(browser, ".item.user", "fix it")
    names = "return $$('.section summary b').map((node) => node.textContent)"
    assert await browser.run(names) == ["system-reminder · CLAUDE.md", "environment_context"]
    assert "Use tabs." not in await browser.text(".pane")
    await browser.run("$('.section summary').focus()")
    await browser.press("Enter")
    await words(browser, ".section", "Use tabs.")
    await browser.press(" ")
    await browser.until("return !$('.section').open")


async def test_tool_results_are_lines_and_long_ones_are_folded(page):
    scene = page[0].scene
    output = json.dumps({"output": "\n".join(f"line {n}" for n in range(234)), "metadata": {"exit_code": 1}})
    channel = scene.end(asked(scene, user("go"), model(call("shell", command=["bash", "-lc", 'grep "x" a'])),
                              user(result("shell", {"output": output}))))  # fmt: skip
    browser = await show(page, channel)
    await words(browser, ".result .label", "result · exit code 1")
    assert (await browser.text(".result pre")).split("\n") == [f"line {n}" for n in range(20)]
    assert await browser.text(".result .more") == "… 214 more lines"
    await browser.run("$('.result .more').focus()")
    await browser.press("Enter")
    await browser.until("return $('.result pre').innerText.endsWith('line 233')")
    assert await browser.count(".result .more") == 0
    assert await browser.text(".item.call .body pre") == 'grep "x" a'
    assert await browser.text(".item.call .body .s") == '"x"'


async def test_json_code_and_patches_are_coloured(page):
    scene = page[0].scene
    channel = scene.end(asked(
        scene, user("see\n```python\ndef f(): return 1\n```"),
        model(call("apply_patch", input=PATCH), call("read", path="a.json")),
        user(result("apply_patch", {"output": "done"}), result("read", {"a": [1, None]})),
    ))  # fmt: skip
    browser = await show(page, channel)
    await older(browser)
    await words(browser, ".old .code .k", "def")
    texts = "return $$(arguments[0]).map((node) => node.innerText.trim())"
    assert await browser.run(texts, ".code .d") == ["-old"]
    assert await browser.run(texts, ".code .i") == ["+new"]
    shown = await browser.run(texts, ".result pre")
    assert shown == ["done", '{\n  "a": [\n    1,\n    null\n  ]\n}']
    back = "return getComputedStyle($(arguments[0])).backgroundColor"
    light = await browser.run(back, ".code .i")
    await browser.dark()
    assert await browser.run(back, ".code .i") != light


async def test_pictures_are_shown(page):
    scene = page[0].scene
    blob = {"inlineData": {"mimeType": "image/png", "data": picture()}}
    channel = asked(
        scene, user("look", blob), model(call("shot")), user(result("shot", {"output": "ok"}, parts=[blob]))
    )
    scene.begin(channel)
    scene.say(channel, {"text": ""}, InlineData("image/png", picture()))
    scene.end(channel)
    browser = await show(page, channel)
    await older(browser)
    await browser.until("return $$('figure img').length === 3 && $$('figure img').every((n) => n.naturalWidth === 2)")
    assert await browser.count(".item.call .result img") == 1
    assert await browser.run("return $('figure img').alt") == f"image/png · {len(base64.b64decode(picture()))} B"


async def test_markdown_is_rendered_on_wish(page):
    scene = page[0].scene
    channel = asked(scene, user("**go** on"))
    scene.begin(channel)
    scene.text(channel, "# Title\n\n- *one*\n- two\n\n[x](https://x.example)\n\n" + "text\n\n" * 50)
    scene.end(channel)
    browser = await show(page, channel)
    await words(browser, ".item.answer", "# Title")
    await browser.until(AT_END)
    assert await browser.count(".marked") == 0
    await browser.click(".toggle")
    await words(browser, ".item.answer h3", "Title")
    await browser.until(AT_END)
    assert await browser.run("return $$('.item.answer li').map((node) => node.innerText)") == ["one", "two"]
    assert await browser.text(".item.user strong") == "go"
    assert await browser.count(".marked a") == 0
    await browser.run("location.reload()")  # it is remembered
    await words(browser, ".item.answer h3", "Title")
    assert await browser.run("return $('.toggle').getAttribute('aria-pressed')") == "true"
    await browser.press("2")
    await words(browser, ".item.answer h3", "Title")
    await browser.click(".toggle")
    await words(browser, ".item.answer", "# Title")
    assert await browser.run("return localStorage.length") == 1


async def test_hostile_text_is_text_in_every_block(page):
    scene = page[0].scene
    reminder = f"<system-reminder>\n{HOSTILE}\n</system-reminder>"
    prose = f"{reminder}\n# {HOSTILE}\n\n- {HOSTILE} `{HOSTILE}`\n```html\n{HOSTILE}\n```\n![{HOSTILE}]({HOSTILE})"
    blob = {"inlineData": {"mimeType": HOSTILE, "data": HOSTILE}}
    channel = asked(scene, user(prose, blob), model(call(HOSTILE, command=HOSTILE, input=f"{HOSTILE}\n{HOSTILE}")),
                    user(result(HOSTILE, {HOSTILE: HOSTILE, "output": HOSTILE, "exit_code": HOSTILE})))  # fmt: skip
    scene.begin(channel)
    scene.text(channel, prose)
    scene.fail(channel, HOSTILE)
    browser = await show(page, channel)
    await browser.click(".toggle")
    await older(browser)
    await words(browser, ".old .marked h3", "onerror=")
    await words(browser, ".result", "onerror=")
    tags = set(await browser.run("return [...new Set($$('.pane *').map((node) => node.localName))]"))
    assert not {"img", "script", "b-", "a"} & tags
    assert await browser.run("return document.title") == "zerogravity inspector"
    await browser.click(".toggle")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (800, 700), (420, 800)])
async def test_blocks_are_no_wider_than_the_window(page, width, height):
    scene = page[0].scene
    table = "|a|b|\n|-|-|\n|" + "w" * 300 + "|x|"
    channel = asked(scene, user("```\n" + "x" * 900 + "\n```"), model(call("shell", command="y" * 900)),
                    user(result("shell", {"output": "z" * 900})))  # fmt: skip
    scene.begin(channel)
    scene.text(channel, table)
    scene.end(channel)
    await page[1].resize(width, height)
    browser = await show(page, channel)
    await words(browser, ".result", "zzz")
    await older(browser)
    await words(browser, ".old", "xxx")
    await browser.click(".toggle")
    await words(browser, ".marked table", "www")
    assert await browser.run("const box = $('.pane'); return box.scrollWidth <= box.clientWidth")
    assert await browser.run("return document.documentElement.scrollWidth <= innerWidth")
    await browser.click(".toggle")


# -- live ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pane", ["Conversation", "Answer"])
async def test_text_comes_live_without_a_fetch(page, pane):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.think(channel, "let me")
    browser = await show(page, channel, pane)
    await words(browser, ".item.thinking", "let me")
    await browser.until("return performance.getEntriesByType('resource').length")
    await browser.rests()
    await browser.run("window.fetch = () => new Promise(() => {})")  # nothing else can bring it
    scene.think(channel, " see")
    await words(browser, ".item.thinking", "let me see")
    for piece in ("It ", "works ", "at ", "once."):
        scene.text(channel, piece)
        await words(browser, ".item.text.answer", piece.strip())
    await words(browser, ".item.text.answer", "It works at once.")
    scene.call(channel)
    await words(browser, ".item.call", '"a.py"')
    assert channel.readers == 0
    scene.end(channel, "tool")


async def test_what_came_live_and_what_is_fetched_agree(page):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.text(channel, "begin ")
    browser = await show(page, channel)
    await words(browser, ".item.text.answer", "begin")
    for n in range(60):
        scene.text(channel, f"word{n} ")
        if n % 10 == 0:
            await words(browser, ".item.text.answer", f"word{n} ".strip())
    scene.text(channel, "the key is AIzaSyA-01234")
    scene.text(channel, "56789abcdefghijklmno.")
    scene.end(channel)
    await words(browser, ".head .badge", "ok")
    await browser.until("return $('.waterfall .mark.end')")
    await words(browser, ".item.text.answer", "the key is [redacted]")
    shown = await browser.run("return $('.item.text.answer pre').textContent")
    assert shown == "begin " + "".join(f"word{n} " for n in range(60)) + "the key is [redacted]."
    assert await browser.count(".item.answer") == 1


@pytest.mark.parametrize("pane", ["Conversation", "Answer"])
async def test_what_a_failed_round_brought_leaves_the_page_at_once(page, pane):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.think(channel, "the first thought")
    scene.text(channel, "the first text")
    scene.call(channel, "old_tool")
    browser = await show(page, channel, pane)
    await words(browser, ".item.call", "old_tool")
    await browser.rests()
    await browser.run("window.fetch = () => new Promise(() => {})")  # nothing else can tell it
    scene.say(channel, None, RoundOpened("other", "it was busy"))
    await browser.until("return !$('.item.answer')")
    scene.think(channel, "another thought")
    scene.think(channel, ", and longer")
    scene.call(channel, "new_tool")
    await words(browser, ".item.call", "new_tool")
    thought = "return $('.item.thinking.answer pre').textContent"
    assert await browser.run(thought) == "another thought, and longer"
    scene.say(channel, None, RoundOpened("other", "it was busy again"), ThinkingDelta("at last"))  # at one stroke
    scene.text(channel, "done")
    await words(browser, ".item.text.answer", "done")
    assert await browser.run(thought) == "at last"
    assert await browser.count(".item.answer") == 2


@pytest.mark.parametrize("pane", ["Conversation", "Answer"])
async def test_what_a_failed_round_brought_leaves_the_page_with_the_last_fetch(page, pane):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.text(channel, "the first text")
    scene.think(channel, "the first thought")
    browser = await show(page, channel, pane)
    await words(browser, ".item.thinking.answer", "the first thought")
    await browser.run(
        "Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    scene.say(channel, None, RoundOpened("other", "it was busy"))
    scene.think(channel, "another thought")
    scene.end(channel)
    await browser.run("Object.defineProperty(document, 'hidden', { value: false, configurable: true });"
                      "document.dispatchEvent(new Event('visibilitychange'))")  # fmt: skip
    await words(browser, ".head .badge", "ok")
    await browser.until("return $$('.item.answer').length === 1")
    await words(browser, ".item.thinking.answer", "another thought")


# -- how it goes and how it ended ----------------------------------------------------------------------------------


async def test_a_silence_is_drawn_while_it_lasts(page):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.begin(channel)
    scene.text(channel, "I am wri")
    browser = await show(page, channel)
    await words(browser, ".waterfall", "first text")
    assert await browser.count(".bar.gap") == 0
    scene.advance(12)
    await words(browser, ".waterfall .quiet", "nothing for 1")
    width = "return $('.bar.gap').getBoundingClientRect().width / $('.track').getBoundingClientRect().width"
    assert await browser.run(width) > 0.9
    first = await browser.text(".quiet")
    await browser.until("return $('.quiet').innerText !== arguments[0]", first)  # it goes on by itself
    scene.text(channel, "ting")
    await browser.until("return !$('.quiet') && $('.bar.gap')")
    scene.end(channel)
    await browser.until("return $('.waterfall .mark.end')")


async def test_waiting_for_the_first_byte_is_drawn_while_it_lasts(page):
    channel = asked(page[0].scene, user("hello"))
    browser = await show(page, channel)
    title = await browser.until("return $('.bar.pending')?.title")
    await browser.until("return $('.bar.pending').title !== arguments[0]", title)
    page[0].scene.fail(channel)
    await browser.until("return $('.waterfall .mark.end')")


async def test_ends_have_their_colours(page, place):
    scene = page[0].scene
    ends = {}
    for reason in ("stop", "length", "filtered"):
        channel = asked(scene, user(reason))
        scene.begin(channel)
        ends[reason] = scene.end(channel, reason)
    abandoned = asked(scene, user("abandoned"), target=Target("m", "M", family="gemini-3-flash"))
    scene.begin(abandoned)
    scene.say(abandoned, {"text": ""}, FunctionCall("call_1", "f", "{}", None, "up_1"))
    ends["abandoned"] = scene.end(abandoned, "tool")
    ends["failed"] = scene.fail(asked(scene, user("failed")))
    browser = await show(page, abandoned)
    badge = "return $(`[data-id='${arguments[0]}'] .badge`).className"
    await words(browser, f"[data-id='{abandoned.id}']", "tool wait")
    scene.whole(asked="something else")
    following = scene.whole(asked="never mind")
    place[following.id] = Placement("s", abandoned.id)
    await words(browser, f"[data-id='{abandoned.id}']", "no result came")
    assert {name: await browser.run(badge, channel.id) for name, channel in ends.items()} == {
        "stop": "badge good", "length": "badge warn", "filtered": "badge warn", "abandoned": "badge warn",
        "failed": "badge bad",
    }  # fmt: skip
    assert await browser.count(f"[data-id='{abandoned.id}'] .running") == 0


async def test_status_codes_of_both_sides_are_shown(page):
    scene = page[0].scene
    channel = asked(scene, user("hello"))
    scene.say(channel, None, AttemptOpened(status=429), AttemptClosed(None))
    scene.say(channel, None, AttemptOpened(status=503), AttemptClosed(None), call=1)
    scene.fail(channel)
    browser = await show(page, channel)
    await words(browser, ".waterfall", "Google answered 429, 503")
    await words(browser, ".waterfall", "the client got 502")
    good = scene.whole()
    await choose(browser, good, "Conversation")
    await words(browser, ".waterfall", "Google answered 200")
    await words(browser, ".waterfall", "the client got 200")


async def test_a_row_is_labelled_with_what_its_turn_goes_on_from(page):
    scene = page[0].scene
    channel = scene.end(
        asked(scene, user("fix it"), model(call("shell")), user(result("shell", {"output": "12 files\nx"})))
    )
    browser = await show(page, channel)
    await words(browser, ".row", "shell → 12 files")


# -- the turn before -----------------------------------------------------------------------------------------------


async def test_what_differs_from_the_turn_before(page, place):
    scene = page[0].scene
    first, second = scene.whole(asked="one"), scene.whole(asked="two")
    scene.client_request(first, b'{"model": "m", "input": ["a"]}')
    scene.client_request(second, b'{"model": "m", "input": ["a", "b"]}')
    place[second.id] = Placement("s", first.id, "", 1)
    browser = await show(page, second, "Bodies")
    await browser.until("return $$('.choice button').some((node) => node.innerText === 'new since the turn before')")
    await browser.run("$$('.choice button').find((node) => node.innerText === 'new since the turn before').click()")
    await words(browser, ".step.new", '"b"')
    assert await browser.count(".step.gone") == 0
    await words(browser, ".pane", first.id)
    await choose(browser, first, "Bodies")
    await words(browser, ".choice", "client's request")
    assert "new since" not in await browser.text(".choice")


# -- calls that the gateway runs ---------------------------------------------------------------------------------


async def test_a_call_that_the_gateway_runs_gets_its_result_below_it(page):
    scene = page[0].scene
    channel = asked(scene, user("how old is it?"))
    scene.begin(channel)
    scene.text(channel, "Let me look.")
    scene.say(channel, {"text": ""}, LISTINGS[0], FunctionCall("call_1", "docs.find", '{"q":"age"}'))
    scene.say(channel, None, AttemptClosed("STOP"))
    browser = await show(page, channel)
    await words(browser, ".item.call.answer summary", "run by the gateway")
    assert await browser.count(".item.call.answer .result") == 0
    scene.say(channel, None, CallReturned("call_1", HOSTILE))
    await words(browser, ".item.call.answer .result", HOSTILE)
    scene.text(channel, "It is 7.")
    scene.end(channel, "stop")
    await browser.until("return $$('.item.text.answer').length === 2")
    assert await browser.count(".item.call.answer .result") == 1
