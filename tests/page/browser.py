"""Chromium without a screen, driven for the tests and for ``make pictures``."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAM, DRIVER = "chromium", "chromedriver"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--force-device-scale-factor=1", "--disable-dev-shm-usage",
)


def missing() -> Optional[str]:
    """Which of the programs is not installed."""
    return next((name for name in (PROGRAM, DRIVER) if shutil.which(name) is None), None)


class Browser:
    """A browser with a profile of its own, empty at first and gone at the end."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which(PROGRAM) or PROGRAM
        for flag in (*_FLAGS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which(DRIVER) or DRIVER))
        self.driver.set_script_timeout(60)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.driver.quit()
        self._profile.cleanup()

    def command(self, name: str, **values: Any) -> Any:
        """A command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(name, values)

    def look(self, width: int = 1400, height: int = 1000, dark: bool = False, media: str = "") -> None:
        """How wide the window is, and what the reader prefers."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, page: Path, anchor: str = "") -> None:
        """A page from a file, loaded anew."""
        self.driver.get("about:blank")
        self.driver.get(page.resolve().as_uri() + anchor)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page gives."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, *arguments: Any) -> Any:
        """What a promise in the page comes to."""
        body = "const done = arguments[arguments.length - 1]; (async () => { %s })().then(done, (e) => done(String(e)))"
        return self.driver.execute_async_script(body % script, *arguments)

    def requests(self) -> list[str]:
        """The addresses asked for since the last call."""
        said = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [each["params"]["request"]["url"] for each in said if each["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the page's console has said since the last call: errors, refusals by the content security policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def picture(self, target: Path, whole: bool = True, most: int = 6000) -> None:
        """A picture of the page as it is shown."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        view = self.command("Page.getLayoutMetrics")["cssVisualViewport"]
        height = min(size["height"], most) if whole else view["clientHeight"]
        clip = {"x": 0, "y": 0, "width": view["clientWidth"], "height": height, "scale": 1}
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        target.write_bytes(base64.b64decode(shot["data"]))

    def print(self, target: Path) -> None:
        """The page on paper, as PDF."""
        target.write_bytes(base64.b64decode(self.command("Page.printToPDF", printBackground=True)["data"]))
