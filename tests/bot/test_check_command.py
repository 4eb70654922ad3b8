"""`redbar check`: each thing that is wrong with a setup has its line, and no other line changes."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from bot.operator import demo
from bot.operator.check import check
from bot.sandbox.slack.installation import SCOPES
from bot.tables import NIL_WALLET
from ledger import Clock, SystemClock
from tests.blank_books import blank_file, lay_books
from tests.faults.test_backup_kill import UNSHARE
from tests.postgres_server import Server
from tests.redbar_process import redbar

ROOT = Path(__file__).parent.parent.parent
Lines = Mapping[str, tuple[bool | None, str]]
Change = Callable[[Any], Any]


class FastClock:
    """The clock of a machine that is ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> Any:
        return SystemClock().now() + self._ahead


@dataclass(frozen=True)
class Outside:
    """Stand-ins for Slack and Stripe, over HTTP, with a bot that runs on them, and settings by which it could run."""

    settings: Mapping[str, str]
    url: str
    data: Path

    def order(self, path: str, **what: Any) -> None:
        """Order a fault, or change something outside."""
        answer = httpx.post(f"{self.url}/sandbox/api/{path}", json=what, trust_env=False)
        assert answer.status_code == 200, answer.text

    def spare_surfaces(self) -> None:
        """Let Slack judge no surface: each look at all of them is 82 requests."""
        self.order("slack/script", method="blocks.validate", limit=30, times=None)

    @contextmanager
    def slack_fault(self, **what: Any) -> Iterator[None]:
        """Order a fault of Slack's, or none; a surface is judged only where the fault is about that."""
        self.order("slack/script", clear=True)
        if what:
            self.order("slack/script", **{"times": None, **what})
        if what and what["method"] != "blocks.validate":
            self.spare_surfaces()
        try:
            yield
        finally:
            self.order("slack/script", clear=True)
            self.spare_surfaces()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    data = tmp_path_factory.mktemp("outside") / "demo"
    running = demo.start(lay_books(data), 0)
    kept = json.loads((data / "secrets.json").read_text(encoding="utf-8"))
    settings = {
        "REDBAR_ENV": "test",
        "REDBAR_SLACK_BOT_TOKEN": kept["bot_token"],
        "REDBAR_SLACK_APP_TOKEN": kept["app_token"],
        "REDBAR_STRIPE_API_KEY": kept["stripe_key"],
        "REDBAR_STRIPE_WEBHOOK_SECRET": kept["webhook_secret"],
        "REDBAR_SLACK_API_URL": f"{running.url}/slack/api/",
        "REDBAR_STRIPE_API_BASE": f"{running.url}/stripe",
        "REDBAR_DATABASE_URL": f"sqlite:///{data / 'redbar.db'}",
        "REDBAR_HTTP_PORT": running.url.rpartition(":")[2],
    }
    made = Outside(settings, running.url, data)
    made.spare_surfaces()
    yield made
    running.stop()


def looked(settings: Mapping[str, str], clock: Clock | None = None) -> Lines:
    """Run the command; gives its lines. Its exit code says whether one of them is wrong."""
    said: list[str] = []
    code = check(settings, clock or SystemClock(), said.append, as_json=True)
    (text,) = said
    found = json.loads(text)
    assert code == int(any(one["ok"] is False for one in found))
    lines = {one["name"]: (one["ok"], one["says"]) for one in found}
    assert not any(secret in text for name, secret in settings.items() if "TOKEN" in name or "KEY" in name)
    return lines


@pytest.fixture(scope="module")
def good(outside: Outside) -> Lines:
    """What a good setup says, of which no surface is judged."""
    return looked(outside.settings)


def only(good: Lines, found: Lines, wrong: str, words: str, *, unseen: tuple[str, ...] = ()) -> None:
    """One line is wrong and says what to do; the named ones were not looked at; the others are as they were."""
    assert found[wrong][0] is False
    assert words in found[wrong][1]
    assert {name: ok for name, (ok, _) in found.items()} == {
        name: False if name == wrong else None if name in unseen else ok for name, (ok, _) in good.items()
    }


WITH_TOKEN = ("slack scopes", "channels", "uploads", "surfaces")
WITH_KEY = ("stripe rights", "stripe account", "webhook")


def test_good_setup_passes_beside_the_running_bot(outside: Outside, good: Lines) -> None:
    """Aligned lines for people, ends with 0, and changes nothing."""
    assert {name for name, (ok, _) in good.items() if ok is not True} == {"surfaces"}
    files = len(list(outside.data.iterdir()))
    with outside.slack_fault():
        result = redbar("check", cwd=None, **outside.settings)
    assert (result.returncode, result.stderr) == (0, "")
    starts = set()
    for line, name in zip(result.stdout.splitlines(), good, strict=True):
        mark, rest = line[:6], line[6 + len(name) :]
        assert (mark, line[6 : 6 + len(name)]) == ("ok    ", name)
        starts.add(len(line) - len(rest.lstrip()))
    assert len(starts) == 1
    assert len(list(outside.data.iterdir())) == files


