"""A headless Chromium; where there is none, tests are skipped, or fail if OPTBENCH_BROWSER_REQUIRED says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def _missing(what: str) -> None:
    reason = f"{what}; pip install playwright and the Debian package chromium bring it"
    if os.environ.get("OPTBENCH_BROWSER_REQUIRED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing
    except ImportError:
        _missing("no playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _missing("no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Visit:
    """Opens files in fresh windows, and keeps what they say to the console and ask of the network."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self.said: list[str] = []
        self.asked: list[str] = []

    def __call__(self, path: Path, address: str = "", *, width: int = 1280, scheme: str = "light") -> Any:
        context = self._browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        self._contexts.append(context)
        window = context.new_page()
        window.set_default_timeout(5000)
        window.on("console", lambda message: self.said.append(message.text))
        window.on("pageerror", lambda error: self.said.append(str(error)))
        window.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        window.on("request", lambda request: self.asked.append(request.url))
        window.goto(path.as_uri() + address)
        window.wait_for_selector("html[data-ready]", state="attached")
        return window

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Opens a page. At the end, it has said nothing and asked for nothing but itself."""
    visit = Visit(chromium)
    yield visit
    visit.close()
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith(("file:", "data:"))] == []
