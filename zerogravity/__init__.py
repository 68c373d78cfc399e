"""zerogravity: a local gateway and microscope for agents behind a Google language server."""

__version__ = "0.1.0"
