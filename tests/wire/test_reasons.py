"""Google's refusals as they come over the wire → the reason, and the sentence of what to do; in every form."""
# ruff: noqa: E501 - Google's messages are quoted as they are

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import json_objects
from zerogravity.surfaces import REGISTRY
from zerogravity.wire import google_errors, reasons
from zerogravity.wire.google import GoogleDecoder
from zerogravity.wire.reasons import Api, Reason

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
HELP = "type.googleapis.com/google.rpc.Help"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"
DEBUG = "type.googleapis.com/google.rpc.DebugInfo"


def body(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": error | ({"details": list(details)} if details else {})}


def info(reason: str, domain: str = "cloudcode-pa.googleapis.com", **metadata: str) -> dict[str, Any]:
    return {"@type": INFO, "reason": reason, "domain": domain, "metadata": metadata}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": RETRY, "retryDelay": delay}


def quota(name: str) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [{"quotaId": name, "quotaValue": "10"}]}


API_URL = "https://console.developers.google.com/apis/api/generativelanguage.googleapis.com/overview?project=12345678"
VERIFY_URL = "https://accounts.google.com/signin/continue?sarp=1&scc=1"
LOGIN = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)

# body, reason, code, what the remedy says
TABLE: list[tuple[str, dict[str, Any], Reason | None, str, str]] = [
    ("old editor", body(403, "PERMISSION_DENIED", "This version of Antigravity is no longer supported. Please update to receive the latest features!"),
     Reason.OUTDATED, "upstream_auth", "Update the editor"),
    ("old editor, by name", body(403, "PERMISSION_DENIED", "m", info("UNSUPPORTED_CLIENT")), Reason.OUTDATED, "upstream_auth", "Update the editor"),
    ("old editor, as a bad request", body(400, "FAILED_PRECONDITION", "Your client is out of date, please upgrade the extension"),
     Reason.OUTDATED, "invalid_argument", "Update the editor"),
    ("verify", body(403, "PERMISSION_DENIED", "Verify your account to continue.", info("VALIDATION_REQUIRED", validation_url=VERIFY_URL)),
     Reason.VERIFY, "upstream_auth", f"Open {VERIFY_URL} with"),
    ("verify, link in the help", body(403, "PERMISSION_DENIED", "m", info("VALIDATION_REQUIRED"), {"@type": HELP, "links": [{"url": VERIFY_URL}]}),
     Reason.VERIFY, "upstream_auth", f"Open {VERIFY_URL} with"),
    ("verify, no link", body(403, "PERMISSION_DENIED", "m", info("VALIDATION_REQUIRED", url="javascript:alert(1)", other="https://a b")),
     Reason.VERIFY, "upstream_auth", "Open the editor"),
    ("closed account", body(403, "PERMISSION_DENIED", "This service has been disabled in this account for violation of Terms of Service."),
     Reason.CLOSED, "upstream_auth", "another one"),
    ("under age", body(403, "PERMISSION_DENIED", "m", info("RESTRICTED_AGE")), Reason.CLOSED, "upstream_auth", "another one"),
    ("licence", body(403, "PERMISSION_DENIED", "You do not have a valid license of Gemini Code Assist.", info("SUBSCRIPTION_REQUIRED")),
     Reason.LICENCE, "upstream_auth", "licence or subscription"),
    ("licence, in words", body(403, "PERMISSION_DENIED", "User is not licensed for this feature"), Reason.LICENCE, "upstream_auth", "licence"),
    ("entitlement", body(403, "PERMISSION_DENIED", "The caller lacks the entitlement for this model."), Reason.LICENCE, "upstream_auth", "licence"),
    ("permission", body(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p' (or it may not exist).",
     info("IAM_PERMISSION_DENIED", "aiplatform.googleapis.com", permission="aiplatform.endpoints.predict")),
     Reason.PERMISSION, "upstream_auth", "owner of that Google Cloud project"),
    ("permission, in words", body(403, "PERMISSION_DENIED", "The caller does not have permission"), Reason.PERMISSION, "upstream_auth", "permission"),
    ("disabled API", body(403, "PERMISSION_DENIED", f"Generative Language API has not been used in project 12345678 before or it is disabled. Enable it by visiting {API_URL} then retry.",
     {"@type": HELP, "links": [{"description": "Google developers console API activation", "url": API_URL}]},
     info("SERVICE_DISABLED", "googleapis.com", consumer="projects/12345678", service="generativelanguage.googleapis.com")),
     Reason.API_DISABLED, "upstream_auth", f"Open {API_URL} and enable"),
    ("disabled API, older form", {"error": {"code": 403, "message": "m", "errors": [{"reason": "accessNotConfigured"}]}},
     Reason.API_DISABLED, "upstream_auth", "Enable the API"),
    ("expired login", body(401, "UNAUTHENTICATED", LOGIN, info("ACCESS_TOKEN_EXPIRED", "googleapis.com")), Reason.LOGIN, "upstream_auth", "Log in again"),
    ("expired login, bare", body(401, "UNAUTHENTICATED", LOGIN), Reason.LOGIN, "upstream_auth", "Log in again"),
    ("expired login, as 403", body(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.", info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")),
     Reason.LOGIN, "upstream_auth", "Log in again"),
    ("bad key", body(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID", "googleapis.com")),
     Reason.API_KEY, "upstream_auth", "API key"),
    *(
        (f"the client's words: {words}", body(400, "INVALID_ARGUMENT", f"* GenerateContentRequest.tools[0].function_declarations[0].{words}"),
         None, "invalid_argument", "")
        for words in (
            "parameters.properties[api_key].type: unspecified schema type", "name: [license.check] Invalid function name.",
            "parameters.properties[subscription].type: must be set", "parameters.properties[ineligible]: not eligible",
            "description: this client application reports data too old", "parameters.properties[billing enabled]: missing",
            "name: [login expired] Invalid", "parameters.properties[no capacity]: unknown",
        )
    ),
    ("leaked key", body(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."), Reason.API_KEY, "upstream_auth", "API key"),
    ("no key", body(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."),
     Reason.API_KEY, "upstream_auth", "API key"),
    ("billing", body(403, "PERMISSION_DENIED", "This API method requires billing to be enabled.", info("BILLING_DISABLED", "googleapis.com")),
     Reason.BILLING, "upstream_auth", "billing"),
    ("billing, as a precondition", body(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."),
     Reason.BILLING, "invalid_argument", "billing"),
    ("billing alone", body(400, "FAILED_PRECONDITION", "Please enable billing on your project."), Reason.BILLING, "invalid_argument", "billing"),
    ("credits spent", body(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), Reason.BILLING, "insufficient_quota", "top up"),
    ("region", body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), Reason.REGION, "invalid_argument", "country"),
    ("region, only in the details", body(400, "FAILED_PRECONDITION", "$grpcMessage", {"@type": DEBUG, "detail": "[ORIGINAL ERROR] generic::failed_precondition: User location is not supported for the API use."}),
     Reason.REGION, "invalid_argument", "country"),
    ("region, by name", body(403, "PERMISSION_DENIED", "m", info("UNSUPPORTED_LOCATION")), Reason.REGION, "upstream_auth", "country"),
    ("rate limit", body(429, "RESOURCE_EXHAUSTED", "You have exhausted your capacity on this model. Your quota will reset after 0s.",
     info("RATE_LIMIT_EXCEEDED", model="m", quotaResetDelay="479.417207ms", quotaResetTimeStamp="2026-03-01T10:00:01Z"), retry("0.479417207s")),
     Reason.RATE, "rate_limit_exceeded", "fewer requests"),
    ("rate limit, bare", body(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), Reason.RATE, "rate_limit_exceeded", "fewer requests"),
    ("rate limit, with the word billing", body(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n* Quota exceeded for metric: x, limit: 1000000\nPlease retry in 48.939935699s.",
     quota("GenerateContentPaidTierInputTokensPerModelPerMinute"), retry("48s")), Reason.RATE, "rate_limit_exceeded", "fewer requests"),
    ("quota of a day", body(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("34.4s")),
     Reason.DAY, "insufficient_quota", "midnight Pacific"),
    ("quota with its time", body(429, "RESOURCE_EXHAUSTED", "You have exhausted your capacity on this model. Your quota will reset after 143h4m52s.",
     info("QUOTA_EXHAUSTED", quotaResetDelay="143h4m52.73s", quotaResetTimeStamp="2026-03-07T09:04:53.12Z"), retry("515092.73s")),
     Reason.QUOTA, "insufficient_quota", "resets at 2026-03-07 09:04:53 UTC."),
    ("quota, only a delay", body(429, "RESOURCE_EXHAUSTED", "Your quota will reset after 5h2m."), Reason.QUOTA, "insufficient_quota", "resets in 5 h 2 min."),
    ("quota, days", body(429, "RESOURCE_EXHAUSTED", "m", info("QUOTA_EXHAUSTED"), retry("515092.73s")), Reason.QUOTA, "insufficient_quota", "resets in 5 d 23 h."),
    ("quota, no time", body(429, "RESOURCE_EXHAUSTED", "m", info("QUOTA_EXHAUSTED", quotaResetTimeStamp="soon")), Reason.QUOTA, "insufficient_quota", "until it resets."),
    ("AI credits", body(429, "RESOURCE_EXHAUSTED", "m", info("INSUFFICIENT_G1_CREDITS_BALANCE")), Reason.CREDITS, "insufficient_quota", "Buy credits"),
    ("no capacity", body(503, "UNAVAILABLE", "No capacity available for model gemini-3-pro on the server", info("MODEL_CAPACITY_EXHAUSTED", model="gemini-3-pro")),
     Reason.CAPACITY, "upstream_error", "no room"),
    ("no capacity, as 429", body(429, "RESOURCE_EXHAUSTED", "m", info("MODEL_CAPACITY_EXHAUSTED")), Reason.CAPACITY, "rate_limit_exceeded", "no room"),
    ("overloaded", body(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), Reason.CAPACITY, "upstream_error", "no room"),
    ("no such model", body(404, "NOT_FOUND", "models/gemini-5.0-flash is not found for API version v1, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."),
     Reason.MODEL, "model_not_found", "/v1/models"),
    ("no such model, cloud", body(404, "NOT_FOUND", "Publisher Model `projects/p/locations/us-central1/publishers/google/models/g` not found."), Reason.MODEL, "model_not_found", "/v1/models"),
    ("no such model, bare", body(404, "NOT_FOUND", "Requested entity was not found."), Reason.MODEL, "model_not_found", "/v1/models"),
    ("an old model is no old editor", body(404, "NOT_FOUND", "This model models/gemini-1.0-pro is no longer supported."), Reason.MODEL, "model_not_found", "/v1/models"),
    ("no such cache", body(404, "NOT_FOUND", "Not found: cache content metadata 8754364356910645200."), None, "model_not_found", ""),
    ("too long", body(400, "INVALID_ARGUMENT", "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."),
     Reason.TOO_LONG, "context_length_exceeded", "Shorten"),
    ("a bad request", body(400, "INVALID_ARGUMENT", "Please use a valid role: user, model."), None, "invalid_argument", ""),
    ("a bad request about a subscription field", body(400, "INVALID_ARGUMENT", "Request contains an invalid argument."), None, "invalid_argument", ""),
    ("refused without a reason", body(403, "PERMISSION_DENIED", "No."), Reason.REFUSED, "upstream_auth", "in the editor"),
    ("refused with a link", body(403, "PERMISSION_DENIED", "No.", info("SOMETHING_NEW", where=VERIFY_URL)), Reason.REFUSED, "upstream_auth", f"Open {VERIFY_URL} with"),
    ("internal", body(500, "INTERNAL", "Internal error encountered."), Reason.TROUBLE, "upstream_error", "try again"),
    ("deadline", body(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."), Reason.TROUBLE, "upstream_error", "try again"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "reason", "code", "remedy"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_remedy_fits_the_reason(value, reason, code, remedy):
    error = value["error"]
    status = error["code"]
    for frame in ("%s", "[%s]", "\r\n%s\n", '{"response": %s}', "data: %s\r\n\r\n"):
        fault = google_errors.decode_error(status, {}, (frame % json.dumps(value, indent=2)).encode())
        assert (fault.code, remedy in fault.remedy, bool(fault.remedy)) == (code, True, bool(remedy)), frame
    assert reasons.explain(status, error, google_errors.retry_after(error)).reason == reason
    for frame in ("%s", "[%s]", '{"response": %s}'):  # inside a 200 stream
        decoder = GoogleDecoder(str)
        decoder.decode((frame % json.dumps(value)).encode())
        assert decoder.fault == fault
    assert fault.full_message.startswith(fault.message.rstrip())
    assert not any(odd in fault.full_message for odd in ("..", ".;", ";.", " .", ".:", "!.", "  "))
    assert fault.full_message.endswith((".", "!")) or not fault.remedy


# what Google's public API answers: body, reason, code, all of the remedy
FREE = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit. \n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: {}, model: gemini-3-flash\nPlease retry in 27.3s."
PLANS = "https://ai.google.dev/gemini-api/docs/rate-limits"
LINK = {"@type": HELP, "links": [{"description": "Learn more about Gemini API quotas", "url": PLANS}]}
KEYS = "https://aistudio.google.com/apikey"
CHECK = "Check the API key (GEMINI_API_KEY, or runtime_key in the configuration)"
PUBLIC: list[tuple[str, dict[str, Any], Reason | None, str, str]] = [
    ("bad key", body(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID", "googleapis.com", service="generativelanguage.googleapis.com")),
     Reason.API_KEY, "upstream_auth", f"{CHECK}: {KEYS} shows yours and makes new ones."),
    ("old key", body(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", info("API_KEY_INVALID", "googleapis.com")),
     Reason.API_KEY, "upstream_auth", f"{CHECK}: {KEYS} shows yours and makes new ones."),
    ("no key", body(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."),
     Reason.API_KEY, "upstream_auth", f"{CHECK}: {KEYS} shows yours and makes new ones."),
    ("a key where a login is wanted", body(401, "UNAUTHENTICATED", "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that assert a principal.", info("CREDENTIALS_MISSING", "googleapis.com")),
     Reason.LOGIN, "upstream_auth", f"{CHECK}; a login in place of a key has to be renewed."),
    ("suspended project", body(403, "PERMISSION_DENIED", "Permission denied: Consumer has been suspended.", info("CONSUMER_SUSPENDED", "googleapis.com")),
     Reason.CLOSED, "upstream_auth", "Google does not serve the account of this API key: ask Google why, or use another account's key."),
    ("disabled API", body(403, "PERMISSION_DENIED", f"Generative Language API has not been used in project 12345678 before or it is disabled. Enable it by visiting {API_URL} then retry.", {"@type": HELP, "links": [{"url": API_URL}]}, info("SERVICE_DISABLED", "googleapis.com")),
     Reason.API_DISABLED, "upstream_auth", f"Open {API_URL} and enable the API; it works a few minutes later."),
    ("permission", body(403, "PERMISSION_DENIED", "The caller does not have permission"),
     Reason.PERMISSION, "upstream_auth", "Ask the owner of that Google Cloud project for the permission, or use an API key of a project that has it."),
    ("billing", body(400, "FAILED_PRECONDITION", "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."),
     Reason.BILLING, "invalid_argument", f"Set up billing for the API key's project, or top up its credits: open {KEYS} and look at its plan."),
    ("region", body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
     Reason.REGION, "invalid_argument", "Google does not serve this place: reach Google from a country that is served (see https://ai.google.dev/gemini-api/docs/available-regions), or use Vertex."),
    ("free tier, a minute's", body(429, "RESOURCE_EXHAUSTED", FREE.format(10), LINK, quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), retry("27s")),
     Reason.RATE, "rate_limit_exceeded", f"Send fewer requests at a time, or use another model. See {PLANS} for plans with a higher limit."),
    ("free tier, a day's", body(429, "RESOURCE_EXHAUSTED", FREE.format(20), LINK, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("27s")),
     Reason.DAY, "insufficient_quota", f"The day's quota is used up: use another model, or wait until midnight Pacific time, when it resets. See {PLANS} for plans with a higher limit."),
    ("not in the free tier", body(429, "RESOURCE_EXHAUSTED", FREE.format(0), LINK, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("27s")),
     Reason.FREE_TIER, "insufficient_quota", f"This model is not part of the free tier: use another model, or open {KEYS} and set up billing."),
    ("Vertex's rate limit", body(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
     Reason.RATE, "rate_limit_exceeded", "Send fewer requests at a time, use another model, or get a plan with a higher limit."),
    ("overloaded", body(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
     Reason.CAPACITY, "upstream_error", "Google has no room for this model just now: try again in a minute, or use another model."),
    ("high demand", body(503, "UNAVAILABLE", "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later."),
     Reason.CAPACITY, "upstream_error", "Google has no room for this model just now: try again in a minute, or use another model."),
    ("no such model", body(404, "NOT_FOUND", "models/x is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."),
     Reason.MODEL, "model_not_found", "Choose another model: GET /v1/models lists those that this API key may use."),
    ("refused without a reason", body(403, "PERMISSION_DENIED", "No."),
     Reason.REFUSED, "upstream_auth", f"{CHECK} and what its project may do: {KEYS} shows both."),
    ("a bad request", body(400, "INVALID_ARGUMENT", "Please use a valid role: user, model."), None, "invalid_argument", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "reason", "code", "remedy"), [row[1:] for row in PUBLIC], ids=[row[0] for row in PUBLIC]
)
def test_h40_the_remedy_fits_a_key(value, reason, code, remedy):
    """The same before a stream and inside one, and a sentence on every surface."""
    status = value["error"]["code"]
    fault = google_errors.decode_error(status, {}, json.dumps(value).encode(), Api.KEY)
    assert (fault.code, fault.reason, fault.remedy) == (code, reason or "", remedy)
    decoder = GoogleDecoder(str, api=Api.KEY)
    decoder.decode(json.dumps(value).encode())
    assert decoder.fault == fault
    for surface in REGISTRY.values():
        said = surface.error(fault)
        refused = surface.name == "messages" and fault.code == "upstream_auth"
        assert (said.status, remedy in said.body["error"]["message"]) == (403 if refused else fault.status, True)
        assert "language server" not in said.body["error"]["message"]
        assert (said.headers.get("x-should-retry") == "false") == (not fault.retryable)


@pytest.mark.parametrize("row", reasons.ROWS, ids=[row.reason for row in reasons.ROWS])
def test_each_remedy_is_a_sentence(row):
    for api in Api:
        for text in filter(None, (row.remedy(api).text, row.remedy(api).linked)):
            assert text[0].isupper()
            assert text.endswith(".")
            assert api is Api.EDITOR or "editor" not in text, "who has a key need not have an editor"
    for word in row.words:
        assert reasons.explain(400, {"details": [{"reason": word}]}).reason == row.reason


def test_no_word_stands_for_two_reasons():
    words = [word for row in reasons.ROWS for word in row.words]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ('unknown: request failed: {"error": {"code": 403, "message": "m", "status": "PERMISSION_DENIED"}}: x', 403),
        ("RESOURCE_EXHAUSTED (code 429): You have exhausted your capacity on this model.", 429),
        ("rpc error: code = PermissionDenied desc = m", 403),
        ("rpc error: code = Unauthenticated desc = m", 401),
        ("googleapi: Error 403: m, accessNotConfigured", 403),
        ("This version of Antigravity is no longer supported.", 0),
        ("model not found", None), ("cascade_id is required", None), ("", None), ("{", None), ('{"error": 1}', None),
    ],
)  # fmt: skip
def test_google_quoted_by_somebody_else(message, status):
    found = reasons.quoted(message)
    assert (None if found is None else found[0]) == status


@given(st.integers(0, 700), json_objects, st.none() | st.floats(0, 1e12), st.sampled_from(Api))
def test_anything_is_explained(status, error, delay, api):
    found = reasons.explain(status, error, delay, api)
    assert isinstance(found.remedy, str)
    assert found.reason == reasons.explain(status, error, delay).reason, "only the remedy depends on the API"


@given(st.text(max_size=200) | json_objects.map(json.dumps))
def test_quoted_takes_any_text(message):
    reasons.quoted(message)
