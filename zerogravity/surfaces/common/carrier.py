"""``encrypted_content``: thought signatures on their way through a client that keeps them for us.

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


@dataclass(frozen=True, slots=True)
class Carried:
    """One signature: of the call ``call_id``, or of the text or thought of its item (``call_id`` None)."""

    signature: str
    family: str
    call_id: str | None = None


def seal(secret: bytes, carried: Sequence[Carried]) -> str:
    """Signatures → the string a client stores."""
    payload = jsonio.dumps([[item.signature, item.family, item.call_id] for item in carried])
    return PREFIX + _encode(_mac(secret, payload) + payload)


def unseal(secret: bytes, text: str) -> list[Carried] | None:
    """The signatures, or None when the string is not ours."""
    if not text.startswith(PREFIX):
        return None
    try:
        raw = base64.urlsafe_b64decode(text[len(PREFIX) :] + "=" * (-(len(text) - len(PREFIX)) % 4))
    except ValueError:
        return None
    mac, payload = raw[:32], raw[32:]
    if not hmac.compare_digest(mac, _mac(secret, payload)):
        return None
    rows = cast("list[list[Any]]", jsonio.loads(payload))
    return [Carried(str(signature), str(family), call_id) for signature, family, call_id in rows]


def _mac(secret: bytes, payload: bytes) -> bytes:
    return hmac.new(secret, b"carrier" + payload, hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
