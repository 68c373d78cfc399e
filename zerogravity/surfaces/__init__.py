"""``REGISTRY``: the only list of the APIs that are served. Other packages get it passed in; paths that belong to no API
use the form of the client's, else of the first. It is built on first use, since most commands do not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerogravity.surfaces.base import Surfaces

    REGISTRY: Surfaces


def _registry() -> Surfaces:
    from zerogravity.surfaces import chat, gemini, messages, responses

    found = (
        responses.surface,
        chat.surface,
        messages.surface,
        gemini.surface,
    )
    return {surface.name: surface for surface in found}


def __getattr__(name: str) -> Any:
    if name != "REGISTRY":
        raise AttributeError(name)
    made = globals()[name] = _registry()
    return made
