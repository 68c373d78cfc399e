"""Texts, a tool's arguments and results → blocks, as plain JSON, of which the page makes text nodes:

  {"kind": "text", "text", "marked"?: [nodes]}         prose; ``marked``: the same as markdown (``markdown.nodes``)
  {"kind": "code", "spans": [[class, text]…], "label"?} code, JSON, a command, a diff; output without a class
  {"kind": "section", "name", "text"}                  what a program added, folded by its name
  {"kind": "media", "mime", "size", "src"?, "uri"?}    ``src``: a data URL of a picture that is not too large

Pure; bounded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress

from zerogravity.core import headline, marker
from zerogravity.observe.inspector import highlight, markdown
from zerogravity.observe.tool_results import Output
from zerogravity.wire import jsonio
from zerogravity.wire.narrow import an_object, items, members, text, texts

Json = dict[str, object]
TEXT = 200_000  # characters of one text that are shown
PICTURE = 1 << 20  # bytes of a picture that is shown
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_FENCE = re.compile(r"^(`{3,}|~{3,})[ \t]*([^\s`]*)[^\n`]*\n(.*?)(?:\n\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_WHOLE = {
    "# AGENTS.md instructions": "AGENTS.md",
    "This is the Gemini CLI. We are setting up the context": "session context",
}
_COMMANDS = ("command", "cmd", "script", "CommandLine")
_PATHS = ("file_path", "path", "filePath", "absolute_path", "filename", "TargetFile")
_OLD = (("old_string", "new_string"), ("old_str", "new_str"), ("oldText", "newText"), ("search", "replace"))
_FILE = re.compile(r"^# (AGENTS\.md) instructions|^Contents of .*?([\w.-]+\.md)\b", re.MULTILINE)


def load() -> None:
    """What is needed later, ahead of time: the packages take a while."""
    prose("*a*")
    for language in ("json", "bash", "python"):
        highlight.code("1", language)


# -- prose ---------------------------------------------------------------------------------------------------------


def prose(words: str) -> list[Json]:
    """What somebody wrote, without what programs put beside it: that is in sections of its own."""
    shown = words[:TEXT]
    for opening, name in _WHOLE.items():
        if shown.startswith(opening):
            return [_section(name, shown)]
    if shown.startswith(marker.QUOTED):
        return [_section(shown.lstrip("# ").partition("\n")[0][:40], shown)]
    made: list[Json] = []
    at = 0
    for name, start, end in headline.context(shown):
        made += _fenced(shown[at:start])
        made.append(_section(_named(name, shown[start:end]), shown[start:end]))
        at = end
    return [*made, *_fenced(shown[at:])]


def _section(name: str, words: str) -> Json:
    return {"kind": "section", "name": name, "text": words.strip()}


def _named(name: str, words: str) -> str:
    """A reminder that only brings a file of instructions is named after it, too."""
    found = _FILE.search(words)
    return f"{name} · {found[1] or found[2]}" if found else name


def _fenced(words: str) -> list[Json]:
    """Texts and the code in their fences."""
    made: list[Json] = []
    at = 0
    for fence in _FENCE.finditer(words):
        made += _text(words[at : fence.start()])
        label = {"label": fence[2]} if fence[2] else {}
        made.append({"kind": "code", "spans": highlight.code(fence[3], fence[2].lower()), **label})
        at = fence.end()
    return [*made, *_text(words[at:])]


def _text(words: str) -> list[Json]:
    words = words.strip("\n").rstrip()
    if not words:
        return []
    marked = markdown.nodes(words)
    return [{"kind": "text", "text": words, **({} if marked is None else {"marked": marked})}]


# -- tools ---------------------------------------------------------------------------------------------------------


def arguments(value: object) -> list[Json]:
    """A command as one, a patch as one, each text of many lines on its own, and all the rest as JSON. ``value``: JSON,
    or its source text."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = jsonio.loads(value.encode("utf-8", "replace")) if len(value) <= TEXT else value
    if (found := an_object(value)) is None:
        return _output(value if isinstance(value, str) else jsonio.text(value, indent=True))
    rest = dict(found)
    path = next((rest[name] for name in _PATHS if isinstance(rest.get(name), str)), "")
    made, long = list(_commands(rest)), list(_long(rest, highlight.language_of(text(path))))
    if rest or not (made or long):
        made.append(_code(jsonio.text(rest, indent=True), "json"))
    return made + long


def _commands(rest: dict[str, object]) -> Iterator[Json]:
    """They are taken out of ``rest``."""
    for name in _COMMANDS:
        if line := _command(rest.get(name)):
            del rest[name]
            yield {"kind": "code", "spans": highlight.command(line[:TEXT]), "label": name}


def _long(rest: dict[str, object], language: str) -> Iterator[Json]:
    """Changes, patches and texts of many lines; they are taken out of ``rest``."""
    for old, new in _OLD:
        if isinstance(before := rest.get(old), str) and isinstance(after := rest.get(new), str):
            del rest[old], rest[new]
            yield _code(_as_diff(before, after), "diff", f"{old} → {new}")
    for name, value in list(rest.items()):
        if isinstance(value, str) and "\n" in value:
            del rest[name]
            yield _code(value, "" if highlight.is_diff(value) else language, name)


def _command(value: object) -> str:
    """A shell's command line; ["bash", "-lc", "…"] is its last word."""
    if isinstance(value, str):
        return value
    words = texts(value)
    if not words or len(words) != len(items(value)):
        return ""
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else shlex.join(words)


def _as_diff(before: str, after: str) -> str:
    return "\n".join((*(f"-{line}" for line in before.splitlines()), *(f"+{line}" for line in after.splitlines())))


def result(output: Output) -> Json:
    """What a tool gave back: ``{"blocks", "facts", "failed"}``."""
    made = _output(output.text) if output.text else []
    if output.rest:
        made.append(_code(jsonio.text(output.rest, indent=True), "json"))
    made += [media(blob) for blob in output.blobs]
    return {"blocks": made, "facts": output.facts, "failed": output.failed}


def _output(words: str) -> list[Json]:
    words = words[:TEXT]
    if (spans := highlight.json(words)) is not None:
        return [{"kind": "code", "spans": spans}]
    return [_code(words.rstrip("\n"), "")]


def _code(words: str, language: str, label: str = "") -> Json:
    return {"kind": "code", "spans": highlight.code(words[:TEXT], language), **({"label": label} if label else {})}


def media(blob: Mapping[str, object]) -> Json:
    """``blob``: inlineData or fileData."""
    mime, data = text(blob.get("mimeType")), text(blob.get("data"))
    size = len(data) * 3 // 4 - data[-2:].count("=")
    made: Json = {"kind": "media", "mime": mime, "size": size}
    if blob.get("fileUri"):
        made["uri"] = blob["fileUri"]
    if mime in _PICTURES and 0 < size <= PICTURE:
        made["src"] = f"data:{mime};base64,{data}"
    return made


def plain(value: object) -> list[Json]:
    """Any JSON."""
    return [_code(jsonio.text(members(value), indent=True), "json")]
