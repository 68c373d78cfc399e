"""The parts of mitmproxy that have no type hints, with some: the one file where the checker looks away."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Coroutine, Iterable, Iterator, MutableMapping
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, cast

from mitmproxy import ctx, http
from mitmproxy.addonmanager import safecall, traverse
from mitmproxy.addons.termlog import TermLogHandler
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook
from mitmproxy.log import LegacyLogEvents
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.utils import asyncio_utils


def headers(message: http.Message) -> MutableMapping[str, str]:
    return message.headers


def addon(name: str) -> Any:
    """The addon of that name; None if there is none."""
    return ctx.master.addons.get(name)


def listening() -> Iterator[socket.socket]:
    """The TCP sockets of all its ports."""
    proxyserver = addon("proxyserver")
    for mode in proxyserver.servers if proxyserver is not None else ():
        for server in getattr(mode, "_servers", ()):  # UDP's, and those that listen nowhere, have none
            yield from getattr(server, "sockets", ())


def add_addons(master: Master, *addons: object) -> None:
    master.addons.add(*addons)


def no_log_events() -> None:
    """Each log record also becomes an event for addons, a deprecated one that none of ours listens to: it wakes the
    loop, and goes through all of them."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, LegacyLogEvents)]:
        root.removeHandler(handler)


def no_terminal_log() -> None:
    """The log is printed by a handler of ours. mitmproxy's addon stays: ``termlog_verbosity`` is its option."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, TermLogHandler)]:
        root.removeHandler(handler)


def check_no_messages() -> None:
    """mitmproxy checks the types of all fields of each request and response: its own ``assert``, which finds bugs in
    addons, and costs as much as all else that a message does there."""
    if hasattr(http.MessageData, "__post_init__"):  # not under python -O
        setattr(http.MessageData, "__post_init__", _unchecked)  # noqa: B010 - the checker knows no such member


def _unchecked(_: http.MessageData) -> None:
    pass


def keep_queues_small() -> None:
    """Each of mitmproxy's layers, some six of a call, has a queue of events that is nearly always empty; an empty deque
    takes half a KiB."""
    setattr(layer, "collections", SimpleNamespace(deque=_Queue))  # noqa: B010 - as above


class _Queue(list[Any]):
    __slots__ = ()

    def popleft(self) -> Any:
        return self.pop(0)


def find_listeners_once(master: Master) -> None:
    """mitmproxy asks all addons, at each event, whether they listen to it. Here they are asked once for each hook, and
    again when one has come: a first client may be earlier than the last addon. One that fails is logged, and keeps no
    other from being called, as before."""
    manager, listeners, known = master.addons, dict[str, list[Callable[..., Any]]](), 0
    by_name = cast("dict[str, object]", manager.lookup)

    async def trigger_event(event: Hook) -> None:
        nonlocal known
        if known != len(by_name):
            known = len(by_name)
            listeners.clear()
        if (found := listeners.get(event.name)) is None:
            addons = cast("Iterable[object]", traverse(manager.chain))
            found = [hook for addon in addons if callable(hook := getattr(addon, event.name, None))]
            listeners[event.name] = found
        arguments = event.args() if found else ()
        for hook in found:
            try:
                with safecall():
                    result = hook(*arguments)
                    if result is not None and isawaitable(result):
                        await result
            except AddonHalt:
                return

    vars(manager)["trigger_event"] = trigger_event


def set_options(options: Options, **values: object) -> None:
    """All at once. Raises OptionsError, and then none is set."""
    options.update(**values)


def is_set(option: str) -> bool:
    """Whether one of mitmproxy's options is not at its default."""
    return ctx.options.has_changed(option)


def spawn(work: Coroutine[Any, Any, None], name: str, client: tuple[Any, ...] | None) -> None:
    """Run ``work`` on behalf of a client's connection."""
    asyncio_utils.create_task(work, name=name, keep_ref=True, client=client)


def client_has_reset(stream: HttpStream) -> bool:
    """As noted before the ``error`` hook."""
    return stream.client_state == stream.state_errored
