"""The answers that are no generation: v1internal's other calls, model lists, token counts (C.6, wire-gemini 1.1)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import unquote

from zerogravity.testing.simulator import Json, Object
from zerogravity.testing.simulator.google.families import LISTED, MODELS, PUBLIC_MODELS, Listed, family_of
from zerogravity.testing.simulator.google.generate_request import count_tokens, get
from zerogravity.testing.simulator.google.scenarios import error
from zerogravity.wire.narrow import an_object, lookup

if TYPE_CHECKING:
    from zerogravity.testing.simulator.google.server import Received

PROJECT = "invented-project-1"
RESET = "2026-03-01T15:00:00Z"
Answer = tuple[int, Json]


def answer(method: str, received: Received) -> Answer | None:
    """The answer to a v1internal call that is no generation; None for a method that does not exist."""
    if received.method != "POST" and not (received.method == "GET" and method == "fetchUserInfo"):
        return None
    if method == "countTokens":
        received.kind = "count"
        request = an_object(lookup(received.body, "request"))
        if request is None:
            return 400, error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        return 200, {"totalTokens": _count(request)}
    if method == "fetchAvailableModels":
        return 200, available_models()
    return (200, FIXED[method]) if method in FIXED else None


QUOTA: Json = {"buckets": [
    {"modelId": name, "remainingFraction": 1, "resetTime": RESET, "tokenType": "REQUESTS"} for name, *_ in MODELS
]}  # fmt: skip
CREDIT = {"creditType": "GOOGLE_ONE_AI", "creditAmount": "1000", "minimumCreditAmountForUsage": "50"}
FIXED: dict[str, Json] = {
    "loadCodeAssist": {
        "currentTier": {"id": "free-tier", "name": "Antigravity"},
        "allowedTiers": [{"id": "free-tier", "name": "Antigravity", "isDefault": True}],
        "paidTier": {"id": "g1-pro-tier", "name": "Google AI Pro", "availableCredits": [CREDIT]},
        "cloudaicompanionProject": PROJECT,
        "gcpManaged": False,
    },
    "onboardUser": {
        "name": "operations/onboard-1", "done": True,
        "response": {"cloudaicompanionProject": {"id": PROJECT, "name": PROJECT, "projectNumber": "1"}},
    },
    "listExperiments": {"experimentIds": [1], "flags": [{"name": "F", "stringValue": "x"}]},
    "retrieveUserQuota": QUOTA, "retrieveUserQuotaSummary": QUOTA,
    "fetchUserInfo": {"userSettings": {"telemetryEnabled": False}},
    "listCloudAICompanionProjects": {"projects": [{"id": PROJECT}]},
    "fetchAdminControls": {}, "recordCodeAssistMetrics": {}, "recordClientEvent": {},
    "recordTrajectoryAnalytics": {}, "cascadeNuxes": {},
}  # fmt: skip


def available_models() -> Json:
    """fetchAvailableModels: every model with its label, limits and quota."""
    models: Json = {}
    for name, label, enum in MODELS:
        family = family_of(name)
        assert family is not None
        entry = {
            "displayName": label, "model": enum, "recommended": True, "maxTokens": 1048576, "maxOutputTokens": 65536,
            "supportsImages": family.kind != "gpt-oss", "supportsThinking": family.thinking != "none",
            "apiProvider": {"claude": "API_PROVIDER_ANTHROPIC_VERTEX", "gpt-oss": "API_PROVIDER_OPENAI_VERTEX"}.get(
                family.kind, "API_PROVIDER_GOOGLE_GEMINI"),
            "quotaInfo": {"remainingFraction": 1, "resetTime": RESET}, "supportedMimeTypes": {"image/png": True},
        }  # fmt: skip
        models[name] = entry | ({"thinkingBudget": 10000, "minThinkingBudget": 32} if family.thinking != "none" else {})
    return {
        "models": models,
        "defaultAgentModelId": "gemini-3-flash-agent",
        "agentModelSorts": [{"displayName": "Recommended", "groups": [{"modelIds": list(models)}]}],
        "deprecatedModelIds": {"gemini-3-pro": {"newModelId": "gemini-3.1-pro-high"}},
        "commandModelIds": [], "tabModelIds": [], "imageGenerationModelIds": [], "mqueryModelIds": [],
        "webSearchModelIds": [], "commitMessageModelIds": [], "tieredModelIds": {},
    }  # fmt: skip


def public(model: str | None, method: str | None, received: Received) -> Answer | None:
    """The public API without generation, Gemini's and Vertex's: models.list, models.get, countTokens."""
    if received.method == "GET" and model is None and method is None:
        return _list(received)
    if model is None:
        return None
    name = unquote(model).removeprefix("models/")
    family, listed = family_of(name), LISTED.get(name)
    if listed is None and (family is None or not family.public):
        return 404, error(404, "NOT_FOUND", missing_model(name, received.path, method))
    if received.method == "GET" and method is None:
        return 200, _model(listed or Listed(name, name, thinking=family is None or family.thinking != "none"))
    if received.method == "POST" and method == "countTokens":
        received.kind = "count"
        return _count_tokens(received.body, VERTEX_COUNT if _is_vertex(received.path) else GEMINI_COUNT)
    return None


def missing_model(name: str, path: str, method: str | None) -> str:
    """Google's words for a model that does not exist."""
    if _is_vertex(path):
        return f"Publisher Model `{path.partition(':')[0].split('/', 2)[2]}` was not found."
    version = path.split("/")[1]
    return (
        f"models/{name} is not found for API version {version}, or is not supported for {method or 'generateContent'}. "
        "Call ListModels to see the list of available models and their supported methods."
    )


