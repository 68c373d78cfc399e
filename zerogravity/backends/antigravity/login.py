"""Why a language server has no login, as it says itself (``AuthResult`` of GetAuthStatus) → ``Fault``: a decision
table, ``ROWS``. The first row whose member is there decides.

Facts: language-server-schema (AuthResult).
"""

from __future__ import annotations

from dataclasses import dataclass

from zerogravity.backends.antigravity.errors import not_logged_in
from zerogravity.errors import Fault
from zerogravity.wire import narrow
from zerogravity.wire.narrow import Json

WORDS = 300  # of what the LS says


@dataclass(frozen=True, slots=True)
class Row:
    """``member``: of AuthResult. ``why``: completes "the language server is not logged in to Google: …". ``says``,
    ``url``: its members with words and with an address; ``linked``, with ``{url}``, is the remedy where there is one.
    """

    member: str
    why: str
    remedy: str
    linked: str = ""
    says: str = ""
    url: str = ""


ROWS = (
    Row(
        "verificationRequired", "Google wants this account verified",
        "Open the editor, which shows how to verify the account, and try again.",
        linked="Verify the account at {url} and try again.", url="verificationUrl",
    ),
    Row(
        "tosViolation", "Google has closed Antigravity to this account, for its terms of service",
        "Appeal to Google, or log in with another account in the editor.",
        linked="Appeal at {url}, or log in with another account in the editor.", says="message", url="appealUrl",
    ),
    Row(
        "licenseRequired", "this account has no licence for Antigravity",
        "Have the account's administrator assign one, or log in with another account in the editor.",
    ),
    Row(
        "projectRequired", "this account needs a Google Cloud project",
        "Choose the project in the editor's login, and try again.",
    ),
    Row(
        "ineligible", "this account may not use Antigravity",
        "Log in with another account in the editor.",
        linked="Verify the account at {url}, or log in with another one in the editor.",
        says="reason", url="verificationUrl",
    ),
    Row(
        "headlessAuthRequired", "the login has to be made in a browser",
        "Open the editor, log in, and try again.",
        linked="Log in at {url} and try again.", url="authUrl",
    ),
    Row("generalError", "the login failed", "Open the editor, log out and in again, and try again.", says="reason"),
)  # fmt: skip


def fault_of(result: Json) -> Fault | None:
    """Why there is no login; None: there is one."""
    if result.get("hasValidAuth") is True:
        return None
    row = next((row for row in ROWS if narrow.an_object(result.get(row.member)) is not None), None)
    if row is None:
        return not_logged_in(narrow.text(result.get("uiMessage"))[:WORDS])
    details = narrow.members(result[row.member])
    words = narrow.text(details.get(row.says)) or narrow.text(result.get("uiMessage"))
    url = narrow.text(details.get(row.url))
    remedy = row.linked.format(url=url) if _is_address(url) else row.remedy
    return not_logged_in(f"{row.why}: {words[:WORDS]}" if words else row.why, remedy)


def _is_address(url: str) -> bool:
    """Nothing is recommended that is not Google's kind of link."""
    return url.startswith("https://") and url.isprintable() and " " not in url
