"""What people type after `/wallet`, read into a closed set of commands. Pure."""

import difflib
import re
from dataclasses import dataclass

from ledger import ASK_EXAMPLE_DOLLARS, Currency, Money, Refused, decimal_text, parse_amount, scale_of


@dataclass(frozen=True, slots=True)
class Status:
    """`/wallet`"""


@dataclass(frozen=True, slots=True)
class TopUp:
    """`/wallet topup [amount]`"""

    amount: Money | None


@dataclass(frozen=True, slots=True)
class Ask:
    """`/wallet ask @person [amount] [note]`"""

    person_id: str
    amount: Money | None
    note: str


@dataclass(frozen=True, slots=True)
class ShowCard:
    """`/wallet card`"""


@dataclass(frozen=True, slots=True)
class AutomaticPayments:
    """`/wallet auto [off]`"""

    off: bool


@dataclass(frozen=True, slots=True)
class ShowUsage:
    """`/wallet usage [YYYY-MM]`"""

    month: str | None


@dataclass(frozen=True, slots=True)
class ShowHistory:
    """`/wallet history [kind] [YYYY-MM]`"""

    kind: str | None
    month: str | None


@dataclass(frozen=True, slots=True)
class ShowAlerts:
    """`/wallet alerts`"""


@dataclass(frozen=True, slots=True)
class ShowPeople:
    """`/wallet people`"""


@dataclass(frozen=True, slots=True)
class Help:
    """`/wallet help`, or words that were not understood; then `reason` says which and what was likely meant."""

    reason: str = ""


WalletCommand = (
    Status
    | TopUp
    | Ask
    | ShowCard
    | AutomaticPayments
    | ShowUsage
    | ShowHistory
    | ShowAlerts
    | ShowPeople
    | Help
)

WORDS = ("topup", "ask", "card", "auto", "usage", "history", "alerts", "people", "help")
KINDS = {
    "outbound": "outbound_call",
    "inbound": "inbound_call",
    "ai": "ai_task",
    "topup": "top_up",
    "automatic": "recharge",
}
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)
_LOOKS_LIKE_AMOUNT = re.compile(r"[-−+]?(?:[A-Z]{0,3}[$€£¥₩₪₹₱])?[\d.,]*\d[\d.,_eE+-]*|[-−]\S+")
NOTE_MAX = 200


def parse(text: str, currency: Currency) -> WalletCommand:
    """Read what was typed. Words that are not understood become `Help` with a sentence that says so."""
    words = text.split()
    if not words:
        return Status()
    verb, rest = words[0].lower(), words[1:]
    match verb:
        case "topup" | "top-up":
            return _top_up(rest, currency)
        case "ask":
            return _ask(text.strip()[3:].strip(), currency)
        case "auto" if not rest or rest == ["off"]:
            return AutomaticPayments(off=bool(rest))
        case "usage" if len(rest) <= 1 and all(map(_MONTH.fullmatch, rest)):
            return ShowUsage(rest[0] if rest else None)
        case "history":
            return _history(rest)
        case "card" | "alerts" | "people" | "help" | "status" if not rest:
            return _SIMPLE[verb]
        case _:
            return Help(_not_known(words))


_SIMPLE: dict[str, WalletCommand] = {
    "card": ShowCard(),
    "alerts": ShowAlerts(),
    "people": ShowPeople(),
    "help": Help(),
    "status": Status(),
}


def _top_up(rest: list[str], currency: Currency) -> WalletCommand:
    if not rest:
        return TopUp(None)
    try:
        return TopUp(parse_amount(" ".join(rest), currency))
    except Refused as refusal:
        return Help(str(refusal))


def _ask(rest: str, currency: Currency) -> WalletCommand:
    mention = _MENTION.match(rest)
    if mention is None:
        scale = scale_of(currency.code)
        amount = decimal_text(scale.money(scale.dollars(ASK_EXAMPLE_DOLLARS))).removesuffix(".00")
        return Help(
            f"Whom should I ask? Write it like /wallet ask @finance {amount} for the Friday campaign."
        )
    after = rest[mention.end() :].strip()
    first, _, note = after.partition(" ")
    if first and _LOOKS_LIKE_AMOUNT.fullmatch(first.removeprefix(currency.code)):
        try:
            return Ask(mention[1], parse_amount(first, currency), note.strip()[:NOTE_MAX])
        except Refused as refusal:
            return Help(str(refusal))
    return Ask(mention[1], None, after[:NOTE_MAX])


def _history(rest: list[str]) -> WalletCommand:
    kind = month = None
    for word in rest:
        if month is None and _MONTH.fullmatch(word):
            month = word
        elif kind is None and word.lower() in KINDS:
            kind = KINDS[word.lower()]
        else:
            return Help(
                f'"{word[:40]}" isn\'t a kind or a month. Try /wallet history outbound 2026-11; '
                f"kinds are {', '.join(KINDS)}."
            )
    return ShowHistory(kind, month)


def _not_known(words: list[str]) -> str:
    typed = " ".join(words)[:80]
    close = difflib.get_close_matches(words[0].lower(), WORDS, n=1, cutoff=0.6)
    if words[0].lower() in WORDS:
        return f'"/wallet {typed}" has words that I can\'t place. /wallet help shows how each is written.'
    if not close:
        return f'"/wallet {typed}" isn\'t something I know. /wallet help lists everything.'
    meant = " ".join([close[0], *words[1:]])[:80]
    return (
        f'"/wallet {typed}" isn\'t something I know. Did you mean /wallet {meant}? '
        "/wallet help lists everything."
    )