def _is_vertex(path: str) -> bool:
    return "publishers/google/" in path


def _list(received: Received) -> Answer:
    try:
        size = max(1, min(int(received.query.get("pageSize") or 50), 1000))
        start = int(base64.b64decode(received.query.get("pageToken", ""), b"-_", validate=True) or 0)
    except (ValueError, binascii.Error):
        return 400, error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
    page = PUBLIC_MODELS[max(start, 0) : max(start, 0) + size]
    member, shown = ("publisherModels", _vertex_model) if _is_vertex(received.path) else ("models", _model)
    body: Json = {member: [shown(one) for one in page]}
    if start + size < len(PUBLIC_MODELS):
        body["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return 200, body


def _model(listed: Listed) -> Json:
    return {
        "name": f"models/{listed.name}", "version": "001", "displayName": listed.label,
        "description": f"{listed.label}, a stand-in", "inputTokenLimit": listed.input_limit,
        "outputTokenLimit": listed.output_limit, "supportedGenerationMethods": list(listed.methods),
        "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2,
        **({"thinking": True} if listed.thinking else {}),
    }  # fmt: skip


def _vertex_model(listed: Listed) -> Json:
    """Vertex tells neither limits nor methods."""
    return {
        "name": f"publishers/google/models/{listed.name}", "versionId": "default", "launchStage": "GA",
        "openSourceCategory": "PROPRIETARY",
        "supportedActions": {"openGenerationAiStudio": {"title": "Open in Vertex AI Studio"}},
    }  # fmt: skip


GEMINI_COUNT = ("contents", "generateContentRequest")
VERTEX_COUNT = ("model", "contents", "instances", "systemInstruction", "tools", "generationConfig")


def _count_tokens(body: object, known: tuple[str, ...]) -> Answer:
    request = an_object(body)
    if request is None:
        return 400, error(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
    if odd := next((name for name in request if name not in known), None):
        text = f'Invalid JSON payload received. Unknown name "{odd}": Cannot find field.'
        return 400, error(400, "INVALID_ARGUMENT", text)
    inner = get(request, "generateContentRequest")
    if inner is not None and request.get("contents"):
        return 400, error(400, "INVALID_ARGUMENT", "Only one of contents and generate_content_request may be set.")
    if (whole := an_object(inner)) is not None and not str(whole.get("model")).startswith("models/"):
        return 400, error(400, "INVALID_ARGUMENT", "* GenerateContentRequest.model: unexpected model name format\n")
    request = whole or request
    if not request.get("contents"):
        text = "* CountTokensRequest.contents: contents is not specified\n"
        return 400, error(400, "INVALID_ARGUMENT", text)
    total = _count(request)
    return 200, {"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]}


def _count(request: Object) -> int:
    return count_tokens({name: value for name, value in request.items() if name != "model"})
