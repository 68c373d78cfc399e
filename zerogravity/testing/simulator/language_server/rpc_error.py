"""``RpcError``: how a method of the language-server stand-in refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class RpcError(Exception):
    """A Connect error. ``status``: HTTP's."""

    status: int
    code: str
    message: str
