"""`redbar resume`: ends restored mode once Stripe and the books agree, and says first what that will do."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy import Connection

from bot.control import Answer, Arguments, Step
from bot.delivering.open_deliveries import open_deliveries
from bot.operator.restored import MOVED, remedy, sign
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.reconciliation.difference import Digest
from bot.states.delivery import DeliveryState
from bot.use_cases import UseCases
from bot.wallets.books_owner import move
from bot.wallets.restored_mode import Restored, RestoredCause, leave
from ledger import Automatic, Currency, Money, Refused, Tx

NAME = "resume"
_GOES_ON = "A bot that runs goes on within a second; otherwise: redbar run."


class NotResumed(Refused):
    """Restored mode goes on; the message says why."""


def resume(database_url: str, environ: Mapping[str, str], *, moved: bool, say: Say) -> int:
    """End restored mode; gives the exit code."""
    answer = ask_or_do(database_url, environ, NAME, go_on, {"moved": moved}, say)
    say(str(answer.get("error") or answer["words"]))
    return 1 if "error" in answer else 0


def go_on(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Compare with Stripe, say what will follow, and end restored mode. Refuses: NotResumed."""
    moved = bool(arguments.get("moved"))
    with context.use_cases() as cases:
        cases.restored.learn_account()
        cases.restored.forget()
        found = cases.restored.now()
        if found is None:
            return {"words": "These books are not in restored mode. Nothing was changed."}
        if not moved and found.cause in {*MOVED, RestoredCause.FILE}:
            raise NotResumed(f"{sign(found)} Restored mode goes on. {remedy(found)}")
        step("Stripe and the books are compared …")
        agree(cases.reconciliation.run(context.ledger.now()))
        for line in what_follows(context, cases):
            step(line)
        end(context, cases, found)
    again = "Stop a bot that runs, then: redbar run." if found.cause is RestoredCause.SLACK_TEAM else _GOES_ON
    return {"words": f"Restored mode is over. {again}"}


def agree(digest: Digest) -> None:
    """Let nothing go on while the two sides differ. Refuses: NotResumed."""
    if digest.differences or digest.parked:
        raise NotResumed(
            f"Restored mode goes on, for Stripe and the books differ: {digest.headline}. `redbar reconcile` lists each "
            "difference and `redbar settle` decides it; then resume again."
        )


def what_follows(context: Context, cases: UseCases) -> Iterator[str]:
    """Say what will happen once restored mode is over."""
    with context.ledger.reading() as connection:
        for wallet_id in context.wallet_ids:
            yield from _of_wallet(context, cases, connection, wallet_id)


def _of_wallet(context: Context, cases: UseCases, connection: Connection, wallet_id: UUID) -> Iterator[str]:
    view, policy = context.ledger.look(connection, wallet_id)
    balance = Money(view.balance_micros, Currency.of(view.currency))
    yield f"Wallet {wallet_id}: the balance is {balance}, its standing {view.standing.value}."
    if policy.automatic is Automatic.ON and policy.rule is not None:
        outlook = cases.recharge.outlook(connection, view, policy, context.ledger.now())
        if outlook.decision.amount_micros is not None:
            amount = Money(outlook.decision.amount_micros, Currency.of(view.currency))
            yield f"Automatic payments are on: {amount} is charged to the saved card at once."
        else:
            yield "Automatic payments are on: nothing is charged at once."
    else:
        yield "Automatic payments are not on: nothing is charged."
    waiting = [one for one in open_deliveries(connection, wallet_id) if one.state == DeliveryState.WAITING]
    if waiting:
        what = "One message waits" if len(waiting) == 1 else f"{len(waiting)} messages wait"
        yield f"{what}; people are told how things stand now."
    else:
        yield "No message waits; what people were shown is brought up to date."


def end(context: Context, cases: UseCases, found: Restored) -> None:
    """End restored mode: the books belong to what the settings lead to, and to the file that they are in."""

    def save(tx: Tx) -> None:
        leave(tx)
        if found.cause in MOVED:
            move(tx, cases.restored.owner)

    context.ledger.run(save, wallet_id=None)
    if context.file is not None:
        context.file.name()
    cases.restored.forget()
