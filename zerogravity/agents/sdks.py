"""Libraries: what a program finds in its environment, or has to say itself. Pure."""

from __future__ import annotations

from collections.abc import Callable

from zerogravity.agents.agent import PROGRAM, Agent, Part, Start, Target, exports


def openai(target: Target) -> dict[str, str]:
    return {"OPENAI_BASE_URL": target.openai, "OPENAI_API_KEY": target.key}


def google(target: Target) -> dict[str, str]:
    return {"GOOGLE_GEMINI_BASE_URL": target.url, "GEMINI_API_KEY": target.key}


def anthropic(target: Target) -> dict[str, str]:
    """The SDKs add ``/v1`` themselves."""
    return {"ANTHROPIC_BASE_URL": target.url, "ANTHROPIC_API_KEY": target.key}


def everything(target: Target, folder: str) -> Start:
    """For a program that nobody knows: the variables of every SDK, under their older names, too."""
    elsewhere = ("ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI")  # these would win
    older = {"OPENAI_API_BASE": target.openai}
    return Start({**dict.fromkeys(elsewhere), **older, **openai(target), **google(target), **anthropic(target)})


def _ai_sdk(target: Target) -> tuple[Part, ...]:
    bases = {"OpenAI": target.openai, "GoogleGenerativeAI": target.google, "Anthropic": target.openai}
    lines = (f'create{name}({{ baseURL: "{base}", apiKey: "{target.key}" }})\n' for name, base in bases.items())
    return (Part(PROGRAM, "".join(lines)),)


def _library(name: str, title: str, variables: Callable[[Target], dict[str, str]]) -> Agent:
    return Agent(name, title, (), everything, lambda target: (exports(variables(target)),))


SCRIPT = Agent("script", "any program", (), everything, lambda target: ())

SDKS = (
    _library("openai", "OpenAI SDKs, Agents SDK, LangChain, pydantic-ai …", openai),
    _library("google", "Google SDKs", google),
    _library("anthropic", "Anthropic SDKs", anthropic),
    Agent("aisdk", "Vercel AI SDK", (), everything, _ai_sdk),
)
