"""``tools`` and ``tool_choice`` of every kind → declarations, toolConfig, and what the emitter must know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.openai.test_tools import HOSTED
from tests.surfaces.responses.asking import call, contents, function, output, parse, refused, user
from zerogravity.core.fold import Call
from zerogravity.core.turn import Turn
from zerogravity.surfaces.responses.response import call_item

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
F, G, SEARCH = function("f"), function("g"), {"type": "web_search"}
SPACE = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [function("find"), function("add")]}
OLD = "gemini-2.5-pro"
LITE = {
    "type": "additional_tools", "role": "developer",
    "tools": [{"type": "namespace", "name": "functions", "description": "",
               "tools": [function("shell"), {"type": "custom", "name": "apply_patch"}]}],
}  # fmt: skip


def allowed(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


def declarations(turn: Turn) -> list[dict[str, Any]]:
    return [entry for tool in turn.google_request.get("tools", []) for entry in tool.get("functionDeclarations", [])]


def declared(**body: Any) -> list[str]:
    return [entry["name"] for entry in declarations(parse(**body))]


def config(**body: Any) -> dict[str, Any] | None:
    made = parse(**body).google_request.get("toolConfig", {})
    return made.get("functionCallingConfig")


def searches(**body: Any) -> bool:
    return any("googleSearch" in tool for tool in parse(**body).google_request.get("tools", []))


# -- kinds -------------------------------------------------------------------------------------------------------


def test_the_echo_of_a_function_misses_no_member() -> None:
    assert parse(tools=[F]).details.echo["tools"] == [{**F, "description": None, "parameters": None, "strict": None}]


def test_a_custom_tool_of_plain_text() -> None:
    (entry,) = declarations(parse(tools=[{"type": "custom", "name": "x", "format": {"type": "text"}}]))
    assert "description" not in entry


def test_a_namespace_is_flattened_and_can_be_told_apart() -> None:
    turn = parse(tools=[SPACE, function("find")])
    assert [entry["name"] for entry in declarations(turn)] == ["crm.find", "crm.add", "find"]
    assert "Customers." in declarations(turn)[0]["description"]
    assert "description" not in declarations(turn)[1]
    assert turn.details.namespaces == {
        "crm.find": {"namespace": "crm", "name": "find"},
        "crm.add": {"namespace": "crm", "name": "add"},
    }
    assert turn.details.echo["tools"][0] == SPACE


def test_names_that_would_meet_stay_apart() -> None:
    turn = parse(tools=[function("crm.find"), SPACE])
    names = [entry["name"] for entry in declarations(turn)]
    assert len(set(names)) == 3
    spaces = turn.details.namespaces
    assert [turn.client_name(name) in spaces for name in names] == [False, True, True]
    assert spaces[turn.client_name(names[1])] == {"namespace": "crm", "name": "find"}


SPACED = {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "shell"}]}


@pytest.mark.parametrize(
    ("tools", "shown"),
    [
        ([{"type": "shell"}, function("shell")], {"type": "function_call", "name": "shell"}),
        ([{"type": "local_shell"}, function("local_shell")], {"type": "function_call", "name": "local_shell"}),
        ([{"type": "apply_patch"}, {"type": "custom", "name": "apply_patch"}],
         {"type": "custom_tool_call", "name": "apply_patch"}),
        ([{"type": "shell"}, SPACED], {"type": "custom_tool_call", "name": "shell"}),
        ([SPACE, function("crm.find")], {"type": "function_call", "name": "crm.find"}),
        ([function("crm.find"), SPACE], {"type": "function_call", "name": "find", "namespace": "crm"}),
        ([function("shell"), {"type": "shell"}], {"type": "shell_call"}),
    ],
)  # fmt: skip
def test_a_call_has_the_name_that_its_client_declared(tools: Any, shown: dict[str, Any]) -> None:
    """Two tools that Google would take for one: the second is told to it under another name."""
    turn = parse(tools=tools)
    (name,) = [entry["name"] for entry in declarations(turn) if entry["name"].endswith("_")]
    item = call_item(turn, Call(0, "call_1", name, "{}"))
    assert {member: item.get(member) for member in shown} == shown
    assert item.get("namespace") == shown.get("namespace")
    turn = parse(tools=[{**SPACE, "name": "my crm"}])
    names = [entry["name"] for entry in declarations(turn)]
    assert all(name.replace("_", "").replace(".", "").isalnum() for name in names)
    assert turn.details.namespaces[turn.client_name(names[0])] == {"namespace": "my crm", "name": "find"}


def test_a_custom_tool_in_a_namespace() -> None:
    turn = parse(tools=[{"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "x"}]}])
    assert turn.tool_kinds == {"n.x": "custom"}


def test_codex_wraps_its_plain_tools() -> None:
    """``use_responses_lite``: no top-level tools; the namespace ``functions`` is the default one."""
    turn = parse(input=[LITE, user("hi")])
    assert [entry["name"] for entry in declarations(turn)] == ["shell", "apply_patch"]
    assert turn.details.namespaces == {}
    assert turn.tool_kinds == {"apply_patch": "custom"}
    assert turn.details.tools == tuple(LITE["tools"])
    assert turn.details.echo["tools"] == []
    assert turn.google_request["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]


def test_a_namespace_within_the_default_one() -> None:
    inner = {"type": "namespace", "name": "team", "tools": [function("spawn")]}
    turn = parse(tools=[{"type": "namespace", "name": "functions", "tools": [inner]}])
    assert turn.details.namespaces == {"team.spawn": {"namespace": "team", "name": "spawn"}}


@pytest.mark.parametrize(
    "kind", ["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"]
)
def test_a_search_is_shown(kind: str) -> None:
    tool = {"type": kind, "search_context_size": "low", "user_location": {"type": "approximate"}}
    turn = parse(tools=[tool])
    assert turn.google_request["tools"] == [{"googleSearch": {}}]
    assert turn.details.echo["tools"] == [tool]


def test_limits_of_a_search_are_noted() -> None:
    """Codex: ``external_web_access``, ``search_content_types``."""
    turn = parse(tools=[{"type": "web_search", "external_web_access": False, "filters": {"allowed_domains": ["a"]}}])
    assert turn.notes == (
        "tools[0].filters: ignored, it has no effect here",
        "tools[0].external_web_access: ignored, it has no effect here",
    )


def test_a_tool_search_of_the_client() -> None:
    tool = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": CITY}
    turn = parse(tools=[tool])
    assert declarations(turn) == [{"name": "tool_search", "description": "Finds tools.", "parameters": CITY}]
    assert turn.tool_kinds == {"tool_search": "tool_search"}
    assert declarations(parse(tools=[{"type": "tool_search", "execution": "client"}]))[0]["parameters"]["required"]


def test_a_tool_search_of_the_server_is_needless() -> None:
    turn = parse(tools=[{"type": "tool_search"}, {**F, "defer_loading": True}])
    assert [entry["name"] for entry in declarations(turn)] == ["f"]
    assert turn.notes == ("tools[0]: tool_search left out: every tool is declared at once",)


def test_found_tools_are_declared() -> None:
    found = {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": [SPACE]}
    asked = {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "crm"}}
    turn = parse(input=[user("hi"), asked, found], tools=[{"type": "tool_search", "execution": "client"}])
    assert [entry["name"] for entry in declarations(turn)] == ["tool_search", "crm.find", "crm.add"]
    assert turn.details.tools == (SPACE,)


def test_a_local_shell() -> None:
    turn = parse(tools=[{"type": "local_shell"}])
    (entry,) = declarations(turn)
    assert entry["name"] == "local_shell"
    assert entry["parameters"]["properties"]["command"]["items"] == {"type": "string"}
    assert turn.tool_kinds == {"local_shell": "local_shell"}


def test_a_function_named_like_a_kind() -> None:
    turn = parse(tools=[function("local_shell"), {"type": "local_shell"}])
    names = [entry["name"] for entry in declarations(turn)]
    assert len(set(names)) == 2
    assert turn.tool_kinds == {names[1]: "local_shell"}


def test_pictures() -> None:
    tools = [{"type": "image_generation"}]
    made = parse(model="gemini-3-pro-image", tools=tools)
    assert made.google_request["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    fault = refused(tools=tools)
    assert (fault.param, fault.code) == ("tools[0].type", "invalid_value")


def test_pictures_offered_beside_other_tools() -> None:
    """Cline offers them whatever the model is."""
    tools = [{"type": "image_generation", "output_format": "png"}, F]
    turn = parse(tools=tools)
    assert [entry["name"] for entry in declarations(turn)] == ["f"]
    assert turn.notes == ("tools[0]: image_generation left out: it cannot be run here",)
    assert parse(model="gemini-3-pro-image", tools=tools).google_request["generationConfig"]["responseModalities"]
    assert refused(tools=tools, tool_choice={"type": "image_generation"}).param == "tool_choice"


@pytest.mark.parametrize("hosted", HOSTED, ids=[tool["type"] for tool in HOSTED])
def test_hosted_tools_are_not_shown_and_may_be_allowed_but_not_required(hosted: dict[str, Any]) -> None:
    shown = parse(tools=[hosted, F, SEARCH]).details.echo["tools"]
    assert [tool["type"] for tool in shown] == ["function", "web_search"]
    named = {"type": hosted["type"]}
    assert parse(tools=[hosted, F], tool_choice=allowed("auto", named, F)).google_request["toolConfig"]
    fault = refused(tools=[hosted, F], tool_choice=allowed("required", named))
    assert (fault.param, fault.code) == ("tool_choice", "invalid_value")
    assert hosted["type"] in fault.message


CONTAINER, SHELL = {"type": "shell", "environment": {"type": "container_auto"}}, {"type": "shell"}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, SHELL]}


@pytest.mark.parametrize(("choice", "names"), [(SHELL, ["shell"]), (ALLOWED, ["f", "shell"])])
def test_of_two_shells_the_clients_own_is_chosen(choice: Any, names: list[str]) -> None:
    turn = parse(tools=[CONTAINER, SHELL, F], tool_choice=choice)
    assert turn.google_request["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == names


def test_a_choice_of_a_shell_is_none_of_a_function_of_its_name() -> None:
    assert refused(tools=[function("shell")], tool_choice=SHELL).param == "tool_choice"


@pytest.mark.parametrize("kind", ["mcp", "file_search", "image_generation"])
def test_the_same_inside_an_item_is_skipped_and_noted(kind: str) -> None:
    item = {**LITE, "tools": [{"type": kind}, F]}
    turn = parse(input=[item, user("hi")])
    assert [entry["name"] for entry in declarations(turn)] == ["f"]
    assert turn.notes == (f"input[0].tools[0]: {kind} left out: it cannot be run here",)
    within = parse(tools=[{"type": "namespace", "name": "n", "tools": [{"type": kind}, G]}])
    assert [entry["name"] for entry in declarations(within)] == ["n.g"]
    assert within.notes == (f"tools[0].tools[0]: {kind} left out: it cannot be run here",)


@pytest.mark.parametrize(
    ("tool", "param", "code"),
    [
        ({"type": "function"}, "tools[0].name", "missing_required_parameter"),
        ({"type": "custom"}, "tools[0].name", "missing_required_parameter"),
        ({"type": "namespace", "name": "n"}, "tools[0].tools", "missing_required_parameter"),
        ({"type": "namespace", "tools": []}, "tools[0].name", "missing_required_parameter"),
        ({"type": "namespace", "name": "n", "tools": [{"type": "function"}]}, "tools[0].tools[0].name",
         "missing_required_parameter"),
        ({"type": "mcp", "server_label": "d", "defer_loading": 1}, "tools[0].defer_loading", "invalid_type"),
        ({"type": "tool_search", "execution": "nowhere"}, "tools[0].execution", "invalid_value"),
        ({"type": "web_search", "search_context_size": "vast"}, "tools[0].search_context_size", "invalid_value"),
    ],
)  # fmt: skip
def test_bad_declarations(tool: Any, param: str, code: str) -> None:
    fault = refused(tools=[tool])
    assert (fault.param, fault.code) == (param, code)


# -- history -----------------------------------------------------------------------------------------------------


def test_a_namespaced_call_is_replayed_by_its_declared_name() -> None:
    made = contents(user("x"), call("c", "find", namespace="crm"), output("c"), tools=[function("crm.find"), SPACE])
    turn = parse(tools=[function("crm.find"), SPACE])
    assert made[1]["parts"][0]["functionCall"]["name"] == declarations(turn)[1]["name"]
