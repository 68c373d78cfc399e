"""What the Response object repeats of a request is of OpenAI's own types, whatever the request held."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from pydantic import TypeAdapter

from tests.strategies import json_values
from tests.surfaces.responses.asking import context, function, parse
from zerogravity.errors import FaultError
from zerogravity.surfaces.responses import response, surface

RESPONSE: TypeAdapter[Any] = TypeAdapter(Response)
F: dict[str, Any] = function("f")
SPACE = {"type": "namespace", "name": "crm", "tools": [function("find")]}
CUSTOM = {"type": "custom", "name": "c"}
NESTED_F = {"type": "function", "function": {"name": "f"}}


def shown(**body: Any) -> dict[str, Any]:
    """The Response object, which OpenAI's types take without a doubt."""
    made = response.unfinished(parse(**body), "in_progress")
    RESPONSE.validate_python(made, strict=True)
    return made


@pytest.mark.parametrize(
    ("tool", "choice", "wanted"),
    [
        (F, None, "auto"), (F, "required", "required"), (F, "none", "none"),
        (F, NESTED_F, {"type": "function", "name": "f"}),
        (F, {"type": "function", "name": "f", "x": 1}, {"type": "function", "name": "f"}),
        (CUSTOM, {"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (F, {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NESTED_F]}},
         {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}),
        (F, {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}),
        (SPACE, {"type": "namespace", "name": "crm"},
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "namespace", "name": "crm"}]}),
        ({"type": "local_shell"}, {"type": "local_shell"},
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "local_shell"}]}),
        ({"type": "tool_search", "execution": "client"}, {"type": "tool_search"},
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "tool_search"}]}),
        ({"type": "web_search"}, {"type": "web_search"},
         {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}),
        ({"type": "web_search_preview"}, {"type": "web_search_preview"}, {"type": "web_search_preview"}),
        ({"type": "shell"}, {"type": "shell"}, {"type": "shell"}),
        ({"type": "apply_patch"}, {"type": "apply_patch"}, {"type": "apply_patch"}),
    ],
)  # fmt: skip
def test_a_choice_is_shown_flat_and_as_what_it_means(tool: Any, choice: Any, wanted: Any) -> None:
    assert shown(tools=[tool], tool_choice=choice)["tool_choice"] == wanted


@pytest.mark.parametrize(
    ("form", "wanted", "described"),
    [
        ({}, {"type": "text"}, False), ({"type": "text"}, {"type": "text"}, False),
        ({"definition": "x"}, {"type": "grammar", "syntax": "lark", "definition": "x"}, True),
        ({"syntax": "regex", "definition": "x"}, {"type": "grammar", "syntax": "regex", "definition": "x"}, True),
        ({"type": "grammar"}, {"type": "grammar", "syntax": "lark", "definition": ""}, True),
        ({"type": "grammar", "grammar": {"syntax": "regex", "definition": "x"}},
         {"type": "grammar", "syntax": "regex", "definition": "x"}, True),
        ({"grammar": {"definition": "x"}}, {"type": "grammar", "syntax": "lark", "definition": "x"}, True),
    ],
)  # fmt: skip
def test_a_custom_tools_format_is_echoed_and_described_to_the_model(form: Any, wanted: Any, *, described: bool) -> None:
    tool = {**CUSTOM, "format": form}
    assert shown(tools=[tool])["tools"] == [{**CUSTOM, "format": wanted}]
    (entry,) = parse(tools=[tool]).google_request["tools"][0]["functionDeclarations"]
    assert ("grammar" in entry.get("description", "")) is described


@pytest.mark.parametrize(
    ("body", "member", "wanted"),
    [
        ({"reasoning": {"generate_summary": "none"}}, "reasoning", {"effort": None, "summary": None}),
        ({"reasoning": {"effort": "low", "x": 1, "context": "auto"}}, "reasoning",
         {"effort": "low", "context": "auto", "summary": None}),
        ({"text": {"format": {"type": "text", "x": 1}, "y": 2}}, "text",
         {"format": {"type": "text"}, "verbosity": "medium"}),
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "z": [1]}}}, "text",
         {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "description": None,
                     "strict": False}, "verbosity": "medium"}),
        ({"max_output_tokens": 100_000}, "max_output_tokens", 65_536),
    ],
)  # fmt: skip
def test_members_of_members_are_checked_or_dropped(body: dict[str, Any], member: str, wanted: Any) -> None:
    assert shown(**body)[member] == wanted


def test_a_user_location_is_approximate() -> None:
    tool = {"type": "web_search_preview", "user_location": {"city": "Rome"}}
    assert shown(tools=[tool])["tools"][0]["user_location"] == {"type": "approximate", "city": "Rome"}


@pytest.mark.parametrize(
    ("tool", "member", "kept"),
    [
        ({**F, "allowed_callers": ["direct"]}, "allowed_callers", True),
        ({**F, "allowed_callers": [""]}, "allowed_callers", False),
        ({"type": "shell", "allowed_callers": ["direct", "anybody"]}, "allowed_callers", False),
        ({"type": "web_search_preview", "search_content_types": ["text"]}, "search_content_types", True),
        ({"type": "web_search_preview", "search_content_types": ["smell"]}, "search_content_types", False),
    ],
)
def test_words_of_a_closed_list_are_shown_or_dropped(tool: dict[str, Any], member: str, *, kept: bool) -> None:
    assert (member in shown(tools=[tool])["tools"][0]) is kept


KINDS = ("function", "custom", "namespace", "web_search", "web_search_preview", "tool_search", "local_shell", "shell",
         "apply_patch", "image_generation", "file_search", "mcp")  # fmt: skip
MEMBERS = ("name", "description", "parameters", "strict", "format", "tools", "filters", "user_location", "environment",
           "execution", "search_context_size", "quality", "partial_images", "allowed_callers", "defer_loading",
           "function", "custom", "x")  # fmt: skip
tools = st.builds(
    lambda kind, members: {"name": "n", **members, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(MEMBERS), json_values, max_size=4),
)


@given(tools, st.sampled_from(["tools", "reasoning", "text", "tool_choice"]), json_values)
def test_any_request_is_shown_in_openais_types_or_refused(tool: dict[str, Any], member: str, value: Any) -> None:
    body = {
        "model": "gemini-3-flash",
        "input": "Hi",
        "tools": [F, tool],
        **({} if member == "tools" else {member: value}),
    }
    try:
        made = surface.parse(body, context())
    except FaultError as error:
        assert error.fault.status == 400
        return
    RESPONSE.validate_python(response.unfinished(made, "in_progress"), strict=True)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://mcp.example.com", "https://mcp.example.com"),
        ("https://mcp.example.com:8443/", "https://mcp.example.com:8443/"),
        ("https://mcp.example.com/s3cret/mcp", "https://mcp.example.com/<redacted>"),
        ("https://mcp.example.com?key=s3cret", "https://mcp.example.com/<redacted>"),
        ("https://me:s3cret@mcp.example.com/mcp", "https://mcp.example.com/<redacted>"),
    ],
)
def test_what_may_be_secret_of_an_mcp_server_is_masked(url: str, masked: str) -> None:
    tool = {
        "type": "mcp", "server_label": "docs", "server_url": url, "headers": {"X-Key": "s3cret"},
        "authorization": "s3cret",
    }  # fmt: skip
    assert shown(tools=[tool])["tools"] == [{
        "type": "mcp", "server_label": "docs", "server_url": masked, "server_description": None, "allowed_tools": None,
        "require_approval": "always", "headers": {"X-Key": "<redacted>"},
    }]  # fmt: skip
