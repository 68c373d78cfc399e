"""Settings: where each value comes from, what is refused and how that is said, what is never shown."""

from __future__ import annotations

import hashlib
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from zerogravity import config, config_sources
from zerogravity.config import Config, Limits, load
from zerogravity.errors import FaultError, Origin

HIDDEN = "s3cret-value"


@pytest.fixture(autouse=True)
def no_file_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's own file would be."""
    monkeypatch.setattr(config_sources, "user_config_path", lambda name: tmp_path / name)
    return tmp_path / "zerogravity" / "config.toml"


@pytest.fixture
def toml(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "given.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def refused(flags: dict[str, Any] | None = None, **sources: Any) -> str:
    with pytest.raises(FaultError) as caught:
        load(flags, **{"env": {}, **sources})
    fault = caught.value.fault
    assert (fault.code, fault.origin, fault.status, fault.retryable) == ("invalid_config", Origin.CLIENT, 400, False)
    return fault.message


# -- where values come from ----------------------------------------------------------------------------------------


def test_flag_before_env_before_file_before_default(toml) -> None:
    file = toml(
        'listen = "127.0.0.1:1"\nls_url = "http://f:1"\nupstream = "http://f:2"\n[limits]\nturns = 7\nwaiting = 8'
    )
    env = {"ZEROGRAVITY_LISTEN": "127.0.0.1:2", "ZEROGRAVITY_LS_URL": "http://e:1", "ZEROGRAVITY_LIMITS_WAITING": "9"}
    loaded = load({"listen": "127.0.0.1:3", "limits.readers": 5, "key": None}, file=file, env=env)
    found = {name: (value, origin) for name, value, origin in loaded.describe()}
    assert found["listen"] == ("127.0.0.1:3", "flag")
    assert found["limits.readers"] == (5, "flag")
    assert found["ls_url"] == ("http://e:1", "env ZEROGRAVITY_LS_URL")
    assert found["limits.waiting"] == (9, "env ZEROGRAVITY_LIMITS_WAITING")
    assert found["upstream"] == ("http://f:2", f"file {file}")
    assert found["limits.turns"] == (7, f"file {file}")
    assert found["trace"] == (True, "default")
    assert found["key"] == (None, "default")
    assert loaded.config.limits == Limits(turns=7, waiting=9, readers=5)


def test_folders_are_shown_as_they_are_used() -> None:
    shown = {name: value for name, value, _ in load({"data_dir": "/d"}, env={}).describe()}
    assert (shown["data_dir"], shown["trace_dir"]) == ("/d", "/d/traces")
    shown = {name: value for name, value, _ in load({}, env={}).describe()}
    assert shown["trace_dir"] == f"{shown['data_dir']}/traces"


def test_defaults_alone() -> None:
    loaded = load(env={})
    assert loaded.config == Config()
    assert {origin for _, _, origin in loaded.describe()} == {"default"}
    assert len(loaded.describe()) == len(Config.model_fields) - 1 + len(Limits.model_fields)


def test_the_user_s_own_file_is_read_when_it_is_there(no_file_of_the_user: Path) -> None:
    no_file_of_the_user.parent.mkdir()
    no_file_of_the_user.write_text("trace = false")
    loaded = load(env={})
    assert not loaded.config.trace
    assert loaded.origins["trace"] == f"file {no_file_of_the_user}"


def test_the_file_is_named_by_argument_or_environment(toml, tmp_path: Path) -> None:
    file = toml("trace = false")
    other = tmp_path / "other.toml"
    other.write_text("trace_days = 2")
    assert not load(env={"ZEROGRAVITY_CONFIG": str(file)}).config.trace
    both = load(file=other, env={"ZEROGRAVITY_CONFIG": str(file)}).config
    assert (both.trace, both.trace_days) == (True, 2)


def test_the_process_environment_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROGRAVITY_TRACE_DAYS", "3")
    assert load().config.trace_days == 3
    assert load(env={}).config.trace_days == 7


def test_an_empty_variable_is_not_given() -> None:
    assert load(env={"ZEROGRAVITY_LISTEN": "", "ZEROGRAVITY_KEY": "", "ZEROGRAVITY_NONSENSE": ""}).config == Config()


def test_a_setting_goes_by_its_old_name_too(toml) -> None:
    file = toml('store_path = "/f.db"')
    for loaded, where in (
        (load(file=file, env={}), ("/f.db", f"file {file}")),
        (load(file=file, env={"ZEROGRAVITY_STORE_PATH": "/e.db"}), ("/e.db", "env ZEROGRAVITY_STORE_PATH")),
        (load({"store_path": "/o.db"}, env={"ZEROGRAVITY_STORE": "/e.db"}), ("/o.db", "flag")),
    ):
        assert (loaded.config.store, loaded.origins["store"]) == where
    both = {"ZEROGRAVITY_STORE": "/a.db", "ZEROGRAVITY_STORE_PATH": "/b.db"}
    assert refused(env=both) == "store_path is the old name of store: set only store"


def test_names_of_others_are_left_alone() -> None:
    env = {"PATH": "/bin", "ZERO": "1", "XZEROGRAVITY_KEY": "a"} | {
        f"ZEROGRAVITY_{name}": "x" for name in ("PYTHON", "VENV", "CACHE")
    }
    assert load(env=env).config == Config()


@pytest.mark.parametrize(
    ("text", "value"),
    [("a", ("a",)), ("a,b", ("a", "b")), (" a , b ,", ("a", "b")), (",", ())],
)
@pytest.mark.parametrize("name", ["keys", "allowed_hosts", "cors_origins"])
def test_lists_from_the_environment(name: str, text: str, value: tuple[str, ...]) -> None:
    assert getattr(load(env={f"ZEROGRAVITY_{name.upper()}": text}).config, name) == value


def test_lists_and_pairs_from_a_file(toml) -> None:
    found = load(file=toml('keys = ["a", "b"]\n[aliases]\nmine = "gemini-3-flash"'), env={}).config
    assert (found.keys, found.aliases) == (("a", "b"), {"mine": "gemini-3-flash"})


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=b", {"a": "b"}), ("a=b, c = d ,", {"a": "b", "c": "d"}), ("a=b=c", {"a": "b=c"})],
)
def test_pairs_from_the_environment(text: str, value: dict[str, str]) -> None:
    assert load(env={"ZEROGRAVITY_ALIASES": text}).config.aliases == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=b", {"a": ("b",)}),
        ("a=b|c, google/d = e ", {"a": ("b", "c"), "google/d": ("e",)}),
        (" ", {}),
    ],
)
def test_fallbacks_from_the_environment(text: str, value: dict[str, tuple[str, ...]]) -> None:
    assert load(env={"ZEROGRAVITY_FALLBACKS": text}).config.fallbacks == value


