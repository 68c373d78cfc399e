"""zerogravity: a local gateway and microscope for agents behind a Google language server."""

__version__ = "0.1.0"

PYTHON = (3, 12)  # the least that it runs in
MITMPROXY = "12.2.2"
