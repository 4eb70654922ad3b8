"""The one place where objects are made and tied together, and where they are started and stopped."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from litestar import Litestar
from slack_bolt import App
from slack_bolt.adapter.socket_mode.builtin import SocketModeHandler
from slack_bolt.lazy_listener.thread_runner import ThreadLazyListenerRunner
from slack_sdk import WebClient

from bot.control import Answer, Handler, Step
from bot.delivering.courier import Courier
from bot.delivering.posted_messages import PostedMessages
from bot.http.server import Doors, build_http
from bot.payments.cards import Cards
from bot.payments.inbox import News
from bot.payments.operator_stop import switch_charges
from bot.payments.recharge import Recharge
from bot.payments.refunds import MoneyOut
from bot.payments.requests import Payments
from bot.payments.top_ups import Charges
from bot.ports import Clock
from bot.reconciliation.difference import as_answer
from bot.reconciliation.manual_credit import ManualCredit, chosen_wallet, leave_be
from bot.reconciliation.run import Reconciliation
from bot.scheduler import Clockwork, Job
from bot.served import Served
from bot.settings import Settings
from bot.slack.client import SlackClient
from bot.slack.homes import Homes
from bot.slack.listeners import register
from bot.slack.listeners.interaction import Context
from bot.slack.people_directory import SlackDirectory
from bot.slack.presence import ListeningClient, Presence
from bot.slack.senders.table import Senders
from bot.stripe.gateway import StripeGateway
from bot.surfaces.episodes import Episodes
from bot.timers import Upkeep
from bot.wallets import platform_keys
from bot.wallets.people import People
from bot.wallets.rules import Rules
from bot.wallets.usage import Usage
from bot.wallets.workspaces import Workspaces
from ledger import Ledger, migrate

log = logging.getLogger("redbar")
BOT_VERSIONS = Path(__file__).parent / "migrations" / "versions"
LISTENERS = 20
"""Slow work of a few people must not keep the next command from being acknowledged."""


@dataclass
class Redbar:
    """A running bot for one workspace."""

    settings: Settings
    ledger: Ledger
    people: People
    payments: Payments
    gateway: StripeGateway
    bolt: App
    http: Litestar
    clockwork: Clockwork
    courier: Courier
    senders: Senders
    upkeep: Upkeep
    reconciliation: Reconciliation
    served: Served
    wallet_id: UUID
    executors: Sequence[ThreadPoolExecutor]
    socket: SocketModeHandler | None = field(default=None)

    def start(self) -> None:
        """Begin to listen and to tick."""
        if self.settings.socket_mode:
            self.socket = SocketModeHandler(self.bolt, self.settings.slack_app_token)
            self.socket.connect()  # type: ignore[no-untyped-call]
        self.clockwork.start()

    def hang_up(self) -> None:
        """Don't come back when Slack's socket closes."""
        if self.socket is not None:
            self.socket.client.auto_reconnect_enabled = False

    def stop(self) -> None:
        """Stop taking work in, finish what runs, and let go of everything."""
        self.hang_up()
        self.clockwork.stop()
        if self.socket is not None:
            self.socket.close()  # type: ignore[no-untyped-call]
        for executor in self.executors:
            executor.shutdown(wait=True, cancel_futures=True)
        self.ledger.close()
        self.gateway.close()

    def settle_down(self, *, rounds: int = 50) -> None:
        """Run every job until nothing is left to do at this instant; for a clock that jumps."""
        for _ in range(rounds):
            self.clockwork.run_all()
            if self.courier.run_once(self.ledger.now()) == 0:
                return


def open_ledger(url: str, clock: Clock) -> Ledger:
    """Open the database with both packages' tables. Raises: StoreUnusable."""
    ledger = Ledger(url, clock)
    migrate(ledger.store, versions=BOT_VERSIONS, version_table="alembic_version_bot")
    return ledger


