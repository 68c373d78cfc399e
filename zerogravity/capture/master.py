"""``zerogravity serve``: mitmproxy with only the addons this job needs, and ours, in one process.

The same addon as under ``mitmdump -s``; what is left out (flow view, dumper, script watcher, playback …) costs time
per flow and is of no use here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mitmproxy import exceptions, options
from mitmproxy.addons import core, disable_h2c, errorcheck, next_layer, proxyserver, tlsconfig, update_alt_svc
from mitmproxy.master import Master

from zerogravity.capture import mitm, proxy_guard
from zerogravity.capture.addon import Capture
from zerogravity.compose import Gateway
from zerogravity.config import Config
from zerogravity.errors import bad_request

FLAGS = ("--listen", "--proxy-port")  # the command's options for its ports


async def serve(
    settings: Mapping[str, Any],
    further: Sequence[str] = (),
    *,
    verbosity: str = "info",
    started: Callable[[Config, Gateway], None],
) -> int:
    """Run until SIGINT or SIGTERM. ``settings``: mitmproxy options (``mode``, ``confdir``, ``zg_…``) by name.
    ``further``: as ``NAME=VALUE``, as mitmdump takes them; ``settings`` win where both name one of ours. ``started``:
    is told when agents are answered. The log is printed by the handler that is there, not by mitmproxy's.

    Returns the exit code; errors during start have been logged. Raises FaultError for a refused option.
    """
    logging.getLogger().setLevel(logging.DEBUG)  # handlers filter by themselves
    for name in ("asyncio", "hpack", "mitmproxy"):  # the last tells of each answer: a record redacted for nobody
        logging.getLogger(name).setLevel(logging.WARNING)
    master = Master(options.Options(), with_termlog=True)
    mitm.no_log_events()
    mitm.no_terminal_log()
    mitm.check_no_messages()
    mitm.copy_no_options()
    mitm.lower_names_at_once()
    mitm.take_flows_at_once()
    mitm.keep_queues_small()
    mitm.keep_nothing_read()
    check = errorcheck.ErrorCheck()
    capture = Capture(FLAGS, started)
    mitm.add_addons(
        master,
        core.Core(),
        disable_h2c.DisableH2C(),
        proxyserver.Proxyserver(),
        capture,  # where a script would be: before mitmproxy's own choice of what is intercepted
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
        update_alt_svc.UpdateAltSvc(),
        check,
    )
    mitm.find_listeners_once(master)
    try:
        mitm.set_options(master.options, termlog_verbosity=verbosity, **settings)
        master.options.set(*further)
        ours = {name: value for name, value in settings.items() if name.startswith("zg_")}
        mitm.set_options(master.options, **ours)
    except exceptions.OptionsError as error:
        await master.done()
        raise bad_request(str(error), code="invalid_config") from None
    if why := proxy_guard.port_taken(FLAGS[1]):
        logging.getLogger("zerogravity.capture").error("zerogravity cannot serve: %s", why)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, master.shutdown)
    gc.freeze()
    try:
        await master.run()
    except SystemExit as ended:  # errorcheck's way to report that the start failed
        await master.done()
        return int(ended.code or 0)
    return 0
