"""The list of models in Anthropic's form, in pages."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.messages.models import entry, is_client, listing

INFOS = Catalogue().list()
IDS = [info.id for info in INFOS]


def page(**query: str) -> dict[str, Any]:
    return listing(INFOS, query, {})


def test_an_entry() -> None:
    info = Catalogue().get("claude-opus-4-6")
    assert entry(info, "claude-opus-4-6", {}, {}) == {
        "type": "model", "id": "claude-opus-4-6-thinking", "display_name": "Claude Opus 4.6 (Thinking)",
        "created_at": "1970-01-01T00:00:00Z", "lifecycle": "active", "max_input_tokens": info.input_limit,
        "max_tokens": info.output_limit,
    }  # fmt: skip


def test_all_at_once() -> None:
    whole = page(limit="1000")
    assert [model["id"] for model in whole["data"]] == IDS
    assert (whole["has_more"], whole["first_id"], whole["last_id"]) == (False, IDS[0], IDS[-1])


@pytest.mark.parametrize("limit", [{}, {"limit": "1"}, {"limit": "7"}, {"limit": str(len(IDS))}])
def test_pages_end_in_both_directions(limit: dict[str, str]) -> None:
    """As the SDKs' pagers follow them."""
    forth, cursor = list[str](), dict[str, str]()
    for _ in IDS:
        found = page(**limit, **cursor)
        forth += [model["id"] for model in found["data"]]
        if not found["has_more"]:
            break
        cursor = {"after_id": found["last_id"]}
    assert forth == IDS
    back, cursor = [IDS[-1]], {"before_id": IDS[-1]}
    for _ in IDS:
        found = page(**limit, **cursor)
        back = [model["id"] for model in found["data"]] + back
        if not found["has_more"]:
            break
        cursor = {"before_id": found["first_id"]}
    assert back == IDS


def test_behind_the_last_one_there_is_nothing() -> None:
    assert page(after_id=IDS[-1]) == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert page(before_id=IDS[0])["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"), ({"limit": "1001"}, "limit"), ({"limit": "x"}, "limit"), ({"limit": ""}, "limit"),
        ({"limit": "²"}, "limit"), ({"limit": "-1"}, "limit"), ({"limit": "1" * 5000}, "limit"),
        ({"after_id": "no-such"}, "after_id"), ({"before_id": ""}, "before_id"),
        ({"after_id": IDS[0], "before_id": IDS[1]}, "before_id"),
    ],
)  # fmt: skip
def test_what_the_query_cannot_say(query: dict[str, str], param: str) -> None:
    with pytest.raises(FaultError) as caught:
        page(**query)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, param)
    assert len(caught.value.fault.message) < 200


@pytest.mark.parametrize(
    ("headers", "ours"),
    [({"anthropic-version"}, True), ({"x-api-key"}, True), ({"authorization", "x-goog-api-key"}, False)],
)
def test_whose_clients_they_are(headers: set[str], ours: bool) -> None:
    assert is_client(headers, {"key"}) is ours
