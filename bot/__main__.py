"""The command line: `redbar demo`, `redbar run`, and the commands of the operator.

Imports what a command needs when it is asked for, so that help is instant and a missing library is named.
"""

import argparse
import os
import sys
from pathlib import Path

DEMO_PORT = 8787
DEMO_DATA = "redbar-demo"


def main(argv: list[str] | None = None) -> int:
    """Run a command; gives its exit code."""
    arguments = _parser().parse_args(argv)
    if "REDBAR_FAILPOINTS" in os.environ and _failpoints_refused():
        return 2
    try:
        return int(arguments.work(arguments))
    except KeyboardInterrupt:
        return 130  # as a shell counts it: ended by Ctrl-C before there was anything to end cleanly
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.split(".")[0] in ("bot", "ledger"):
            raise
        _say(
            f"The library {missing.name} is missing. Install Redbar's libraries: pip install -c constraints.txt ."
        )
        return 1


def _failpoints_refused() -> bool:
    """Refuse, in words, failpoints that a test left in the environment: they would kill a bot that moves money."""
    from ledger.failpoints import misplaced

    refused = misplaced(os.environ)
    if refused:
        _tell(
            "REDBAR_FAILPOINTS breaks Redbar on purpose. It is accepted only with REDBAR_ENV=test: remove it from the "
            "environment."
        )
    return refused


class _Version(argparse.Action):
    """Looks the version up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        _say(f"redbar {version('redbar')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redbar", description="A prepaid wallet for phone calls and AI tasks, in Slack."
    )
    parser.add_argument(
        "-V", "--version", action=_Version, nargs=0, help="say which version this is, and end"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="the whole product on this machine, with a page to try it")
    demo.add_argument(
        "--port", type=int, default=DEMO_PORT, help=f"port of the page (default {DEMO_PORT}; 0 for any)"
    )
    demo.add_argument(
        "--data", type=Path, default=Path(DEMO_DATA), help=f"folder of its data (default {DEMO_DATA})"
    )
    demo.add_argument("--no-browser", action="store_true", help="don't open the page in a browser")
    demo.add_argument("--story", action="store_true", help="play the tale in this terminal and end")
    demo.set_defaults(work=_demo)

    run = commands.add_parser("run", help="the bot for a real workspace, set up by environment variables")
    run.set_defaults(work=_run)

    check = commands.add_parser("check", help="look at everything that a bot needs; also while it runs")
    check.add_argument("--json", action="store_true", help="tell it in JSON")
    check.set_defaults(work=_check)

    key = commands.add_parser("key", help="keys of the calling platform")
    keys = key.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = keys.add_parser("create", help="make a key and print it once; also while the bot runs")
    create.add_argument("--name", default="", help="what the key is for")
    create.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    create.set_defaults(work=_key_create)

    charges = commands.add_parser("charges", help="stop every automatic charge at once, or allow them again")
    charges.add_argument("wanted", choices=("off", "on"), help="off stops them, whatever rules say")
    charges.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    charges.set_defaults(work=_charges)

    reconcile = commands.add_parser(
        "reconcile", help="hold Stripe and the books together; also while the bot runs"
    )
    reconcile.add_argument("--json", action="store_true", help="tell it in JSON")
    reconcile.add_argument(
        "--database", default="", help="the database, where REDBAR_DATABASE_URL is not set"
    )
    reconcile.set_defaults(work=_reconcile)

    _add_decisions(commands)
    _add_adjustments(commands)
    _add_clock(commands)
    _add_readers(commands)
    _add_copies(commands)
    return parser


def _add_decisions(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands by which the operator decides about one wallet."""
    settle = commands.add_parser("settle", help="decide by hand about money that reconcile lists")
    settle.add_argument("what", metavar="WHAT", help="pi_…, or the key that is listed, such as credit:pi_…")
    way = settle.add_mutually_exclusive_group(required=True)
    way.add_argument("--credit", action="store_true", help="put the payment into the wallet")
    way.add_argument("--leave", action="store_true", help="book nothing, and don't list it any more")
    settle.add_argument("--note", required=True, help="why, for the people who are told and for the books")
    settle.add_argument("--wallet", default="", help="the wallet's id, where there are several")
    settle.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    settle.set_defaults(work=_settle)

    settings = commands.add_parser("settings", help="list or change the settings of a wallet")
    settings.add_argument("wanted", metavar="NAME=VALUE", nargs="*", help="such as grace=30min")
    settings.add_argument("--wallet", default="", help="the wallet's id, where there are several")
    settings.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    settings.set_defaults(work=_settings)


