"""Why Google refused → a reason from a closed list and one sentence of what to do: the one table.

What to do depends on how Google is reached (``Api``): by an editor's login, or by a key of the public API. The reason
that the error names decides, else its words, else its status: a 403 may mean an old editor as well as a missing
licence. Pure; knows nothing of faults. Facts: language-server-and-google C.5, E; wire-gemini-and-mapping 1.4.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum

from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

# long: one table, and how its row is found
QUOTA_DELAY_S = 600.0  # a longer delay is a used-up quota, not a rate limit
TEXT = 8000  # how much of an error's words is looked at


class Api(StrEnum):
    """Which of Google's APIs refused: the one that an editor's login opens (v1internal), or the public one (the Gemini
    API, Vertex), which a key opens."""

    EDITOR = "editor"
    KEY = "key"


class Reason(StrEnum):
    """``DAY`` is a used-up quota too, of which Google tells no reset; ``CREDITS`` one that money lengthens;
    ``FREE_TIER`` one of nothing at all: other models have more."""

    OUTDATED = "outdated"
    VERIFY = "verify"
    CLOSED = "closed"
    LICENCE = "licence"
    REGION = "region"
    API_DISABLED = "api_disabled"
    API_KEY = "api_key"
    BILLING = "billing"
    LOGIN = "login"
    PERMISSION = "permission"
    CREDITS = "credits"
    DAY = "day"
    FREE_TIER = "free_tier"
    QUOTA = "quota"
    RATE = "rate"
    CAPACITY = "capacity"
    MODEL = "model"
    TOO_LONG = "too_long"
    REFUSED = "refused"
    TROUBLE = "trouble"


USED_UP = frozenset({Reason.CREDITS, Reason.DAY, Reason.FREE_TIER, Reason.QUOTA, Reason.BILLING})
LASTING = frozenset({  # no turn is served before somebody does something about it
    Reason.OUTDATED, Reason.VERIFY, Reason.CLOSED, Reason.LICENCE, Reason.REGION, Reason.API_DISABLED, Reason.API_KEY,
    Reason.BILLING, Reason.LOGIN, Reason.PERMISSION, Reason.REFUSED,
})  # fmt: skip
ACCESS = frozenset({Reason.API_KEY, Reason.LOGIN})  # credentials of our side, whatever the status


@dataclass(frozen=True, slots=True)
class Remedy:
    """``text`` may hold ``{when}``; ``linked`` holds ``{url}`` and is used when the error names one."""

    text: str
    linked: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """``words``: Google's reasons (ErrorInfo, or the older ``errors[].reason``). ``says``: its message, counted only
    with one of ``statuses`` (all when empty). ``editor``, ``key``: what to do, by the API."""

    reason: Reason
    editor: Remedy
    key: Remedy
    words: frozenset[str] = frozenset()
    says: re.Pattern[str] | None = None
    statuses: frozenset[int] = frozenset()

    def remedy(self, api: Api) -> Remedy:
        return {Api.EDITOR: self.editor, Api.KEY: self.key}[api]


def _row(
    reason: Reason, editor: str | Remedy, key: str | Remedy = "", words: str = "", says: str = "", *statuses: int
) -> Row:
    """``key``: by default what an editor's user has to do as well."""
    first, second = (text if isinstance(text, Remedy) else Remedy(text) for text in (editor, key or editor))
    pattern = re.compile(says, re.IGNORECASE | re.DOTALL) if says else None
    return Row(reason, first, second, frozenset(words.split()), pattern, frozenset(statuses))


