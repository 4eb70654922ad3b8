"""Everybody who may meet a wallet, what each was promised, and a company in which they try it."""

import json
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from slack_bolt import App, BoltRequest
from slack_sdk import WebClient
from sqlalchemy import delete, insert

from bot import payment_rows
from bot.app import context_of
from bot.delivering.courier import Courier
from bot.rights import Action, Actor, Person, Role, Tie
from bot.sandbox.slack import seed
from bot.sandbox.slack.seed import BOT_USER, PARTNER_TEAM, TEAM
from bot.served import Served
from bot.slack.connection import bolt_app
from bot.slack.ids import Act
from bot.slack.listeners.interaction import Context
from bot.slack.presence import ListeningClient, Presence
from bot.slack.workers import Workers
from bot.states.card_slot import CardSlot
from bot.states.payment import Purpose, Way
from bot.tables import cards, people
from bot.use_cases import UseCases, use_cases_of
from bot.wallets.workspaces import Workspaces
from ledger import MICROS, USD, CreditKind, Ledger, Money, PostMoney, PostUsage, RechargeRule, Tx, new_id
from tests.faults.driver import driver_in
from tests.sandbox.slack_place import BOT_TOKEN, Place, SettableClock, lent_stage
from tests.sandbox.stripe_place import Shop

FIFTY = Money(50 * MICROS, USD)
RULE = RechargeRule(threshold_micros=50 * MICROS, target_micros=200 * MICROS)
ADMINS = frozenset({"owner", "workspace admin", "appointed admin"})
WITH_ROLE = ADMINS | {"finance"}
OPERATOR = frozenset({"operator"})
USERS: Mapping[str, str] = {
    "owner": "U0OWNER01",
    "workspace admin": "U0ADMIN01",
    "appointed admin": "U0APPOINT",
    "finance": "U0FINANCE",
    "asker": "U0ASKER01",
    "payer": "U0PAYER01",
    "connector": "U0CONNECT",
    "member": "U0MEMBER1",
    "guest": "U0GUEST01",  # was asker, payer and connector before
    "Slack Connect": "U0EXTERN1",
    "bot": BOT_USER,
    "deactivated": "U0LEFT001",  # was asker, payer and connector, and an appointed admin
    "other workspace": "U0ELSE001",
    "operator": "",
}
"""Everybody, by what they are; the operator has no name in Slack."""
IN_SLACK = [one for one in USERS if one != "operator"]
EVERYBODY = frozenset(IN_SLACK)
TIES: Mapping[str, Collection[Tie]] = {
    "asker": [Tie.ASKER],
    "payer": [Tie.PAYER],
    "connector": [Tie.CONNECTOR],
    "guest": [*Tie],
    "deactivated": [*Tie],
}
PROMISED: Mapping[Action, frozenset[str]] = {
    Action.SEE: WITH_ROLE,
    Action.EXPORT: WITH_ROLE | OPERATOR,
    Action.PAY: WITH_ROLE,
    Action.ASK: WITH_ROLE,
    Action.CHARGE: ADMINS,
    Action.CONNECT_CARD: ADMINS,
    Action.RENEW_REQUEST: ADMINS | {"asker", "payer"},
    Action.COPY_LINK: WITH_ROLE | {"asker"},
    Action.WITHDRAW: ADMINS | {"asker"},
    Action.OPEN_HOME: EVERYBODY,
    Action.FOLLOW_LINK: EVERYBODY,
    Action.SEE_OWN_CARD: ADMINS | {"connector"},
    Action.REMOVE_CARD: ADMINS | {"connector"},
    Action.CHANGE_RULE: ADMINS,
    Action.STOP_RULE: WITH_ROLE | {"connector"},
    Action.ACKNOWLEDGE: WITH_ROLE,
    Action.APPOINT: ADMINS,
    Action.SET_ALERTS: ADMINS,
    Action.FIX: WITH_ROLE,
    Action.ASK_FOR_ACCESS: frozenset({"asker", "payer", "connector", "member"}),
    Action.MAKE_KEY: OPERATOR,
    Action.SWITCH_CHARGES: OPERATOR,
    Action.SEND_AGAIN: OPERATOR,
    Action.ACCEPT_CLOCK: OPERATOR,
    Action.RECONCILE: OPERATOR,
    Action.RESUME: OPERATOR,
    Action.CREDIT: OPERATOR,
    Action.CORRECT: OPERATOR,
    Action.SETTLE: OPERATOR,
    Action.CHANGE_SETTINGS: OPERATOR,
}
"""Who may do what, as people were promised it: written down apart from the table."""


