"""What the demo prints: each surface's stream, its first delta beside that of a poller, and what goes wrong."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from zerogravity.cli import demonstration as demo
from zerogravity.core.events import AttemptClosed, AttemptOpened, Finished, TextDelta
from zerogravity.errors import FaultError, bad_request
from zerogravity.observe import trace_reader
from zerogravity.surfaces import REGISTRY
from zerogravity.testing.replay_server import in_thread
from zerogravity.testing.simulator.stack import StackOptions

ANSWER = b'{"candidates":[{"content":{"parts":[{"text":"Blue light scatters."}]},"finishReason":"STOP"}]}'


@pytest.fixture
def spoken(recording, make_turn):
    """The trace of a short answer."""
    made = recording()
    running = made.store.open(make_turn())
    running.append(0, b"", (AttemptOpened(),))
    running.append(0, ANSWER, (TextDelta("Blue light scatters."),))
    running.append(0, b"", (AttemptClosed("STOP"),))
    running.close(Finished("stop"))
    made.flush()
    return trace_reader.find(made.root)


@pytest.fixture
def stack(monkeypatch):
    """``stack(url, first_step_s)``: the path that the demo starts is the gateway at ``url``."""

    def use(url, first_step_s):
        class Fake:
            def __init__(self, options):
                self.url = url
                ls = SimpleNamespace(first_step_text_after_s=lambda: first_step_s)
                self.ls = ls if options.runtime is None else None

            async def __aenter__(self):
                return self

            async def __aexit__(self, *_):
                return None

        monkeypatch.setattr(demo, "Stack", Fake)

    return use


@pytest.mark.parametrize(
    ("first_step_s", "poller"), [(0.25, "after 400 ms"), (None, "a client that polls the LS's steps would have seen")]
)
async def test_every_surface_is_shown(spoken, stack, capsys, first_step_s, poller):
    with in_thread(lambda turn: spoken) as url:
        stack(url, first_step_s)
        assert await demo.run(StackOptions()) == 0
    shown = capsys.readouterr().out
    for surface in REGISTRY.values():
        assert f"{surface.title:<10} POST {surface.url('…', stream=True)}" in shown
    assert shown.count("text       Blue light scatters.") == len(REGISTRY)
    assert shown.count("  usage  ") == shown.count(poller) == len(REGISTRY)


async def test_a_surface_that_fails_is_named(stack, capsys):
    def refuses(turn):
        raise bad_request("nothing was recorded")

    with in_thread(refuses) as url:
        stack(url, None)
        assert await demo.run(StackOptions()) == 1
    assert capsys.readouterr().out.count("failed: HTTP 400") == len(REGISTRY)


@pytest.mark.parametrize("surface", REGISTRY.values(), ids=lambda surface: surface.name)
def test_what_to_paste_has_a_turn_of_every_surface(surface):
    shown = demo.HOW_TO.format(way="", url="http://here", model=demo.MODEL, inspector="")
    assert re.search(rf"^  .*\b{surface.title}\b.*base URL", shown, re.M)
    sent = {url: json.loads(body) for url, body in re.findall(r"curl -N '?(\S+?)'? .*\n +-d '(.*)'", shown)}
    assert surface.input in sent[f"http://here{surface.url(demo.MODEL, stream=True)}"]


# -- with the runtime ----------------------------------------------------------------------------------------------


@pytest.fixture
def compared(monkeypatch):
    """What the comparison was asked for; its own test has the rest."""
    asked = []

    async def compare(options, first_delta):
        asked.append((options, [await first_delta(asked_url, one) for one in REGISTRY.values()]))
        return "the table"

    asked_url = ""

    def at(url):
        nonlocal asked_url
        asked_url = url
        monkeypatch.setattr(demo, "compare", compare)
        return asked

    return at


async def test_the_runtime_is_called_real_and_compared(spoken, stack, compared, capsys, tmp_path):
    with in_thread(lambda turn: spoken) as url:
        stack(url, None)
        asked = compared(url)
        options = StackOptions(runtime=tmp_path / "localharness")
        assert await demo.run(options) == 0
    shown = capsys.readouterr().out
    assert f"agent → {url} → Google's Antigravity runtime (real, of an unknown version) → mitmdump → Google" in shown
    assert shown.count("first delta after") == len(REGISTRY)
    assert "polling" not in shown, "the runtime's steps are not polled"
    assert shown.endswith("the table\n")
    ((given, seconds),) = asked
    assert given is options
    assert all(0 < each < 60 for each in seconds)


async def test_a_comparison_that_fails(stack, compared, monkeypatch, capsys, tmp_path):
    async def shows(*_):
        return True

    def refuses(turn):
        raise bad_request("nothing was recorded")

    monkeypatch.setattr(demo, "_show", shows)
    with in_thread(refuses) as url:
        stack(url, None)
        compared(url)
        assert await demo.run(StackOptions(runtime=tmp_path)) == 1
    assert "failed: HTTP 400" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "who"),
    [
        (StackOptions(), "agent → u → LS stand-in → mitmdump → Google stand-in"),
        (StackOptions(upstream="http://there:1"), "agent → u → LS stand-in → mitmdump → http://there:1"),
    ],
)
def test_who_stands_on_the_way(options, who):
    assert demo.way(options, "u") == who


def test_the_version_of_the_real_one(tmp_path):
    program = tmp_path / "google" / "antigravity" / "bin" / "localharness"
    information = tmp_path / "google_antigravity-7.8.dist-info" / "METADATA"
    for file in (program, information):
        file.parent.mkdir(parents=True)
        file.write_text("Metadata-Version: 2.1\nName: google-antigravity\nVersion: 7.8\n")
    assert "runtime (real, 7.8)" in demo.way(StackOptions(runtime=program), "u")


@pytest.fixture
def bare(monkeypatch):
    """No runtime is on this machine."""
    monkeypatch.setattr("zerogravity.backends.runtime.settings._installed", lambda: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("ANTIGRAVITY_HARNESS_PATH", raising=False)


def test_the_runtime_is_found(bare, monkeypatch, tmp_path):
    program = tmp_path / "harness"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", str(program))
    assert demo.real_runtime() == program


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "Google's Antigravity runtime is not installed. ./scripts/demo --real installs it; or name its program: "
             "ANTIGRAVITY_HARNESS_PATH=FILE."),
        ("/no/such", "/no/such is no program that can be run. Set runtime_path or ANTIGRAVITY_HARNESS_PATH"),
    ],
)  # fmt: skip
def test_without_the_runtime_it_says_what_to_do(bare, monkeypatch, named, said):
    if named:
        monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", named)
    with pytest.raises(FaultError) as caught:
        demo.real_runtime()
    assert caught.value.fault.full_message.startswith(said)
