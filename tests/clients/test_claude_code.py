"""Claude Code: its agent loop, and what it does when an answer ends otherwise than well."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import npm_bin
from tests.clients.run import Ran, home, run, terminal
from tests.clients.wire import Wire
from tests.e2e.support import quick, until
from zerogravity.testing.simulator.google.catalogue import CATALOGUE
from zerogravity.testing.simulator.google.scenarios import answer, call, calls
from zerogravity.testing.simulator.stack import Stack, StackOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")
CLIENTS = ("claude-code",)

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PROMPT = 'Create a file notes.txt that says "bees are fine".'
MESSAGES = "/v1/messages"
ESCAPE = "\x1b"
SUMMARY = answer("<analysis>It was short.</analysis>\n", "<summary>Bees were fine.</summary>")
STAND_IN = "skip_thought_signature_validator"
QUIET = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "IS_SANDBOX": "1",  # root may skip permissions
}


async def claude(
    wire: Wire, workspace: Path, prompt: str, *more: str, folder: Path | None = None, **options: Any
) -> Ran:
    """One ``claude -p``; ``folder``: its home, when a session goes on."""
    env = {"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": "any", **QUIET, **options.pop("env", {})}
    arguments = ("-p", prompt, "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions", *more)
    if "--model" not in more:
        arguments += ("--model", "gemini-3-flash")
    command = npm_bin("claude-code", "claude")
    return await run(command, *arguments, cwd=workspace, env=env, home=folder or home("claude-code"), **options)


class Told:
    """What it tells of a session."""

    def __init__(self, ran: Ran) -> None:
        self.events: list[dict[str, Any]] = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]
        self.result = self.events[-1]
        assert self.result["type"] == "result", ran
        blocks = [(event["type"], block) for event in self.events if event["type"] in ("assistant", "user")
                  for block in event["message"]["content"] if isinstance(block, dict)]  # fmt: skip
        self.calls = [block["name"] for _, block in blocks if block["type"] == "tool_use"]
        self.results = [block for _, block in blocks if block["type"] == "tool_result"]
        self.thinking = [block["thinking"] for _, block in blocks if block["type"] == "thinking"]
        self.texts = [block["text"] for kind, block in blocks if (kind, block["type"]) == ("assistant", "text")]

    @property
    def text(self) -> str:
        """The final text of a session that went well."""
        assert self.result["subtype"] == "success", self.result
        assert not self.result["is_error"], self.result
        return self.result["result"]


def sent(stack: Stack) -> list[dict[str, Any]]:
    """The contents of the last request that reached Google."""
    assert stack.google is not None
    return stack.google.requests[-1].body["request"]["contents"]


def parts(stack: Stack, kind: str) -> list[Any]:
    return [part for content in sent(stack) for part in content["parts"] if kind in part]


@pytest.mark.parametrize(
    "model",
    ["gemini-3-flash", "gemini-2.5-flash", "claude-sonnet-4-6", "gpt-oss-120b-medium", "claude-opus-5-5", "haiku"],
)  # the last two: by the aliases that are set for its main and its small model
async def test_a_file_is_written(wire: Wire, tmp_path: Path, model: str) -> None:
    told = Told(await claude(wire, tmp_path, PROMPT, "--model", model))
    assert told.calls == ["Write"]
    assert "Write answered: File created successfully" in told.text
    assert (tmp_path / "notes.txt").read_text().strip() == "bees are fine"
    assert len(wire.asked(MESSAGES)) == 2
    usage = told.result["usage"]
    assert min(usage["input_tokens"], usage["output_tokens"], usage["cache_read_input_tokens"]) > 0


async def test_thoughts_come_back_as_google_signed_them(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    told = Told(await claude(wire, tmp_path, PROMPT))
    assert told.thinking[0].startswith("**Considering**")
    (called,) = parts(stack, "functionCall")
    assert called["functionCall"]["name"] == "Write"
    assert called["thoughtSignature"] != STAND_IN
    assert len(called["thoughtSignature"]) > 50
    assert "x-anthropic-billing-header" not in json.dumps(stack.google.requests[-1].body if stack.google else None)


async def test_several_rounds_of_tools(wire: Wire, tmp_path: Path) -> None:
    told = Told(
        await claude(wire, tmp_path, f"{PROMPT} sim:tool sim:tool-text sim:tool-apart sim:text", "--tools", "Bash")
    )
    assert told.calls == ["Bash"] * 3
    assert told.text.startswith("Here is an answer")
    assert len(wire.asked(MESSAGES)) == 4


@pytest.mark.parametrize("how", ["parallel", "parallel-split"])
async def test_parallel_tools(wire: Wire, stack: Stack, tmp_path: Path, how: str) -> None:
    told = Told(await claude(wire, tmp_path, f"{PROMPT} sim:{how} sim:text", "--tools", "Bash"))
    assert told.calls == ["Bash"] * 3
    assert told.text.startswith("Here is an answer")
    assert (tmp_path / "notes.txt").read_text() == "bees are fine\n"
    assert [one.get("thoughtSignature", STAND_IN) != STAND_IN for one in parts(stack, "functionCall")] == [
        True,
        False,
        False,
    ]


async def test_results_of_parallel_tools_that_fail(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    """It sends those that failed first."""
    prompt = "Use the tool on other.txt. sim:parallel sim:text"
    told = Told(await claude(wire, tmp_path, prompt, "--tools", "Read"))
    assert told.calls == ["Read"] * 3
    assert [bool(one.get("is_error")) for one in told.results] == [True] * 3
    assert told.text.startswith("Here is an answer")
    assert all("error" in one["functionResponse"]["response"] for one in parts(stack, "functionResponse"))


async def test_several_turns(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    folder = home("claude-code")
    first = Told(await claude(wire, tmp_path, PROMPT, folder=folder))
    second = Told(await claude(wire, tmp_path, "And now? sim:text", "--continue", folder=folder))
    assert second.text.startswith("Here is an answer")
    said = "".join(part["text"] for part in parts(stack, "text"))
    assert said.index("bees are fine") < said.index(first.text) < said.index("And now?")
    assert len(parts(stack, "functionCall")) == 1


async def test_an_interrupted_run_goes_on(stack: Stack, tmp_path: Path) -> None:
    folder = home("claude-code")
    assert stack.google is not None
    async with Wire(stack.url, hang_up=True) as wire:
        begun = lambda: wire.exchanges and b"Before" in wire.exchanges[-1].answer  # noqa: E731
        ran = await claude(wire, tmp_path, "Tell me. sim:stall 600", folder=folder, interrupt=begun)
        assert "After it." not in ran.out
        received = stack.google.requests[-1]
        await until(lambda: received.ended)
        assert received.ended == "client_gone"  # nobody wants the rest
        assert "You wrote: " in Told(await claude(wire, tmp_path, "Go on.", "--continue", folder=folder)).text


async def test_in_a_terminal(stack: Stack, tmp_path: Path) -> None:
    """It asks for the models; an answer is interrupted by Escape, and the session goes on."""
    folder = home("claude-code")
    seen = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    settings = {"hasCompletedOnboarding": True, "theme": "dark", "projects": {str(tmp_path): seen}}
    (folder / ".claude.json").write_text(json.dumps(settings))
    assert stack.google is not None
    async with Wire(stack.url, hang_up=True) as wire:
        env = {"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_AUTH_TOKEN": "any", **QUIET}
        env["CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"] = "1"
        command = (npm_bin("claude-code", "claude"), "--model", "gemini-3-flash", "Tell me. sim:stall 600")
        async with terminal(*command, cwd=tmp_path, env=env, home=folder) as shows:
            await until(lambda: wire.exchanges and b"Before" in wire.exchanges[-1].answer)
            received = stack.google.requests[-1]
            shows.type(ESCAPE)
            await until(lambda: received.ended)
            await until(lambda: "What should Claude do instead?" in shows.shown)
            shows.type("Go on.")
            await until(lambda: "Go on." in shows.shown)
            shows.type("\r")
            await until(lambda: "You wrote: “Go on.”" in shows.shown)
    assert received.ended == "client_gone"
    assert [one.status for one in wire.exchanges if one.path == "/v1/models?limit=1000"] == [200]
    assert "[Request interrupted by user]" in json.dumps(wire.asked(MESSAGES)[-1]["messages"])


async def test_a_picture(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PICTURE)
    told = Told(await claude(wire, tmp_path, "What is in dot.png? Use the tool.", "--tools", "Read"))
    assert told.calls == ["Read"]
    assert base64.b64encode(PICTURE).decode() in json.dumps(sent(stack))


async def test_web_search(wire: Wire, tmp_path: Path) -> None:
    """It asks for it in a request of its own, whose results it shows as links."""
    told = Told(await claude(wire, tmp_path, "Use WebSearch for the latest news", env={"ENABLE_TOOL_SEARCH": "false"}))
    assert told.calls == ["WebSearch"]
    assert "example.org" in json.dumps(told.results)
    assert "Zürich is the largest city" in json.dumps(told.results, ensure_ascii=False)
    (asked,) = [one for one in wire.asked(MESSAGES) if any("type" in tool for tool in one["tools"])]
    assert [tool["type"] for tool in asked["tools"]] == ["web_search_20250305"]


async def test_tool_search(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    """Most tools are offered only when the model has looked for them."""
    assert stack.google is not None
    stack.google.script(calls(call("ToolSearch", {"query": "select:WebSearch"})))
    stack.google.script(calls(call("WebSearch", {"query": "the latest news"})))
    told = Told(await claude(wire, tmp_path, "What is new?"))
    assert told.calls == ["ToolSearch", "WebSearch"]
    assert "example.org" in json.dumps(told.results)
    declared = [
        {one["name"] for tool in received.request["tools"] for one in tool.get("functionDeclarations", ())}
        for received in stack.google.requests[-4:]
    ]
    assert ["WebSearch" in names for names in declared] == [False, True, False, True]  # the third is the search itself


async def test_structured_output(wire: Wire, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    told = Told(await claude(wire, tmp_path, "Use StructuredOutput for Rome", "--json-schema", json.dumps(schema)))
    assert told.result["structured_output"] == {"city": "Rome"}


async def test_the_context_is_counted(wire: Wire, tmp_path: Path) -> None:
    """All its parts at once."""
    told = Told(await claude(wire, tmp_path, "/context"))
    assert "gemini-3-flash" in told.text
    assert len(wire.asked("/count_tokens")) > 10
    assert {one.status for one in wire.exchanges} == {200}


async def test_a_sub_agent(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    """It works in the background, and its answer comes as a reminder."""
    assert stack.google is not None
    stack.google.script(CATALOGUE["tool"])
    told = Told(await claude(wire, tmp_path, "Ask somebody.", "--tools", "Agent"))
    assert told.calls == ["Agent"]
    assert told.text.startswith("You wrote: ")
    assert "<result>You wrote: " in json.dumps(wire.asked(MESSAGES)[-1]["messages"][-1])


async def test_a_compaction(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    """The summary takes the place of the conversation."""
    folder = home("claude-code")
    Told(await claude(wire, tmp_path, PROMPT, folder=folder))
    assert stack.google is not None
    stack.google.script(SUMMARY)
    Told(await claude(wire, tmp_path, "/compact", "--continue", folder=folder))
    assert "TEXT ONLY" in json.dumps(wire.asked(MESSAGES)[-1]["messages"][-1])
    assert Told(await claude(wire, tmp_path, "Why?", "--continue", folder=folder)).text.startswith("You wrote: ")
    assert "Bees were fine." in json.dumps(wire.asked(MESSAGES)[-1]["messages"])


@pytest.mark.parametrize(
    ("model", "more", "env", "level"),
    [
        ("claude-opus-5-5", ["--effort", "low"], {}, "LOW"),
        ("claude-opus-5-5", ["--effort", "max"], {}, "HIGH"),
        ("claude-haiku-4-5", [], {}, "HIGH"),  # an older one: by a budget
        ("claude-haiku-4-5", [], {"MAX_THINKING_TOKENS": "0"}, "MINIMAL"),
    ],
)
async def test_effort(
    wire: Wire, stack: Stack, tmp_path: Path, model: str, more: list[str], env: dict[str, str], level: str
) -> None:
    told = Told(await claude(wire, tmp_path, "Why?", "--model", model, *more, env=env))
    assert told.text.startswith("You wrote: “Why?”")
    assert stack.google is not None
    config = stack.google.requests[-1].request["generationConfig"]["thinkingConfig"]
    assert config == {"thinkingLevel": level, "includeThoughts": not env}
    assert bool(told.thinking) is not bool(env)


CUT = "Your response above was cut off mid-stream."
FILTERED = "Your response above was stopped by a safety classifier"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        *((how, CUT) for how in ("503-mid", "raw-mid", "drop", "cut", "reset", "half-close", "gzip-cut", "no-finish")),
        *((how, FILTERED) for how in ("safety", "recitation")),
        ("max-tokens", "Output token limit hit."),
        *((how, "") for how in ("400", "404", "429", "500", "504", "nonsense", "drop-think", "blocked")),
    ],
)  # words: of the request in which it asks again; none: it asks the same
async def test_it_asks_again(wire: Wire, stack: Stack, tmp_path: Path, how: str, words: str) -> None:
    """Of a 503 it does not hear: the gateway itself asks once more."""
    assert stack.google is not None
    stack.google.script(CATALOGUE[how])
    assert Told(await claude(wire, tmp_path, "Why?")).text.startswith("You wrote: “Why?”")
    first, second = wire.asked(MESSAGES)
    assert words in json.dumps(second["messages"])
    assert bool(words) is (len(second["messages"]) > len(first["messages"]))
    if wire.exchanges[0].status != 200:
        wire.exchanges.pop(0)  # it was meant to fail


@pytest.mark.parametrize(
    "how",
    [
        *("empty", "empty-body", "thinking-only", "malformed", "unexpected", "unsigned", "other", "nameless"),
        *("drop-before", "reset-before"),
    ],
)
async def test_what_it_need_not_ask_again(wire: Wire, stack: Stack, tmp_path: Path, how: str) -> None:
    """No answer at all is asked for again before the client sees it."""
    assert stack.google is not None
    stack.google.script(CATALOGUE[how])
    assert Told(await claude(wire, tmp_path, "Why?")).text.startswith("You wrote: “Why?”")
    assert len(wire.asked(MESSAGES)) == 1


@pytest.mark.parametrize(
    ("how", "said", "most"),
    [
        ("429-quota", "The quota is used up", 1),
        ("429-mid", "Resource has been exhausted", 1),
        ("403-verify", "Google refused the language server", 1),
        ("400", "Request contains an invalid argument", 6),
    ],
)  # most: requests
async def test_an_error_that_cannot_heal_is_told(wire: Wire, tmp_path: Path, how: str, said: str, most: int) -> None:
    told = Told(await claude(wire, tmp_path, f"sim:{how}"))
    assert told.result["is_error"]
    assert said in told.result["result"]
    assert len(wire.exchanges) <= most
    wire.exchanges.clear()  # it was meant to fail


@pytest.mark.parametrize(
    ("env", "status"),
    [
        ({"ANTHROPIC_API_KEY": "sk-ours"}, 200),  # as x-api-key
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "sk-ours"}, 200),  # as a bearer
        ({"ANTHROPIC_API_KEY": "sk-theirs"}, 401),
    ],
)
async def test_a_key(tmp_path: Path, env: dict[str, str], status: int) -> None:
    """A wrong one is not tried again and again."""
    async with Stack(StackOptions(ls=quick(), env={"ZEROGRAVITY_KEY": "sk-ours"})) as locked, Wire(locked.url) as wire:
        told = Told(await claude(wire, tmp_path, "Why?", env=env))
    assert [one.status for one in wire.exchanges] == [status]
    assert told.result["is_error"] is (status == 401)


async def test_a_prompt_that_is_too_long_is_compacted(wire: Wire, stack: Stack, tmp_path: Path) -> None:
    folder = home("claude-code")
    Told(await claude(wire, tmp_path, PROMPT, folder=folder))
    wire.exchanges.clear()
    assert stack.google is not None
    stack.google.script(CATALOGUE["400-long"])
    stack.google.script(SUMMARY)
    assert Told(await claude(wire, tmp_path, "Why?", "--continue", folder=folder)).text.startswith("You wrote: ")
    refused, compacting, again = wire.exchanges
    assert b"prompt is too long: " in refused.answer
    assert "TEXT ONLY" in json.dumps(compacting.asked["messages"][-1])
    assert "Bees were fine." in json.dumps(again.asked["messages"])
    assert "Why?" in json.dumps(again.asked["messages"])
    wire.exchanges.remove(refused)  # it was meant to fail
