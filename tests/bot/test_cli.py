"""The command line: instant help, and a sentence for everything that keeps a command from working."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from bot.__main__ import main
from bot.control import ask
from bot.operator import demo
from bot.sandbox.slack.installation import SCOPES
from ledger import StoreUnusable
from tests.blank_books import lay_books
from tests.bot.run_process import Outside
from tests.journeys.process import demo_process
from tests.redbar_process import RedbarProcess, redbar

ROOT = str(Path(__file__).parent.parent.parent)
LIVE = {
    "REDBAR_SLACK_BOT_TOKEN": "xoxb-1",
    "REDBAR_SLACK_APP_TOKEN": "xapp-1",
    "REDBAR_STRIPE_API_KEY": "sk_test_1",
    "REDBAR_ENV": "test",
    "REDBAR_STRIPE_API_BASE": "http://127.0.0.1:9",
    "REDBAR_SLACK_API_URL": "http://127.0.0.1:9/api/",
}


def _started(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a Python of its own."""
    environ = {**os.environ, "PYTHONPATH": ROOT}
    return subprocess.run(
        [sys.executable, "-m", "bot", *words], capture_output=True, text=True, env=environ, check=False
    )


def test_help_lists_what_works_today_and_nothing_else() -> None:
    """Each command in a line."""
    result = _started("--help")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ")] == [
        "demo",
        "run",
        "check",
        "key",
        "charges",
        "reconcile",
        "settle",
        "settings",
        "credit",
        "correct",
        "clock",
        "explain",
        "deliveries",
        "verify",
        "export",
        "backup",
        "restore",
        "resume",
    ]


def test_the_version_is_told() -> None:
    """One line, for whoever reports something."""
    result = _started("--version")
    assert (result.returncode, result.stdout.split()[0]) == (0, "redbar")


def test_help_loads_no_library() -> None:
    """Help is instant because nothing is imported for it."""
    code = (
        "import sys; from bot.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'sqlalchemy', 'stripe', 'slack_bolt', 'litestar'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_busy_port_is_said(tmp_path: Path) -> None:
    """The sentence names the port and what to do."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        result = redbar("demo", "--no-browser", "--port", port, "--data", str(tmp_path / "d"))
    assert result.returncode == 1
    assert result.stdout.startswith(f"Port {port} cannot be used")
    assert "Traceback" not in result.stdout + result.stderr


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A file where the folder should be: nothing is changed."""
    place = tmp_path / "taken"
    place.write_text("mine", encoding="utf-8")
    result = redbar("demo", "--no-browser", "--port", "0", "--data", str(place))
    assert result.returncode == 1
    assert str(place) in result.stdout
    assert "--data" in result.stdout
    assert place.read_text(encoding="utf-8") == "mine"


def test_run_names_every_missing_setting_at_once(tmp_path: Path) -> None:
    """Three tokens are missing: three sentences."""
    result = redbar("run", cwd=tmp_path)
    assert result.returncode == 2
    for name in ("REDBAR_SLACK_BOT_TOKEN", "REDBAR_SLACK_APP_TOKEN", "REDBAR_STRIPE_API_KEY"):
        assert f"{name} is missing" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_run_without_a_network_waits_and_says_so_in_one_sentence(tmp_path: Path) -> None:
    """No traceback; the operator reads which host cannot be reached. It is alive, and a polite kill ends it."""
    port = _free_port()
    with _running(lay_books(tmp_path), port, **LIVE) as running:
        said = running.stdout.readline().decode()
        health = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
    assert said.startswith("127.0.0.1 cannot be reached.")
    assert "Redbar waits for it" in said
    assert "waits for Slack" in health.text


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    """From a clone without the dependencies."""
    code = "import sys; sys.modules['slack_bolt'] = None; from bot.__main__ import main; sys.exit(main(['demo']))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "slack_bolt is missing" in result.stdout
    assert "pip install" in result.stdout


def test_a_key_is_made_beside_a_running_bot_and_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each key is shown once and opens the API."""
    data = tmp_path / "demo"
    database = f"sqlite:///{data / 'redbar.db'}"
    with demo_process(data) as running:
        beside = redbar("key", "create", "--name", "dialler", REDBAR_DATABASE_URL=database)
        key = beside.stdout.splitlines()[0]
        headers = {"Authorization": f"Bearer {key}"}
        assert running.client.get("/v1/wallet", headers=headers).status_code == 200
        assert (data / "demo.json").stat().st_mode & 0o777 == 0o600
        assert (data / "redbar.db.sock").stat().st_mode & 0o777 == 0o600
        with pytest.raises(StoreUnusable, match="Another Redbar is using"):
            demo.start(data, 0)
        assert running.interrupt() == 0
    assert main(["key", "create", "--database", database]) == 0
    assert capsys.readouterr().out.startswith("rbk_")
    assert main(["key", "create", "--database", f"sqlite:///{tmp_path / 'none.db'}"]) == 1
    assert "There is no database" in capsys.readouterr().out


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo_ends_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C, a polite kill, and a terminal that is closed: exit code 0, no traceback."""
    command = [
        sys.executable,
        "-m",
        "bot",
        "demo",
        "--port",
        "0",
        "--data",
        str(tmp_path / "d"),
        "--no-browser",
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # not as under `nohup`
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert "is ready" in running.stdout.readline()
        running.send_signal(how)
        try:
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()  # else one that does not end is waited for without a limit
        assert "Traceback" not in running.stderr.read()


def test_the_story_plays_in_the_terminal(tmp_path: Path) -> None:
    """Eight steps from nothing to automatic payments, in words."""
    result = redbar("demo", "--story", "--port", "0", "--data", str(tmp_path / "d"))
    assert result.returncode == 0, result.stderr
    assert "8. Never again" in result.stdout
    assert "Everything runs again" in result.stdout
    assert "$200.00 is in the wallet" in result.stdout
    assert "<!date" not in result.stdout


@pytest.fixture(scope="module")
def outside(outside: Outside) -> dict[str, str]:
    """Settings with which `redbar run` finds a Slack and a Stripe: those of a demo."""
    _, settings = outside
    return settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REDBAR_SLACK_BOT_TOKEN", "xoxb-0", "Slack refused the bot token (invalid_auth)."),
        ("REDBAR_SLACK_APP_TOKEN", "xapp-0", "Slack refused the app token (invalid_auth)."),
        ("REDBAR_HTTP_PORT", "", "cannot be listened on: Address already in use."),
    ],
)
def test_what_keeps_run_from_starting_is_one_sentence(
    tmp_path: Path, outside: dict[str, str], name: str, value: str, said: str
) -> None:
    """A refused token, a port that is taken: said, and nothing more."""
    address = outside["REDBAR_STRIPE_API_BASE"].removesuffix("/stripe")
    wrong = {"REDBAR_HTTP_PORT": _free_port(), **outside, name: value or address.rpartition(":")[2]}
    result = redbar("run", cwd=lay_books(tmp_path), **wrong)
    assert result.returncode == 1
    assert said in result.stdout
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr


