"""The rules of the page, read from its files: text nodes only, nothing of others, small modules."""

from __future__ import annotations

import re

import pytest

from zerogravity.observe.inspector.assets import STATIC, TYPES

FILES = {path.name: path.read_text("utf-8") for path in sorted(STATIC.iterdir())}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
# Everything by which text can become markup or code.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
    r"|\beval\b|\bFunction\s*\(|setTimeout\s*\(\s*[\"'`]|setAttribute\(\s*[\"'](?:on|style|href|src)|javascript:"
)


def problems(name: str, text: str) -> list[str]:
    found = [match.group() for match in FORBIDDEN.finditer(text)]
    if name.endswith((".js", ".css", ".html")):
        found += re.findall(r"https?://|(?<![:\w])//\w+\.\w+", text)
    if name.endswith(".html"):
        found += re.findall(r"\son\w+=|\sstyle=|<style|<script>", text)
    if name.endswith(".css"):
        found += re.findall(r"@import|url\(", text)
    return found


@pytest.mark.parametrize("name", FILES)
def test_text_nodes_only_and_nothing_from_elsewhere(name):
    assert problems(name, FILES[name]) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "node.innerHTML = x"),
        ("a.js", "new Function(x)"),
        ("a.js", "import x from 'https://cdn.example/x.js'"),
        ("a.js", 'node.setAttribute("onclick", x)'),
        ("a.html", '<b onclick="x()">'),
        ("a.html", "<script>x()</script>"),
        ("a.css", "b { background: url(x) }"),
    ],
)
def test_the_rules_catch_what_they_should(name, text):
    assert problems(name, text)


@pytest.mark.parametrize("name", FILES)
def test_files_are_small_and_of_known_types(name):
    assert len(FILES[name].splitlines()) <= 250
    assert "." + name.rpartition(".")[2] in TYPES


@pytest.mark.parametrize("name", SCRIPTS)
def test_modules_say_what_they_are_and_import_what_is_there(name):
    assert SCRIPTS[name].startswith("// ")
    for names, module in re.findall(r"import \{([^}]*)\} from \"\./([\w.]+)\"", SCRIPTS[name]):
        assert module in SCRIPTS
        for imported in filter(None, map(str.strip, names.split(","))):
            assert re.search(rf"export (?:async )?(?:function|class|const) {imported}\b", SCRIPTS[module]), imported
            body = SCRIPTS[name].replace(f"{{{names}}}", "")
            assert re.search(rf"\b{imported}\b", body), f"{imported} is imported for nothing"
