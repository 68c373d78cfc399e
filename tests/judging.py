"""The Google stand-in's judgement of a request, without its sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zerogravity.testing.simulator.google import Received, validation
from zerogravity.testing.simulator.google.signatures import Signer


def complaint(body: Mapping[str, Any]) -> str | None:
    """What Google would say to this v1internal body; None when it would answer."""
    path = "/v1internal:streamGenerateContent"
    received = Received("POST", path, {"alt": "sse"}, {}, body, "1.1", model=str(body["model"]))
    refused = validation.refusal(received, Signer(), internal=True, auth=False, strict=True)
    if refused is None:
        return None
    assert isinstance(refused.body, dict)
    return str(refused.body["error"]["message"])


def about(model: str = "gemini-3-flash", **request: Any) -> dict[str, Any]:
    """A v1internal body around a request."""
    contents = [{"role": "user", "parts": [{"text": "Hello"}]}]
    return {"project": "p", "model": model, "request": {"contents": contents, **request}}
