"""The kinds and rows that Chat and Responses share: stop sequences, parameters of the other API, stream options."""

from __future__ import annotations

from typing import Any

import pytest

from zerogravity.errors import FaultError
from zerogravity.surfaces.common.parameters import Parameter, refuse, table
from zerogravity.surfaces.openai.parameters import STOPS, of_other_api, stream_options

OTHERS = (of_other_api("messages", "send 'input'", "Responses"),)


@pytest.mark.parametrize(
    ("value", "read"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (list("abcd"), list("abcd")), ([], None), (None, None)]
)
def test_stop_sequences(value: Any, read: Any) -> None:
    assert Parameter("stop", STOPS).read({"stop": value}) == read


@pytest.mark.parametrize(
    ("value", "param", "code"),
    [
        (1, "stop", "invalid_type"),
        (["a", 1], "stop[1]", "invalid_type"),
        (list("abcde"), "stop", "array_above_max_length"),
        ([""], "stop[0]", "string_below_min_length"),
        ("", "stop[0]", "string_below_min_length"),
    ],
)
def test_stop_sequences_that_are_refused(value: Any, param: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        Parameter("stop", STOPS).read({"stop": value})
    assert (caught.value.fault.param, caught.value.fault.code) == (param, code)


@pytest.mark.parametrize("value", [[1], "x", 1, True, {"a": 1}])
def test_a_parameter_of_the_other_api_is_refused(value: Any) -> None:
    with pytest.raises(FaultError) as caught:
        refuse({"messages": value}, OTHERS)
    assert (caught.value.fault.param, caught.value.fault.code) == ("messages", "unsupported_parameter")


@pytest.mark.parametrize("value", [[], None, False, "", {}])
def test_it_may_ask_for_nothing(value: Any) -> None:
    refuse({"messages": value}, OTHERS)


def test_the_table_says_what_to_do_instead() -> None:
    does = "refused: is not a parameter of the Responses API: send 'input'"
    assert table(OTHERS) == [("messages", "anything", does)]


def test_stream_options_belong_to_a_stream() -> None:
    assert stream_options({"stream_options": {"include_usage": True}}, stream=True) == {"include_usage": True}
    assert stream_options({}, stream=False) == {}
    with pytest.raises(FaultError):
        stream_options({"stream_options": {}}, stream=False)
