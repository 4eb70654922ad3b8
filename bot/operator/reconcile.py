"""`redbar reconcile`: compares Stripe with the books, and lists what differs."""

import json
from collections.abc import Mapping

from bot.control import Answer, Arguments, Step
from bot.operator.running_bot import Context, Say, ask_or_do
from bot.reconciliation.difference import as_answer, lines_of

NAME = "reconcile"


def reconcile(database_url: str, environ: Mapping[str, str], say: Say, step: Say, *, as_json: bool) -> int:
    """Compare Stripe with the books; gives 0 when they agree, 1 when not, 2 when nothing was compared."""
    answer = ask_or_do(database_url, environ, NAME, compare, {}, step)
    if "error" in answer:
        say(json.dumps(answer) if as_json else str(answer["error"]))
        return 2
    for line in [json.dumps(answer)] if as_json else lines_of(answer):
        say(line)
    return 1 if answer["differences"] or answer["parked"] else 0


def compare(context: Context, arguments: Arguments, step: Step) -> Answer:
    """Compare now, and tell how far it is."""
    with context.use_cases() as cases:
        return as_answer(cases.reconciliation.run(context.ledger.now(), step))