def _add_adjustments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands by which the operator gives money, or gives it back."""
    credit = commands.add_parser("credit", help="give a wallet a credit")
    credit.add_argument("amount", metavar="AMOUNT", help="such as 10.00, in the wallet's currency")
    credit.add_argument(
        "--id", default="", help="the id of a credit whose answer was lost: it is booked once"
    )
    correct = commands.add_parser("correct", help="lower what usage or a hold cost to the right total")
    correct.add_argument("what", metavar="ID", help="the id of the usage, or of the hold")
    correct.add_argument("total", metavar="TOTAL", help="what it should have cost in all, such as 0.42, or 0")
    for command, work in ((credit, _credit), (correct, _correct)):
        command.add_argument(
            "--note", required=True, help="why, for the people who are told and for the books"
        )
        command.add_argument("--wallet", default="", help="the wallet's id, where there are several")
        command.add_argument(
            "--database", default="", help="the database, where REDBAR_DATABASE_URL is not set"
        )
        command.set_defaults(work=work)


def _add_clock(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    clock = commands.add_parser("clock", help="what to do about a clock that was wrong")
    clocks = clock.add_subparsers(title="commands", metavar="COMMAND", required=True)
    accept = clocks.add_parser(
        "accept",
        help="take the present time as true, and list what is recorded after it; also while the bot runs",
    )
    accept.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    accept.set_defaults(work=_clock_accept)


def _add_readers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that only read the database."""
    explain = commands.add_parser(
        "explain", help="what happened to a reference, a payment or a call, with times"
    )
    explain.add_argument("asked", metavar="WHAT", help="RB-1004, pi_…, evt_…, or a call's id or reference")
    explain.add_argument("--json", action="store_true", help="tell it in JSON")
    explain.add_argument("--wallet", default="", help="one wallet, by its id")
    explain.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    explain.set_defaults(work=_explain)

    deliveries = commands.add_parser("deliveries", help="what waits to be told, and what was set aside")
    deliveries.add_argument("--again", default="", metavar="ID", help="send one again that was set aside")
    deliveries.add_argument("--json", action="store_true", help="tell it in JSON")
    deliveries.add_argument("--wallet", default="", help="one wallet, by its id")
    deliveries.add_argument(
        "--database", default="", help="the database, where REDBAR_DATABASE_URL is not set"
    )
    deliveries.set_defaults(work=_deliveries)

    verify = commands.add_parser("verify", help="check that the books are whole; also while the bot runs")
    verify.add_argument("--json", action="store_true", help="tell it in JSON")
    verify.add_argument("--wallet", default="", help="one wallet, by its id")
    verify.add_argument(
        "--keep", type=Path, metavar="FILE", help="write the ends of the chains to a new file"
    )
    verify.add_argument("--against", type=Path, metavar="FILE", help="compare with the ends that a file kept")
    verify.add_argument("--progress", action="store_true", help="tell how far it is, also into a pipe")
    verify.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    verify.set_defaults(work=_verify)

    export = commands.add_parser("export", help="the books as CSV or Beancount; also while the bot runs")
    export.add_argument("--format", choices=("csv", "beancount"), default="csv", help="default csv")
    export.add_argument("--month", help="only what was recorded in a month, as 2026-11")
    export.add_argument("--wallet", default="", help="the wallet's id, where there are several")
    export.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="a file to write, for its owner alone (default: standard output)",
    )
    export.add_argument("--force", action="store_true", help="write over a file that exists")
    export.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    export.set_defaults(work=_export)


