"""What a tool gave back → the text that it printed, whatever it is wrapped in: ``{"output": "…"}``, content arrays,
stdout with stderr and an exit code, JSON inside a string. Pure; never raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, items, number, objects, text

DEPTH = 4  # wrappers in wrappers
LARGEST = 1 << 20  # characters of a string in which JSON is looked for
_COLOUR = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]")
_EXIT = ("exit_code", "exitCode", "exit_status", "returncode", "return_code")
_SECONDS = {"duration_seconds": 1, "wall_time_seconds": 1, "duration": 1, "duration_ms": 0.001, "durationMs": 0.001}
_TEXTS = ("output", "result", "stdout", "content", "text", "llmContent", "stderr", "error")
_WRAPPER = frozenset((*_TEXTS, *_EXIT, *_SECONDS, "metadata"))
_SILENT = frozenset({"type", "is_error", "isError", "success", "interrupted", "isImage"})


@dataclass
class Output:
    """``text``: what it printed; ``facts``: ``exit code 1``, ``0.4 s``; ``rest``: members that are neither;
    ``blobs``: pictures and the like, as Google's ``inlineData`` has them."""

    text: str = ""
    facts: list[str] = field(default_factory=list[str])
    failed: bool = False
    rest: dict[str, object] = field(default_factory=dict[str, object])
    blobs: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])

    @property
    def first_line(self) -> str:
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")


def read(response: object) -> Output:
    """``response`` as in a functionResponse; any JSON."""
    output = Output()
    output.text = _read(response, output, DEPTH)
    return output


def _read(value: object, output: Output, depth: int) -> str:
    if isinstance(value, str):
        return _string(value, output, depth)
    if depth <= 0:
        return jsonio.text(value, indent=True)
    if (found := an_object(value)) is not None:
        return _object(found, output, depth)
    blocks = items(value)
    if blocks and all(isinstance(block, str) or _is_content(block) for block in blocks):
        return "\n".join(filter(None, (_block(block, output, depth) for block in blocks)))
    return "" if value is None else jsonio.text(value, indent=True)


def _string(value: str, output: Output, depth: int) -> str:
    """Text, or JSON in which a program has wrapped it."""
    bare = value.strip()
    if depth > 0 and bare[:1] in ("{", "[") and len(bare) <= LARGEST:
        try:
            inside = jsonio.loads(bare.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            inside = None
        if (an_object(inside) or {}).keys() & _WRAPPER or any(map(_is_content, items(inside))):
            return _read(inside, output, depth - 1)
    return _COLOUR.sub("", value).replace("\r\n", "\n")


def _object(value: dict[str, object], output: Output, depth: int) -> str:
    if _is_content(value):
        return _block(value, output, depth)
    if not value.keys() & _WRAPPER:
        return jsonio.text(value, indent=True) if value else ""
    for members in (an_object(value.get("metadata")) or {}, value):
        _facts(members, output)
    output.failed |= bool(value.get("error")) or value.get("is_error") is True or value.get("isError") is True
    printed = {name: _read(value[name], output, depth - 1) for name in _TEXTS if value.get(name) not in (None, "")}
    output.rest |= {name: item for name, item in value.items() if name not in _WRAPPER | _SILENT}
    if "stdout" in printed and "stderr" in printed:
        printed["stderr"] = f"stderr:\n{printed['stderr']}"
    return "\n".join(text for text in dict.fromkeys(printed.values()) if text)


def _facts(members: Mapping[str, object], output: Output) -> None:
    for name in _EXIT:
        if (code := number(members.get(name))) is not None:
            output.facts.append(f"exit code {code:g}")
            output.failed |= code != 0
            break
    for name, factor in _SECONDS.items():
        if (time := number(members.get(name))) is not None:
            output.facts.append(f"{time * factor:.3g} s")
            break


def _is_content(value: object) -> bool:
    """A block of an array of contents: OpenAI's, Anthropic's, MCP's."""
    block = an_object(value) or {}
    return text(block.get("type")) in ("text", "input_text", "output_text", "image", "input_image", "image_url")


def _block(block: object, output: Output, depth: int) -> str:
    if isinstance(block, str):
        return _string(block, output, depth - 1)
    members = an_object(block) or {}
    if isinstance(words := members.get("text"), str):
        return _string(words, output, depth - 1)
    source = an_object(members.get("source")) or members
    if isinstance(data := source.get("data"), str):
        mime = text(source.get("media_type")) or text(source.get("mimeType")) or "image/png"
        output.blobs.append({"mimeType": mime, "data": data})
        return ""
    return jsonio.text(members, indent=True)


def of_part(result: Mapping[str, object]) -> Output:
    """Of a functionResponse, with the blobs that stand in it."""
    output = read(result.get("response"))
    for part in objects(result.get("parts")):
        if (blob := an_object(part.get("inlineData"))) is not None:
            output.blobs.append(blob)
    return output
