"""Google's own agent runtime, as a real component of the path. Its wheel is installed into the cache of the clients.

Where it cannot be had these tests are skipped with the reason; with ``REQUIRE_RUNTIME=1`` they fail.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from tests.clients.install import client

HERE = Path(__file__).resolve().parent
REQUIRED = os.environ.get("REQUIRE_RUNTIME") == "1"
BINARY = Path("google", "antigravity", "bin", "localharness")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked, and bounded: the first use installs the wheel."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.runtime)
            item.add_marker(pytest.mark.timeout(600))


@cache
def installed() -> Path | str:
    """The folder of an environment that holds the SDK and its runtime, or why there is none."""
    try:
        return client("runtime")
    except (AssertionError, OSError) as error:
        return f"google-antigravity cannot be installed: {str(error)[-300:]}"


def real_environment() -> Path:
    """The folder, or the test ends here."""
    found = installed()
    if isinstance(found, Path):
        return found
    if REQUIRED:
        pytest.fail(found)
    pytest.skip(found)


def real_program() -> Path:
    """The runtime's executable, or the test ends here."""
    (found,) = real_environment().glob(f"lib/python3*/site-packages/{BINARY}")
    return found


@pytest.fixture(scope="session")
def environment() -> Path:
    """A virtual environment with the package google-antigravity; ``bin/python`` runs its SDK."""
    return real_environment()


@pytest.fixture(scope="session")
def binary() -> Path:
    """The runtime's executable."""
    return real_program()
