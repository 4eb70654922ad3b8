"""`redbar verify`: whether the books are whole, and still those that an earlier checkpoint saw."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bot.looking import CannotLook, looking, wallet_named
from bot.progress import shown
from ledger import (
    Audit,
    Checkpoint,
    CheckpointUnreadable,
    Clock,
    Finding,
    WalletUnknown,
    audit_books,
    checkpoint_of,
    compare,
    read_checkpoint,
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be checked, and how it is told."""

    database_url: str
    wallet: str
    """A wallet's id; empty for all."""
    json: bool
    keep: Path | None
    """Where a new checkpoint goes."""
    against: Path | None
    """An earlier checkpoint."""


def verify(wish: Wish, clock: Clock, say: Say) -> int:
    """Check the books; gives 0 when they are whole, 1 when something was found, 2 when it could not be checked."""
    try:
        before = _earlier(wish.against)
        wallet_id = wallet_named(wish.wallet)
        with looking(wish.database_url) as connection:
            audits = list(audit_books(connection, wallet_id, watch=shown))
            findings = [finding for audit in audits for finding in audit.findings]
            if before is not None:
                findings += compare(connection, before)
        if wish.keep is not None and not findings:
            _keep(checkpoint_of(audits, clock.now()), wish.keep)
    except WalletUnknown:
        say(f"There is no wallet {wish.wallet}.")
        return 2
    except CannotLook as problem:
        say(str(problem))
        return 2
    _tell(wish, audits, findings, say)
    return 1 if findings else 0


def _tell(wish: Wish, audits: Sequence[Audit], findings: Sequence[Finding], say: Say) -> None:
    if wish.json:
        say(_as_json(audits, findings))
        return
    for finding in findings:
        say(str(finding))
    if findings:
        say(f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}.")
        if wish.keep is not None:
            say(f"{wish.keep} was not written: a checkpoint is kept of whole books only.")
        return
    count, wallets = sum(audit.seq for audit in audits), "wallet" if len(audits) == 1 else "wallets"
    say(f"The books are whole: {count:,} transactions in {len(audits)} {wallets}.")
    if wish.against is not None:
        say(f"Their history is the one of {wish.against}.")
    if wish.keep is not None:
        say(
            f"{wish.keep} keeps the ends of their chains. Store it where nobody who can write this database can."
        )


def _as_json(audits: Sequence[Audit], findings: Sequence[Finding]) -> str:
    told = {
        "whole": not findings,
        "wallets": [
            {"wallet_id": audit.wallet_id, "transactions": audit.seq, "hash": audit.head.hex()}
            for audit in audits
        ],
        "findings": [
            {"wallet_id": one.wallet_id, "check": one.check, "transaction": one.seq, "words": one.words}
            for one in findings
        ],
    }
    return msgspec.json.encode(told).decode()


def _earlier(path: Path | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        return read_checkpoint(path.read_bytes())
    except OSError as problem:
        raise CannotLook(f"{path} cannot be read: {problem.strerror}.") from None
    except CheckpointUnreadable as problem:
        raise CannotLook(f"{path}: {problem}") from None


def _keep(checkpoint: Checkpoint, path: Path) -> None:
    try:
        # An earlier checkpoint is evidence: it is never written over.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(checkpoint.to_json())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise CannotLook(f"{path} exists. Name a new file: an earlier checkpoint is evidence.") from None
    except OSError as problem:
        raise CannotLook(f"{path} cannot be written: {problem.strerror}.") from None
