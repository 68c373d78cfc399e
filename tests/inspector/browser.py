"""A real Chromium, driven through chromedriver's W3C WebDriver protocol: a dozen JSON requests, so no further package.

Asynchronous, since the server under test runs in the same event loop as the test.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver") or shutil.which("chromium.chromedriver")
MISSING = "" if CHROMIUM and DRIVER else "needs Chromium and its driver: apt-get install chromium chromium-driver"

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-features=OptimizationHints,MediaRouter", "--force-color-profile=srgb",
)  # fmt: skip
KEYS = {"Enter": "\ue007", "Escape": "\ue00c"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One page. ``run`` evaluates a function body in it; ``until`` waits for one to give something true."""

    def __init__(self, http: aiohttp.ClientSession, session: str) -> None:
        self._http, self._session = http, session

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
        return await self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    async def until(self, script: str, *arguments: Any) -> Any:
        """What ``script`` gives, as soon as it is true. It is asked again in each frame the page draws."""
        return await self._do("POST", "/execute/async", {"args": list(arguments), "script": (
            "const done = arguments[arguments.length - 1];"
            f"const ask = (...given) => {{ let value; try {{ value = (function () {{ {script} }})(...given); }} catch {{}}"
            " value ? done(value) : setTimeout(ask, 20, ...given); };"
            "ask(...[...arguments].slice(0, -1));"
        )})  # fmt: skip

    async def text(self, selector: str) -> str:
        return await self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    async def count(self, selector: str) -> int:
        return await self.run("return document.querySelectorAll(arguments[0]).length", selector)

    async def click(self, selector: str) -> None:
        """A real click of the mouse in the middle of the element."""
        element = await self._do("POST", "/element", {"using": "css selector", "value": selector})
        await self._do("POST", f"/element/{element[ELEMENT]}/click")

    async def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        await self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    async def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._cdp("Emulation.setDeviceMetricsOverride", size)

    async def dark(self) -> None:
        await self._cdp(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        )

    async def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(await self._do("GET", "/screenshot")))

    async def console(self) -> list[str]:
        """Errors and warnings so far, violations of the page's policy among them."""
        entries = await self._do("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    async def _cdp(self, command: str, parameters: dict[str, Any]) -> None:
        await self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})


@asynccontextmanager
async def chromium(profile: Path, *, width: int = 1280, height: int = 800) -> AsyncIterator[Browser]:
    """A browser with a fresh profile; it and its driver are gone afterwards."""
    assert CHROMIUM and DRIVER
    driver = await asyncio.create_subprocess_exec(
        DRIVER, "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        port = await asyncio.wait_for(_port(driver), 20)
        options = {
            "binary": CHROMIUM,
            "args": [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 20_000, "pageLoad": 20_000},
        }
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(total=60)) as http:
            async with http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}) as answer:
                made = (await answer.json())["value"]
            assert "sessionId" in made, made
            browser = Browser(http, f"/session/{made['sessionId']}")
            await browser.resize(width, height)
            try:
                yield browser
            finally:
                await browser._do("DELETE", "")
    finally:
        driver.terminate()
        await driver.wait()


async def _port(driver: asyncio.subprocess.Process) -> int:
    """The port that the driver has chosen, as it says."""
    assert driver.stdout is not None
    async for line in driver.stdout:
        if b"successfully on port" in line:
            return int(line.split()[-1].strip(b"."))
    raise AssertionError("chromedriver did not start")
