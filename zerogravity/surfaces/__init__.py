"""``REGISTRY``: every API that is spoken here, and the only list of them. Rooms are handed it by whoever composes them;
the first one answers at paths that are nobody's. It is made when somebody first asks for it: most commands need none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerogravity.surfaces.base import Surfaces

    REGISTRY: Surfaces


def _registry() -> Surfaces:
    from zerogravity.surfaces import chat, gemini, responses

    found = (
        responses.surface,
        chat.surface,
        gemini.surface,
    )
    return {surface.name: surface for surface in found}


def __getattr__(name: str) -> Any:
    if name != "REGISTRY":
        raise AttributeError(name)
    made = globals()[name] = _registry()
    return made
