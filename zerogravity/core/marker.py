"""The marker ``.<cid:ID>``: what a back end gets with a turn, so that its call to Google can be recognised; and the
words that Google's own programs put around a user's. Pure: text in, text out.

Facts: language-server-and-google D.1-D.3; antigravity-runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

REQUEST, REQUEST_END = "<USER_REQUEST>", "</USER_REQUEST>"
REMINDER = "<EPHEMERAL_MESSAGE>"
QUOTED = ("# Conversation History", "# Resuming from a compaction")  # texts that begin so repeat older ones
RETRY = "Error: "  # begins a text that tells a model to try again

_MARKER = re.compile(r"<cid:([^<>\s]{1,128})>")
_STEP = re.compile(r"\s*(?:Step Id: \d+\s+)?")


def marker_for(cascade_id: str) -> str:
    """The whole text that a cascade gets instead of the user's."""
    return f".<cid:{cascade_id}>"


def cascades(text: str) -> list[str]:
    """The cascades that the markers in a text name, in their order."""
    return _MARKER.findall(text)


def requests(text: str) -> Iterator[str]:
    """What stands inside each wrapper of a user's request."""
    for piece in text.split(REQUEST)[1:]:
        inside, end, _ = piece.partition(REQUEST_END)
        if end:
            yield inside


def unnumbered(text: str) -> str:
    """A text without the step's number, and the space, that it begins with."""
    return _STEP.sub("", text, count=1)
