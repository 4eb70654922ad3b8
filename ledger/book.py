"""The only writer of money: loads what a batch needs under the wallet's lock, lets the planner decide, writes once.

Lives inside one turn of the writer. Its lock is the write transaction itself on SQLite and the wallet's row elsewhere;
what decides is read under it and written before it is given back.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, Executable, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.chain import GENESIS
from ledger.chart import CREDITS
from ledger.checks import storable
from ledger.commands import CaptureHold, Command, Correct, OpenHold, Outcome, PostMoney, PostUsage, WalletView
from ledger.draft import Draft
from ledger.errors import CurrencyMismatch, PolicyChanged, WalletUnknown
from ledger.failpoints import failpoint
from ledger.ids import new_id
from ledger.money import Currency
from ledger.notices import Level
from ledger.outbox import Outbox
from ledger.pace import burn_of, cost_ahead
from ledger.planning import HOLDS, Loaded, Planner
from ledger.policy import Lines, WalletPolicy, lines_for
from ledger.rows import IN_TRANSFERS, Hold, Transfer, Wallet, values_of, wallet_of
from ledger.standing import standing_at
from ledger.statements import many, statements_for
from ledger.tables import audit_log, episodes, holds, hourly, policies, transfers, wallets

# Built once: putting an expression together costs more than running it.
_LOCKED = (
    select(wallets, policies.c.body.label("policy"))
    .join(
        policies,
        (policies.c.wallet_id == wallets.c.wallet_id) & (policies.c.version == wallets.c.policy_version),
    )
    .where(wallets.c.wallet_id == bindparam("wallet"))
    .with_for_update(of=wallets)
)
_SAVED = update(wallets).where(wallets.c.wallet_id == bindparam("wallet"))
_SUMS = ("count", "quantity", "amount")
_TIME = ("time", "")
"""The cause of what no command caused."""


class Book:
    """One wallet at a time, inside one write transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # --- Commands ------------------------------------------------------------------------------------------

    def carry_out(self, wallet_id: UUID, commands: Sequence[Command]) -> list[Outcome]:
        """Carry out commands in order; each gets its receipt, answer or refusal. Refuses: WalletUnknown."""
        draft = self._draft(self._lock(wallet_id))
        planner = Planner(draft, self._load(wallet_id, commands))
        draft.follow(_TIME)  # what time did comes before what the batch does
        outcomes = [planner.decide(command) for command in commands]
        self._write(draft)
        return outcomes

    def observe(self, wallet_id: UUID) -> None:
        """Judge what time alone did: holds that expired, grace that ran out. Refuses: WalletUnknown."""
        draft = self._draft(self._lock(wallet_id))
        draft.follow(_TIME)
        self._write(draft)

    def view(self, wallet_id: UUID) -> WalletView:
        """Give the wallet as it is now, locked until the end of the transaction. Refuses: WalletUnknown."""
        return view_of(self._connection, self._lock(wallet_id), self._now)

    # --- Wallets and their rules ---------------------------------------------------------------------------

    def create_wallet(
        self, wallet_id: UUID, currency: str, zone: str, policy: WalletPolicy | None = None
    ) -> WalletView:
        """Open a wallet, or give it back when it is there. Refuses: CurrencyUnknown, CurrencyMismatch."""
        code = Currency.of(currency).code
        ZoneInfo(zone)
        known = self._connection.execute(
            select(wallets.c.currency).where(wallets.c.wallet_id == wallet_id)
        ).scalar_one_or_none()
        if known is not None:
            if known != code:
                raise CurrencyMismatch(given=code, expected=str(known))
            return self.view(wallet_id)
        # From here on nothing may refuse.
        rules = policy or WalletPolicy()
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
        self._insert_policy(wallet_id, 1, rules, actor="redbar", reason="opened")
        return self.view(wallet_id)

    def policy(self, wallet_id: UUID) -> tuple[WalletPolicy, int]:
        """Give the policy and its version. Refuses: WalletUnknown."""
        row = self._lock(wallet_id)
        return _policy_in(row["policy"]), row["policy_version"]

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
        self._update(wallet_id, policy_version=version + 1)
        self.audit(wallet_id, actor, "policy", msgspec.to_builtins(before), msgspec.to_builtins(policy))
        self.redraw_lines(wallet_id)
        return version + 1

    def redraw_lines(self, wallet_id: UUID) -> None:
        """Draw the alert lines by the policy and the present pace, and judge the wallet by them."""
        row = self._lock(wallet_id)
        burn = burn_of(self._connection, wallet_id, self._now)
        day, four_hours = (
            0 if burn is None else cost_ahead(burn, self._now, row["zone"], hours) for hours in (24, 4)
        )
        lines = lines_for(_policy_in(row["policy"]), day_ahead_micros=day, four_hours_ahead_micros=four_hours)
        self.set_lines(wallet_id, lines)

    def set_lines(self, wallet_id: UUID, lines: Lines) -> None:
        """Set the alert lines and judge the wallet by them."""
        self._update(wallet_id, warning_line=lines.warning_micros, critical_line=lines.critical_micros)
        self.observe(wallet_id)

    def set_trouble(self, wallet_id: UUID, trouble: str) -> None:
        """Say why automatic payments are failing; empty when they are not. Refuses: WalletUnknown."""
        if self._lock(wallet_id)["trouble"] == trouble:
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

    def _lock(self, wallet_id: UUID) -> Mapping[Any, Any]:
        # Locked before anything is looked up: two deliveries of one usage would both find its key unseen, and the
        # unique index would turn the loser into a crash.
        row = self._connection.execute(_LOCKED, {"wallet": wallet_id}).mappings().one_or_none()
        if row is None:
            raise WalletUnknown
        # A clock that was set back is waited out: what is recorded of a wallet never runs back.
        self._now = max(self._now, row["touched_at"])
        return row

    def _draft(self, row: Mapping[Any, Any]) -> Draft:
        wallet, policy, now = wallet_of(row), _policy_in(row["policy"]), self._now
        self._expire_holds(wallet, now)
        return Draft(wallet, policy, now, lambda: self._ceiling_of(wallet, policy, now))

    def _load(self, wallet_id: UUID, commands: Sequence[Command]) -> Loaded:
        keys: dict[str, set[str]] = {}
        hold_ids: set[str] = set()
        seqs: set[int] = set()
        for command in commands:
            match command:
                case PostUsage():
                    keys.setdefault(command.source, set()).add(command.source_id)
                    hold_ids.update(one for one in (command.hold_id, command.parent) if one is not None)
                case PostMoney():
                    keys.setdefault(command.source, set()).add(command.source_id)
                case Correct():
                    keys.setdefault(command.source, set()).add(command.source_id)
                    seqs.add(command.corrects_seq)
                case OpenHold():
                    hold_ids.add(command.hold_id)
                    if command.parent is not None:
                        hold_ids.add(command.parent)
                case CaptureHold():
                    keys.setdefault(HOLDS, set()).add(command.hold_id)
                    hold_ids.add(command.hold_id)
                case _:
                    hold_ids.add(command.hold_id)
        run, said = self._connection.exec_driver_sql, statements_for(self._connection)
        wallet = str(wallet_id)
        loaded = Loaded()
        for source, ids in keys.items():
            if not storable(source):
                continue
            for row in run(
                said.posted, {"wallet_id": wallet, "source": source, "list": many(filter(storable, ids))}
            ):
                posted = Transfer._make(row)
                loaded.transfers[posted.source, posted.source_id] = posted
        if hold_ids:
            for row in run(said.holds, {"wallet_id": wallet, "list": many(filter(storable, hold_ids))}):
                hold = Hold._make(row)
                loaded.holds[hold.hold_id] = hold
        if seqs:
            found = map(Transfer._make, run(said.numbered, {"wallet_id": wallet, "list": many(seqs)}))
            loaded.by_seq = {transfer.seq: transfer for transfer in found}
            loaded.corrected = self._corrected(wallet_id, seqs)
        return loaded

    def _corrected(self, wallet_id: UUID, seqs: set[int]) -> dict[int, int]:
        given_back = self._connection.execute(
            select(transfers.c.corrects_seq, func.sum(transfers.c.amount))
            .where(transfers.c.wallet_id == wallet_id, transfers.c.corrects_seq.in_(seqs))
            .group_by(transfers.c.corrects_seq)
        )
        return {seq: int(micros) for seq, micros in given_back}

    def _expire_holds(self, wallet: Wallet, now: datetime) -> None:
        due = wallet.next_hold_expires_at
        if due is None or now < due:
            return
        still_open = (holds.c.wallet_id == wallet.wallet_id) & (holds.c.state == "open")
        self._connection.execute(
            update(holds).where(still_open, holds.c.expires_at <= now).values(state="expired", ended_at=now)
        )
        held, next_due = self._connection.execute(
            select(func.coalesce(func.sum(holds.c.amount), 0), func.min(holds.c.expires_at)).where(still_open)
        ).one()
        wallet.held = int(held)
        wallet.next_hold_expires_at = next_due

    def _ceiling_of(self, wallet: Wallet, policy: WalletPolicy, now: datetime) -> int:
        """Give how far grace may take the balance: the larger of a fixed sum and a share of last month's usage."""
        month = _month_before(now.astimezone(ZoneInfo(wallet.zone)))
        effect = self._connection.execute(
            select(func.coalesce(func.sum(hourly.c.amount), 0)).where(
                hourly.c.wallet_id == wallet.wallet_id,
                hourly.c.day >= f"{month}-01",
                hourly.c.day <= f"{month}-31",
                hourly.c.kind.not_in(CREDITS),
            )
        ).scalar_one()
        return max(policy.overdraft_min_micros, -int(effect) * policy.overdraft_percent // 100)

    # --- Writing -------------------------------------------------------------------------------------------

    def _write(self, draft: Draft) -> None:
        wallet_id = draft.wallet.wallet_id
        run, said = self._connection.exec_driver_sql, statements_for(self._connection)
        if draft.transfers:
            run(said.insert_transfers, [one[:IN_TRANSFERS] for one in draft.transfers])
            run(said.insert_texts, [(*one[:2], *one[IN_TRANSFERS:]) for one in draft.transfers])
            failpoint("book.after_transfers")
            self._write_hourly(wallet_id, draft)
        if draft.holds:
            run(said.keep_holds, list(draft.holds.values()))
        self._write_episodes(wallet_id, draft)
        self._connection.execute(
            _SAVED, {"wallet": wallet_id, "touched_at": draft.now, **values_of(draft.wallet)}
        )
        Outbox(self._connection, draft.now).add(wallet_id, *draft.notices)
        failpoint("book.before_commit")

    def _write_hourly(self, wallet_id: UUID, draft: Draft) -> None:
        self._connection.execute(
            _adding_to_hourly(self._connection.dialect.name),
            [
                {"wallet_id": wallet_id, "day": day, "hour": hour, "kind": kind}
                | dict(zip(_SUMS, added, strict=True))
                for (day, hour, kind), added in draft.hourly.items()
            ],
        )

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

    def _update(self, wallet_id: UUID, **values: Any) -> None:
        self._connection.execute(update(wallets).where(wallets.c.wallet_id == wallet_id).values(**values))


@cache
def _adding_to_hourly(dialect: str) -> Executable:
    # ON CONFLICT is the one thing that each database's dialect has to say itself.
    adding = postgresql.insert(hourly) if dialect == "postgresql" else sqlite.insert(hourly)
    sums: dict[str, Any] = {name: hourly.c[name] + adding.excluded[name] for name in _SUMS}
    return adding.on_conflict_do_update(index_elements=["wallet_id", "day", "hour", "kind"], set_=sums)


@lru_cache(maxsize=1024)
def _policy_in(body: str) -> WalletPolicy:
    return msgspec.json.decode(body, type=WalletPolicy)


def policy_of(connection: Connection, wallet_id: UUID, version: int) -> WalletPolicy:
    """Read one version of a wallet's policy."""
    body = connection.execute(
        select(policies.c.body).where(policies.c.wallet_id == wallet_id, policies.c.version == version)
    ).scalar_one()
    return _policy_in(body)


def view_of(connection: Connection, row: Mapping[Any, Any], now: datetime) -> WalletView:
    """Give the wallet of a row as it is at an instant: holds that have run out hold nothing."""
    wallet = wallet_of(row)
    now = max(now, row["touched_at"])
    if wallet.held or wallet.next_hold_expires_at is not None:
        held, count = connection.execute(
            select(func.coalesce(func.sum(holds.c.amount), 0), func.count()).where(
                holds.c.wallet_id == wallet.wallet_id, holds.c.state == "open", holds.c.expires_at > now
            )
        ).one()
        wallet.held, open_holds = int(held), int(count)
    else:
        open_holds = 0
    return WalletView(
        wallet_id=wallet.wallet_id,
        currency=wallet.currency,
        zone=wallet.zone,
        balance_micros=wallet.balance,
        held_micros=wallet.held,
        open_holds=open_holds,
        standing=standing_at(now, wallet.funds()),
        funded=wallet.funded,
        emptied_at=wallet.emptied_at,
        grace_ends_at=wallet.grace_ends_at,
        ceiling_micros=wallet.ceiling,
        grace_cost_micros=wallet.grace_cost,
        after_stop_count=wallet.after_stop_count,
        last_asked_at=wallet.last_asked_at,
        seq=wallet.seq,
        policy_version=row["policy_version"],
        trouble=wallet.trouble,
        warning_micros=wallet.lines.warning_micros,
        critical_micros=wallet.lines.critical_micros,
    )


def _month_before(local: datetime) -> str:
    return f"{local.replace(day=1) - timedelta(days=1):%Y-%m}"
