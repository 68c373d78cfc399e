"""A real Chromium, driven through chromedriver's W3C WebDriver protocol: a dozen JSON requests, so no further package.

Asynchronous, since the server under test runs in the same event loop as the test; the processes outlive a test.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver") or shutil.which("chromium.chromedriver")
MISSING = "" if CHROMIUM and DRIVER else "needs Chromium and its driver: apt-get install chromium chromium-driver"

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-features=OptimizationHints,MediaRouter", "--force-color-profile=srgb",
)  # fmt: skip
KEYS = {
    "Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004", "ArrowLeft": "\ue012", "ArrowUp": "\ue013",
    "ArrowRight": "\ue014", "ArrowDown": "\ue015",
}  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
SHORT = "const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)];"


@contextmanager
def running(profile: Path) -> Iterator[str]:
    """The address of a session: a driver and a browser with that fresh profile, both gone afterwards."""
    assert DRIVER
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            told = next((line for line in process.stdout if b"successfully on port" in line), b"")
            assert told, "chromedriver did not start"
            sessions = f"http://127.0.0.1:{int(told.split()[-1].strip(b'.'))}/session"
            options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": 20_000, "pageLoad": 20_000},
            }
            session = f"{sessions}/{_now('POST', sessions, {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
            yield session
            _now("DELETE", session)
        finally:
            process.terminate()


def _now(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.load(answer)["value"]


class Browser:
    """One page. ``run`` evaluates a function body in it, in which ``$`` and ``$$`` find elements."""

    def __init__(self, session: str) -> None:
        self._session = session

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        await self.resize(1280, 800)
        await self.console()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def _do(self, method: str, path: str, body: Any = None) -> Any:
        data = {} if method == "POST" and body is None else body
        async with self._http.request(method, f"{self._session}{path}", json=data) as answer:
            value = (await answer.json())["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    async def open(self, url: str) -> None:
        await self._do("POST", "/url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        return await self._do("POST", "/execute/sync", {"script": SHORT + script, "args": list(arguments)})

    async def until(self, script: str, *arguments: Any) -> Any:
        """What ``script`` gives, as soon as it is true."""
        asking = (
            f"{SHORT} const done = arguments[arguments.length - 1];"
            f"const look = function () {{ {script} }};"
            "const ask = (...given) => { let value; try { value = look(...given); } catch {}"
            " value ? done(value) : setTimeout(ask, 20, ...given); };"
            "ask(...[...arguments].slice(0, -1));"
        )
        return await self._do("POST", "/execute/async", {"script": asking, "args": list(arguments)})

    async def rests(self) -> None:
        """The page has fetched nothing for half a second."""
        ends = "performance.getEntriesByType('resource').map((one) => one.responseEnd)"
        await self.until(f"return performance.now() - Math.max(0, ...{ends}) > 500")

    async def timed(self, script: str, *arguments: Any) -> Any:
        """What ``script`` hands to the function that is its last argument."""
        return await self._do("POST", "/execute/async", {"script": SHORT + script, "args": list(arguments)})

    async def text(self, selector: str) -> str:
        return await self.run("return $(arguments[0])?.innerText ?? ''", selector)

    async def count(self, selector: str) -> int:
        return await self.run("return $$(arguments[0]).length", selector)

    async def click(self, selector: str) -> None:
        """A real click of the mouse in the middle of the element."""
        for last in (False, False, False, True):
            element = await self._do("POST", "/element", {"using": "css selector", "value": selector})
            try:
                await self._do("POST", f"/element/{element[ELEMENT]}/click")
                return
            except AssertionError as error:  # drawn again in between
                if last or "stale element" not in str(error):
                    raise

    async def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        await self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._cdp("Emulation.setDeviceMetricsOverride", size)

    async def dark(self) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        await self._cdp("Emulation.setEmulatedMedia", {"features": features})

    async def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(await self._do("GET", "/screenshot")))

    async def console(self) -> list[str]:
        """Errors and warnings since the last time, violations of the page's policy among them; not that an answer which
        is no page has no icon."""
        entries = await self._do("POST", "/se/log", {"type": "browser"})
        told = [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]
        return [message for message in told if "/favicon.ico - " not in message]

    async def allow_clipboard(self, url: str) -> None:
        """Let the page at ``url`` write and read the clipboard, as a person's click lets it."""
        origin = "/".join(url.split("/")[:3])
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await self._cdp("Browser.grantPermissions", {"origin": origin, "permissions": permissions})

    async def clipboard(self) -> str:
        asking = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))"
        return await self._do("POST", "/execute/async", {"script": asking, "args": []})

    async def download_to(self, folder: Path) -> None:
        await self._cdp("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})

    async def _cdp(self, command: str, parameters: dict[str, Any]) -> None:
        await self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})
