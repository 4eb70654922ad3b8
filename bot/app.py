"""The one place where objects are made and tied together, and where they are started and stopped."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from litestar import Litestar

from bot.delivering.courier import Courier
from bot.delivering.posted_messages import PostedMessages
from bot.http.server import Backend, build_http
from bot.payments.cards import Cards
from bot.payments.disputes import Disputes
from bot.payments.inbox import News
from bot.payments.recharge import Recharge
from bot.payments.refunds import Refunds
from bot.payments.requests import Payments
from bot.payments.sending import RequestSender
from bot.payments.sweep import Sweep
from bot.payments.sync import Sync
from bot.payments.top_ups import Charges
from bot.ports import Clock, PaymentGateway
from bot.reconciliation.manual_credit import ManualCredit
from bot.reconciliation.run import Reconciliation
from bot.scheduler import Scheduler
from bot.served import Served
from bot.settings import Settings
from bot.slack.books_trouble import BooksTrouble
from bot.slack.channel_directory import SlackChannels
from bot.slack.client import SlackClient
from bot.slack.connection import (
    SlackAccess,
    SlackApp,
    identify,
    listening_client,
    plain_client,
    time_at_slack,
)
from bot.slack.homes import Homes
from bot.slack.listeners import register
from bot.slack.listeners.interaction import Context
from bot.slack.modals import Modals
from bot.slack.people_directory import SlackDirectory
from bot.slack.presence import ListeningClient, Presence
from bot.slack.senders.table import Senders
from bot.slack.workers import Workers, threads
from bot.stripe.gateway import StripeGateway
from bot.surfaces.episodes import Episodes
from bot.timers import SurfaceRefresh, Timers, jobs_of
from bot.wallets.channel_watch import ChannelWatch
from bot.wallets.clock_watch import Ask, ClockWatch
from bot.wallets.people import People
from bot.wallets.people_listing import PeopleListing
from bot.wallets.policy_changes import fit_policies
from bot.wallets.refused_content import RefusedContent
from bot.wallets.rules import Rules
from bot.wallets.usage import Usage
from bot.wallets.workspaces import Workspaces
from ledger import Dated, JudgedClock, Ledger, database_time, migrate

BOT_VERSIONS = Path(__file__).parent / "migrations" / "versions"


@dataclass(frozen=True, slots=True)
class UseCases:
    """Everything that is done to wallets and payments, complete, in a running bot and in a command beside it."""

    ledger: Ledger
    gateway: PaymentGateway
    served: Served
    workspaces: Workspaces
    sender: RequestSender
    payments: Payments
    sync: Sync
    sweep: Sweep
    recharge: Recharge
    charges: Charges
    cards: Cards
    refunds: Refunds
    disputes: Disputes
    news: News
    reconciliation: Reconciliation
    manual_credit: ManualCredit


@dataclass
class Redbar:
    """A running bot for one workspace."""

    settings: Settings
    ledger: Ledger
    gateway: StripeGateway
    use_cases: UseCases
    people: People
    slack: SlackApp
    http: Litestar
    scheduler: Scheduler
    courier: Courier
    senders: Senders
    timers: Timers
    wallet_id: UUID

    def start(self) -> None:
        """Begin to listen and to tick. Raises: NotConnected."""
        self.slack.start()
        self.scheduler.start()

    def hang_up(self) -> None:
        """Don't reconnect when Slack's socket closes."""
        self.slack.hang_up()

    def stop(self) -> None:
        """Stop taking work in from Slack and from time, and finish what runs."""
        self.slack.hang_up()
        self.scheduler.stop()
        self.slack.stop()

    def close(self) -> None:
        """Let go of everything. Whoever serves `http` ends that first, since its requests read the books."""
        self.stop()
        self.ledger.close()
        self.gateway.close()

    def run_until_idle(self, *, rounds: int = 50) -> None:
        """Run every job until nothing is left to do at this instant; for a clock that jumps."""
        for _ in range(rounds):
            self.scheduler.run_all()
            if self.courier.run_once(self.ledger.now()) == 0:
                return


def open_ledger(url: str, clock: Clock) -> Ledger:
    """Open the database with both packages' tables. Raises: StoreUnusable."""
    ledger = Ledger(url, clock)
    try:
        migrate(ledger.store, versions=BOT_VERSIONS, version_table="alembic_version_bot")
        fit_policies(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def use_cases_of(
    ledger: Ledger, gateway: PaymentGateway, served: Served, *, return_url: str = "", webhook: bool = False
) -> UseCases:
    """Tie the use cases together: the same objects for a running bot, a command beside it, and tests.

    `return_url` is where people go after paying; the default is Slack, in the browser.
    """
    workspaces = Workspaces(ledger)
    install = workspaces.install_id()
    sender = RequestSender(ledger, gateway, served)
    sync = Sync(ledger, gateway, served, install=install)
    payments = Payments(
        ledger, gateway, sender, install=install, return_url=return_url or _slack_page(workspaces, served)
    )
    refunds, disputes = Refunds(gateway, sync), Disputes(gateway, sync)
    cards = Cards(ledger, gateway, sender, served)
    news = News(ledger, gateway, sync, refunds, disputes, cards, served, webhook=webhook)
    return UseCases(
        ledger=ledger,
        gateway=gateway,
        served=served,
        workspaces=workspaces,
        sender=sender,
        payments=payments,
        sync=sync,
        sweep=Sweep(ledger, gateway, served, sender, sync),
        recharge=Recharge(ledger, payments, served),
        charges=Charges(ledger, payments, served),
        cards=cards,
        refunds=refunds,
        disputes=disputes,
        news=news,
        reconciliation=Reconciliation(
            ledger, gateway, sync, refunds, disputes, served, install=install, count_reads=news.count_reads
        ),
        manual_credit=ManualCredit(ledger, gateway, sync),
    )


def _slack_page(workspaces: Workspaces, served: Served) -> str:
    teams = [served.team_id] if served.team_id else [one.team_id for one in workspaces.all()]
    return f"https://app.slack.com/client/{teams[0]}" if len(teams) == 1 else "https://app.slack.com/"


def build(
    settings: Settings, clock: Clock, ledger: Ledger, *, return_url: str = "", asks_database: bool = True
) -> Redbar:
    """Put a bot together: it has asked Slack who it is, and listens to nothing yet. Raises: NotConnected.

    With `asks_database` the clock is also held against the database server's, which knows nothing of a skip.
    """
    plain = plain_client(access := _slack_access(settings))
    me = identify(plain)
    gateway, served = StripeGateway(settings.stripe_api_key, settings.stripe_api_base), Served(me.team_id)
    ask = clocks_outside(ledger, partial(time_at_slack, plain), gateway, asks_database=asks_database)
    watch = _begun(ClockWatch(ledger, served, ask))
    workspaces = Workspaces(ledger)
    wallet_id = workspaces.open(
        team_id=me.team_id,
        enterprise_id=me.enterprise_id,
        name=me.name,
        bot_user_id=me.bot_user_id,
        currency=settings.currency,
        zone=settings.time_zone,
    )
    webhook = bool(settings.stripe_webhook_secret)
    cases = use_cases_of(ledger, gateway, served, return_url=return_url, webhook=webhook)
    presence = Presence(workspaces, me.team_id, plain)
    client = listening_client(access, presence.gone)
    slack = SlackApp(access, client, me.bot_user_id, threads())
    context = context_of(cases, client, presence, slack.workers, first_admin=settings.billing_admin)
    timers = Timers(ledger, served, cases.sweep, cases.recharge, cases.news)
    courier = Courier(ledger, timers.heard, context.senders.show, served)
    register(slack.bolt, context)
    refresh = SurfaceRefresh(ledger, served, context.senders, context.homes, me.team_id, wallet_id)
    jobs = jobs_of(
        settings.tick,
        timers,
        reconciliation=cases.reconciliation,
        cards=cases.cards,
        courier=courier,
        presence=presence,
        listing=context.listing,
        channels=context.channels,
        refresh=refresh,
        clock=watch,
        books=BooksTrouble(ledger, presence, context.people, context.slack, wallet_id),
    )
    scheduler = Scheduler(clock, jobs)
    http = _http(settings, cases, slack, scheduler, partial(_problems, ledger, watch, courier))
    return Redbar(
        settings=settings,
        ledger=ledger,
        gateway=gateway,
        use_cases=cases,
        people=context.people,
        slack=slack,
        http=http,
        scheduler=scheduler,
        courier=courier,
        senders=context.senders,
        timers=timers,
        wallet_id=wallet_id,
    )


def _begun(watch: ClockWatch) -> ClockWatch:
    watch.begin()
    return watch


def _problems(ledger: Ledger, watch: ClockWatch, courier: Courier) -> Sequence[str]:
    """Say what is wrong with this process, the database first: it may be why the rest is."""
    trouble = ledger.store.trouble()
    return [*([trouble.sentence] if trouble is not None else []), *watch.problems(), *courier.problems_seen]


def _slack_access(settings: Settings) -> SlackAccess:
    return SlackAccess(
        bot_token=settings.slack_bot_token,
        app_token=settings.slack_app_token,
        signing_secret=settings.slack_signing_secret,
        api_url=settings.slack_api_url,
    )


def context_of(
    cases: UseCases, client: ListeningClient, presence: Presence, workers: Workers, *, first_admin: str
) -> Context:
    """Give what the listeners work with: the use cases, and the ways to people."""
    directory = SlackDirectory(client)
    people = People(cases.ledger, cases.workspaces, directory)
    episodes = Episodes(cases.ledger, cases.recharge, cases.charges)
    posted = PostedMessages(cases.ledger)
    refused = RefusedContent(cases.ledger, presence.team_id)
    slack = SlackClient(client, time.sleep, refused)
    return Context(
        ledger=cases.ledger,
        workspaces=cases.workspaces,
        people=people,
        listing=PeopleListing(cases.ledger, cases.served, directory),
        channels=ChannelWatch(cases.ledger, cases.served, SlackChannels(client)),
        rules=Rules(cases.ledger),
        payments=cases.payments,
        charges=cases.charges,
        recharge=cases.recharge,
        cards=cases.cards,
        episodes=episodes,
        posted=posted,
        slack=slack,
        homes=Homes(
            cases.ledger,
            slack,
            people,
            cases.recharge,
            posted,
            first_admin=first_admin,
            sleep=time.sleep,
        ),
        senders=Senders(
            cases.ledger,
            lambda wallet_id: slack,
            people,
            cases.payments,
            cases.charges,
            cases.recharge,
            cases.cards,
            episodes,
            posted,
        ),
        modals=Modals(client, time.sleep, refused),
        workers=workers,
        presence=presence,
        link_opened=cases.news.pressed,
    )


def clocks_outside(
    ledger: Ledger, slack: Callable[[], datetime | None], gateway: StripeGateway, *, asks_database: bool
) -> Ask:
    """Give what asks Slack, Stripe and the database server what time it is."""

    def ask(clock: JudgedClock) -> Sequence[Dated]:
        said = []
        for name, look in (("Slack", slack), ("Stripe", gateway.time)):
            at = look()
            if at is not None:
                said.append(clock.heard(name, at))
        if asks_database:
            with ledger.reading() as connection:
                at = database_time(connection)
            if at is not None:
                said.append(clock.heard("the database", at, independent=False))
        return said

    return ask


def _http(
    settings: Settings,
    cases: UseCases,
    slack: SlackApp,
    scheduler: Scheduler,
    problems: Callable[[], Sequence[str]],
) -> Litestar:
    return build_http(
        Backend(
            ledger=cases.ledger,
            usage=Usage(cases.ledger),
            news=cases.news,
            slack=None if settings.socket_mode else slack.answer,
            stripe_webhook_secret=settings.stripe_webhook_secret,
            stripe_live=settings.stripe_live,
            last_job_at=lambda: scheduler.last_job_at,
            problems=problems,
        )
    )
