"""Queries and whether they find a turn: what the index of the traces and the inspector's page must agree on."""

from __future__ import annotations


def row(now: float) -> dict[str, object]:
    """A turn's row, a minute old."""
    return {
        "id": "turn_abc123", "created": now - 60, "surface": "chat", "model": "gpt-5", "target": "gemini-3.1-pro",
        "client": "codex", "session": "f00d", "conversation": "conv-7", "run": "r1", "question": "Capital of France?",
        "label": "Capital of France?", "code": "upstream_status", "google": "429 RESOURCE_EXHAUSTED", "failed": True,
        "tools": ["shell", "apply_patch"], "note": "look here", "star": True, "state": "failed",
    }  # fmt: skip


FOUND: list[tuple[str, bool]] = [
    ("", True), ("france", True), ("FRANCE", True), ("spain", False), ("-spain", True), ("-france", False),
    ('"capital of"', True), ('-"capital of"', False), ('"of capital"', False), ("look", True), ("apply", True),
    ("--x", True), ("12:30", False), ("code:upstream_status", True),
    ("code:429", True), ("code:resource_exhausted", True), ("code:42", False), ("-code:429", False),
    ("model:GPT", True), ("model:3.1", True), ("MODEL:gpt", True), ("client:code", True), ("client:claude", False),
    ("tool:patch", True), ("tool:read", False), ("surface:chat", True), ("surface:ch", False), ("session:f0", True),
    ("session:0d", False), ("conversation:conv", True), ("run:r1", True), ("run:x", False), ("id:abc", True),
    ("id:turn_abc", True), ("id:bc", False), ("since:2m", True), ("since:30s", False), ("before:30s", True),
    ("before:2m", False), ("since:2026-11-01T00:00:00Z", True), ('before:"2026-11-01 10:00"', False),
    ("since:3W", True), ("is:error", True), ("-is:error", False), ("is:star", True),
    ("france code:429 -model:claude", True), ("france code:ok", False),
]  # fmt: skip
REFUSED = ("colour:red", "code:", 'model:""', "is:odd", "since:soon", "before:2026-13-01", "since:")