def test_fallbacks_from_a_file(toml) -> None:
    found = load(file=toml('[fallbacks]\n"gemini-3.1-pro" = ["gemini-3-flash", "b"]'), env={}).config
    assert found.fallbacks == {"gemini-3.1-pro": ("gemini-3-flash", "b")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "must look like NAME=MODEL|MODEL,NAME=MODEL"),
        ("a=", "must look like NAME=MODEL|MODEL,NAME=MODEL"),
        ("a=b|", "'a' has an empty name among its models"),
        ("a=b|a", "'a' cannot stand for itself"),
    ],
)
def test_fallbacks_that_are_none(text: str, message: str) -> None:
    assert refused(env={"ZEROGRAVITY_FALLBACKS": text}) == f"fallbacks (env ZEROGRAVITY_FALLBACKS): {message}"


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b,c", " = "])
def test_pairs_that_are_none(text: str) -> None:
    message = refused(env={"ZEROGRAVITY_ALIASES": text})
    assert message == "aliases (env ZEROGRAVITY_ALIASES): must look like NAME=MODEL,NAME=MODEL"


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False), ("no", False)]
)
def test_switches_from_the_environment(text: str, value: bool) -> None:
    assert load(env={"ZEROGRAVITY_INTERCEPT": text}).config.intercept is value


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"flags": {"lsurl": "x"}}, "unknown setting lsurl (flag); did you mean ls_url?"),
        ({"env": {"ZEROGRAVITY_KEYY": "x"}},
         "unknown setting ZEROGRAVITY_KEYY (env ZEROGRAVITY_KEYY); did you mean ZEROGRAVITY_KEY?"),
        ({"env": {"ZEROGRAVITY_LIMITS_TURN": "1"}},
         "unknown setting ZEROGRAVITY_LIMITS_TURN (env ZEROGRAVITY_LIMITS_TURN); "
         "did you mean ZEROGRAVITY_LIMITS_TURNS?"),
        ({"flags": {"limits": {"queu_seconds": 1}}},
         "unknown setting limits.queu_seconds (flag); did you mean limits.queue_seconds?"),
        ({"env": {"ZEROGRAVITY_QQQQQQ": "x"}}, "unknown setting ZEROGRAVITY_QQQQQQ (env ZEROGRAVITY_QQQQQQ)"),
        ({"env": {"ZEROGRAVITY_LIMITS": "5"}}, "unknown setting ZEROGRAVITY_LIMITS (env ZEROGRAVITY_LIMITS)"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_reported_with_the_nearest_known_one(sources: dict[str, Any], message: str) -> None:
    assert refused(**sources).startswith(message)


def test_an_unknown_name_in_a_file(toml) -> None:
    file = toml('kye = "x"')
    assert refused(file=file) == f"unknown setting kye (file {file}); did you mean key?"


@pytest.mark.parametrize(
    ("text", "words"),
    [("listen =", "cannot be read"), ("[limits\n", "cannot be read"), ("limits = 5", "limits must be a table")],
)
def test_a_file_that_is_no_configuration(toml, text: str, words: str) -> None:
    assert words in refused(file=toml(text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\0")
    assert "bad.toml cannot be read" in refused(file=tmp_path / "bad.toml")
    assert "cannot be read" in refused(file=tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    assert refused(file=file) == f"there is no configuration file {file}"
    assert refused(env={"ZEROGRAVITY_CONFIG": str(file)}) == f"there is no configuration file {file}"


@pytest.mark.parametrize(
    ("name", "least", "below"),
    [
        ("body_bytes", 1024, 1023),
        ("json_depth", 8, 7),
        ("json_structure", 1000, 999),
        ("turns", 0, -1),
        ("waiting", 0, -1),
        ("readers", 1, 0),
        ("requests", 1, 0),
        ("connections", 1, 0),
        ("responses", 1, 0),
        ("turn_bytes", 1 << 20, (1 << 20) - 1),
        ("store_bytes", 1 << 20, (1 << 20) - 1),
        ("grace_seconds", 0, -0.1),
        ("match_seconds", 0.001, 0),
        ("turn_seconds", 0.001, -1),
        ("heartbeat_seconds", 0.001, 0),
    ],
)
def test_limits_have_limits(name: str, least: float, below: float) -> None:
    assert getattr(load({f"limits.{name}": least}, env={}).config.limits, name) == least
    message = refused(env={f"ZEROGRAVITY_LIMITS_{name.upper()}": str(below)})
    assert message.startswith(f"limits.{name} (env ZEROGRAVITY_LIMITS_{name.upper()}): Input should be greater than")


@pytest.mark.parametrize("name", [name for name in Limits.model_fields if name.endswith("seconds")])
@pytest.mark.parametrize("text", ["inf", "nan", "-inf"])
def test_no_time_is_endless(name: str, text: str) -> None:
    assert f"limits.{name}" in refused(env={f"ZEROGRAVITY_LIMITS_{name.upper()}": text})


def test_depth_is_bound_by_what_parsers_bear() -> None:
    assert "less than or equal to 900" in refused({"limits.json_depth": 901})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mode", "sideways", "'reverse' or 'proxy'"),
        ("intercept", "perhaps", "boolean"),
        ("trace_days", "soon", "number"),
        ("trace_days", "0", "greater than 0"),
        ("trace_bytes", "1", "greater than or equal to"),
        ("listen", "localhost", "HOST:PORT"),
        ("listen", "127.0.0.1:65536", "HOST:PORT"),
        ("listen", "127.0.0.1:-1", "HOST:PORT"),
        ("listen", "127.0.0.1:٣", "HOST:PORT"),
        ("listen", "::1:8741", "needs brackets, like [::1]:8741"),
        ("cors_origins", "https://a.example,*", "name each origin"),
        ("ls_url", "127.0.0.1:42100", "must look like https://HOST:PORT"),
        ("ls_url", "https://", "must look like https://HOST:PORT"),
        ("ls_url", "ftp://host", "must look like https://HOST:PORT"),
        ("upstream", "https://[::1", "must look like https://HOST:PORT"),
        ("upstream", "http://host:99999", "must look like https://HOST:PORT"),
    ],
)
def test_a_bad_value_names_its_setting_and_origin(name: str, value: str, words: str) -> None:
    message = refused(env={f"ZEROGRAVITY_{name.upper()}": value})
    assert message.startswith(f"{name} (env ZEROGRAVITY_{name.upper()}): ")
    assert words in message


def test_several_mistakes_are_reported_at_once_up_to_a_limit() -> None:
    message = refused({f"limits.{name}": -1 for name in ("turns", "readers", "requests", "responses", "waiting")}
                      | {"trace_days": -1})  # fmt: skip
    assert message.count("Input should be") == 5


# -- secrets -------------------------------------------------------------------------------------------------------

BAD_KEYS = (f"{HIDDEN} ", f" {HIDDEN}", f"{HIDDEN}\n", f"{HIDDEN}é", f"{HIDDEN}\x7f", f"a\t{HIDDEN}")


@pytest.mark.parametrize("value", BAD_KEYS)
@pytest.mark.parametrize("name", ["key", "ls_csrf", "token", "inspector_token"])
def test_a_bad_secret_is_not_quoted(name: str, value: str) -> None:
    message = refused({name: value})
    assert message == f"{name} (flag): must be printable ASCII without spaces around it, and not empty"


@pytest.mark.parametrize("value", [["good", bad] for bad in ("", *BAD_KEYS)] + [[HIDDEN, 5], HIDDEN.encode()])
def test_a_bad_key_among_several_is_not_quoted(value: Any) -> None:
    message = refused({"keys": value})
    assert message.startswith("keys (flag): ")
    assert HIDDEN not in message


@pytest.mark.parametrize("name", ["key", "ls_csrf", "token", "inspector_token"])
def test_an_empty_secret_is_no_secret(name: str) -> None:
    """``--key "$UNSET"`` must not mean "no key"."""
    assert "not empty" in refused({name: ""})


def test_one_language_server_only() -> None:
    assert "set only one of them" in refused({"ls_url": "http://127.0.0.1:9", "ls_command": "language_server"})


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"mode": "proxy"}, "in proxy mode"),
        ({"intercept": False}, "without interception"),
        ({"ls_command": "language_server"}, "with ls_command, whose language server is started with our endpoint"),
    ],
)
def test_re_pointing_where_it_has_no_effect_is_refused(settings: dict[str, Any], where: str) -> None:
    assert refused({"repoint": True, **settings}) == f"repoint has no effect {where}"
    assert not load({"repoint": False, **settings}, env={}).config.repoint
    assert load({"repoint": True, "ls_url": "http://127.0.0.1:9"}, env={}).config.repoint


