"""Who sent a request, and what it calls the conversation: by what real programs send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from zerogravity.agents.recognise import LONGEST, Caller, recognise


@pytest.mark.parametrize(
    ("product", "client"),
    [
        ("codex_cli_rs/0.90.0 (Debian 13)", "codex"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)", "codex"),
        ("codex-tui/0.149.1 (Mac OS 26.2.0; arm64)", "codex"),
        ("Codex Desktop/0.150.0 (Mac OS 26.2.0; arm64)", "codex"),
        ("claude-cli/2.1.332 (external, cli)", "claude-code"),
        ("claude-code/2.1.332", "claude-code"),
        ("claude-cli/2.1.332 (external, sdk-py, agent-sdk/0.2.189)", "claude-agent-sdk"),
        ("GeminiCLI/0.61.0/gemini-2.5-pro (linux; x64; terminal)", "gemini-cli"),
        ("opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14", "opencode"),
        ("QwenCode/0.24.4 (linux; x64)", "qwen-code"),
        ("Cline/3.0.65", "cline"),
        ("pi (linux 6.1.0; x64)", "pi"),
        ("goose/1.45.0", "goose"),
        ("Charm Crush/0.48.0", "crush"),
        ("Charm-Crush/0.2.0 (https://charm.land/crush)", "crush"),
        ("GitHubCopilotChat/0.38.0", "copilot"),
        ("OpenAI/Python 3.54.0", "openai-python"),
        ("AsyncOpenAI/Python 3.54.0", "openai-python"),
        ("OpenAI/JS 7.55.0", "openai-js"),
        ("Anthropic/Python 2.14.0", "anthropic-python"),
        ("AsyncAnthropic/Python 2.14.0", "anthropic-python"),
        ("Anthropic/JS 1.14.0", "anthropic-js"),
        ("google-genai-sdk/3.4.0 gl-python/3.13.0", "google-genai"),
        ("ai/7.0.173 ai-sdk/openai/3.0.141 ai-sdk/provider-utils/5.0.3 runtime/node.js/22", "ai-sdk"),
        ("ai-sdk/openai-compatible/2.0.47 ai-sdk/provider-utils/4.0.27 runtime/node.js/24", "ai-sdk"),
        ("Agents/Python 0.24.0", "openai-agents-python"),
        ("Agents/JavaScript 0.20.0", "openai-agents-js"),
        ("pydantic-ai/2.68.0", "pydantic-ai"),
        ("langchain-google-genai/4.4.2", "langchain"),
        ("google-antigravity-sdk/0.1.22 python/3.13.0 client-os/linux", "antigravity-sdk"),
        ("google-antigravity-sdk", "antigravity-sdk"),
        ("antigravity/1.15.8 linux/amd64", "antigravity"),
        ("curl/8.5", ""),
        ("openapi-generator/1.0", ""),
        ("pip/25.0", ""),
        ("", ""),
    ],
)
def test_a_program_is_known_by_its_user_agent(product: str, client: str) -> None:
    assert recognise({"User-Agent": product}) == Caller(client)


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"originator": "codex_vscode", "user-agent": "reqwest"}, "codex"),
        ({"originator": "my-host", "user-agent": "codex_cli_rs/1"}, "codex"),
        ({"x-title": "Aider", "user-agent": "OpenAI/Python 1"}, "openai-python"),
        ({"x-title": "Aider"}, "aider"),
    ],
)
def test_or_by_what_else_names_it(headers: dict[str, str], client: str) -> None:
    assert recognise(CIMultiDict(headers)).client == client


@pytest.mark.parametrize(
    ("headers", "conversation", "agent"),
    [
        ({"user-agent": "claude-cli/2", "x-claude-code-session-id": "c"}, "c", ""),
        ({"user-agent": "claude-cli/2", "x-claude-code-session-id": "c", "x-claude-code-agent-id": "a"}, "c", "a"),
        ({"user-agent": "codex_exec/0", "session-id": "c", "thread-id": "c"}, "c", ""),
        ({"user-agent": "claude-cli/2", "x-claude-code-session-id": "c", "x-claude-code-request-class": "auxiliary"},
         "c", "auxiliary"),
        ({"user-agent": "claude-cli/2", "x-claude-code-session-id": "c", "x-claude-code-request-class": "main"},
         "c", ""),
        ({"user-agent": "codex_exec/0", "session-id": "c", "thread-id": "t", "x-openai-subagent": "collab_spawn"},
         "c", "t"),
        ({"user-agent": "codex_exec/0", "session-id": "c", "thread-id": "c", "x-openai-subagent": "review"},
         "c", "review"),
        ({"user-agent": "codex_cli_rs/0", "session_id": "c", "conversation_id": "c"}, "c", ""),
        ({"user-agent": "codex_cli_rs/0", "conversation_id": "c"}, "c", ""),
        ({"user-agent": "opencode/1", "x-session-affinity": "ses_1", "x-session-id": "ses_1"}, "ses_1", ""),
        ({"user-agent": "opencode/1", "x-session-id": "ses_2", "x-parent-session-id": "ses_1"}, "ses_1", "ses_2"),
        ({"user-agent": "opencode/1", "x-opencode-session": "ses_1"}, "ses_1", ""),
        ({"user-agent": "OpenAI/Python 1", "thread-id": "t", "x-openai-subagent": "review"}, "", ""),
        ({"x-session-id": "c" * 1000}, "c" * LONGEST, ""),
    ],
)  # fmt: skip
def test_a_conversation_is_named_by_a_header(headers: dict[str, str], conversation: str, agent: str) -> None:
    assert recognise(CIMultiDict(headers))[1:] == (conversation, agent)


DEVICE = {"device_id": "d" * 64, "account_uuid": "u", "session_id": "c"}


@pytest.mark.parametrize(
    ("product", "body", "conversation"),
    [
        ("codex_exec/0", {"prompt_cache_key": "c"}, "c"),
        ("pi (linux)", {"prompt_cache_key": "c"}, "c"),
        ("OpenAI/Python 1", {"prompt_cache_key": "all-my-users"}, ""),
        ("claude-cli/2", {"metadata": {"user_id": json.dumps(DEVICE)}}, "c"),
        ("claude-cli/1", {"metadata": {"user_id": "user_12ab_account_34_session_56-78"}}, "56-78"),
        ("Anthropic/Python 1", {"metadata": {"user_id": "user-17"}}, ""),
        ("Anthropic/Python 1", {"metadata": {"user_id": "[1]"}}, ""),
        ("claude-cli/2", {"metadata": {"user_id": json.dumps({**DEVICE, "session_id": 3})}}, ""),
        ("codex_exec/0", {"prompt_cache_key": 5, "metadata": []}, ""),
    ],
)
def test_or_in_the_body_by_programs_that_do_so(product: str, body: dict[str, Any], conversation: str) -> None:
    made = recognise({"User-Agent": product}, body)
    assert made.conversation == conversation
    assert "d" * 64 not in str(made)


@given(st.dictionaries(st.sampled_from(["User-Agent", "Originator", "session_id", "Thread-Id"]), st.text()),
       st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.sampled_from(
           ["metadata", "user_id", "prompt_cache_key", "session_id"]), inner)))  # fmt: skip
def test_any_headers_and_any_body_have_a_caller(headers: dict[str, str], body: Any) -> None:
    made = recognise(headers, body if isinstance(body, dict) else None)
    assert all(isinstance(said, str) and len(said) <= LONGEST for said in made)
