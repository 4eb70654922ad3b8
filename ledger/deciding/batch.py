"""What a batch will write: the wallet as it changes, the rows to add, and what must be told of them. Pure.

Nothing here refuses: the planner has checked every command before.
"""

from datetime import datetime
from typing import assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from ledger.alert_policy import consequences
from ledger.chart import Recipe
from ledger.commands import Correct, PostMoney, PostUsage
from ledger.deciding.chain import NO_TEXT, digest_of_text, link
from ledger.deciding.rows import Hold, Transfer, Wallet
from ledger.instants import from_stamp, to_stamp
from ledger.local_time import QUARTER_MICROSECONDS, local_hour
from ledger.notices import (
    Level,
    Notice,
    RechargeWanted,
    StartedAfterStop,
    UsageCorrected,
    WalletCredited,
    WalletEmptied,
    WalletLow,
    WalletPaused,
    WalletRecovered,
    WalletResumed,
)
from ledger.standing import Stop
from ledger.wallet_policy import WalletPolicy

SALT_BYTES = 16


class Draft:
    """Gathers what one batch changes in one wallet, at one instant."""

    def __init__(
        self,
        wallet: Wallet,
        policy: WalletPolicy,
        now: datetime,
        *,
        salts: bytes,
        first_episode: int,
        ceiling: int | None,
    ) -> None:
        """What is random was drawn before, so that the same batch on the same facts gives the same rows.

        `salts` has `SALT_BYTES` for each text. `first_episode` is the id of the first episode that opens, as a
        number; those after it count up. `ceiling` is how far grace may take the balance if the wallet empties; None
        where it cannot.
        """
        self.wallet = wallet
        self.policy = policy
        self.now = now
        self.stamp = to_stamp(now)
        self.wallet_id = str(wallet.wallet_id)
        self.transfers: list[Transfer] = []
        self.sent = 0
        """How many of them are on their way to the database."""
        self.holds: dict[str, Hold] = {}
        """Holds opened or changed."""
        self.charges: list[tuple[str, int, int]] = []
        """Ids of charged holds, and further ids of what was charged: id, transfer, whether it is a further one."""
        self.hourly: dict[tuple[str, int, str], list[int]] = {}
        """Count, quantity and effect on the balance, to be added per local day, hour and kind."""
        self.notices: list[Notice] = []
        self.episodes: list[tuple[UUID, Level]] = []
        """Episodes that opened or rose, or closed (`Level.FINE`)."""
        self.stops: list[Stop] = list(wallet.touch_ceiling(now))
        """Stops that ended."""
        self._ceiling = ceiling
        self._salts = salts
        self._salted = 0
        self._next_episode = first_episode
        self._zone = ZoneInfo(wallet.zone)
        threshold = policy.rule.threshold_micros if policy.rule is not None else 0
        # Nothing is ever told of available money that stays above the highest line.
        lines = wallet.lines
        self._floor = max(lines.warning_micros, lines.critical_micros, threshold, policy.floor_micros)
        self._judged = wallet.moment()
        self._was_calm = self._calm()

    def move(
        self,
        recipe: Recipe,
        kind: str,
        command: PostUsage | PostMoney | Correct,
        amount: int,
        *,
        reference: str = "",
        quantity: int | None = None,
        hold_id: str | None = None,
        parent: str | None = None,
        corrects_seq: int | None = None,
        after_stop: bool = False,
        refills_grace: bool = False,
    ) -> Transfer:
        """Move money: one transfer, linked to the one before."""
        wallet = self.wallet
        effect = recipe.sign * amount
        wallet.seq += 1
        wallet.balance += effect
        occurred_at = self.stamp if command.occurred_at is None else to_stamp(command.occurred_at)
        columns = (
            self.wallet_id,
            wallet.seq,
            kind,
            recipe.debit,
            recipe.credit,
            amount,
            wallet.balance,
            occurred_at,
            self.stamp,
            quantity,
            command.source,
            command.source_id,
            hold_id,
            parent,
            corrects_seq,
            int(after_stop),
            int(command.occurred_at is not None),
        )
        description = command.description
        if reference or description:
            salt = self._salt()
            digest = digest_of_text(salt, reference, description)
        else:
            salt, digest = b"", NO_TEXT
        wallet.chain_head = link(wallet.chain_head, columns, digest)
        transfer = Transfer(*columns, digest, wallet.chain_head, salt, reference, description)
        self.transfers.append(transfer)
        day, hour = local_hour(occurred_at // QUARTER_MICROSECONDS, self._zone)
        sums = self.hourly.setdefault((day, hour, kind), [0, 0, 0])
        sums[0] += 1
        sums[1] += quantity or 0
        sums[2] += effect
        if wallet.balance <= 0 or wallet.emptied_at is not None:
            self.stops += wallet.cross_zero(self.now, self.policy, self._ceiling, refills_grace=refills_grace)
        return transfer

    def fund(self) -> None:
        """Note that money has come in, perhaps for the first time."""
        self.stops += self.wallet.fund(self.now)

    def charge(self, hold_id: str, seq: int, *, alias: bool) -> None:
        """Write that a hold was charged by a transfer, or that an id is a further one of what was charged."""
        self.wallet.holds_used = True
        self.charges.append((hold_id, seq, int(alias)))

    def keep(self, hold: Hold) -> None:
        """Write a hold as it is now."""
        self.holds[hold.hold_id] = hold

    def open_hold(self, hold: Hold) -> None:
        """Hold money that was not held before."""
        self.wallet.open_holds += 1
        self._set_aside(hold.amount, hold.expires_at)
        self.keep(hold)

    def renew_hold(self, before: Hold, hold: Hold) -> None:
        """Go on holding money, for longer and perhaps more of it."""
        self._set_aside(hold.amount - before.amount, hold.expires_at)
        self.keep(hold)

    def _set_aside(self, more: int, until: int) -> None:
        wallet = self.wallet
        wallet.held += more
        wallet.holds_used = True
        expires_at = from_stamp(until)
        due = wallet.next_hold_expires_at
        wallet.next_hold_expires_at = expires_at if due is None else min(due, expires_at)

    def end_hold(self, hold: Hold, ended: Hold) -> None:
        """End a live hold: it holds nothing from now on."""
        assert hold.live(self.stamp), "a hold ends once an opening"
        self.wallet.held -= hold.amount
        self.wallet.open_holds -= 1
        self.keep(ended)

    def follow(self, cause: tuple[str, str]) -> None:
        """Let the policy say what must be told of the change since the wallet was last judged."""
        calm = self._calm()
        if calm and self._was_calm:
            return
        before, after = self._judged, self.wallet.moment()
        told, self.wallet.watch = consequences(
            before,
            after,
            self.policy,
            self.wallet.watch,
            self.now,
            new_episode_id=UUID(int=self._next_episode),
            cause=cause,
        )
        self._next_episode += 1
        self._judged, self._was_calm = after, self._calm()
        for notice in told:
            self.notices.append(notice)
            match notice:
                case WalletLow():
                    self.episodes.append((notice.episode_id, notice.level))
                case WalletEmptied():
                    self.episodes.append((notice.episode_id, Level.ZERO))
                case WalletResumed(episode_id=UUID() as episode_id) | WalletRecovered(episode_id=episode_id):
                    self.episodes.append((episode_id, Level.FINE))
                case (
                    WalletResumed()
                    | WalletPaused()
                    | WalletCredited()
                    | RechargeWanted()
                    | StartedAfterStop()
                    | UsageCorrected()
                ):
                    pass
                case _:
                    assert_never(notice)

    def _calm(self) -> bool:
        """Say cheaply that nothing can follow: above every line, and nothing told that would have to be taken back."""
        wallet = self.wallet
        watch = wallet.watch
        return (
            wallet.balance > 0
            and wallet.balance - wallet.held > self._floor
            and wallet.funded
            and watch.announced is Level.FINE
            and watch.episode_id is None
            and not watch.recharge_said
        )

    def _salt(self) -> bytes:
        began = self._salted
        self._salted += SALT_BYTES
        assert self._salted <= len(self._salts), "one for each text that was counted"
        return self._salts[began : self._salted]
