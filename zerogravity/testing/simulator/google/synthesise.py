"""A value that fits a schema (Google's or JSON Schema), sensible where names suggest something; deterministic."""

from __future__ import annotations

import json
import re

from zerogravity.wire.narrow import an_object, items, members, number, text, texts, whole

Schema = dict[str, object]
MAX_DEPTH = 6
MAX_COUNT = 10_000  # of items, characters, values in all: however many a schema asks for
FILE = re.compile(r"(?<![\w/])(/?(?:[\w.-]+/)*[\w-]+\.[A-Za-z]\w{0,4})(?![\w/])")
QUOTED = re.compile(r"[\"“'‘`]([^\"”'’`\n]{1,200})[\"”'’`]")
PLACE = re.compile(r"\b(?:in|for|of|at|and)\s+([A-Z][\w-]+(?:\s[A-Z][\w-]+)*)")
EITHER = re.compile(r"relative or absolute|absolute or relative")
UNLISTED = re.compile(r"additionalProperties|patternProperties")
PATHS = ("path", "filepath", "filename", "file", "absolutepath", "targetfile", "relativepath")
CONTENT = ("content", "contents", "text", "filetext", "newtext", "newcontent", "codecontent", "newstring", "body")
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
DATE = "2026-03-01"
FORMATS = {
    "date-time": f"{DATE}T10:00:00Z", "date": DATE, "time": "10:00:00Z", "email": "ada@example.com", "uri": "https://example.org/",
    "uuid": "c0ffee00-1111-4222-8333-444455556666", "ipv4": "192.0.2.1", "hostname": "example.org", "duration": "PT1H",
}  # fmt: skip