@contextmanager
def _running(folder: Path, port: str, **settings: str) -> Iterator[RedbarProcess]:
    """Run the bot for a real workspace, and end it politely, which it does with 0."""
    environ = {**os.environ, **settings, "REDBAR_HTTP_PORT": port}
    running = RedbarProcess(["run"], environ, folder)
    try:
        yield running
        running.send_signal(signal.SIGTERM)
        errors = running.stderr.read().decode()
        assert running.wait(30) == 0
    finally:
        running.send_signal(signal.SIGKILL)
        running.close()
    assert "Traceback" not in errors
    assert not re.search(r"\b([sr]k_test|rbk)_\w+", errors)


def test_a_stranger_in_slacks_place_is_waited_out(tmp_path: Path, outside: dict[str, str]) -> None:
    """What stands between may go away again; what to check is said."""
    address = outside["REDBAR_STRIPE_API_BASE"].removesuffix("/stripe")
    wrong = {**outside, "REDBAR_SLACK_API_URL": f"{address}/nowhere/"}
    with _running(lay_books(tmp_path), _free_port(), **wrong) as running:
        said = running.stdout.readline().decode()
    assert said.startswith("127.0.0.1 does not answer as Slack does. Check REDBAR_SLACK_API_URL")


def test_run_serves_makes_keys_and_ends_politely(tmp_path: Path, outside: dict[str, str]) -> None:
    """The bot for a real workspace, in front of stand-ins: it listens, and a polite kill ends it with 0."""
    port = _free_port()
    with _running(tmp_path, port, **outside) as running:
        began = running.stdout.readline().decode()
        said = running.stdout.readline().decode()
        key = redbar("key", "create", cwd=tmp_path).stdout.splitlines()[0]
        url = f"http://127.0.0.1:{port}/v1/wallet"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    assert began == f"New books were begun at {tmp_path}/redbar.db.\n"
    assert said == f"Redbar runs. Its HTTP API listens on http://127.0.0.1:{port}.\n"
    assert answer.json()["standing"] == "not_connected"
    assert key.startswith("rbk_")


def test_run_says_what_the_stripe_key_cannot_do(tmp_path: Path, outside: dict[str, str]) -> None:
    """A wrong key, and one that lacks rights: said once the bot runs, which it does."""
    script = f"{outside['REDBAR_STRIPE_API_BASE'].removesuffix('/stripe')}/sandbox/api/stripe/script"
    for path in ("disputes", "balance_transactions"):
        fault = {"match": f"GET /v1/{path}", "mode": "status", "status": 403}
        assert httpx.post(script, json=fault, trust_env=False).status_code == 200
    for number, (settings, said) in enumerate(
        (
            ({}, "The Stripe key may not read Disputes or Balance transactions."),
            ({"REDBAR_STRIPE_API_KEY": "rk_test_nobody"}, "Stripe does not accept REDBAR_STRIPE_API_KEY."),
        )
    ):
        folder = tmp_path / str(number)
        with _running(lay_books(folder), _free_port(), **{**outside, **settings}) as running:
            assert running.stdout.readline().startswith(b"Redbar runs.")
            assert running.stdout.readline().decode().startswith(said)


