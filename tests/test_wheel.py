"""What ``uv tool install``, ``pipx install`` and pip make of a checkout: a wheel that holds all it needs."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.running import environment
from zerogravity import __version__

ROOT = Path(__file__).resolve().parents[1]


PAGE = "from zerogravity.observe.inspector import assets; print(assets.__file__); print(assets.alone(b'{}').decode())"
DUMP = "#!{python}\nfrom mitmproxy.tools.main import mitmdump\nmitmdump()\n"  # as pip makes it from mitmproxy's wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of what git would hand out, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for file in (ROOT / "zerogravity").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy = source / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", folder, source)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment with the wheel; what it depends on comes from ours, where it stands last."""
    root = tmp_path_factory.mktemp("fresh")
    venv.create(root, with_pip=False, symlinks=True)
    target = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    run(sys.executable, "-m", "pip", "--python", root / "bin" / "python", "install", "--no-deps", "--no-index",
        "--quiet", wheel)  # fmt: skip
    # as a plain entry of the path: no .pth file of ours is read there, and so not the one of the checkout
    (target / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    dump = root / "bin" / "mitmdump"
    dump.write_text(DUMP.format(python=root / "bin" / "python"))
    dump.chmod(0o755)
    return root / "bin"


def run(*command: object, **options: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, **options)  # pyright: ignore
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_page_and_no_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    static = ROOT / "zerogravity" / "observe" / "inspector" / "static"
    assert {f"zerogravity/observe/inspector/static/{file.name}" for file in static.iterdir()} <= set(names)
    assert "zerogravity/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "addons/"))]


def test_it_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    env, program = environment(tmp_path), installed / "zerogravity"
    where = {"env": env, "cwd": tmp_path}
    assert run(program, "--version", **where).startswith(f"zerogravity {__version__} ")
    addon = Path(run(program, "addon-path", **where).strip())
    assert installed.parent in addon.parents
    assert addon.is_file()
    shown = run(installed / "python", "-c", PAGE, **where)
    assert Path(shown.splitlines()[0]).is_relative_to(installed.parent)
    assert "<script" in shown


def test_the_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "zerogravity", "demo", env=environment(tmp_path), cwd=tmp_path)
    assert shown.count("first delta after") >= 4
