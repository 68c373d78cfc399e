"""What is found on this machine, and which of it serve would choose."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from tests.cli.typed import run
from zerogravity.backends.antigravity import discover, repointed
from zerogravity.backends.antigravity.endpoint import Endpoint
from zerogravity.backends.runtime import discover as runtimes

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[discover.Found]:
    """What the next search for language servers brings."""
    running: list[discover.Found] = []

    async def find_all(*, csrf: str | None, cert: Path | None) -> list[discover.Found]:
        return [dataclasses.replace(one, process=dataclasses.replace(one.process, csrf=csrf or "")) for one in running]

    monkeypatch.setattr(discover, "find_all", find_all)
    monkeypatch.setattr(runtimes, "running", list)
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", "/no/such/localharness")
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.delenv(name, raising=False)
    return running


EDITORS = discover.Found(
    discover.Process(11, "core", "its-token", (42100,)), Endpoint("https://127.0.0.1:42100", "its-token"), True
)


def test_nothing_to_choose(found: list[discover.Found]) -> None:
    as_text, as_json = run("ls"), run("ls", "--json")
    assert (as_text.exit_code, as_json.exit_code) == (1, 1)
    told = json.loads(as_json.stdout)
    assert told["language_servers"] == []
    assert told["serve"] == {
        "ls": "editor",
        "why": "there is no other: /no/such/localharness is no program that can be run",
    }
    hint = "start your editor, pass the URL of one to serve with --ls-url, or use the runtime"
    lines = as_text.stdout.splitlines()
    assert lines[0] == f"no editor's language server is running here: {hint}"
    assert (
        lines[-1]
        == "serve would choose: editor (there is no other: /no/such/localharness is no program that can be run)"
    )
    assert [line.split()[0] for line in lines[1:-1]] == ["runtime", "login", "api", "missing", "missing"]


@pytest.mark.parametrize(("editor", "chosen"), [(True, "editor"), (False, "runtime")])
def test_what_serve_would_choose(
    found: list[discover.Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: bool, chosen: str
) -> None:
    (program := tmp_path / "localharness").touch(0o700)
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", str(program))
    monkeypatch.setenv("GEMINI_API_KEY", "s3cret-key")
    found.extend([EDITORS] if editor else [])
    as_text, as_json = run("ls"), run("ls", "--json")
    assert (as_text.exit_code, as_json.exit_code) == (0, 0)
    told = json.loads(as_json.stdout)
    assert [one["pid"] for one in told["language_servers"]] == [11] * editor
    assert (told["serve"]["ls"], told["runtime"]["key_from"], told["runtime"]["missing"]) == (
        chosen, "GEMINI_API_KEY", []
    )  # fmt: skip
    assert as_text.stdout.splitlines()[-1].startswith(f"serve would choose: {chosen} (")
    assert "s3cret" not in as_text.output + as_json.output


def test_a_language_server_that_is_re_pointed(home: Path, found: list[discover.Found]) -> None:
    """By a gateway that runs; one that was killed has left another, which does not answer."""
    pid, started = repointed.own()
    entry = repointed.Repointed(pid, started, "http://127.0.0.1:9", "http://f:1", "http://127.0.0.1:8742", pid, started)
    file = repointed.RepointedFile(home / "data" / "zerogravity" / repointed.FILE)
    file.claim(entry)
    found.append(discover.Found(discover.Process(pid, "core", "t", started=started), None))
    listed = run("ls")
    assert "  route    re-pointed to http://127.0.0.1:8742 by zerogravity\n" in listed.stdout
    assert listed.stderr == ""
    file.claim(dataclasses.replace(entry, by_started=1.0))
    assert f"zerogravity: language server {pid} still called http://127.0.0.1:8742" in run("ls").stderr


def test_what_is_re_pointed_may_be_unreadable(home: Path, found: list[discover.Found]) -> None:
    found.append(EDITORS)
    (home / "data" / "zerogravity" / repointed.FILE).mkdir(parents=True)
    listed = run("ls")
    assert (listed.exit_code, listed.stdout.partition("  ")[0]) == (0, "pid 11")
    assert listed.stderr.startswith("zerogravity: ")
    assert "make it readable and writable for you, or delete it" in listed.stderr


@pytest.mark.parametrize("given", [True, False])
def test_a_token_that_is_given_counts(
    found: list[discover.Found], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    found.append(discover.Found(discover.Process(11, "core", "", (42100,)), None))
    if given:
        monkeypatch.setenv("ZEROGRAVITY_LS_CSRF", "its-token")
    listed = run("ls").stdout
    assert ("set ZEROGRAVITY_LS_CSRF" in listed) is not given
