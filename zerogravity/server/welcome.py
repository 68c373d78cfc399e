"""``GET /`` for a person: what this is, and the way to the inspector. Holds no secret: anybody may read it. Pure."""

from __future__ import annotations

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 38rem; margin: 12vh auto; padding: 0 1.2rem; }
h1 { font-size: 1.4rem; letter-spacing: -.01em; }
code { font: .92em ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }
dd { margin: 0; }
a { font-weight: 600; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .6rem; } }
"""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
INSPECTOR = (
    '<p><a href="/inspector/">Open the inspector</a>, which shows every turn live. The first time in this browser, run '
    "<code>zerogravity open</code> in a terminal: the page needs a key, and that command brings it along.</p>"
)
NO_INSPECTOR = (
    "<p>The inspector is switched off in this gateway (<code>inspector</code>, <code>inspector_token</code>).</p>"
)


def wants_page(accept: str) -> bool:
    """Whether whoever sends this Accept header is a browser that shows a page."""
    return "text/html" in accept.lower()


def page(origin: str, *, inspected: bool) -> bytes:
    """``origin``: where the browser has found us, e.g. ``http://127.0.0.1:8741``."""
    at = escape(origin)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zerogravity</title>
<style>{STYLE}</style>
</head>
<body>
<h1>zerogravity runs here</h1>
<p>A local gateway between coding agents and a Google language server. Point an agent at it:</p>
<dl>
<dt>OpenAI</dt><dd><code>{at}/v1</code></dd>
<dt>Anthropic</dt><dd><code>{at}</code></dd>
<dt>Gemini</dt><dd><code>{at}</code></dd>
</dl>
{INSPECTOR if inspected else NO_INSPECTOR}
<p>In a terminal: <code>zerogravity status</code>, <code>zerogravity doctor</code>. For machines:
<a href="/health">health</a>, <a href="/ready">ready</a>.</p>
</body>
</html>
""".encode()
