"""A headless Chromium; where there is none, tests are skipped, or fail if OPTBENCH_BROWSER_REQUIRED says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
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
    """Opens files in windows, and keeps what they say to the console and ask of the network."""

    def __init__(self, windows: Callable[[int, str], Any]) -> None:
        self._windows = windows
        self._open: list[Any] = []
        self.said: list[str] = []
        self.asked: list[str] = []

    def __call__(self, path: Path, address: str = "", *, width: int = 1280, scheme: str = "light") -> Any:
        window = self._windows(width, scheme)
        self._open.append(window)
        window.set_default_timeout(5000)
        window.on("console", lambda message: self.said.append(message.text))
        window.on("pageerror", lambda error: self.said.append(str(error)))
        window.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        window.on("request", lambda request: self.asked.append(request.url))
        window.goto(path.as_uri() + address)
        window.wait_for_selector("html[data-ready]", state="attached")
        return window

    def close(self) -> None:
        for window in self._open:
            window.evaluate("localStorage.clear()")
            window.close()


@pytest.fixture(scope="session")
def windows(chromium: Any) -> Callable[[int, str], Any]:
    """Makes a window of a width, for readers who prefer light or dark."""

    @cache
    def context(width: int, scheme: str) -> Any:
        return chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})

    return lambda width, scheme: context(width, scheme).new_page()


@pytest.fixture
def visit(windows: Callable[[int, str], Any]) -> Iterator[Visit]:
    """Opens a page. At the end, it has said nothing and asked for nothing but itself."""
    visit = Visit(windows)
    yield visit
    visit.close()
    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith(("file:", "data:"))] == []