def build(settings: Settings, clock: Clock, ledger: Ledger, *, return_url: str | None = None) -> Redbar:
    """Put a bot together: it has asked Slack who it is, and listens to nothing yet."""
    reach = _reach(settings)
    plain = WebClient(**reach)
    me = plain.auth_test()
    team_id = str(me["team_id"])
    workspaces = Workspaces(ledger)
    wallet_id = workspaces.open(
        team_id=team_id,
        enterprise_id=str(me.get("enterprise_id") or ""),
        name=str(me["team"]),
        bot_user_id=str(me["user_id"]),
        currency=settings.currency,
        zone=settings.time_zone,
    )
    served = Served(team_id)
    presence = Presence(workspaces, team_id, plain)
    client = ListeningClient(gone=presence.gone, **reach)
    gateway = StripeGateway(settings.stripe_api_key, settings.stripe_api_base)
    return_url = return_url or f"https://app.slack.com/client/{team_id}"
    payments = Payments(ledger, gateway, served, install=workspaces.install_id(), return_url=return_url)
    charges = Charges(ledger, payments, served)
    recharge = Recharge(ledger, payments, served)
    cards = Cards(ledger, gateway, payments, served)
    money_out = MoneyOut(ledger, gateway, payments)
    webhook = bool(settings.stripe_webhook_secret)
    news = News(ledger, gateway, payments, money_out, cards, served, webhook=webhook)
    reconciliation = _reconciliation(ledger, gateway, payments, money_out, workspaces, served, news)
    upkeep = Upkeep(ledger, served, payments, recharge, news)
    context = _context(
        settings, ledger, client, presence, workspaces, payments, charges, recharge, cards, news.pressed
    )
    courier = Courier(ledger, upkeep.heard, context.senders.deliver, served)
    bolt, executors = _bolt(settings, client)
    register(bolt, context)
    refresh = _refresh(served, ledger, context.senders, context.homes, team_id, wallet_id)
    jobs = _jobs(settings, upkeep, reconciliation, cards, courier, presence, refresh)
    clockwork = Clockwork(clock, jobs)
    http = _http(settings, ledger, news, bolt, clockwork)
    return Redbar(
        settings,
        ledger,
        context.people,
        payments,
        gateway,
        bolt,
        http,
        clockwork,
        courier,
        context.senders,
        upkeep,
        reconciliation,
        served,
        wallet_id,
        executors,
    )


def _reach(settings: Settings) -> dict[str, Any]:
    return {
        "token": settings.slack_bot_token,
        "base_url": settings.slack_api_url,
        "timeout": 10,
        "retry_handlers": [],
    }


def commands_of(bot: Redbar) -> dict[str, Handler]:
    """Give what the operator may ask of a running bot."""

    def create_key(wish: Answer, step: Step) -> Answer:
        key = platform_keys.create_key(bot.ledger, bot.wallet_id, name=str(wish.get("name") or ""))
        return {"key": key, "wallet_id": str(bot.wallet_id)}

    def charges(wish: Answer, step: Step) -> Answer:
        switch_charges(bot.ledger, bot.wallet_id, off=wish.get("wanted") == "off", actor="operator")
        return {}

    def reconcile(wish: Answer, step: Step) -> Answer:
        return as_answer(bot.reconciliation.run(bot.ledger.now(), step))

    def settle(wish: Answer, step: Step) -> Answer:
        what, note = str(wish["what"]), str(wish["note"])
        if not wish["credit"]:
            return {"words": leave_be(bot.ledger, what, note)}
        manual_credit = ManualCredit(bot.ledger, bot.gateway, bot.payments)
        wallet_id = chosen_wallet([bot.wallet_id], str(wish["wallet"]))
        return {"words": manual_credit.credit(wallet_id, what, note)}

    return {"key_create": create_key, "charges": charges, "reconcile": reconcile, "settle": settle}


def manual_credit_of(ledger: Ledger, gateway: StripeGateway) -> ManualCredit:
    """Tie together what settling by hand needs, without a workspace to talk to."""
    install = Workspaces(ledger).install_id()
    payments = Payments(ledger, gateway, Served(None), install=install, return_url="")
    return ManualCredit(ledger, gateway, payments)


def reconciliation_of(ledger: Ledger, gateway: StripeGateway) -> Reconciliation:
    """Tie together what a reconciliation needs, without a workspace to talk to."""
    workspaces, served = Workspaces(ledger), Served(None)
    payments = Payments(ledger, gateway, served, install=workspaces.install_id(), return_url="")
    money_out = MoneyOut(ledger, gateway, payments)
    cards = Cards(ledger, gateway, payments, served)
    news = News(ledger, gateway, payments, money_out, cards, served, webhook=False)
    return _reconciliation(ledger, gateway, payments, money_out, workspaces, served, news)


