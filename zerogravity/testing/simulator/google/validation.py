"""What Google refuses before it generates: credentials, unknown models, requests that break a rule → ``Scenario``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.google.code_assist import missing_model
from zerogravity.testing.simulator.google.families import Family, family_of
from zerogravity.testing.simulator.google.generate_request import get, messages, parts_of
from zerogravity.testing.simulator.google.rules.claude import claude_errors
from zerogravity.testing.simulator.google.rules.config import generation_errors, tools_errors
from zerogravity.testing.simulator.google.rules.contents import contents_errors
from zerogravity.testing.simulator.google.rules.shapes import ENVELOPE, PUBLIC, RUNTIME, violations
from zerogravity.testing.simulator.google.scenarios import Scenario, bad_request, error, error_info, failure
from zerogravity.testing.simulator.google.signatures import Signer
from zerogravity.wire.narrow import an_object

if TYPE_CHECKING:
    from zerogravity.testing.simulator.google.server import Received


PUBLIC_DOMAIN = "googleapis.com"
RUNTIME_AGENT = "google-antigravity-sdk"


def credentials(received: Received, *, internal: bool) -> tuple[int, Json] | None:
    """(status, body) when the credentials are missing or bad."""
    bearer = received.headers.get("authorization", "").removeprefix("Bearer ")
    if internal:
        if bearer and bearer != "expired":
            return None
        info = error_info("ACCESS_TOKEN_EXPIRED" if bearer else "CREDENTIALS_MISSING", PUBLIC_DOMAIN)
        text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
        return 401, error(401, "UNAUTHENTICATED", text + "valid authentication credential.", [info])
    key = received.headers.get("x-goog-api-key") or received.query.get("key")
    if key in ("bad", "invalid"):
        info = error_info("API_KEY_INVALID", PUBLIC_DOMAIN, service="generativelanguage.googleapis.com")
        return 400, error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [info])
    if key or bearer:
        return None
    text = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
    return 403, error(403, "PERMISSION_DENIED", text + "other form of API consumer identity to call this API.")


def refusal(received: Received, signer: Signer, *, internal: bool, auth: bool, strict: bool) -> Scenario | None:
    """The refusal of a generate call, or None when it is to be answered."""
    if auth and (bad := credentials(received, internal=internal)) is not None:
        return Scenario(status=bad[0], body=bad[1], name="refused")
    body = an_object(received.body)
    if body is None:
        text = "Invalid JSON payload received. Unexpected token." if received.body else "Request body is empty."
        return _invalid(text, ("", text))
    request = an_object(received.request)
    if internal and request is None:
        return _invalid("Request contains an invalid argument.")
    family = family_of(received.model)
    if family is None or not (internal or family.public):
        text = "Requested entity was not found."
        if not internal:
            text = missing_model(received.model.removeprefix("models/"), received.path, None)
        return failure(404, "NOT_FOUND", text, name="refused")
    return _broken_rule(received, body, request or {}, family, signer, internal=internal) if strict else None


def _broken_rule(
    received: Received, body: Object, request: Object, family: Family, signer: Signer, *, internal: bool
) -> Scenario | None:
    """The 400 of a request that breaks a rule: all that the codec finds, or else the first wrong value."""
    # Nobody but Google's own runtime has been seen to send a sessionId on the public API.
    public = RUNTIME if received.headers.get("user-agent", "").startswith(RUNTIME_AGENT) else PUBLIC
    wrong = list(violations(body, ENVELOPE if internal else public))
    if not (internal or family.call_ids):
        wrong += _call_ids(request)
    if wrong:
        return _invalid("\n".join(text for _, text in wrong), *wrong)
    rules: tuple[Iterable[str], ...] = (
        contents_errors(request, family, signer),
        tools_errors(request, family, internal=internal),
        generation_errors(request, family, received.model.removeprefix("models/")),
        claude_errors(request, family, signer) if family.kind == "claude" else (),
    )
    first = next((text for rule in rules for text in rule), None)
    return None if first is None else _invalid(first)


def _call_ids(request: Object) -> Iterator[tuple[str, str]]:
    """Older models on the public host know no ids of calls."""
    for index, content in enumerate(messages(request, "contents")):
        for number, part in enumerate(parts_of(content)):
            for name, spelled in (("functionCall", "function_call"), ("functionResponse", "function_response")):
                if "id" in (an_object(get(part, name)) or ()):
                    where = f"contents[{index}].parts[{number}].{spelled}"
                    text = f"Unknown name \"id\" at '{where}': Cannot find field."
                    yield where, f"Invalid JSON payload received. {text}"


def _invalid(message: str, *violations: tuple[str, str]) -> Scenario:
    details = [bad_request(*violations)] if violations else []
    return failure(400, "INVALID_ARGUMENT", message, details, name="refused")