_EDITOR = r"(?:antigravity|editor|\bIDE\b|client|application|extension|plug-?in|code assist)"
_CHECK_KEY = "Check the API key (GEMINI_API_KEY, or runtime_key in the configuration)"
_KEYS = "https://aistudio.google.com/apikey"
_PLANS = "See {url} for plans with a higher limit"
ROWS = (
    _row(
        Reason.OUTDATED,
        "Update the editor and start it again.",
        "Update the program that calls Google, for the runtime: pip install --upgrade google-antigravity.",
        "UNSUPPORTED_CLIENT CLIENT_OUTDATED CLIENT_VERSION_NOT_SUPPORTED GOOGLE_TOS_NOT_SUPPORTED_BY_CLIENT",
        rf"version of {_EDITOR}.{{0,80}}(?:no longer|not) supported|{_EDITOR}.{{0,60}}(?:outdated|out of date|too old)"
        rf"|please (?:update|upgrade) (?:to the latest|to receive|to a newer version|(?:your |the )?{_EDITOR})",
    ),
    _row(
        Reason.VERIFY,
        Remedy("Open the editor: it says how to verify the account.", "Open {url} with that account."),
        Remedy(f"Open {_KEYS} with the account that the API key belongs to: it says how to verify it.",
               "Open {url} with the account that the API key belongs to."),
        "VALIDATION_REQUIRED VERIFICATION_REQUIRED",
        r"verify (?:that it'?s you|(?:your|the|this) (?:account|identity|age|phone))"
        r"|verification (?:is )?(?:needed|required)",
        400, 401, 403, 429,
    ),
    _row(
        Reason.CLOSED,
        "Google does not serve this account: ask Google why, or log in to the editor with another one.",
        "Google does not serve the account of this API key: ask Google why, or use another account's key.",
        "TOS_VIOLATION ACCOUNT_SUSPENDED ACCOUNT_STATE_INVALID CONSUMER_SUSPENDED INELIGIBLE_ACCOUNT RESTRICTED_AGE "
        "RESTRICTED_NETWORK NON_USER_ACCOUNT DASHER_USER BYOID_USER RESTRICTED_DASHER_USER",
        r"violat\w+ of (?:the |our )?terms of service|account (?:has been|is|was) (?:suspended|disabled|closed|deleted)"
        r"|not eligible|ineligible",
        400, 401, 403,
    ),
    _row(
        Reason.LICENCE,
        "Get a licence or subscription for this account, or log in to the editor with an account that has one.",
        "Get a licence or subscription for the API key's project, or use the key of a project that has one.",
        "SUBSCRIPTION_REQUIRED LICENSE_REQUIRED NO_LICENSE LICENSE_NOT_FOUND LICENSE_EXPIRED ENTITLEMENT_REQUIRED "
        "UNLICENSED_USER",
        r"\blicen[cs]ed?s?\b|\bunlicen[cs]ed\b|\bsubscri(?:ption|be)\b|\bentitle(?:ment|d)\b",
        400, 401, 402, 403,
    ),
    _row(
        Reason.BILLING,
        "Switch on billing for that Google Cloud project, or top up its credits.",
        f"Set up billing for the API key's project, or top up its credits: open {_KEYS} and look at its plan.",
        "BILLING_DISABLED BILLING_NOT_ENABLED BILLING_ACCOUNT_CLOSED billingNotEnabled",
        r"\bbilling (?:account )?(?:\S+ ){0,3}?(?:disabled|enabled|closed|required|active)"
        r"|\b(?:enable|requires?|set ?up|activate) billing|\bcredits (?:are|have been) (?:depleted|exhausted|used up)",
        400, 402, 403, 429,
    ),
    _row(
        Reason.FREE_TIER,
        f"This model is not part of the free tier: use another model, or open {_KEYS} and set up billing.",
        "",
        "",
        r"free_tier\w*, limit: 0\b",
        429,
    ),
    _row(
        Reason.REGION,
        "Google does not serve this place: let the language server reach Google from a country that is served.",
        "Google does not serve this place: reach Google from a country that is served (see "
        "https://ai.google.dev/gemini-api/docs/available-regions), or use Vertex.",
        "UNSUPPORTED_LOCATION UNKNOWN_LOCATION LOCATION_NOT_SUPPORTED REGION_NOT_SUPPORTED",
        r"location is not supported|(?:not (?:currently )?(?:available|supported)|unsupported) in (?:your|this) "
        r"(?:current )?(?:country|region|location)|unsupported (?:country|region|location)",
        400, 403, 451,
    ),
    _row(
        Reason.API_DISABLED,
        Remedy("Enable the API for that Google Cloud project; it works a few minutes later.",
               "Open {url} and enable the API; it works a few minutes later."),
        Remedy("Enable the API for the Google Cloud project of the API key; it works a few minutes later.",
               "Open {url} and enable the API; it works a few minutes later."),
        "SERVICE_DISABLED accessNotConfigured API_NOT_ENABLED",
        r"\bAPI has not been used in project|\bAPI (?:is|has been|was) (?:disabled|not enabled)"
        r"|\bAPI .{0,80} not enabled",
        400, 403,
    ),
    _row(
        Reason.API_KEY,
        "Give the language server an API key that is valid for this.",
        f"{_CHECK_KEY}: {_KEYS} shows yours and makes new ones.",
        "API_KEY_INVALID API_KEY_EXPIRED API_KEY_SERVICE_BLOCKED API_KEY_HTTP_REFERRER_BLOCKED "
        "API_KEY_IP_ADDRESS_BLOCKED API_KEY_ANDROID_APP_BLOCKED API_KEY_IOS_APP_BLOCKED keyInvalid keyExpired",
        r"\bAPI key (?:is )?(?:not valid|invalid|not found|missing|expired|was reported|has been|does not)"
        r"|\b(?:pass|use|provide|need) (?:a |an |another )?(?:valid )?API key",
        400, 401, 403,
    ),
    _row(
        Reason.LOGIN,
        "Log in again in the editor.",
        f"{_CHECK_KEY}; a login in place of a key has to be renewed.",
        "ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_SCOPE_INSUFFICIENT ACCESS_TOKEN_TYPE_UNSUPPORTED CREDENTIALS_MISSING "
        "SESSION_COOKIE_INVALID AUTH_TOKEN_EXPIRED authError",
        r"invalid (?:authentication )?credential|insufficient authentication|\binvalid_(?:grant|token|rapt)\b"
        r"|unauthenticated|\b(?:login|session|token|credentials?)\b.{0,30}\b(?:expired|revoked)",
        400, 401, 403,
    ),
    _row(
        Reason.PERMISSION,
        "Ask the owner of that Google Cloud project for the permission, or log in to the editor with an account that "
        "has it.",
        "Ask the owner of that Google Cloud project for the permission, or use an API key of a project that has it.",
        "IAM_PERMISSION_DENIED CONSUMER_INVALID USER_PROJECT_DENIED PERMISSION_DENIED forbidden",
        r"permission.{0,200}(?:denied|required|missing)"
        r"|(?:not|lacks?|without|required) (?:have )?(?:the )?(?:\w+ )?permission",
        403,
    ),
    _row(
        Reason.CREDITS,
        "Buy credits, use another model, or wait until the quota resets{when}.",
        "",
        "INSUFFICIENT_G1_CREDITS_BALANCE INSUFFICIENT_CREDITS",
    ),
    _row(
        Reason.CAPACITY,
        "Google has no room for this model just now: try again in a minute, or use another model.",
        "",
        "MODEL_CAPACITY_EXHAUSTED MODEL_OVERLOADED",
        r"no capacity|\boverloaded\b|high demand|at capacity",
        429, 500, 502, 503, 529,
    ),
    _row(
        Reason.QUOTA,
        "The quota is used up: use another model, or wait until it resets{when}.",
        Remedy("The quota is used up: use another model, get a plan with more, or wait until it resets{when}.",
               f"The quota is used up: use another model, or wait until it resets{{when}}. {_PLANS}."),
        "QUOTA_EXHAUSTED dailyLimitExceeded",
    ),
    _row(
        Reason.RATE,
        "Send fewer requests at a time, or use another model.",
        Remedy("Send fewer requests at a time, use another model, or get a plan with a higher limit.",
               f"Send fewer requests at a time, or use another model. {_PLANS}."),
        "RATE_LIMIT_EXCEEDED rateLimitExceeded userRateLimitExceeded",
    ),
    _row(
        Reason.TOO_LONG,
        "Shorten the conversation, or use a model with a larger context window.",
        says=r"token count.*exceed|maximum number of tokens|prompt is too long",
    ),
    _row(
        Reason.MODEL,
        "Choose another model: GET /v1/models lists them.",
        "Choose another model: GET /v1/models lists those that this API key may use.",
        "MODEL_NOT_FOUND",
        r"\bmodels?\b.{0,200}(?:not found|no longer (?:available|supported)|does not exist|not supported for)"
        r"|requested entity was not found|(?:unknown|unsupported|no such) model",
        400, 404, 410,
    ),
)  # fmt: skip
_OF = {row.reason: row for row in ROWS}
_DAY = _row(
    Reason.DAY,
    "The day's quota is used up: use another model, or wait until midnight Pacific time, when it resets.",
    Remedy("The day's quota is used up: use another model, get a plan with a higher limit, or wait until midnight "
           "Pacific time, when it resets.",
           "The day's quota is used up: use another model, or wait until midnight Pacific time, when it resets. "
           f"{_PLANS}."),
)  # fmt: skip
_TROUBLE = _row(Reason.TROUBLE, "Google has trouble: try again in a minute.")
_REFUSED = _row(
    Reason.REFUSED,
    Remedy("See whether this account still works in the editor, or log in there with another one.",
           "Open {url} with that account."),
    Remedy(f"{_CHECK_KEY} and what its project may do: {_KEYS} shows both.",
           "Open {url} with the account that the API key belongs to."),
)  # fmt: skip
_OF_STATUS = {401: _OF[Reason.LOGIN], 402: _OF[Reason.BILLING], 403: _REFUSED, 413: _OF[Reason.TOO_LONG],
              429: _OF[Reason.RATE], **dict.fromkeys((500, 502, 503, 504, 529), _TROUBLE)}  # fmt: skip
