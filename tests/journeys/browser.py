"""Clicks in a real Chromium: what a person would do on the sandbox's page."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = os.environ.get("REDBAR_SCREENSHOTS")
"""A folder in which every surface is kept as a picture, for people to judge."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=20_000)


class Window:
    """One window of somebody's."""

    def __init__(
        self, context: BrowserContext, base_url: str, who: str, width: int = 1280, height: int = 900
    ) -> None:
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        self._base_url = base_url
        self.page.goto(f"{base_url}/?as={who}")
        self.ready()

    def ready(self) -> None:
        """Wait until the page shows what there is."""
        expect(self.page.locator("html[data-ready]")).to_have_count(1)

    def by(self, name: str) -> Locator:
        """Find by test id."""
        return self.page.get_by_test_id(name)

    def switch(self, who: str) -> None:
        """Become somebody else."""
        self.by(f"person-{who}").click()
        expect(self.by(f"person-{who}")).to_have_attribute("aria-pressed", "true")

    def channel(self, name: str) -> None:
        """Open a channel."""
        self.by(f"channel-{name}").click()

    def messages(self) -> None:
        """Open the conversation with the app."""
        self.by("dm-app").click()
        self.by("messages-tab").click()

    def home(self) -> Locator:
        """Open Home."""
        self.by("dm-app").click()
        self.by("home-tab").click()
        return self.by("home")

    def type(self, text: str) -> None:
        """Type into the conversation that is open."""
        self.by("composer").fill(text)
        self.by("composer").press("Enter")
        expect(self.by("composer")).to_have_value("")

    def message(self, words: str | re.Pattern[str]) -> Locator:
        """Find the latest message with some words, once it is there."""
        found = self.by("message").filter(has_text=words).last
        expect(found).to_be_visible()
        return found

    def modal(self, words: str) -> Locator:
        """Find the open form with some words, once it is there."""
        found = self.by("modal").filter(has_text=words).last
        expect(found).to_be_visible()
        return found

    def button(self, where: Locator, text: str) -> Locator:
        """Find a button or link by its words."""
        return where.locator("button, a").filter(has_text=re.compile(rf"^\s*{re.escape(text)}")).first

    def keep(self, name: str) -> None:
        """Keep a picture, where pictures are wanted."""
        if SCREENSHOTS:
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


class Watch:
    """Looks over every page's shoulder: hosts that are asked, errors that are shown."""

    def __init__(self, context: BrowserContext) -> None:
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        context.on("request", self._request)
        context.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(str(urlsplit(request.url).hostname))


@contextmanager
def chromium(*, scale: float = 1) -> Iterator[BrowserContext]:
    """Start a fresh browser, or skip where there is none."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(device_scale_factor=scale, timezone_id="Europe/Berlin", locale="en-GB")
        try:
            yield context
        finally:
            context.close()
            browser.close()
