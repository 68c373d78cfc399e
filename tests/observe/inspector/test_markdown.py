"""Markdown as nodes: tags of a list, and text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observe.inspector.support import HOSTILE
from tests.observe.inspector.test_static import FILES
from zerogravity.observe.inspector import markdown


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("plain\ntext", None),
        ("", None),
        ("**a** *b* ~~c~~ `d`", [["p", ["strong", "a"], " ", ["em", "b"], " ", ["s", "c"], " ", ["code", "d"]]]),
        ("# a", [["h3", "a"]]),
        ("- a\n- b", [["ul", ["li", ["p", "a"]], ["li", ["p", "b"]]]]),
        ("1. a", [["ol", ["li", ["p", "a"]]]]),
        ("> a", [["blockquote", ["p", "a"]]]),
        ("---", [["hr"]]),
        ("[a](https://b.example)", [["p", "a", ["span.dim", " https://b.example"]]]),
        ("![a](b.png)", [["p", "[picture: a]", ["span.dim", " b.png"]]]),
        ("- a\n  ```py\n  1\n  ```", [["ul", ["li", ["p", "a"], ["pre", ["span.n", "1"]]]]]),
        ("|a|\n|-|\n|b|", [["table", ["thead", ["tr", ["th", "a"]]], ["tbody", ["tr", ["td", "b"]]]]]),
        ("<b>x</b> *a*", [["p", "<b>x</b> ", ["em", "a"]]]),
    ],
)
def test_markdown(text, nodes):
    assert without_empty(markdown.nodes(text)) == nodes


def without_empty(nodes):
    if not isinstance(nodes, list):
        return nodes
    return [without_empty(node) for node in nodes if node != ""]


def test_very_long_texts_stay_as_they_are():
    assert markdown.nodes("*a* " * markdown.LARGEST) is None


def tags(node):
    if isinstance(node, list):
        yield node[0]
        for child in node[1:]:
            yield from tags(child)


@given(st.text(alphabet="*_`#>-|[]()!<>&~ \n1.a", max_size=120) | st.just(HOSTILE))
def test_tags_are_those_that_the_page_makes(text):
    for node in markdown.nodes(text) or []:
        for tag in tags(node):
            assert f'"{tag.partition(".")[0]}"' in FILES["blocks.js"]
