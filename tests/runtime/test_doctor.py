"""Doctor, with the real runtime: what it finds out about it, and turns through it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from zerogravity import certs
from zerogravity.backends.runtime import discover
from zerogravity.backends.runtime.settings import Settings
from zerogravity.observe import doctor
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.simulator.google import GoogleSimulator

KEY = "AIzaSy-invented-key-of-a-test-0123456789"


async def nobody(**_: object) -> list[object]:
    return []


@pytest.mark.parametrize("mode", ["reverse", "proxy"])
async def test_every_hop_works(binary: Path, tmp_path: Path, mode: str) -> None:
    """In proxy mode through our own authority. No call leaves the machine, and the user's key goes nowhere."""
    certs.create(tmp_path / "ca", now=datetime.now(UTC))
    environment = {
        "ZEROGRAVITY_LISTEN": "127.0.0.1:0", "ZEROGRAVITY_MODE": mode, "ZEROGRAVITY_DATA_DIR": str(tmp_path),
        "ANTIGRAVITY_HARNESS_PATH": str(binary), "GEMINI_API_KEY": KEY,
    }  # fmt: skip
    async with GoogleSimulator(tls=False) as google:
        what = doctor.DoctorOptions(
            config_file="/dev/null", proxy_port=0, certs_dir=tmp_path / "ca", google=google.url, real=True,
            settings={"upstream": google.url} if mode == "proxy" else {},
        )  # fmt: skip
        checks = [check async for check in doctor.examine(what, REGISTRY, env=environment, find=nobody)]
        assert google.requests == []
    assert [check for check in checks if not check.ok] == []
    texts = {check.name: check.text for check in checks}
    assert texts["runtime"].startswith(f"{binary} (google-antigravity 0.")
    assert texts["login"].startswith("API key of GEMINI_API_KEY")
    assert {f"ls.{name}" for name in ("mitmdump", "front", "proxy", *REGISTRY)} <= set(texts)
    assert KEY not in repr(checks)


def test_its_version(binary: Path) -> None:
    made = Settings.of(str(binary), KEY, {})
    assert discover.version_of(binary).startswith("0.")
    assert made.binary == binary
