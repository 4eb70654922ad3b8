"""The only writer of money: loads what a batch needs under the wallet's lock, lets the planner decide, writes once.

Lives inside one turn of the writer. Its lock is the write transaction itself on SQLite and the wallet's row elsewhere;
what decides is read under it and written before it is given back.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from ledger.alert_policy import Lines, lines_for
from ledger.commands import Command, Outcome, WalletView
from ledger.currencies import offered_currency
from ledger.deciding.batch import SALT_BYTES, Draft
from ledger.deciding.chain import GENESIS
from ledger.deciding.due import falls_due
from ledger.deciding.loaded import Loaded
from ledger.deciding.planner import Planner
from ledger.deciding.rows import Wallet, WalletRow, wallet_of
from ledger.deciding.wanted import Wanted, wanted_by
from ledger.due_work import DRAW_EVERY, DueKind, next_pace_look
from ledger.errors import CurrencyMismatch, PolicyChanged, Refused, WalletUnknown
from ledger.failpoints import failpoint
from ledger.ids import new_id, new_number
from ledger.instants import from_stamp, to_stamp
from ledger.local_time import QUARTER_MICROSECONDS, month_number
from ledger.money import Currency
from ledger.notices import Level
from ledger.spending import cost_ahead
from ledger.standing import STOPS_KEPT, standing_at
from ledger.storage.hot_path import DECIDED_AHEAD, hot_path_for
from ledger.storage.schema import audit_log, episodes, holds, policies, stops, transfers, wallets
from ledger.storage.spend_query import burn_of, usage_of_month_before
from ledger.storage.statements import statements_for
from ledger.wallet_policy import WalletPolicy
from ledger.writing.outbox import Outbox
from ledger.writing.schedule import Schedule

REDBAR = "redbar"
"""The actor in the rows of what no person did."""
_TIME = ("time", "")
"""The cause of what no command caused."""


class Unsure(Exception):
    """Something would be refused, if it is not the repeat of what was done before: only a look can say."""


class Book:
    """One wallet at a time, inside one write transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._hot_path = hot_path_for(connection)

    # --- Commands ------------------------------------------------------------------------------------------

    def carry_out(
        self, wallet_id: UUID, commands: Sequence[Command], *, ends: bool = False, looks: bool = True
    ) -> list[Outcome]:
        """Carry out commands in order; each gets its receipt, answer or refusal. Refuses: WalletUnknown.

        `ends` lets the commit travel with the last write: nothing may follow in the same transaction. Without `looks`
        no key is looked up before: the database refuses the whole when one is there, and a refusal raises Unsure.
        """
        wanted = wanted_by(commands, looks=looks)
        draft, loaded = self._open(wallet_id, wanted)
        planner = Planner(draft, loaded)
        draft.follow(_TIME)  # what time did comes before what the batch does
        outcomes: list[Outcome] = []
        try:
            for first in range(0, len(commands), DECIDED_AHEAD):
                if first:
                    self._hot_path.ahead(draft)
                outcomes += [planner.decide(one) for one in commands[first : first + DECIDED_AHEAD]]
                if not looks and any(isinstance(one, Refused) for one in outcomes[first:]):
                    raise Unsure
            self._write(draft, ends=ends)
        except BaseException:
            self._hot_path.abandon()
            raise
        return outcomes

    def observe(self, wallet_id: UUID) -> None:
        """Judge what time alone did: holds that expired, grace that ran out. Refuses: WalletUnknown."""
        draft, _ = self._open(wallet_id, Wanted())
        draft.follow(_TIME)
        self._write(draft)

    def view(self, wallet_id: UUID) -> WalletView:
        """Give the wallet as it is now, locked until the end of the transaction. Refuses: WalletUnknown."""
        return view_of(self._connection, self._lock(wallet_id), self._now)

    # --- Wallets and their rules ---------------------------------------------------------------------------

    def create_wallet(
        self, wallet_id: UUID, currency: str, zone: str, policy: WalletPolicy | None = None
    ) -> WalletView:
        """Open a wallet, or give it back when it is there.

        Refuses: CurrencyUnknown, CurrencyNotOffered, CurrencyMismatch.
        """
        code = Currency.of(currency).code
        ZoneInfo(zone)
        known = self._connection.execute(
            select(wallets.c.currency).where(wallets.c.wallet_id == wallet_id)
        ).scalar_one_or_none()
        if known is not None:
            if known != code:
                raise CurrencyMismatch(given=code, expected=str(known))
            return self.view(wallet_id)
        offered_currency(code)
        # From here on nothing may refuse.
        rules = policy or WalletPolicy.for_currency(code)
        lines = lines_for(rules, day_ahead_micros=0, four_hours_ahead_micros=0)
        self._connection.execute(
            insert(wallets).values(
                wallet_id=wallet_id,
                currency=code,
                zone=zone,
                created_at=self._now,
                touched_at=self._now,
                balance=0,
                held=0,
                seq=0,
                chain_head=GENESIS,
                funded=0,
                grace_spent="[]",
                ceiling=rules.overdraft_min_micros,
                ceiling_month=0,
                open_holds=0,
                holds_used=0,
                announced_line=0,
                grace_cost=0,
                after_stop_count=0,
                policy_version=1,
                trouble="",
                warning_line=lines.warning_micros,
                critical_line=lines.critical_micros,
                announced=0,
                episode_level=0,
                paused_said=0,
                recharge_said=0,
                notice_seq=0,
            )
        )
        self._insert_policy(wallet_id, 1, rules, actor=REDBAR, reason="opened")
        self._schedule(wallet_id, {DueKind.MORNING: self._now if rules.info else None})
        return self.view(wallet_id)

    def policy(self, wallet_id: UUID) -> tuple[WalletPolicy, int]:
        """Give the policy and its version. Refuses: WalletUnknown."""
        row = self._lock(wallet_id)
        return _policy_in(row.policy), row.policy_version

    def set_policy(
        self,
        wallet_id: UUID,
        policy: WalletPolicy,
        *,
        actor: str,
        expected_version: int | None,
        reason: str = "",
    ) -> int:
        """Change the policy and let what follows from it follow; gives the new version.

        Refuses: PolicyChanged when `expected_version` is no longer the present one, WalletUnknown.
        """
        before, version = self.policy(wallet_id)
        if expected_version is not None and expected_version != version:
            raise PolicyChanged
        # From here on nothing may refuse.
        self._insert_policy(wallet_id, version + 1, policy, actor=actor, reason=reason)
        # The new policy draws the overdraft ceiling anew, too.
        self._update(wallet_id, policy_version=version + 1, ceiling_month=0)
        self.audit(wallet_id, actor, "policy", msgspec.to_builtins(before), msgspec.to_builtins(policy))
        self.redraw_lines(wallet_id)
        pace = self._now if self._lock(wallet_id).seq else None  # a day stands out by other rules now
        self._update(wallet_id, pace_due_at=pace)
        self._schedule(wallet_id, {DueKind.MORNING: self._now if policy.info else None, DueKind.PACE: pace})
        Schedule(self._connection, self._now).hurry(wallet_id, DueKind.RECHARGE, DueKind.STOPPED)
        return version + 1

    def redraw_lines(self, wallet_id: UUID) -> None:
        """Draw the alert lines by the policy and the present pace, and judge the wallet by them."""
        row = self._lock(wallet_id)
        policy = _policy_in(row.policy)
        burn = burn_of(self._connection, wallet_id, self._now)
        day, four_hours = (
            0 if burn is None else cost_ahead(burn, self._now, row.zone, hours)
            for hours in (policy.warning_hours, policy.critical_hours)
        )
        lines = lines_for(policy, day_ahead_micros=day, four_hours_ahead_micros=four_hours)
        self.set_lines(wallet_id, lines)

    def follow_pace(self, wallet_id: UUID) -> None:
        """Draw the alert lines anew, at most hourly, and schedule the next look. Refuses: WalletUnknown."""
        row = self._lock(wallet_id)
        drawn_at = self._connection.execute(
            select(wallets.c.lines_drawn_at).where(wallets.c.wallet_id == wallet_id)
        ).scalar_one()
        if drawn_at is None or self._now - drawn_at >= DRAW_EVERY:
            self.redraw_lines(wallet_id)
            drawn_at = self._now
        moved_at = self._connection.execute(
            select(transfers.c.recorded_at).where(
                transfers.c.wallet_id == wallet_id, transfers.c.seq == row.seq
            )
        ).scalar_one_or_none()
        at = next_pace_look(self._now, drawn_at, moved_at)
        self._update(wallet_id, lines_drawn_at=drawn_at, pace_due_at=at)
        self._schedule(wallet_id, {DueKind.PACE: at})

    def reschedule(self, wallet_id: UUID) -> None:
        """Schedule all that may be due by the wallet's rows, whatever was scheduled before. Refuses: WalletUnknown."""
        row = self._lock(wallet_id)
        at, moved = wallet_of(row).changes_at(), self._now if row.seq else None
        self._update(wallet_id, time_due_at=at, pace_due_at=moved)
        due = {
            DueKind.TIME: at,
            DueKind.PACE: moved,
            DueKind.RECHARGE: self._now if row.recharge_said else None,
            DueKind.STOPPED: self._now if row.episode_id and row.episode_level >= Level.ZERO else None,
            DueKind.MORNING: self._now if _policy_in(row.policy).info else None,
        }
        self._schedule(wallet_id, due)

    def set_lines(self, wallet_id: UUID, lines: Lines) -> None:
        """Set the alert lines and judge the wallet by them."""
        self._update(wallet_id, warning_line=lines.warning_micros, critical_line=lines.critical_micros)
        self.observe(wallet_id)

    def set_trouble(self, wallet_id: UUID, trouble: str) -> None:
        """Say why automatic payments are failing; empty when they are not. Refuses: WalletUnknown."""
        if self._lock(wallet_id).trouble == trouble:
            return
        self._update(wallet_id, trouble=trouble)
        self.observe(wallet_id)

    def audit(self, wallet_id: UUID, actor: str, action: str, before: object, after: object) -> None:
        """Keep who changed what, from what to what."""
        self._connection.execute(
            insert(audit_log).values(
                wallet_id=wallet_id,
                audit_id=new_id(),
                at=self._now,
                actor=actor,
                action=action,
                before=json.dumps(before, sort_keys=True),
                after=json.dumps(after, sort_keys=True),
            )
        )

    def _insert_policy(
        self, wallet_id: UUID, version: int, policy: WalletPolicy, *, actor: str, reason: str
    ) -> None:
        self._connection.execute(
            insert(policies).values(
                wallet_id=wallet_id,
                version=version,
                body=msgspec.json.encode(policy).decode(),
                changed_at=self._now,
                changed_by=actor,
                reason=reason,
            )
        )

    # --- Loading -------------------------------------------------------------------------------------------

    def _lock(self, wallet_id: UUID) -> WalletRow:
        row, _ = self._read(wallet_id, Wanted())
        return row

    def _read(self, wallet_id: UUID, wanted: Wanted) -> tuple[WalletRow, Loaded]:
        # Locked before anything is looked up: two deliveries of one usage would both find its key unseen, and the
        # unique index would turn the loser into a crash.
        found = self._hot_path.open(wallet_id, wanted)
        if found is None:
            raise WalletUnknown
        row, loaded = found
        # A clock that was set back is waited out: what is recorded of a wallet never runs back.
        self._now = max(self._now, from_stamp(row.touched_at))
        return row, loaded

    def _open(self, wallet_id: UUID, wanted: Wanted) -> tuple[Draft, Loaded]:
        row, loaded = self._read(wallet_id, wanted)
        wallet, policy, now = wallet_of(row), _policy_in(row.policy), self._now
        if self._expire_holds(wallet, now) and (wanted.holds or wanted.own):
            _, loaded = self._read(wallet_id, wanted)
        if wanted.corrected:
            charged = filter(None, map(loaded.cost_of, wanted.corrected))
            loaded.corrections = self._hot_path.corrections(wallet_id, {one.seq for one in charged})
        if _may_matter(wallet.stopped_until, wanted, now):
            loaded.stops = self._hot_path.stops(wallet_id, to_stamp(now - STOPS_KEPT))
        ceiling, month = None, _month_of(now, wallet)
        if month != wallet.ceiling_month or wanted.may_empty(wallet):
            ceiling = _ceiling_of(self._connection, wallet, policy, now)
            if month != wallet.ceiling_month:
                wallet.ceiling, wallet.ceiling_month = ceiling, month
        # One request to the system for all salts: each costs more than what it gives.
        salts = os.urandom(SALT_BYTES * wanted.texts) if wanted.texts else b""
        draft = Draft(wallet, policy, now, salts=salts, first_episode=new_number(), ceiling=ceiling)
        return draft, loaded

    def _expire_holds(self, wallet: Wallet, now: datetime) -> bool:
        due = wallet.next_hold_expires_at
        if due is None or now < due:
            return False
        # What expires is taken away from what is held: summing up all that stays would take longer the more that is.
        held, count = expired_at(self._connection, wallet.wallet_id, now)
        still_open = (holds.c.wallet_id == wallet.wallet_id) & (holds.c.state == "open")
        self._connection.execute(
            update(holds).where(still_open, holds.c.expires_at <= now).values(state="expired", ended_at=now)
        )
        wallet.held -= held
        wallet.open_holds -= count
        wallet.next_hold_expires_at = self._connection.execute(
            select(func.min(holds.c.expires_at)).where(still_open)
        ).scalar_one()
        return True

    # --- Writing -------------------------------------------------------------------------------------------

    def _write(self, draft: Draft, *, ends: bool = False) -> None:
        wallet_id = draft.wallet.wallet_id
        due = falls_due(draft)
        if draft.episodes or draft.notices or draft.stops or due:
            self._hot_path.settle()
        self._write_episodes(wallet_id, draft)
        self._write_stops(wallet_id, draft)
        Outbox(self._connection, draft.now).add(wallet_id, *draft.notices)
        if due:
            self._schedule(wallet_id, due)
        self._hot_path.write(draft, ends=ends)
        failpoint("book.before_commit")

    def _write_episodes(self, wallet_id: UUID, draft: Draft) -> None:
        for episode_id, level in draft.episodes:
            mine = (episodes.c.wallet_id == wallet_id) & (episodes.c.episode_id == episode_id)
            change = {"closed_at": draft.now} if level is Level.FINE else {"level": int(level)}
            changed = self._connection.execute(update(episodes).where(mine).values(change))
            if changed.rowcount == 0:
                self._connection.execute(
                    insert(episodes).values(
                        wallet_id=wallet_id, episode_id=episode_id, opened_at=draft.now, level=int(level)
                    )
                )

    def _write_stops(self, wallet_id: UUID, draft: Draft) -> None:
        if not draft.stops:
            return
        self._connection.execute(
            delete(stops).where(stops.c.wallet_id == wallet_id, stops.c.ended_at < draft.now - STOPS_KEPT)
        )
        self._connection.execute(
            insert(stops),
            [
                {
                    "wallet_id": wallet_id,
                    "scope": stop.scope.value,
                    "began_at": stop.began_at,
                    "ended_at": stop.ended_at,
                }
                for stop in draft.stops
            ],
        )

    def _schedule(self, wallet_id: UUID, due: Mapping[DueKind, datetime | None]) -> None:
        schedule = Schedule(self._connection, self._now)
        for kind, at in due.items():
            schedule.set(wallet_id, kind, at)

    def _update(self, wallet_id: UUID, **values: Any) -> None:
        self._connection.execute(update(wallets).where(wallets.c.wallet_id == wallet_id).values(**values))


