"""Every setting with its origin; secrets stay hidden."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.typed import run
from zerogravity import config as configuration
from zerogravity import config_sources
from zerogravity.agents.agent import Target
from zerogravity.agents.catalogue import REGISTRY

pytestmark = pytest.mark.usefixtures("home")


def test_config_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEY", "s3cret-key")
    file = tmp_path / "given.toml"
    file.write_text('allowed_hosts = ["a", "b"]\n[limits]\nturns = 9')
    as_json = run("config", "show", "--config", file, "--json")
    assert as_json.exit_code == 0
    rows = {row["name"]: (row["value"], row["origin"]) for row in json.loads(as_json.stdout)}
    assert rows["limits.turns"] == (9, f"file {file}")
    assert rows["allowed_hosts"] == (["a", "b"], f"file {file}")
    assert rows["listen"] == ("127.0.0.1:8741", "default")
    value, origin = rows["key"]
    assert (value[:12], origin) == ("set (sha256 ", "env ZEROGRAVITY_KEY")
    assert set(rows) == set(configuration.NAMES)
    as_text = run("config", "show", "--config", file)
    assert re.search(rf"^limits\.turns +9 +file {re.escape(str(file))}$", as_text.stdout, re.M)
    assert as_text.stderr == f"file: {file}\n"
    assert "s3cret" not in as_json.output + as_text.output


def test_config_show_names_the_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_sources, "user_config_path", lambda _name: tmp_path)
    monkeypatch.delenv("ZEROGRAVITY_CONFIG", raising=False)
    assert run("config", "show").stderr == f"file: {tmp_path / 'config.toml'} (does not exist)\n"


def test_config_show_names_fallbacks_that_nobody_knows(tmp_path: Path) -> None:
    file = tmp_path / "given.toml"
    file.write_text('[fallbacks]\n"gemini-3.1-pro" = ["gemini-3-flash", "what"]')
    shown = run("config", "show", "--config", file)
    assert shown.stderr.splitlines()[0] == (
        "fallbacks: 'gemini-3.1-pro' names 'what', which is not offered, as far as is known without a language server"
    )
    assert re.search(r"^fallbacks +\{'gemini-3.1-pro': \('gemini-3-flash', 'what'\)\} +file ", shown.stdout, re.M)


def test_config_show_of_refused_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEYY", "s3cret-key")
    result = run("config", "show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "zerogravity: unknown setting ZEROGRAVITY_KEYY (env ZEROGRAVITY_KEYY); did you mean ZEROGRAVITY_KEY?\n"
    )


def test_a_key_that_comes_from_elsewhere_is_shown_with_its_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    monkeypatch.setenv("ZEROGRAVITY_LS", "runtime")
    monkeypatch.setenv("GEMINI_API_KEY", "s3cret-key")
    shown = run("config", "show")
    assert re.search(r"^ls +runtime +env ZEROGRAVITY_LS$", shown.stdout, re.M)
    assert re.search(r"^runtime_path +None +default$", shown.stdout, re.M)
    assert re.search(r"^runtime_key +set \(sha256 \w{8}\) +env GEMINI_API_KEY$", shown.stdout, re.M)
    monkeypatch.setenv("ZEROGRAVITY_RUNTIME_KEY", "0ther-key")
    assert re.search(r"^runtime_key .* env ZEROGRAVITY_RUNTIME_KEY$", run("config", "show").stdout, re.M)
    assert "s3cret" not in shown.output


def test_config_lists_the_clients() -> None:
    result = run("config")
    assert result.exit_code == 0
    listed = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert listed == {name: agent.title for name, agent in REGISTRY.items()}


@pytest.mark.parametrize("name", REGISTRY)
def test_config_of_a_client_has_the_configured_address(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_LISTEN", "127.0.0.1:5000")
    wanted = REGISTRY[name].lasting(Target("http://127.0.0.1:5000"))
    printed = run("config", name)
    assert (printed.exit_code, printed.stderr) == (0, "")
    for part in wanted:
        assert f"# {part.place}\n{part.text}" in printed.stdout
    as_json = json.loads(run("config", name, "--json").stdout)
    assert as_json == [{"place": part.place, "text": part.text} for part in wanted]


def test_config_of_a_client_names_a_model_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_KEY", "s3cret-key-0123456789")
    result = run("config", "codex", "--model", "gemini-2.5-flash")
    assert 'model = "gemini-2.5-flash"' in result.stdout
    assert "export ZG_KEY=YOUR-KEY\n" in result.stdout
    assert result.stderr == "YOUR-KEY stands for a key of the gateway\n"
    assert "s3cret" not in result.output


def test_config_of_a_client_that_nobody_knows() -> None:
    assert run("config", "codecs").exit_code == 2


def test_a_zero_that_is_no_number_says_what_it_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_CONFIG", "/dev/null")
    monkeypatch.setenv("ZEROGRAVITY_LIMITS_WAITING", "0")
    shown = run("config", "show").stdout
    assert re.search(r"^limits\.turns +0 \(as it can, 4 an editor's, 50 the runtime\) +default$", shown, re.M)
    assert re.search(r"^limits\.waiting +0 +env", shown, re.M)
