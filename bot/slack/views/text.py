"""Text that cannot break out of its place, and instants and counts as people say them. Pure.

Escaping rules and date tokens: docs.slack.dev/messaging/formatting-message-text.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# Characters that are drawn as nothing although Unicode counts them as letters or symbols.
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A zero-width space after each mark keeps *bold*, _italic_, ~strike~ and `code` from being read as such.
_MARKS = {mark: f"{mark}\u200b" for mark in "*_~`"}


def clean(text: str, longest: int = 200) -> str:
    """Give somebody's text on one line, without characters that hide or reorder, cut to a length."""
    seen = "".join(_seen(one) for one in text)
    flat = " ".join(seen.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def _seen(one: str) -> str:
    match unicodedata.category(one):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cf" | "Cs" | "Co" | "Cn":
            return ""  # zero-width, direction-changing, tags, halves of pairs
        case _:
            return " " if one in _BLANKS else one


def escape(text: str, longest: int = 200) -> str:
    """Give somebody's text for a mrkdwn place: nothing in it can mention, link or format.

    The length is that of the escaped text, so that no escape is cut in half and no limit of Slack's is passed.
    """
    pieces = [_ESCAPES.get(one) or _MARKS.get(one, one) for one in clean(text, longest)]
    if sum(map(len, pieces)) > longest:
        while sum(map(len, pieces)) > longest - 1:
            pieces.pop()
        pieces.append("…")
    return "".join(pieces)


def sentence(text: str) -> str:
    """Give somebody's words as a sentence: a large letter, a full stop, nothing in it that Slack would read."""
    safe = escape(text, 300)
    return f"{safe[:1].upper()}{safe[1:]}."


def spoken(*parts: str) -> str:
    """Give what stands alone for screen readers and notifications: the same sentences without their bold marks."""
    bare = [re.sub(r"\*([^*\n]+)\*", r"\1", part) for part in parts if part]
    ended = [part if part[-1] in ".:;?" else f"{part}." for part in bare[:-1]]
    return " ".join([*ended, *bare[-1:]])


def plainly(text: str) -> str:
    """Give a sentence for a place that reads no marks: instants in the wallet's zone, nothing bold."""
    return spoken(re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text))


def moment(at: datetime, zone: str, *, day: bool = True) -> str:
    """Give an instant that each reader sees in their own zone; elsewhere it falls back to the wallet's zone."""
    token = "{date_short_pretty} at {time}" if day else "{time}"
    return f"<!date^{int(at.timestamp())}^{token}|{clock(at, zone, day=day)}>"


def time_first(at: datetime, zone: str) -> str:
    """Give a rough instant, down to five minutes, to follow "at about": "23:40 today" in each reader's zone."""
    floor = at - timedelta(minutes=at.minute % 5, seconds=at.second, microseconds=at.microsecond)
    local = floor.astimezone(ZoneInfo(zone))
    fallback = f"{local:%H:%M} on {local:%a} {local.day} {local:%b}"
    return f"<!date^{int(floor.timestamp())}^{{time}} {{date_short_pretty}}|{fallback}>"


def day_token(at: datetime, zone: str) -> str:
    """Give a day that each reader sees in their own zone."""
    local = at.astimezone(ZoneInfo(zone))
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}}|{local.day} {local:%b}>"


def clock(at: datetime, zone: str, *, day: bool = True) -> str:
    """Write an instant in a zone, for places that know no reader: "Wed 25 Nov 16:00"."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %H:%M}" if day else f"{local:%H:%M}"


def about(at: datetime, now: datetime, zone: str) -> str:
    """Say a coming instant as people do: "about 23:40 today", "about Wednesday 16:00", "about 3 December"."""
    there = ZoneInfo(zone)
    local, today = at.astimezone(there), now.astimezone(there)
    minute = local.minute // 5 * 5
    hour = f"{local.hour:02d}:{minute:02d}"
    days = (local.date() - today.date()).days
    if days == 0:
        return f"about {hour} today"
    if days == 1:
        return f"about {hour} tomorrow"
    if days < 7:
        return f"about {local:%A} {local.hour:02d}:00"
    return f"about {local.day} {local:%B}"


def minutes(count: int) -> str:
    """Say a number of minutes."""
    return "1 minute" if count == 1 else f"{count} minutes"


def span_words(span: timedelta) -> str:
    """Write a span in its largest whole unit: "15 minutes", "14 days"."""
    minutes = span // timedelta(minutes=1)
    for unit, length in (("day", 1_440), ("hour", 60)):
        if minutes >= length and minutes % length == 0:
            count = minutes // length
            return f"{count} {unit}s" if count != 1 else f"1 {unit}"
    return f"{minutes} minutes" if minutes != 1 else "1 minute"


def counted(count: int, one: str, many: str) -> str:
    """Say how many: "1 call", "1,204 calls"."""
    return f"{count:,} {one if count == 1 else many}"
