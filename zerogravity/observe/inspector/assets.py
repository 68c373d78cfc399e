"""The files of the inspector's page, and ``alone``: the same page as one file, with its data in it, that needs neither
server nor network. The data stand in an inert block, the page makes text nodes only, and its policy allows nothing but
its own script and style (threat T19).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_STYLE = re.compile(r'<link rel="stylesheet" href="(\w+\.css)">\n')
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def names() -> set[str]:
    return {path.name for path in STATIC.iterdir() if path.suffix in TYPES}


def read(name: str) -> bytes:
    return (STATIC / name).read_bytes()


def alone(data: bytes, turns: Iterable[tuple[str, bytes]] = (), texts: bytes = b"{}") -> bytes:
    """``data``: JSON, as ``api.js`` takes it; ``turns``: (id, JSON) of each, which is parsed when it is opened;
    ``texts``: JSON, as ``texts.js`` takes it, parsed at the first search."""
    page, script = _text("index.html"), bundle()
    style = "".join(_text(name) for name in _STYLE.findall(page))
    page = _STYLE.sub("", page)
    icon = base64.b64encode(read("icon.svg")).decode()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    charset, main = '<meta charset="utf-8">', '<script type="module" src="main.js"></script>'
    block = _block('id="data"', data).decode()
    for old, new in (
        (charset, f'{charset}\n<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        ('href="icon.svg"', f'href="data:image/svg+xml;base64,{icon}"'),
        ("</head>", f"<style>{style}</style>\n</head>"),
        (main, f'{block}\n<script type="module">{script}</script>'),
    ):
        before, found, after = page.partition(old)
        assert found, old
        page = before + new + after
    before, end, after = page.encode().partition(b"</head>")
    blocks = [_block(f'data-turn="{html.escape(turn_id)}"', turn) + b"\n" for turn_id, turn in turns]
    return b"".join((before, *blocks, _block('id="texts"', texts), b"\n", end, after))


def _block(attribute: str, data: bytes) -> bytes:
    return b'<script type="application/json" %b>%b</script>' % (attribute.encode(), inert(data))


def inert(data: bytes) -> bytes:
    """JSON that cannot leave its script block."""
    return data.replace(b"<", b"\\u003c").replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def bundle(name: str = "main") -> str:
    """A module and what it imports as one script: each module a function that is called once, its exports in a
    constant of its name. (A page that was opened as a file may import nothing.)"""
    made: dict[str, str] = {}
    _take(name, made)
    return "".join(made.values())


def _take(name: str, made: dict[str, str]) -> None:
    source = _text(f"{name}.js")
    for _, other in _IMPORT.findall(source):
        if other not in made:
            _take(other, made)
    exports = ", ".join(_EXPORT.findall(source))
    source = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = $\2;", source))
    made[name] = f"const ${name} = (() => {{\n{source}return {{ {exports} }};\n}})();\n"


def _text(name: str) -> str:
    return read(name).decode()


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