@pytest.mark.parametrize("value", [5, [HIDDEN], {"a": HIDDEN}])
def test_a_secret_of_another_kind_is_not_quoted(value: object) -> None:
    message = refused({"key": value})
    assert message == "key (flag): Input should be a valid string"


def test_a_secret_in_a_broken_file_is_not_quoted(toml) -> None:
    assert HIDDEN not in refused(file=toml(f'key = "{HIDDEN}'))


def test_a_store_is_shown_without_its_password(toml) -> None:
    store = f"redis://:{HIDDEN}@host:6379/1"
    loaded = load({"store": store}, env={})
    assert loaded.config.store == store
    assert {name: value for name, value, _ in loaded.describe()}["store"] == "redis://host:6379/1"
    assert HIDDEN not in repr(loaded.config) + str(loaded.describe())
    assert load({"store": ""}, env={"ZEROGRAVITY_STORE": "/a.db"}).config.store == "memory"
    for wrong in (f"redis://:{HIDDEN}", f"http://:{HIDDEN}@host", f"redis://:12#{HIDDEN}@host"):
        message = refused({"store": wrong})
        assert message.startswith("store (flag): must be memory, a file, or look like redis://")
        assert HIDDEN not in message


def test_secrets_are_masked() -> None:
    secrets = {"key": HIDDEN, "ls_csrf": HIDDEN, "token": HIDDEN, "inspector_token": HIDDEN, "keys": [HIDDEN, "other"]}
    loaded = load(secrets, env={})
    found = {name: value for name, value, _ in loaded.describe()}
    short = f"set (sha256 {hashlib.sha256(HIDDEN.encode()).hexdigest()[:8]})"
    assert [found[name] for name in ("key", "ls_csrf", "token", "inspector_token")] == [short] * 4
    assert found["keys"] == [short, f"set (sha256 {hashlib.sha256(b'other').hexdigest()[:8]})"]
    for text in (json.dumps(loaded.describe()), repr(loaded.config), repr(loaded), str(loaded.config)):
        assert HIDDEN not in text


