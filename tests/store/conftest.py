"""The front server over real sockets, which is what waits for a store."""

from tests.server.conftest import no_leaks, serve

__all__ = ["no_leaks", "serve"]
