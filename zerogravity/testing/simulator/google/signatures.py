"""Thought signatures with Gemini's envelope, minted and verified without memory: the ciphertext is an HMAC.

A signature is bound to its model family and to what it was put on, so that one on the wrong call is seen.
Facts: wire-gemini-and-mapping 4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
from collections.abc import Iterable
from typing import Literal

STAND_INS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
Kind = Literal["call", "text", "image", "server"]
_KEY_ID = b"\x5a\x47\x00\x01"
_TAG = 24
_PADDING = 24  # real ones are longer than their meaning


class Signer:
    """Mints and verifies; ``key`` makes signatures of one stand-in unknown to another."""

    def __init__(self, key: bytes = b"zerogravity stand-in") -> None:
        self._key = key
        self._count = itertools.count(1)

    def mint(self, family: str, kind: Kind, name: str = "") -> str:
        """A fresh signature for a part of that family; ``name``: a call's ``call_binding``, a server tool's step."""
        nonce = next(self._count).to_bytes(8, "big")
        text = _envelope(_KEY_ID + nonce + self._tag(vendor(family), kind, name, nonce) + nonce * (_PADDING // 8))
        # Claude through Google's host: base64 twice.
        return base64.b64encode(text.encode()).decode() if vendor(family) == "claude" else text

    def verify(self, signature: str, family: str, kind: Kind | None = None, name: str | None = None) -> bool:
        """Whether ``signature`` is one of ours (or a stand-in value) for that family, kind and function name."""
        if is_stand_in(signature):
            return True
        data = _open(signature, twice=vendor(family) == "claude")
        if data is None or data[:4] != _KEY_ID or len(data) != 12 + _TAG + _PADDING:
            return False
        nonce, tag = data[4:12], data[12 : 12 + _TAG]
        kinds: tuple[Kind, ...] = (kind,) if kind else ("call", "text", "image")
        return any(hmac.compare_digest(tag, self._tag(vendor(family), one, name or "", nonce)) for one in kinds)

    def _tag(self, maker: str, kind: Kind, name: str, nonce: bytes) -> bytes:
        message = b"\x1f".join((maker.encode(), kind.encode(), name.encode(), nonce))
        return hmac.digest(self._key, message, hashlib.sha256)[:_TAG]


def call_binding(name: str, steps: Iterable[str]) -> str:
    """What a call's signature is minted for: its function, and the steps of Google's own tools right before it. So a
    call that comes back without them is seen."""
    return "\x1e".join((name, *steps))


def vendor(family: str) -> str:
    """Signatures are bound to the maker and generation: ``gemini-3``, ``gemini-2``, ``claude``, ``gpt-oss``."""
    return family[:8] if family.startswith("gemini-") else family.split("-")[0]


def is_stand_in(signature: str) -> bool:
    """One of the two documented values for history that Gemini did not write, raw or as base64."""
    if signature in STAND_INS:
        return True
    try:
        return base64.b64decode(signature, validate=True).decode() in STAND_INS
    except (binascii.Error, ValueError):
        return False


def _envelope(ciphertext: bytes) -> str:
    inner = b"\x0a" + _varint(len(ciphertext) + 1) + b"\x01" + ciphertext
    return base64.b64encode(b"\x12" + _varint(len(inner)) + inner).decode()


def _open(signature: str, *, twice: bool) -> bytes | None:
    try:
        data = _decode(signature)
        if twice:
            data = _decode(data.decode())
    except (binascii.Error, ValueError):
        return None
    # 0x12 len 0x0a len 0x01 …; every length here fits in one byte
    if len(data) < 6 or data[0] != 0x12 or data[2] != 0x0A or data[4] != 0x01 or data[1] != len(data) - 2:
        return None
    return data[5:]


def _decode(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _varint(number: int) -> bytes:
    assert number < 128
    return bytes((number,))
