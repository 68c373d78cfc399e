"""``REGISTRY``: every API that is spoken here, and the only list of them. Rooms are handed it by whoever composes them;
the first one answers at paths that are nobody's.
"""

from __future__ import annotations

from zerogravity.surfaces import chat, gemini, responses
from zerogravity.surfaces.base import Surfaces

REGISTRY: Surfaces = {
    surface.name: surface
    for surface in (
        responses.surface,
        chat.surface,
        gemini.surface,
    )
}
