"""A request's headers and body → who sent it, and what it calls the conversation. Pure.

Facts: real-clients; wire-anthropic; what the programs named here send (Codex 0.169, Claude Code 2.1, opencode 1.18 …).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from zerogravity.wire import jsonio
from zerogravity.wire.narrow import Json, members, text

LONGEST = 200  # characters of a name that are kept

# the beginning of a user agent, an originator or a title, in lower case → the program's name here
PROGRAMS = {
    "codex": "codex",
    "claude-cli": "claude-code",
    "claude-code": "claude-code",
    "geminicli": "gemini-cli",
    "opencode": "opencode",
    "qwencode": "qwen-code",
    "aider": "aider",
    "cline": "cline",
    "roo-code": "roo-code",
    "kilo-code": "kilo-code",
    "continue": "continue",
    "pi/": "pi",
    "pi (": "pi",
    "goose": "goose",
    "charm crush": "crush",
    "charm-crush": "crush",
    "githubcopilotchat": "copilot",
    "copilot": "copilot",
    "cursor": "cursor",
    "zed/": "zed",
    "google-antigravity-sdk": "antigravity-sdk",
    "antigravity": "antigravity",
    "agents/python": "openai-agents-python",
    "agents/javascript": "openai-agents-js",
    "pydantic-ai": "pydantic-ai",
    "langchain": "langchain",
    "litellm": "litellm",
    "lm15": "dspy",
    "ai/": "ai-sdk",
    "ai-sdk/": "ai-sdk",
    "openai/python": "openai-python",
    "asyncopenai/python": "openai-python",
    "openai/js": "openai-js",
    "anthropic/python": "anthropic-python",
    "asyncanthropic/python": "anthropic-python",
    "anthropic/js": "anthropic-js",
    "google-genai-sdk": "google-genai",
}
AGENT_SDK = "agent-sdk/"  # in Claude Code's user agent, where a program runs it
SPOKEN = ("Originator", "User-Agent", "X-Title")  # where programs name themselves, the surest first

CONVERSATIONS = (  # headers that name the conversation
    "X-Claude-Code-Session-Id", "Session-Id", "session_id", "conversation_id", "X-Session-Id", "X-Session-Affinity",
    "X-Opencode-Session",
)  # fmt: skip
ASIDE = {"auxiliary", "side_reply"}  # classes of Claude Code's requests beside the conversation
CACHED_BY_CONVERSATION = {"codex", "opencode", "pi"}  # their prompt_cache_key is the conversation's id


class Caller(NamedTuple):
    """``client``: the program, in a word; ``conversation``: what it calls the conversation; ``agent``: which of its
    sub-agents it is. Empty: it does not say."""

    client: str = ""
    conversation: str = ""
    agent: str = ""


def recognise(headers: Mapping[str, str], body: Json | None = None) -> Caller:
    """``headers``: names in any case where the mapping allows for it, as aiohttp's does."""
    client = _client(headers)
    conversation = next((said for name in CONVERSATIONS if (said := headers.get(name))), "")
    conversation = conversation or _in_body(body or {}, client)
    agent = headers.get("X-Claude-Code-Agent-Id", "")
    if not agent and (kind := headers.get("X-Claude-Code-Request-Class")) in ASIDE:
        agent = kind or ""
    if parent := headers.get("X-Parent-Session-Id"):  # opencode: a sub-agent has a session of its own
        conversation, agent = parent, conversation
    if client == "codex":
        agent = _thread(headers, conversation)
    return Caller(client, conversation[:LONGEST], agent[:LONGEST])


def _client(headers: Mapping[str, str]) -> str:
    for name in SPOKEN:
        if not (said := headers.get(name, "").lower()):
            continue
        found = next((program for beginning, program in PROGRAMS.items() if said.startswith(beginning)), "")
        if found:
            return "claude-agent-sdk" if found == "claude-code" and AGENT_SDK in said else found
    return ""


def _thread(headers: Mapping[str, str], conversation: str) -> str:
    """Codex' sub-agents have a thread of their own in the session; its reviews and compactions are only marked."""
    thread = headers.get("Thread-Id", "")
    return thread if thread not in ("", conversation) else headers.get("X-OpenAI-Subagent", "")


def _in_body(body: Json, client: str) -> str:
    """Of Claude Code's ``user_id`` only the session: it also holds ids of the device and the account."""
    if client in CACHED_BY_CONVERSATION:
        return text(body.get("prompt_cache_key"))
    user = text(members(body.get("metadata")).get("user_id"))
    try:
        return text(members(jsonio.loads(user.encode("utf-8", "replace"))).get("session_id")) if user else ""
    except ValueError:
        return user.rpartition("_session_")[2] if "_session_" in user else ""