def test_before_the_first_start_nothing_is_made(outside: Outside, good: Lines, tmp_path: Path) -> None:
    """The database will be made; no bot runs yet. Both are right."""
    settings = {**outside.settings, "REDBAR_DATABASE_URL": f"sqlite:///{tmp_path}/new/redbar.db"}
    found = looked({**settings, "REDBAR_HTTP_PORT": "9"})
    assert {name for name, (ok, _) in found.items() if ok is not True} == {"surfaces"}
    assert "the first start makes it" in found["database"][1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "wrong", "words", "unseen"),
    [
        ("REDBAR_SLACK_BOT_TOKEN", "xoxb-0", "slack token", "(invalid_auth). Copy the xoxb-", WITH_TOKEN),
        ("REDBAR_SLACK_APP_TOKEN", "xapp-0", "slack socket", "with connections:write", ()),
        ("REDBAR_STRIPE_API_KEY", "sk_test_0", "stripe key", "Stripe does not accept it", WITH_KEY),
        ("REDBAR_STRIPE_API_BASE", "http://127.0.0.1:9", "stripe key", "127.0.0.1 cannot be asked", WITH_KEY),
        ("REDBAR_STRIPE_WEBHOOK_SECRET", "", "webhook", "is not set. Set it", ()),
        ("REDBAR_HTTP_PORT", "9", "bot", "its HTTP API does not answer", ()),
        ("REDBAR_TIME_ZONE", "Mars", "settings", "Try Europe/Berlin", ()),
        ("REDBAR_COLOR", "red", "settings", "REDBAR_COLOR is not a setting", ()),
    ],
)
def test_wrong_setting_has_one_line(
    outside: Outside, good: Lines, name: str, value: str, wrong: str, words: str, unseen: tuple[str, ...]
) -> None:
    """A refused token or key, an address at which nobody is, a name that is spelt wrong."""
    only(good, looked({**outside.settings, name: value}), wrong, words, unseen=unseen)


def test_slack_that_cannot_be_reached_is_one_sentence_that_names_the_host(
    outside: Outside, good: Lines
) -> None:
    """The socket comes from the same host."""
    found = looked({**outside.settings, "REDBAR_SLACK_API_URL": "http://127.0.0.1:9/api/"})
    words = "127.0.0.1 cannot be reached. Check the network, the proxy and the firewall."
    assert found["slack token"] == (False, words)
    assert {name for name in good if found[name][0] is not True} == {
        "slack token",
        "slack socket",
        *WITH_TOKEN,
    }


@pytest.mark.parametrize(
    ("fault", "wrong", "words"),
    [
        (("apps.connections.open", {"refuse": "socket_mode_not_enabled"}), "slack socket", "Mode is off"),
        (("files.getUploadURLExternal", {"upload_host_away": True}), "uploads", "cannot be reached"),
        (("blocks.validate", {"refuse": "invalid_view", "messages": ["no table"]}), "surfaces", "no table"),
    ],
)
def test_what_slack_cannot_do_has_one_line(
    outside: Outside, good: Lines, fault: tuple[str, Mapping[str, Any]], wrong: str, words: str
) -> None:
    """Socket Mode is off, the host of uploads is behind a firewall, Slack refuses a surface."""
    with outside.slack_fault(method=fault[0], **fault[1]):
        only(good, looked(outside.settings), wrong, words)


def test_slack_that_asks_for_patience_is_no_mistake(outside: Outside, good: Lines) -> None:
    """What it judged until then is said."""
    with outside.slack_fault(method="blocks.validate", limit=30):
        found = looked(outside.settings)
    assert found["surfaces"] == (None, "Slack does not judge them now (ratelimited)")


def test_missing_scope_is_named(outside: Outside, good: Lines) -> None:
    """With the way to get it."""
    outside.order("slack/scopes", scopes=[one for one in SCOPES if one != "users:read"])
    try:
        only(
            good,
            looked(outside.settings),
            "slack scopes",
            "The Slack app lacks users:read. Bring its manifest",
        )
    finally:
        outside.order("slack/scopes", scopes=list(SCOPES))


