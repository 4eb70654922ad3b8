"""The use cases, tied together: the same objects in a running bot, in a command beside it, and in tests."""

from dataclasses import dataclass

from bot.payments.cards import Cards
from bot.payments.disputes import Disputes
from bot.payments.inbox import News
from bot.payments.recharge import Recharge
from bot.payments.refunds import Refunds
from bot.payments.requests import Payments
from bot.payments.restored_watch import RestoredWatch
from bot.payments.sending import RequestSender
from bot.payments.sweep import Sweep
from bot.payments.sync import Sync
from bot.payments.top_ups import Charges
from bot.ports import PaymentGateway
from bot.reconciliation.manual_credit import ManualCredit
from bot.reconciliation.run import Reconciliation
from bot.served import Served
from bot.wallets.books_owner import Owner
from bot.wallets.workspaces import Workspaces
from ledger import Ledger


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
    restored: RestoredWatch


def use_cases_of(
    ledger: Ledger,
    gateway: PaymentGateway,
    served: Served,
    *,
    owner: Owner | None = None,
    return_url: str = "",
    webhook: bool = False,
) -> UseCases:
    """Tie the use cases together: the same objects for a running bot, a command beside it, and tests.

    `return_url` is where people go after paying; the default is Slack, in the browser.
    """
    workspaces = Workspaces(ledger)
    install = workspaces.install_id()
    watch = RestoredWatch(ledger, gateway, install=install, owner=owner or Owner())
    sender = RequestSender(ledger, gateway, served, watch)
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
        restored=watch,
    )


def _slack_page(workspaces: Workspaces, served: Served) -> str:
    teams = [served.team_id] if served.team_id else [one.team_id for one in workspaces.all()]
    return f"https://app.slack.com/client/{teams[0]}" if len(teams) == 1 else "https://app.slack.com/"
