"""The bot's own rows: who is who, payments and the Stripe requests made for them, news taken in, messages posted.

Only flows write them. Rules as in the ledger's tables: `wallet_id` leads every key of a wallet's rows; ids are
made by us; instants come from the clock, never from the database. Rows known before their wallet (outside news,
named values of the installation, Slack's event ids) live under the nil wallet.

A column that holds a member of an enum has a CHECK, and the CHECK is made from that enum.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, Table, text

from bot.rights import APPOINTED, BY_WORKSPACE
from bot.states.alert import AlertPhase
from bot.states.alert_channel import ChannelPresence
from bot.states.card_slot import CardSlot
from bot.states.delivery import DeliveryState, RecipientKind, Side
from bot.states.dispute import DisputeStatus
from bot.states.one_time_action import ActionPurpose
from bot.states.payment import IN_FLIGHT, Purpose, State, Way
from bot.states.stripe_request import Operation, RequestOutcome, RequestState
from ledger.storage.schema import NAMING, BigInt, PlainText, UtcInstant, UuidText

NIL_WALLET = UUID(int=0)
BOT_VERSIONS = Path(__file__).parent / "migrations" / "versions"
"""How these tables came to be, step by step."""
BOT_VERSION_TABLE = "alembic_version_bot"
"""The table with the newest of the steps that were taken."""

metadata = MetaData(naming_convention=NAMING)


def _table(name: str, *columns: Column[Any] | CheckConstraint | Index) -> Table:
    return Table(name, metadata, *columns, sqlite_strict=True)


def _wallet() -> Column[UUID]:
    return Column("wallet_id", UuidText, primary_key=True)


def _text(name: str, *, key: bool = False, empty: bool = True) -> Column[str]:
    return Column(
        name,
        PlainText,
        primary_key=key,
        nullable=False,
        server_default=text("''") if empty and not key else None,
    )


def _one_of(column: str, members: Iterable[StrEnum]) -> str:
    values = ", ".join(f"'{one}'" for one in members)
    return f"{column} IN ({values})"


def _known(column: str, members: Iterable[StrEnum]) -> CheckConstraint:
    """Say which values a column takes. A NULL passes, where the column may be NULL."""
    return CheckConstraint(_one_of(column, members), name=f"{column}_known")


def _recipient(column: str) -> CheckConstraint:
    """Say which kinds of recipient a column takes, each written "kind:id"."""
    kinds = " OR ".join(f"substr({column}, 1, {len(one) + 1}) = '{one}:'" for one in RecipientKind)
    return CheckConstraint(kinds, name=f"{column}_known")


def _instant(name: str, *, optional: bool = False) -> Column[Any]:
    return Column(name, UtcInstant, nullable=optional)


_DEAD = text("dead_at IS NOT NULL")

workspaces = _table(
    "workspaces",  # found by Slack's ids before the wallet is known: the one table not led by wallet_id
    _text("team_id", key=True),
    _text("enterprise_id"),
    Column("wallet_id", UuidText, nullable=False),
    _text("name"),
    _text("bot_user_id"),
    _instant("created_at"),
    _instant("dead_at", optional=True),
    Index("ix_workspaces_wallet", "wallet_id"),
    Index("ix_workspaces_dead", "dead_at", sqlite_where=_DEAD, postgresql_where=_DEAD),
)

billing = _table(
    "billing",
    _wallet(),
    _text("customer_id"),
    Column("refs_given", Integer, nullable=False),
)

people = _table(
    "people",
    _wallet(),
    _text("user_id", key=True),
    _text("role", empty=False),
    _text("appointed_by"),
    _instant("appointed_at"),
    _known("role", APPOINTED),
)

workspace_people = _table(
    "workspace_people",  # owners, admins, and who has left of those we deal with; nobody else has a row
    _wallet(),
    _text("user_id", key=True),
    _text("role", empty=False),
    _instant("known_at"),
    _known("role", BY_WORKSPACE),
)

people_listings = _table(
    "people_listings",  # how far Slack's list of people was read
    _wallet(),
    _text("cursor"),  # of the next page; empty for the first
    _instant("started_at"),
    _instant("listed_at", optional=True),  # when the last complete listing began
    _instant("due_at"),
    Column("tries", Integer, nullable=False),
    Index("ix_people_listings_due", "due_at"),  # across wallets, as are those of requests and payments
)

_MAIN = text(_one_of("slot", [CardSlot.MAIN]))

cards = _table(
    "cards",
    _wallet(),
    _text("card_id", key=True),
    _text("brand"),
    _text("last4"),
    Column("exp_month", Integer, nullable=False),
    Column("exp_year", Integer, nullable=False),
    _text("fingerprint"),
    _text("slot", empty=False),
    _text("connected_by"),
    _instant("connected_at"),
    _known("slot", CardSlot),
    Index("uq_cards_main", "wallet_id", unique=True, sqlite_where=_MAIN, postgresql_where=_MAIN),
)

_IN_FLIGHT = text(
    f"{_one_of('purpose', [Purpose.RECHARGE])} AND {_one_of('state', [one for one in State if one in IN_FLIGHT])}"
)

payments = _table(
    "payments",
    _wallet(),
    Column("payment_id", UuidText, primary_key=True),
    _text("ref", empty=False),
    _text("purpose", empty=False),
    _text("way", empty=False),
    _text("state", empty=False),
    Column("amount_micros", BigInt, nullable=True),
    _text("currency", empty=False),
    _text("asked_by"),
    _text("payer"),
    _text("note"),
    _text("card_id"),
    Column("saves_card", Integer, nullable=False),
    _text("session_id"),
    _text("link_id"),
    _text("intent_id"),
    _text("url"),
    _instant("created_at"),
    _instant("expires_at", optional=True),
    _instant("settled_at", optional=True),
    _text("paid_with"),
    _text("receipt_url"),
    _text("decline_code"),
    _text("advice_code"),
    _text("withdrawn_by"),
    _text("qr_file_id"),
    Column("try_number", Integer, nullable=False),
    _text("recharge_id"),
    _instant("next_try_at", optional=True),
    _text("next_card_id"),
    CheckConstraint("amount_micros IS NULL OR amount_micros > 0", name="amount_positive"),
    _known("purpose", Purpose),
    _known("way", Way),
    _known("state", State),
    Index("uq_payments_ref", "wallet_id", "ref", unique=True),
    # At most one automatic charge may be happening at once, whatever crashed (I10).
    Index(
        "uq_payments_in_flight",
        "wallet_id",
        unique=True,
        sqlite_where=_IN_FLIGHT,
        postgresql_where=_IN_FLIGHT,
    ),
    Index("ix_payments_state", "wallet_id", "state"),
    Index("ix_payments_due", "state", "expires_at"),
)

disputes = _table(
    "disputes",  # and early fraud warnings
    _wallet(),
    _text("dispute_id", key=True),
    Column("payment_id", UuidText, nullable=False),
    _text("status", empty=False),
    _text("reason"),
    Column("amount_micros", BigInt, nullable=False),
    _text("currency", empty=False),
    _instant("due_at", optional=True),
    _instant("opened_at"),
    _instant("changed_at"),
    _known("status", DisputeStatus),
)

differences = _table(
    "differences",  # what a reconciliation found on one side only, or differing
    _wallet(),
    _text("key", key=True),
    _text("cause", empty=False),  # of `causes.DifferenceCause`
    _instant("found_at"),
    _instant("seen_at"),
    _instant("ended_at", optional=True),
)

stripe_requests = _table(
    "stripe_requests",
    _wallet(),
    Column("request_id", UuidText, primary_key=True),
    Column("payment_id", UuidText, nullable=True),
    _text("operation", empty=False),
    _text("object_id"),
    _text("key", empty=False),
    _text("body", empty=False),
    _text("state", empty=False),
    Column("outcome", PlainText, nullable=True),
    _instant("created_at"),
    _instant("tried_at", optional=True),
    Column("tries", Integer, nullable=False),
    _text("answer"),  # a code of Stripe's or of ours beside the outcome
    _known("operation", Operation),
    _known("state", RequestState),
    _known("outcome", RequestOutcome),
    CheckConstraint(
        f"({_one_of('state', [RequestState.PLANNED])}) = (outcome IS NULL)", name="tried_or_planned"
    ),
    Index("uq_stripe_requests_key", "wallet_id", "key", unique=True),
    Index("ix_stripe_requests_state", "wallet_id", "state"),
    Index("ix_stripe_requests_due", "state", "created_at"),
)

payment_messages = _table(
    "payment_messages",
    _wallet(),
    Column("payment_id", UuidText, primary_key=True),
    _text("user_id", key=True),
    _text("audience", empty=False),
    _text("channel", empty=False),
    _text("ts", empty=False),
    _text("said"),  # what its reader was last notified of
    _text("picture"),  # the file of the picture that it shows
    _known("audience", Side),
)

deliveries = _table(
    "deliveries",  # what each recipient is still to be shown, was shown, or can't be shown
    _wallet(),
    Column("delivery_id", UuidText, primary_key=True),
    _text("subject", empty=False),
    _text("recipient", empty=False),
    Column("notice_id", UuidText, nullable=False),  # the newest of the subject
    Column("seq", Integer, nullable=False),  # that notice's
    Column("urgency", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),  # the version that is to be shown
    Column("shown", Integer, nullable=False),  # the version that was shown last; 0 for none
    _text("state", empty=False),
    Column("tries", Integer, nullable=False),  # since it was last shown
    _instant("due_at"),
    _instant("lease_until"),  # also the claim's token
    _instant("changed_at"),
    _text("error"),  # of `causes.DeliveryError`
    _known("state", DeliveryState),
    _recipient("recipient"),
    CheckConstraint("shown >= 0 AND shown <= wanted", name="shown_was_wanted"),
    Index("uq_deliveries_subject", "wallet_id", "subject", "recipient", unique=True),
    Index("ix_deliveries_due", "state", "due_at"),  # across wallets: what is due is looked for every moment
    Index("ix_deliveries_recipient", "wallet_id", "recipient", "state", "seq"),
)

inbox = _table(
    "inbox",
    _wallet(),
    _text("event_id", key=True),
    _text("kind", empty=False),
    _text("object_id", empty=False),
    _text("intent_id"),
    _instant("created_at"),
    _instant("taken_at"),
    _instant("handled_at", optional=True),
    Column("tries", Integer, nullable=False),
    _instant("due_at"),
    _text("error"),  # of `causes.InboxError`
    Index("ix_inbox_handled", "wallet_id", "handled_at"),
)

named_values = _table(
    "named_values",
    _wallet(),
    _text("name", key=True),
    _text("value"),
    _instant("at"),
    Index("ix_named_values_name", "name"),  # across wallets: of which wallets something is remembered
)

one_time_actions = _table(
    "one_time_actions",
    _wallet(),
    Column("one_time_action_id", UuidText, primary_key=True),
    _text("purpose", empty=False),
    _text("body", empty=False),
    _text("actor"),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("consumed_at", optional=True),
    _known("purpose", ActionPurpose),
)

alert_channels = _table(
    "alert_channels",
    _wallet(),
    _text("channel_id", key=True),
    _text("added_by"),
    _instant("added_at"),
    Column("presence", PlainText, nullable=False, server_default=text(f"'{ChannelPresence.UNKNOWN}'")),
    _instant("looked_at", optional=True),
    _instant("presence_since", optional=True),
    _known("presence", ChannelPresence),
    CheckConstraint(
        f"({_one_of('presence', [ChannelPresence.UNKNOWN])}) = (presence_since IS NULL)",
        name="presence_dated",
    ),
)

alert_messages = _table(
    "alert_messages",
    _wallet(),
    Column("episode_id", UuidText, primary_key=True),
    _text("audience", key=True),
    _text("channel", empty=False),
    _text("ts", empty=False),
    Column("level", Integer, nullable=False),
    _text("phase", empty=False),
    _text("shown"),
    _text("acknowledged_by"),
    _text("line_ts"),  # of the line in its thread that still shows buttons
    Column("acknowledged_level", Integer, nullable=False, server_default=text("0")),
    _recipient("audience"),
    _known("phase", AlertPhase),
)

viewers = _table(
    "viewers",
    _wallet(),
    _text("user_id", key=True),
    _instant("viewed_at"),
    _text("shown"),
    _text("kind"),
    _text("month"),
    _text("cursor"),
)

keys = _table(
    "keys",
    _wallet(),
    Column("key_id", UuidText, primary_key=True),
    _text("digest", empty=False),
    _text("scopes", empty=False),
    _text("name"),
    _instant("created_at"),
    _instant("revoked_at", optional=True),
    Index("ix_keys_digest", "digest"),
)

slack_events = _table("slack_events", _wallet(), _text("event_id", key=True), _instant("at"))

pictures = _table(
    "pictures", _wallet(), _text("name", key=True), _text("file_id", empty=False), _instant("at")
)
