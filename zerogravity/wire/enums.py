"""Google's enums as numbers → their words: a proto3 JSON writer may write either.

The two hosts count the ends of an answer differently: v1internal (the envelope) as Vertex does
(google.cloud.aiplatform.v1beta1), the public form as google.ai.generativelanguage.v1beta. A number that is in no table
is ``OTHER``: an end all the same.
"""

from __future__ import annotations

_VERTEX = (
    "", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
)  # fmt: skip
_PUBLIC = (
    "", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION", "MISSING_THOUGHT_SIGNATURE",
)  # fmt: skip
_BLOCKED = ("", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT")  # so far both count alike
_BLOCKED_VERTEX = (*_BLOCKED, "MODEL_ARMOR", "IMAGE_SAFETY", "JAILBREAK")
_BLOCKED_PUBLIC = (*_BLOCKED, "IMAGE_SAFETY")


ENUMS: dict[str, tuple[str, ...]] = {
    "modality": ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"),
    "trafficType": ("TRAFFIC_TYPE_UNSPECIFIED", "ON_DEMAND", "PROVISIONED_THROUGHPUT"),
    "probability": ("HARM_PROBABILITY_UNSPECIFIED", "NEGLIGIBLE", "LOW", "MEDIUM", "HIGH"),
    "severity": ("HARM_SEVERITY_UNSPECIFIED", "HARM_SEVERITY_NEGLIGIBLE", "HARM_SEVERITY_LOW", "HARM_SEVERITY_MEDIUM",
                 "HARM_SEVERITY_HIGH"),
    "language": ("LANGUAGE_UNSPECIFIED", "PYTHON"),
    "outcome": ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"),
    "urlRetrievalStatus": tuple(f"URL_RETRIEVAL_STATUS_{word}" for word in
                                ("UNSPECIFIED", "SUCCESS", "ERROR", "PAYWALL", "UNSAFE")),
}  # fmt: skip
_HARMS = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT", "CIVIC_INTEGRITY")
_OLD_HARMS = ("DEROGATORY", "TOXICITY", "VIOLENCE", "SEXUAL", "MEDICAL", "DANGEROUS", "HARASSMENT", "HATE_SPEECH",
              "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")  # fmt: skip
_CATEGORIES = {
    enveloped: tuple(f"HARM_CATEGORY_{harm}" for harm in ("UNSPECIFIED", *harms))
    for enveloped, harms in ((True, _HARMS), (False, _OLD_HARMS))
}


def finish_reason(value: object, *, enveloped: bool) -> str | None:
    """The word of a ``finishReason``; None when it tells no end."""
    word = _word(value, _VERTEX if enveloped else _PUBLIC)
    return None if word == "FINISH_REASON_UNSPECIFIED" else word


def block_reason(value: object, *, enveloped: bool) -> str | None:
    """The same of a ``blockReason``."""
    word = _word(value, _BLOCKED_VERTEX if enveloped else _BLOCKED_PUBLIC)
    return None if word in ("BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED") else word


def named(member: str, value: object, *, enveloped: bool) -> object:
    """Any other enum of an answer by the name of its member; what is no number, or one that nobody knows, stays."""
    table = _CATEGORIES[enveloped] if member == "category" else ENUMS[member]
    known = type(value) is int and 0 <= value < len(table)
    return table[value] if known and isinstance(value, int) else value


def _word(value: object, table: tuple[str, ...]) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return (table[value] if value < len(table) else "OTHER") or None
