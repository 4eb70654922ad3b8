"""`python -m tests.benchmarks.flood`: every workspace of one process is alarmed at once, and then is fine again.

Real: ledger, courier, deliveries, senders, Slack's client, the clock. The workspaces are rows of one SQLite file, each
with a wallet, a card, two people, a channel and a token. Slack is `many_slacks`, in a process of its own. People are
read from the books alone, so that the directory, which serves one workspace, is never asked.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx
import msgspec
from slack_sdk import WebClient
from sqlalchemy import func, insert, select

from bot.app import open_ledger
from bot.delivering.courier import Courier
from bot.delivering.posted_messages import PostedMessages
from bot.notices import CardExpiring
from bot.rights import Role
from bot.served import Served
from bot.slack.client import SlackClient
from bot.slack.failures import ReadingClient
from bot.slack.people_directory import SlackDirectory
from bot.slack.senders.table import Senders
from bot.states.card_slot import CardSlot
from bot.states.delivery import DeliveryState
from bot.stripe.gateway import StripeGateway
from bot.surfaces.episodes import Episodes
from bot.tables import alert_channels, billing, cards, deliveries, people, workspaces
from bot.use_cases import use_cases_of
from bot.wallets.people import People
from bot.wallets.workspaces import Workspaces
from ledger import MICROS, CreditKind, Ledger, PostMoney, PostUsage, SystemClock, Tx, new_wallet_id
from tests.benchmarks.many_slacks import Asked
from tests.blank_books import lay_books

CARD = "pm_flood"
TICK_SECONDS = 0.25
"""How often the bot's courier comes by."""
PERSON_READS, CHANNEL_READS = 2, 1
"""Messages of the first wave: people read of the alarm and of the card, the channel of the alarm."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What one wave of deliveries took. `asked` is every request, in the order in which Slack saw them."""

    name: str
    seconds: float
    cpu_seconds: float
    """Of this process, on all threads."""
    first_seconds: float
    """Until the first request."""
    asked: Sequence[Asked]
    rss_kb_before: int
    rss_kb_after: int
    threads_before: int
    threads_most: int
    threads_after: int

    @property
    def told(self) -> Sequence[Asked]:
        """What Slack took."""
        return [one for one in self.asked if not one.is_refused]

    @property
    def most_a_second(self) -> int:
        """The most requests of one workspace in one second of Slack's clock."""
        return max(Counter((one.token, one.at_ms // 1_000) for one in self.asked).values())

    def __str__(self) -> str:
        taken = len(self.told)
        return (
            f"| {self.name} | {taken:,} | {self.seconds:.1f} s | {self.cpu_seconds:.1f} s | "
            f"{taken / self.seconds:.0f} | "
            f"{self.first_seconds:.2f} s | {self.most_a_second} | {len(self.asked) - taken} | "
            f"{(self.rss_kb_after - self.rss_kb_before) / 1024:+.1f} MB of {self.rss_kb_before / 1024:.0f} | "
            f"{self.threads_before} / {self.threads_most} / {self.threads_after} |"
        )


HEAD = (
    "| wave | requests taken | took | processor | a second | first after | most a second and workspace "
    "| refused by Slack | RSS | threads before / most / after |\n|---|---|---|---|---|---|---|---|---|---|"
)


class Flood:
    """Many workspaces of one process."""

    def __init__(self, ledger: Ledger, slack: str, wallets: int) -> None:
        self.ledger = ledger
        self._slack = slack
        self._clients: dict[UUID, SlackClient] = {}
        self.wallet_ids = ledger.run(partial(_move_in_all, wallets=wallets), wallet_id=None)
        served = Served(None)
        self._gateway = StripeGateway("sk_test_unasked", "http://127.0.0.1:9")
        cases = use_cases_of(ledger, self._gateway, served, return_url="https://slack.example/")
        unasked = People(ledger, Workspaces(ledger), SlackDirectory(WebClient()))
        episodes = Episodes(ledger, cases.recharge, cases.charges)
        senders = Senders(
            ledger,
            self._client_of,
            unasked,
            cases.payments,
            cases.charges,
            cases.recharge,
            cases.cards,
            episodes,
            PostedMessages(ledger),
        )
        self._courier = Courier(ledger, lambda waiting: None, senders.show, served)
        for wallet_id in self.wallet_ids:
            self._post(wallet_id, PostMoney("test", "first", CreditKind.TOP_UP, 60 * MICROS, None))
        self._drain()
        self._asked()

    def close(self) -> None:
        """Let go of Stripe's client."""
        self._gateway.close()

    def alarm(self) -> Wave:
        """Let every card expire soon, and then every wallet be low: the alarm is the newer notice."""
        for wallet_id in self.wallet_ids:
            self.ledger.run(partial(_warn_of_card, wallet_id=wallet_id), wallet_id=wallet_id)
            self._post(wallet_id, PostUsage("platform", "call", "outbound_call", 30 * MICROS, None))
        return self._wave("alarms and cards")

    def recover(self) -> Wave:
        """Let money come in everywhere."""
        for wallet_id in self.wallet_ids:
            self._post(wallet_id, PostMoney("test", "second", CreditKind.TOP_UP, 100 * MICROS, None))
        return self._wave("all clear")

    def waiting(self) -> int:
        """Count the deliveries that wait."""
        wanted = select(func.count()).where(deliveries.c.state == DeliveryState.WAITING)
        with self.ledger.reading() as connection:
            return int(connection.execute(wanted).scalar_one())

    def _post(self, wallet_id: UUID, command: PostMoney | PostUsage) -> None:
        self.ledger.carry_out(wallet_id, [command])

    def _wave(self, name: str) -> Wave:
        rss, threads = _rss_kb(), threading.active_count()
        began, worked, began_at = time.monotonic(), time.process_time(), self.ledger.now()
        most = self._drain()
        seconds, worked = time.monotonic() - began, time.process_time() - worked
        asked = self._asked()
        first = asked[0].at_ms / 1_000 - began_at.timestamp()
        return Wave(
            name, seconds, worked, first, asked, rss, _rss_kb(), threads, most, threading.active_count()
        )

    def _drain(self) -> int:
        """Let the courier come by until nothing waits; gives the most threads there were."""
        with _counted_threads() as most:
            while self._courier.run_once(self.ledger.now()) or self.waiting():
                time.sleep(TICK_SECONDS)
        return most()

    def _asked(self) -> list[Asked]:
        return msgspec.json.decode(httpx.get(f"{self._slack}/asked", timeout=60).content, type=list[Asked])

    def _client_of(self, wallet_id: UUID) -> SlackClient:
        found = self._clients.get(wallet_id)
        if found is None:
            client = ReadingClient(
                token=f"xoxb-{wallet_id}", base_url=f"{self._slack}/slack/api/", retry_handlers=[]
            )
            found = self._clients.setdefault(wallet_id, SlackClient(client, time.sleep))
        return found


def _move_in_all(tx: Tx, *, wallets: int) -> list[UUID]:
    return [_move_in(tx, number) for number in range(wallets)]


def _move_in(tx: Tx, number: int) -> UUID:
    """Open one workspace with its wallet, a billing admin, somebody of finance, a channel and a card."""
    wallet_id = new_wallet_id()
    tx.book.create_wallet(wallet_id, "USD", "UTC")
    mine = {"wallet_id": wallet_id}

    def put(table: object, **values: object) -> None:
        tx.connection.execute(insert(table).values(**mine, **values))  # type: ignore[arg-type] # a table

    put(billing, customer_id="", refs_given=0)
    put(
        workspaces,
        team_id=f"T{number:06}",
        enterprise_id="",
        name=f"Workspace {number}",
        bot_user_id="UBOT",
        created_at=tx.now,
    )
    for user_id, role in (("UADMIN", Role.BILLING_ADMIN), ("UFINANCE", Role.FINANCE)):
        put(people, user_id=user_id, role=role.value, appointed_by="UOWNER", appointed_at=tx.now)
    put(alert_channels, channel_id="CALERTS", added_by="UADMIN", added_at=tx.now)
    put(
        cards,
        card_id=CARD,
        slot=CardSlot.MAIN,
        brand="Visa",
        last4="4242",
        exp_month=12,
        exp_year=2034,
        fingerprint="",
        connected_by="UADMIN",
        connected_at=tx.now,
    )
    return wallet_id


def _warn_of_card(tx: Tx, *, wallet_id: UUID) -> None:
    tx.outbox.add(wallet_id, CardExpiring(CARD, 14))


def _rss_kb() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@contextmanager
def _counted_threads() -> Iterator[Callable[[], int]]:
    """Look twenty times a second how many threads there are; the one that looks is not counted."""
    over = threading.Event()
    seen = [0]

    def look() -> None:
        while not over.wait(0.05):
            seen.append(threading.active_count() - 1)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield lambda: max(seen)
    finally:
        over.set()
        looking.join()


@contextmanager
def flooded(folder: Path, wallets: int, *, delay_ms: int = 0) -> Iterator[Flood]:
    """Set so many workspaces up, with a Slack that takes so long for each answer."""
    command = [sys.executable, "-m", "tests.benchmarks.many_slacks", str(delay_ms)]
    ledger = open_ledger(f"sqlite:///{lay_books(folder) / 'redbar.db'}", SystemClock())
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as slack:
        assert slack.stdout is not None
        try:
            flood = Flood(ledger, f"http://127.0.0.1:{int(slack.stdout.readline())}", wallets)
            yield flood
            flood.close()
        finally:
            ledger.close()
            slack.communicate()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flood", description=__doc__)
    parser.add_argument("--wallets", type=int, default=2_000, help="default 2,000")
    parser.add_argument("--delay-ms", type=int, default=0, help="how long Slack takes to answer (default 0)")
    wish = parser.parse_args()
    with (
        TemporaryDirectory(prefix="redbar-flood-") as folder,
        flooded(Path(folder), wish.wallets, delay_ms=wish.delay_ms) as flood,
    ):
        waves = [flood.alarm(), flood.recover()]
    sys.stdout.write("\n".join([HEAD, *map(str, waves)]) + "\n")


if __name__ == "__main__":
    main()
