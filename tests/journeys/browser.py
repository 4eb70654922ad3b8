"""Clicks in a real Chromium: what a person would do on the sandbox's page."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

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
LIVE = "/sandbox/api/live"
expect.set_options(timeout=20_000)


class Window:
    """One window of somebody's."""

    def __init__(
        self,
        context: BrowserContext,
        base_url: str,
        who: str,
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
    ) -> None:
        self.page = context.new_page()
        if dark:
            self.page.emulate_media(color_scheme="dark")
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
        self._go(f"channel-{name}")

    def messages(self) -> None:
        """Open the conversation with the app."""
        self._go("dm-app")
        self.by("messages-tab").click()

    def home(self) -> Locator:
        """Open Home."""
        self._go("dm-app")
        self.by("home-tab").click()
        return self.by("home")

    def _go(self, name: str) -> None:
        # On a phone the channels slide in over the conversation.
        menu = self.page.locator(".window-menu")
        if menu.is_visible():
            menu.click()
        self.by(name).click()

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

    def opens(self, button: Locator, words: str) -> Locator:
        """Press what opens a form with some words; again when the view was drawn anew under the pointer."""
        found = self.by("modal").filter(has_text=words).last
        for _ in range(3):
            button.click()
            try:
                found.wait_for(state="visible", timeout=6_000)
            except PlaywrightTimeout:
                continue
            break
        return self.modal(words)

    def button(self, where: Locator, text: str) -> Locator:
        """Find a button or link by its words."""
        return where.locator("button, a").filter(has_text=re.compile(rf"^\s*{re.escape(text)}")).first

    def post_usage(self, amount: str) -> None:
        """Post one usage from the dialler's panel."""
        self.by("amount").fill(amount)
        self.by("post-usage").click()
        expect(self.by("platform-result")).to_contain_text("Accepted")

    def submit(self, form: Locator) -> None:
        """Send the top form in."""
        form.get_by_test_id("modal-submit").click()

    def close_forms(self) -> None:
        """Close every form."""
        self.by("modal-close").last.click()
        expect(self.by("modal")).to_have_count(0)

    def opened(self, link: Locator) -> Page:
        """Click what opens a page of its own; gives the page."""
        with self.page.expect_popup() as popup:
            link.click()
        if self.page.viewport_size is not None:
            popup.value.set_viewport_size(self.page.viewport_size)
        popup.value.wait_for_selector("html[data-ready]")
        return popup.value

    def sideways(self) -> int:
        """Give by how much the page is too wide for its window."""
        return sideways(self.page)

    def keep(self, name: str, page: Page | None = None) -> None:
        """Keep a picture, where pictures are wanted."""
        keep(page or self.page, name)


def sideways(page: Page) -> int:
    """Give by how much a page is too wide for its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def keep(page: Page, name: str) -> None:
    """Keep a picture of a page under a name, where pictures are wanted."""
    if SCREENSHOTS:
        folder = Path(SCREENSHOTS)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", animations="disabled")


class Watch:
    """Looks over every page's shoulder: hosts that are asked, requests that fail, errors that are shown."""

    def __init__(self, context: BrowserContext) -> None:
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(str(urlsplit(request.url).hostname))

    def _failed(self, request: Request) -> None:
        # The live line never ends by itself: it is cut when its page goes.
        if urlsplit(request.url).path != LIVE:
            self.errors.append(f"{request.method} {request.url}: {request.failure}")

    def saw_nothing_wrong(self) -> None:
        """Judge a whole run."""
        assert self.errors == [], "\n".join(self.errors)
        assert self.hosts == {"127.0.0.1"}


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
