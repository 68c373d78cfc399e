"""Who may look, over a real server."""

from __future__ import annotations

import time

import pytest

from tests.observe.inspector.support import TOKEN
from zerogravity.observe.inspector.access import KEPT_S, Access, ticket
from zerogravity.observe.inspector.answers import HEADERS


@pytest.mark.parametrize(
    "path", ["/inspector", "/inspector/", "/inspector/main.js", "/inspector/api/turns", "/inspector/api/live"]
)
@pytest.mark.parametrize("given", ["", "wrong", TOKEN + "x", TOKEN[:-1], "%ED%A0%80", "%C3%BC"])
async def test_without_the_token_nothing_is_shown(look, path, given):
    looked = await look()
    looked.scene.whole("told to nobody")
    cookies = {f"zg_inspector_{looked.running.port}": given} if given.isascii() and "%" not in given else {}
    for query, sent in ((f"?token={given}", {}), ("", cookies)):
        status, headers, body = await looked.ask(path + query, cookies=sent)
        assert status == 401
        assert b"zerogravity open" in body
        assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        assert "Set-Cookie" not in headers


async def test_a_cookie_that_is_no_text_is_a_wrong_one(look):
    looked = await look()
    name = next(iter(looked.cookie))
    status, _, _ = await looked.ask(
        "/inspector/",
        cookies={},
        headers={"Cookie": f"{name}=\u00fc\udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
    )
    assert status == 401


async def test_the_link_sets_the_cookie_and_takes_the_token_out_of_the_address(look):
    looked = await look()
    status, headers, _ = await looked.ask(f"/inspector?token={TOKEN}", cookies={})
    assert (status, headers["Location"]) == (303, "/inspector/")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"zg_inspector_{looked.running.port}={TOKEN};")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/inspector", f"Max-Age={KEPT_S}"):
        assert attribute in cookie.split("; ")
    status, headers, body = await looked.ask("/inspector/")
    assert status == 200
    assert body.startswith(b"<!doctype html>")
    assert headers["Set-Cookie"] == cookie, "whoever comes by keeps it for another while"
    status, headers, _ = await looked.ask("/inspector")
    assert (status, headers["Location"]) == (303, "/inspector/")


async def test_the_gateways_key_is_no_key_to_the_inspector_nor_the_other_way_round(look):
    looked = await look(key="the-gateways-key")
    headers = {"Authorization": "Bearer the-gateways-key"}
    assert (await looked.ask("/inspector/", cookies={}, headers=headers))[0] == 401
    assert (await looked.ask("/inspector/"))[0] == 200
    assert (await looked.ask("/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}))[0] == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_other_web_pages_are_kept_out_though_they_have_the_cookie(look, headers, status):
    looked = await look()
    assert (await looked.ask("/inspector/api/turns", headers=headers))[0] == status


def test_an_empty_token_would_let_everybody_in():
    with pytest.raises(ValueError, match="token"):
        Access("")


@pytest.mark.parametrize(("age", "status"), [(0, 303), (60, 303), (-60, 303), (180, 401), (-180, 401)])
async def test_a_ticket_opens_for_two_minutes(look, age, status):
    looked = await look()
    given = ticket(TOKEN, time.time() - age)
    assert TOKEN not in given
    status_now, headers, _ = await looked.ask(f"/inspector?ticket={given}", cookies={})
    assert status_now == status
    assert (TOKEN in headers.get("Set-Cookie", "")) is (status == 303)


async def test_a_ticket_opens_once(look):
    looked = await look()
    one, other = ticket(TOKEN, time.time()), ticket(TOKEN, time.time())
    for given, cookies, status in ((one, {}, 303), (one, {}, 401), (one, looked.cookie, 303), (other, {}, 303)):
        assert (await looked.ask(f"/inspector?ticket={given}", cookies=cookies))[0] == status


@pytest.mark.parametrize("spoil", [
    lambda given: given[:-1], lambda given: "9" + given, lambda given: "", lambda given: "-",
    lambda given: "x-" + given, lambda _: ticket("another", time.time()), lambda given: given.upper(),
])  # fmt: skip
async def test_a_ticket_that_was_not_made_with_the_token_opens_nothing(look, spoil):
    looked = await look()
    given = spoil(ticket(TOKEN, time.time()))
    assert (await looked.ask(f"/inspector/api/turns?ticket={given}", cookies={}))[0] == 401


def test_used_tickets_are_forgotten_when_they_are_out_of_date():
    now = 1000.0
    access = Access(TOKEN, lambda: now)
    for now in (1000.0, 1001.0, 2000.0):
        assert access._is_ticket(ticket(TOKEN, now))
    assert len(access._used) == 1
