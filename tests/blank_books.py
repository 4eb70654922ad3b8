"""Books of the newest schema without a wallet, made once a process and copied: that costs more than many a test."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from bot.app import open_ledger
from ledger import SystemClock


@cache
def blank_file() -> Path:
    """Give an SQLite file with the tables of both packages, not to be written to."""
    path = Path(mkdtemp(prefix="redbar-blank-")) / "redbar.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    open_ledger(f"sqlite:///{path}", SystemClock()).close()
    return path


def lay_books(folder: Path) -> Path:
    """Lay a copy into the folder of a bot or demo, unless it has books already; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "redbar.db").exists():
        shutil.copy(blank_file(), folder)
    return folder
