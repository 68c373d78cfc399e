"""The client's request of a turn → a cURL command that sends it again. Its key is left out. Pure.

The body is given as a here-document: an agent's is larger than what Linux takes as one argument (128 KiB), and nothing
in it needs to be quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from zerogravity.observe.requests import CLIENT
from zerogravity.observe.source import TurnSource
from zerogravity.surfaces.base import Surfaces
from zerogravity.wire.narrow import members, text

END = "JSON"  # ends the here-document; no line of indented JSON is this word
MEANT = ("accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta")  # what they say counts
KEYS = {  # header of a client's key → what stands for its value
    "authorization": "Bearer $OPENAI_API_KEY",
    "x-api-key": "$ANTHROPIC_API_KEY",
    "x-goog-api-key": "$GEMINI_API_KEY",
}


def head(source: TurnSource, surfaces: Surfaces) -> str | None:
    """The command up to its body, which goes below it with a line ``JSON`` behind. None: no request of a client's was
    recorded."""
    surface = surfaces.get(text(source.info.get("surface")))
    request = source.body(CLIENT)
    if surface is None or request is None:
        return None
    headers = {name.lower(): text(value) for name, value in members(request.get("headers")).items()}
    model = quote(text(source.info.get("model")), safe="")
    url = f"http://{headers.get('host') or 'localhost'}{surface.url(model, stream=bool(source.info.get('stream')))}"
    words = [shlex.join(["curl", "-gN", "-X", "POST", url]), *map(_option, _headers(headers))]
    return " \\\n  ".join([*words, f"--data-binary @- <<'{END}'"])


def _headers(headers: Mapping[str, str]) -> list[str]:
    meant = {"content-type": "application/json", **{name: headers[name] for name in MEANT if name in headers}}
    return [*(f"{name}: {value}" for name, value in meant.items()), *(name for name in KEYS if name in headers)]


def _option(header: str) -> str:
    """Of a key only the name is given."""
    if header in KEYS:
        return f'-H "{header}: {KEYS[header]}"'
    return f"-H {shlex.quote(header)}"