def test_what_mcp_servers_are_given_is_not_shown(toml) -> None:
    file = toml(
        f"""
        [mcp_servers.web]
        url = "https://user:{HIDDEN}@h.example:8/mcp?key={HIDDEN}"
        headers = {{X-Key = "{HIDDEN}"}}
        authorization = "{HIDDEN}"
        [mcp_servers.files]
        command = "files-mcp"
        args = ["{HIDDEN}"]
        env = {{KEY = "{HIDDEN}"}}
        """
    )
    loaded = load(file=file, env={})
    found = {name: value for name, value, _ in loaded.describe()}
    assert found["mcp_servers"] == {"web": "https://h.example:8/mcp", "files": "command files-mcp"}
    for text in (json.dumps(loaded.describe()), repr(loaded.config), repr(loaded), str(loaded.config)):
        assert HIDDEN not in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mcp_servers.s (file FILE): set url or command, one of them"),
        ('url = "http://h"\ncommand = "c"', "set url or command, one of them"),
        ('url = "h"', "mcp_servers.s.url (file FILE): must look like https://HOST:PORT"),
        ('command = "c"\nauthorization = "t"', "a command has no headers: give it what it needs by env"),
        ('url = "http://h"\nargs = ["a"]', "args and env belong to a command"),
        ('url = "http://h"\nrequire_approval = "perhaps"', "mcp_servers.s.require_approval (file FILE): "),
        ('url = "http://h"\nheaders = {X = "s3cret-value\\n"}', "mcp_servers.s.headers (file FILE): must be printable"),
        ('url = "http://h"\nulr = "x"', "mcp_servers.s.ulr (file FILE): Extra inputs are not permitted"),
    ],
)
def test_an_mcp_server_that_cannot_be_used(toml, text: str, words: str) -> None:
    file = toml(f"[mcp_servers.s]\n{text}")
    message = refused(file=file)
    assert words.replace("FILE", str(file)) in message
    assert HIDDEN not in message