def _add_copies(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that copy the books, and put a copy in their place."""
    backup = commands.add_parser("backup", help="copy the whole books into a file; also while the bot runs")
    backup.add_argument("file", type=Path, metavar="FILE", help="the file to write, for its owner alone")
    backup.add_argument("--force", action="store_true", help="write over a file that exists")
    restore = commands.add_parser("restore", help="put a backup in the books' place, while no bot runs")
    restore.add_argument("file", type=Path, metavar="FILE", help="what redbar backup wrote")
    restore.add_argument(
        "--discard", action="store_true", help="also where the books have transactions that the backup lacks"
    )
    for command, work in ((backup, _backup), (restore, _restore)):
        command.add_argument(
            "--bin", default="", metavar="FOLDER", help="where PostgreSQL's programs are, if not on PATH"
        )
        command.add_argument(
            "--database", default="", help="the database, where REDBAR_DATABASE_URL is not set"
        )
        command.set_defaults(work=work)

    resume = commands.add_parser("resume", help="go on with books that were restored from a copy")
    resume.add_argument(
        "--moved",
        action="store_true",
        help="the file, the account, the team or the app moved, and that is right",
    )
    resume.add_argument("--database", default="", help="the database, where REDBAR_DATABASE_URL is not set")
    resume.set_defaults(work=_resume)


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(text: str) -> None:
    """Say something where it cannot get into what the command writes to standard output."""
    # Closed before we began, it is None, and print would take standard output instead.
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def _demo(arguments: argparse.Namespace) -> int:
    from bot.logs import configure
    from bot.operator.demo import run
    from bot.settings import log_problems

    level = os.environ.get("REDBAR_LOG_LEVEL", "").strip().upper() or "WARNING"
    problems = log_problems(level, os.environ.get("REDBAR_LOG_FORMAT", "").strip() or "text")
    for problem in problems:
        _say(problem)
    if problems:
        return 2
    configure(level)
    if not 0 <= arguments.port <= 65535:
        _say("--port has to be a number from 0 to 65535.")
        return 2
    return run(
        arguments.data, arguments.port, browser=not arguments.no_browser, story=arguments.story, say=_say
    )


def _run(arguments: argparse.Namespace) -> int:
    from bot.operator.run import run_bot

    return run_bot(os.environ, _say)


def _check(arguments: argparse.Namespace) -> int:
    from bot.operator.check import check
    from ledger import SystemClock

    return check(os.environ, SystemClock(), _say, as_json=arguments.json)


def _key_create(arguments: argparse.Namespace) -> int:
    from bot.operator.keys import create_key

    return create_key(_database(arguments), os.environ, arguments.name, _say)


def _charges(arguments: argparse.Namespace) -> int:
    from bot.operator.charges import charges

    return charges(_database(arguments), os.environ, arguments.wanted, _say)


def _reconcile(arguments: argparse.Namespace) -> int:
    from bot.operator.reconcile import reconcile

    return reconcile(
        _database(arguments), os.environ, _say, lambda words: _tell(f"{words} …"), as_json=arguments.json
    )


def _resume(arguments: argparse.Namespace) -> int:
    from bot.operator.resume import resume

    return resume(_database(arguments), os.environ, moved=arguments.moved, say=_say)


def _settle(arguments: argparse.Namespace) -> int:
    from bot.operator.settle import settle

    note = arguments.note.strip()
    if not note or not note.isprintable():
        _say("--note has to say why, in one line of plain text: people read it, and it stays in the books.")
        return 2
    decision = {
        "what": arguments.what,
        "note": note,
        "credit": arguments.credit,
        "wallet": arguments.wallet,
    }
    return settle(_database(arguments), os.environ, decision, _say)


def _settings(arguments: argparse.Namespace) -> int:
    from bot.operator.settings import settings

    wanted = {"wallet": arguments.wallet, "wanted": arguments.wanted}
    return settings(_database(arguments), os.environ, wanted, _say)


def _credit(arguments: argparse.Namespace) -> int:
    from bot.operator.credit import credit
    from ledger import new_id

    named = {"amount": arguments.amount, "id": arguments.id or str(new_id())}
    return credit(_database(arguments), os.environ, {**named, **_decided(arguments)}, _say)


def _correct(arguments: argparse.Namespace) -> int:
    from bot.operator.correct import correct

    named = {"what": arguments.what, "total": arguments.total}
    return correct(_database(arguments), os.environ, {**named, **_decided(arguments)}, _say)


def _decided(arguments: argparse.Namespace) -> dict[str, str]:
    return {"note": arguments.note, "wallet": arguments.wallet}


def _clock_accept(arguments: argparse.Namespace) -> int:
    from bot.operator.clock import accept_clock

    return accept_clock(_database(arguments), os.environ, _say)


def _explain(arguments: argparse.Namespace) -> int:
    from bot.operator.explain import Options, explain

    return explain(Options(_database(arguments), arguments.asked, arguments.wallet, arguments.json), _say)


def _deliveries(arguments: argparse.Namespace) -> int:
    from bot.operator.deliveries import Options, deliveries

    options = Options(_database(arguments), arguments.wallet, arguments.again, arguments.json)
    return deliveries(options, os.environ, _say)


def _verify(arguments: argparse.Namespace) -> int:
    from bot.operator.verify import Options, verify
    from ledger import SystemClock

    options = Options(
        _database(arguments),
        arguments.wallet,
        arguments.json,
        arguments.keep,
        arguments.against,
        arguments.progress,
    )
    return verify(options, SystemClock(), _say)


def _export(arguments: argparse.Namespace) -> int:
    from bot.operator.export import Options, export

    options = Options(
        _database(arguments),
        arguments.format,
        arguments.month,
        arguments.wallet,
        None if arguments.output == Path("-") else arguments.output,
        arguments.force,
    )
    return export(options, _tell)


def _backup(arguments: argparse.Namespace) -> int:
    from bot.operator.backup import Options, backup
    from ledger import SystemClock

    options = Options(_database(arguments), arguments.file, arguments.force, arguments.bin)
    return backup(options, os.environ, SystemClock(), _say)


def _restore(arguments: argparse.Namespace) -> int:
    from bot.operator.restore import Options, restore

    options = Options(_database(arguments), arguments.file, arguments.discard, arguments.bin)
    return restore(options, os.environ, _say)


def _database(arguments: argparse.Namespace) -> str:
    return str(arguments.database or os.environ.get("REDBAR_DATABASE_URL") or "sqlite:///redbar.db")


if __name__ == "__main__":
    sys.exit(main())
