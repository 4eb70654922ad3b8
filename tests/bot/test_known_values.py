"""Enums of the rows: the database takes members alone, no bare string stands for one, no state skips its table."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import IntegrityError

import bot.ports
import bot.states
import bot.tables
from bot.app import open_ledger
from bot.rights import APPOINTED, BY_WORKSPACE
from bot.states.alert import AlertPhase
from bot.states.alert_channel import ChannelPresence
from bot.states.card_slot import CardSlot
from bot.states.delivery import DeliveryState, RecipientKind, Side
from bot.states.dispute import DisputeStatus
from bot.states.one_time_action import ActionPurpose
from bot.states.payment import Purpose, State, Way
from bot.states.stripe_request import Operation, RequestOutcome, RequestState
from bot.tables import metadata
from ledger import Ledger, new_id
from ledger.storage.schema import UtcInstant, UuidText
from tests.postgres_server import Server
from tests.sandbox.slack_place import SettableClock

ROOT = Path(__file__).parent.parent.parent
KNOWN: Mapping[tuple[str, str], Sequence[StrEnum]] = {
    ("people", "role"): APPOINTED,
    ("workspace_people", "role"): BY_WORKSPACE,
    ("cards", "slot"): list(CardSlot),
    ("payments", "purpose"): list(Purpose),
    ("payments", "way"): list(Way),
    ("payments", "state"): list(State),
    ("disputes", "status"): list(DisputeStatus),
    ("stripe_requests", "operation"): list(Operation),
    ("stripe_requests", "state"): list(RequestState),
    ("stripe_requests", "outcome"): list(RequestOutcome),
    ("payment_messages", "audience"): list(Side),
    ("deliveries", "state"): tuple(DeliveryState),
    ("alert_channels", "presence"): list(ChannelPresence),
    ("alert_messages", "phase"): list(AlertPhase),
    ("one_time_actions", "purpose"): list(ActionPurpose),
}
"""Columns that hold a member of an enum."""
RECIPIENTS = (("deliveries", "recipient"), ("alert_messages", "audience"))
"""Columns that hold a kind of recipient before its id."""
QUERIED: Mapping[str, Table] = {name: one for name, one in vars(bot.tables).items() if isinstance(one, Table)}
"""The tables by the names that queries use."""
MACHINE_COLUMNS = {"state", "status", "slot"}
FOREIGN: Mapping[str, set[str]] = {
    # The ledger's own kinds of transfer and states of holds, and what people type and read for them.
    "bot/slack/commands.py": {"ask", "automatic", "card", "recharge", "top_up"},
    "bot/slack/views/changes.py": {"removed"},
    "bot/slack/views/home.py": {"charge", "paused", "recharge", "top_up"},
    "bot/slack/views/usage.py": {"recharge", "top_up"},
    "bot/slack/views/words.py": {"recharge", "top_up"},
    "bot/surfaces/explain.py": {
        "declined",
        "done",
        "expired",
        "failed",
        "ok",
        "open",
        "paid",
        "refused",
        "told",
    },
    # Codes of causes, which say why and are no states.
    "bot/causes.py": {"failed", "refused"},
    # Words of Stripe's own requests and objects.
    "bot/stripe/gateway.py": {"customer"},
    "bot/stripe/objects.py": {"card", "paid"},
    "bot/wallets/restored_mode.py": {"restored", "resumed"},  # names of values
    "bot/stripe/requests.py": {
        "app_removed",
        "books_restored",
    },  # why a request was not made; a code of its own
    "bot/stripe/request_bodies.py": {"card", "customer", "payment", "recharge", "setup"},
    # Words of Slack's requests and blocks, and values of our own buttons.
    "bot/slack/channel_directory.py": {"channel", "is_archived"},
    "bot/slack/client.py": {"channel"},
    "bot/slack/listeners/events.py": {"channel"},
    "bot/slack/failures.py": {"ok"},
    "bot/slack/listeners/buttons.py": {"open"},
    "bot/slack/listeners/forms.py": {"other"},
    "bot/slack/listeners/interaction.py": {"channel"},
    "bot/slack/views/alerts.py": {"low", "open"},
    "bot/slack/views/automatic.py": {"card", "charge"},
    "bot/slack/views/blocks.py": {"confirm"},
    "bot/slack/views/money_in/checkout.py": {"other"},
    # Words of the platform's API and of the command line.
    "bot/__main__.py": {"asked", "backup"},
    "bot/operator/check.py": {"ok"},
    "bot/operator/sqlite_backup.py": {"ok"},  # what SQLite says of a whole file
    "bot/slack/views/example_facts.py": {"recharge", "top_up"},
    "bot/slack/views/examples.py": {  # names of surfaces
        "confirm",
        "connect",
        "counting",
        "paused",
        "recovered",
        "refused",
        "restored",
    },
    "bot/http/api.py": {"accepted", "rejected"},
    "bot/http/health.py": {"ok"},
    "bot/http/metrics.py": {"set_aside", "waiting"},  # words of metrics
    "bot/http/readiness.py": {"restored"},  # the name of a check
    # Actions of the audit log, reasons of policies, names of columns, jobs, prefixes and sums.
    "bot/payments/top_ups.py": {"charge"},
    "bot/reconciliation/difference.py": {"other"},
    "bot/reconciliation/manual_credit.py": {"intent"},
    "bot/stripe/keys.py": {"charge", "dispute", "payment"},
    "bot/surfaces/episodes.py": {"channel"},
    "bot/tables.py": {"channel", "payer"},
    "bot/timers.py": {"recharge"},
    "bot/wallets/rules.py": {"paid"},
}
"""Strings that are spelled like a member of an enum and mean something else. The list is exact."""


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A database that the migrations made."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('known')}/books.db"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.create("known_values")
    ledger = open_ledger(url, SettableClock())
    yield ledger
    ledger.close()


def _row(table: Table, **values: object) -> dict[str, object]:
    """Give a row that the table takes, with some values in place of the usual ones."""
    row = {column.name: _usual(column) for column in table.columns if not column.nullable}
    row |= {
        column: members[0]
        for (name, column), members in KNOWN.items()
        if name == table.name and column in row
    }
    row |= {column: "person:U1" for name, column in RECIPIENTS if name == table.name}
    if table.name == "stripe_requests":  # what was tried has an outcome, what is planned has none
        tried = values.get("state", RequestState.DONE if "outcome" in values else row["state"])
        row |= {"state": tried, "outcome": None if tried == RequestState.PLANNED else RequestOutcome.OK}
    if table.name == "alert_channels":  # what is known of Redbar there is known since an instant
        unknown = values.get("presence", row["presence"]) == ChannelPresence.UNKNOWN
        row |= {"presence_since": None if unknown else SettableClock().now()}
    return row | values


def _usual(column: sa.Column[Any]) -> object:
    if isinstance(column.type, UuidText):
        return new_id()
    if isinstance(column.type, UtcInstant):
        return SettableClock().now()
    return "x" if isinstance(column.type, sa.Text) else 1


def _takes(connection: Connection, table: Table, constraint: str, **values: object) -> bool:
    """Say whether a table takes a row; what refuses it must be the constraint."""
    try:
        with connection.begin_nested() as inner:
            connection.execute(insert(table).values(**_row(table, **values)))
            inner.rollback()
    except IntegrityError as problem:
        if constraint not in str(problem.orig):
            raise
        return False
    return True


@pytest.mark.parametrize(("name", "column"), KNOWN, ids=[".".join(one) for one in KNOWN])
def test_the_database_takes_the_members_of_the_enum_alone(migrated: Ledger, name: str, column: str) -> None:
    """As the migrations made it: each member, and nothing else."""
    members, constraint = KNOWN[name, column], f"ck_{name}_{column}_known"
    with migrated.store.migrating() as connection:
        checks = {one["name"]: one["sqltext"] for one in sa.inspect(connection).get_check_constraints(name)}
        assert set(re.findall(r"'([^']*)'", checks[constraint])) == set(members)

        table = metadata.tables[name]
        refused = [one for one in members if not _takes(connection, table, constraint, **{column: one})]
        assert refused == []
        for wrong in ("nonsense", "", members[0].upper()):
            assert not _takes(connection, table, constraint, **{column: wrong})


@pytest.mark.parametrize(("name", "column"), RECIPIENTS, ids=[".".join(one) for one in RECIPIENTS])
def test_the_database_takes_known_kinds_of_recipients_alone(migrated: Ledger, name: str, column: str) -> None:
    """Each kind with any id."""
    constraint, table = f"ck_{name}_{column}_known", metadata.tables[name]
    with migrated.store.migrating() as connection:
        for kind in RecipientKind:
            assert _takes(connection, table, constraint, **{column: f"{kind}:X1"})
        for wrong in ("U1", "team:U1", "", "person", "Person:U1"):
            assert not _takes(connection, table, constraint, **{column: wrong})


def test_a_request_has_an_outcome_once_it_was_tried(migrated: Ledger) -> None:
    """And none before."""
    table, constraint = metadata.tables["stripe_requests"], "ck_stripe_requests_tried_or_planned"
    with migrated.store.migrating() as connection:
        for wrong in (
            {"state": RequestState.PLANNED, "outcome": RequestOutcome.OK},
            {"state": RequestState.UNKNOWN, "outcome": None},
        ):
            assert not _takes(connection, table, constraint, **wrong)


def test_what_is_known_of_an_alert_channel_is_known_since_an_instant(migrated: Ledger) -> None:
    """And what is unknown is not."""
    table, constraint = metadata.tables["alert_channels"], "ck_alert_channels_presence_dated"
    with migrated.store.migrating() as connection:
        for wrong in (
            {"presence": ChannelPresence.UNKNOWN, "presence_since": SettableClock().now()},
            {"presence": ChannelPresence.PRESENT, "presence_since": None},
        ):
            assert not _takes(connection, table, constraint, **wrong)


def test_every_column_with_a_check_of_known_values_is_tried() -> None:
    """A column that is added comes with its enum."""
    found = {
        (table.name, str(one.name).removeprefix(f"ck_{table.name}_").removesuffix("_known"))
        for table in metadata.sorted_tables
        for one in table.constraints
        if isinstance(one, sa.CheckConstraint) and str(one.name).endswith("_known")
    }
    assert found == {*KNOWN, *RECIPIENTS}


def _sources() -> Iterator[Path]:
    """Give the bot's files but for the enums themselves, the migrations, and the sandbox, which is outside."""
    for path in sorted((ROOT / "bot").rglob("*.py")):
        if not {"sandbox", "migrations", "states"} & set(path.relative_to(ROOT / "bot").parts):
            yield path


