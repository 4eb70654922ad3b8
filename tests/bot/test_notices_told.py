"""Every class of notice is told to whom it concerns, by its own sender, and is done afterwards."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple, get_args
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from bot import notices as told
from bot.causes import Legacy
from bot.delivering.courier import Courier
from bot.notices import AnyNotice
from bot.payment_rows import Payment
from bot.ports import NotNow
from bot.rights import Role
from bot.sandbox.slack.seed import TEAM
from bot.served import Served
from bot.slack.views.blocks import Message
from bot.states.alert_channel import ChannelPresence
from bot.states.dispute import DisputeStatus
from bot.states.payment import State
from bot.tables import disputes, payments
from ledger import (
    MICROS,
    Automatic,
    CapWindow,
    Correct,
    CreditKind,
    PostMoney,
    PostUsage,
    RechargeWanted,
    StartedAfterStop,
    Tx,
    UsageCorrected,
    WalletCredited,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
    new_id,
)
from ledger.storage.schema import notices
from tests.bot.rights_company import FIFTY, RULE, USERS, Company, company
from tests.bot.spending import short_runway, spike
from tests.persons import owner

U1 = owner(USERS["owner"])
ADMIN, FINANCE, PAYER = "appointed admin", "finance", "payer"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company, whose wallet has money and whose people have read everything."""
    with company(tmp_path_factory.mktemp("company")) as one:
        yield one


class Told(NamedTuple):
    """How a notice comes about, who reads of it, and in which words."""

    happens: Callable[[Company], object]
    reader: str
    words: str


# --- What happens ------------------------------------------------------------------------------------------


def _balances(one: Company, *dollars: int) -> None:
    """Bring the balance to one amount after the other, each told before the next."""
    for amount in dollars:
        one.bring_to(amount)
        one.carry()


def _stop(one: Company) -> UUID:
    """Let the wallet run empty; gives the episode that it began."""
    one.bring_to(-1)
    one.carry()
    episode = one.context.episodes.open_episode(one.wallet_id)
    assert episode is not None
    return episode.episode_id


def _pause(one: Company) -> None:
    one.bring_to(-1)
    one.place.clock.skip(minutes=16)
    one.ledger.run(lambda tx: tx.book.observe(one.wallet_id), wallet_id=one.wallet_id)


def _start_after_stop(one: Company) -> None:
    _pause(one)
    usage = PostUsage("platform", str(new_id()), "outbound_call", MICROS, one.ledger.now())
    one.ledger.carry_out(one.wallet_id, [usage])


def _correct(one: Company) -> None:
    name = str(new_id())
    one.ledger.carry_out(
        one.wallet_id,
        [
            PostUsage("platform", name, "outbound_call", 3 * MICROS, None),
            Correct("operator", f"correct:{name}", name, MICROS, None, "billed twice"),
        ],
    )


def _credit(one: Company) -> None:
    credit = PostMoney(
        "operator", str(new_id()), CreditKind.PROMO, 5 * MICROS, None, description="for the outage"
    )
    one.ledger.carry_out(one.wallet_id, [credit])


def _ask(one: Company) -> Payment:
    return one.cases.payments.ask(
        one.wallet_id, FIFTY, asked_by=U1, payer=USERS[PAYER], note="for the weekend"
    )


def _withdraw(one: Company) -> None:
    payment = _ask(one)
    one.carry()
    one.cases.payments.withdraw(one.wallet_id, payment.payment_id, by=U1)


def _change(one: Company, payment: Payment, **columns: Any) -> Payment:
    """Change columns of a payment's row."""
    mine = update(payments).where(payments.c.payment_id == payment.payment_id).values(**columns)
    one.ledger.run(lambda tx: tx.connection.execute(mine), wallet_id=one.wallet_id)
    found = one.cases.payments.look(one.wallet_id, payment.payment_id)
    assert found is not None
    return found


def _recharge(one: Company, state: State, **ends: Any) -> Payment:
    """Insert an automatic payment that has come to a state."""
    if state is State.FAILED:
        ends["decline_code"] = "insufficient_funds"
    return _change(
        one,
        _ask(one),
        purpose="recharge",
        way="saved_card",
        state=state.value,
        payer="",
        asked_by="",
        card_id=one.card_of("connector"),
        paid_with="Visa ••4242",
        **ends,
    )


def _commit(one: Company, *facts: AnyNotice) -> None:
    one.ledger.run(lambda tx: tx.outbox.add(one.wallet_id, *facts), wallet_id=one.wallet_id)


def _about(made_of: Callable[[Payment], AnyNotice], state: State) -> Callable[[Company], None]:
    """Commit a notice about an automatic payment."""
    return lambda one: _commit(one, made_of(_recharge(one, state)))


