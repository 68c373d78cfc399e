"""Imports for a process that is to be ready soon."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

ADDONS = "mitmproxy.addons"


@contextmanager
def quick() -> Generator[None]:
    """For import statements. Nothing that they make is garbage, so none is looked for meanwhile; and of mitmproxy's
    addons only those come that are named: the package itself imports all, with a web framework, an LDAP client and a
    parser of filters, for a list that nobody asks for here."""
    collects = gc.isenabled()
    gc.disable()
    if ADDONS not in sys.modules:
        _put_in_place(ADDONS)
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _put_in_place(name: str) -> None:
    """A package whose ``__init__`` runs only when something is asked for that it defines itself."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    package, loader = importlib.util.module_from_spec(spec), spec.loader

    def missing(wanted: str) -> Any:
        if wanted.startswith("__") or importlib.util.find_spec(f"{name}.{wanted}") is not None:
            raise AttributeError(wanted)  # a module of it: the import statement gets it
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, wanted)

    package.__dict__["__getattr__"] = missing
    sys.modules[name] = package
    parent, _, attribute = name.rpartition(".")
    setattr(sys.modules[parent], attribute, package)
