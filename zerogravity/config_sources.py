"""Where settings come from: the file and the environment → names and values as they stand there, not checked; and the
folders that follow from them, for who needs no other setting. Quick to import.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_config_path, user_data_path

from zerogravity.errors import FaultError, bad_request
from zerogravity.wire.narrow import an_object

ENV = "ZEROGRAVITY_"
NOT_SETTINGS = frozenset({"CONFIG", "PYTHON", "VENV", "CACHE"})  # environment names that mean something else
FOLDERS = frozenset({"trace_dir", "data_dir"})


def file_of(named: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> tuple[Path, bool]:
    """The configuration file, and whether there has to be one."""
    path = named or environment.get(f"{ENV}CONFIG")
    return Path(path) if path else user_config_path("zerogravity") / "config.toml", bool(path)


def from_file(file: Path, *, required: bool) -> dict[str, object]:
    try:
        return flat(tomllib.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        if required:
            raise invalid(f"there is no configuration file {file}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise invalid(f"{file} cannot be read: {error}") from None


def from_env(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in environment.items():
        setting = name.removeprefix(ENV)
        if setting == name or setting in NOT_SETTINGS or value == "":
            continue
        lowered = setting.lower()
        found[f"limits.{lowered[7:]}" if lowered.startswith("limits_") else lowered] = value
    return found


def env_name(name: str) -> str:
    return ENV + name.replace(".", "_").upper()


def flat(values: Mapping[str, object]) -> dict[str, object]:
    """``limits`` by their names with a dot."""
    limits = an_object(values.get("limits", {}))
    if limits is None:
        raise invalid("limits must be a table")
    others = {name: value for name, value in values.items() if name != "limits"}
    return others | {f"limits.{name}": value for name, value in limits.items()}


def invalid(message: str, name: str | None = None) -> FaultError:
    return bad_request(message, param=name, code="invalid_config")


def data_path(data_dir: str | None) -> Path:
    """Where that is kept which outlives a restart."""
    return Path(data_dir) if data_dir else user_data_path("zerogravity")


def trace_path(trace_dir: str | None, data_dir: str | None) -> Path:
    """Where the traces are."""
    return Path(trace_dir) if trace_dir else data_path(data_dir) / "traces"


def configured_traces() -> Path:
    """Where the settings say. Raises FaultError (code ``invalid_config``)."""
    file, required = file_of(None, os.environ)
    given = from_file(file, required=required) | from_env(os.environ)
    if given.keys() <= FOLDERS:
        texts = [value for name in ("trace_dir", "data_dir") if isinstance(value := given.get(name, ""), str)]
        if len(texts) == len(FOLDERS):
            return trace_path(*texts)
    from zerogravity import config  # heavy; what is wrong with a setting is said, also with one that is no folder's

    return config.load().config.trace_path
