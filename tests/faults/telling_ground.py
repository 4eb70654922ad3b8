"""A company whose requests to Slack a cell interrupts, and what each of its conversations shows. One at a time."""

import re
import threading
from calendar import day_name, month_name
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from slack_sdk.web import SlackResponse
from sqlalchemy import delete, func, select, update

from bot.app import context_of
from bot.delivering import courier
from bot.delivering.courier import Courier
from bot.delivering.deliveries import Claim
from bot.delivering.open_deliveries import open_deliveries, send_again
from bot.sandbox.slack.seed import BOT_USER, TEAM
from bot.served import Served
from bot.slack.listeners.interaction import Context
from bot.slack.presence import ListeningClient, Presence
from bot.slack.workers import Workers
from bot.states.alert_channel import ChannelPresence
from bot.states.delivery import DeliveryState, Recipient, Subject
from bot.tables import alert_channels, deliveries, named_values
from bot.timers import Timers
from bot.wallets.named_values import LOST
from bot.wallets.workspaces import Workspaces
from ledger.spending import BURN_WEEKS
from ledger.storage.schema import notices
from tests.bot.rights_company import USERS, Company, company
from tests.sandbox.slack_place import BOT_TOKEN

CHANNEL = "C0CALLS01"
ADMINS = (USERS["appointed admin"], USERS["workspace admin"], USERS["owner"])
FINANCE = USERS["finance"]
WRITES = ("chat.postMessage", "chat.update")

Read = Mapping[str, Mapping[str, str]]
"""By conversation and timestamp, the words of Redbar's messages; a reply begins with an arrow."""
Hook = Callable[[str, str], None]
"""Called with the method and the channel of a request."""


class Killed(BaseException):
    """The process dies here."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that writes, when it was sent, and what it was for."""

    at: datetime
    method: str
    channel: str
    recipient: Recipient
    subject: Subject
    notice: str
    seq: int
    ts: str
    """Of the message; empty where no success was answered."""


@dataclass
class Line:
    """The way to Slack: what was sent on it, and what interrupts it."""

    now: Callable[[], datetime]
    before: Hook | None = None
    after: Hook | None = None
    sent: list[Sent] = field(default_factory=list)
    claim: threading.local = field(default_factory=threading.local)

    def request(self, method: str, channel: str, send: Callable[[], SlackResponse]) -> SlackResponse:
        """Send one request."""
        if method not in WRITES:
            return send()
        claim: Claim = self.claim.now
        what = claim.recipient, claim.subject, claim.waiting.name, claim.waiting.seq
        said = self.now(), method, channel, *what
        if self.before is not None:
            self.before(method, channel)
        ts = ""
        try:
            answer = send()
            ts = str(answer["ts"])
        finally:
            self.sent.append(Sent(*said, ts))
        if self.after is not None:
            self.after(method, channel)
        return answer


class InterruptedClient(ListeningClient):
    """Slack's real client, whose requests that write go by a line."""

    def __init__(self, line: Line, **settings: Any) -> None:
        super().__init__(**settings)
        self._line = line

    def api_call(self, api_method: str, **how: Any) -> SlackResponse:
        """Send a request."""
        channel = str((how.get("json") or {}).get("channel", ""))
        return self._line.request(
            api_method, channel, lambda: super(InterruptedClient, self).api_call(api_method, **how)
        )


