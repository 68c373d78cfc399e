"""The names of the package: the options alone are there from the start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zerogravity.testing.simulator import language_server


@pytest.mark.parametrize("name", language_server.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(language_server, name)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        language_server.nonsense  # noqa: B018


def test_the_options_come_without_the_server() -> None:
    script = f"import sys\nfrom {language_server.__name__} import LsOptions\nassert 'aiohttp' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
