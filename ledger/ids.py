"""Ids made by us, never by the database."""

from uuid import UUID, uuid4

import uuid_utils


def new_id() -> UUID:
    """Give a time-ordered id (UUIDv7): neighbours in time are neighbours in an index."""
    return UUID(int=uuid_utils.uuid7().int)


def new_wallet_id() -> UUID:
    """Give a random id: wallets spread evenly over shards and say nothing of when they were opened."""
    return uuid4()
