"""Tools without a schema that the client runs: their types, and the parameters that their makers published.

The model sees each as a function of the tool's name, and its calls are plain ``tool_use``. Facts: wire-anthropic 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zerogravity.surfaces.common import fields
from zerogravity.surfaces.common.declarations import Declared
from zerogravity.wire.narrow import Json

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer"}
_PAIR: Json = {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}
_POINT: Json = {**_PAIR, "description": "[x, y], in pixels from the upper left corner."}
_RANGE: Json = {**_PAIR, "description": "view: the first and the last line; -1 is the last of the file."}
OLD_ACTIONS = (
    "key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click", "double_click",
    "screenshot", "cursor_position",
)  # fmt: skip
ACTIONS = (
    *OLD_ACTIONS, "left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "triple_click",
)  # fmt: skip
EDITS = ("view", "create", "str_replace", "insert")
OLD_EDITOR = ("text_editor_20241022", "text_editor_20250124")
NAMES = {"bash": "bash", "text_editor": "str_replace_based_edit_tool", "memory": "memory", "computer": "computer"}


def client_tool(tool: Json, kind: str, path: str) -> Declared | None:
    """The function of a tool that the client runs; None: it is of another kind. Raises FaultError 400."""
    group = next((group for group in NAMES if kind.startswith(f"{group}_2")), None)
    if group is None:
        return None
    old = kind in OLD_EDITOR
    name = fields.string(tool, "name", path=path) or ("str_replace_editor" if old else NAMES[group])
    match group:
        case "bash":
            return Declared(name, BASH, _schema((), command=_TEXT, restart={"type": "boolean"}), path)
        case "text_editor":
            return Declared(name, EDITOR, _editor(old=old), path)
        case "memory":
            return Declared(name, MEMORY, _memory(), path)
        case _:
            return Declared(name, _screen(tool, path), _computer(kind), path)


BASH = "Runs a command in the user's shell, which keeps its state between calls; restart starts a new one."
EDITOR = "Views, creates and edits text files on the user's machine. old_str must be in the file exactly once."
MEMORY = "Keeps files in the folder /memories, which lasts from one conversation to the next; view it first."


def _schema(required: Sequence[str], **properties: Json) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _editor(*, old: bool) -> Json:
    text = {} if old else {"insert_text": {**_TEXT, "description": "insert: the new lines."}}
    new = "str_replace: what comes in its place." + (" insert: the new lines." if old else "")
    return _schema(
        ("command", "path"),
        command={**_TEXT, "enum": [*EDITS, "undo_edit"] if old else [*EDITS]},
        path={**_TEXT, "description": "The file or folder."},
        file_text={**_TEXT, "description": "create: the whole file."},
        old_str={**_TEXT, "description": "str_replace: what goes."},
        new_str={**_TEXT, "description": new},
        insert_line={**_COUNT, "description": "insert: the line behind which; 0 is the beginning."},
        **text,
        view_range=_RANGE,
    )


def _memory() -> Json:
    return _schema(
        ("command",),
        command={**_TEXT, "enum": [*EDITS, "delete", "rename"]},
        path={**_TEXT, "description": "The file or folder, for every command except rename."},
        view_range=_RANGE,
        file_text={**_TEXT, "description": "create: the whole file."},
        old_str={**_TEXT, "description": "str_replace: what goes."},
        new_str={**_TEXT, "description": "str_replace: what comes in its place."},
        insert_line={**_COUNT, "description": "insert: the line behind which; 0 is the beginning."},
        insert_text={**_TEXT, "description": "insert: the new lines."},
        old_path={**_TEXT, "description": "rename: from where."},
        new_path={**_TEXT, "description": "rename: to where."},
    )


def _screen(tool: Json, path: str) -> str:
    width = fields.integer(tool, "display_width_px", lo=1, path=path)
    height = fields.integer(tool, "display_height_px", lo=1, path=path)
    size = f" The screen has {width} x {height} pixels." if width and height else ""
    return "Uses the mouse, the keyboard and the screen of a computer; look at a screenshot first." + size


def _computer(kind: str) -> Json:
    actions, more = OLD_ACTIONS, dict[str, Json]()
    if kind != "computer_20241022":
        actions = ACTIONS
        more = {
            "scroll_direction": {**_TEXT, "enum": ["up", "down", "left", "right"]},
            "scroll_amount": _COUNT,
            "duration": {"type": "number", "description": "hold_key, wait: seconds."},
            "start_coordinate": {**_POINT, "description": "left_click_drag: where it begins."},
        }
        if kind != "computer_20250124":
            actions = (*ACTIONS, "zoom")
            corners: Mapping[str, Any] = {"minItems": 4, "maxItems": 4, "description": "zoom: [x0, y0, x1, y1]."}
            more["region"] = {"type": "array", "items": _COUNT, **corners}
    what = "type: the text; key, hold_key: the keys, as in ctrl+s; a click or scroll: keys held meanwhile."
    return _schema(
        ("action",),
        action={**_TEXT, "enum": [*actions]},
        coordinate=_POINT,
        text={**_TEXT, "description": what},
        **more,
    )
