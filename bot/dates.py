"""The Date header of an HTTP answer, read. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def date_of(headers: Mapping[str, object]) -> datetime | None:
    """Read the Date among an answer's headers, however its name is written; None where there is none."""
    found = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(str(found)).astimezone(UTC)
    except (ValueError, TypeError, IndexError):
        return None
