"""The editor's language server, played: ``LanguageServerSimulator`` behaves as its ``LsOptions`` say.

The options come without the server, whose modules are imported when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zerogravity.testing.simulator.language_server.options import BUILDS, LsOptions, build

if TYPE_CHECKING:
    from zerogravity.testing.simulator.language_server.google_client import GoogleCall
    from zerogravity.testing.simulator.language_server.server import LanguageServerSimulator

__all__ = ["BUILDS", "GoogleCall", "LanguageServerSimulator", "LsOptions", "build"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zerogravity.testing.simulator.language_server.google_client import GoogleCall
    from zerogravity.testing.simulator.language_server.server import LanguageServerSimulator

    globals().update(GoogleCall=GoogleCall, LanguageServerSimulator=LanguageServerSimulator)
    return globals()[name]
