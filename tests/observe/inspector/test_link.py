"""The link to a running gateway's inspector."""

from __future__ import annotations

import pytest

from tests.observe.inspector.support import TOKEN
from zerogravity.observe.inspector import link


async def test_both_links_open_the_page_and_the_brief_one_has_no_token(look):
    looked = await look()
    await link.check(looked.url, TOKEN)
    long, brief = link.of(looked.url, TOKEN), link.of(looked.url, TOKEN, "turn_1", brief=True)
    assert long == looked.link
    assert TOKEN not in brief
    assert brief.endswith("#turn_1")
    for address in (long, brief.partition("#")[0]):
        status, headers, _ = await looked.ask(address.removeprefix(looked.url), cookies={})
        assert (status, headers["Location"]) == (303, "/inspector/")


async def test_another_token_and_no_gateway_say_what_to_do(look):
    looked = await look()
    with pytest.raises(OSError, match="has another token"):
        await link.check(looked.url, "another-token")
    await looked.stop()
    with pytest.raises(OSError, match="start one with: zerogravity serve"):
        await link.check(looked.url, TOKEN)
