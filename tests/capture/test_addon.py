"""The addon's options: where a setting comes from, what is refused; and what it hands to the others while it runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from mitmproxy import exceptions
from mitmproxy.addons.eventstore import EventStore
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from zerogravity import config as configuration
from zerogravity.capture.addon import OPTIONS, Capture
from zerogravity.hosts import GOOGLE, PUBLIC


@pytest.fixture
def loaded() -> Iterator[tuple[Capture, taddons.context]]:
    capture = Capture()
    with taddons.context(capture) as context:
        yield capture, context


def test_every_option_is_a_setting_and_has_help(loaded) -> None:
    _, context = loaded
    for name, _, text in OPTIONS:
        assert context.options._options[f"zg_{name}"].help == text
        assert name == "config" or name in (*configuration.NAMES, *configuration.RENAMED)


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [("zg_listen", "nowhere", "HOST:PORT"), ("zg_listen", "0.0.0.0:1", "key"), ("zg_config", "/no/such", "no conf")],
)
def test_bad_options_raise_mitmproxys_options_error(loaded, option, value, word) -> None:
    capture, context = loaded
    with pytest.raises(exceptions.OptionsError, match=word):
        context.configure(capture, **{option: value})


async def test_an_unknown_option_prevents_the_start(loaded, caplog) -> None:
    """mitmdump keeps ``--set`` of names that no addon has declared yet, and does not complain when none ever does."""
    capture, context = loaded
    context.options.set("zg_stor_path=x", "zg_nonsense=1", defer=True)
    await capture.running()
    assert capture.guard.front is None
    assert "unknown options: zg_nonsense, zg_stor_path" in caplog.text
    assert caplog.records[-1].levelname == "ERROR"


def test_the_response_store_can_be_set(loaded, tmp_path) -> None:
    capture, context = loaded
    context.configure(capture, zg_store=str(tmp_path / "responses.sqlite"))
    assert capture._load_config().store == str(tmp_path / "responses.sqlite")


def test_the_response_store_can_be_set_by_its_old_name(loaded, tmp_path) -> None:
    capture, context = loaded
    context.configure(capture, zg_store_path=str(tmp_path / "responses.sqlite"))
    assert capture._load_config().store == str(tmp_path / "responses.sqlite")


@pytest.mark.parametrize(("shown", "made"), [("warn", "WARNING"), ("info", "INFO"), ("debug", "DEBUG")])
async def test_no_record_is_made_that_is_not_shown(loaded, shown, made) -> None:
    capture, context = loaded
    logger = logging.getLogger("zerogravity")
    context.options.add_option("termlog_verbosity", str, "info", "as TermLog's")
    context.configure(capture, termlog_verbosity=shown)
    assert logging.getLevelName(logger.level) == made
    await capture.done()
    assert logger.level == logging.NOTSET


async def test_where_events_are_shown_all_records_are_made(loaded) -> None:
    capture, context = loaded
    context.master.addons.add(EventStore())
    context.options.add_option("termlog_verbosity", str, "info", "as TermLog's")
    context.configure(capture, termlog_verbosity="warn")
    assert logging.getLogger("zerogravity").level == logging.NOTSET


# -- where a setting comes from ------------------------------------------------------------------------------------


WORDS = {
    "listen": ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"),
    "ls": ("auto", "editor", "runtime"),
    "ls_url": ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"),
    "upstream": ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"),
}
SETTINGS = tuple(
    (name, kind is bool) for name, kind, _ in OPTIONS if name != "config" and name not in configuration.RENAMED
)
SOURCES = ("file", "environment", "option")


@pytest.mark.parametrize("strongest", SOURCES)
@pytest.mark.parametrize(("name", "switch"), SETTINGS)
@pytest.mark.parametrize("on", [True, False])
def test_an_option_before_the_environment_before_the_file(
    loaded, tmp_path, monkeypatch, name: str, switch: bool, strongest: str, on: bool
) -> None:
    """Whatever the strongest source says, everything weaker says something else."""
    capture, context = loaded
    file, rank = tmp_path / "config.toml", SOURCES.index(strongest)
    words = WORDS.get(name, ("one", "two", "three"))
    values = [on if number == rank else not on for number in range(3)] if switch else words
    texts = [str(value).lower() if switch else value for value in values]
    file.write_text(f"{name} = {texts[0] if switch else json.dumps(texts[0])}")
    context.options.set(f"zg_config={file}")
    if rank >= 1:
        monkeypatch.setenv(f"ZEROGRAVITY_{name.upper()}", texts[1])
    if rank >= 2:
        context.options.set(f"zg_{name}={texts[2]}")
    assert getattr(capture._load_config(), name) == values[rank]


@pytest.mark.parametrize(
    "name", [name for name, switch in SETTINGS if not switch and name not in ("listen", "key", "ls", "ls_csrf")]
)
def test_an_empty_option_overrides_the_environment(loaded, monkeypatch, name: str) -> None:
    capture, context = loaded
    monkeypatch.setenv(f"ZEROGRAVITY_{name.upper()}", WORDS.get(name, ("one",))[0])
    assert getattr(capture._load_config(), name)
    context.options.set(f"zg_{name}=")
    assert getattr(capture._load_config(), name) == configuration.Config.model_fields[name].default


def test_an_empty_key_option_keeps_the_configured_key(loaded, monkeypatch) -> None:
    capture, context = loaded
    monkeypatch.setenv("ZEROGRAVITY_KEY", "k")
    with pytest.raises(exceptions.OptionsError, match="not empty"):
        context.options.set("zg_key=")
    assert capture._load_config().key == "k"


def test_unset_options_are_left_alone(loaded, monkeypatch) -> None:
    """mitmproxy's own defaults are nobody's wish."""
    capture, _ = loaded
    monkeypatch.setenv("ZEROGRAVITY_TRACE", "false")
    assert not capture._load_config().trace


# -- start and stop ------------------------------------------------------------------------------------------------


@pytest.fixture
def whole() -> Iterator[tuple[Capture, taddons.context]]:
    """Beside the addons of mitmproxy that it asks."""
    capture = Capture()
    with taddons.context(Proxyserver(), NextLayer(), capture) as context:
        context.options.update(server=False)
        yield capture, context


@pytest.mark.parametrize("intercept", [True, False])
async def test_the_other_addons_have_their_dependencies_while_it_runs(
    whole, tmp_path, monkeypatch, intercept: bool
) -> None:
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_INTERCEPT", str(intercept).lower())
    capture, context = whole
    context.options.set("zg_listen=127.0.0.1:0", "zg_ls_url=http://127.0.0.1:9", "zg_ls_csrf=x")
    await capture.running()
    await capture.running()
    assert capture.guard.front.url.startswith("http://127.0.0.1:")
    assert capture.commands.health().startswith("not ready")
    assert (capture.interceptor.deps is not None) is intercept
    await capture.done()
    await capture.done()
    assert capture.guard.front is capture.commands.deps is capture.interceptor.deps is None
    assert capture.commands.health() == "not running"


@pytest.mark.parametrize(("loop", "told"), [("auto", False), ("uvloop", True), ("asyncio", True)])
async def test_a_choice_of_the_event_loop_is_said_to_have_no_effect(whole, tmp_path, monkeypatch, caplog, loop, told):
    """Here another program has chosen it."""
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ZEROGRAVITY_LOOP", loop)
    capture, context = whole
    context.options.set("zg_listen=127.0.0.1:0")
    await capture.running()
    await capture.done()
    assert (f"loop = {loop} has no effect here" in caplog.text) == told


async def test_a_start_that_fails_is_an_error_and_leaves_nothing(whole, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    capture, context = whole
    context.options.set("zg_listen=127.0.0.1:0", f"zg_store={tmp_path}")
    await capture.running()
    assert "zerogravity cannot serve: " in caplog.text
    assert caplog.records[-1].levelname == "ERROR"
    assert capture.guard.front is None
    await capture.done()


@pytest.mark.parametrize(
    ("ls", "google", "level", "remedy"),
    [
        ("runtime", GOOGLE, "ERROR", "--mode reverse:https://generativelanguage.googleapis.com@127.0.0.1:8742"),
        ("editor", f"https://{PUBLIC[0]}", "WARNING", f"--mode reverse:{GOOGLE}@127.0.0.1:8742"),
        ("auto", f"https://{PUBLIC[0]}", "WARNING", f"--mode reverse:{GOOGLE}@127.0.0.1:8742"),
        ("editor", GOOGLE, "", ""),
    ],
)
async def test_a_google_that_does_not_serve_the_back_ends_calls(
    whole, tmp_path, monkeypatch, caplog, ls: str, google: str, level: str, remedy: str
) -> None:
    """The runtime's calls would all be lost. Beside an editor's, other programs may be recorded there."""
    monkeypatch.setenv("ZEROGRAVITY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ANTIGRAVITY_HARNESS_PATH", "/no/such/localharness")
    capture, context = whole
    context.options.update(mode=[f"reverse:{google}@127.0.0.1:0"])
    context.options.set("zg_listen=127.0.0.1:0", f"zg_ls={ls}")
    await capture.running()
    told = [record for record in caplog.records if "404" in record.getMessage()]
    assert [record.levelname for record in told] == ([level] if level else [])
    assert all(remedy in record.getMessage() for record in told)
    assert (capture.guard.front is None) is (level == "ERROR")
    await capture.done()
