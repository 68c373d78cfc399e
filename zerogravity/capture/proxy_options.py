"""mitmproxy's own settings as the path needs them, and how a language server reaches the proxy that results."""

from __future__ import annotations

import gc
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from zerogravity.backends.base import Route
from zerogravity.capture import mitm
from zerogravity.hosts import widen


def prepare() -> None:
    # Connect only when a request is there: then a Google that is out of reach fails that turn, at once.
    mitm.set_options(ctx.options, connection_strategy="lazy")
    if not all(spec.startswith("reverse:") for spec in ctx.options.mode):
        # A copied upstream certificate would break our authority's name constraints (T6).
        mitm.set_options(ctx.options, upstream_cert=False)
    widen(mitm.listening())  # a language server may make its calls for many turns at once; asyncio lets 100 wait


def freeze_imports() -> None:
    """What is imported by now stays for ever: take it out of garbage collection, and collect less often (measured)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def route() -> Route:
    """How a language server reaches the proxy that this mitmproxy is."""
    trusted = ctx.options.ssl_verify_upstream_trusted_ca
    ca = Path(trusted).expanduser() if trusted else None
    for spec in ctx.options.mode:
        mode = ProxyMode.parse(spec)
        url = f"http://127.0.0.1:{mode.listen_port(ctx.options.listen_port)}"
        if isinstance(mode, ReverseMode):
            host, port = mode.address
            host = f"[{host}]" if ":" in host else host
            return Route(endpoint=url, google=f"{mode.scheme}://{host}:{port}", google_ca=ca)
        if mode.type_name in ("regular", "upstream"):
            return Route(proxy=url, bundle=Path(ctx.options.confdir).expanduser() / "bundle.pem", google_ca=ca)
    return Route(google_ca=ca)
