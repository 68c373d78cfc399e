"""How mitmproxy and mitmweb show a Google answer stream: thinking, text, calls and usage as one page.

The same parser, decoder and fold as the capture's; if the view fails, mitmproxy falls back to another one.
"""

from __future__ import annotations

from typing import Literal

from mitmproxy import contentviews
from mitmproxy.addonmanager import Loader
from mitmproxy.contentviews import Contentview, Metadata

from zerogravity.capture.ls_answer import expected
from zerogravity.capture.match import is_generate_path
from zerogravity.core.events import Record
from zerogravity.core.fold import Call, Media, Message, Reasoning, TurnState, fold
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.sse import SseParser


class Views:
    """The addon for a mitmproxy that shows flows."""

    def load(self, _: Loader) -> None:
        contentviews.add(GoogleStreamContentview())


class GoogleStreamContentview(Contentview):
    """``zerogravity`` in the list of views; the default for generate calls answered as an event stream."""

    @property
    def name(self) -> str:
        return "zerogravity"

    @property
    def syntax_highlight(self) -> Literal["none"]:
        return "none"

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """An SSE body → one page. Raises ValueError when it holds no Google event."""
        parser = SseParser()
        decoder = GoogleDecoder(lambda number: f"call_{number}", api=expected(_path(metadata)).api)
        events = [*parser.feed(data), *parser.end()]
        records = [
            Record(seq, 0, 0, event.data, decoder.decode(event.data), event.span) for seq, event in enumerate(events)
        ]
        state = fold(records)
        if not (state.items or state.usage_by_attempt or decoder.fault or decoder.finish):
            raise ValueError("no Google answer in this body")
        blocks = _blocks(state)
        if decoder.fault is not None:
            blocks.append(f"== error ==\n{decoder.fault.status} {decoder.fault.code}: {decoder.fault.full_message}")
        blocks.append(f"== end ==\n{decoder.finish or 'without a finishReason'}")
        return "\n\n".join(blocks)

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        path = _path(metadata)
        streamed = (metadata.content_type or "").startswith("text/event-stream")
        return 2 if data and streamed and is_generate_path(path) else -1


def _path(metadata: Metadata) -> str:
    """The path of the call; empty for a body that is no flow's."""
    return getattr(getattr(metadata.flow, "request", None), "path", "")


def _blocks(state: TurnState) -> list[str]:
    blocks: list[str] = []
    for item in state.items:
        match item:
            case Reasoning():
                blocks.append(f"== thinking ==\n{item.text}")
            case Message():
                blocks.append(f"== text ==\n{item.text}")
            case Call():
                signed = " (signed)" if item.signature else ""
                blocks.append(f"== call {item.name}{signed} ==\n{item.args_json}")
            case Media():
                blocks.append(f"== {item.mime}, {len(item.data)} base64 characters ==")
    for notice in state.notices:
        blocks.append(f"== odd: {notice.code} ==\n{notice.text}")
    if state.usage_by_attempt:
        usage = state.usage
        blocks.append(
            f"== usage ==\nprompt {usage.prompt} (cached {usage.cached}), answer {usage.candidates}, "
            f"thinking {usage.thoughts}, tools {usage.tool_use}, total {usage.total}"
        )
    return blocks