def test_channel_without_redbar_is_named(outside: Outside, good: Lines) -> None:
    """Alerts would not arrive there."""
    outside.order("slack/channel", channel="#calls", bot_member=False)
    try:
        only(
            good, looked(outside.settings), "channels", "Redbar is not in #calls. Type /invite @Redbar there"
        )
    finally:
        outside.order("slack/channel", channel="#calls", bot_member=True)


def test_missing_right_at_stripe_is_named(outside: Outside, good: Lines) -> None:
    """In the words of Stripe's page of rights."""
    outside.order("stripe/script", match="GET /v1/disputes", mode="status", status=403)
    only(good, looked(outside.settings), "stripe rights", "The key may not read Disputes. Give it")


@pytest.mark.parametrize(("seconds", "side"), [(61, "ahead of"), (-61, "behind")])
def test_clock_that_is_wrong_is_said_with_its_span(
    outside: Outside, good: Lines, seconds: int, side: str
) -> None:
    """At 60 s Stripe refuses every hosted page, and nothing else would say why."""
    found = looked(outside.settings, FastClock(timedelta(seconds=seconds)))
    assert found["clock"][0] is False
    assert f"s {side} Slack's. Set it right" in found["clock"][1]
    assert abs(int(found["clock"][1].split("clock is ")[1].split(" s")[0]) - 61) <= 2


def _laid(folder: Path, *statements: str) -> str:
    file = folder / "redbar.db"
    shutil.copy(blank_file(), file)
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return f"sqlite:///{file}"


def _value(name: str, value: str) -> str:
    return f"INSERT INTO named_values VALUES ('{NIL_WALLET}', '{name}', '{value}', 1)"  # noqa: S608 - constants


_NIL = f"'{NIL_WALLET}'"
OTHER_TEAM = f"INSERT INTO workspaces VALUES ('T9', '', {_NIL}, 'Other', 'U9', 1, NULL)"  # noqa: S608 - constants
CUSTOMER = f"INSERT INTO billing VALUES ({_NIL}, 'cus_1', 0)"  # noqa: S608 - constants


@pytest.mark.parametrize(
    ("statements", "wrong", "words"),
    [
        ([_value("stripe_account", "acct_other")], "stripe account", "the books are of acct_other"),
        (
            [_value("restored", '{"cause":"backup"}')],
            "restored mode",
            "Run redbar reconcile, then redbar resume",
        ),
        (
            [OTHER_TEAM],
            "slack token",
            "and the books are of T9",
        ),
    ],
)
def test_books_of_something_else_are_said(
    outside: Outside, good: Lines, tmp_path: Path, statements: list[str], wrong: str, words: str
) -> None:
    """Another account, another team, a copy of books."""
    settings = {
        **outside.settings,
        "REDBAR_DATABASE_URL": _laid(tmp_path, *statements),
        "REDBAR_HTTP_PORT": "9",
    }
    unseen = WITH_TOKEN if wrong == "slack token" else ()
    only(good, looked(settings), wrong, words, unseen=unseen)


def test_books_of_the_other_mode_are_said(outside: Outside, good: Lines, tmp_path: Path) -> None:
    """Once anything was asked for in that mode."""
    address = _laid(tmp_path, _value("stripe_mode", "live"), CUSTOMER)
    found = looked({**outside.settings, "REDBAR_DATABASE_URL": address, "REDBAR_HTTP_PORT": "9"})
    only(
        good,
        found,
        "stripe mode",
        "The books were begun with a live key, and REDBAR_STRIPE_API_KEY is a test key",
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no database " * 500, "is not a database of Redbar"), (None, "cannot be read and written")],
)
def test_database_that_cannot_be_read_is_said(
    outside: Outside, good: Lines, tmp_path: Path, content: bytes | None, words: str
) -> None:
    """A file that is none, and a folder in its place. Slack and Stripe are looked at all the same."""
    file = tmp_path / "redbar.db"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    settings = {**outside.settings, "REDBAR_DATABASE_URL": f"sqlite:///{file}", "REDBAR_HTTP_PORT": "9"}
    unseen = ("rights", "durability", "disk", "restored mode", "deliveries")
    only(good, looked(settings), "database", words, unseen=unseen)