@lru_cache(maxsize=1024)
def _policy_in(body: str) -> WalletPolicy:
    return msgspec.json.decode(body, type=WalletPolicy)


def policy_of(connection: Connection, wallet_id: UUID, version: int) -> WalletPolicy:
    """Read one version of a wallet's policy."""
    body = connection.execute(
        select(policies.c.body).where(policies.c.wallet_id == wallet_id, policies.c.version == version)
    ).scalar_one()
    return _policy_in(body)


def row_of(connection: Connection, wallet_id: UUID) -> WalletRow:
    """Read a wallet's row with the policy that holds, without locking it. Refuses: WalletUnknown."""
    driver: Any = connection.connection.driver_connection
    found = driver.execute(statements_for(connection).wallet, {"wallet_id": str(wallet_id)}).fetchone()
    if found is None:
        raise WalletUnknown
    return WalletRow._make(found)


def policy_in(row: WalletRow) -> WalletPolicy:
    """Give the policy of a wallet's row."""
    return _policy_in(row.policy)


def view_of(connection: Connection, row: WalletRow, now: datetime) -> WalletView:
    """Give the wallet of a row as it is at an instant: holds that have run out hold nothing."""
    wallet = wallet_of(row)
    now = max(now, from_stamp(row.touched_at))
    due = wallet.next_hold_expires_at
    if due is not None and due <= now:
        held, count = expired_at(connection, wallet.wallet_id, now)
        wallet.held -= held
        wallet.open_holds -= count
    if _month_of(now, wallet) != wallet.ceiling_month:
        wallet.ceiling = _ceiling_of(connection, wallet, policy_in(row), now)
    return WalletView(
        wallet_id=wallet.wallet_id,
        currency=wallet.currency,
        zone=wallet.zone,
        balance_micros=wallet.balance,
        held_micros=wallet.held,
        open_holds=wallet.open_holds,
        standing=standing_at(now, wallet.funds()),
        funded=wallet.funded,
        emptied_at=wallet.emptied_at,
        grace_ends_at=wallet.grace_ends_at,
        ceiling_micros=wallet.ceiling,
        grace_cost_micros=wallet.grace_cost,
        after_stop_count=wallet.after_stop_count,
        last_asked_at=wallet.last_asked_at,
        seq=wallet.seq,
        policy_version=row.policy_version,
        trouble=wallet.trouble,
        warning_micros=wallet.lines.warning_micros,
        critical_micros=wallet.lines.critical_micros,
    )


def expired_at(connection: Connection, wallet_id: UUID, now: datetime) -> tuple[int, int]:
    """Give what holds that have run out still hold in the wallet's row, in micro-units, and how many they are."""
    held, count = connection.execute(
        select(func.coalesce(func.sum(holds.c.amount), 0), func.count()).where(
            holds.c.wallet_id == wallet_id, holds.c.state == "open", holds.c.expires_at <= now
        )
    ).one()
    return int(held), int(count)


def _month_of(now: datetime, wallet: Wallet) -> int:
    return month_number(to_stamp(now) // QUARTER_MICROSECONDS, ZoneInfo(wallet.zone))


def _ceiling_of(connection: Connection, wallet: Wallet, policy: WalletPolicy, now: datetime) -> int:
    return policy.overdraft_ceiling(usage_of_month_before(connection, wallet.wallet_id, now, wallet.zone))


def _may_matter(stopped_until: datetime | None, wanted: Wanted, now: datetime) -> bool:
    """Say whether usage may have begun in a stop that is over and still remembered."""
    if stopped_until is None or now - stopped_until >= STOPS_KEPT:
        return False
    return wanted.looks_back_to(stopped_until, now)
