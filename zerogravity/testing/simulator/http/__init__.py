"""An HTTP server with every byte in one's own hands, for stand-ins: ``HttpServer`` answers each ``Exchange``."""

from zerogravity.testing.simulator.http.exchange import ClientGone, Exchange
from zerogravity.testing.simulator.http.server import HttpServer

__all__ = ["ClientGone", "Exchange", "HttpServer"]
