"""The tree of refusals. A refusal is an expected "no" with words fit for the person who asked; a bug is a crash.

Pure.

Refused
├── AmountUnreadable        the text is not an amount of that currency
├── AmountOutOfRange        zero, negative, or more than the books can hold
├── AboveItemMax            one piece of work costs more than the policy takes for possible
├── NotCardExact            the amount has no exact form in the card network's minor units
├── CurrencyUnknown         no such currency here
│   └── CurrencyNotOffered  a currency that no new wallet can have
├── CurrencyMismatch        money of one currency offered to a wallet of another
├── TextUnfit               NUL, lone surrogates, or too long
├── TimeUnfit               an instant too far from now
├── KindUnknown             not a kind of transfer or usage
├── WalletUnknown           no such wallet
├── KeyReused               the same key with other contents
├── HoldUnknown             no such hold in this wallet
├── HoldEnded               the hold was captured, released, or has expired
├── UsageUnknown            the usage to correct does not exist
├── CorrectionTooLarge      a total above what is booked
├── PolicyUnfit             a rule whose numbers contradict each other
├── PolicyChanged           somebody else changed the policy in the meantime
├── ClockInDoubt            nothing is charged while the time is in doubt
└── Busy                    too much is waiting; try again in a moment (the one refusal worth repeating)
"""

from collections.abc import Sequence
from datetime import timedelta


class Refused(Exception):
    """A well-formed request was answered no; nothing was changed."""


class AmountUnreadable(Refused):
    """A text is not an amount of the currency; the message says why and what would be."""


class AmountOutOfRange(Refused):
    """An amount is zero, negative or larger than the books can hold."""


class AboveItemMax(Refused):
    """One piece of work costs more than the wallet's policy takes for possible. `most` is written with its currency."""

    def __init__(self, most: str) -> None:
        self.field = "amount"
        super().__init__(f"One piece of work may cost at most {most} here; more is taken for a slip.")


class NotCardExact(Refused):
    """An amount has no exact form in the minor units that card networks count in."""


class CurrencyUnknown(Refused):
    """A currency code is not in the table."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f'"{code}" is not a currency that a wallet can have.')


class CurrencyNotOffered(CurrencyUnknown):
    """A currency has no fixed sums here: a new wallet cannot have it."""

    def __init__(self, code: str, offered: Sequence[str]) -> None:
        super().__init__(code)
        self.args = (
            f'"{code[:10]}" is not a currency that a new wallet can have. Use one of {", ".join(offered)}; '
            "for example EUR.",
        )


class CurrencyMismatch(Refused):
    """Money of one currency meets money or a wallet of another."""

    def __init__(self, *, given: str, expected: str) -> None:
        super().__init__(f"The amount is in {given}; this wallet is in {expected}.")


class TextUnfit(Refused):
    """A text has characters that no database keeps alike, or is too long."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field} {reason}.")


class TimeUnfit(Refused):
    """An instant lies too far from now to be true."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(f"{field} {reason}.")


class KindUnknown(Refused):
    """A word is not the name of a kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(
            f'"{kind[:60]}" cannot be a kind. Use outbound_call, inbound_call, ai_task, '
            "or a name of your own in lower case letters, digits and underscores."
        )


class WalletUnknown(Refused):
    """There is no such wallet."""

    def __init__(self) -> None:
        super().__init__("There is no such wallet.")


class KeyReused(Refused):
    """The same key came before with other contents; the first stands."""

    def __init__(self, *, key: str, field: str) -> None:
        self.key = key
        self.field = field
        super().__init__(
            f'"{key}" was posted before with another {field}. The first one stands; use a new id for a new event.'
        )


class HoldUnknown(Refused):
    """There is no such hold in this wallet."""

    def __init__(self) -> None:
        super().__init__("There is no such hold.")


class HoldEnded(Refused):
    """A hold ends once; what comes later is told how it ended."""

    def __init__(self, *, ending: str) -> None:
        self.ending = ending
        super().__init__(f"This hold has ended: it was {ending}.")


class UsageUnknown(Refused):
    """The usage or hold that a correction names was never charged in this wallet."""

    def __init__(self) -> None:
        self.field = "corrects"
        super().__init__("There is no usage of that id, and no hold of that id was charged.")


class CorrectionTooLarge(Refused):
    """A correction asks for a total above what is booked. Amounts in micro-units."""

    def __init__(self, *, total_micros: int, booked_micros: int) -> None:
        self.field = "amount"
        self.total_micros = total_micros
        self.booked_micros = booked_micros
        super().__init__("A correction can only lower what is booked. Post the rest as usage of its own.")


class PolicyUnfit(Refused):
    """The numbers of a rule contradict each other; `field` says which one to change."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        super().__init__(reason)


class PolicyChanged(Refused):
    """The policy was changed by somebody else after the form was opened."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody else changed these settings in the meantime. Open them again to see what they are now."
        )


class ClockInDoubt(Refused):
    """The time is in doubt, so no money is charged; whoever runs the bot has to look at its clock."""

    def __init__(self) -> None:
        super().__init__(
            "Redbar's clock is in doubt, so no card is charged now. Ask whoever runs Redbar to look at its health."
        )


class Busy(Refused):
    """Too much is waiting to be written; nothing was done and the same request may be repeated."""

    def __init__(self, retry_after: timedelta = timedelta(seconds=1)) -> None:
        self.retry_after = retry_after
        super().__init__("Too many requests are waiting. Try again in a moment.")
