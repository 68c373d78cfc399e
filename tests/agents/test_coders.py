"""How each coding agent is told where the gateway is."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from zerogravity.agents.agent import ONCE, PROGRAM, SHELL, Agent, Start, Target
from zerogravity.agents.coders import CODERS

AGENTS = {agent.name: agent for agent in CODERS}
URL, FOLDER = "http://127.0.0.1:8741/run/k3f9", "/tmp/run/client"
TARGET = Target(URL, "s3cret", "gemini-2.5-pro", "gemini-2.5-flash")
EVERY = pytest.mark.parametrize("agent", CODERS, ids=lambda agent: agent.name)


def start(name: str, target: Target = TARGET) -> Start:
    return AGENTS[name].start(target, FOLDER)


def said(start: Start) -> str:
    return json.dumps([{**start.env}, start.arguments, {**start.files}])


@EVERY
def test_a_run_knows_the_address_the_key_and_the_models(agent: Agent) -> None:
    made = agent.start(TARGET, FOLDER)
    told = said(made)
    assert "127.0.0.1:8741" in told
    assert "run/k3f9" in told
    assert "s3cret" in told
    assert "gemini-2.5-pro" in told
    assert not any("s3cret" in word for word in made.arguments), "process lists show arguments"
    assert not [name for name in made.env if name.startswith("ZEROGRAVITY_")], "another zerogravity would read it"


@EVERY
def test_nothing_of_a_run_is_outside_its_own_folder(agent: Agent) -> None:
    made = agent.start(TARGET, FOLDER)
    assert all("/" not in name for name in made.files)
    named = [word for word in (*made.arguments, *filter(None, made.env.values())) if word.startswith("/")]
    assert all(word.startswith(FOLDER) for word in named)
    assert bool(made.files) == bool(named)


@EVERY
def test_the_lasting_configuration_names_the_address_and_the_model(agent: Agent) -> None:
    parts = agent.lasting(TARGET)
    assert all(part.text.endswith("\n") or part.place.endswith("default_model.txt") for part in parts)
    text = "".join(part.text for part in parts)
    assert "127.0.0.1:8741" in text
    assert "s3cret" in text
    assert "gemini-2.5-pro" in text
    for part in parts:
        if part.place.endswith(".json"):
            json.loads(part.text)


def test_codex_gets_overrides() -> None:
    made = start("codex")
    assert made.arguments[::2] == ("-c",) * 6
    pairs = [word.partition("=") for word in made.arguments[1::2]]
    assert {name: tomllib.loads(f"x = {value}")["x"] for name, _, value in pairs} == {
        "model": "gemini-2.5-pro",
        "model_provider": "zerogravity",
        "model_providers.zerogravity.name": "zerogravity",
        "model_providers.zerogravity.base_url": f"{URL}/v1",
        "model_providers.zerogravity.wire_api": "responses",
        "model_providers.zerogravity.env_key": "ZG_KEY",
    }
    assert made.env == {"ZG_KEY": "s3cret"}


@pytest.mark.parametrize(("key", "places"), [("any", ["~/.codex/config.toml"]), ("k", ["~/.codex/config.toml", "sh"])])
def test_codex_is_told_of_a_key_where_there_is_one(key: str, places: list[str]) -> None:
    parts = AGENTS["codex"].lasting(Target("http://127.0.0.1:8741", key))
    assert len(parts) == len(places)
    settings: dict[str, Any] = tomllib.loads(parts[0].text)
    assert settings["model_provider"] == "zerogravity"
    provider = settings["model_providers"]["zerogravity"]
    assert provider.pop("env_key", None) == (None if key == "any" else "ZG_KEY")
    assert provider == {"name": "zerogravity", "base_url": "http://127.0.0.1:8741/v1", "wire_api": "responses"}
    assert [part.text for part in parts[1:]] == [f"export ZG_KEY={key}\n"] * (len(places) - 1)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("gemini", {"GOOGLE_GEMINI_BASE_URL": URL, "GEMINI_API_KEY": "s3cret", "GEMINI_MODEL": "gemini-2.5-pro",
                    "GEMINI_CLI_HOME": FOLDER, "GOOGLE_GENAI_USE_GCA": None, "GOOGLE_API_KEY": None}),
        ("claude", {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": "s3cret", "ANTHROPIC_API_KEY": None,
                    "ANTHROPIC_MODEL": "gemini-2.5-pro", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "gemini-2.5-flash",
                    "CLAUDE_CODE_USE_BEDROCK": None}),
        ("aider", {"AIDER_OPENAI_API_BASE": f"{URL}/v1", "AIDER_MODEL": "openai/gemini-2.5-pro",
                   "AIDER_WEAK_MODEL": "openai/gemini-2.5-flash"}),
        ("qwen", {"OPENAI_BASE_URL": f"{URL}/v1", "OPENAI_MODEL": "gemini-2.5-pro"}),
        ("cline", {"CLINE_PROVIDER_SETTINGS_PATH": f"{FOLDER}/cline.json"}),
        ("llm", {"LLM_USER_PATH": FOLDER}),
        ("goose", {"OPENAI_HOST": "http://127.0.0.1:8741", "OPENAI_BASE_PATH": "run/k3f9/v1/chat/completions",
                   "GOOSE_PROVIDER": "openai", "GOOSE_MODEL": "gemini-2.5-pro"}),
        ("crush", {"CRUSH_GLOBAL_CONFIG": FOLDER}),
    ],
)  # fmt: skip
def test_variables(name: str, variables: dict[str, str | None]) -> None:
    assert start(name).env.items() >= variables.items()


def test_goose_without_a_run() -> None:
    text = AGENTS["goose"].lasting(Target("http://127.0.0.1:8741"))[0].text
    assert "export OPENAI_BASE_PATH=v1/chat/completions\n" in text


@pytest.mark.parametrize(
    ("name", "file", "path", "value"),
    [
        ("gemini", "settings.json", "security.auth.selectedType", "gemini-api-key"),
        ("claude", "claude.json", "env.ANTHROPIC_BASE_URL", URL),
        ("cline", "cline.json", "providers.openai-compatible.settings.baseUrl", f"{URL}/v1"),
        ("crush", "crush.json", "providers.zerogravity.base_url", f"{URL}/v1"),
        ("crush", "crush.json", "models.small.model", "gemini-2.5-flash"),
    ],
)
def test_files(name: str, file: str, path: str, value: str) -> None:
    found: Any = json.loads(start(name).files[file])
    for member in path.split("."):
        found = found[member]
    assert found == value


def test_opencode_finds_its_key_in_the_environment() -> None:
    made = start("opencode")
    config = json.loads(made.env["OPENCODE_CONFIG_CONTENT"] or "")
    assert config["model"] == "zerogravity/gemini-2.5-pro"
    options = config["provider"]["zerogravity"]["options"]
    assert options == {"baseURL": f"{URL}/v1", "apiKey": "{env:ZG_KEY}"}
    assert [*config["provider"]["zerogravity"]["models"]] == ["gemini-2.5-pro", "gemini-2.5-flash"]


def test_pi_gets_an_extension_but_not_before_a_command_of_its_own() -> None:
    made = start("pi")
    assert made.arguments == ("-e", f"{FOLDER}/pi.js", "--provider", "zerogravity", "--model", "gemini-2.5-pro")
    assert made.files["pi.js"].startswith('export default function (pi) { pi.registerProvider("zerogravity", {')
    assert "list" in AGENTS["pi"].local


def test_one_model_for_both_is_named_once() -> None:
    target = Target(URL, model="gemini-3-flash", small_model="gemini-3-flash")
    assert start("pi", target).files["pi.js"].count('"id":"gemini-3-flash"') == 1


def test_llm_sends_a_key_only_where_there_is_one() -> None:
    assert "Authorization: Bearer s3cret" in start("llm").files["extra-openai-models.yaml"]
    assert "Authorization" not in start("llm", Target(URL)).files["extra-openai-models.yaml"]


@EVERY
def test_what_stands_in_a_shells_profile_may_be_run_by_every_shell(agent: Agent) -> None:
    for part in agent.lasting(TARGET):
        lines = part.text.splitlines()
        if part.place == SHELL:
            assert all(line.startswith("export ") for line in lines)
        elif part.place == ONCE:
            assert lines[0].split()[0] == agent.commands[0]
        else:
            assert part.place == PROGRAM or part.place.startswith("~/")