def _reconciliation(
    ledger: Ledger,
    gateway: StripeGateway,
    payments: Payments,
    money_out: MoneyOut,
    workspaces: Workspaces,
    served: Served,
    news: News,
) -> Reconciliation:
    return Reconciliation(
        ledger,
        gateway,
        payments,
        money_out,
        served,
        install=workspaces.install_id(),
        count_reads=news.count_reads,
    )


def _context(
    settings: Settings,
    ledger: Ledger,
    client: WebClient,
    presence: Presence,
    workspaces: Workspaces,
    payments: Payments,
    charges: Charges,
    recharge: Recharge,
    cards: Cards,
    link_opened: Callable[[], None],
) -> Context:
    people = People(ledger, workspaces, SlackDirectory(client))
    episodes, posted = Episodes(ledger, recharge, charges), PostedMessages(ledger)
    slack = SlackClient(client, time.sleep)
    return Context(
        ledger=ledger,
        workspaces=workspaces,
        people=people,
        rules=Rules(ledger),
        payments=payments,
        charges=charges,
        recharge=recharge,
        cards=cards,
        episodes=episodes,
        posted=posted,
        slack=slack,
        homes=Homes(ledger, slack, people, recharge, posted, first_admin=settings.billing_admin),
        senders=Senders(ledger, slack, people, payments, charges, recharge, cards, episodes, posted),
        client=client,
        presence=presence,
        link_opened=link_opened,
    )


def _bolt(settings: Settings, client: WebClient) -> tuple[App, Sequence[ThreadPoolExecutor]]:
    # Listeners and slow work apart, and many of them: with Bolt's five shared threads, five slow jobs make the
    # sixth command time out (measured).
    listeners = ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener")
    lazy = ThreadPoolExecutor(LISTENERS, thread_name_prefix="lazy")
    bolt = App(
        signing_secret=settings.slack_signing_secret or "unused in Socket Mode",
        client=client,
        token_verification_enabled=False,
        listener_executor=listeners,
        logger=logging.getLogger("redbar.bolt"),
    )
    bolt.listener_runner.lazy_listener_runner = ThreadLazyListenerRunner(bolt.logger, lazy)
    return bolt, (listeners, lazy)


def _http(settings: Settings, ledger: Ledger, news: News, bolt: App, clockwork: Clockwork) -> Litestar:
    return build_http(
        Doors(
            ledger=ledger,
            usage=Usage(ledger),
            news=news,
            bolt=None if settings.socket_mode else bolt,
            stripe_webhook_secret=settings.stripe_webhook_secret,
            stripe_live=settings.stripe_live,
            beat=lambda: clockwork.beat_at,
        )
    )


def _refresh(
    served: Served, ledger: Ledger, senders: Senders, homes: Homes, team_id: str, wallet_id: UUID
) -> Callable[[datetime], None]:
    def refresh(now: datetime) -> None:
        with ledger.reading() as connection:
            lives = served.lives(connection, wallet_id)
        if lives:
            senders.episodes.refresh_open(wallet_id)
            homes.refresh(wallet_id, team_id)

    return refresh


def _jobs(
    settings: Settings,
    upkeep: Upkeep,
    reconciliation: Reconciliation,
    cards: Cards,
    courier: Courier,
    presence: Presence,
    refresh: Callable[[datetime], None],
) -> Sequence[Job]:
    tick = settings.tick
    return (
        Job("time", tick, upkeep.observe),
        Job("news", tick, upkeep.hear_news),
        Job("recharge", tick * 5, upkeep.recharge),
        Job("sweep", tick * 30, upkeep.sweep),
        Job("lines", timedelta(minutes=5), upkeep.draw_lines),
        Job("cards", timedelta(hours=1), cards.look_ahead),
        Job("reconcile", timedelta(minutes=10), reconciliation.run_if_due),
        Job("courier", tick / 4, courier.run_once),
        Job("showing", tick * 2, refresh),
        Job("presence", timedelta(minutes=1), presence.look),
    )
