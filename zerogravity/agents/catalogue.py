"""``REGISTRY``: every client by its name; and which one a command line starts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from zerogravity.agents.agent import Agent
from zerogravity.agents.coders import CODERS
from zerogravity.agents.sdks import SCRIPT, SDKS

REGISTRY: Mapping[str, Agent] = MappingProxyType({agent.name: agent for agent in (*CODERS, *SDKS)})
LAUNCHERS = frozenset({"npx", "bunx", "uvx"})  # their first word that is no flag is a package


class Known(NamedTuple):
    """``at``: how many words of the command line come before the client's own arguments."""

    agent: Agent
    at: int


def known(words: Sequence[str]) -> Known:
    """The client that a command line starts: by the program's name, or by the package that a launcher is told to start;
    else a program that nobody knows."""
    at = 1
    if _program(words[0]) in LAUNCHERS:
        at = next((at for at, word in enumerate(words[1:], 2) if not word.startswith("-")), 1)
    name = _program(words[at - 1]) if at == 1 else _package(words[at - 1])
    found = next((agent for agent in REGISTRY.values() if name in agent.commands), None)
    return Known(found, at) if found is not None else Known(SCRIPT, 1)


def _program(word: str) -> str:
    name = word.replace("\\", "/").rpartition("/")[2]
    return name.removesuffix(".exe").removesuffix(".cmd")


def _package(word: str) -> str:
    """Without its version: ``@scope/name@1.2`` → ``@scope/name``."""
    return word[:1] + word[1:].partition("@")[0]
