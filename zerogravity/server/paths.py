"""The path of a request → its canonical form, the surface it belongs to, a suggestion where nothing is served. Pure;
raw (percent-encoded) paths throughout.

Superfluous slashes are ignored. A wrong base (``/api/v1/…``, ``/v1/v1/…``, ``/V1/…``, no version) is not served: the
404 names the right path, since the client's setting has to be corrected, and each path has one spelling.

``/run/ID/…`` is the same as ``/…``, for turns of one ``zerogravity run``.
"""

from __future__ import annotations

import re

from zerogravity.surfaces.base import FieldNames, Surface, Surfaces

PAGE = "/inspector/"  # a slash at the end means something here: the page's own links are relative to it
VERSIONS = ("v1", "v1beta", "v1alpha")
_SLASHES = re.compile(r"/{2,}")
_OF_RUN = re.compile(r"/run/([0-9a-z]{4,32})(/.*)")


def canonical(path: str) -> str:
    """The path with one slash wherever there are several, and none at its end (but for the inspector's page)."""
    if "//" not in path and not path.endswith("/"):
        return path
    single = _SLASHES.sub("/", path)
    return single if single.startswith(PAGE) else single.rstrip("/") or "/"


def split_run(path: str) -> tuple[str, str]:
    """A canonical path → (id of the run whose program asks, or ""; the path without it)."""
    found = _OF_RUN.fullmatch(path)
    return (found[1], found[2]) if found is not None else ("", path)


def surface_at(path: str, surfaces: Surfaces, headers: FieldNames = (), query: FieldNames = ()) -> Surface:
    """The surface that a path belongs to; else the one whose client asks; else the first one."""
    first, *_ = found = tuple(surfaces.values())
    owners = (surface for surface in found if surface.owns(path))
    clients = (surface for surface in found if surface.is_client(headers, query))
    return next(owners, None) or next(clients, first)


def existing(surfaces: Surfaces) -> str:
    """The paths there are, in words."""
    *places, last = (surface.url("{model}", stream=False) for surface in surfaces.values())
    return f"There are {', '.join([*places, '/v1/models'])} and {last}."


def suggestion(path: str, surfaces: Surfaces) -> str | None:
    """The existing path that an unknown one was probably meant to be."""
    parts = canonical(path).strip("/").split("/")
    for at in range(len(parts)):
        found = _of_turns(parts[at:], surfaces) or _served(parts[at:], parts[at - 1].lower() if at else "")
        if found is not None:
            return found if found != path else None
    return None


def _of_turns(parts: list[str], surfaces: Surfaces) -> str | None:
    """The path of a surface that ends in ``parts``; or the one below it, where all of that is the surface's."""
    for surface in surfaces.values():
        for path in surface.paths:
            _, _, *words = path.split("/")
            begin, rest = [part.lower() for part in parts[: len(words)]], parts[len(words) :]
            if begin == words and (not rest or path == surface.root):
                return "/".join([path, *rest])
    return None


def _served(parts: list[str], before: str) -> str | None:
    """The path that no surface has for itself and that ends in ``parts``; ``before``: what stands before them."""
    word, *rest = parts
    match word.lower():
        case "models" | "tunedmodels" as kind:
            calls = rest and (":" in rest[-1] or "%3a" in rest[-1].lower())
            version = before if before in VERSIONS else "v1beta" if calls else "v1"
            return "/".join(["", version, "models" if kind == "models" else "tunedModels", *rest])
        case "conversations":
            return "/".join(["", "v1", "conversations", *rest])
        case "token" if not rest and before in ("", *VERSIONS):
            return "/v1/token"
        case "health" | "ready" | "metrics" | "inspector" as own if not rest:
            return f"/{own}"
        case _:
            return None
