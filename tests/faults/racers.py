"""Processes that all want to recharge one wallet at the same moment; run as a module, ordered by one line of JSON.

A parent without threads has everything loaded and forks them; they begin together.
"""

import json
import os
import sys
from datetime import datetime
from functools import partial
from uuid import UUID

from bot.payments.recharge import Recharge
from bot.served import Served
from bot.stripe.gateway import StripeGateway
from bot.use_cases import use_cases_of
from ledger import Ledger, PostUsage, RechargeBlock, Tx
from tests.sandbox.slack_place import SettableClock
from tests.sandbox.stripe_place import KEY

CAPS = (RechargeBlock.DAY_COUNT, RechargeBlock.DAY_CAP, RechargeBlock.MONTH_CAP)
ROUNDS_MAX = 20_000
"""Each takes about a millisecond; nobody asks that often unless something hangs."""


def race(ledger: Ledger, stripe: str, wallet_id: UUID, name: str, rounds: int) -> int:
    """Spend what there is and ask for a recharge until a cap says no so many times; gives how many were made.

    However slowly one answer comes, the others go on asking, so what the caps admit is reached on any machine.
    """
    gateway = StripeGateway(KEY, stripe)
    recharge = use_cases_of(
        ledger, gateway, Served("T1"), return_url="https://slack.example/", webhook=False
    ).recharge
    made, capped = 0, 0
    try:
        for number in range(ROUNDS_MAX):
            spend = partial(_spend, wallet_id=wallet_id, key=f"{name}-{number}")
            ledger.run(spend, wallet_id=wallet_id)
            made += recharge.consider(wallet_id) is not None
            capped += _is_capped(ledger, recharge, wallet_id)
            if capped == rounds:
                return made
    finally:
        gateway.close()
    raise AssertionError(f"no cap was reached in {ROUNDS_MAX} rounds")


def _is_capped(ledger: Ledger, recharge: Recharge, wallet_id: UUID) -> bool:
    with ledger.reading() as connection:
        view, policy = ledger.look(connection, wallet_id)
        return recharge.outlook(connection, view, policy, ledger.now()).decision.block in CAPS


def _spend(tx: Tx, *, wallet_id: UUID, key: str) -> None:
    balance = tx.book.view(wallet_id).balance_micros
    if balance > 0:
        tx.book.carry_out(wallet_id, [PostUsage("race", key, "outbound_call", balance, None)])


def _child(order: dict[str, str], number: int, go: int) -> int:
    ledger = Ledger(order["database_url"], SettableClock(datetime.fromisoformat(order["now"])))
    try:
        os.read(go, 1)
        wallet_id, rounds = UUID(order["wallet_id"]), int(order["rounds"])
        name = f"{order['day']}-{number}"
        return race(ledger, order["stripe"], wallet_id, name, rounds)
    finally:
        ledger.close()


def main() -> None:
    """Fork the racers, let them go at once, and say how many recharges each has made."""
    order = json.loads(sys.stdin.readline())
    go, start = os.pipe()
    children: list[tuple[int, int]] = []
    for number in range(int(order["racers"])):
        reader, pipe = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(pipe, str(_child(order, number, go)).encode())
            finally:
                os._exit(0)
        os.close(pipe)
        children.append((pid, reader))
    os.write(start, b"x" * len(children))
    said = []
    for pid, reader in children:
        with os.fdopen(reader, "rb") as answer:
            said.append(answer.read().decode())
        os.waitpid(pid, 0)
    print(json.dumps(said), flush=True)  # noqa: T201 - its answer to whoever ordered it


if __name__ == "__main__":
    main()
