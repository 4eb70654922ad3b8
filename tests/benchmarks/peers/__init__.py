"""Peers: the same work by other people's ledgers, each in a virtual environment of its own.

One durable debit of one account at a time, each with a key of its own, by one caller and by eight. Not in CI: they are
installed when asked for. What each promises stands beside its figure; the work is what their own documents show.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

from tests.benchmarks.contest import Contest, Done, Ratio, Work
from tests.benchmarks.work import in_threads, on_a_loop, opened, usage
from tests.postgres_server import Server

HERE = Path(__file__).parent
PEERS = {
    "nostro": ("hf-nostro[postgres]==0.2.0", "key, overdraft as debt, balance checked by trigger"),
    "gringotts": (
        "gringotts-api==0.4.0",
        "no overdraft, running balance, whole credits; keys only over HTTP",
    ),
    "hordak": ("django-hordak==2.0.0", "two legs that sum to zero; no key, no stored balance"),
}
"""The script that drives each, what installs it, and what it promises. All run on PostgreSQL."""


def peers(folder: Path, server: Server | None) -> Contest:
    """Install the peers and let them take part; needs PostgreSQL."""
    ours = "ours, 64 asyncio callers: key, double entry, chain, rollup, holds, notices"
    contest = Contest("Peers, PostgreSQL, one account", [])
    if server is None:
        return contest
    ratios = []
    for name, (package, promises) in PEERS.items():
        python = _installed(folder, name, package)
        for callers in (1, 8):
            title = f"{package.partition('[')[0]}, {callers} {'caller' if callers == 1 else 'callers'}: {promises}"
            contest.add(title, _driven(python, name, server.create(f"{name}_{callers}"), callers))
            ratios.append(Ratio(f"ours, 64 callers / {package}, {callers}", ours, title))
    ledger, wallet_id = opened(server.create("ours_beside_peers"))
    contest.at_end(ledger.close)
    contest.add("ours, 1 caller", in_threads(1, lambda: ledger.carry_out(wallet_id, [usage()])))
    contest.add("ours, 8 threads", in_threads(8, lambda: ledger.carry_out(wallet_id, [usage()])))
    contest.add(ours, on_a_loop(64, ledger, wallet_id))
    contest.ratios = ratios
    return contest


def _installed(folder: Path, name: str, package: str) -> Path:
    home = folder / f"venv-{name}"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        needed = [package, "psycopg[binary,pool]"]
        subprocess.run([str(python), "-m", "pip", "install", "-q", *needed], check=True, stdout=sys.stderr)
    return python


def _driven(python: Path, name: str, url: str, callers: int) -> Work:
    def work(seconds: int) -> Done:
        command = [str(python), str(HERE / f"with_{name}.py"), url, str(seconds), str(callers)]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        done, waits = json.loads(said.stdout.splitlines()[-1])
        return Done(done, seconds, waits)

    return work