_OF_REQUESTS = frozenset({Reason.TOO_LONG, Reason.MODEL, Reason.API_KEY})
_DELAYED = frozenset({Reason.CREDITS, Reason.QUOTA, Reason.RATE})  # told apart by how long they last


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: Reason | None
    remedy: str


def explain(status: int, error: Json, delay: float | None = None, api: Api = Api.EDITOR) -> Refusal:
    """``error``: the inner object of Google's error. ``delay``: the seconds to wait that it names."""
    words = f"{error.get('status')} {error.get('message')}"[:TEXT]
    about_request = status == 400 and "INVALID_ARGUMENT" in words
    row = _by_word(error) or _by_text(status, _message(error), about_request=about_request) or _OF_STATUS.get(status)
    if row is None:
        return Refusal(None, "")
    if row.reason in _DELAYED and _by_day(error):
        row = _DAY
    elif row.reason in _DELAYED and delay is not None:
        lasting = Reason.QUOTA if row.reason is Reason.RATE else row.reason
        row = _OF[lasting if delay > QUOTA_DELAY_S else Reason.RATE]
    remedy = row.remedy(api)
    url = _url(error) if remedy.linked else None
    text = (remedy.text if url is None else remedy.linked).replace("{when}", _when(error, delay))
    return Refusal(row.reason, text.replace("{url}", url or ""))


