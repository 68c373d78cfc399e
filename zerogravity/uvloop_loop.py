"""``Loop``: uvloop with what asyncio's loop has and uvloop 0.23 lacks. Raises ImportError where there is no uvloop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from errno import EPERM
from functools import partial
from subprocess import SubprocessError
from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """Child processes that join a process group, and factories of tasks as every supported Python has them."""

    _factory: Callable[..., Any] | None = None

    async def subprocess_exec[Protocol: asyncio.BaseProtocol](
        self, protocol_factory: Callable[[], Protocol], *args: Any, process_group: int | None = None, **kwargs: Any
    ) -> tuple[asyncio.BaseProtocol, Protocol]:
        """``process_group`` as for ``subprocess.Popen``. Raises OSError, and ValueError for a NUL, where uvloop would
        stop reading."""
        env: Mapping[Any, Any] = kwargs.get("env") or {}
        if any("\0" in os.fsdecode(word) for word in (*args, kwargs.get("cwd") or "", *env, *env.values())):
            raise ValueError("embedded null byte")
        if process_group is not None:  # a builtin only: nothing of ours runs between fork and exec
            kwargs["preexec_fn"] = partial(os.setpgid, 0, process_group)
        try:
            return await super().subprocess_exec(protocol_factory, *args, **kwargs)
        except SubprocessError as error:  # the group is not there any more
            raise PermissionError(EPERM, str(error)) from None

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        self._factory = factory
        super().set_task_factory(None if factory is None else partial(_made, factory))

    def get_task_factory(self) -> Callable[..., Any] | None:
        """The one that was set: anyio knows an eager one by its code."""
        return self._factory


def _made(factory: Callable[..., Any], *args: Any, eager_start: bool | None = None, **kwargs: Any) -> Any:
    """uvloop hands ``eager_start`` on although nobody has said it: Python 3.13.0 refuses that, and later ones take None
    for "no", where the factory is there to say yes."""
    if eager_start is not None:
        kwargs["eager_start"] = eager_start
    return factory(*args, **kwargs)
