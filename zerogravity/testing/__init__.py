"""The public test kit, for tests of agents, of clients, and of zerogravity itself.

| name | what it is for |
|---|---|
| ``zerogravity_cassette`` | pytest fixture (installed with the package): your agent talks to a server that answers \
from recordings alone; a request that was not recorded is a 400 that shows the difference to the nearest recording |
| ``GoogleSimulator`` | Google over real sockets and TLS: scripted answers, refusals, broken streams; it refuses \
the requests that Google refuses. ``simulator.google`` has the functions that write a ``Scenario`` |
| ``LanguageServerSimulator`` | the editor's language server; ``LsOptions`` are the habits of its builds |
| ``Stack`` | the whole path on one machine: both stand-ins, a real mitmdump between them; agents use ``stack.url`` |
| ``check_responses`` ``check_chat`` ``check_messages`` ``check_gemini`` | the grammar of a stream: frames in, values \
out; ``GrammarError`` says what is wrong. ``check_response`` and ``check_message``: of a whole object |
| ``builders`` | Google's chunks, parts and usage; turns, records, channels; ``FakeClock`` |
| ``Library`` ``ReplayEngine`` ``Pace`` | recordings by the digest of their request; an engine that plays them, \
faster, slower, or with mishaps |

A test of an agent with recordings, and one of a client with an answer of your own::

    import aiohttp, openai
    from zerogravity.testing import Stack, check_chat
    from zerogravity.testing.simulator.google import answer

    def test_my_agent(zerogravity_cassette):
        cassette = zerogravity_cassette("cassettes/my_agent")  # from traces of zerogravity serve
        client = openai.OpenAI(base_url=cassette.openai_url, api_key="unused")
        assert client.responses.create(model="gemini-3-flash", input="1+1?").output_text == "It is 2."

    async def test_my_client():
        async with Stack() as stack, aiohttp.ClientSession(stack.url) as http:
            stack.google.script(answer("It is ", "sunny.", thoughts=["hm"]))
            body = {"model": "gemini-3-flash", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
            async with http.post("/v1/chat/completions", json=body) as response:
                assert check_chat([await response.read()])[-1]["choices"][0]["finish_reason"] == "stop"

Names are imported on first use, so that the fixture costs a test run nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerogravity.testing import builders
    from zerogravity.testing.builders import FakeClock
    from zerogravity.testing.cassette import Library
    from zerogravity.testing.check import (
        GrammarError,
        check_chat,
        check_gemini,
        check_message,
        check_messages,
        check_response,
        check_responses,
    )
    from zerogravity.testing.pytest_plugin import Cassette
    from zerogravity.testing.replay import Pace, ReplayEngine
    from zerogravity.testing.simulator.google import GoogleOptions, GoogleSimulator, Scenario
    from zerogravity.testing.simulator.language_server import LanguageServerSimulator, LsOptions
    from zerogravity.testing.simulator.stack import Stack, StackOptions

_FROM = {
    "FakeClock": "builders",
    "Library": "cassette",
    "GrammarError": "check", "check_chat": "check", "check_gemini": "check", "check_message": "check",
    "check_messages": "check", "check_response": "check", "check_responses": "check",
    "Cassette": "pytest_plugin",
    "Pace": "replay", "ReplayEngine": "replay",
    "GoogleOptions": "simulator.google", "GoogleSimulator": "simulator.google", "Scenario": "simulator.google",
    "LanguageServerSimulator": "simulator.language_server", "LsOptions": "simulator.language_server",
    "Stack": "simulator.stack", "StackOptions": "simulator.stack",
}  # fmt: skip

__all__ = [
    "Cassette",
    "FakeClock",
    "GoogleOptions",
    "GoogleSimulator",
    "GrammarError",
    "LanguageServerSimulator",
    "Library",
    "LsOptions",
    "Pace",
    "ReplayEngine",
    "Scenario",
    "Stack",
    "StackOptions",
    "builders",
    "check_chat",
    "check_gemini",
    "check_message",
    "check_messages",
    "check_response",
    "check_responses",
]


def __getattr__(name: str) -> Any:
    if name == "builders":
        return import_module(f"{__name__}.builders")
    if (module := _FROM.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
