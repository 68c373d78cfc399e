"""The page's colours, read from its stylesheets: whatever is written can be read, in both themes (WCAG 2: 4.5 to 1)."""

from __future__ import annotations

import re

import pytest

from zerogravity.observe.inspector.assets import STATIC

STYLE = (STATIC / "style.css").read_text("utf-8")
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", STYLE))
INK = ("text", "dim", "accent", "good", "bad", "warn", "thinking", "text-run", "call", "wait")
PAPER = ("back", "raised", "sunk", "soft", "chosen")
THEMES = ("light", "dark")


def colour(name: str, theme: str) -> tuple[float, ...]:
    text = PAIRS[name].split(", ")[THEMES.index(theme)]
    return tuple(int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))


def luminance(rgb: tuple[float, ...]) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str, theme: str) -> float:
    dark, bright = sorted(luminance(colour(name, theme)) for name in (one, other))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", PAPER)
@pytest.mark.parametrize("ink", INK)
def test_words_can_be_read(ink, paper, theme):
    assert contrast(ink, paper, theme) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", ["gone-back", "new-back", "lit", "mark"])
def test_marked_words_can_be_read(paper, theme):
    assert contrast("text", paper, theme) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", ["raised", "sunk", "back"])
def test_the_edges_of_controls_can_be_seen(paper, theme):
    assert contrast("edge", paper, theme) >= 3


def test_every_colour_that_is_used_has_a_value():
    for file in STATIC.glob("*.css"):
        used = set(re.findall(r"var\(--([\w-]+)\)", file.read_text("utf-8")))
        assert used <= {*PAIRS, "mono"}, file.name