def _remind(one: Company) -> None:
    """Let six hours pass after people were told that the bank wants a confirmation."""
    asked = _recharge(one, State.WAITING, expires_at=one.ledger.now() + timedelta(hours=24))
    _commit(one, told.RechargeFailed(asked.payment_id))
    one.carry()
    one.place.clock.skip(hours=6)
    _commit(one, told.ConfirmationDue(asked.payment_id, 6))


def _dispute(one: Company) -> None:
    payment = _recharge(one, State.PAID)
    row = {
        "wallet_id": one.wallet_id,
        "dispute_id": f"dp_{payment.ref}",
        "payment_id": payment.payment_id,
        "status": DisputeStatus.NEEDS_RESPONSE,
        "reason": "fraudulent",
        "amount_micros": FIFTY.micros,
        "currency": "USD",
        "opened_at": one.ledger.now(),
        "changed_at": one.ledger.now(),
    }
    one.ledger.run(lambda tx: tx.connection.execute(insert(disputes).values(**row)), wallet_id=one.wallet_id)
    _commit(
        one,
        told.DisputeChanged(
            payment.payment_id, f"dp_{payment.ref}", DisputeStatus.NEEDS_RESPONSE, True, -FIFTY.micros
        ),
    )


def _rule(one: Company) -> None:
    def save(tx: Tx) -> None:
        policy, _ = tx.book.policy(one.wallet_id)
        tx.book.set_policy(
            one.wallet_id,
            replace(policy, automatic=Automatic.ON, rule=RULE),
            actor="x",
            expected_version=None,
        )

    one.card_of("connector")
    before = _version(one)
    one.ledger.run(save, wallet_id=one.wallet_id)
    _commit(one, told.RuleChanged(USERS["owner"], before, _version(one)))
    one.ledger.run(lambda tx: _off(tx, one), wallet_id=one.wallet_id)


def _off(tx: Tx, one: Company) -> None:
    policy, _ = tx.book.policy(one.wallet_id)
    off = replace(policy, automatic=Automatic.OFF, rule=None)
    tx.book.set_policy(one.wallet_id, off, actor="x", expected_version=None)


def _version(one: Company) -> int:
    with one.ledger.reading() as connection:
        return one.ledger.look(connection, one.wallet_id)[0].policy_version


def _settings(one: Company) -> None:
    before = _version(one)

    def save(tx: Tx) -> None:
        policy, _ = tx.book.policy(one.wallet_id)
        more = replace(policy, people_day_max_micros=policy.people_day_max_micros + MICROS)
        tx.book.set_policy(one.wallet_id, more, actor="operator", expected_version=None)

    one.ledger.run(save, wallet_id=one.wallet_id)
    _commit(one, told.SettingsChanged("operator", before, _version(one)))


