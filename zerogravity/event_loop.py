"""The event loop of ``zerogravity serve``: uvloop where the extra ``zerogravity[uvloop]`` is installed, which takes a
fifth of the CPU of a paced event away; asyncio's own elsewhere, and in all other commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zerogravity.errors import bad_request


def factory(choice: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop that the setting ``loop`` chooses; None: asyncio itself. ``auto``: the fastest there is.
    Raises FaultError for uvloop that is not installed."""
    if choice == "asyncio":
        return None
    try:
        from zerogravity.uvloop_loop import Loop
    except ImportError:
        if choice == "auto":
            return None
        why = "loop is uvloop, which is not installed; install zerogravity[uvloop], or leave the setting out"
        raise bad_request(why, code="invalid_config", param="loop") from None
    return Loop
