"""What time the database says it is, where it has a clock of its own."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select


def database_time(connection: Connection) -> datetime | None:
    """Give the server's present time; None for a file."""
    if connection.dialect.name != "postgresql":
        return None
    said: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return said.astimezone(UTC)
