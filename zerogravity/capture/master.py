"""``zerogravity serve``: mitmproxy with only the addons this job needs, and ours, in one process.

The same addon as under ``mitmdump -s``; what is left out (flow view, dumper, script watcher, playback …) costs time
per flow and serves nobody here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from mitmproxy import exceptions, options
from mitmproxy.addons import core, disable_h2c, errorcheck, next_layer, proxyserver, tlsconfig, update_alt_svc
from mitmproxy.master import Master

from zerogravity.capture import proxy_guard
from zerogravity.capture.addon import Capture
from zerogravity.errors import bad_request

FLAGS = ("--listen", "--proxy-port")  # what the command calls its ports


async def serve(settings: Mapping[str, Any], further: Sequence[str] = (), *, verbosity: str = "info") -> int:
    """Run until SIGINT or SIGTERM. ``settings`` are mitmproxy options (``mode``, ``confdir``, ``zg_…``) by name,
    ``further`` ones as ``NAME=VALUE``, as mitmdump takes them; where both name one of ours, ``settings`` counts.

    Returns the exit code; errors during start have been logged. Raises FaultError for a refused option.
    """
    logging.getLogger().setLevel(logging.DEBUG)  # mitmproxy's handlers filter by themselves
    for name in ("asyncio", "hpack"):
        logging.getLogger(name).setLevel(logging.WARNING)
    master = Master(options.Options(), with_termlog=True)
    check = errorcheck.ErrorCheck()
    capture = Capture(FLAGS)
    master.addons.add(
        core.Core(),
        disable_h2c.DisableH2C(),
        proxyserver.Proxyserver(),
        capture,  # as a script would: what is opened is decided before mitmproxy chooses
        next_layer.NextLayer(),
        tlsconfig.TlsConfig(),
        update_alt_svc.UpdateAltSvc(),
        check,
    )
    try:
        master.options.update(termlog_verbosity=verbosity, **settings)
        master.options.set(*further)
        master.options.update(**{name: value for name, value in settings.items() if name.startswith("zg_")})
    except exceptions.OptionsError as error:
        await master.done()
        raise bad_request(str(error), code="invalid_config") from None
    if why := proxy_guard.taken(FLAGS[1]):
        logging.getLogger("zerogravity.capture").error("zerogravity cannot serve: %s", why)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, master.shutdown)
    gc.freeze()
    try:
        await master.run()
    except SystemExit as ended:  # errorcheck's way to say that the start failed
        await master.done()
        return int(ended.code or 0)
    return 0
