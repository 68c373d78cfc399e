"""What the setting ``store`` names, and that no password is shown."""

from __future__ import annotations

import pytest

from zerogravity.store import address

SHOWN = [
    ("redis://:secret@host:6379/0", "redis://host:6379/0"),
    ("redis://host", "redis://host"),
    ("redis://:p%40ss%2Fword@[::1]:6379", "redis://[::1]:6379"),
    ("rediss://user:secret@host/2?ssl_ca_certs=/a", "rediss://host/2"),
    ("redis://host/2?password=secret", "redis://host/2"),
    ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
]


@pytest.mark.parametrize(("store", "name"), SHOWN)
def test_an_address_is_shown_without_its_credentials(store: str, name: str) -> None:
    assert address.checked(store) == store
    assert address.is_redis(store)
    assert address.shown(store) == name


ODD = [
    "redis://:secret", "redis://:secret@", "redis://u:a@secret@h", "redis://:a secret b@h:1/0", "unix://:se'cret@/a",
    "redis://:1/secret@host/0", "rediss://h/0?password=secret", "redis://:secret@h:port", "redis:/:secret@h",
]  # fmt: skip


@pytest.mark.parametrize("store", [*ODD, *(store for store, _ in SHOWN if "secret" in store)])
def test_a_text_shows_no_password_of_an_address_in_it(store: str) -> None:
    for text in (store, f"no argument ({store})", f"'{store}' is none, redis://host:6379/0 is", f"{store}\n{store}"):
        told = address.without_secrets(text)
        assert "secret" not in told and "cret@" not in told and "[redacted]" in told
        assert address.without_secrets(told) == told
    with pytest.raises(ValueError, match="must be") as caught:
        address.checked("redis://")
    for harmless in ("redis://host:6379/0 cannot be used", "unix:///run/a.sock", "me@home", str(caught.value)):
        assert address.without_secrets(harmless) == harmless


@pytest.mark.parametrize("store", ["responses.db", "/var/lib/responses.db", "memory", "a:b@c"])
def test_memory_and_files_are_no_servers(store: str) -> None:
    assert address.checked(store) == address.shown(store) == store
    assert not address.is_redis(store)


@pytest.mark.parametrize(
    "store",
    ["http://host", "postgres://:secret@host/0", "redis://", "redis:///0", "redis://:secret@", "redis://host:0",
     "redis://:secret", "redis://:se#cret@host", "redis://:12#secret@host", "redis://:1/secret@host/0",
     "redis://:1?secret@host", "redis://host:port", "unix://", "redis://[::1", "sqlite:///a.db"],
)  # fmt: skip
def test_what_is_neither_is_refused_without_being_shown(store: str) -> None:
    with pytest.raises(ValueError, match=r"must be memory, a file, or look like redis://:PASSWORD@HOST") as caught:
        address.checked(store)
    assert "secret" not in str(caught.value)
