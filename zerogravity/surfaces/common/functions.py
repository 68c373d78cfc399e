"""What Google allows of functions in a request of any surface: how many, in which mode, beside which form of an answer.

| functions beside a form, in families that refuse the pair | here                                    |
|------------------------------------------------------------|-----------------------------------------|
| a call is forced                                           | the form is moot: left out              |
| none may be called                                         | the functions are: left out             |
| otherwise                                                  | 400                                     |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from zerogravity.core.family import rules

MAX_FUNCTIONS = 512  # Google: "At most 512 function declarations can be specified."
ANSWER_FORM = ("responseMimeType", "responseSchema", "responseJsonSchema")
_NUMBERS = {"2": "ANY", "3": "NONE"}  # of Google's enum: those that somebody asks for


def too_many(count: int) -> str:
    """What a client is told that declares more functions than Google takes."""
    return f"Invalid 'tools': at most {MAX_FUNCTIONS} functions can be declared, got {count}. Declare fewer at a time."


def calling_mode(generate: Mapping[str, Any]) -> str:
    """The mode of a request's functionCallingConfig in Google's word, in whatever spelling of proto-JSON it stands
    there; "" for none."""
    value: Any = generate
    for name in ("toolConfig", "functionCallingConfig", "mode"):
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    return _NUMBERS.get(str(value), str(value).upper()) if value else ""


def beside_functions(generate: dict[str, Any], family: str, *, param: str) -> tuple[str, ...] | None:
    """A form and functions in one request, where the family refuses the pair: what the tool mode makes moot is taken
    out and noted. None: nothing is moot."""
    config = cast("Mapping[str, Any]", generate.get("generationConfig") or {})
    tools = cast("list[Any]", generate.get("tools") or [])
    declaring = [tool for tool in tools if "functionDeclarations" in tool]
    wanted = config.get("responseMimeType") not in (None, "text/plain")
    if rules(family).json_with_functions or not wanted or not declaring:
        return ()
    match calling_mode(generate):
        case "ANY":
            generate["generationConfig"] = {name: config[name] for name in config if name not in ANSWER_FORM}
            if not generate["generationConfig"]:
                del generate["generationConfig"]
            return (f"{param} left out: this model takes none beside functions, and one must be called",)
        case "NONE":
            generate["tools"] = [tool for tool in tools if tool not in declaring]
            generate.pop("toolConfig")
            if not generate["tools"]:
                del generate["tools"]
            return (f"functions left out: this model takes none beside {param}, and none may be called",)
        case _:
            return None