def quoted(message: str) -> tuple[int, Json] | None:
    """Google's status (0: unknown) and error object, as far as somebody's ``message`` quotes them."""
    begin = message.find("{")
    if begin >= 0 and (found := _embedded(message, begin)) is not None:
        code = found.get("code")
        return (code if isinstance(code, int) else 0), found
    if (match := _NUMBERED.search(message)) is not None:
        return int(match.group(1) or match.group(2)), {"message": message}
    if (match := _GRPC.search(message)) is not None:
        word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", match.group(1)).upper()
        return HTTP_OF_RPC.get(word, 0), {"message": message, "status": word}
    return (0, {"message": message}) if _by_text(0, message[:TEXT]) is not None else None


HTTP_OF_RPC = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
_NUMBERED = re.compile(r"\b[A-Z][A-Z_]{4,30} \(code ([45]\d\d)\)|\bgoogleapi: Error ([45]\d\d)\b")
_GRPC = re.compile(r"\brpc error: code = (\w{1,30}) desc\b")


# -- what an error says --------------------------------------------------------------------------------------------


def details(error: Json) -> list[dict[str, object]]:
    return narrow.objects(error.get("details"))


def metadata(detail: Json) -> dict[str, object]:
    return narrow.members(detail.get("metadata"))


def _by_word(error: Json) -> Row | None:
    words = {str(item.get("reason")) for item in (*details(error), *narrow.objects(error.get("errors")))}
    return next((row for row in ROWS if row.words & words), None)


def _by_text(status: int, text: str, *, about_request: bool = False) -> Row | None:
    """``status`` 0: unknown, which only what needs none can match. ``about_request``: what is said may quote the
    client's own words (names in schemas), so few rows count."""
    return next(
        (
            row
            for row in ROWS
            if row.says is not None
            and (not row.statuses or status in row.statuses)
            and (not about_request or row.reason in _OF_REQUESTS)
            and row.says.search(text)
        ),
        None,
    )


def _message(error: Json) -> str:
    """The message, and what the details say again in words (some messages are only a placeholder)."""
    texts = [error.get("message"), *(item.get(name) for item in details(error) for name in ("message", "detail"))]
    return "\n".join(text[:TEXT] for text in texts if isinstance(text, str))[:TEXT]


def _by_day(error: Json) -> bool:
    """Whether a quota of a whole day is used up: it lasts longer than the delay that comes with it."""
    return any(
        "PerDay" in str(name)
        for detail in details(error)
        for name in (
            metadata(detail).get("quota_limit"),
            *(v.get("quotaId") for v in narrow.objects(detail.get("violations"))),
        )
    )


def _when(error: Json, delay: float | None) -> str:
    for detail in details(error):
        moment = _MOMENT.fullmatch(str(metadata(detail).get("quotaResetTimeStamp")))
        if moment is not None:
            return f" at {moment.group(1)} {moment.group(2)} UTC"
    return "" if delay is None else f" in {span(delay)}"


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d{1,12})?Z")


def span(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2 h 5 min``, ``5 d 23 h``"""
    if seconds < 100:
        return f"{max(1, math.ceil(seconds))} s"
    minutes = round(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [
        f"{days} d" if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes and not days else "",
    ]
    return " ".join(filter(None, parts))


def _url(error: Json) -> str | None:
    """Where Google sends the person: a URL of the metadata, else the first link of its help."""
    candidates = (
        *(value for detail in details(error) for value in metadata(detail).values()),
        *(link.get("url") for detail in details(error) for link in narrow.objects(detail.get("links"))),
    )
    return next((url for url in candidates if isinstance(url, str) and _URL.fullmatch(url)), None)


_URL = re.compile(r"https://[\x21-\x7e]{1,500}")


def _embedded(text: str, begin: int) -> Json | None:
    try:
        value, _ = json.JSONDecoder().raw_decode(text[: begin + TEXT], begin)
    except (ValueError, RecursionError):
        return None
    return narrow.an_object(narrow.lookup(value, "error"))