class Later(Executor):
    """Keeps work until Slack has read its acknowledgement: then the test runs it, in its own thread."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], Any]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Keep it."""
        self._waiting.append(partial(fn, *args, **kwargs))
        return Future()

    def run(self) -> None:
        """Run all of it, and what it starts."""
        while self._waiting:
            self._waiting.popleft()()


@dataclass
class Company:
    """A wallet, its people in a served Slack, and everything that can be done to it."""

    place: Place
    ledger: Ledger
    cases: UseCases
    context: Context
    wallet_id: UUID
    shop: Shop
    """Stripe."""
    work: Later
    """What was started and not done yet, quick and slow."""
    client: ListeningClient
    """Slack's, as the product uses it."""
    ran: list[str] = field(default_factory=list)
    """Which listeners' work was reached."""

    def bolt(self) -> App:
        """Make the real Bolt application."""
        return bolt_app("", BOT_USER)

    def dispatch(self, app: App, body: dict[str, Any]) -> dict[str, Any]:
        """Send the bot a request and do the work that follows; gives what the request was acknowledged with."""
        found = self.acknowledge(app, body)
        self.work.run()
        return found

    def acknowledge(self, app: App, body: dict[str, Any], *, shows: bool = True) -> dict[str, Any]:
        """Send the bot a request; gives what it was acknowledged with, which Slack shows now or later."""
        answer = app.dispatch(BoltRequest(body=body, mode="socket_mode"))
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.body) if answer.body else {}
        if found and shows:
            self.place.acknowledged(body["user"]["id"], body["view"], found)
        return found

    def person(self, column: str) -> Person:
        """Give somebody as they are looked up at a press."""
        if column == "operator":
            return Person("", Role.OPERATOR)
        found = self.context.people.standpoint(actor(column), fresh=True)
        return found.person if found is not None else Person(USERS[column], Role.OUTSIDER)

    def request_of(self, column: str, *, pays: bool = False) -> UUID:
        """Ask for a card, or for money; somebody is asker and payer of it where they are that."""
        ties = TIES.get(column, ())

        def save(tx: Tx) -> UUID:
            made = payment_rows.plan(
                tx,
                self.wallet_id,
                purpose=Purpose.ASK if pays else Purpose.CONNECT,
                way=Way.LINK if pays else Way.PAGE,
                currency=USD,
                amount=FIFTY if pays else None,
                asked_by=USERS[column] if Tie.ASKER in ties else "U0OTHER01",
                payer=USERS[column] if Tie.PAYER in ties else "U0OTHER02",
                expires_at=tx.now,
            )
            return made.payment_id

        return self.ledger.run(save, wallet_id=self.wallet_id)

    def card_of(self, column: str) -> str:
        """Let the wallet's one card be one that somebody connected, where they did."""
        user_id = USERS[column] if Tie.CONNECTOR in TIES.get(column, ()) else "U0OTHER01"
        card_id = f"pm_{new_id()}"

        def save(tx: Tx) -> None:
            tx.connection.execute(delete(cards).where(cards.c.wallet_id == self.wallet_id))
            tx.connection.execute(
                insert(cards).values(
                    wallet_id=self.wallet_id,
                    card_id=card_id,
                    slot=CardSlot.MAIN,
                    brand="Visa",
                    last4="4242",
                    exp_month=12,
                    exp_year=2034,
                    fingerprint="",
                    connected_by=user_id,
                    connected_at=tx.now,
                )
            )

        self.ledger.run(save, wallet_id=self.wallet_id)
        return card_id

    def carry(self) -> None:
        """Let the courier come by until nothing is due."""
        self.place.clock.skip(seconds=30)  # Slack takes one message a second for each reader
        courier = Courier(self.ledger, lambda waiting: None, self.context.senders.show, Served(TEAM))
        while courier.run_once(self.ledger.now()):
            pass

    def read(self, column: str) -> list[str]:
        """Give the texts of what somebody was sent."""
        return [str(message["text"]) for message in self.place.messages(USERS[column])]

    def bring_to(self, dollars: int) -> None:
        """Bring the balance to an amount, by a top-up or by a call."""
        with self.ledger.reading() as connection:
            gap = dollars * MICROS - self.ledger.look(connection, self.wallet_id)[0].balance_micros
        name = str(new_id())
        if gap > 0:
            self.ledger.carry_out(self.wallet_id, [PostMoney("test", name, CreditKind.TOP_UP, gap, None)])
        elif gap < 0:
            self.ledger.carry_out(self.wallet_id, [PostUsage("platform", name, "outbound_call", -gap, None)])

    def target(self, act: Act, column: str) -> str:
        """Give what a button points at."""
        match act:
            case Act.WITHDRAW | Act.COPY_LINK:
                return str(self.request_of(column, pays=True))
            case Act.NEW_LINK:
                return str(self.request_of(column))
            case Act.REMOVE_CARD | Act.AUTOMATIC_OFF | Act.CHARGE_FROM_NOW:
                return self.card_of(column)
            case _:
                return ""


