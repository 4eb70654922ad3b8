"""Opening a database by its address."""

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ledger.storage.sqlite import open_sqlite
from ledger.storage.store import Store, StoreUnusable


def open_store(url: str, *, write: bool = True) -> Store:
    """Open a database: `sqlite:///FILE`, `sqlite://` for one in memory, or `postgresql://USER:PASSWORD@HOST/NAME`.

    `write=False` is for those who only look, beside the one who writes. Raises: StoreBusy, StoreUnusable.
    """
    try:
        address = make_url(url)
    except ArgumentError:
        raise StoreUnusable(
            "The database's address cannot be read. Write it like sqlite:///redbar.db."
        ) from None
    match address.get_backend_name():
        case "sqlite":
            return open_sqlite(address, write=write)
        case "postgresql":
            try:
                from ledger.storage.postgres import open_postgres  # noqa: PLC0415 - its driver is installed on request
            except ModuleNotFoundError as missing:
                raise StoreUnusable(
                    f"The library {missing.name} is missing. Install it: pip install 'redbar[postgres]'"
                ) from None
            return open_postgres(address, write=write)
        case other:
            raise StoreUnusable(
                f"{other} is not a database that Redbar can use: use sqlite:///FILE or postgresql://HOST/NAME."
            )
