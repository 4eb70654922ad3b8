"""The settings of a wallet that the operator may change: names, fields of the policy, bounds, and how they are written.

Pure. Amounts are dollars here; they are scaled to the wallet's currency as its defaults are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, assert_never

from ledger import (
    USAGE_KIND,
    Refused,
    Scale,
    WalletPolicy,
    decimal_text,
    format_money,
    parse_amount,
    sums,
    within_one_charge,
)

Value = Any
"""As the policy keeps it: micro-units, a timedelta, a whole number, or several whole numbers."""
_SPAN = re.compile(r"(\d{1,6}) ?(s|min|m|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400}
_KIND = re.compile(USAGE_KIND)
_SWITCH = {"off": False, "on": True}
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)
SEVERAL_MAX = 3


class SettingUnfit(Refused):
    """A setting is unknown, or its value cannot be taken; the words name the bounds and an example."""


class Kind(StrEnum):
    """How the values of a setting are read and written."""

    MONEY = "money"  # 0.50; the bounds are hundredths of dollars
    SPAN = "span"  # 15min; the bounds are seconds
    WHOLE = "whole"  # 3
    PERCENT = "percent"  # 25
    SWITCH = "switch"  # on; the bounds are 0 and 1
    HOURS = "hours"  # 1,3,7: up to three, each longer than the one before
    MINUTES = "minutes"  # 30,120,360: likewise


@dataclass(frozen=True, slots=True)
class PolicySetting:
    """One setting of a wallet."""

    name: str
    field: str
    kind: Kind
    least: int
    most: int
    meaning: str

    def value(self, policy: WalletPolicy, scale: Scale) -> str:
        """Write what a policy has, as people read it."""
        return self._written(getattr(policy, self.field), scale)

    def bounds(self, scale: Scale) -> str:
        """Write the bounds."""
        least, most = self.limits(scale)
        return f"{self._written(least, scale)} to {self._written(most, scale)}"

    def read(self, text: str, scale: Scale) -> Value:
        """Read a value within the bounds. Refuses: SettingUnfit."""
        least, most = self.limits(scale)
        value = self._read(text.strip(), scale)
        parts = value if isinstance(value, tuple) else (value,)
        if value is None or not all(least <= one <= most for one in parts):
            several = (
                f"up to {SEVERAL_MAX} rising numbers, each "
                if self.kind in (Kind.HOURS, Kind.MINUTES)
                else ""
            )
            example = self._typed(getattr(WalletPolicy.for_currency(scale.currency.code), self.field), scale)
            raise SettingUnfit(
                f'{self.name} has to be {several}from {self.bounds(scale)}, not "{text[:40]}". '
                f"Try {self.name}={example}."
            )
        return value

    def fits(self, policy: WalletPolicy, scale: Scale) -> bool:
        """Say whether what a policy has is within the bounds."""
        least, most = self.limits(scale)
        value = getattr(policy, self.field)
        return all(least <= one <= most for one in (value if isinstance(value, tuple) else (value,)))

    def limits(self, scale: Scale) -> tuple[Value, Value]:
        """Give the bounds as values."""
        match self.kind:
            case Kind.MONEY:
                most = within_one_charge(self.field, scale.cents(self.most), scale)
                return scale.cents(self.least), most
            case Kind.SPAN:
                return timedelta(seconds=self.least), timedelta(seconds=self.most)
            case _:
                return self.least, self.most

    def _read(self, text: str, scale: Scale) -> Value | None:
        match self.kind:
            case Kind.MONEY:
                try:
                    return 0 if re.fullmatch(r"0(\.0+)?", text) else parse_amount(text, scale.currency).micros
                except Refused:
                    return None
            case Kind.SPAN:
                found = _SPAN.fullmatch(text)
                return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None
            case Kind.HOURS | Kind.MINUTES:
                unit = "h" if self.kind is Kind.HOURS else "min"
                parts = [part.strip().removesuffix(unit) for part in text.split(",")]
                numbers = tuple(int(part) for part in parts if _WHOLE.fullmatch(part))
                rising = numbers == tuple(sorted(set(numbers)))
                return numbers if len(numbers) == len(parts) <= SEVERAL_MAX and rising else None
            case Kind.SWITCH:
                return _SWITCH.get(text)
            case Kind.WHOLE | Kind.PERCENT:
                bare = text.removesuffix("%").strip() if self.kind is Kind.PERCENT else text
                return int(bare) if _WHOLE.fullmatch(bare) else None
            case _:
                assert_never(self.kind)

    def _typed(self, value: Value, scale: Scale) -> str:
        """Write a value as somebody would type it."""
        return decimal_text(scale.money(value)) if self.kind is Kind.MONEY else self._written(value, scale)

    def _written(self, value: Value, scale: Scale) -> str:
        match self.kind:
            case Kind.MONEY:
                return format_money(scale.money(value))
            case Kind.SPAN:
                return _span_words(value)
            case Kind.HOURS | Kind.MINUTES:
                unit = "h" if self.kind is Kind.HOURS else "min"
                return f"{','.join(map(str, value))}{unit}" if isinstance(value, tuple) else f"{value}{unit}"
            case Kind.PERCENT:
                return f"{value}%"
            case Kind.SWITCH:
                return "on" if value else "off"
            case Kind.WHOLE:
                return str(value)
            case _:
                assert_never(self.kind)


def _span_words(span: timedelta) -> str:
    """Write a span in its largest whole unit: "15min", "24h", "14d"."""
    seconds = int(span.total_seconds())
    for unit in ("d", "h", "min"):
        count, rest = divmod(seconds, _SECONDS[unit])
        if rest == 0 and (count > 1 or (count == 1 and unit != "d")):
            return f"{count}{unit}"
    return f"{seconds}s"


_M, _S, _N, _P, _H = Kind.MONEY, Kind.SPAN, Kind.WHOLE, Kind.PERCENT, Kind.HOURS
MINUTE, HOUR, DAY = 60, 3_600, 86_400
SETTINGS = (
    PolicySetting(
        "hold", "default_hold_micros", _M, *sums.HOLD.bounds, "set aside for a start that names no estimate"
    ),
    PolicySetting(
        "hold_lifetime",
        "hold_lifetime",
        _S,
        MINUTE,
        DAY,
        "how long money is set aside after the last extension",
    ),
    PolicySetting(
        "permit_lifetime", "permit_lifetime", _S, 5, 10 * MINUTE, "how long an answer may be acted on"
    ),
    PolicySetting(
        "item_ceiling",
        "item_max_micros",
        _M,
        *sums.ITEM_CEILING.bounds,
        "one call or task that costs more is rejected",
    ),
    PolicySetting("grace", "grace", _S, 0, HOUR, "how long inbound calls go on at zero, in any 24 hours"),
    PolicySetting(
        "grace_refill",
        "grace_refill_micros",
        _M,
        *sums.GRACE_REFILL.bounds,
        "a payment that gives the grace back",
    ),
    PolicySetting(
        "overdraft",
        "overdraft_min_micros",
        _M,
        *sums.OVERDRAFT.bounds,
        "how far below zero inbound calls may go",
    ),
    PolicySetting(
        "overdraft_percent",
        "overdraft_percent",
        _P,
        0,
        50,
        "the same as a share of last month, where that is more",
    ),
    PolicySetting(
        "top_up_min",
        "top_up_min_micros",
        _M,
        *sums.TOP_UP_MIN.bounds,
        "the least that people may pay at once",
    ),
    PolicySetting(
        "top_up_max", "top_up_max_micros", _M, *sums.TOP_UP_MAX.bounds, "the most that people may pay at once"
    ),
    PolicySetting(
        "card_day_limit",
        "people_day_max_micros",
        _M,
        *sums.CARD_DAY_LIMIT.bounds,
        "what people may charge to the saved card a day",
    ),
    PolicySetting(
        "link_lifetime",
        "link_lifetime",
        _S,
        HOUR,
        30 * DAY,
        "how long a link that asks somebody to pay works",
    ),
    PolicySetting(
        "suggested_threshold",
        "suggested_threshold_micros",
        _M,
        *sums.SUGGESTED_THRESHOLD.bounds,
        "the lowest threshold suggested for a rule",
    ),
    PolicySetting(
        "suggested_target",
        "suggested_target_micros",
        _M,
        *sums.SUGGESTED_TARGET.bounds,
        "the lowest target suggested for a rule",
    ),
    PolicySetting(
        "recharges_a_day",
        "recharges_a_day",
        _N,
        1,
        24,
        "automatic payments a day that a new rule begins with",
    ),
    PolicySetting(
        "recharge_day_cap",
        "recharge_day_cap_micros",
        _M,
        *sums.RECHARGE_DAY_CAP.bounds,
        "the lowest daily limit that a new rule begins with",
    ),
    PolicySetting(
        "recharge_month_cap",
        "recharge_month_cap_micros",
        _M,
        *sums.RECHARGE_MONTH_CAP.bounds,
        "the lowest monthly limit that a new rule begins with",
    ),
    PolicySetting(
        "recharge_spacing", "recharge_spacing", _S, MINUTE, DAY, "time between two automatic payments"
    ),
    PolicySetting(
        "unused_after", "unused_after", _S, DAY, 365 * DAY, "a wallet unused for so long is not charged for"
    ),
    PolicySetting(
        "retry_hours", "retry_hours", _H, 1, 72, "when a declined automatic payment is tried again"
    ),
    PolicySetting(
        "repeat_minutes",
        "repeat_minutes",
        Kind.MINUTES,
        5,
        1440,
        "when a stop that nobody answers is told again",
    ),
    PolicySetting(
        "remind_hours", "remind_hours", _H, 1, 23, "when people are reminded to confirm a payment at the bank"
    ),
    PolicySetting(
        "warning_line",
        "warning_min_micros",
        _M,
        *sums.WARNING_LINE.bounds,
        "the lowest warning line without a rule",
    ),
    PolicySetting(
        "warning_hours", "warning_hours", _N, 1, 168, "a wallet that lasts less than so long is low"
    ),
    PolicySetting(
        "critical_percent", "critical_percent", _P, 1, 90, "the critical line as a share of the warning line"
    ),
    PolicySetting(
        "critical_hours", "critical_hours", _N, 1, 72, "a wallet that lasts less than so long is critical"
    ),
    PolicySetting(
        "info", "info", Kind.SWITCH, 0, 1, "tell in the morning that the money ends within info_hours"
    ),
    PolicySetting("info_hours", "info_hours", _N, 2, 336, "how many hours before the money ends that is"),
    PolicySetting(
        "spike_min",
        "spike_min_micros",
        _M,
        *sums.SPIKE_MIN.bounds,
        "a day on which a kind cost less does not stand out",
    ),
    PolicySetting(
        "alarm_ends_after",
        "alarm_ends_after",
        _S,
        MINUTE,
        DAY,
        "how long a wallet stays above a line before its alarm ends",
    ),
)
_BY_NAME = {one.name: one for one in SETTINGS}
_HOLD = _BY_NAME["hold"]
OF_KIND = "hold."
"""Before the name of a kind: its own hold, where it differs from the others. As in hold.ai_task=2.00."""


def with_settings(policy: WalletPolicy, wanted: Sequence[str], scale: Scale) -> WalletPolicy:
    """Give a policy with settings written as name=value. Refuses: SettingUnfit."""
    changes: dict[str, Value] = {}
    holds = dict(policy.default_holds)
    for text in wanted:
        name, equals, value = text.partition("=")
        kind = name.strip().removeprefix(OF_KIND)
        if equals and kind != name.strip() and _KIND.fullmatch(kind):
            holds[kind] = replace(_HOLD, name=f"{OF_KIND}{kind}").read(value, scale)
            continue
        setting = _BY_NAME.get(name.strip())
        if setting is None or not equals:
            names = ", ".join(_BY_NAME)
            raise SettingUnfit(f'"{text[:60]}" is no setting. Write one like grace=30min; there are {names}.')
        changes[setting.field] = setting.read(value, scale)
    found = replace(policy, default_holds=holds, **changes)
    _check_together(found, scale)
    if found.rule is not None and found.recharge_spacing != policy.recharge_spacing:
        found = replace(found, rule=replace(found.rule, spacing=found.recharge_spacing))
    return found


def _check_together(policy: WalletPolicy, scale: Scale) -> None:
    def orderly(lower: str, higher: str) -> None:
        one, other = _BY_NAME[lower], _BY_NAME[higher]
        if getattr(policy, one.field) >= getattr(policy, other.field):
            raise SettingUnfit(
                f"{lower} has to be below {higher}: they would be {one.value(policy, scale)} and "
                f"{other.value(policy, scale)}. Change both at once, as in {lower}=… {higher}=…."
            )

    orderly("top_up_min", "top_up_max")
    orderly("suggested_threshold", "suggested_target")
    orderly("recharge_day_cap", "recharge_month_cap")
    orderly("critical_hours", "warning_hours")


def within_bounds(policy: WalletPolicy, scale: Scale) -> WalletPolicy:
    """Give a policy whose settings outside the bounds are the defaults of the currency."""
    plain = WalletPolicy.for_currency(scale.currency.code)
    outside = [one.field for one in SETTINGS if not one.fits(policy, scale)]
    least, most = _HOLD.limits(scale)
    holds = {kind: micros for kind, micros in policy.default_holds.items() if least <= micros <= most}
    return replace(policy, default_holds=holds, **{field: getattr(plain, field) for field in outside})


def differences(before: WalletPolicy, after: WalletPolicy, scale: Scale) -> list[str]:
    """Write which settings two policies have otherwise: "grace 15min → 30min"."""
    pairs = [(one.name, one.value(before, scale), one.value(after, scale)) for one in SETTINGS]
    for kind in sorted({*before.default_holds, *after.default_holds}):
        was, now = (format_money(scale.money(policy.hold_for(kind))) for policy in (before, after))
        if before.default_holds.get(kind) != after.default_holds.get(kind):
            pairs.append((f"{OF_KIND}{kind}", was, now))
    return [f"{name} {was} → {now}" for name, was, now in pairs if was != now]


def listed(policy: WalletPolicy, scale: Scale) -> list[str]:
    """Write every setting in a line: name, value, default, bounds and meaning."""
    plain = WalletPolicy.for_currency(scale.currency.code)
    rows = [
        (one.name, one.value(policy, scale), one.value(plain, scale), one.bounds(scale), one.meaning)
        for one in SETTINGS
    ]
    plain_hold, bounds = _HOLD.value(plain, scale), _HOLD.bounds(scale)
    rows += [
        (f"{OF_KIND}{kind}", format_money(scale.money(micros)), plain_hold, bounds, f"set aside for {kind}")
        for kind, micros in sorted(policy.default_holds.items())
    ]
    rows.insert(0, ("setting", "value", "default", "bounds", "meaning"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
