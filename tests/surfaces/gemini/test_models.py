"""Model lists in Google's form."""

from __future__ import annotations

import pytest
from google.genai import types

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.models import Catalogue
from zerogravity.surfaces.gemini.models import entry, list_json, listing, model_json

INFOS = Catalogue().list()


def test_an_entry() -> None:
    info = next(info for info in INFOS if info.id == "gemini-3-flash")
    made = model_json(info)
    assert made["name"] == "models/gemini-3-flash"
    assert {"generateContent", "streamGenerateContent", "countTokens"} <= set(made["supportedGenerationMethods"])
    assert made["thinking"] is True
    types.Model.model_validate({name: value for name, value in made.items() if name != "supportedGenerationMethods"})


def test_one_page_of_everything_has_no_token() -> None:
    assert list(list_json(INFOS, "1000")) == ["models"]


def test_pages_end() -> None:
    names: list[str] = []
    token = ""
    for _ in range(len(INFOS)):
        page = list_json(INFOS, "4", token)
        names += [entry["name"] for entry in page["models"]]
        if (token := page.get("nextPageToken", "")) == "":
            break
    assert names == [f"models/{info.id}" for info in INFOS]
    assert len(list_json(INFOS, "3")["models"]) == 3
    assert list_json(INFOS, "3", str(len(INFOS)))["models"] == []


@pytest.mark.parametrize(
    ("size", "token", "field"), [("x", "", "pageSize"), ("-1", "", "pageSize"), ("", "²", "pageToken")]
)
def test_page_parameters_are_numbers(size: str, token: str, field: str) -> None:
    with pytest.raises(FaultError) as caught:
        list_json(INFOS, size, token)
    assert (caught.value.fault.status, caught.value.fault.param) == (400, field)


def test_the_whole_and_an_entry_through_the_field_mask() -> None:
    assert listing(INFOS[:1], {"fields": "models.name"}, {}) == {"models": [{"name": f"models/{INFOS[0].id}"}]}
    assert entry(INFOS[0], "mine", {}, {"X-Goog-FieldMask": "name"}) == {"name": f"models/{INFOS[0].id}"}
