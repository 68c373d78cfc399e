"""Coding agents of the terminal, each as its version of today wants it (facts: real-clients). Pure."""

from __future__ import annotations

from zerogravity.agents.agent import ANY_KEY, ONCE, Agent, Part, StandIn, Start, Target, exports
from zerogravity.wire import jsonio

KEY = "ZG_KEY"  # the variable of clients whose settings name one
WINDOW, OUTPUT = 1_000_000, 65_536  # tokens of today's Gemini models; what clients cannot ask for


def _json(value: object) -> str:
    return jsonio.text(value, indent=True) + "\n"


# -- Codex -------------------------------------------------------------------------------------------------------------


def _codex_provider(target: Target, key: str | None) -> dict[str, str]:
    """``key``: the variable that holds it; without one Codex sends none."""
    provider = {"name": "zerogravity", "base_url": target.openai, "wire_api": "responses"}
    return provider | ({"env_key": key} if key else {})


def _codex(target: Target, folder: str) -> Start:
    settings = {"model": target.model, "model_provider": "zerogravity"}
    settings |= {f"model_providers.zerogravity.{name}": value for name, value in _codex_provider(target, KEY).items()}
    arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={jsonio.text(value)}")]
    return Start({KEY: target.key}, tuple(arguments))


def _codex_lasting(target: Target) -> tuple[Part, ...]:
    asks = target.key != ANY_KEY
    lines = [f"model = {jsonio.text(target.model)}", 'model_provider = "zerogravity"', ""]
    lines += ["[model_providers.zerogravity]"]
    provider = _codex_provider(target, KEY if asks else None)
    lines += [f"{name} = {jsonio.text(value)}" for name, value in provider.items()]
    file = Part("~/.codex/config.toml", "\n".join(lines) + "\n")
    return (file, exports({KEY: target.key})) if asks else (file,)


# -- gemini-cli --------------------------------------------------------------------------------------------------------

_GEMINI_AUTH = _json({"security": {"auth": {"selectedType": "gemini-api-key"}}})


def _gemini_env(target: Target) -> dict[str, str]:
    return {"GOOGLE_GEMINI_BASE_URL": target.url, "GEMINI_API_KEY": target.key, "GEMINI_MODEL": target.model}


