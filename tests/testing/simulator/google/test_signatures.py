"""Signatures are bound to what they were minted for."""

from __future__ import annotations

import base64
import json

import pytest

from zerogravity.testing.simulator.google.signatures import STAND_INS, Signer


def test_signatures_are_bound_to_family_kind_and_function() -> None:
    signer = Signer()
    minted = signer.mint("gemini-3-flash", "call", "f")
    assert signer.verify(minted, "gemini-3-pro", "call", "f"), "the same maker and generation"
    assert signer.verify(minted.replace("+", "-").replace("/", "_").rstrip("="), "gemini-3-flash", "call", "f")
    others = [
        ("gemini-2.5-flash", "call", "f"),
        ("claude", "call", "f"),
        ("gemini-3-flash", "text", ""),
        ("gemini-3-flash", "call", "g"),
    ]
    for family, kind, name in others:
        assert not signer.verify(minted, family, kind, name)  # type: ignore[arg-type]
    assert not Signer(b"another").verify(minted, "gemini-3-flash", "call", "f")
    assert not signer.verify(minted[:-8], "gemini-3-flash", "call", "f")
    assert minted != signer.mint("gemini-3-flash", "call", "f")


def test_signatures_have_geminis_envelope_and_claudes_are_encoded_twice() -> None:
    signer = Signer()
    data = base64.b64decode(signer.mint("gemini-3-flash", "text"))
    assert (data[0], data[2], data[4]) == (0x12, 0x0A, 0x01)
    once = base64.b64decode(signer.mint("claude", "text"))
    assert base64.b64decode(once)[0] == 0x12
    assert signer.mint("claude", "text").startswith("R")


@pytest.mark.parametrize("value", STAND_INS)
def test_stand_in_signatures_are_taken_raw_and_encoded(value: str) -> None:
    signer = Signer()
    assert signer.verify(value, "gemini-3-flash", "call", "any")
    assert signer.verify(base64.b64encode(value.encode()).decode(), "gemini-3-flash", "call", "any")
    assert not signer.verify(json.dumps(value), "gemini-3-flash", "call", "any")
