"""zerogravity: a local gateway and microscope for agents behind a Google language server."""

from pathlib import Path

__version__ = "0.1.0"

PYTHON = (3, 12)  # the least that it runs in
MITMPROXY = "12.2.2"

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent / "addons" / "capture.py"
ADDON = _CHECKOUT if _CHECKOUT.exists() else _PACKAGE / "capture" / "script.py"  # what `mitmdump -s` loads
