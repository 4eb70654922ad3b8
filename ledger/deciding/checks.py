"""What a command may contain, checked before anything is decided. Pure: each check refuses by name or does nothing."""

from datetime import datetime, timedelta
from unicodedata import is_normalized

from ledger.commands import Correct, PostMoney, PostUsage
from ledger.errors import AmountOutOfRange, KeyReused, TextUnfit, TimeUnfit
from ledger.money import MICROS_MAX

KEY_MAX = 255
TEXT_MAX = 1_000
QUANTITY_MAX = 10**12
AHEAD_MAX = timedelta(minutes=10)
"""How far in the future something may have happened: other people's clocks are not ours."""
BACK_MAX = timedelta(days=400)


def check_amount(micros: int, *, least: int = 1) -> None:
    """Refuse an amount that a transfer cannot have. Refuses: AmountOutOfRange."""
    if type(micros) is not int or not least <= micros <= MICROS_MAX:
        above = "more than zero" if least else "zero or more"
        raise AmountOutOfRange(f"An amount has to be {above} and at most a hundred billion.")


def check_quantity(quantity: int | None) -> None:
    """Refuse a quantity that cannot be counted. Refuses: AmountOutOfRange."""
    if quantity is not None and (type(quantity) is not int or not 0 <= quantity <= QUANTITY_MAX):
        raise AmountOutOfRange("A quantity has to be a whole number, 0 or more.")


def check_key(field: str, key: str) -> None:
    """Refuse what cannot be a key. Refuses: TextUnfit."""
    if not key:
        raise TextUnfit(field, "is empty")
    check_text(field, key, longest=KEY_MAX)


def check_text(field: str, text: str, *, longest: int = TEXT_MAX) -> None:
    """Refuse text that is too long or that no database keeps alike. Refuses: TextUnfit."""
    if len(text) > longest:
        raise TextUnfit(field, f"has more than {longest} characters")
    if not storable(text):
        raise TextUnfit(field, "has characters that cannot be kept")


def storable(text: str) -> bool:
    """Say whether every database keeps a text alike: no NUL, no half of a character (a lone surrogate)."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def check_occurred_at(occurred_at: datetime | None, now: datetime) -> None:
    """Refuse an instant that cannot be true. Refuses: TimeUnfit."""
    if occurred_at is None:
        return
    if occurred_at.tzinfo is None:
        raise TimeUnfit("occurred_at", "needs a time zone")
    if not now - BACK_MAX <= occurred_at <= now + AHEAD_MAX:
        raise TimeUnfit("occurred_at", f"has to lie within the last {BACK_MAX.days} days")


def check_posting(command: PostUsage | PostMoney | Correct, reference: str = "") -> None:
    """Refuse a key or text that no posting can have. Refuses: TextUnfit."""
    source, source_id, description = command.source, command.source_id, command.description
    # What is nearly always so, at a glance: a batch is a thousand of these.
    together = f"{source}{source_id}{reference}{description}"
    if source and source_id and len(together) <= KEY_MAX and together.isascii() and "\0" not in together:
        return
    check_key("source", source)
    check_key("id", source_id)
    check_text("description", description)
    check_text("reference", reference)


def check_normal(field: str, key: str) -> None:
    """Refuse an id that looks the same as another one but is written with other characters. Refuses: TextUnfit."""
    if not key.isascii() and not is_normalized("NFC", key):
        raise TextUnfit(field, "has to be written in Unicode's normal form C (NFC)")


def check_same(key: str, *pairs: tuple[str, object, object]) -> None:
    """Refuse a key that comes again with other contents. Refuses: KeyReused, naming the first field that differs."""
    for field, before, now in pairs:
        if before != now:
            raise KeyReused(key=key, field=field)
