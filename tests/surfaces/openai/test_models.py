"""The list of models in OpenAI's form."""

from __future__ import annotations

from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.openai.models import entry, listing

INFOS = Catalogue().list()


def test_all_of_them_at_once() -> None:
    made = listing(INFOS, {"limit": "1"}, {})
    assert made["object"] == "list"
    assert made["data"] == [entry(info, info.id, {}, {}) for info in INFOS]


def test_an_entry_has_the_name_that_was_asked_for() -> None:
    made = entry(INFOS[0], "mine", {}, {})
    assert made == {"id": "mine", "object": "model", "created": INFOS[0].created, "owned_by": "google"}
