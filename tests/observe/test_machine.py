"""What this machine lacks, one need at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from zerogravity import certs
from zerogravity.backends.antigravity.client import Endpoint
from zerogravity.backends.antigravity.discover import Found, Process
from zerogravity.core.turn import Model
from zerogravity.errors import FaultError, bad_request
from zerogravity.hosts import CODE_ASSIST, PUBLIC
from zerogravity.observe import machine
from zerogravity.observe.machine import Holder

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def verdict(check):
    """ok, warns or broken"""
    assert check.text
    return "broken" if not check.ok else "warns" if check.fix else "ok"


@pytest.mark.parametrize(("found", "expected"), [((3, 13, 0), "ok"), ((3, 12, 9), "ok"), ((3, 11, 9), "broken")])
def test_python(found, expected):
    check = machine.python(found)
    assert (verdict(check), check.text) == (expected, ".".join(map(str, found)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "ok"),
        ({"aiohttp": "3.14.0"}, "aiohttp 3.14.0 is older than 3.14.1"),
        ({"aiohttp": "3.9.10"}, "aiohttp 3.9.10 is older than 3.14.1"),
        ({"orjson": None}, "orjson is missing"),
        ({"orjson": None, "click": "7.9"}, "orjson is missing; click 7.9 is older than 8.1"),
        ({"mitmproxy": "13.0.0.dev1"}, "ok"),
    ],
)
def test_dependencies(changed, expected):
    def installed(name):
        found = changed.get(name, machine.PACKAGES.get(name))
        if found is None:
            raise PackageNotFoundError(name)
        return found

    check = machine.dependencies(installed)
    assert verdict(check) == ("ok" if expected == "ok" else "broken")
    assert expected == "ok" or check.text == expected


def test_uvloop_is_named_where_it_is_installed():
    known = {**machine.PACKAGES, "uvloop": "0.23.0"}
    assert machine.dependencies(known.__getitem__).text.endswith(", uvloop 0.23.0")
    assert "uvloop" in machine.dependencies().text


def test_a_loop_that_is_not_installed_is_what_serve_would_refuse(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "zerogravity.uvloop_loop", raising=False)
    check, config = machine.settings(None, {"ZEROGRAVITY_LOOP": "uvloop"})
    assert (verdict(check), config) == ("broken", None)
    assert "install zerogravity[uvloop]" in check.text


def test_the_packages_here_are_new_enough():
    assert machine.dependencies().ok


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("12.2.3", (12, 2, 3)), ("12.2.3rc1", (12, 2, 3)), ("48", (48,)), ("3.1.0+x.7", (3, 1, 0))],
)
def test_numbers(text, numbers):
    assert machine.numbers(text) == numbers


def test_settings(tmp_path):
    check, config = machine.settings(None, {"ZEROGRAVITY_CONFIG": str(tmp_path / "none.toml")})
    assert config is None
    assert "there is no configuration file" in check.text
    file = tmp_path / "some.toml"
    file.write_text('listen = "127.0.0.1:9000"\n[limits]\nturns = 2\n')
    check, config = machine.settings(str(file), {})
    assert (verdict(check), check.text, config.port) == ("ok", "changed: listen, limits.turns", 9000)
    file.write_text("")
    assert machine.settings(str(file), {})[0].text == "all defaults"
    check, config = machine.settings(str(file), {"ZEROGRAVITY_LISSTEN": "x"})
    assert (config, verdict(check)) == (None, "broken")
    assert "did you mean ZEROGRAVITY_LISTEN?" in check.text


# -- ports ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("holder", "expected", "text"),
    [
        (None, "broken", "is in use by another program"),
        (Holder(7, "nginx", ours=False), "broken", "is in use by nginx (pid 7)"),
        (Holder(7, "mitmdump", ours=True), "ok", "is in use by zerogravity itself (pid 7)"),
    ],
)
def test_a_port_that_is_taken(taken, holder, expected, text):
    check = machine.port("front_port", "127.0.0.1", taken, "--listen", lambda _: holder)
    assert verdict(check) == expected
    assert check.text.endswith(text)
    assert expected == "ok" or "--listen" in check.fix


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (Holder(7, "nginx", False), "127.0.0.1:{} is in use by nginx (pid 7): stop it, or choose another port "
         "with --x"),
        (None, "127.0.0.1:{} is in use by another program: stop it, or choose another port with --x"),
        (Holder(7, "python", True), "zerogravity already runs on 127.0.0.1:{} (pid 7): use that, or choose another port"
         " with --x"),
        (Holder(os.getpid(), "python", True), None),
    ],
)  # fmt: skip
def test_the_holder_of_a_port_is_named(taken, holder, expected):
    said = machine.taken("127.0.0.1", taken, "--x", lambda _: holder)
    assert said == (expected and expected.format(taken))
    assert machine.taken("127.0.0.1", 0, "--x") is None


def test_what_is_no_taken_port(taken):
    """An address that is none of ours is not said to be taken."""
    assert machine.taken("203.0.113.7", taken, "--x") is None
    check = machine.port("x", "203.0.113.7", taken, "--x")
    assert (verdict(check), check.fix) == ("broken", "choose another port with --x")
    assert "cannot listen on" in check.text
    assert machine.why(OSError(errno.ENOSPC, "No space left"), "127.0.0.1", taken, "--x") == "[Errno 28] No space left"
    refused = FaultError(bad_request("it is so").fault)
    assert machine.why(refused, "127.0.0.1", taken, "--x") == "it is so"
    told = machine.why(OSError(errno.EADDRINUSE, "in use"), "127.0.0.1", taken, "--x")
    assert told == f"127.0.0.1:{taken} is already the other port of this process: choose another one with --x"


def test_a_port_that_is_free(taken):
    with socket.socket() as closing:
        closing.bind(("127.0.0.1", 0))
        free = closing.getsockname()[1]
    assert verdict(machine.port("x", "127.0.0.1", free, "--listen")) == "ok"
    assert machine.port("x", "127.0.0.1", 0, "--listen").text == "any free port"


def test_who_holds_a_port(taken):
    assert machine.holder_of(taken).pid
    assert not machine.holder_of(taken).ours
    assert machine.holder_of(1) is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["/venv/bin/python", "/venv/bin/zerogravity", "serve"], True),
        (["python", "-m", "zerogravity", "serve"], True),
        (["mitmdump", "-s", "/x/addons/capture.py"], True),
        (["mitmdump", "-s", "/x/addons/other.py"], False),
        (["vim", "/home/me/zerogravity-notes.md"], False),
        (["python", "-m", "http.server", "-d", "/srv/zerogravity"], False),
        (["vim", "addons/capture.py"], False),
        ([], False),
    ],
)
def test_what_is_ours(command, ours):
    assert machine.is_ours(command) is ours


# -- language server -----------------------------------------------------------------------------------------------


def found(*, endpoint=True, logged_in=True, route=True, csrf="secret-token", at="http://127.0.0.1:9999"):
    process = Process(11, "core", csrf, (42100,), at if route else None)
    where = Endpoint("https://127.0.0.1:42100", "secret-token") if endpoint else None
    return Found(process, where, logged_in, (Model("M18", "Flash"),))


@pytest.mark.parametrize(
    ("by", "mode", "expected"),
    [
        ({"cloud_code_endpoint": "http://127.0.0.1:9999"}, "reverse", "ok"),
        ({"cloud_code_endpoint": "http://127.0.0.1:9999"}, "proxy", "start zerogravity with --mode reverse"),
        ({"proxy": "http://127.0.0.1:9999"}, "proxy", "ok"),
        ({"proxy": "http://127.0.0.1:9999"}, "reverse", "start zerogravity with --mode proxy"),
        ({"proxy": "http://127.0.0.1:9999"}, None, "ok"),
    ],
)
def test_the_way_must_be_the_one_we_take_calls_in(by, mode, expected):
    check = machine.route(Found(Process(11, "core", "t", (1,), **by), None), 9999, mode)
    assert (check.fix or "ok") == expected
    assert check.ok is (expected == "ok")


@pytest.mark.parametrize(
    ("by", "text", "fix"),
    [
        ({}, "straight to Google; serve re-points it to http://127.0.0.1:9999", ""),
        ({"proxy": "http://127.0.0.1:80"}, "serve re-points it to http://127.0.0.1:9999", ""),
        ({"cloud_code_endpoint": "http://127.0.0.1:9999"}, "endpoint http://127.0.0.1:9999", ""),
        (
            {"cloud_code_endpoint": "http://127.0.0.1:9999", "repointed": True},
            "re-pointed to http://127.0.0.1:9999",
            "",
        ),
        ({"cloud_code_endpoint": "http://127.0.0.1:80"}, "endpoint http://127.0.0.1:80", "--proxy-port 80"),
    ],
)
def test_the_way_may_be_made_by_re_pointing(by, text, fix):
    check = machine.route(Found(Process(11, "core", "t", (1,), **by), None), 9999, repoint=True)
    assert check.ok
    assert text in check.text
    assert fix in check.fix
    best = Found(Process(11, "core", "t", (1,)), Endpoint("https://127.0.0.1:1", "t"), True)
    assert machine.language_server([best], 9999, repoint=True).ok


LANGUAGE_SERVERS = pytest.mark.parametrize(
    ("servers", "text", "fix"),
    [
        ([], "no language server is running", "start your editor"),
        ([found(endpoint=False)], "does not answer: no port speaks the protocol", "restart the editor"),
        ([found(endpoint=False, csrf="")], "its token is not in its command line", "restart the editor"),
        ([found(logged_in=False)], "is not logged in", "log in"),
        ([found(route=False)], "route: straight to Google", "--cloud_code_endpoint http://127.0.0.1:9999"),
        ([found()], "pid 11 (core) on https://127.0.0.1:42100, 1 models", ""),
        ([found(), found(endpoint=False)], "pid 11", ""),
    ],
)


def test_one_that_calls_at_another_port_is_a_warning():
    check = machine.language_server([found(at="http://localhost:8742")], 9999)
    assert (check.ok, check.fix) == (True, "it calls port 8742: start zerogravity with --proxy-port 8742")


@pytest.mark.parametrize(
    ("endpoint", "proxy", "port"),
    [
        ("http://127.0.0.1:8742", None, 8742),
        ("https://daily-cloudcode-pa.googleapis.com", "http://u:p@localhost:8743", 8743),
        (None, "http://[::1]", 80),
        ("https://localhost/", None, 443),
        (None, "http://proxy.example:3128", None),
        (None, None, None),
    ],
)
def test_the_port_that_calls_pass(endpoint, proxy, port):
    process = Process(1, "core", "c", (), endpoint, proxy)
    assert (process.route_port, process.routed_here) == (port, port is not None)


@LANGUAGE_SERVERS
def test_language_server(servers, text, fix):
    check = machine.language_server(servers, 9999)
    assert check.ok is (not fix)
    assert text in check.text
    assert fix in check.fix
    assert "secret-token" not in repr(check)


# -- certificates, disk, core dumps --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_later", "needed", "expected"),
    [(0, True, "ok"), (85, True, "warns"), (91, True, "broken"), (91, False, "warns")],
)
def test_an_authority_and_its_age(tmp_path, days_later, needed, expected):
    certs.create(tmp_path / "ca", now=NOW, days=90)
    check = machine.authority(tmp_path / "ca", needed=needed, now=NOW + timedelta(days=days_later))
    assert verdict(check) == expected


def test_an_authority_that_is_missing_or_open_to_others(tmp_path):
    assert verdict(machine.authority(tmp_path, needed=False)) == "ok"
    assert verdict(machine.authority(tmp_path, needed=True)) == "broken"
    certs.create(tmp_path / "ca", now=NOW)
    (tmp_path / "ca" / "mitmproxy-ca.pem").chmod(0o644)
    check = machine.authority(tmp_path / "ca", needed=False, now=NOW)
    assert verdict(check) == "broken"
    assert "can be read by others" in check.text


@pytest.mark.parametrize(
    ("needed", "host", "expected"),
    [(True, PUBLIC[0], "broken"), (True, CODE_ASSIST[0], "ok"), (False, PUBLIC[0], "ok"), (True, "", "ok")],
)
def test_an_authority_speaks_for_the_host_that_is_called(tmp_path, needed, host, expected):
    certs.create(tmp_path / "ca", now=NOW, hosts=CODE_ASSIST)
    check = machine.authority(tmp_path / "ca", needed=needed, host=host, now=NOW)
    assert verdict(check) == expected
    assert expected == "ok" or (host in check.text and "certs new" in check.fix)


def test_disk(tmp_path):
    folder = tmp_path / "not" / "there" / "yet"
    assert verdict(machine.disk(folder)) == "ok"
    assert not folder.exists()
    check = machine.disk(folder, lambda _: 1000)
    assert (verdict(check), check.text) == ("warns", f"0.0 GiB free for {folder}")
    (tmp_path / "not").write_text("a file")
    check = machine.disk(folder)
    assert (verdict(check), check.text) == ("broken", f"{tmp_path / 'not'} is not writable")


@pytest.mark.parametrize(("limit", "expected"), [(0, "ok"), (-1, "warns"), (1 << 20, "warns")])
def test_core_dumps_are_a_warning(limit, expected):
    assert verdict(machine.core_dumps(limit)) == expected


def test_the_root_folder_ends_every_search(monkeypatch):
    assert machine.disk(Path("/no/such/folder"), lambda _: 1 << 40).name == "disk"
