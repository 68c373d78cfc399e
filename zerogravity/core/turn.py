"""``Turn``: the whole meaning of one request, in Google's own shape, since there is one upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """The model a turn is served by.

    ``name``    the id that clients see, e.g. ``gemini-3-flash``.
    ``ls_model``  what the language server is told: enum name (``MODEL_PLACEHOLDER_M18``) or number as text.
    ``wire_model``  what Google is told instead of the LS's own choice; None keeps the LS's.
    ``family``  ``gemini-2.5``, ``gemini-3``, ``claude``, ``gpt-oss`` …: decides thinking fields and ids on calls.
    """

    name: str
    ls_model: str
    wire_model: str | None = None
    family: str = "gemini-3"


@dataclass(frozen=True, slots=True)
class Model:
    """One that a back end offers. ``name``: what it is told; ``label``: what people read, if it says so; ``left``: the
    fraction of its quota that remains, None when that is not said (which can mean none)."""

    name: str
    label: str = ""
    left: float | None = None

    @property
    def shown(self) -> str:
        """What people read, in any case."""
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class Turn:
    """One request, translated once.

    ``surface``     the name of the API it came by; ``passive``: recorded, answered by nobody.
    ``google_request``  in Google's form: contents, systemInstruction, tools, toolConfig, generationConfig,
                    safetySettings.
    ``echo``        what the surface must echo back (Responses: every request parameter).
    ``tool_names``  upstream function name → the client's tool name, only where they differ.
    ``tool_kinds``  client's tool name → kind where it is not ``function`` (``custom`` …).
    ``owner``       a hash of the key that made it: stored responses and replays are scoped to it (T21).
    ``created``     wall-clock seconds of arrival; display only, all timing is monotonic.
    ``size``        bytes of memory that the request takes, about, with what it has pulled in; 0: not known.
    ``notes``       what translation changed or lost (dropped schema keywords …): for a header of the answer, the trace.
    """

    id: str
    surface: str
    model: str
    target: Target
    google_request: Mapping[str, Any]
    stream: bool = False
    store: bool = False
    background: bool = False
    previous_id: str | None = None
    echo: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    tool_names: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    tool_kinds: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    owner: str = ""
    created: int = 0
    size: int = field(default=0, compare=False)
    notes: tuple[str, ...] = ()

    def client_name(self, upstream_name: str) -> str:
        """The client's name of a function that Google calls ``upstream_name``."""
        return self.tool_names.get(upstream_name, upstream_name)
