"""Instants as they are stored: whole microseconds since 1970, exact both ways. Pure."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_stamp(instant: datetime) -> int:
    """Give the stored form of an aware instant."""
    return (instant - EPOCH) // _MICROSECOND


def from_stamp(stamp: int) -> datetime:
    """Give the instant of a stored form, in UTC."""
    return EPOCH + timedelta(microseconds=stamp)
