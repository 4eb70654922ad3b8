"""Walks of finance and of a card's connector, by clicks: each button they are shown does something for them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.journeys.browser import Watch, Window, chromium
from tests.journeys.world import FINANCE_VISA, World, button_of

pytestmark = pytest.mark.browser
REFUSED = re.compile(
    r"(?<!none can be charged\. )Billing is looked after by|isn't available here|something went wrong",
    re.IGNORECASE,
)
"""How Redbar sends somebody away; that a card is gone is an answer."""
LAST = ("Acknowledge", "Withdraw", "Turn", "Remove")
"""What ends what it stands beside is pressed after everything else, in this order."""
_SHOWN = """() => [...document.querySelectorAll(
    "[data-testid=message], [data-testid=home], [data-testid=modal], [data-testid=menu]")]
    .map(one => one.innerText).join("\\n")"""


class Walk:
    """Presses every button that somebody sees, once each, wherever it stands."""

    def __init__(self, window: Window, name: str) -> None:
        self.window = window
        self.name = name
        self.pressed: list[str] = []
        window.page.set_default_timeout(5_000)

    def everything(self, surface: str) -> None:
        """Press all buttons of a surface: "home", or the latest message with some words."""
        while (words := self._next(surface)) is not None:
            self.pressed.append(f"{surface}: {words}")
            self._press(surface, words)

    def _next(self, surface: str) -> str | None:
        left = [one for one in self._labels(surface) if f"{surface}: {one}" not in self.pressed]
        return min(
            left,
            key=lambda one: ("", *LAST).index(one.split()[0] if one.startswith(LAST) else ""),
            default=None,
        )

    def _open(self, surface: str) -> Locator:
        for _ in range(5):
            # On a busy machine a form may open after what it said was judged, and lie over everything.
            if self.window.by("modal").count():
                self.window.close_forms()
            try:
                return self._reached(surface)
            except PlaywrightTimeout:
                continue
        return self._reached(surface)

    def _reached(self, surface: str) -> Locator:
        if surface == "home":
            home = self.window.home()
            expect(home).to_contain_text(re.compile(r"\w"))
            return home
        self.window.messages()
        return self.window.message(surface)

    def _labels(self, surface: str) -> Iterator[str]:
        for words in self._open(surface).locator("button.btn[data-action-id]").all_inner_texts():
            if words.strip():
                yield words.strip()

    def _press(self, surface: str, words: str) -> None:
        window, place = self.window, f"{surface}: {words}"
        button = window.button(self._open(surface), words)
        if button.get_attribute("data-url"):
            page = window.opened(button)
            window.keep(f"{self.name}_{_slug(place)}", page)
            page.close()
            return
        before = window.page.evaluate(_SHOWN)
        button.click()
        if window.by("confirm").count():
            window.keep(f"{self.name}_{_slug(place)}_sure")
            window.by("confirm-ok").click()
        # Silence is a dead end, too.
        window.page.wait_for_function(f"before => ({_SHOWN})() !== before", arg=before, timeout=15_000)
        expect(window.page.get_by_text("Working…")).to_have_count(0)
        window.keep(f"{self.name}_{_slug(place)}")
        self._judge(place)
        if window.by("modal").count():
            window.close_forms()

    def _judge(self, press: str) -> None:
        expect(self.window.by("not-answered")).to_have_count(0)
        for place in ("modal", "message"):
            for words in self.window.by(place).all_inner_texts():
                assert not REFUSED.search(words), f"{press} was refused: {words}"


def _slug(words: str) -> str:
    return re.sub(r"\W+", "_", words.lower()).strip("_")[:60]


def test_finance_and_a_connector_are_refused_nothing_that_they_are_shown(world: World) -> None:
    """A request, a rule, a failing card, an alarm: whatever comes, each has a way on; the last press ends it."""
    world.top_up_by_page("owner", "100.00")
    world.balance_is("100.00")
    world.command("owner", "/wallet ask @finance 160 before the Friday campaign")
    world.reads("finance", "Please pay $160.00")
    world.spend_to("4.00")
    world.reads("finance", "very low")
    with chromium() as context:
        watch = Watch(context)
        window = Window(context, str(world.client.base_url).rstrip("/"), "finance", height=1000)
        finance = Walk(window, "finance")
        finance.everything("Please pay")
        window.type("/wallet")
        finance.everything("If the balance reaches zero")
        finance.everything("home")
        finance.everything("very low")
        assert "very low: Pay $196 with a link" in finance.pressed
        expect(window.message("very low")).to_contain_text("Acknowledged by @finance")

        _connect(world)
        window.switch("member")
        connector = Walk(window, "connector")
        connector.everything("is connected")
        world.turn_rule_on()
        connector.everything("home")
        connector.everything("turned automatic payments on")  # by now, the card is gone
        shown = {"Ask for access", "Turn automatic payments off", "Remove this card"}
        assert shown <= {one.removeprefix("home: ") for one in connector.pressed}
        watch.saw_nothing_wrong()


def _connect(world: World) -> None:
    world.command("owner", "/wallet card")
    form = world.modal_reads("owner", "Or let somebody else do it")
    world.act("press", "owner", view_id=form["id"], action_id="person", value="member")
    world.act("press", "owner", view_id=form["id"], text="Send")
    asked = world.reads("member", "card")
    world.pay(button_of(asked, "Connect")["url"], FINANCE_VISA)
    world.act("close", "owner")