def _gemini(target: Target, folder: str) -> Start:
    """A base URL alone makes it look for a way to log in that it does not have, and the user's choice of one wins over
    variables: so settings there have to be."""
    elsewhere = dict.fromkeys(("GOOGLE_GENAI_USE_GCA", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_API_KEY"))
    home = StandIn("GEMINI_CLI_HOME", "~", ".gemini", frozenset({"settings.json"}))
    return Start(
        {**elsewhere, **_gemini_env(target), home.variable: folder},
        files={"settings.json": _GEMINI_AUTH},
        stands_in=home,
    )


def _gemini_lasting(target: Target) -> tuple[Part, ...]:
    env = "".join(f"{name}={value}\n" for name, value in _gemini_env(target).items())
    return Part("~/.gemini/settings.json", _GEMINI_AUTH), Part("~/.gemini/.env", env)


# -- Claude Code -------------------------------------------------------------------------------------------------------


def _claude_env(target: Target) -> dict[str, str]:
    """A token, not a key: Claude Code would ask whether to use the key."""
    models = dict.fromkeys(
        ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL"), target.model
    )
    base = {"ANTHROPIC_BASE_URL": target.url, "ANTHROPIC_AUTH_TOKEN": target.key}
    return {**base, **models, "ANTHROPIC_DEFAULT_HAIKU_MODEL": target.small_model}


def _claude(target: Target, folder: str) -> Start:
    """As a file of settings, too: those win over the ``env`` of the user's own settings."""
    elsewhere = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
    env = _claude_env(target)
    return Start(
        {**dict.fromkeys(elsewhere), **env},
        ("--settings", f"{folder}/claude.json"),
        {"claude.json": _json({"env": env})},
    )


def _claude_lasting(target: Target) -> tuple[Part, ...]:
    return (Part("~/.claude/settings.json", _json({"env": _claude_env(target)})),)


# -- opencode ----------------------------------------------------------------------------------------------------------


def _opencode_config(target: Target, key: str) -> dict[str, object]:
    model = {
        "tool_call": True, "reasoning": True, "attachment": True, "limit": {"context": WINDOW, "output": OUTPUT},
    }  # fmt: skip
    names = dict.fromkeys((target.model, target.small_model))
    provider = {
        "npm": "@ai-sdk/openai",
        "name": "zerogravity",
        "options": {"baseURL": target.openai, "apiKey": key},
        "models": {name: {"name": name, **model} for name in names},
    }
    return {
        "$schema": "https://opencode.ai/config.json",
        "model": f"zerogravity/{target.model}",
        "small_model": f"zerogravity/{target.small_model}",
        "provider": {"zerogravity": provider},
    }


def _opencode(target: Target, folder: str) -> Start:
    return Start({KEY: target.key, "OPENCODE_CONFIG_CONTENT": _json(_opencode_config(target, f"{{env:{KEY}}}"))})


def _opencode_lasting(target: Target) -> tuple[Part, ...]:
    return (Part("~/.config/opencode/opencode.json", _json(_opencode_config(target, target.key))),)


# -- aider -------------------------------------------------------------------------------------------------------------


def _aider(target: Target, folder: str) -> Start:
    return Start({
        "AIDER_OPENAI_API_BASE": target.openai, "AIDER_OPENAI_API_KEY": target.key,
        "AIDER_MODEL": f"openai/{target.model}", "AIDER_WEAK_MODEL": f"openai/{target.small_model}",
    })  # fmt: skip


def _aider_lasting(target: Target) -> tuple[Part, ...]:
    settings = {
        "openai-api-base": target.openai, "openai-api-key": target.key,
        "model": f"openai/{target.model}", "weak-model": f"openai/{target.small_model}",
    }  # fmt: skip
    return (Part("~/.aider.conf.yml", "".join(f"{name}: {value}\n" for name, value in settings.items())),)


# -- Qwen Code ---------------------------------------------------------------------------------------------------------


def _qwen_env(target: Target) -> dict[str, str]:
    return {"OPENAI_BASE_URL": target.openai, "OPENAI_API_KEY": target.key, "OPENAI_MODEL": target.model}


def _qwen(target: Target, folder: str) -> Start:
    return Start(dict(_qwen_env(target)), ("--auth-type", "openai", "--model", target.model))


def _qwen_lasting(target: Target) -> tuple[Part, ...]:
    settings = _json({"security": {"auth": {"selectedType": "openai"}}})
    env = "".join(f"{name}={value}\n" for name, value in _qwen_env(target).items())
    return Part("~/.qwen/settings.json", settings), Part("~/.qwen/.env", env)


# -- Cline -------------------------------------------------------------------------------------------------------------


def _cline(target: Target, folder: str) -> Start:
    provider = {"provider": "openai-compatible", "apiKey": target.key, "model": target.model, "baseUrl": target.openai}
    entry = {"settings": provider, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
    settings: dict[str, object] = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}}
    return Start(
        {"CLINE_PROVIDER_SETTINGS_PATH": f"{folder}/cline.json"},
        files={"cline.json": _json({**settings, "providers": {"openai-compatible": entry}})},
    )


def _cline_lasting(target: Target) -> tuple[Part, ...]:
    login = f"cline auth -p openai-compatible -b {target.openai} -k {target.key} -m {target.model}\n"
    return (Part(ONCE, login),)


# -- pi ----------------------------------------------------------------------------------------------------------------


def _pi_provider(target: Target) -> dict[str, object]:
    model = {
        "reasoning": True, "input": ["text", "image"], "contextWindow": WINDOW, "maxTokens": OUTPUT,
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
    }  # fmt: skip
    names = dict.fromkeys((target.model, target.small_model))
    return {
        "baseUrl": target.openai, "api": "openai-responses", "apiKey": target.key,
        "models": [{"id": name, "name": name, **model} for name in names],
    }  # fmt: skip


def _pi(target: Target, folder: str) -> Start:
    provider = jsonio.text(_pi_provider(target))
    code = f'export default function (pi) {{ pi.registerProvider("zerogravity", {provider}) }}\n'
    words = ("-e", f"{folder}/pi.js", "--provider", "zerogravity", "--model", target.model)
    return Start({}, words, {"pi.js": code})


def _pi_lasting(target: Target) -> tuple[Part, ...]:
    settings = {"defaultProvider": "zerogravity", "defaultModel": target.model}
    return (
        Part("~/.pi/agent/models.json", _json({"providers": {"zerogravity": _pi_provider(target)}})),
        Part("~/.pi/agent/settings.json", _json(settings)),
    )


# -- llm ---------------------------------------------------------------------------------------------------------------


_LLM_HOME = "~/.config/io.datasette.llm"


def _llm_models(target: Target) -> str:
    lines = [
        f"- model_id: {target.model}", f"  model_name: {target.model}", f"  api_base: {target.openai}",
        "  supports_tools: true", "  supports_schema: true", "  vision: true",
    ]  # fmt: skip
    if target.key != ANY_KEY:  # it knows no other way to send one that is not in its own file of keys
        lines += ["  headers:", f"    Authorization: Bearer {target.key}"]
    return "\n".join(lines) + "\n"


def _llm(target: Target, folder: str) -> Start:
    files = {"extra-openai-models.yaml": _llm_models(target), "default_model.txt": target.model}
    return Start({"LLM_USER_PATH": folder}, files=files, stands_in=StandIn("LLM_USER_PATH", _LLM_HOME))


def _llm_lasting(target: Target) -> tuple[Part, ...]:
    return (
        Part(f"{_LLM_HOME}/extra-openai-models.yaml", _llm_models(target)),
        Part(f"{_LLM_HOME}/default_model.txt", target.model),
    )


# -- goose, crush ------------------------------------------------------------------------------------------------------


def _goose_env(target: Target) -> dict[str, str]:
    """The whole path in one variable: goose would lose one that stands behind the host."""
    scheme, _, rest = target.url.partition("://")
    host, _, path = rest.partition("/")
    return {
        "GOOSE_PROVIDER": "openai", "GOOSE_MODEL": target.model, "OPENAI_HOST": f"{scheme}://{host}",
        "OPENAI_BASE_PATH": f"{path}/v1/chat/completions".lstrip("/"), "OPENAI_API_KEY": target.key,
    }  # fmt: skip


def _goose(target: Target, folder: str) -> Start:
    return Start(dict(_goose_env(target)))


def _goose_lasting(target: Target) -> tuple[Part, ...]:
    return (exports(_goose_env(target)),)


def _crush_config(target: Target) -> str:
    names = dict.fromkeys((target.model, target.small_model))
    models = [{"id": name, "name": name, "context_window": WINDOW, "default_max_tokens": OUTPUT} for name in names]
    provider = {
        "name": "zerogravity", "type": "openai-compat", "base_url": target.openai, "api_key": target.key,
        "models": models,
    }  # fmt: skip
    chosen = {"large": target.model, "small": target.small_model}
    return _json(
        {
            "$schema": "https://charm.land/crush.json",
            "providers": {"zerogravity": provider},
            "models": {size: {"provider": "zerogravity", "model": name} for size, name in chosen.items()},
        }
    )


def _crush(target: Target, folder: str) -> Start:
    home = StandIn("CRUSH_GLOBAL_CONFIG", "~/.config/crush", merged=frozenset({"crush.json"}))
    return Start({home.variable: folder}, files={"crush.json": _crush_config(target)}, stands_in=home)


def _crush_lasting(target: Target) -> tuple[Part, ...]:
    return (Part("~/.config/crush/crush.json", _crush_config(target)),)


PI_LOCAL = frozenset({"install", "remove", "uninstall", "update", "list", "config", "auth"})

CODERS = (
    Agent("codex", "Codex", ("codex", "@openai/codex"), _codex, _codex_lasting),
    Agent("claude", "Claude Code", ("claude", "@anthropic-ai/claude-code"), _claude, _claude_lasting),
    Agent("gemini", "gemini-cli", ("gemini", "@google/gemini-cli"), _gemini, _gemini_lasting),
    Agent("opencode", "opencode", ("opencode", "opencode-ai"), _opencode, _opencode_lasting),
    Agent("aider", "aider", ("aider", "aider-chat"), _aider, _aider_lasting),
    Agent("qwen", "Qwen Code", ("qwen", "@qwen-code/qwen-code"), _qwen, _qwen_lasting),
    Agent("cline", "Cline CLI", ("cline",), _cline, _cline_lasting),
    Agent("pi", "pi", ("pi", "@earendil-works/pi-coding-agent"), _pi, _pi_lasting, PI_LOCAL),
    Agent("llm", "llm", ("llm",), _llm, _llm_lasting),
    Agent("goose", "goose", ("goose",), _goose, _goose_lasting),
    Agent("crush", "crush", ("crush", "@charmland/crush"), _crush, _crush_lasting),
)
