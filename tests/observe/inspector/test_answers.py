"""What endpoints read of a query, and what they answer with."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType

import pytest
from aiohttp.test_utils import make_mocked_request

from zerogravity.observe.inspector.answers import BadRequest, json_bytes, moment, whole_number
from zerogravity.wire import jsonio


@pytest.mark.parametrize(("query", "number"), [("", 5), ("?n=0", 0), ("?n=12", 12), ("?n=-3", -3)])
def test_a_whole_number_of_the_query(query, number):
    assert whole_number(make_mocked_request("GET", f"/{query}"), "n", 5, 12, -3) == number


@pytest.mark.parametrize("given", ["", "x", "1.5", "13", "-4", "1e3", "--1", "²", "%2B1", "9" * 40])
def test_what_is_no_whole_number_is_named(given):
    with pytest.raises(BadRequest, match="n must be a whole number from -3 to 12") as refused:
        whole_number(make_mocked_request("GET", f"/?n={given}"), "n", 5, 12, -3)
    assert refused.value.status == 400


@pytest.mark.parametrize(("query", "seconds"), [("", None), ("?at=0", 0.0), ("?at=1700000000.25", 1700000000.25)])
def test_a_moment_of_the_query(query, seconds):
    assert moment(make_mocked_request("GET", f"/{query}"), "at") == seconds


@pytest.mark.parametrize("given", ["", "now", "nan", "inf", "-1", "1e15"])
def test_what_is_no_moment_is_named(given):
    with pytest.raises(BadRequest, match="at must be a time in seconds"):
        moment(make_mocked_request("GET", f"/?at={given}"), "at")


def test_values_that_json_does_not_have():
    big = jsonio.loads(b"[1.10]")
    told = {"bytes": b"ab", "number": big, "mapping": MappingProxyType({"a": 1}), "other": Decimal("1.5")}
    assert json_bytes(told) == (b'{"bytes":"YWI=","number":[1.10],"mapping":{"a":1},"other":"1.5"}')
