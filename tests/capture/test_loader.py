"""Somebody else's mitmproxy: one sentence on what to run instead, no traceback, and no start."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import mitmdump
from zerogravity.capture import loader

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {"checkout": ROOT / "addons" / "capture.py", "installed": ROOT / "zerogravity" / "capture" / "script.py"}
LACKS = {  # what the other environment is like: name → (a module it finds first, its text, what is said of it)
    "no aiohttp": (
        "aiohttp.py",
        "raise ModuleNotFoundError(\"No module named 'aiohttp'\")",
        "No module named 'aiohttp'",
    ),
    "no pydantic": ("pydantic.py", "raise ModuleNotFoundError(\"No module named 'pydantic'\")", "named 'pydantic'"),
    "old pydantic": ("pydantic.py", "BaseModel = object", "cannot import name 'AfterValidator'"),
    "old": (
        "sitecustomize.py",
        "import mitmproxy.version as v; v.VERSION = '11.0.2'",
        "it is 11.0.2, 12.2.2 is needed",
    ),
    "old Python": (
        "sitecustomize.py",
        "import sys; import zerogravity; zerogravity.PYTHON = (3, 99)",
        f"its Python is {sys.version_info[0]}.{sys.version_info[1]}, 3.99 is needed",
    ),
}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("lack", "script"), [*((lack, "checkout") for lack in LACKS), ("no aiohttp", "installed")], ids=str
)
async def test_an_environment_that_lacks_something(tmp_path: Path, lack: str, script: str) -> None:
    name, text, told = LACKS[lack]
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / name).write_text(text)
    path = f"{tmp_path / 'modules'}:{ROOT}"
    async with mitmdump(tmp_path, "--mode=regular@127.0.0.1:0", addon=SCRIPTS[script], PYTHONPATH=path) as other:
        assert await other.ended() == 1
    assert re.search(rf"zerogravity cannot run in this mitmproxy \(.*{re.escape(told)}.*\): run ", other.said), (
        other.said
    )
    assert "Traceback" not in other.said


@pytest.mark.parametrize("minor", [8, 9, 10, 11])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_an_older_python_understands_our_files(script: Path, minor: int) -> None:
    python = shutil.which(f"python3.{minor}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python 3.{minor}")
    done = subprocess.run([python, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert "zerogravity cannot run in this mitmproxy (" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("there", "script", "told"),
    [
        ([".venv/bin/mitmdump", "scripts/demo"], "addons/capture.py",
         "run {0}/.venv/bin/mitmdump -s {0}/addons/capture.py"),
        (["scripts/demo"], "addons/capture.py", "run {0}/scripts/demo once, it sets up all that is needed, then "
         "{0}/.venv/bin/mitmdump -s {0}/addons/capture.py"),
        (["bin/mitmdump"], "lib/python3.13/site-packages/zerogravity/capture/script.py",
         "run {0}/bin/mitmdump -s {0}/lib/python3.13/site-packages/zerogravity/capture/script.py"),
        ([], "a/b.py", "run the mitmdump of the environment that zerogravity is installed in, all of it: "
         "pip install zerogravity"),
    ],
)  # fmt: skip
def test_what_to_run_instead(tmp_path: Path, there: list[str], script: str, told: str) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert loader._instead(tmp_path / script) == told.format(tmp_path)
