"""Ends one HTTP/2 stream through mitmproxy and spares the other streams of its connections: Google gets a RST_STREAM
for it, and so does the LS. And tells which side has ended one.

mitmproxy cannot do that between hooks, and closing a connection ends all of its streams. So a timer of ours is made to
expire in it: replies find their way down its layers by the command they belong to, which each HTTP layer on the way has
on record; the last layer gets the two events that it would get if the LS had given the stream up.
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

from zerogravity.capture import mitm

MESSAGE = "given up"


def end(flow: http.HTTPFlow, handler: ConnectionHandler) -> None:
    """End the stream of ``flow``. Nothing happens if it has ended."""
    path = _path(handler.layer.context.layers, flow)
    if not path:
        return
    timer = commands.RequestWakeup(0)
    last, stream = path[-1]
    for above, carrier in path[:-1]:
        above.command_sources[timer] = cast("layer.Layer", carrier)
    last.command_sources[timer] = cast("layer.Layer", _Ending(stream.stream_id, last))
    mitm.spawn(handler.server_event(events.Wakeup(timer)), "end of a stream", flow.client_conn.peername)


def is_clients(flow: http.HTTPFlow, handler: ConnectionHandler) -> bool:
    """Whether it is the client that has reset the stream of ``flow``."""
    path = _path(handler.layer.context.layers, flow)
    return bool(path) and mitm.client_has_reset(path[-1][1])


class _Ending:
    """Takes the place of the layer that requested a timer."""

    def __init__(self, stream_id: int, layer: HttpLayer) -> None:
        self._stream_id = stream_id
        self._client = layer.context.client

    def handle_event(self, _: events.Event) -> Iterator[commands.Command]:
        yield ReceiveHttp(RequestProtocolError(self._stream_id, MESSAGE, ErrorCode.CANCEL))
        yield SendHttp(ResponseProtocolError(self._stream_id, MESSAGE, ErrorCode.CANCEL), self._client)


def _path(layers: Sequence[layer.Layer], flow: http.HTTPFlow) -> list[tuple[HttpLayer, HttpStream]]:
    """The HTTP layers down to the stream of ``flow``, each with the stream that leads on; [] without one."""
    for top in [one for one in layers if isinstance(one, HttpLayer)]:
        for stream in top.streams.values():
            if getattr(stream, "flow", None) is flow:
                return [(top, stream)]
            inside = stream.context.layers
            if below := _path(inside[inside.index(stream) + 1 :], flow):
                return [(top, stream), *below]
    return []
