"""What is new in a running turn, as server-sent events, at most every 50 ms: ``GET …/turns/{id}/live``.

  data: {"items": [{"n", "kind", "at", "text"} | {"n", "kind": "call", …}], "total": 1, "closed": false}

``n``: the number of the item in the answer; ``text`` replaces what stands from character ``at`` on. ``total``: how many
items there are: fewer than before when a round has failed. Each piece of text is looked at once, however long the turn
gets; nothing is done for a turn that nobody follows, and no reader is counted.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from zerogravity import redact
from zerogravity.core.channel import CascadeChannel
from zerogravity.core.fold import Call, Item, Message, Reasoning
from zerogravity.observe.inspector import page
from zerogravity.observe.source import shown_items
from zerogravity.wire import jsonio

PAUSE_S = 0.05
HEARTBEAT_S = 10.0  # after which a page that has gone is noticed
TAIL = 2048  # characters before the end in which a secret may still become whole
LONGEST = 64 << 10

Json = dict[str, object]


class Following:
    """The streams of all pages that follow a turn."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._closed = False

    def close(self) -> None:
        """End them all."""
        self._closed = True
        for news in self._waiting:
            news.set()

    async def stream(self, request: web.Request, response: web.StreamResponse, channel: CascadeChannel) -> None:
        """Until the turn or the page ends. Works in threads, and in pauses, so that the turn itself is not delayed."""
        await response.prepare(request)
        growth, cursor, news = Growth(channel), channel.cursor(observer=True), asyncio.Event()
        self._waiting.add(news)
        try:
            while not self._closed:
                news.clear()
                cursor.call(lambda _: news.set())
                closed = channel.closed
                told = growth.total
                items = await asyncio.to_thread(growth.take)
                if items or closed or growth.total != told:
                    message = {"items": items, "total": growth.total, "closed": closed}
                    await response.write(b"data: " + jsonio.dumps(message) + b"\n\n")
                if closed:
                    return
                await asyncio.sleep(PAUSE_S)
                await self._news(response, news)
        except ConnectionError:
            return  # the page is closed
        finally:
            self._waiting.discard(news)
            cursor.forget()

    async def _news(self, response: web.StreamResponse, news: asyncio.Event) -> None:
        while not self._closed:
            try:
                await asyncio.wait_for(news.wait(), HEARTBEAT_S)
            except TimeoutError:
                await response.write(b":\n\n")
            else:
                return


class Growth:
    """Reads a turn's answer as it grows. ``take`` runs in a thread, while the turn goes on."""

    def __init__(self, channel: CascadeChannel) -> None:
        self._channel = channel
        self._read: list[Item] = []  # the last of them may still grow
        self._n = 0  # how many of them do not
        self._running: dict[int, Call] = {}  # calls that the gateway runs
        self._text = _Text()
        self.total = 0  # how many there were the last time

    def take(self) -> list[Json]:
        """What has come since the last time."""
        items = list(self._channel.state.items)  # a copy: some may be withdrawn meanwhile
        self._forget_withdrawn(items)
        self.total = len(items)
        changes: list[Json] = []
        for n, call in tuple(self._running.items()):
            if call.returned is not None:
                del self._running[n]
                changes.append(self._whole(n, call))
        for item in items[self._n :]:
            last = item is items[-1]  # before it is read: one that is not the last grows no more
            self._read[self._n :] = [item]
            changes += self._change(self._n, item)
            if last and isinstance(item, Message | Reasoning):
                break
            self._n += 1
            self._text = _Text()
        return changes

    def _forget_withdrawn(self, items: list[Item]) -> None:
        """What a round has brought that failed is no part of the answer: other items come in its place."""
        kept = len(self._read)
        while kept and (kept > len(items) or items[kept - 1] is not self._read[kept - 1]):
            kept -= 1
        if kept < len(self._read):
            del self._read[kept:]
            self._n, self._text = kept, _Text()
            self._running = {n: call for n, call in self._running.items() if n < kept}

    def _change(self, n: int, item: Item) -> list[Json]:
        if isinstance(item, Message | Reasoning):
            kind = "text" if isinstance(item, Message) else "thinking"
            found = self._text.take(item.pieces)
            return [] if found is None else [{"n": n, "kind": kind, "at": found[0], "text": found[1]}]
        if isinstance(item, Call) and item.server and item.returned is None:
            self._running[n] = item
        return [self._whole(n, item)]

    def _whole(self, n: int, item: Item) -> Json:
        """A call or a blob as it is now."""
        (shown,) = shown_items([item], self._channel.turn.tool_names)
        whole: Json = redact.json_value({"n": n, **page.item(shown)})
        return page.drawn_call(whole) if shown.kind == "call" else whole


class _Text:
    """One growing text, without secrets: its end is looked at again as it grows, since only the whole of a secret can
    be recognised."""

    def __init__(self) -> None:
        self._pieces = 0  # that have been read
        self._tail = ""  # as it came
        self._shown = ""  # the same as it was sent
        self._before = 0  # characters sent that will not change any more

    def take(self, pieces: list[str]) -> tuple[int, str] | None:
        new = pieces[self._pieces :]
        if not new or self._before > page.TEXT:
            return None
        self._pieces += len(new)
        self._tail += "".join(new)
        masked = redact.text(self._tail)
        same = len(self._shown) if masked.startswith(self._shown) else 0
        change = self._before + same, masked[same:]
        self._shown = masked
        self._settle()
        return change

    def _settle(self) -> None:
        """What is far from the end is done with."""
        if len(self._tail) < 2 * TAIL:
            return
        end = max(self._tail.rfind(" ", 0, -TAIL), self._tail.rfind("\n", 0, -TAIL)) + 1
        done = redact.text(self._tail[:end])
        if not end or done + redact.text(self._tail[end:]) != self._shown:  # a secret stands across it
            if len(self._tail) < LONGEST:
                return
            end, done = len(self._tail), self._shown
        self._before += len(done)
        self._tail, self._shown = self._tail[end:], self._shown[len(done) :]
