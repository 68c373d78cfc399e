"""What Google allows of functions in a request: how many, in which mode, with which form of an answer."""

from __future__ import annotations

from typing import Any

from zerogravity.core.family import rules
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

MAX_FUNCTIONS = 512  # Google: "At most 512 function declarations can be specified."
ANSWER_FORM = ("responseMimeType", "responseSchema", "responseJsonSchema")
_NUMBERS = {"2": "ANY", "3": "NONE"}  # of Google's enum: those that somebody asks for


def too_many(count: int) -> str:
    """The error text for more functions than Google takes."""
    return f"Invalid 'tools': at most {MAX_FUNCTIONS} functions can be declared, got {count}. Declare fewer at a time."


def calling_mode(generate: Json) -> str:
    """The mode of a request's functionCallingConfig in Google's word, in whatever spelling of proto-JSON it stands
    there; "" for none."""
    value = narrow.lookup(generate, "toolConfig", "functionCallingConfig", "mode")
    return _NUMBERS.get(str(value), str(value).upper()) if value else ""


def form_with_functions(generate: dict[str, Any], family: str, *, param: str) -> tuple[str, ...] | None:
    """A form and functions in one request, where the family refuses the pair: what the tool mode makes moot is taken
    out and noted. None: nothing is moot, and Google would refuse them."""
    config = narrow.members(generate.get("generationConfig"))
    tools = narrow.objects(generate.get("tools"))
    declaring = [tool for tool in tools if "functionDeclarations" in tool]
    wanted = config.get("responseMimeType") not in (None, "text/plain")
    if rules(family).json_with_functions or not wanted or not declaring:
        return ()
    match calling_mode(generate):
        case "ANY":
            generate["generationConfig"] = {name: config[name] for name in config if name not in ANSWER_FORM}
            if not generate["generationConfig"]:
                del generate["generationConfig"]
            return (f"{param} left out: this model does not support it with functions, and one must be called",)
        case "NONE":
            generate["tools"] = [tool for tool in tools if tool not in declaring]
            generate.pop("toolConfig")
            if not generate["tools"]:
                del generate["tools"]
            return (f"functions left out: this model does not support them with {param}, and none may be called",)
        case _:
            return None
