"""Rules of this repository that no other tool checks: sizes, names, imports, clocks, floats, true documents."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bot.settings import TABLE
from tests import architecture_map

ROOT = Path(__file__).parent.parent
PACKAGES = ("ledger", "bot")
LINES_MAX = 500
FUNCTION_LINES_MAX = 60
BANNED_NAMES = {"utils", "helpers", "common", "base", "misc"}
# Who may read the machine's clock: each side's own clock, and what speaks a protocol that keeps real time.
CLOCKS = {
    "ledger/clock.py",  # the product's clock
    "bot/http/server.py",  # Stripe's signatures keep real time
    "bot/sandbox/wire.py",  # the log keeps real time
}
# Who may import what makes two runs differ. Everybody else is given a clock, an id or a random source.
IMPORTERS = {
    "time": {
        "bot/app.py",  # `sleep`, which the Slack client is given
        "bot/operator/demo.py",  # waits for its own server
        "bot/operator/progress.py",  # once a second
        "bot/sandbox/slack/delivery.py",  # the stand-in signs, and keeps real time
        "bot/sandbox/slack/web_page.py",
        "bot/sandbox/slack/people.py",
        "bot/sandbox/slack/state.py",
        "bot/sandbox/slack/tickets.py",
        "bot/sandbox/stripe/webhooks.py",
        "bot/payments/restored_watch.py",  # how long ago the books were asked
        "bot/slack/people_directory.py",  # how old what Slack said is
        "bot/slack/presence.py",  # how long ago Slack was asked
        "bot/slack/workers.py",  # acknowledgements come first
        "bot/wallets/clock_watch.py",  # how long other clocks are waited for
        "ledger/clock.py",  # the machine's monotonic clock
        "ledger/failpoints.py",  # a delay that a test asks for
        "ledger/storage/postgres.py",  # pauses between tries
        "ledger/writing/writer.py",  # how long a commit takes
    },
    "random": {
        "bot/sandbox/pace.py",  # seeded: the same six weeks every time
        "ledger/storage/postgres.py",  # spreads the tries of many processes
    },
    "secrets": {
        "bot/operator/demo.py",  # the sandbox's own tokens
        "bot/sandbox/scenario.py",
        "bot/sandbox/slack/delivery.py",
        "bot/sandbox/slack/events.py",
        "bot/sandbox/slack/state.py",
        "bot/sandbox/slack/tickets.py",
        "bot/sandbox/slack/views.py",
        "bot/sandbox/stripe/state.py",
        "bot/slack/listeners/boundary.py",  # the number of an incident
        "bot/wallets/platform_keys.py",
    },
}
LAYERS = "Layers of the bot"
LEDGER = "The ledger knows nothing of the bot, Slack, Stripe, HTTP or the scheduler"
STRIPE = "Only bot.stripe imports stripe"
SLACK = "Only bot.slack imports Slack's libraries"
SANDBOX = "The sandbox replaces what is outside and imports nothing of what is inside"
TABLES = "Slack and HTTP import no table and write no SQL"
SETTINGS = "Flows take what they need and import no settings"
VIEWS = "Views turn facts into blocks: they know no client, database, clock or chance"
STAND_INS = "Rules of the stand-ins are pure: they know no store, clock or chance"
LEDGER_LAYERS = "Layers of the ledger"
LEDGER_PURE = "Pure: the ledger's decisions and nouns know no database, clock, chance or room that does"
LEDGER_SUMS = "Pure: sums of months know no database, clock or chance"
PURE = "Pure files of the bot import no database, clock, chance, log or network"


class Planted(NamedTuple):
    """An import that is forbidden, and the contract that has to refuse it."""

    file: str
    line: str
    contract: str

    def __str__(self) -> str:
        return f"{self.file}: {self.line}"


FORBIDDEN = (
    # Each room and the one above it, from top to bottom.
    Planted("bot/operator/keys.py", "import bot.__main__", LAYERS),
    Planted("bot/app.py", "import bot.operator.keys", LAYERS),
    Planted("bot/timers.py", "import bot.app", LAYERS),
    Planted("bot/slack/homes.py", "import bot.timers", LAYERS),
    Planted("bot/http/auth.py", "import bot.timers", LAYERS),
    Planted("bot/reconciliation/difference.py", "import bot.slack.ids", LAYERS),
    Planted("bot/surfaces/episodes.py", "import bot.reconciliation.difference", LAYERS),
    Planted("bot/payments/cards.py", "import bot.surfaces.episodes", LAYERS),
    Planted("bot/stripe/customers.py", "import bot.payments.cards", LAYERS),
    Planted("bot/wallets/people.py", "import bot.stripe.declines", LAYERS),
    Planted("bot/wallets/people.py", "import bot.delivering.courier", LAYERS),
    Planted("bot/scheduler.py", "import bot.delivering.courier", LAYERS),
    Planted("bot/served.py", "import bot.scheduler", LAYERS),
    Planted("bot/tables.py", "import bot.served", LAYERS),
    Planted("bot/ports.py", "import bot.tables", LAYERS),
    Planted("bot/states/payment.py", "import bot.rights", LAYERS),
    Planted("bot/delivering/courier.py", "import bot.surfaces.episodes", LAYERS),
    # Rooms side by side know nothing of each other.
    Planted("bot/slack/homes.py", "import bot.http.auth", LAYERS),
    Planted("bot/http/auth.py", "import bot.slack.homes", LAYERS),
    Planted("bot/sandbox/wire.py", "import bot.slack.ids", LAYERS),
    # A file that no room holds.
    Planted("bot/extra.py", '"""A file at the top."""', LAYERS),
    # The sandbox.
    Planted("bot/sandbox/wire.py", "import bot.slack.ids", SANDBOX),
    Planted("bot/sandbox/wire.py", "import ledger", SANDBOX),
    Planted("bot/sandbox/wire.py", "import bot.tables", SANDBOX),
    # Libraries of the outside, by any way of writing it.
    Planted("bot/payments/cards.py", "import stripe", STRIPE),
    Planted("bot/http/server.py", "from stripe import Webhook", STRIPE),
    Planted("bot/sandbox/stripe/webhooks.py", "import stripe.error", STRIPE),
    Planted("bot/app.py", "from slack_sdk import WebClient", SLACK),
    Planted("bot/operator/run.py", "from slack_sdk.errors import SlackApiError", SLACK),
    Planted("bot/http/server.py", "def late():\n    import slack_bolt", SLACK),
    # Tables and settings.
    Planted("bot/slack/homes.py", "from bot.tables import payments", TABLES),
    Planted("bot/http/auth.py", "from bot import tables", TABLES),
    Planted("bot/slack/views/home.py", "import sqlalchemy", TABLES),
    Planted("bot/payments/cards.py", "from bot.settings import Settings", SETTINGS),
    Planted("bot/reconciliation/run.py", "import bot.settings", SETTINGS),
    Planted("bot/surfaces/explain.py", "import bot.settings", SETTINGS),
    Planted("bot/stripe/gateway.py", "import bot.settings", SETTINGS),
    Planted("bot/wallets/people.py", "import bot.settings", SETTINGS),
    # Pure files.
    Planted("bot/slack/views/home.py", "import sqlalchemy", PURE),
    Planted("bot/slack/views/words.py", "import os", PURE),
    Planted("bot/states/payment.py", "from time import monotonic", PURE),
    Planted("bot/reconciliation/difference.py", "import random", PURE),
    Planted("bot/stripe/declines.py", "import logging", PURE),
    Planted("bot/slack/commands.py", "import secrets", PURE),
    Planted("bot/slack/views/help.py", "import slack_sdk", PURE),
    Planted("bot/stripe/request_bodies.py", "import stripe", PURE),
    Planted("bot/ports.py", "import httpx", PURE),
    # The ledger.
    Planted("bot/slack/views/home.py", "import bot.slack.client", VIEWS),
    Planted("bot/sandbox/slack/blocks.py", "import os", STAND_INS),
    # The ledger's rooms, and its decisions.
    Planted("ledger/reading/history.py", "import ledger.audit.verification", LEDGER_LAYERS),
    Planted("ledger/writing/book.py", "import ledger.reading.history", LEDGER_LAYERS),
    Planted("ledger/storage/store.py", "import ledger.writing.book", LEDGER_LAYERS),
    Planted("ledger/deciding/planner.py", "import ledger.storage.store", LEDGER_LAYERS),
    Planted("ledger/money.py", "import ledger.deciding.planner", LEDGER_LAYERS),
    Planted("ledger/deciding/planner.py", "import sqlalchemy", LEDGER_PURE),
    Planted("ledger/standing.py", "import time", LEDGER_PURE),
    Planted("ledger/spending.py", "import ledger.clock", LEDGER_PURE),
    Planted("ledger/audit/month_sums.py", "import random", LEDGER_SUMS),
    Planted("ledger/clock.py", "import httpx", LEDGER),
    Planted("ledger/money.py", "import bot.ports", LEDGER),
)


def _files(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_has_more_than_500_lines() -> None:
    """A longer file does two things."""
    lines = {
        _name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in _files(*PACKAGES, "tests")
    }
    assert {name: count for name, count in lines.items() if count > LINES_MAX} == {}


def test_no_module_has_a_name_that_fits_everything() -> None:
    """Modules are named by nouns of the field."""
    assert [_name(path) for path in _files(*PACKAGES) if path.stem in BANNED_NAMES] == []


def test_no_function_has_more_than_60_lines() -> None:
    """Lines of functions inside it count for those alone."""
    long = [
        f"{_name(path)}: {node.name}: {_own_lines(node)}"
        for path in _files(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _own_lines(node) > FUNCTION_LINES_MAX
    ]
    assert long == []


def _own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    inner = sum(
        (child.end_lineno or 0) - child.lineno + 1
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return (node.end_lineno or 0) - node.lineno + 1 - inner


def test_time_comes_from_an_injected_clock() -> None:
    """Only the clocks call `datetime.now`, and none calls `utcnow`."""
    texts = {_name(path): path.read_text(encoding="utf-8") for path in _files(*PACKAGES)}
    assert {name for name, text in texts.items() if "datetime.now(" in text} <= CLOCKS
    assert [name for name, text in texts.items() if "utcnow(" in text] == []


@pytest.mark.parametrize("module", IMPORTERS)
def test_only_named_files_import_time_and_chance(module: str) -> None:
    """The list is exact: a name that is not needed any more goes."""
    found = {_name(path) for path in _files(*PACKAGES) if module in _imported(path)}
    assert found == IMPORTERS[module]


def _imported(path: Path) -> set[str]:
    """Give the top names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_no_money_is_ever_a_float() -> None:
    """No float literal, no float or round, no true division in the ledger."""
    found = []
    for path in _files("ledger"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_named = isinstance(node, ast.Name) and node.id in ("float", "round")
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _joins_paths(node)
            # Sleeping is the one thing that is counted in fractions of a second.
            if (is_float or is_named or divides) and _name(path) != "ledger/failpoints.py":
                found.append(f"{_name(path)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def _joins_paths(node: ast.BinOp) -> bool:
    return isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)


def test_every_transaction_names_the_wallet_that_it_writes() -> None:
    """The wallet's row is the lock between replicas; None stands for rows that belong to no wallet."""
    forgotten = [
        f"{_name(path)}:{node.lineno}"
        for path in _files("bot")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and ast.unparse(node.func.value).endswith("ledger")
        and "wallet_id" not in [keyword.arg for keyword in node.keywords]
    ]
    assert forgotten == []


def test_slack_and_http_open_no_transaction_that_writes() -> None:
    """They ask a use case, which names the wallet and holds its lock."""
    found = [
        f"{_name(path)}:{node.lineno}"
        for path in _files("bot/slack", "bot/http")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("run", "carry_out", "transaction", "writing")
        and ast.unparse(node.value).endswith("ledger")
    ]
    assert found == []


def test_a_match_over_a_closed_union_has_no_catch_all() -> None:
    """A new member fails to type-check: mypy's `exhaustive-match` sees the missing arm, which `case _` would hide."""
    # Refusals are a tree that grows, not a union: each has an answer, and most have the same.
    hidden = [
        f"{_name(path)}:{node.lineno}"
        for path in _files("bot")
        if _name(path) != "bot/http/api.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Match) and _matches_classes(node) and _hides_members(node.cases[-1])
    ]
    assert hidden == []


def _matches_classes(node: ast.Match) -> bool:
    return isinstance(node.cases[0].pattern, ast.MatchClass)


def _hides_members(last: ast.match_case) -> bool:
    """Say whether a last arm takes everything without calling `assert_never`."""
    takes_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
    return takes_all and "assert_never" not in ast.unparse(last)


def test_no_work_is_left_as_a_note_in_the_code() -> None:
    """What is still to be done is an issue."""
    note = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [_name(path) for path in _files(*PACKAGES) if note.search(path.read_text(encoding="utf-8"))] == []


def test_the_import_contracts_hold() -> None:
    """A room imports from rooms below it alone."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Sequence[str]]:
    """Plant each forbidden import into a copy, one at a time; gives the broken contracts of each."""
    copy = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "page"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    planted = [(one.file, one.line) for one in FORBIDDEN]
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "plant_imports.py")],
        cwd=copy,
        input=json.dumps([("bot/settings.py", "import re"), *planted]),
        capture_output=True,
        text=True,
        check=True,
    )
    allowed, *found = json.loads(ran.stdout)
    assert allowed == []
    return list(found)


@pytest.mark.parametrize("number", range(len(FORBIDDEN)), ids=lambda number: str(FORBIDDEN[number]))
def test_a_forbidden_import_is_refused(number: int, refusals: Sequence[Sequence[str]]) -> None:
    """By the contract that exists for it."""
    assert FORBIDDEN[number].contract in refusals[number]


def test_every_contract_refuses_a_planted_import() -> None:
    """A contract that is added gets an import that breaks it."""
    assert {one["name"] for one in _contracts()} == {one.contract for one in FORBIDDEN}


def _contracts() -> Sequence[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def _pure() -> set[str]:
    return next(set(one["source_modules"]) for one in _contracts() if one["name"] == PURE)


def _module(path: Path) -> str:
    return _name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_a_file_that_says_pure_is_on_the_list_of_pure_files() -> None:
    """And a file on the list says it. "Pure but for …" names what is not, and promises nothing to a machine."""
    says = {
        _module(path)
        for path in _files("bot")
        if re.search(r"\bPure[.:]", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    }
    assert says == _pure()


def test_a_pure_file_imports_pure_files_of_the_bot_alone() -> None:
    """Else what is forbidden to it would come through another file."""
    # The row's dataclass stands beside its queries; the sandbox keeps its documents and errors in files of their own.
    exceptions = {"bot.payment_rows", "bot.sandbox.document_store", "bot.sandbox.stripe.problem"}
    exceptions |= {"bot.sandbox.slack.seed", "bot.sandbox.slack.views"}
    files = {_module(path): path for path in _files("bot")}
    found = {name for module in _pure() for name in _modules_of_bot(files[module], files)}
    assert found - _pure() == exceptions


def _modules_of_bot(path: Path, files: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = names & files.keys()
            yield from inner
            if node.module in files and len(inner) < len(names):
                yield node.module


def test_the_readme_lists_every_setting_as_it_is() -> None:
    """Name, default and meaning stand in the README word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else "–"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in readme


def test_the_map_of_the_architecture_is_true() -> None:
    """A newcomer finds each file on the map, under its own first line: `python -m tests.architecture_map`."""
    assert architecture_map.written() == architecture_map.rendered()


def test_what_the_architecture_names_exists() -> None:
    """Each file, and each function or class that is named with its file."""
    text = architecture_map.DOCUMENT.read_text(encoding="utf-8").partition(architecture_map.BEGIN)[0]
    files = set(re.findall(r"`((?:bot|ledger|tests)/[\w/]+\.py)`", text))
    named = {
        *re.findall(r"`([\w/]+\.py)`, `(?:\w+\.)?(\w+)`", text),
        *((file, name) for name, file in re.findall(r"`(?:\w+\.)?(\w+)` in `([\w/]+\.py)`", text)),
    }
    assert len(named) > 20
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [(file, name) for file, name in named if not _defines(ROOT / file, name)] == []


def _defines(path: Path, name: str) -> bool:
    defines = rf"^\s*(async def|def|class) {name}\b|^{name}(: [^=\n]+)? ="
    return bool(re.search(defines, path.read_text(encoding="utf-8"), re.M))