def test_run_says_which_scopes_slack_did_not_grant(tmp_path: Path, outside: dict[str, str]) -> None:
    """An app that was installed by the manifest of a version before."""
    base = outside["REDBAR_STRIPE_API_BASE"].removesuffix("/stripe")
    before = {"scopes": ["commands", "chat:write", "files:write", "users:read"]}
    grant = f"{base}/sandbox/api/slack/scopes"
    assert httpx.post(grant, json=before, trust_env=False).status_code == 200
    try:
        with _running(lay_books(tmp_path), _free_port(), **outside) as running:
            assert running.stdout.readline().startswith(b"Redbar runs.")
            said = running.stdout.readline().decode()
    finally:
        httpx.post(grant, json={"scopes": list(SCOPES)}, trust_env=False)
    assert said.startswith("The Slack app lacks channels:read and groups:read.")
    assert "install it again" in said


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.parametrize("name", ["secrets.json", "clock", "demo.json"])
def test_what_was_kept_and_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    """A file that was cut short: the folder is named, and nothing is left running."""
    (tmp_path / name).write_text("{", encoding="utf-8")
    with pytest.raises(demo.DemoImpossible, match=f"kept in {tmp_path} cannot be read"):
        demo.start(tmp_path, 0)
    assert (tmp_path / name).read_text(encoding="utf-8") == "{"


@pytest.mark.parametrize("name", ["q?x", "100%", "%41"])
def test_a_folder_whose_name_means_something_else_to_a_database_is_refused(tmp_path: Path, name: str) -> None:
    """Else the books would be somewhere else than the folder says."""
    with pytest.raises(demo.DemoImpossible, match="Name another folder"):
        demo.start(tmp_path / name, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_long_path_keeps_nobody_from_trying(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket's path is short; without the socket the demo still runs, and says what does not work."""
    running = demo.start(tmp_path / ("long" * 30), 0)
    try:
        assert httpx.get(f"{running.url}/healthz", trust_env=False).json()["ok"]
    finally:
        running.stop()
    assert "only while the bot is stopped" in caplog.text


@pytest.mark.parametrize("command", ["run", "demo", "verify"])
@pytest.mark.parametrize("env", [{}, {"REDBAR_ENV": "production"}, {"REDBAR_ENV": ""}])
def test_failpoints_outside_a_test_are_refused(tmp_path: Path, command: str, env: dict[str, str]) -> None:
    """One sentence, whatever the command; nothing was begun."""
    result = redbar(command, cwd=tmp_path, REDBAR_FAILPOINTS="book.before_commit=kill", **env)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("REDBAR_FAILPOINTS breaks Redbar on purpose.")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("env", "code"), [("test", -signal.SIGKILL), ("production", 0), ("", 0)])
def test_the_environment_arms_failpoints_in_a_test_alone(env: str, code: int) -> None:
    """Also for a program that embeds the ledger, which has no command line to refuse them."""
    program = "from ledger import failpoint; failpoint('here')"
    settings = {"REDBAR_FAILPOINTS": "here=kill", "REDBAR_ENV": env, "PYTHONPATH": ROOT}
    assert subprocess.run([sys.executable, "-c", program], env=settings, check=False).returncode == code


def test_nohup_outlives_the_terminal() -> None:
    """A process that was told to ignore SIGHUP keeps ignoring it; another one ends by it."""
    program = (
        "import signal, sys, os; signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]));"
        "from datetime import timedelta; from bot.operator.ending import Ending;"
        "ending = Ending(); os.kill(os.getpid(), signal.SIGHUP);"
        "sys.exit(ending.wait(timedelta(seconds=0.2)))"
    )
    asked = [
        subprocess.run([sys.executable, "-c", program, how], cwd=ROOT, check=False).returncode
        for how in ("SIG_IGN", "SIG_DFL")
    ]
    assert asked == [0, 1]


def test_a_log_level_that_is_none_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence lists those there are."""
    monkeypatch.setenv("REDBAR_LOG_LEVEL", "LOUD")
    assert main(["demo", "--data", str(tmp_path / "d")]) == 2
    assert capsys.readouterr().out.startswith("REDBAR_LOG_LEVEL has to be one of DEBUG, INFO, WARNING, ERROR")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["of another program", "none at all"])
def test_verify_says_what_is_no_database_ofredbar(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program's file, and one that is no database."""
    file = tmp_path / "other.db"
    if content == "none at all":
        file.write_bytes(b"no database " * 500)
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE wallets (colour TEXT)")
    assert main(["verify", "--database", f"sqlite:///{file}"]) == 2
    assert f"{file} is not a database of Redbar" in capsys.readouterr().out


def test_a_bot_that_dies_instead_of_answering_is_said(tmp_path: Path) -> None:
    """The operator reads a sentence, not a broken line; a socket left behind counts as none."""
    place = tmp_path / "bot.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        dying = threading.Thread(target=lambda: listening.accept()[0].close())
        dying.start()
        answer = ask(place, {"command": "key_create"})
        dying.join()
    assert answer is not None
    assert "did not answer" in answer["error"]
    assert ask(place, {"command": "key_create"}) is None