def test_an_mcp_server_s_rules_are_of_its_tools(toml) -> None:
    found = load(file=toml('[mcp_servers.s]\ncommand = "c"\nallowed_tools = ["a"]\n'
                           'require_approval = {never = ["a"]}'), env={}).config.mcp_servers["s"]  # fmt: skip
    assert found.allowed_tools == ("a",)
    assert isinstance(found.require_approval, config.ApprovalRule)
    assert (found.require_approval.never, found.require_approval.always) == (("a",), None)
    assert "String should match pattern" in refused(file=toml('[mcp_servers."a b"]\ncommand = "c"'))


def test_every_setting_that_looks_like_a_secret_is_one() -> None:
    words = ("key", "csrf", "token", "secret", "password")
    assert {name for name in Config.model_fields if any(word in name for word in words)} == config.SECRETS
    assert all(not Config.model_fields[name].repr for name in config.SECRETS)


# -- who may reach us ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["0.0.0.0:8741", "[::]:8741", "192.0.2.1:1", "myhost:1", "0.0.0.0:0"])
def test_beyond_this_machine_only_with_a_key(listen: str) -> None:
    message = refused({"listen": listen})
    assert "lets other machines use your account" in message
    assert "set a key (ZEROGRAVITY_KEY or --key), or listen on 127.0.0.1" in message
    assert load({"listen": listen, "key": "k"}, env={}).config.accepted_keys == ("k",)
    assert load({"listen": listen, "keys": ["k"]}, env={}).config.accepted_keys == ("k",)


