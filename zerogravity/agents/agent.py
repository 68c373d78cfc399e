"""``Agent``: a client, and how it is told where the gateway is: for one run, and for good. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MODEL, SMALL_MODEL = "gemini-3.1-pro", "gemini-3-flash"  # where nobody says which
ANY_KEY = "any"  # for a gateway that asks for none: clients insist on one


@dataclass(frozen=True, slots=True)
class Target:
    """What a client has to know. ``url``: the gateway's, without a slash at its end; ``small_model``: for what a client
    does beside its work (titles, summaries)."""

    url: str
    key: str = ANY_KEY
    model: str = MODEL
    small_model: str = SMALL_MODEL

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"

    @property
    def google(self) -> str:
        return f"{self.url}/v1beta"


@dataclass(frozen=True, slots=True)
class StandIn:
    """The run's own folder takes the place of one of the user's for settings; what else is in there is linked to.

    ``variable``  names the folder to the client.
    ``default``   where it is without the variable (``~/…``).
    ``inside``    the part of it that holds the settings.
    ``merged``    JSON files whose members are put into the user's.
    """

    variable: str
    default: str
    inside: str = ""
    merged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Start:
    """What a client is started with for one run.

    ``env``        variables; None: one that would lead it elsewhere is taken away.
    ``arguments``  stand before the user's own, which win where they say the same.
    ``files``      name → text, in the run's own folder; with ``stands_in`` in the part of it that holds the settings.
    """

    env: Mapping[str, str | None]
    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    stands_in: StandIn | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a lasting configuration. ``place``: a file (``~/…``), ``SHELL``,
    ``PROGRAM``, or ``ONCE`` for a command that writes the client's own settings."""

    place: str
    text: str


SHELL = "your shell's profile"
PROGRAM = "your program"
ONCE = "type this once, in a shell"


@dataclass(frozen=True, slots=True)
class Agent:
    """A client.

    ``name``      what ``zerogravity config`` calls it.
    ``title``     what people call it.
    ``commands``  the programs, and the packages that npx and uvx start; none: it is a library.
    ``start``     (target, the run's own folder) → how it is started for one run.
    ``lasting``   target → its configuration for good.
    ``local``     first words of command lines that ask no model: they get no arguments of ours.
    """

    name: str
    title: str
    commands: tuple[str, ...]
    start: Callable[[Target, str], Start]
    lasting: Callable[[Target], tuple[Part, ...]]
    local: frozenset[str] = frozenset()


def exports(variables: Mapping[str, str]) -> Part:
    """Variables for good. No value of ours needs quoting."""
    return Part(SHELL, "".join(f"export {name}={value}\n" for name, value in variables.items()))
