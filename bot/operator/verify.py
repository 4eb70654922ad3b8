"""`redbar verify`: whether the books are whole, and still those that an earlier checkpoint saw."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from bot.operator.open_for_reading import CommandImpossible, open_for_reading, wallet_named
from bot.operator.progress import with_progress
from bot.wallets.clock_watch import skipped_time
from ledger import (
    Audit,
    Checkpoint,
    CheckpointUnreadable,
    Clock,
    Finding,
    WalletUnknown,
    audit_books,
    audit_strays,
    checkpoint_of,
    compare,
    read_checkpoint,
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be checked, and how it is told."""

    database_url: str
    wallet: str
    """A wallet's id; empty for all."""
    json: bool
    keep: Path | None
    """Where a new checkpoint goes."""
    against: Path | None
    """An earlier checkpoint."""
    progress: bool = False
    """Whether to tell how far it is, also where standard error is no terminal."""


def verify(options: Options, clock: Clock, say: Say) -> int:
    """Check the books; gives 0 when they are whole, 1 when something was found, 2 when it could not be checked."""
    try:
        wallet_id = wallet_named(options.wallet)
        before = _earlier(options.against, wallet_id)
        if options.keep is not None and os.path.lexists(options.keep):
            raise _exists(options.keep)  # said before the long work, not after it
        with open_for_reading(options.database_url) as connection:
            audits = list(
                audit_books(
                    connection,
                    wallet_id,
                    watch=partial(with_progress, always=options.progress),
                    now=clock.now() + skipped_time(connection),
                )
            )
            findings = [finding for audit in audits for finding in audit.findings]
            if wallet_id is None:
                findings += audit_strays(connection)
            if before is not None:
                findings += compare(connection, before, wallet_id)
        if options.keep is not None and not findings:
            _keep(checkpoint_of(audits, clock.now()), options.keep)
    except WalletUnknown:
        return _give_up(f"There is no wallet {options.wallet}.", options, say)
    except CommandImpossible as problem:
        return _give_up(str(problem), options, say)
    _report(options, audits, findings, before, say)
    return 1 if findings else 0


def _give_up(words: str, options: Options, say: Say) -> int:
    # Whoever reads JSON gets JSON, also when there is nothing to tell.
    say(msgspec.json.encode({"whole": None, "error": words}).decode() if options.json else words)
    return 2


def _report(
    options: Options,
    audits: Sequence[Audit],
    findings: Sequence[Finding],
    before: Checkpoint | None,
    say: Say,
) -> None:
    if options.json:
        say(_as_json(audits, findings))
        return
    for finding in findings:
        say(str(finding))
    for note in _notes(audits):
        say(f"Note: {note}")
    if findings:
        say(f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}.")
        if options.keep is not None:
            say(f"{options.keep} was not written: a checkpoint is kept of whole books only.")
        return
    count = sum(audit.seq for audit in audits)
    say(f"The books are whole: {count:,} transactions in {_wallets(len(audits))}.")
    if before is not None:
        known = {head.wallet_id for head in before.heads}
        new = sum(audit.wallet_id not in known for audit in audits)
        say(
            f"Their history is the one of {options.against}."
            + (f" It says nothing of {_wallets(new)}, which came later." if new else "")
        )
    if options.keep is not None:
        say(
            f"{options.keep} keeps the ends of their chains. Store it where nobody who can write this database can."
        )


def _wallets(count: int) -> str:
    return f"{count} {'wallet' if count == 1 else 'wallets'}"


def _as_json(audits: Sequence[Audit], findings: Sequence[Finding]) -> str:
    told = {
        "whole": not findings,
        "wallets": [
            {"wallet_id": audit.wallet_id, "transactions": audit.seq, "hash": audit.head.hex()}
            for audit in audits
        ],
        "findings": [_told(one) for one in findings],
        "notes": [_told(one) for one in _notes(audits)],
    }
    return msgspec.json.encode(told).decode()


def _notes(audits: Sequence[Audit]) -> list[Finding]:
    return [note for audit in audits for note in audit.notes]


def _told(finding: Finding) -> dict[str, object]:
    return {
        "wallet_id": finding.wallet_id,
        "check": finding.check,
        "transaction": finding.seq,
        "words": finding.words,
    }


def _earlier(path: Path | None, wallet_id: UUID | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        before = read_checkpoint(path.read_bytes())
    except OSError as problem:
        raise CommandImpossible(f"{path} cannot be read: {problem.strerror}.") from None
    except CheckpointUnreadable as problem:
        raise CommandImpossible(f"{path}: {problem}") from None
    if wallet_id is not None and wallet_id not in {head.wallet_id for head in before.heads}:
        raise CommandImpossible(f"{path} says nothing of wallet {wallet_id}.")
    return before


def _exists(path: Path) -> CommandImpossible:
    return CommandImpossible(f"{path} exists. Name a new file: an earlier checkpoint is evidence.")


def _keep(checkpoint: Checkpoint, path: Path) -> None:
    try:
        # An earlier checkpoint is evidence: it is never written over.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                file.write(checkpoint.to_json())
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise _exists(path) from None
    except OSError as problem:
        raise CommandImpossible(f"{path} cannot be written: {problem.strerror}.") from None