@pytest.mark.parametrize("keys", [(), [""], ["", ""]])
def test_no_key_is_no_key(keys: Any) -> None:
    refused({"listen": "0.0.0.0:1", "keys": keys})


def test_both_kinds_of_keys_are_accepted() -> None:
    assert load({"key": "a", "keys": ["b", "c"]}, env={}).config.accepted_keys == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "host", "port", "normal"),
    [
        ("127.0.0.1:8741", "127.0.0.1", 8741, "127.0.0.1:8741"),
        ("8741", "127.0.0.1", 8741, "127.0.0.1:8741"),
        (":0", "127.0.0.1", 0, "127.0.0.1:0"),
        (" localhost:65535 ", "localhost", 65535, "localhost:65535"),
        ("[::1]:8741", "::1", 8741, "[::1]:8741"),
        ("127.1.2.3:1", "127.1.2.3", 1, "127.1.2.3:1"),
    ],
)
def test_addresses_of_this_machine(text: str, host: str, port: int, normal: str) -> None:
    found = load({"listen": text}, env={}).config
    assert (found.host, found.port, found.listen) == (host, port, normal)


# -- where things go -----------------------------------------------------------------------------------------------


def test_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config_sources, "user_data_path", lambda name: tmp_path / "user" / name)
    found = load(env={}).config
    assert (found.data_path, found.trace_path) == (
        tmp_path / "user" / "zerogravity",
        tmp_path / "user" / "zerogravity" / "traces",
    )
    moved = load({"data_dir": "/d"}, env={}).config
    assert (moved.data_path, moved.trace_path) == (Path("/d"), Path("/d/traces"))
    assert load({"data_dir": "/d", "trace_dir": "/t"}, env={}).config.trace_path == Path("/t")


def test_settings_cannot_be_changed_afterwards() -> None:
    found = load(env={}).config
    with pytest.raises(ValueError, match="frozen"):
        found.key = "x"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="frozen"):
        found.limits.turns = 9  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("sources", list(permutations(("file", "env", "flag"), 2)))
@pytest.mark.parametrize("first", ["ls_url", "ls_command"])
def test_a_language_server_that_is_named_takes_the_place_of_a_weaker_sources(tmp_path, sources, first) -> None:
    """Of the two ways to name one, what the stronger source says counts; only one source that says both is refused."""
    words = {"ls_url": "http://127.0.0.1:1", "ls_command": "ls"}
    second = next(name for name in words if name != first)
    said = dict(zip(sources, (first, second), strict=True))
    file = tmp_path / "config.toml"
    file.write_text(f'{said["file"]} = "{words[said["file"]]}"' if "file" in said else "")
    env = {f"ZEROGRAVITY_{said['env'].upper()}": words[said["env"]]} if "env" in said else {}
    flags = {said["flag"]: words[said["flag"]]} if "flag" in said else {}
    config = load(flags, file=file, env=env).config
    stronger = max(sources, key=("file", "env", "flag").index)
    assert {name: getattr(config, name) for name in words} == {
        name: words[name] if name == said[stronger] else None for name in words
    }
    with pytest.raises(FaultError, match="one of them"):
        load(words, env={})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://app.example", "https://app.example"),
        ("https://App.Example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://bücher.example:8443", "https://xn--bcher-kva.example:8443"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("null", "null"),
    ],
)
def test_origins_are_what_browsers_send(written: str, expected: str) -> None:
    assert load({"cors_origins": (written,)}, env={}, file=None).config.cors_origins == (expected,)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("box", "http://box:1"),
    ],
)
def test_url_of(host, url):
    assert config.url_of(host, 1) == url
