"""Where a table lies on Citus: with its wallet. Everywhere else this does nothing.

Citus takes no triggers on distributed tables, so there append-only is a right that nobody has, not even the owner.
"""

from sqlalchemy import Connection, text

REFERENCE = ("workspaces",)
"""Looked up before the wallet is known; on every node."""
APPEND_ONLY = ("transfers", "audit_log")


def place(connection: Connection, *tables: str) -> None:
    """Distribute new tables by wallet, where the database is Citus."""
    if connection.dialect.name == "postgresql" and _is_citus(connection):
        for table in tables:
            for statement in placing(table):
                connection.execute(text(statement))


def placing(table: str) -> list[str]:
    """Give the statements that place one table on Citus."""
    if table in REFERENCE:
        return [f"SELECT create_reference_table('{table}')"]
    beside = "" if table == "wallets" else ", colocate_with => 'wallets'"
    distribute = f"SELECT create_distributed_table('{table}', 'wallet_id'{beside})"
    if table not in APPEND_ONLY:
        return [distribute]
    return [
        f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}",
        distribute,
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER",
    ]


def _is_citus(connection: Connection) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'"))
    return found.scalar_one_or_none() is not None
