"""What a search for secrets costs."""

from __future__ import annotations

import re
import string
import sys
from time import process_time

import pytest

from zerogravity import redact, secret_spans

DENSE = [
    "key", "token:", "token=1", "token='", 'token":"', "secret   ", "A", "A_KEY=x1", "AKEY", 'password": {', "token\\",
    "?my_token=", "bearer ", "basic ", "-", "_", "I", "-----BEGIN ", "sk-", "xoxa-", "ya29.", "eyJaaaaaa.", "AKIA",
    "://a:", "cookie:", 'device_id":"', "\u212aey:", "\u0130",
]  # fmt: skip


@pytest.mark.parametrize("end", ["", "(", ":=@?", '"'])
@pytest.mark.parametrize("part", DENSE)
def test_the_time_is_linear_whatever_the_text(part, end):
    """The bound is ten times what the slowest takes; what grows with the square of a window takes longer."""
    value = part * (100_000 // len(part)) + end
    begun = process_time()
    redact.is_clean(value)
    assert process_time() - begun < 100_000 * 5e-6


def test_folding_a_text_is_how_patterns_ignore_case_and_moves_nothing():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    folded = secret_spans.fold(everything)
    assert len(folded) == len(everything)
    assert folded == "".join(secret_spans.fold(everything[at : at + 999]) for at in range(0, len(everything), 999))
    for letter in string.ascii_lowercase:
        same = {match.start() for match in re.finditer(letter, everything, re.IGNORECASE)}
        assert same == {at for at, char in enumerate(folded) if char == letter}
