"""Names in Redis: what belongs together shares a hash tag, and what does not never meets."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from zerogravity.store.redis import keys

owners = st.from_regex(r"\A[0-9a-f]{0,24}\Z")


def tag(key: str) -> str:
    """What a cluster hashes."""
    found = re.search(r"\{(.+?)\}", key)
    assert found is not None
    return found[1]


def test_all_of_one_response_share_a_hash_tag() -> None:
    names = [make("0f", "resp_1") for make in (keys.entry, keys.frames, keys.news)]
    assert {tag(name) for name in names} == {"0f/resp_1"}
    assert {tag(name) for name in (keys.ORDER, keys.CREATED, keys.SIZES)} == {"index"}


@given(owners, st.text())
def test_a_member_of_the_index_names_its_entry(owner: str, identity: str) -> None:
    member = keys.member(owner, identity)
    assert keys.named(member) == (owner, identity)
    assert keys.member_of(keys.entry(owner, identity)) == member


@given(owners, st.text(), owners, st.text())
def test_no_two_things_have_the_same_name(owner: str, identity: str, other: str, another: str) -> None:
    first = [make(owner, identity) for make in (keys.entry, keys.frames, keys.news, keys.item)]
    second = [make(other, another) for make in (keys.entry, keys.frames, keys.news, keys.item)]
    assert len({*first}) == 4
    assert ({*first} & {*second} == set()) == ((owner, identity) != (other, another))