TOLD: Mapping[type[AnyNotice], Told | None] = {
    WalletLow: Told(lambda one: one.bring_to(5), ADMIN, "The wallet is very low: $5.00"),
    WalletEmptied: Told(lambda one: one.bring_to(-1), ADMIN, "Outbound calls and AI tasks have stopped"),
    WalletPaused: Told(_pause, ADMIN, "All calls and AI tasks have stopped"),
    WalletResumed: Told(lambda one: _balances(one, -1, 300), ADMIN, "Everything runs again"),
    WalletRecovered: Told(lambda one: _balances(one, 5, 300), ADMIN, "The wallet is fine again: $300.00"),
    WalletCredited: Told(_credit, FINANCE, "$5.00 was credited"),
    RechargeWanted: None,  # The courier's reaction considers a charge, and that charge is told.
    StartedAfterStop: Told(_start_after_stop, ADMIN, "1 outbound call began after the stop"),
    UsageCorrected: Told(_correct, FINANCE, "$2.00 was given back: Outbound call"),
    told.RequestSent: Told(_ask, PAYER, "Please pay $50.00"),
    told.PaymentChanged: Told(_withdraw, PAYER, "This request was withdrawn"),
    told.CardConnected: Told(
        lambda one: _commit(one, told.CardConnected(one.card_of("connector"), _ask(one).payment_id)),
        "owner",
        "Visa ••4242 is connected",
    ),
    told.RechargeMade: Told(
        _about(lambda one: told.RechargeMade(one.payment_id), State.PAID),
        ADMIN,
        "Automatic payment of $50.00 with Visa ••4242",
    ),
    told.RechargeFailed: Told(
        _about(lambda one: told.RechargeFailed(one.payment_id), State.FAILED),
        FINANCE,
        "The automatic payment of $50.00 failed",
    ),
    told.RechargeChanged: Told(
        _about(lambda one: told.RechargeChanged(one.payment_id), State.WAITING),
        FINANCE,
        "The bank wants you to confirm a payment of $50.00",
    ),
    told.OutcomeKnown: Told(
        _about(lambda one: told.OutcomeKnown(one.payment_id, USERS["owner"], one.created_at), State.PAID),
        "owner",
        "$50.00 was charged after all, once, and is in the wallet",
    ),
    told.CapReached: Told(
        lambda one: _commit(one, told.CapReached("month_cap")), FINANCE, "This month's limit"
    ),
    told.CapNear: Told(
        lambda one: _commit(one, told.CapNear(CapWindow.DAY)),
        FINANCE,
        "One automatic payment is left today. After it the wallet is not refilled until midnight.",
    ),
    told.SpikeSeen: Told(spike, FINANCE, "times a usual"),
    told.RunwayShort: Told(short_runway, FINANCE, "Sent in the morning while less than 72 hours are left"),
    told.RuleChanged: Told(_rule, FINANCE, "turned automatic payments on"),
    told.SettingsChanged: Told(_settings, FINANCE, "$1,000.00 → $1,001.00"),
    told.PaidTwice: Told(
        lambda one: _commit(one, told.PaidTwice(_ask(one).payment_id)), FINANCE, "was paid twice"
    ),
    told.RefundBooked: Told(
        _about(lambda one: told.RefundBooked(one.payment_id, "re_1", MICROS, False), State.PAID),
        FINANCE,
        "$1.00 was refunded to Visa ••4242",
    ),
    told.DisputeChanged: Told(_dispute, FINANCE, "bank disputes the payment of $50.00"),
    told.BooksDiffer: Told(
        lambda one: _commit(one, told.BooksDiffer(2, "credit:pi_1", Legacy("they differ"), False)),
        ADMIN,
        "They differ",
    ),
    told.MoneyParked: Told(
        lambda one: _commit(one, told.MoneyParked("pi_parked", Legacy("in euros"))), ADMIN, "pi_parked"
    ),
    told.ManuallyCredited: Told(
        lambda one: _commit(one, told.ManuallyCredited(_ask(one).payment_id)),
        FINANCE,
        "put into the wallet by whoever runs Redbar",
    ),
    told.CardGone: Told(
        lambda one: _commit(one, told.CardGone(one.card_of("connector"), "", False)),
        FINANCE,
        "Visa ••4242 was removed",
    ),
    told.CardExpiring: Told(
        lambda one: _commit(one, told.CardExpiring(one.card_of("connector"), 7)),
        FINANCE,
        "Visa ••4242 expires in 7 days",
    ),
    told.ConfirmationDue: Told(
        _remind,
        FINANCE,
        "The bank has waited 6 hours",
    ),
    told.ChargesSwitched: Told(
        lambda one: _commit(one, told.ChargesSwitched(True)), FINANCE, "has stopped all automatic charges"
    ),
    told.KeyRefused: Told(
        lambda one: _commit(one, told.KeyRefused()), FINANCE, "Stripe doesn't accept Redbar's key"
    ),
    told.KeyAccepted: Told(
        lambda one: _commit(one, told.KeyAccepted()), FINANCE, "Stripe accepts Redbar's key again"
    ),
    told.StillStopped: Told(
        lambda one: _commit(one, told.StillStopped(_stop(one), 1)), FINANCE, "Still stopped, since"
    ),
    told.RecipientLost: Told(
        lambda one: _commit(one, told.RecipientLost(f"person:{USERS['finance']}", "left_workspace")),
        ADMIN,
        "has left this workspace, so they no longer read about the calling wallet",
    ),
    told.ChannelBack: None,
    told.CameBack: Told(
        lambda one: _commit(one, told.CameBack(one.ledger.now(), one.ledger.now())), ADMIN, "was away on"
    ),
    told.AccessAsked: Told(
        lambda one: _commit(one, told.AccessAsked("U0MEMBER1")), ADMIN, "<@U0MEMBER1> asks for access"
    ),
    told.RoleChanged: Told(
        lambda one: _commit(one, told.RoleChanged("U1", "U2", None, Role.FINANCE)),
        FINANCE,
        "no role → finance",
    ),
    told.ChannelsChanged: Told(
        lambda one: _commit(one, told.ChannelsChanged("U1", ("C1",), ("C2",))), FINANCE, "added <#C1>"
    ),
    told.ChannelAway: Told(
        lambda one: _commit(one, told.ChannelAway("C1", ChannelPresence.NOT_IN_CHANNEL)), ADMIN, "I'm not in"
    ),
    told.CardsArranged: Told(
        lambda one: _commit(one, told.CardsArranged("U1", "", one.card_of("payer"), "", "")),
        FINANCE,
        "main card none → Visa ••4242",
    ),
}
"""Every class of notice; None for what nobody reads."""


