"""Real clients against the real path. Opt-in: they are installed from their registries, some 3 GB in all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.install import client
from tests.clients.wire import Wire
from tests.e2e.support import NO_COOLDOWN, quick
from tests.mcp.serving import Witness, sdk_server, served
from zerogravity.testing.simulator.stack import Stack, StackOptions

HERE = Path(__file__).resolve().parent
WANTED = os.environ.get("ZEROGRAVITY_CLIENTS") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked, bounded, and skipped unless asked for."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(1200))  # the first use of a client installs it
            if not WANTED:
                item.add_marker(pytest.mark.skip(reason="installs and runs real clients: set ZEROGRAVITY_CLIENTS=1"))


# clients that know OpenAI's or Anthropic's models treat these otherwise than a name they never heard
KNOWN = ("gpt-5", "gpt-5.5", "gpt-6.1-sol", "claude-opus-5-5", "claude-haiku-5-5", "claude-haiku-4-5")
ALIASES = ",".join(f"{name}=gemini-3-flash" for name in KNOWN)


@pytest.fixture(scope="module", autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    """The module's clients, before anything runs whose time an installation would take."""
    for name in ("node", *request.module.CLIENTS):
        client(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(installed: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """With an MCP server in its configuration, ``real``."""
    file = tmp_path_factory.mktemp("mcp") / "zerogravity.toml"
    async with served(sdk_server(Witness()).streamable_http_app()) as tools:
        file.write_text(f'[mcp_servers.real]\nurl = "{tools}/mcp"\n')
        file.chmod(0o600)
        env = {"ZEROGRAVITY_ALIASES": ALIASES, "ZEROGRAVITY_CONFIG": str(file), **NO_COOLDOWN}
        async with Stack(StackOptions(ls=quick(), env=env)) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def wire(stack: Stack) -> AsyncIterator[Wire]:
    """Where a client is pointed at. After the test every stream it got has passed its grammar checker."""
    async with Wire(stack.url) as made:
        yield made
    made.check()