def _members() -> set[str]:
    """Give the values of all enums in `bot/states/` and of Stripe's in the ports."""
    modules = [
        importlib.import_module(f"bot.states.{one.name}") for one in pkgutil.iter_modules(bot.states.__path__)
    ]
    return {
        str(member)
        for module in (*modules, bot.ports)
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, StrEnum)
        for member in one
    }


def _bare_strings(text: str, members: set[str]) -> set[str]:
    """Give the strings of a file that are spelled like a member, outside of enums."""
    tree = ast.parse(text)
    defined = {
        id(node)
        for one in ast.walk(tree)
        if isinstance(one, ast.ClassDef)
        and any("Enum" in ast.unparse(base) or "StripeWord" in ast.unparse(base) for base in one.bases)
        for node in ast.walk(one)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value in members
        and id(node) not in defined
    }


def test_no_bare_string_stands_for_a_member_of_an_enum() -> None:
    """What is spelled alike and means something else is listed; the list has no more than there is."""
    members = _members()
    found = {
        path.relative_to(ROOT).as_posix(): strings
        for path in _sources()
        if (strings := _bare_strings(path.read_text(encoding="utf-8"), members))
    }
    assert found == FOREIGN


PLANTED = (
    'def is_ours(payment):\n    return payment.purpose == "recharge"\n',
    'plan(tx, wallet_id, way="saved_card")\n',
    'match request.operation:\n    case "cancel_intent":\n        pass\n',
    'KINDS = {"warning_closed": "the bank asks no more"}\n',
    'wanted = payments.c.state.in_(["asked"])\n',
)


