"""The image and the compose file: they name what there is, and open nothing without a key."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from zerogravity import config
from zerogravity.errors import FaultError

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "scripts" / "container"
TEXT = re.sub(r"^#.*\n", "", (HERE / "Containerfile").read_text(), flags=re.MULTILINE)
STEPS = [tuple(line.strip().split(maxsplit=1)) for line in TEXT.replace("\\\n", " ").splitlines() if line.strip()]


def step(name: str) -> list[str]:
    return [rest for word, rest in STEPS if word == name]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for rest in step("ENV") for word in shlex.split(rest))


def test_every_step_is_one_that_builders_know() -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {word for word, _ in STEPS} <= known
    assert STEPS[0][0] == "FROM"


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for rest in step("COPY"):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignore


def test_it_runs_as_nobody_s_root_and_asks_ready() -> None:
    users = step("USER")
    assert users == ["zerogravity"]
    assert [word for word, _ in STEPS].index("USER") < [word for word, _ in STEPS].index("CMD")
    (health,) = step("HEALTHCHECK")
    assert "/ready" in health
    assert json.loads(health.partition("CMD ")[2])[0] == "python"
    assert json.loads(step("CMD")[0]) == ["zerogravity", "serve"]


def test_it_does_not_start_without_a_key() -> None:
    env = environment()
    with pytest.raises(FaultError, match="set a key"):
        config.load(env=env, file="/dev/null")
    made = config.load(env={**env, "ZEROGRAVITY_KEY": "k"}, file="/dev/null").config
    assert (made.host, made.port, made.ls, made.data_dir) == ("0.0.0.0", 8741, "runtime", "/data")


def test_the_compose_file_names_the_image_demands_the_keys_and_stays_on_this_machine() -> None:
    (service,) = YAML(typ="safe").load(HERE / "compose.yaml")["services"].values()
    build = service["build"]
    assert (HERE / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert service["environment"].keys() == {"ZEROGRAVITY_KEY", "GEMINI_API_KEY"}
    assert all(":?" in value for value in service["environment"].values())
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["read_only"]
    assert [volume.partition(":")[2] for volume in service["volumes"]] == step("VOLUME")


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker here")
def test_docker_reads_the_compose_file() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("this docker has no compose")
    done = subprocess.run(
        ["docker", "compose", "-f", HERE / "compose.yaml", "config", "--quiet"], capture_output=True, text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "ZEROGRAVITY_KEY": "k", "GEMINI_API_KEY": "g"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
