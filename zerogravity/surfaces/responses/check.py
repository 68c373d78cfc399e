"""The grammar of a Responses stream.

* Events are ``event: TYPE``, ``data: {json}`` and a blank line; comments may stand between them; no ``[DONE]``. The
  JSON has the same type, and ``sequence_number`` from 0, +1 each.
* ``response.created``, ``response.queued`` if it is queued, ``response.in_progress``; then items; then exactly one of
  ``response.completed``, ``.incomplete``, ``.failed``, and nothing behind it.
* Items one after the other, ``output_index`` 0, 1, 2 …: added in its empty form, its own events, done. Parts of an item
  likewise. Each event names item, output and part by id and index. Calls that the server runs (``mcp_call``) stay open
  while other items come, once their arguments are done.
* What the deltas add up to = the ``.done`` text = the part = the item = the item in the final Response. Ids, names and
  call ids do not change, nor does any member of the Response that the answer has no part in: only where another model
  answers than was asked first, the final one says so, and what it was sent.
* An ``error`` event (code, message, param, flat) may come, but only ``response.failed`` follows it. Events of our own
  would be named ``slug:name``.

Items one by one: ``check_items``; shapes of Response and items: ``check_object``. Facts: wire-openai 7, 13, 14.
"""

from __future__ import annotations

from zerogravity.surfaces.grammar import (
    Json,
    Source,
    expect_count,
    expect_object,
    expect_string,
    fail,
    named_events,
    need,
)
from zerogravity.surfaces.responses.check_items import Item, ServerCall, opened
from zerogravity.surfaces.responses.check_object import check_item, check_response

# each → what may have come before it
BEGINNINGS = {
    "response.created": ("",),
    "response.queued": ("response.created",),
    "response.in_progress": ("response.created", "response.queued"),
}
ENDS = {
    "response.completed": ("completed",),
    "response.incomplete": ("incomplete",),
    "response.failed": ("failed", "cancelled"),
}
VARYING = ("status", "completed_at", "error", "incomplete_details", "output", "usage")
SENT = ("model", "temperature", "top_p", "presence_penalty", "frequency_penalty", "max_output_tokens")
CONSTANT = ("type", "id", "role", "call_id", "name", "namespace", "server_label", "approval_request_id")


def check_responses(source: Source) -> list[Json]:
    """The objects of the stream, in order. Raises GrammarError."""
    stream = _Stream()
    found: list[Json] = []
    for name, value, place in named_events(source):
        number = expect_count(value.get("sequence_number"), f"{place}.sequence_number")
        need(number == len(found), place, "is out of sequence")
        stream.take(name, value, place)
        found.append(value)
    need(stream.over, "stream", "ends without a terminal event")
    return found


class _Stream:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.over = False
        self._first: Json | None = None
        self._last = ""  # the lifecycle event that came last
        self._failing = False
        self._open: Item | None = None
        self._running: dict[int, ServerCall] = {}  # by output_index
        self._done: list[Json] = []  # by output_index; those that run are empty

    def take(self, name: str, value: Json, place: str) -> None:
        need(not self.over, place, "comes after the end")
        if name == "error":
            self._error(value, place)
        elif name in BEGINNINGS:
            self._begin(name, expect_object(value.get("response"), f"{place}.response"), place)
        elif name in ENDS:
            self._end(name, expect_object(value.get("response"), f"{place}.response"), place)
        elif ":" not in name:
            need(not self._failing, place, "comes after an error")
            need(self._last == "response.in_progress", place, "comes before response.in_progress")
            self._about_item(name, value, place)

    def _error(self, value: Json, place: str) -> None:
        need(not self._failing, place, "a second error")
        expect_string(value.get("message"), f"{place}.message")
        for name in ("code", "param"):
            need(name in value, place, f"has no {name}")
            need(value[name] is None or isinstance(value[name], str), f"{place}.{name}", "must be a string or null")
        self._failing = True

    def _begin(self, name: str, response: Json, place: str) -> None:
        need(self._last in BEGINNINGS[name], place, f"must not come after {self._last or 'nothing'}")
        self._response(response, place)
        if name == "response.queued":
            need(self._first is not None and self._first["status"] == "queued", place, "comes though it was not queued")
        words = ("queued", "in_progress") if name == "response.created" else (name.removeprefix("response."),)
        need(response["status"] in words, f"{place}.response.status", f"must be {' or '.join(words)}")
        self._last = name

    def _end(self, name: str, response: Json, place: str) -> None:
        need(self._last == "response.in_progress", place, "comes before response.in_progress")
        need(not self._failing or name == "response.failed", place, "comes after an error")
        need(self._open is None and not self._running, place, "an item is still open")
        self._response(response, place)
        need(response["status"] in ENDS[name], f"{place}.response.status", f"must be {' or '.join(ENDS[name])}")
        output = response["output"]
        need(len(output) == len(self._done), f"{place}.response.output", "has not as many items as were done")
        for index, (final, done) in enumerate(zip(output, self._done, strict=True)):
            need(final == done, f"{place}.response.output[{index}]", "differs from the item that was done")
        self.over = True

    def _response(self, response: Json, place: str) -> None:
        check_response(response, f"{place}.response")
        if self._first is None:
            self._first = response
        varying = VARYING if response["model"] == self._first["model"] else (*VARYING, *SENT)
        for name in sorted(response.keys() | self._first.keys()):
            if name not in varying:
                same = name in response and name in self._first and response[name] == self._first[name]
                need(same, f"{place}.response.{name}", "differs from the first response's")

    def _about_item(self, name: str, value: Json, place: str) -> None:
        index = expect_count(value.get("output_index"), f"{place}.output_index")
        if index in self._running:
            self._take(self._running[index], index, name, value, place)
            return
        need(index == len(self._done), f"{place}.output_index", "is not that of the open or next item")
        if name == "response.output_item.added":
            need(self._open is None, place, "another item is still open")
            self._open = opened(expect_object(value.get("item"), f"{place}.item"), f"{place}.item")
            return
        if self._open is None:
            fail(place, "no item is open")
        self._take(self._open, index, name, value, place)

    def _take(self, item: Item, index: int, name: str, value: Json, place: str) -> None:
        if name == "response.output_item.done":
            self._finish(item, index, expect_object(value.get("item"), f"{place}.item"), f"{place}.item")
            return
        if item.named:
            need(value.get("item_id") == item.added["id"], f"{place}.item_id", "is not the open item's")
        item.take(name, value, place)
        if isinstance(item, ServerCall) and item.runs and index not in self._running:
            self._running[index] = item
            self._done.append({})
            self._open = None

    def _finish(self, item: Item, index: int, done: Json, place: str) -> None:
        for member in CONSTANT:
            same = done.get(member) == item.added.get(member)
            need(same, f"{place}.{member}", "is another than when it was added")
        check_item(done, place)
        item.finish(done, place)
        if self._running.pop(index, None) is not None:
            self._done[index] = done
        else:
            self._done.append(done)
            self._open = None
