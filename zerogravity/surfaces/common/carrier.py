"""``encrypted_content``: thought signatures, and summaries of compacted dialogues, on their way through a client that
keeps them for us.

Self-describing and authenticated (HMAC-SHA256), so that a foreign or forged blob is recognised and ignored, never
forwarded. Not secret: Google's signatures are opaque already. Facts: wire-gemini-and-mapping 4.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from zerogravity.wire import jsonio

PREFIX = "zg1."
TEXT_PREFIX = "zg1t."


@dataclass(frozen=True, slots=True)
class Carried:
    """One signature: of the call ``call_id``, or of the text or thought of its item (``call_id`` None)."""

    signature: str
    family: str
    call_id: str | None = None


def seal(secret: bytes, carried: Sequence[Carried]) -> str:
    """Signatures → the string a client stores."""
    payload = jsonio.dumps([[item.signature, item.family, item.call_id] for item in carried])
    return PREFIX + _encode(_mac(secret, payload, b"carrier") + payload)


def unseal(secret: bytes, text: str) -> list[Carried] | None:
    """The signatures, or None when the string is not ours."""
    payload = _open(secret, text, PREFIX, b"carrier")
    if payload is None:
        return None
    rows = cast("list[list[Any]]", jsonio.loads(payload))
    return [Carried(str(signature), str(family), call_id) for signature, family, call_id in rows]


def seal_text(secret: bytes, text: str) -> str:
    """A summary → the string a client stores in its place."""
    payload = text.encode("utf-8", "replace")
    return TEXT_PREFIX + _encode(_mac(secret, payload, b"text") + payload)


def unseal_text(secret: bytes, text: str) -> str | None:
    """The summary, or None when the string is not ours."""
    payload = _open(secret, text, TEXT_PREFIX, b"text")
    return None if payload is None else payload.decode()


def _open(secret: bytes, text: str, prefix: str, label: bytes) -> bytes | None:
    """The authentic payload behind ``prefix``."""
    if not text.startswith(prefix):
        return None
    encoded = text[len(prefix) :]
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return None
    mac, payload = raw[:32], raw[32:]
    return payload if hmac.compare_digest(mac, _mac(secret, payload, label)) else None


def _mac(secret: bytes, payload: bytes, label: bytes) -> bytes:
    return hmac.new(secret, label + payload, hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
