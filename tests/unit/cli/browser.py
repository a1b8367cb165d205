"""A real browser, without a window: Chromium, through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

__all__ = ["Tab", "browser", "find_browser"]


def find_browser() -> str | None:
    """Return the path of a Chromium, where there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Tab:
    """A page in a browser.

    Attributes:
        requests: The addresses of all that it has asked for.
        complaints: What the page's script, or its policy, has complained of.
    """

    def __init__(self, socket: Any) -> None:
        self._socket, self._last = socket, 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            method, params = data.get("method"), data.get("params", {})
            if "id" in data:
                self._answers.pop(data["id"]).set_result(data)
            elif method == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif method == "Page.loadEventFired":
                self._loaded.set()
            elif method == "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            elif method == "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._last += 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._last] = answer
        await self._socket.send_json({"id": self._last, "method": method, "params": params})
        data = await asyncio.wait_for(answer, 30)
        assert "error" not in data, data["error"]
        found: dict[str, Any] = data["result"]
        return found

    async def open(self, path: Path, *, width: int = 1200, dark: bool = False) -> None:
        """Open a file, as a screen of `width` shows it."""
        for domain in ("Network", "Page", "Runtime", "Log"):
            await self.do(f"{domain}.enable")
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded.clear()
        await self.do("Page.navigate", url=path.as_uri())
        await asyncio.wait_for(self._loaded.wait(), 30)

    async def ask(self, script: str) -> Any:
        """Return what an expression is worth in the page, as a person's click may cause."""
        found = await self.do(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def picture(self, path: Path) -> None:
        """Write what the whole page looks like as a PNG."""
        found = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(found["data"]))

    async def aclose(self) -> None:
        """Stop listening to it."""
        self._reading.cancel()
        await asyncio.wait({self._reading})


@asynccontextmanager
async def browser() -> AsyncIterator[Tab]:
    """Start a browser of its own, and yield its page."""
    program = find_browser()
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="livetransfer-browser-"))
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [one for one in await answer.json() if one["type"] == "page"]
            address = pages[0]["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                try:
                    yield tab
                finally:
                    await tab.aclose()
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _port(path: Path) -> str:
    for _ in range(1200):
        text = await asyncio.to_thread(lambda: path.read_text() if path.exists() else "")
        if "\n" in text:
            return text.splitlines()[0]
        await asyncio.sleep(0.05)
    raise TimeoutError("the browser did not start")
