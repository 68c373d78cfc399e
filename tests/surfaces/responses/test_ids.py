"""A response's id and its turn's are made from each other; what a client makes up has none."""

from __future__ import annotations

from tests.strategies import TURN_ID
from zerogravity.surfaces.responses import check_object
from zerogravity.surfaces.responses.ids import PREFIXES, response_id, turn_id_of


def test_ids() -> None:
    assert response_id(TURN_ID) == "resp_" + "5" * 32
    assert turn_id_of(response_id(TURN_ID)) == TURN_ID
    assert turn_id_of("resp_../../etc/passwd") is None
    assert turn_id_of(TURN_ID) is None


def test_items_have_the_prefixes_that_the_check_demands() -> None:
    demanded = check_object.PREFIXES
    assert {kind: f"{PREFIXES[kind]}_" for kind in demanded} == demanded
