"""Markdown → nodes, ``[tag, child…]`` or text, of which the page makes elements by a list of tags. Pure; bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from zerogravity.observe.inspector.highlight import code

LARGEST = 50_000  # characters of one text that are rendered
_SAME = {
    "paragraph": "p", "blockquote": "blockquote", "bullet_list": "ul", "list_item": "li", "em": "em",
    "strong": "strong", "s": "s", "table": "table", "thead": "thead", "tbody": "tbody", "tr": "tr", "th": "th",
    "td": "td", "ordered_list": "ol",
}  # fmt: skip
_PLAIN = frozenset({"root", "paragraph", "inline", "text", "softbreak", "hardbreak"})

Node = str | list[Any]


@lru_cache(256)  # each turn of a session holds all that was said before it
def nodes(text: str) -> list[Node] | None:
    """The nodes of a text; None where markdown makes no difference to it, or it is too long."""
    if len(text) > LARGEST:
        return None
    from markdown_it.tree import SyntaxTreeNode

    tree: Any = SyntaxTreeNode(_parser().parse(text))
    if all(node.type in _PLAIN for node in tree.walk()):
        return None
    return list(_children(tree))


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _children(node: Any) -> Iterator[Node]:
    for child in node.children:
        yield from _node(child)


def _node(node: Any) -> Sequence[Node]:
    match node.type:
        case "inline":
            return list(_children(node))
        case "text":
            return [node.content]
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [["br"]]
        case "hr":
            return [["hr"]]
        case "code_inline":
            return [["code", node.content]]
        case "fence" | "code_block":
            return [["pre", *([f"span.{name}", piece] if name else piece for name, piece in _code(node))]]
        case "heading":
            return [[f"h{min(6, int(node.tag[1:]) + 2)}", *_children(node)]]  # below those of the page itself
        case "link":
            return _link(list(_children(node)), str(node.attrs.get("href", "")))
        case "image":
            return [f"[picture: {node.content}]", *_link([], str(node.attrs.get("src", "")))]
        case name if name in _SAME:
            return [[_SAME[name], *_children(node)]]
        case _:
            return [node.content] if node.content else list(_children(node))


def _code(node: Any) -> list[list[str]]:
    language = str(node.info).split()
    return code(node.content.rstrip("\n"), language[0] if language else "")


def _link(label: list[Node], address: str) -> list[Node]:
    """Where a link leads is shown; nothing on the page leads anywhere."""
    return label if label == [address] or not address else [*label, ["span.dim", f" {address}"]]
