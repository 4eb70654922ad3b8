"""A saved card may be spare: kept, and charged by nobody until an admin chooses it.

The constraint is written out as it was on this day, never taken from the code of a later one. A process of the version
before does not know the slot: it is to be stopped before a third card is saved.
"""

import sqlalchemy as sa
from alembic import op

revision = "bot_0011"
down_revision = "bot_0010"

_BEFORE = "slot IN ('main', 'backup', 'removed')"
_AFTER = "slot IN ('main', 'backup', 'spare', 'removed')"
_NAME = "ck_cards_slot_known"


def upgrade() -> None:
    """Allow the slot."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _make_anew(connection)
        return
    op.execute(f"ALTER TABLE cards DROP CONSTRAINT {_NAME}")
    op.execute(f"ALTER TABLE cards ADD CONSTRAINT {_NAME} CHECK ({_AFTER})")


def _make_anew(connection: sa.Connection) -> None:
    """Change a constraint of a table of SQLite's, which can only be done by making the table anew with its rows."""
    kept = sa.text(
        "SELECT sql FROM sqlite_master WHERE type = :type AND tbl_name = 'cards' AND sql IS NOT NULL"
    )
    (made,) = connection.execute(kept, {"type": "table"}).scalars()
    indexes = connection.execute(kept, {"type": "index"}).scalars().all()
    assert _BEFORE in made, "the table has the constraint of the version before"
    columns = made.partition("(")[2].replace(_BEFORE, _AFTER)
    connection.exec_driver_sql(f"CREATE TABLE cards_anew ({columns}")
    connection.exec_driver_sql("INSERT INTO cards_anew SELECT * FROM cards")
    connection.exec_driver_sql("DROP TABLE cards")
    connection.exec_driver_sql("ALTER TABLE cards_anew RENAME TO cards")
    for index in indexes:
        connection.exec_driver_sql(index)
