"""Decides commands for one wallet, in order, in plain Python. Pure: rows in, outcomes and a draft of rows out.

Every command goes the same way: checks, each with its own refusal; then the line "from here on nothing may refuse";
then what it writes; then what follows from it. The book has loaded what is needed under the wallet's lock before, and
writes the draft after. What may start is decided in `starts`, what it costs in `charging`.
"""

from typing import assert_never

from ledger.chart import MONEY, Account
from ledger.commands import (
    Answer,
    CaptureHold,
    Command,
    Correct,
    ExtendHold,
    OpenHold,
    Outcome,
    PostMoney,
    PostUsage,
    Receipt,
    ReleaseHold,
)
from ledger.deciding.batch import Draft
from ledger.deciding.charging import Charging
from ledger.deciding.checks import check_amount, check_occurred_at, check_posting
from ledger.deciding.loaded import Loaded
from ledger.deciding.receipts import again, check_room, posted
from ledger.deciding.starts import Starts
from ledger.errors import Refused
from ledger.notices import WalletCredited


class Planner:
    """Decides commands one after the other and drafts what is to be written."""

    def __init__(self, draft: Draft, loaded: Loaded) -> None:
        self._draft = draft
        self._wallet = draft.wallet
        self._loaded = loaded
        self._charging = Charging(draft, loaded)
        self._starts = Starts(draft, loaded)

    def decide(self, command: Command) -> Outcome:
        """Decide one command; a refusal changes nothing."""
        try:
            return self._decide(command)
        except Refused as refusal:
            return refusal

    def _decide(self, command: Command) -> Answer:
        match command:
            case PostUsage():
                return self._charging.post_usage(command)
            case PostMoney():
                return self._post_money(command)
            case Correct():
                return self._charging.correct(command)
            case OpenHold():
                return self._starts.open_hold(command)
            case ExtendHold():
                return self._starts.extend_hold(command)
            case CaptureHold():
                return self._charging.capture_hold(command)
            case ReleaseHold():
                return self._starts.release_hold(command)
            case _:
                assert_never(command)

    def _post_money(self, command: PostMoney) -> Receipt:
        check_posting(command, command.reference)
        check_amount(command.amount_micros)
        kind = command.kind.value
        known = self._loaded.transfers.get((command.source, command.source_id))
        if known is not None:
            return again(known, command, kind, reference=command.reference)
        check_occurred_at(command.occurred_at, self._draft.now)
        check_room(self._wallet.balance, command.amount_micros)
        # From here on nothing may refuse.
        recipe = MONEY[command.kind]
        policy = self._draft.policy
        settled = recipe.debit == Account.CARD and command.amount_micros >= policy.grace_refill_micros
        if recipe.sign > 0:
            self._draft.fund()
        transfer = self._draft.move(
            recipe,
            kind,
            command,
            command.amount_micros,
            reference=command.reference,
            refills_grace=settled,
        )
        if recipe.sign > 0:
            self._draft.notices.append(
                WalletCredited(
                    kind=kind,
                    amount_micros=transfer.amount,
                    balance_micros=transfer.balance_after,
                    source=transfer.source,
                    source_id=transfer.source_id,
                    seq=transfer.seq,
                )
            )
        self._draft.follow((command.source, command.source_id))
        return posted(transfer, self._draft, self._loaded)
