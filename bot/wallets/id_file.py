"""The id file beside an SQLite file: it names the file that holds the books, so that a copy is known as one.

It names a random id, the file's inode, and a token that the books hold too and that changes at each start and every
hour. A copy elsewhere has no id file, or another inode. A copy that is put back over the file has an older token. A
container that is made anew on the same volume has all three.
"""

import json
import os
from pathlib import Path

import msgspec

from bot.tables import NIL_WALLET
from bot.wallets.named_values import named_value, set_first_value, set_named_value
from bot.wallets.restored_mode import RestoredCause, enter, restored
from ledger import Ledger, new_id

_ID, _TOKEN = "file_id", "file_token"


class _Named(msgspec.Struct):
    """What the id file says."""

    id: str
    inode: int
    tokens: list[str]
    """Two while a new one is written into the books."""


class IdFile:
    """Names the file that the books are in, and knows it again."""

    def __init__(self, ledger: Ledger, path: Path) -> None:
        self._ledger = ledger
        self._path = path
        self._beside = path.with_name(path.name + ".id")

    def check(self) -> None:
        """Begin restored mode where this is not the file that was written last; else give it its next token."""
        with self._ledger.reading() as connection:
            held = named_value(connection, NIL_WALLET, _ID)
            token = named_value(connection, NIL_WALLET, _TOKEN)
            is_restored = restored(connection) is not None
        if is_restored:
            return
        if held is not None and not self._is_named(held.value, token.value if token is not None else ""):
            self._ledger.run(
                lambda tx: enter(tx, RestoredCause.FILE, str(self._path.absolute())), wallet_id=None
            )
            return
        self.name()

    def renew(self) -> None:
        """Give the file its next token, unless the books are restored."""
        with self._ledger.reading() as connection:
            if restored(connection) is not None:
                return
        self.name()

    def name(self) -> None:
        """Let the id file name this file, with a new token. Interrupted, it names the token that is held."""
        file_id = self._ledger.run(lambda tx: set_first_value(tx, _ID, str(new_id())), wallet_id=None)
        with self._ledger.reading() as connection:
            held = named_value(connection, NIL_WALLET, _TOKEN)
        before, following = held.value if held is not None else "", str(new_id())
        inode = self._path.stat().st_ino
        self._write(_Named(file_id, inode, [before, following]))
        self._ledger.run(lambda tx: set_named_value(tx, NIL_WALLET, _TOKEN, following), wallet_id=None)
        self._write(_Named(file_id, inode, [following]))

    def _is_named(self, file_id: str, token: str) -> bool:
        try:
            named = msgspec.convert(json.loads(self._beside.read_text(encoding="utf-8")), _Named)
        except (OSError, ValueError, msgspec.ValidationError):
            return False
        return named.id == file_id and named.inode == self._path.stat().st_ino and token in named.tokens

    def _write(self, named: _Named) -> None:
        fresh = self._beside.with_name(self._beside.name + ".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(named))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._beside)