@pytest.mark.parametrize("text", PLANTED)
def test_a_planted_bare_string_is_seen(text: str) -> None:
    """In a comparison, an argument, a pattern, a key, a query."""
    assert _bare_strings(text, _members())


def _set_without_table(text: str) -> list[int]:
    """Give the lines on which a row that exists is given a member of an enum as its state.

    An inserted row begins in a state. A row that is changed gets what its table says: `NEXT.after(…)`.
    """
    found = []
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr != "values" or ast.unparse(node.func.value).startswith("insert("):
            continue
        for keyword in node.keywords:
            names_member = isinstance(keyword.value, ast.Attribute) and keyword.value.attr.isupper()
            if keyword.arg in MACHINE_COLUMNS and (names_member or isinstance(keyword.value, ast.Constant)):
                found.append(node.lineno)
    return found


def test_every_change_of_a_state_goes_through_its_table() -> None:
    """No update writes a member of an enum that the code chose itself."""
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in _sources()
        if (lines := _set_without_table(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_a_planted_change_of_a_state_is_seen() -> None:
    """An update that skips the table; an insert is none."""
    assert _set_without_table("tx.execute(update(payments).where(mine).values(state=State.PAID))") == [1]
    assert _set_without_table('tx.execute(of_wallet.where(mine).values(slot="main"))') == [1]
    assert _set_without_table("tx.execute(insert(payments).values(state=State.ASKED))") == []


def _columns_named(text: str) -> Iterator[tuple[str, str]]:
    """Give the tables and columns that a file's queries name: `payments.c.ref`, `insert(payments).values(ref=…)`."""
    written = {f"{verb}({name})": name for verb in ("insert", "update") for name in QUERIED}
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "c"
        ):
            if (name := ast.unparse(node.value.value)) in QUERIED:
                yield name, node.attr
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "values"
        ):
            before = ast.unparse(node.func.value)
            for name in {table for start, table in written.items() if before.startswith(start)}:
                yield from ((name, keyword.arg) for keyword in node.keywords if keyword.arg is not None)


def test_every_column_that_a_query_names_exists() -> None:
    """A column that was renamed is renamed everywhere: no type checker sees it."""
    missing = [
        f"{path.relative_to(ROOT).as_posix()}: {name}.{column}"
        for path in _sources()
        for name, column in _columns_named(path.read_text(encoding="utf-8"))
        if column not in QUERIED[name].columns
    ]
    assert missing == []


def test_a_planted_column_of_before_is_seen() -> None:
    """In a condition, and in what is written."""
    planted = "select(stripe_requests.c.call_id), insert(one_time_actions).values(intent_id=one)"
    assert set(_columns_named(planted)) == {("stripe_requests", "call_id"), ("one_time_actions", "intent_id")}


def test_ids_of_rows_say_what_they_are() -> None:
    """The words of before are no table, column, constraint or index any more."""
    old = re.compile(r"(^|_)(calls?|intents|breaks?|cursors)(_|$)")
    names = [
        str(one.name)
        for table in metadata.sorted_tables
        for one in (table, *table.columns, *table.constraints, *table.indexes)
    ]
    assert [one for one in names if old.search(one)] == []
