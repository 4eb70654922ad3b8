"""The address of a PostgreSQL database: what it may say, how to connect by it, and why it cannot be used, in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import ArgumentError

from ledger.storage.store import POSTGRES_EXAMPLES
from ledger.storage.trouble import StoreUnusable

NO_RIGHT, NO_TABLE, NO_SCHEMA, READ_ONLY, CROWDED = "42501", "42P01", "3F000", "25006", "53300"
_MADE_BY_ANOTHER = ("23505", "42P07", "42710", "42723")
"""A table, trigger or function is there already: another process makes the tables at the same time."""
_PRIMARY = ("read-write", "primary")
_LAYERS = re.compile(
    r"^(?:connection failed: |connection is bad: )?(?:connection to server .*? failed: )?(?:[A-Z]+:\s+)?"
)
"""What psycopg, libpq and the server put before the reason."""
_ATTEMPT = re.compile(
    r"^- host: '(?P<host>.*?)', port: '(?P<port>.*?)', hostaddr: .*?: (?P<reason>.*)$", re.M
)
_CROWDED_WORDS = r"too many |connection slots"
_ADVICE = (
    (
        r"password authentication failed|no password supplied",
        "Check the user and the password in its address.",
    ),
    (
        r"^database .* does not exist",
        "Create it: CREATE DATABASE {database} ENCODING 'UTF8' TEMPLATE template0.",
    ),
    (r"^role .* does not exist", "Create this user, or name another one in its address."),
    (r"^permission denied for database", "Let the user in: GRANT CONNECT ON DATABASE {database} TO {user}."),
    (r"pg_hba\.conf", "Let this user in from this machine, in the server's pg_hba.conf."),
    (r"^invalid port number", "Write a port from 1 to 65535 in its address."),
    (r"read-only|hot standby|standby mode", "Name the primary in its address."),
    (
        _CROWDED_WORDS,
        "Close what keeps connections, or raise max_connections; Redbar goes on by itself.",
    ),
    (r"starting up|shutting down|recovery", "Try again in a moment."),
    (r"closed the connection|connection is (closed|lost)", "Look whether the server runs."),
    (
        r"refused|resolve|translate host|time.?d? ?out|unreachable|No route|No such file",
        "Check the host and the port in its address, and that the server runs.",
    ),
)
"""What to do about a refused connection, by the reason: it has no code. Servers of another language get the rest."""
_ELSE = "Check its address."


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An address that can be connected by."""

    url: URL
    hosts: tuple[str, ...]
    """Each with its port, for people."""
    database: str
    user: str
    """Empty where the address leaves it to libpq, as the database's name."""

    @property
    def where(self) -> str:
        """Name the hosts, for people."""
        return " or ".join(self.hosts)

    @property
    def name(self) -> str:
        """Name the database, for people. No password is in it."""
        return f"The database {self.database} at {self.where}".replace("  ", " ")

    def connect_args(self, *, write: bool) -> dict[str, str]:
        """Give what a connection needs besides the address; it wins over the address and over the environment.

        Of several hosts, writers and their readers take the one that can be written: a standby may lag behind.
        """
        chosen = {"client_encoding": "utf8"}
        if write and len(self.hosts) > 1 and self.url.query.get("target_session_attrs") not in _PRIMARY:
            chosen["target_session_attrs"] = "read-write"
        return chosen

    def is_crowded(self, cause: BaseException | None) -> bool:
        """Say whether the server has no connection left for us."""
        code = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        return code == CROWDED or (code is None and re.search(_CROWDED_WORDS, str(cause)) is not None)

    def read_only_words(self, *, standby: bool = False) -> str:
        """Say that the database cannot be written, and what to do."""
        if standby:
            return f"{self.name} is on a standby, which cannot write. Promote it, or name the primary in the address."
        return (
            f"{self.name} is read-only: default_transaction_read_only is on. Turn it off for the database, and "
            f"for the user: ALTER DATABASE {_quoted(self.database)} SET default_transaction_read_only = off."
        )

    def why_unusable(self, cause: BaseException | None) -> str:
        """Say in one or two sentences what an error of the driver means, and what to do."""
        code = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        if code is None or not isinstance(cause, psycopg.Error):
            return self._why_not_connected(str(cause).strip() or type(cause).__name__)
        reason = (cause.diag.message_primary or str(cause)).strip().removesuffix(".")
        if code == NO_TABLE:
            return f"{self.name} has no tables of Redbar. Start the bot once, or name another database."
        if code == READ_ONLY:
            return self.read_only_words()
        if code in _MADE_BY_ANOTHER:
            return f"{self.name} is being set up by another Redbar ({reason}). Start again."
        return f"{self.name} cannot be used: {reason}. {self._advice_by_code(code, reason)}".strip()

    def _advice_by_code(self, code: str, reason: str) -> str:
        user = _quoted(self.user)
        schema = re.fullmatch(r"permission denied for schema (.+)", reason)
        if schema:
            return f"Let the user make tables: GRANT USAGE, CREATE ON SCHEMA {schema[1]} TO {user}."
        if code == NO_RIGHT:
            return f"Give the user {user} this right, or connect as the owner of the database."
        if code == NO_SCHEMA:
            return f"Name a schema that exists: ALTER DATABASE {_quoted(self.database)} SET search_path = public."
        return ""

    def _why_not_connected(self, said: str) -> str:
        attempts = [
            (f"{one['host']}:{one['port']}", _LAYERS.sub("", one["reason"]))
            for one in _ATTEMPT.finditer(said)
        ]
        if len({where for where, _ in attempts}) > 1:
            reason = "; ".join(f"{where}: {why}" for where, why in attempts)
        else:
            reason = _LAYERS.sub("", said.splitlines()[0])
        reason = reason.removesuffix(".")
        names = {"database": _quoted(self.database), "user": _quoted(self.user)}
        # Where several hosts failed in several ways, the way of the last stands for all.
        last = _LAYERS.sub("", attempts[-1][1]) if attempts else reason
        advice = next((words for pattern, words in _ADVICE if re.search(pattern, last)), _ELSE)
        return f"{self.name} cannot be used: {reason}. {advice.format_map(names)}"


