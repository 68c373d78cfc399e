"""The page's colours, read from its stylesheets: whatever is written can be read, in both themes (WCAG 2: 4.5 to 1)."""

from __future__ import annotations

import re

import pytest

from zerogravity.observe.inspector.assets import STATIC

SHEETS = {file.name: file.read_text("utf-8") for file in sorted(STATIC.glob("*.css"))}
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", "".join(SHEETS.values())))
MARKED = ("gone-back", "new-back", "lit", "mark")  # paper of a few words
PAPER = ("back", "raised", "sunk", "soft", "chosen")
INK = [name for name in PAIRS if name not in {*PAPER, *MARKED, "line", "edge"}]
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
@pytest.mark.parametrize("paper", MARKED)
def test_marked_words_can_be_read(paper, theme):
    assert contrast("text", paper, theme) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", ["raised", "sunk", "back"])
def test_the_edges_of_controls_can_be_seen(paper, theme):
    assert contrast("edge", paper, theme) >= 3


def test_every_colour_that_is_used_has_a_value():
    for name, sheet in SHEETS.items():
        assert set(re.findall(r"var\(--([\w-]+)\)", sheet)) <= {*PAIRS, "mono"}, name


def test_the_choice_of_dark_or_light_is_made_in_one_place():
    for name, sheet in SHEETS.items():
        assert "prefers-color-scheme" not in sheet, name


def test_no_class_is_styled_as_a_whole_by_two_sheets():
    """Each sheet has an owner; a word that means two things must be narrowed: ``.pane > .bar``, ``.track > .bar``."""
    owners: dict[str, str] = {}
    for name, sheet in SHEETS.items():
        text = re.sub(r"/\*.*?\*/|@media[^{]*\{", "", sheet, flags=re.DOTALL)
        for selectors in re.findall(r"([^{}]+)\{", text):
            for selector in map(str.strip, selectors.split(",")):
                if re.fullmatch(r"\.[\w-]+", selector):
                    assert owners.setdefault(selector, name) == name, selector
