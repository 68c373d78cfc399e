"""Folders of the settings, without the other settings. What is in the file and the environment: test_config."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zerogravity import config, config_sources
from zerogravity.errors import FaultError

GIVEN: list[tuple[dict[str, str], str]] = [
    ({}, ""), ({"ZEROGRAVITY_TRACE_DIR": "/t"}, ""), ({"ZEROGRAVITY_DATA_DIR": "/d"}, ""), ({}, 'trace_dir = "/f"'),
    ({"ZEROGRAVITY_DATA_DIR": "/d"}, 'trace_dir = ""'), ({"ZEROGRAVITY_DATA_DIR": ""}, 'data_dir = "/of/file"'),
    ({"ZEROGRAVITY_TRACE_DIR": "/t"}, 'trace_dir = "/f"'), ({"ZEROGRAVITY_LISTEN": ":1"}, 'data_dir = "/f"'),
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(config_sources, "user_config_path", lambda name: tmp_path / name)
    monkeypatch.setattr(config_sources, "user_data_path", lambda name: tmp_path / "data" / name)
    (tmp_path / "zerogravity").mkdir()
    return tmp_path / "zerogravity" / "config.toml"


@pytest.mark.parametrize(("environment", "file"), GIVEN)
def test_the_traces_are_where_all_settings_together_say(
    home: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], file: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    home.write_text(file)
    assert config_sources.configured_traces() == config.load().config.trace_path


@pytest.mark.parametrize(
    ("environment", "file", "complaint"),
    [
        ({}, "trace_dir = 7", "trace_dir"), ({}, "trace_dri = '/t'", "did you mean trace_dir"),
        ({"ZEROGRAVITY_TRACEDIR": "/t"}, "", "did you mean ZEROGRAVITY_TRACE_DIR"),
        ({"ZEROGRAVITY_CONFIG": "/no/where"}, "", "no configuration file /no/where"), ({}, "=", "cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_in_any_setting_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], file: str, complaint: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    home.write_text(file)
    with pytest.raises(FaultError, match=complaint):
        config_sources.configured_traces()


def test_nothing_heavy_is_imported_for_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zerogravity.config", None)  # an import of it would fail
    home.write_text('data_dir = "/d"')
    assert config_sources.configured_traces() == Path("/d/traces")
