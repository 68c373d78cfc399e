"""Quick imports, each in a fresh interpreter: what they leave out, and that it is there once somebody asks."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROXY_PARTS = "import gc, sys\nfrom zerogravity.cli import imports\nwith imports.quick():\n    {within}\n{after}"


@pytest.mark.parametrize(
    ("within", "after"),
    [
        ("from mitmproxy.addons import core, termlog", "assert not {'flask', 'ldap3'} & set(sys.modules)"),
        ("from mitmproxy.addons import core", "from mitmproxy.addons import core as same\nassert core is same"),
        ("from mitmproxy.addons import core", "from mitmproxy import addons\nassert len(addons.default_addons()) > 20"),
        ("from mitmproxy.addons import core", "from mitmproxy.addons import save\nassert save.Save"),
        ("pass", "import mitmproxy.addons\nassert not hasattr(mitmproxy.addons, 'nonsense')"),
        ("assert not gc.isenabled()", "assert gc.isenabled()"),
        ("gc.disable()", "assert gc.isenabled(), 'as it was before'"),
    ],
)
def test_mitmproxy_s_addons_one_by_one(within: str, after: str) -> None:
    script = PROXY_PARTS.format(within=within, after=after)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_there_stays_as_it_is() -> None:
    script = "import mitmproxy.addons as before\n" + PROXY_PARTS.format(
        within="pass", after="import mitmproxy.addons\nassert mitmproxy.addons is before"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_collection_that_was_off_stays_off() -> None:
    script = "import gc\ngc.disable()\n" + PROXY_PARTS.format(within="pass", after="assert not gc.isenabled()")
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_redis_is_imported_only_for_a_store_that_is_there() -> None:
    script = "import sys, zerogravity.compose, zerogravity.cli.main\nassert 'redis' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
