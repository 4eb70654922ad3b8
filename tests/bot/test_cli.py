"""The command line: instant help, and a sentence for everything that keeps a command from working."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.process import demo_process

LIVE = {
    "REDBAR_SLACK_BOT_TOKEN": "xoxb-1",
    "REDBAR_SLACK_APP_TOKEN": "xapp-1",
    "REDBAR_STRIPE_API_KEY": "sk_test_1",
    "REDBAR_ENV": "test",
    "REDBAR_STRIPE_API_BASE": "http://127.0.0.1:9",
    "REDBAR_SLACK_API_URL": "http://127.0.0.1:9/api/",
}


def _redbar(*words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDBAR_")}
    clean["PYTHONPATH"] = str(Path(__file__).parent.parent.parent)
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, **environ},
        timeout=60,
        check=False,
    )


def test_help_lists_what_works_today_and_nothing_else() -> None:
    """Four commands, each in a line."""
    result = _redbar("--help")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("    ")][:4] == [
        "demo",
        "run",
        "key",
        "verify",
    ]


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
        result = _redbar("demo", "--no-browser", "--port", port, "--data", str(tmp_path / "d"))
    assert result.returncode == 1
    assert result.stdout.startswith(f"Port {port} cannot be used")
    assert "Traceback" not in result.stdout + result.stderr


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A file where the folder should be: nothing is changed."""
    place = tmp_path / "taken"
    place.write_text("mine", encoding="utf-8")
    result = _redbar("demo", "--no-browser", "--port", "0", "--data", str(place))
    assert result.returncode == 1
    assert str(place) in result.stdout
    assert "--data" in result.stdout
    assert place.read_text(encoding="utf-8") == "mine"


def test_run_names_every_missing_setting_at_once(tmp_path: Path) -> None:
    """Three tokens are missing: three sentences."""
    result = _redbar("run", cwd=tmp_path)
    assert result.returncode == 2
    for name in ("REDBAR_SLACK_BOT_TOKEN", "REDBAR_SLACK_APP_TOKEN", "REDBAR_STRIPE_API_KEY"):
        assert f"{name} is missing" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_run_without_a_network_ends_with_one_sentence_that_names_the_host(tmp_path: Path) -> None:
    """No traceback; the operator reads which host could not be reached."""
    result = _redbar("run", cwd=tmp_path, **LIVE)
    assert result.returncode == 1
    assert result.stdout.startswith("127.0.0.1 cannot be reached.")
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    """From a clone without the dependencies."""
    code = "import sys; sys.modules['slack_bolt'] = None; from bot.__main__ import main; sys.exit(main(['demo']))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "slack_bolt is missing" in result.stdout
    assert "pip install" in result.stdout


def test_a_key_is_made_beside_a_running_bot_and_without_one(tmp_path: Path) -> None:
    """Each key is shown once and opens the API."""
    data = tmp_path / "demo"
    database = f"sqlite:///{data / 'redbar.db'}"
    with demo_process(data) as running:
        beside = _redbar("key", "create", "--name", "dialler", REDBAR_DATABASE_URL=database)
        key = beside.stdout.splitlines()[0]
        headers = {"Authorization": f"Bearer {key}"}
        assert running.client.get("/v1/wallet", headers=headers).status_code == 200
        assert (data / "demo.json").stat().st_mode & 0o777 == 0o600
        assert (data / "redbar.db.sock").stat().st_mode & 0o777 == 0o600
        second = _redbar("demo", "--no-browser", "--port", "0", "--data", str(data))
        assert second.returncode == 1
        assert "Another Redbar is using" in second.stdout
        assert running.interrupt() == 0
    alone = _redbar("key", "create", "--database", database)
    assert alone.stdout.startswith("rbk_")
    nowhere = _redbar("key", "create", "--database", f"sqlite:///{tmp_path / 'none.db'}")
    assert nowhere.returncode == 1
    assert "There is no database" in nowhere.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C and a polite kill: exit code 0, no traceback."""
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
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert "is ready" in running.stdout.readline()
        running.send_signal(how)
        assert running.wait(timeout=30) == 0
        assert "Traceback" not in running.stderr.read()


def test_the_story_plays_in_the_terminal(tmp_path: Path) -> None:
    """Eight steps from nothing to automatic payments, in words."""
    result = _redbar("demo", "--story", "--port", "0", "--data", str(tmp_path / "d"))
    assert result.returncode == 0, result.stderr
    assert "8. Never again" in result.stdout
    assert "Everything runs again" in result.stdout
    assert "$200.00 is in the wallet" in result.stdout
    assert "<!date" not in result.stdout
