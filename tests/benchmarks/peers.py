from pathlib import Path

from tests.benchmarks.contest import Contest
from tests.postgres_server import Server


def peers(folder: Path, server: Server | None) -> Contest:
    return Contest("Peers", [])