@pytest.mark.parametrize(
    ("mount", "wrong", "words"),
    [("size=100m", "disk", "make room, 200 MB at least"), ("ro", "rights", "nothing can be made in")],
)
def test_disk_that_is_full_or_read_only_is_said(
    outside: Outside, tmp_path: Path, mount: str, wrong: str, words: str
) -> None:
    """A file system with 100 MB, and one that may not be written."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    settings = {
        **outside.settings,
        "REDBAR_DATABASE_URL": f"sqlite:///{tmp_path}/redbar.db",
        "REDBAR_HTTP_PORT": "9",
    }
    script = f"mount -t tmpfs -o {mount} none {tmp_path}; exec {sys.executable} -m bot check --json"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    ended = subprocess.run(
        [*UNSHARE, "sh", "-c", script],
        capture_output=True,
        text=True,
        env={**clean, **settings, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=False,
    )
    found = {one["name"]: one for one in json.loads(ended.stdout)}
    assert (ended.returncode, ended.stderr) == (1, "")
    assert [name for name, one in found.items() if one["ok"] is False] == [wrong]
    assert words in found[wrong]["says"]


def _made(server: Server, *statements: str, encoding: str = "UTF8") -> str:
    """Make a database and a user of it; the statements name them {db} and {user}. Gives its address."""
    name = f"checked_{os.getpid()}_{len(statements)}_{encoding.lower()}_{abs(hash(statements)) % 10**8}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute(f"CREATE ROLE {name} LOGIN")
        for statement in statements:
            connection.execute(statement.format(db=name, user=name))
    return f"postgresql://{name}:s3cret@127.0.0.1:{server.port}/{name}"


OWN = "ALTER DATABASE {db} OWNER TO {user}"


@pytest.mark.parametrize(
    ("statements", "encoding", "wrong", "words"),
    [
        ([OWN], "SQL_ASCII", "database", "is kept in SQL_ASCII"),
        ([], "UTF8", "rights", "Let the user make tables: GRANT USAGE, CREATE ON SCHEMA public TO"),
        (
            [OWN, "ALTER DATABASE {db} SET default_transaction_read_only = on"],
            "UTF8",
            "rights",
            "Turn it off",
        ),
        ([OWN, "ALTER DATABASE {db} SET search_path = nowhere"], "UTF8", "rights", "no schema to create in"),
    ],
)
def test_postgres_database_that_cannot_be_used_is_said(
    outside: Outside,
    good: Lines,
    postgres: Server,
    statements: list[str],
    encoding: str,
    wrong: str,
    words: str,
) -> None:
    """And the password is never told."""
    address = _made(postgres, *statements, encoding=encoding)
    found = looked({**outside.settings, "REDBAR_DATABASE_URL": address, "REDBAR_HTTP_PORT": "9"})
    assert found[wrong][0] is False
    assert words in found[wrong][1]
    assert [name for name, (ok, _) in found.items() if ok is False] == [wrong]
    assert "s3cret" not in str(found)


def test_good_postgres_database_passes(outside: Outside, postgres: Server, blank_books: str) -> None:
    """Its own clock is asked too."""
    address = postgres.create(f"checked_{os.getpid()}", template=blank_books)
    found = looked({**outside.settings, "REDBAR_DATABASE_URL": address, "REDBAR_HTTP_PORT": "9"})
    assert {name for name, (ok, _) in found.items() if ok is not True} == {"disk", "surfaces"}
    assert found["clock"][1] == "agrees with Slack, Stripe, the database's server"
    assert found["database"][1].startswith("PostgreSQL ")


@pytest.mark.parametrize("answer", [b"hello\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"])
def test_port_that_another_program_has_is_said(
    outside: Outside, good: Lines, tmp_path: Path, answer: bytes
) -> None:
    """One that does not speak HTTP, and one that does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = threading.Thread(target=_answer_once, args=(listening, answer))
        answering.start()
        port = str(listening.getsockname()[1])
        settings = {**outside.settings, "REDBAR_DATABASE_URL": _laid(tmp_path), "REDBAR_HTTP_PORT": port}
        only(good, looked(settings), "bot", "does not answer as Redbar does. Set REDBAR_HTTP_PORT")
        answering.join()


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    line, _ = listening.accept()
    with line:
        line.recv(65_536)
        line.sendall(answer)


def test_books_of_an_earlier_version_are_no_mistake(outside: Outside, good: Lines, tmp_path: Path) -> None:
    """The first start of this version brings them up; until then some of it cannot be looked at."""
    earlier = _laid(tmp_path, "ALTER TABLE deliveries RENAME COLUMN tries TO attempts")
    found = looked({**outside.settings, "REDBAR_DATABASE_URL": earlier, "REDBAR_HTTP_PORT": "9"})
    assert {name for name, (ok, _) in found.items() if ok is not True} == {
        "restored mode",
        "deliveries",
        "surfaces",
    }
    assert "its first start brings earlier ones up" in found["deliveries"][1]


def test_check_that_breaks_off_is_a_line(outside: Outside, good: Lines) -> None:
    """A Slack that answers with something that no part of us foresees: the other lines are there."""
    with outside.slack_fault(method="conversations.info", answer={"ok": True, "channel": None}):
        found = looked(outside.settings)
    only(good, found, "channels", "This check broke off (AttributeError)")
