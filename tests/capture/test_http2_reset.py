"""What reaches mitmproxy's layers when one stream is ended; ``tests/e2e`` has the same over real connections."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.proxy import context, events
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.test import taddons, tflow

from zerogravity.capture import http2_reset, mitm


class Handler:
    """A connection of a client, with the layers that it has."""

    def __init__(self, top: context.Context) -> None:
        self.layer = HttpLayer(top, HTTPMode.regular)
        self.got: list[events.Wakeup] = []

    async def server_event(self, event: events.Wakeup) -> None:
        self.got.append(event)


def add_stream(layer: HttpLayer, number: int) -> HttpStream:
    stream = HttpStream(layer.context.fork(), number)
    stream.flow = tflow.tflow()
    layer.streams[number] = stream
    return stream


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Handler:
    def run(work: Any, *_: object) -> None:
        with pytest.raises(StopIteration):
            work.send(None)

    monkeypatch.setattr(mitm, "spawn", run)
    with taddons.context() as made:
        client = tflow.tclient_conn()
        return Handler(context.Context(client, made.options))


def test_one_stream_is_cancelled_on_both_sides(handler: Handler) -> None:
    add_stream(handler.layer, 1)
    ended = add_stream(handler.layer, 3)
    http2_reset.end(ended.flow, handler)  # type: ignore[arg-type]
    (wakeup,) = handler.got
    (ending,) = handler.layer.command_sources.values()
    assert list(handler.layer.command_sources) == [wakeup.command]
    request, response = ending.handle_event(wakeup)
    assert isinstance(request, ReceiveHttp) and isinstance(request.event, RequestProtocolError)
    assert isinstance(response, SendHttp) and isinstance(response.event, ResponseProtocolError)
    assert (request.event.stream_id, response.event.stream_id) == (3, 3)
    assert {request.event.code, response.event.code} == {ErrorCode.CANCEL}
    assert response.connection is handler.layer.context.client


def test_a_stream_in_a_tunnel_is_reached_through_the_one_that_carries_it(handler: Handler) -> None:
    carrier = add_stream(handler.layer, 1)
    below = HttpLayer(carrier.context, HTTPMode.transparent)
    ended = add_stream(below, 5)
    http2_reset.end(ended.flow, handler)  # type: ignore[arg-type]
    (wakeup,) = handler.got
    assert handler.layer.command_sources == {wakeup.command: carrier}
    (ending,) = below.command_sources.values()
    assert [command.event.stream_id for command in ending.handle_event(wakeup)] == [5, 5]  # type: ignore[attr-defined]


def test_a_flow_that_has_ended_changes_nothing(handler: Handler) -> None:
    add_stream(handler.layer, 1)
    http2_reset.end(tflow.tflow(), handler)  # type: ignore[arg-type]
    assert handler.got == []
    assert handler.layer.command_sources == {}


@pytest.mark.parametrize("clients", [True, False])
def test_which_side_has_reset_a_stream(handler: Handler, clients: bool) -> None:
    """As mitmproxy notes it before the ``error`` hook."""
    stream = add_stream(handler.layer, 1)
    stream.client_state = stream.state_errored if clients else stream.state_done
    assert http2_reset.is_clients(stream.flow, handler) is clients  # type: ignore[arg-type]
    assert not http2_reset.is_clients(tflow.tflow(), handler)  # type: ignore[arg-type]
