"""The one place where objects are made and tied together, and where they are started and stopped."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from litestar import Litestar

from bot.delivering.courier import Courier
from bot.delivering.posted_messages import PostedMessages
from bot.http.server import Backend, build_http
from bot.payments.restored_watch import RestoredWatch
from bot.ports import Clock
from bot.scheduler import Job, Scheduler
from bot.served import Served
from bot.settings import Settings, database_file
from bot.slack.books_trouble import BooksTrouble
from bot.slack.channel_directory import SlackChannels
from bot.slack.client import SlackClient
from bot.slack.connection import (
    Identity,
    SlackAccess,
    SlackApp,
    identify,
    listening_client,
    plain_client,
    time_at_slack,
)
from bot.slack.homes import Homes
from bot.slack.line import SlackLine
from bot.slack.listeners import register
from bot.slack.listeners.interaction import Context
from bot.slack.modals import Modals
from bot.slack.people_directory import SlackDirectory
from bot.slack.presence import ListeningClient, Presence
from bot.slack.senders.table import Senders
from bot.slack.workers import Workers, threads
from bot.stripe.gateway import StripeGateway
from bot.surfaces.episodes import Episodes
from bot.surfaces.vitals_reading import VitalSigns
from bot.tables import BOT_VERSION_TABLE, BOT_VERSIONS
from bot.timers import SurfaceRefresh, Timers, jobs_of
from bot.use_cases import UseCases, use_cases_of
from bot.wallets.books_owner import Owner, remember
from bot.wallets.channel_watch import ChannelWatch
from bot.wallets.clock_watch import ClockWatch, clocks_outside
from bot.wallets.id_file import IdFile
from bot.wallets.people import People
from bot.wallets.people_listing import PeopleListing
from bot.wallets.policy_changes import fit_policies
from bot.wallets.refused_content import RefusedContent
from bot.wallets.rules import Rules
from bot.wallets.usage import Usage
from bot.wallets.workspaces import Workspace, Workspaces
from ledger import Ledger, migrate

IN_HOUSE = ("time", "clock", "books")
"""The jobs that run on restored books too. Others reach people or cards, or judge days whose usage comes in anew."""
FILE_EVERY = timedelta(hours=1)
COPIES_EVERY = timedelta(minutes=1)


@dataclass
class Redbar:
    """A running bot for one workspace."""

    settings: Settings
    ledger: Ledger
    gateway: StripeGateway
    use_cases: UseCases
    people: People
    slack: SlackApp
    line: SlackLine
    http: Litestar
    scheduler: Scheduler
    courier: Courier
    senders: Senders
    timers: Timers
    wallet_id: UUID

    def start(self) -> None:
        """Begin to tick, and to listen once Slack can be reached."""
        self.line.start()
        self.scheduler.start()

    def hang_up(self) -> None:
        """Don't reconnect when Slack's socket closes."""
        self.line.end()
        self.slack.hang_up()

    def stop(self) -> None:
        """Stop taking work in from Slack and from time, and finish what runs."""
        self.hang_up()
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
            if not self.use_cases.restored.may_act() or self.courier.run_once(self.ledger.now()) == 0:
                return


def open_ledger(url: str, clock: Clock) -> Ledger:
    """Open the database with both packages' tables. Raises: StoreUnusable."""
    ledger = Ledger(url, clock)
    try:
        migrate(ledger.store, versions=BOT_VERSIONS, version_table=BOT_VERSION_TABLE)
        fit_policies(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def build(
    settings: Settings, clock: Clock, ledger: Ledger, *, return_url: str = "", in_sandbox: bool = False
) -> Redbar:
    """Put a bot together once Slack has said who it is; it listens to nothing yet. Raises: NotConnected."""
    return assemble(settings, clock, ledger, meet(settings), return_url=return_url, in_sandbox=in_sandbox)


def meet(settings: Settings) -> Identity:
    """Ask Slack who we are. Raises: NotConnected."""
    return identify(plain_client(slack_access(settings)))


def assemble(
    settings: Settings,
    clock: Clock,
    ledger: Ledger,
    me: Identity | Workspace,
    *,
    return_url: str = "",
    in_sandbox: bool = False,
) -> Redbar:
    """Put a bot together for a workspace that Slack has just named, or that the books know. Refuses: OtherWorkspace.

    No request has to be answered for it, by Slack or by Stripe. `in_sandbox` says that what is outside is kept beside
    the books: whoever copies one copies both. Its clock skips, and a database server's knows nothing of that.
    """
    plain = plain_client(access := slack_access(settings))
    gateway, served = StripeGateway(settings.stripe_api_key, settings.stripe_api_base), Served(me.team_id)
    watch = _clock_watch(ledger, served, partial(time_at_slack, plain), gateway, asks_database=not in_sandbox)
    workspaces = Workspaces(ledger)
    open_workspace = partial(_open, workspaces, settings)
    wallet_id = me.wallet_id if isinstance(me, Workspace) else open_workspace(me)
    owner, webhook = owner_of(settings, me), bool(settings.stripe_webhook_secret)
    cases = use_cases_of(ledger, gateway, served, owner=owner, return_url=return_url, webhook=webhook)
    remember(ledger, owner)
    file = None if in_sandbox else _checked_file(settings, ledger)
    presence = Presence(workspaces, me.team_id, plain)
    client = listening_client(access, presence.gone)
    slack = SlackApp(access, client, me.bot_user_id, threads())
    context = context_of(cases, client, presence, slack.workers, first_admin=settings.billing_admin)
    register(slack.bolt, context)
    timers = Timers(ledger, served, cases.sweep, cases.recharge, cases.news)
    courier = Courier(ledger, timers.heard, context.senders.show, served)
    refresh = SurfaceRefresh(ledger, served, context.senders, context.homes, me.team_id, wallet_id)
    line = _line(slack, client, cases.restored, open_workspace, known=isinstance(me, Identity))
    scheduler = Scheduler(clock, _jobs(settings, cases, context, timers, courier, refresh, watch, file))
    signs = VitalSigns(
        ledger,
        served,
        scheduler,
        watch,
        lambda: courier.problems_seen,
        cases.restored.now,
        lambda: line.problem,
    )
    return Redbar(
        settings=settings,
        ledger=ledger,
        gateway=gateway,
        use_cases=cases,
        people=context.people,
        slack=slack,
        line=line,
        http=_http(settings, cases, slack, signs),
        scheduler=scheduler,
        courier=courier,
        senders=context.senders,
        timers=timers,
        wallet_id=wallet_id,
    )


def _jobs(
    settings: Settings,
    cases: UseCases,
    context: Context,
    timers: Timers,
    courier: Courier,
    refresh: SurfaceRefresh,
    watch: ClockWatch,
    file: IdFile | None,
) -> Sequence[Job]:
    jobs = jobs_of(
        settings.tick,
        timers,
        reconciliation=cases.reconciliation,
        cards=cases.cards,
        courier=courier,
        presence=context.presence,
        listing=context.listing,
        channels=context.channels,
        refresh=refresh,
        clock=watch,
        books=BooksTrouble(cases.ledger, context.presence, context.people, context.slack, refresh.wallet_id),
    )
    return _guarded(jobs, cases.restored, file)


def _clock_watch(
    ledger: Ledger,
    served: Served,
    time_of_slack: Callable[[], datetime | None],
    gateway: StripeGateway,
    *,
    asks_database: bool,
) -> ClockWatch:
    clocks: dict[str, Callable[[], datetime | None]] = {
        "Slack": time_of_slack,
        "Stripe": gateway.time,
    }
    watch = ClockWatch(ledger, served, clocks_outside(ledger, clocks, asks_database=asks_database))
    watch.begin()
    return watch


def _checked_file(settings: Settings, ledger: Ledger) -> IdFile | None:
    path = database_file(settings.database_url)
    if path is None:
        return None
    file = IdFile(ledger, path)
    file.check()
    return file


def _line(
    slack: SlackApp,
    client: ListeningClient,
    watch: RestoredWatch,
    open_workspace: Callable[[Identity], UUID],
    *,
    known: bool,
) -> SlackLine:
    return SlackLine(
        slack,
        partial(identify, client),
        may_connect=watch.may_act,
        met=partial(_met, watch, open_workspace),
        known=known,
    )


def _open(workspaces: Workspaces, settings: Settings, me: Identity) -> UUID:
    return workspaces.open(
        team_id=me.team_id,
        enterprise_id=me.enterprise_id,
        name=me.name,
        bot_user_id=me.bot_user_id,
        currency=settings.currency,
        zone=settings.time_zone,
    )


def _team(me: Identity) -> str:
    return f"{me.team_id} {me.name}"


def owner_of(settings: Settings, me: Identity | Workspace | None = None) -> Owner:
    """Say where a process's settings lead, as far as they and Slack have told."""
    app = re.fullmatch(r"xapp-\d+-([A-Z0-9]+)-.*", settings.slack_app_token)
    return Owner(
        stripe_mode="live" if settings.stripe_live else "test",
        slack_app=app[1] if app is not None else "",
        slack_team=_team(me) if isinstance(me, Identity) else "",
    )


def _met(watch: RestoredWatch, open_workspace: Callable[[Identity], UUID], me: Identity) -> bool:
    """Hear who Slack says we are; says whether the books are theirs."""
    watch.met(slack_team=_team(me))
    if watch.is_on():
        return False
    open_workspace(me)
    return True


def _guarded(jobs: Sequence[Job], watch: RestoredWatch, file: IdFile | None) -> Sequence[Job]:
    """Let jobs rest while the books are restored, if they may reach people or a card; add those that watch for it."""

    def rest(job: Job) -> Job:
        return replace(job, run_once=lambda now: job.run_once(now) if watch.may_act() else None)

    of_file = [Job("file", FILE_EVERY, lambda now: file.renew())] if file is not None else []
    return [
        *(job if job.name in IN_HOUSE else rest(job) for job in jobs),
        *of_file,
        Job("copies", COPIES_EVERY, watch.look_again),
    ]


def slack_access(settings: Settings) -> SlackAccess:
    """Say how a process reaches Slack."""
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


def waiting_http(settings: Settings, ledger: Ledger) -> Litestar:
    """Make the HTTP API of books that don't know their workspace yet: it hears nothing from Slack and Stripe."""
    return build_http(
        Backend(
            ledger=ledger,
            usage=Usage(ledger),
            news=None,
            slack=None,
            stripe_webhook_secret="",
            stripe_live=settings.stripe_live,
            signs=VitalSigns(
                ledger,
                served := Served(""),
                Scheduler(ledger.clock, ()),
                ClockWatch(ledger, served, lambda clock: ()),
                lambda: ["Redbar waits for Slack, to learn which workspace these books are for."],
                lambda: None,
                lambda: None,
            ),
        )
    )


def _http(settings: Settings, cases: UseCases, slack: SlackApp, signs: VitalSigns) -> Litestar:
    return build_http(
        Backend(
            ledger=cases.ledger,
            usage=Usage(cases.ledger),
            news=cases.news,
            slack=None if settings.socket_mode else slack.answer,
            stripe_webhook_secret=settings.stripe_webhook_secret,
            stripe_live=settings.stripe_live,
            signs=signs,
        )
    )