def read_address(url: URL) -> ServerAddress:
    """Read an address and refuse what cannot be meant. Raises: StoreUnusable, without a word of the password."""
    url = url.set(drivername="postgresql+psycopg")
    if "@" in f"{url.host}{url.database}":
        # What follows the first @ may be half a password, and is not repeated.
        raise StoreUnusable(
            "The database's address has more than one @. Write %40 for each @ in its password."
        )
    defaults = {
        one.keyword.decode(): (one.val or b"").decode(errors="replace")
        for one in psycopg.pq.Conninfo.get_defaults()
    }
    unknown = sorted(set(url.query) - set(defaults))
    if unknown:
        raise StoreUnusable(
            f'The database\'s address has an option that PostgreSQL does not know: "{unknown[0]}". Take it out.'
        )
    try:
        _, given = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise StoreUnusable(
            f"The hosts in the database's address cannot be read. {POSTGRES_EXAMPLES}"
        ) from None
    return ServerAddress(
        url=url,
        hosts=_hosts(given, defaults),
        database=str(given.get("dbname") or given.get("user") or ""),
        user=str(given.get("user") or ""),
    )


def _hosts(given: Mapping[str, Any], defaults: dict[str, str]) -> tuple[str, ...]:
    hosts = str(given.get("host") or defaults.get("host") or "").split(",")
    ports = str(given.get("port") or "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return tuple(
        f"{host or 'the local socket'}{f':{port}' if port else ''}"
        for host, port in zip(hosts, ports, strict=False)
    )


def _quoted(name: str) -> str:
    """Write a name as SQL takes it."""
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    return '"{}"'.format(name.replace('"', '""')) if name else "NAME"
