"""What libraries find in the environment."""

from __future__ import annotations

from zerogravity.agents.agent import Target
from zerogravity.agents.sdks import SCRIPT, SDKS

TARGET = Target("http://127.0.0.1:8741", "s3cret")


def test_any_program_gets_every_sdks_variables_and_loses_those_that_would_win() -> None:
    assert SCRIPT.start(TARGET, "").env == {
        "OPENAI_BASE_URL": "http://127.0.0.1:8741/v1", "OPENAI_API_BASE": "http://127.0.0.1:8741/v1",
        "OPENAI_API_KEY": "s3cret", "ANTHROPIC_BASE_URL": "http://127.0.0.1:8741", "ANTHROPIC_API_KEY": "s3cret",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:8741", "GEMINI_API_KEY": "s3cret",
        "ANTHROPIC_AUTH_TOKEN": None, "GOOGLE_API_KEY": None, "GOOGLE_GENAI_USE_VERTEXAI": None,
    }  # fmt: skip


def test_each_library_has_its_lines_for_good() -> None:
    lines = {agent.name: agent.lasting(TARGET)[0].text.splitlines() for agent in SDKS}
    assert lines == {
        "openai": ["export OPENAI_BASE_URL=http://127.0.0.1:8741/v1", "export OPENAI_API_KEY=s3cret"],
        "google": ["export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8741", "export GEMINI_API_KEY=s3cret"],
        "anthropic": ["export ANTHROPIC_BASE_URL=http://127.0.0.1:8741", "export ANTHROPIC_API_KEY=s3cret"],
        "aisdk": [
            'createOpenAI({ baseURL: "http://127.0.0.1:8741/v1", apiKey: "s3cret" })',
            'createGoogleGenerativeAI({ baseURL: "http://127.0.0.1:8741/v1beta", apiKey: "s3cret" })',
            'createAnthropic({ baseURL: "http://127.0.0.1:8741/v1", apiKey: "s3cret" })',
        ],
    }