# --- What is read ------------------------------------------------------------------------------------------


def _states(one: Company, name: str) -> list[str]:
    with one.ledger.reading() as connection:
        rows = connection.execute(
            select(notices.c.state).where(notices.c.wallet_id == one.wallet_id, notices.c.name == name)
        )
        return [str(state) for state in rows.scalars()]


def test_the_list_has_every_class_of_notice() -> None:
    """A class that is added is added here, with who reads of it."""
    assert set(TOLD) == set(get_args(AnyNotice))


@pytest.mark.parametrize(
    "kind", [kind for kind, one in TOLD.items() if one is not None], ids=lambda kind: kind.name
)
def test_every_class_of_notice_is_told_to_whom_it_concerns(made: Company, kind: type[AnyNotice]) -> None:
    """By words that nothing else had said, and the notice is done."""
    one = TOLD[kind]
    assert one is not None
    made.bring_to(100)
    made.carry()
    before, committed = made.read(one.reader), _states(made, kind.name)

    one.happens(made)
    made.carry()

    states = _states(made, kind.name)
    assert len(states) > len(committed), f"no {kind.name} was committed"
    assert set(states) == {"done"}
    fresh = [text for text in made.read(one.reader) if text not in before]
    assert any(one.words in text for text in fresh), f"{one.reader} reads: {fresh}"


SILENT: Mapping[str, Callable[[Company], object]] = {
    "a charge that is wanted": lambda one: _commit(one, RechargeWanted()),
    "a dispute that is looked into": lambda one: _commit(
        one,
        told.DisputeChanged(
            _recharge(one, State.PAID).payment_id, "dp_1", DisputeStatus.UNDER_REVIEW, False, 0
        ),
    ),
    "money from a card, which its payment tells": lambda one: _commit(
        one, WalletCredited(CreditKind.TOP_UP, MICROS, MICROS, "stripe", "credit:pi_1", 1)
    ),
    "a card that was removed meanwhile": lambda one: _commit(
        one, told.CardConnected("pm_gone", _recharge(one, State.PAID).payment_id)
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_nobody_has_to_do_anything_about_is_not_told(made: Company, name: str) -> None:
    """The notice is done all the same."""
    made.bring_to(100)
    made.carry()
    SILENT[name](made)
    readers = (ADMIN, FINANCE, "owner")
    _carry_requests(made)
    before = {column: made.read(column) for column in readers}
    made.carry()
    assert {column: made.read(column) for column in readers} == before
    with made.ledger.reading() as connection:
        wanted = select(notices.c.state).where(notices.c.wallet_id == made.wallet_id)
        assert set(connection.execute(wanted).scalars()) == {"done"}


def _carry_requests(one: Company) -> None:
    """Have the requests told that the payments were made of; nothing else."""
    courier = Courier(
        one.ledger,
        lambda waiting: None,
        lambda to: one.context.senders.show(to) if to.waiting.name == told.RequestSent.name else _later(),
        Served(TEAM),
    )
    courier.run_once(one.ledger.now())
    one.place.clock.skip(minutes=1)


def _later() -> None:
    raise NotNow("later")


def test_a_message_that_cannot_be_refreshed_stops_no_other(
    made: Company, caplog: pytest.LogCaptureFixture
) -> None:
    """The next round tries it again."""
    made.bring_to(100)
    made.carry()
    made.bring_to(5)
    made.carry()
    episode = made.context.episodes.open_episode(made.wallet_id)
    assert episode is not None
    posted = made.context.episodes.posted(made.wallet_id, episode.episode_id)
    assert len(posted) > 1
    made.bring_to(4)
    real = made.context.slack.update_message
    updated = []

    def update(ref: Any, message: Message) -> Any:
        updated.append(ref)
        if len(updated) == 1:
            raise NotNow("ratelimited")
        return real(ref, message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.context.slack, "update_message", update)
        made.context.senders.episodes.refresh(made.wallet_id, episode.episode_id)
        made.carry()
    assert len(updated) == len(posted)
    assert "waits for person" in caplog.text
    made.place.clock.skip(minutes=1)
    made.carry()
    stale = {one.shown for one in posted}
    now = made.context.episodes.posted(made.wallet_id, episode.episode_id)
    assert not {one.shown for one in now} & stale
    made.bring_to(100)
    made.carry()
