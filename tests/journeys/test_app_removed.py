"""The app is removed from the workspace and installed again while the bot runs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.operator import demo
from bot.payments.operator_stop import switch_charges
from bot.sandbox.loopback import loopback
from bot.sandbox.scenario import url_in
from bot.sandbox.slack.seed import TEAM
from bot.slack.presence import ASK_SECONDS
from bot.wallets.workspaces import Workspaces
from tests.blank_books import lay_books
from tests.journeys.conftest import TICK
from tests.journeys.world import World, button_of, shown, until

NOT_HERE = "isn't available here"


@dataclass
class Company:
    """A company with a saved card and a rule, and its bot."""

    world: World
    running: demo.Demo

    def token_dies(self, error: str) -> None:
        """Let Slack refuse our token in every answer."""
        self.running.world.slack.installation.dead_code = error

    def token_lives(self) -> None:
        """Let Slack accept our token again."""
        self._administer("app", installed=True)

    def removed(self, *, heard: str) -> None:
        """Remove the app; of the two events that tell of it one is not subscribed to."""
        self._administer("scopes", events=[heard, "app_home_opened"])
        self._administer("app", installed=False)

    def _administer(self, what: str, **wish: object) -> None:
        self.world.client.post(f"/sandbox/api/slack/{what}", json=wish).raise_for_status()

    @property
    def gone_by(self) -> str | None:
        """What Slack said of the app's removal."""
        return Workspaces(self.running.bot.ledger).gone_by(TEAM)

    def charged(self) -> list[int]:
        """Give every charge, in dollars."""
        return [one["amount"] // 100 for one in self.world.client.get("/sandbox/api/stripe/charges").json()]

    def asked(self, method: str) -> int:
        """Count the calls of Slack's methods whose names begin so."""
        return self.world.client.get("/sandbox/log.jsonl").text.count(f'"/api/{method}')

    def home_of(self, who: str) -> str:
        """Open Home and wait until it shows the wallet again."""
        until(
            lambda: NOT_HERE not in shown(self.world.home(who)) or None,
            lambda: "Home still says that Redbar is not here",
        )
        return shown(self.world.home(who))


@pytest.fixture
def company(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    """A fresh company; `request.param` chooses how Slack delivers."""
    running = demo.start(
        lay_books(tmp_path / "demo"), 0, delivery=getattr(request, "param", "socket"), tick=TICK
    )
    running.world.slack.tickets.clock.stop()
    try:
        with loopback(running.url, timeout=30) as client:
            world = World(client, running.info["api_key"])
            world.top_up_by_page("owner", "100.00")
            world.balance_is("100.00")
            world.turn_rule_on()
            yield Company(world, running)
    finally:
        running.stop()


@pytest.mark.parametrize("company", ["http"], indirect=True)
@pytest.mark.parametrize("kind", ["app_uninstalled", "tokens_revoked"])
def test_after_a_reinstall_the_first_request_is_answered(company: Company, kind: str) -> None:
    """Removed: nothing is charged or told, and the open request ends. Installed again: everything works, rule off."""
    world = company.world
    world.command("owner", "/wallet ask @finance 40")
    link = url_in(world.reads("finance", "Please pay $40.00"))
    company.removed(heard=kind)
    until(lambda: company.gone_by, lambda: "the event was not heard")
    world.skip(1)
    world.pay(link, ok=False)
    before = len(world.messages("owner"))
    world.use("call-1", "60.00")
    world.skip(6 * 60)
    assert (company.charged(), company.gone_by) == ([100], kind)
    assert len(world.messages("owner")) == before

    company.token_lives()
    world.command("owner", "/wallet", channel="#calls")
    world.reads("owner", "$40.00", channel="#calls")
    assert company.gone_by is None
    assert "$" in company.home_of("owner")
    back = world.reads("owner", "Redbar was away")
    assert "Nothing was charged. 1 open request was withdrawn" in shown(back)
    assert "Automatic payments are off." in shown(back)
    world.reads("finance", "was withdrawn, since Redbar was removed from this workspace. Nothing to pay.")
    world.reads("owner", "The wallet is low")
    world.skip(60)
    told = [shown(one) for one in world.messages("owner")[before:]]
    assert len(told) == 2, told
    assert company.charged() == [100]

    button = button_of(back, "Turn on")
    world.act("press", "owner", channel="dm", ts=back["ts"], action_id=button["action_id"], text="Turn on")
    world.modal("owner", "automatic")
    world.submit("owner", threshold="50", target="200", per_day="3", day_cap="500", month_cap="5000")
    world.modal("owner", "confirm_automatic")
    world.submit("owner")
    world.balance_is("200.00")
    assert company.charged() == [100, 160]


def test_a_removal_is_noticed_when_its_event_was_missed(company: Company) -> None:
    """Whatever we ask, Slack's answer says it: from then on no card is charged."""
    world = company.world
    company.token_dies("token_revoked")
    world.home("owner")  # one call of ours is enough
    until(lambda: company.gone_by, lambda: "Slack's answer was not understood")
    assert company.gone_by == "token_revoked"
    world.use("call-1", "60.00")
    world.skip(60)
    assert company.charged() == [100]

    company.token_lives()
    time.sleep(ASK_SECONDS)
    world.command("owner", "/wallet", channel="#calls")
    world.reads("owner", "$40.00", channel="#calls")
    world.balance_is("200.00")


def test_an_error_that_passes_leaves_nobody_without_alarms(company: Company) -> None:
    """Slack erred for a while and no event came: the bot asks by itself, and nobody has to come first."""
    world = company.world
    company.token_dies("invalid_auth")
    world.home("owner")
    until(lambda: company.gone_by, lambda: "Slack's answer was not understood")
    world.use("call-1", "60.00")
    company.token_lives()
    time.sleep(ASK_SECONDS)
    world.skip(2)
    world.balance_is("200.00")
    assert company.charged() == [100, 160]


def test_while_it_is_removed_slack_is_asked_seldom(company: Company) -> None:
    """Ten commands in a moment are one auth.test; each is answered, with no word about the wallet."""
    world = company.world
    company.token_dies("account_inactive")
    world.home("owner")
    until(lambda: company.gone_by, lambda: "Slack's answer was not understood")
    before = company.asked("auth.test")
    began = time.monotonic()
    for _ in range(10):
        world.command("owner", "/wallet", channel="#calls")
    world.reads("owner", NOT_HERE, channel="#calls")
    took = time.monotonic() - began
    assert company.asked("auth.test") - before <= 1 + took // ASK_SECONDS


def test_a_form_that_is_sent_in_first_finds_the_app_installed_again(company: Company) -> None:
    """Opened before the removal, sent in after the reinstall: it goes on as if nothing had been."""
    world = company.world
    world.command("owner", "/wallet topup")
    world.modal("owner", "add_balance")
    company.token_dies("account_inactive")
    world.home("owner")
    until(lambda: company.gone_by, lambda: "Slack's answer was not understood")
    company.token_lives()
    time.sleep(ASK_SECONDS)
    world.submit("owner", amount_choice="other", other_amount="50", pay_with="card")
    world.modal_reads("owner", "Charge $50.00 to Visa ••4242?")


@pytest.mark.parametrize("company", ["http"], indirect=True)
def test_no_message_of_a_removed_app_is_changed(company: Company) -> None:
    """A countdown runs in a channel while the app is removed: Slack is asked for nothing, and told it after."""
    world, bot = company.world, company.running.bot
    switch_charges(bot.ledger, bot.wallet_id, off=True, actor="operator")
    world.spend_to("-1.00")
    world.reads("owner", "have stopped", channel="#calls")
    world.skip(1)
    company.removed(heard="app_uninstalled")
    until(lambda: company.gone_by, lambda: "the event was not heard")
    company.running.bot.run_until_idle()
    before = company.asked("")
    world.skip(3 * 60)
    assert company.asked("") == before

    company.token_lives()
    updates = company.asked("chat.update")
    world.command("owner", "/wallet", channel="#calls")
    until(lambda: company.gone_by is None or None, lambda: "nobody asked Slack")
    world.skip(1)
    until(lambda: company.asked("chat.update") > updates or None, lambda: "the countdown stays as it was")
