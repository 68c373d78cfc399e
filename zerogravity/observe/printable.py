"""Any text → what may go to a terminal: nothing that it would obey. Pure."""

from __future__ import annotations

import re

# C0 and C1 controls, line and paragraph separators, what turns the direction of writing round, half surrogate pairs
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """With control characters made visible, but for new lines and tabs."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def on_one_line(text: str) -> str:
    """The same, with single spaces in place of all space."""
    return printable(" ".join(text.split()))