@contextmanager
def company(folder: Path, *, slack_asks: str | None = None) -> Iterator[Company]:
    """Set up the company. Slack delivers by the bot's socket, or to the address where it asks the bot over HTTP."""
    with ExitStack() as stack:
        clock = SettableClock()
        driver = stack.enter_context(driver_in(folder, clock=clock))
        (folder / "slack").mkdir()
        place = Place(stack.enter_context(lent_stage()), clock, folder / "slack", request_url=slack_asks)
        stack.callback(place.close)
        roster = place.stand_in.state.roster
        for column, user_id in USERS.items():
            if user_id and user_id != BOT_USER and roster.person(user_id) is None:
                left = column == "deactivated"
                roster.put(seed.Person(user_id, column, "A B", "member", "#000000", left=left))
        workspaces = Workspaces(driver.ledger)
        wallet_id = _move_in(driver.ledger, driver.wallet_id)
        cases = use_cases_of(driver.ledger, driver.gateway, Served(TEAM), return_url="https://slack.example/")
        url = f"{place.base_url}/slack/api/"
        presence = Presence(workspaces, TEAM, WebClient(BOT_TOKEN, base_url=url))
        client = ListeningClient(gone=presence.gone, token=BOT_TOKEN, base_url=url, retry_handlers=[])
        work = Later()
        context = context_of(cases, client, presence, Workers(work, work), first_admin="")
        context.listing.run_once(clock.now())
        yield Company(place, driver.ledger, cases, context, wallet_id, driver.shop, work, client)


def _move_in(ledger: Ledger, wallet_id: UUID) -> UUID:
    """Let the wallet be this workspace's, and appoint people."""
    from bot.tables import workspaces  # noqa: PLC0415 - the name is the use case's above

    appointed = {
        "appointed admin": Role.BILLING_ADMIN,
        "deactivated": Role.BILLING_ADMIN,
        "finance": Role.FINANCE,
    }

    def save(tx: Tx) -> None:
        tx.connection.execute(workspaces.update().values(team_id=TEAM))
        for column, role in appointed.items():
            tx.connection.execute(
                insert(people).values(
                    wallet_id=wallet_id,
                    user_id=USERS[column],
                    role=role.value,
                    appointed_by="U0OWNER01",
                    appointed_at=tx.now,
                )
            )

    ledger.run(save, wallet_id=wallet_id)
    return wallet_id


def actor(column: str) -> Actor:
    """Give who acts, as a request names them."""
    team = "T0ELSE001" if column == "other workspace" else TEAM
    own = PARTNER_TEAM if column == "Slack Connect" else team
    return Actor(team, USERS[column], own)
