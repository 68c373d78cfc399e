"""The user's settings and environment → which program the runtime is, what it logs in to Google with, and where its
calls go.

Facts: antigravity-runtime; the variables are those of google-genai and google-antigravity.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from zerogravity.errors import Fault, Termination, language_server
from zerogravity.hosts import PUBLIC, VERTEX

PACKAGE, PROGRAM = "google-antigravity", "localharness"
PATH_VARIABLE = "ANTIGRAVITY_HARNESS_PATH"
INSTALL = "Run in the checkout: pip install -e '.[runtime]'; or name the program with runtime_path."
NAME_ANOTHER = f"Set runtime_path or {PATH_VARIABLE} to the runtime's program, or neither to have it found."
GIVE_KEY = "Set GEMINI_API_KEY, or runtime_key; a key is made at https://aistudio.google.com/apikey"
GIVE_PROJECT = "Set GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION, or GOOGLE_API_KEY."
GCLOUD_LOGIN = Path(".config", "gcloud", "application_default_credentials.json")
BY_VERTEX = ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE")
YES = ("true", "1")
_UNKNOWN_IN_KEYS = re.compile(r"[^!-~]")  # none can be sent in a header


@dataclass(frozen=True, slots=True)
class Vertex:
    """A Google Cloud project; with an API key none is named. ``login``: file of its credentials, without a key."""

    project: str = ""
    location: str = ""
    login: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """``binary``: None when there is none. ``key``: an API key; empty: none. ``vertex``: None: the Gemini API.
    ``key_from``: the variable or setting that it comes from. ``named``: the program that was asked for by name."""

    binary: Path | None = None
    key: str = field(default="", repr=False)
    vertex: Vertex | None = None
    named: str = ""
    key_from: str = ""

    @classmethod
    def of(cls, path: str | None, key: str | None, environment: Mapping[str, str] = os.environ) -> Settings:
        """``path`` and ``key`` are the user's own settings; each wins over what is found. Reads files' names only."""
        by_vertex = any(environment.get(name, "").lower() in YES for name in BY_VERTEX)
        named = ("GOOGLE_API_KEY",) if by_vertex else ("GEMINI_API_KEY", "GOOGLE_API_KEY")
        keys = {"runtime_key": (key or "").strip(), **{name: environment.get(name, "").strip() for name in named}}
        origin, found = next(((name, value) for name, value in keys.items() if value), ("", ""))
        vertex = None
        if by_vertex:
            project, location = (environment.get(f"GOOGLE_CLOUD_{name}", "") for name in ("PROJECT", "LOCATION"))
            vertex = Vertex("" if found else project, "" if found else location, None if found else _login(environment))
        named_program = path or environment.get(PATH_VARIABLE, "")
        return cls(_binary(named_program, environment), found, vertex, named_program, origin)

    @property
    def google(self) -> str:
        """The URL of the API that it calls."""
        if self.vertex is None:
            return f"https://{PUBLIC[0]}"
        location = self.vertex.location
        regional = f"{location}-{VERTEX[0]}"
        return f"https://{regional if not self.key and regional in VERTEX else VERTEX[0]}"

    @property
    def missing(self) -> Fault | None:
        """What it lacks, the program first."""
        return self.no_program or self.no_login

    @property
    def no_program(self) -> Fault | None:
        if self.binary is not None:
            return None
        text, remedy = "Google's Antigravity runtime is not installed", INSTALL
        if self.named:
            text, remedy = f"{self.named} is no program that can be run", NAME_ANOTHER
        return language_server(503, "ls_absent", text, Termination.LS_GONE, remedy=remedy, retryable=False)

    @property
    def no_login(self) -> Fault | None:
        if self.key and _UNKNOWN_IN_KEYS.search(self.key):  # pasted with a line break, or half of a sentence
            text = f"what {self.key_from} holds is no API key: it has characters in it that none has"
            return _not_logged_in(text, GIVE_KEY)
        if self.key or (self.vertex is not None and self.vertex.project and self.vertex.location):
            return None
        text, remedy = "the runtime has no API key", GIVE_KEY
        if self.vertex is not None:
            text, remedy = "the runtime knows neither an API key nor a project for Vertex", GIVE_PROJECT
        return _not_logged_in(text, remedy)


def _not_logged_in(text: str, remedy: str) -> Fault:
    return language_server(401, "ls_not_logged_in", text, Termination.LS_REFUSED, remedy=remedy, retryable=False)


def _binary(named: str, environment: Mapping[str, str]) -> Path | None:
    """As Google's own SDK looks for it: named, in the installed package, on the search path."""
    if not named and (installed := _installed()) is not None:
        return installed
    file = Path(named or PROGRAM).expanduser()
    wanted = file.absolute() if os.sep in named else file  # ./localharness is no name to look for
    found = shutil.which(wanted, path=environment.get("PATH"))
    return None if found is None else Path(found).absolute()  # it is started in a folder of its own


def _installed() -> Path | None:
    try:
        files = metadata.distribution(PACKAGE).files or ()
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name in (PROGRAM, f"{PROGRAM}.exe"))
    return next((file for file in found if file.is_file()), None)


def _login(environment: Mapping[str, str]) -> Path | None:
    """The file of application default credentials: the runtime has another home and would not find it."""
    named = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    file = Path(named) if named else Path(environment.get("HOME", "~")).expanduser() / GCLOUD_LOGIN
    return file if file.is_file() else None