class Synthesiser:
    """Makes arguments and JSON answers for one prompt; ``folder`` is the client's working directory, if known."""

    def __init__(self, prompt: str, folder: str | None = None, *, turn: int = 0) -> None:
        self._prompt = prompt
        self._folder = folder
        self._turn = turn  # which of several parallel calls: other values
        self._made = 0
        self._unconstrained = False

    def arguments(self, schema: Schema, function: str = "", about: str = "") -> Schema:
        """Arguments for a function: its required members, and those that writing a file or a command needs. No schema
        constrains them: members that descriptions mention (``about``: the function's) may be there."""
        self._unconstrained = True
        return members(self.value(schema or {"type": "object", "description": about}, schema, function))

    def value(self, schema: object, root: Schema, name: str = "", depth: int = 0) -> object:
        """A value that satisfies ``schema``."""
        schema = _resolve(schema, root)
        self._made += 1
        if depth > 4 * MAX_DEPTH or self._made > MAX_COUNT:
            return None
        if "const" in schema:
            return schema["const"]
        if choices := [one for one in items(schema.get("enum")) if one is not None]:
            return choices[self._turn % len(choices)]
        for union in ("anyOf", "any_of", "oneOf", "allOf"):
            if branches := [_resolve(one, root) for one in items(schema.get(union))]:
                branch = next((one for one in branches if _type(one) != "null"), branches[0])
                rest = {key: item for key, item in schema.items() if key != union}
                return self.value({**rest, **branch}, root, name, depth + 1)
        match _type(schema):
            case "object":
                return self._object(schema, root, name, depth)
            case "array":
                return self._array(schema, root, name, depth)
            case "integer":
                return int(_number(schema, integer=True)) + self._turn * (BOUNDS.isdisjoint(schema))
            case "number":
                return _number(schema, integer=False)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Schema, root: Schema, name: str, depth: int) -> Schema:
        properties, wanted = members(schema.get("properties")), texts(schema.get("required"))
        if not wanted and depth < MAX_DEPTH:
            wanted = [*properties] if depth < 2 else [*properties][:1]
        made = {
            key: self.value(properties.get(key), root, f"{name}.{key}", depth + 1)
            for key in (*properties, *(one for one in wanted if one not in properties))
            if key in wanted
        }
        rest = schema.get("additionalProperties")
        mentioned = self._unconstrained and not properties and UNLISTED.search(str(schema.get("description") or ""))
        if (rest or mentioned) and depth < MAX_DEPTH:  # without it, an object has what it lists and no more
            made["extra" if properties else "key"] = self.value(rest, root, f"{name}.value", depth + 1)
        return made

    def _array(self, schema: Schema, root: Schema, name: str, depth: int) -> list[object]:
        leaf = name.rsplit(".", 1)[-1].lower()
        if leaf in ("command", "cmd", "argv", "commandline"):
            return ["bash", "-lc", self._command()]
        if prefix := items(schema.get("prefixItems")):
            return [self.value(one, root, name, depth + 1) for one in prefix]
        least = min(_limit(schema, "minItems", "min_items") or 0, MAX_COUNT)
        most = _limit(schema, "maxItems", "max_items") or 10
        count = least if depth >= MAX_DEPTH else max(least, min(2, most))
        if "place" in leaf or leaf in ("cities", "locations"):
            return [*self.places()[: max(count, 1)]]
        return [self.value(schema.get("items"), root, name, depth + 1) for _ in range(count)]

    def _string(self, schema: Schema, name: str) -> str:
        if (wanted := text(schema.get("format"))) in FORMATS:
            return FORMATS[wanted]
        made = self._named(name.lower(), str(schema.get("description") or ""))
        least = min(_limit(schema, "minLength", "min_length") or 0, MAX_COUNT)
        return made.ljust(least, "x")[: _limit(schema, "maxLength", "max_length") or None]

    def _named(self, name: str, description: str) -> str:
        leaf = re.sub(r"[_-]", "", name.rsplit(".", 1)[-1])
        function = name.split(".", 1)[0]
        if leaf in ("command", "cmd", "commandline", "script"):
            return self._command()
        if "patch" in function and leaf in ("input", "patch"):
            return f"*** Begin Patch\n*** Add File: {self.file()}\n+{self.content()}\n*** End Patch\n"
        if leaf in PATHS:
            words = EITHER.sub("", description.lower())
            return self._path("absolute" in leaf or "absolute" in words)
        if leaf in ("directory", "dirpath", "cwd", "workdir", "dir", "folder"):
            return self._folder or "."
        if leaf in CONTENT:
            return self.content()
        if leaf in ("city", "location", "place", "town", "where"):
            return self.places()[self._turn % len(self.places())]
        if leaf in ("url", "uri"):
            return "https://example.org/"
        if leaf in ("query", "question", "prompt", "q"):
            return " ".join(self._prompt.split())[:80] or "query"
        if leaf in ("description", "explanation", "justification", "reason"):
            return "What the user asked for"
        return leaf or "text"

    def file(self) -> str:
        """The file the prompt names, else ``hello.txt``."""
        found = FILE.search(self._prompt)
        return found.group(1) if found else "hello.txt"

    def content(self) -> str:
        """What the prompt puts in quotation marks (not a file name), else a greeting."""
        for quoted in QUOTED.findall(self._prompt):
            if not FILE.fullmatch(quoted.strip()):
                return quoted
        return "Hello from the stand-in."

    def javascript(self) -> str:
        """A program for a client whose one tool runs programs that call its other tools (Codex)."""
        return f"text(await tools.exec_command({json.dumps({'cmd': self._command()}, ensure_ascii=False)}))"

    def places(self) -> list[str]:
        """The places the prompt names, else two of our own."""
        found = [place for place in PLACE.findall(self._prompt) if place not in ("Use", "The", "I")]
        return list(dict.fromkeys(found)) or ["Rome", "Oslo"]

    def _path(self, absolute: bool) -> str:
        file = self.file()
        if absolute and not file.startswith("/"):
            return f"{(self._folder or '/tmp').rstrip('/')}/{file}"  # noqa: S108 - a name in an answer, not a file of ours
        return file

    def _command(self) -> str:
        if re.search(r"creat|writ|save|make a file|touch", self._prompt, re.I):
            return f"printf '%s\\n' '{self.content()}' > {self.file()}"
        return "ls"


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in items(schema["type"]) if str(one).lower() != "null"), "null")
    if isinstance(kind, str) and kind.lower() != "type_unspecified":
        return kind.lower()
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _resolve(schema: object, root: Schema) -> Schema:
    """The schema behind a reference, or behind a chain of them."""
    for _ in range(20):
        if (found := an_object(schema)) is None:
            return {}
        if not (pointer := text(found.get("$ref"))).startswith("#"):
            return found
        schema = root
        for token in pointer[1:].split("/")[1:]:
            schema = members(schema).get(token.replace("~1", "/").replace("~0", "~"))
    return {}


def _limit(schema: Schema, *spellings: str) -> int | None:
    return next((found for name in spellings if (found := whole(schema.get(name)))), None)


def _number(schema: Schema, *, integer: bool) -> float:
    beyond = 1 if integer else 0.5
    least, most, step = (_bound(schema.get(name)) for name in ("minimum", "maximum", "multipleOf"))
    if least is None and (above := number(schema.get("exclusiveMinimum"))) is not None:
        least = above + beyond
    if most is None and (below := number(schema.get("exclusiveMaximum"))) is not None:
        most = below - beyond
    value: float = 1 if integer else 1.5
    if most is not None:
        value = min(value, most)
    if least is not None:
        value = max(value, least)
    if step:
        value = -(-value // step) * step
    return int(value) if integer else value


def _bound(value: object) -> float | None:
    """A number, or one as text."""
    return float(value) if isinstance(value, str) else number(value)