class Ground:
    """The company, with three billing admins, finance and an alert channel."""

    def __init__(self, one: Company) -> None:
        self.one = one
        self.line = Line(one.ledger.now)
        cases = one.cases
        self.timers = Timers(one.ledger, Served(TEAM), cases.sweep, cases.recharge, cases.news)
        one.place.stand_in.state.file_seconds = 0
        self.appoint(ADMINS, (FINANCE,))
        one.context.channels.choose(one.wallet_id, [CHANNEL], actor=one.person("owner"))
        self.start()

    def start(self) -> Context:
        """Start a process: it knows nothing that is not in the books. Its context is the company's from now on."""
        url = f"{self.one.place.base_url}/slack/api/"
        workspaces = Workspaces(self.one.ledger)
        presence = Presence(workspaces, TEAM, self.one.place.web)
        client = InterruptedClient(
            self.line, gone=presence.gone, token=BOT_TOKEN, base_url=url, retry_handlers=[]
        )
        work = Workers(self.one.work, self.one.work)
        self.one.context = context_of(self.one.cases, client, presence, work, first_admin="")
        return self.one.context

    def courier(self) -> Courier:
        """Give the courier of the process that runs."""
        senders = self.one.context.senders

        def show(claim: Claim) -> None:
            around = getattr(self.line.claim, "now", None)
            self.line.claim.now = claim
            try:
                senders.show(claim)
            finally:
                self.line.claim.now = around

        return Courier(self.one.ledger, self.timers.heard, show, Served(TEAM))

    def carry(self, **later: float) -> None:
        """Let the courier come by until nothing is due, after a while."""
        self.one.place.clock.skip(**later)
        mine = self.courier()
        while mine.run_once(self.one.ledger.now()):
            pass

    def wait(self, span: timedelta, *, step: timedelta = timedelta(seconds=20)) -> None:
        """Let the courier come by now and then, at the end too."""
        over = self.one.ledger.now() + span
        while self.one.ledger.now() < over:
            self.carry(seconds=min(step, over - self.one.ledger.now()).total_seconds())

    def appoint(self, admins: tuple[str, ...], finance: tuple[str, ...]) -> None:
        """Appoint people."""
        self.one.context.people.appoint(
            self.one.wallet_id, billing_admins=admins, finance=finance, actor=self.one.person("owner")
        )

    def reset(self) -> None:
        """Let all troubles end, the wallet have money, and everybody have read everything; no message is left."""
        state = self.one.place.stand_in.state
        self.one.place.stand_in.faults.clear()
        self.line.before = self.line.after = None
        Workspaces(self.one.ledger).revive(TEAM)
        self._forget_troubles()
        self.start()
        self.one.place.clock.skip(weeks=BURN_WEEKS, days=1)  # what the cell before spent foretells nothing
        self.one.ledger.run(lambda tx: tx.book.redraw_lines(self.one.wallet_id), wallet_id=self.one.wallet_id)
        self.one.bring_to(100)
        self.wait(timedelta(minutes=10), step=timedelta(minutes=2))
        assert self.waiting() == [], "somebody is still to be told something"
        self._forget_troubles()
        for channel in self._conversations():
            for message in state.seen_by("", channel):
                state.remove(message)
        self.line.sent.clear()

    def read(self) -> Read:
        """Give what every conversation shows."""
        state = self.one.place.stand_in.state
        return {
            channel: {
                one["ts"]: f"{'↳ ' if one['thread_ts'] else ''}{_plain(one['text'])}"
                for one in state.seen_by("", channel)
                if one["user"] == BOT_USER
            }
            for channel in self._conversations()
        }

    def waiting(self, state: DeliveryState = DeliveryState.WAITING) -> list[str]:
        """Give the recipients of the deliveries in a state."""
        with self.one.ledger.reading() as connection:
            return [one.recipient for one in open_deliveries(connection) if one.state == state]

    def send_again(self) -> None:
        """Let the operator send everything again that was set aside."""
        with self.one.ledger.reading() as connection:
            aside = [one for one in open_deliveries(connection) if one.state == DeliveryState.ASIDE]
        for one in aside:
            send_again(self.one.ledger, [self.one.wallet_id], one.delivery_id)

    def last_seq(self) -> int:
        """Give the number of the newest notice."""
        with self.one.ledger.reading() as connection:
            return int(connection.execute(select(func.max(notices.c.seq))).scalar_one())

    def _conversations(self) -> list[str]:
        return [CHANNEL, *(one["id"] for one in self.one.place.stand_in.state.store.all("dm"))]

    def _forget_troubles(self) -> None:
        """Take back what the books keep of a trouble: who was set aside, is lost, or refused what."""
        names = named_values.c.name

        def save(tx: Any) -> None:
            tx.connection.execute(delete(deliveries).where(deliveries.c.state == DeliveryState.ASIDE))
            tx.connection.execute(
                delete(named_values).where(names.like(f"{LOST}%") | names.like("refused:%"))
            )
            tx.connection.execute(update(alert_channels).values(presence=ChannelPresence.PRESENT))

        self.one.ledger.run(save, wallet_id=self.one.wallet_id)


def conversation(recipient: Recipient) -> str:
    """Give the conversation in which a recipient reads."""
    return recipient.slack_id if recipient.is_channel else f"D{recipient.slack_id[1:]}"


def fresh(before: Read, now: Read, without: set[str] | None = None) -> dict[str, Counter[str]]:
    """Give what is new or changed in each conversation where anything is, without the messages of some timestamps."""
    found = {
        channel: Counter(
            text
            for ts, text in shown.items()
            if before.get(channel, {}).get(ts) != text and ts not in (without or set())
        )
        for channel, shown in now.items()
    }
    return {channel: texts for channel, texts in found.items() if texts}


@contextmanager
def one_by_one() -> Iterator[None]:
    """Let the courier show one delivery after the other, so that an order can be asserted."""
    with patch.object(courier, "SIDE_BY_SIDE", 1):
        yield


@contextmanager
def ground_in(folder: Path) -> Iterator[Ground]:
    """Set up the ground."""
    with company(folder) as one:
        yield Ground(one)


def dies(ground: Ground) -> None:
    """Let the process carry until it dies, and start the next one."""
    with suppress(Killed):
        ground.carry()
        raise AssertionError("the process did not die")
    ground.line.before = ground.line.after = None
    ground.start()


def _plain(text: str) -> str:
    """Leave out what differs from run to run: references, ids, amounts, days, times, and the plural of a number."""
    without_ids = re.sub(r"<!date[^>]*>|\bRB-\w+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "id", text)
    # Whether an absence ended on another day, which is said in other words, is a matter of the hour.
    without_days = re.sub(r"was away .*? to \d[^.]*", "was away", without_ids)
    without_days = re.sub(rf"\b({'|'.join(month_name[1:])})\b", "month", without_days)
    without_days = re.sub(rf"\b({'|'.join(day_name)})\b", "weekday", without_days)
    return re.sub(r"# (\w+?)s?( or \w+?)?s?\b", r"# \1\2", re.sub(r"\d[\d,.:]*", "#", without_days))
