"""Ids made by us, never by the database."""

from uuid import UUID, uuid4

import uuid_utils


def new_id() -> UUID:
    """Give a time-ordered id (UUIDv7): neighbours in time are neighbours in an index."""
    return UUID(int=new_number())


def new_number() -> int:
    """Give a time-ordered id as a number: a third of the time where most are never used."""
    return int(uuid_utils.uuid7().int)


def new_wallet_id() -> UUID:
    """Give a random id: wallets spread evenly over shards and say nothing of when they were opened."""
    return uuid4()
