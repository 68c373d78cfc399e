"""Ends one HTTP/2 stream through mitmproxy and leaves its connections to the neighbours: Google gets a RST_STREAM for
it, and so does the LS.

mitmproxy has no word for that between hooks, and a connection that is closed takes all of its streams along. So a timer
of ours is made to run out in it: replies find their way down its layers by the command they belong to, the way that is
written down in each HTTP layer on it; the last one is told two things as if the LS had given the stream up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

MESSAGE = "given up"


def end(flow: http.HTTPFlow, handler: ConnectionHandler) -> None:
    """End the stream of ``flow``. Nothing happens if it has ended."""
    way = _way(handler.layer.context.layers, flow)
    if not way:
        return
    timer = commands.RequestWakeup(0)
    last, stream = way[-1]
    for above, carrier in way[:-1]:
        above.command_sources[timer] = cast("layer.Layer", carrier)
    last.command_sources[timer] = cast("layer.Layer", _Ending(stream.stream_id, last))
    asyncio_utils.create_task(
        handler.server_event(events.Wakeup(timer)),
        name="end of a stream",
        keep_ref=True,
        client=flow.client_conn.peername,
    )


class _Ending:
    """Stands where a layer stands that has asked for a timer."""

    def __init__(self, stream_id: int, layer: HttpLayer) -> None:
        self._stream_id = stream_id
        self._client = layer.context.client

    def handle_event(self, _: events.Event) -> Iterator[commands.Command]:
        yield ReceiveHttp(RequestProtocolError(self._stream_id, MESSAGE, ErrorCode.CANCEL))
        yield SendHttp(ResponseProtocolError(self._stream_id, MESSAGE, ErrorCode.CANCEL), self._client)


def _way(layers: Sequence[layer.Layer], flow: http.HTTPFlow) -> list[tuple[HttpLayer, HttpStream]]:
    """The HTTP layers down to the stream of ``flow``, each with its stream on the way; [] without one."""
    for top in [one for one in layers if isinstance(one, HttpLayer)]:
        for stream in top.streams.values():
            if getattr(stream, "flow", None) is flow:
                return [(top, stream)]
            inside = stream.context.layers
            if below := _way(inside[inside.index(stream) + 1 :], flow):
                return [(top, stream), *below]
    return []
