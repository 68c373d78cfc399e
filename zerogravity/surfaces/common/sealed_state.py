"""State that a client keeps for us, sealed into one text: thought signatures, parts of Google's own tools,
summaries of compacted dialogues.

Authenticated (HMAC-SHA256), so that a foreign or forged value is recognised and never forwarded. Not encrypted:
Google's signatures are opaque already. Facts: wire-gemini-and-mapping 4.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from zerogravity.core.family import rules
from zerogravity.core.fold import Call, Reasoning
from zerogravity.wire import jsonio

PREFIX = "zg1."
TEXT_PREFIX = "zg1t."
TEXT = ""  # as a call id: the signature belongs to the text before the item
MAX_PARTS = 64 << 10  # characters of ``before``: clients keep it and send it again with every request


@dataclass(frozen=True, slots=True)
class Carried:
    """One signature: of the call ``call_id``, of the text before its item (``TEXT``), or of the item itself (None).

    ``before``: source texts of the parts of Google's own tools before the call. Of a thought: its text, if the item
    does not show it or the signature is only valid with exactly this text (Claude).
    """

    signature: str
    family: str
    call_id: str | None = None
    before: tuple[str, ...] = ()


def state_of_call(call: Call, family: str) -> list[Carried]:
    """What has to come back with a call. Nothing if it is too large: the signature is only valid with the parts before
    the call, and the registry remembers both."""
    if not call.signature or sum(map(len, call.before)) > MAX_PARTS:
        return []
    return [Carried(call.signature, family, call.call_id, tuple(call.before))]


def state_of_thought(thought: Reasoning, family: str, *, shown: bool) -> list[Carried]:
    """What has to come back of a thought: its signature, and its text unless that is ``shown``. For Claude always the
    text: the signature is bound to it. Nothing if a text that is not shown is too large."""
    fits = len(thought.text) <= MAX_PARTS
    if not thought.signature or not (shown or fits):
        return []
    whole = not shown or (rules(family).anthropic and fits)
    return [Carried(thought.signature, family, None, (thought.text,) if whole else ())]


def seal(secret: bytes, carried: Sequence[Carried]) -> str:
    """Signatures → the text that the client keeps."""
    payload = jsonio.dumps([[item.signature, item.family, item.call_id, *item.before] for item in carried])
    return PREFIX + _encode(_mac(secret, payload, b"carrier") + payload)


def unseal(secret: bytes, text: str) -> list[Carried] | None:
    """The signatures; None if the text was not made here."""
    payload = _open(secret, text, PREFIX, b"carrier")
    if payload is None:
        return None
    rows = cast("list[tuple[str, str, str | None, *tuple[str, ...]]]", jsonio.loads(payload))  # as ``seal`` wrote them
    return [Carried(signature, family, call_id, tuple(before)) for signature, family, call_id, *before in rows]


def seal_text(secret: bytes, text: str) -> str:
    """A summary → the text that the client keeps."""
    payload = text.encode("utf-8", "replace")
    return TEXT_PREFIX + _encode(_mac(secret, payload, b"text") + payload)


def unseal_text(secret: bytes, text: str) -> str | None:
    """The summary; None if the text was not made here."""
    payload = _open(secret, text, TEXT_PREFIX, b"text")
    return None if payload is None else payload.decode()


def _open(secret: bytes, text: str, prefix: str, label: bytes) -> bytes | None:
    """The payload after ``prefix``, if it is authentic."""
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
