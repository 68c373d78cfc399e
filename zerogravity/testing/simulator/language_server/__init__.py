"""The editor's language server, played: ``LanguageServerSimulator`` behaves as its ``LsOptions`` say."""

from zerogravity.testing.simulator.language_server.google_client import GoogleCall
from zerogravity.testing.simulator.language_server.options import BUILDS, LsOptions, build
from zerogravity.testing.simulator.language_server.server import LanguageServerSimulator

__all__ = ["BUILDS", "GoogleCall", "LanguageServerSimulator", "LsOptions", "build"]
