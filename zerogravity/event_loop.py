"""The event loop of ``zerogravity serve``: uvloop's where the extra ``fast`` is installed, otherwise asyncio's own.

Under ``mitmdump -s`` the loop is mitmproxy's choice.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any


def factory() -> Callable[[], AbstractEventLoop] | None:
    """What makes the loop; None: asyncio's default."""
    try:
        import uvloop
    except ImportError:
        return None

    class Loop(uvloop.Loop):
        """uvloop's, for mitmproxy: it starts tasks eagerly, and uvloop 0.23 gives a task factory an argument more than
        asyncio's eager one takes before Python 3.14."""

        def set_task_factory(self, factory: Any) -> None:
            super().set_task_factory(_eager if factory is asyncio.eager_task_factory else factory)

    return Loop


def _eager(loop: AbstractEventLoop, work: Any, *, eager_start: bool = True, **further: Any) -> asyncio.Task[Any]:
    return asyncio.eager_task_factory(loop, work, **further)
