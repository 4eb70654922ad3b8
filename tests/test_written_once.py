"""What one place alone may write out: keys of the ledger, numbers of money, and sentences, which no row keeps."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from bot.notices import AnyNotice

ROOT = Path(__file__).parent.parent


def _files() -> Iterator[Path]:
    for package in ("ledger", "bot"):
        yield from sorted((ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


KEYS = "bot/stripe/keys.py"
_KEY_NAMES = {"CREDIT", "REFUND", "REFUND_REVERSAL", "DISPUTE", "CORRECTION"}
_KEY = re.compile(r"(?:\S*[^\w\s])?(credit|refund|refund_reversal|dispute|correct):\S*")


def _keys_in(text: str) -> list[int]:
    """Give the lines that write a key of the ledger out: as text, as an f-string, or from a kind and a colon."""
    tree = ast.parse(text)
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(part)) if id(node) not in documents and _KEY.fullmatch(part):
                found.append(node.lineno)
            case ast.JoinedStr(values=[ast.FormattedValue(value=kind), ast.Constant(value=str(part)), *_]):
                if part.startswith(":") and ast.unparse(kind).rpartition(".")[2] in _KEY_NAMES:
                    found.append(node.lineno)
            case _:
                pass
    return found


def test_keys_of_the_ledger_are_written_in_one_file() -> None:
    """Two spellings of one key would book one movement twice. A migration writes no keys, and names none."""
    found = {
        f"{_name(path)}:{line}" for path in _files() for line in _keys_in(path.read_text(encoding="utf-8"))
    }
    assert {one.partition(":")[0] for one in found} <= {KEYS}
    assert _keys_in((ROOT / KEYS).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "planted",
    [
        'key = f"credit:{intent_id}"',
        'key = f"left:credit:{intent_id}"',
        'key = f"{LEFT}credit:{intent_id}"',
        'key = "refund:" + refund_id',
        'key = "dispute:txn_1"',
        'key = f"{CREDIT}:{intent_id}"',
        'key = f"{keys.REFUND_REVERSAL}:{refund_id}"',
        'key = "correct:{}".format(new_id())',
    ],
)
def test_a_planted_key_is_seen(planted: str) -> None:
    """However it is written."""
    assert _keys_in(planted) == [1]


def test_the_operator_has_one_name_in_the_rows() -> None:
    """Audit rows and transfers are found by it: `Role.OPERATOR` of `bot/rights.py` alone spells it."""
    found = {
        _name(path)
        for path in _files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == "operator"
    }
    assert found == {"bot/rights.py"}


ITSELF = "ledger/writing/book.py"
_NAMING = {"getLogger", "ArgumentParser", "version"}
"""What takes the program's name, and is no row."""


def _actors_in(text: str) -> list[int]:
    """Give the lines that write the program's name out, where it names no log and no command."""
    tree = ast.parse(text)
    naming = {
        id(one)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _NAMING
        for one in (*node.args, *(given.value for given in node.keywords))
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "redbar" and id(node) not in naming
    ]


def test_the_program_has_one_name_in_the_rows() -> None:
    """`REDBAR` of the book alone spells the actor of what no person did. The sandbox's handle is Slack's."""
    found = {
        f"{_name(path)}:{line}"
        for path in _files()
        for line in _actors_in(path.read_text(encoding="utf-8"))
        if not _name(path).startswith("bot/sandbox/")
    }
    assert {one.partition(":")[0] for one in found} == {ITSELF}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ('tx.book.audit(wallet_id, "redbar", "charges", "on", "off")', [1]),
        ('tx.book.set_policy(wallet_id, off, actor=actor or "redbar")', [1]),
        ('def turn_off(tx: Tx, *, actor: str = "redbar") -> bool: ...', [1]),
        ('log = logging.getLogger("redbar")', []),
        ('parser = argparse.ArgumentParser(prog="redbar")', []),
    ],
)
def test_a_planted_actor_is_seen(planted: str, seen: list[int]) -> None:
    """And a log's name, or the command's, is none."""
    assert _actors_in(planted) == seen


# Where a million or ten thousand counts something else. The sandbox is outside, and has its own amounts.
NO_MONEY = {
    "ledger/writing/throughput.py",  # nanoseconds
    "ledger/storage/postgres.py",  # versions of PostgreSQL: 140000 is 14
    "bot/operator/postgres_programs.py",  # the same
}
MONEY = "ledger/money.py"


def _money_in(text: str) -> list[int]:
    """Give the lines that reckon with micro-units by number: a million, ten thousand, or six decimals."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.BinOp(left=left, right=right):
                found += [
                    one.lineno
                    for one in (left, right)
                    if isinstance(one, ast.Constant) and one.value in (1_000_000, 10_000)
                ]
                if ast.unparse(node) in ("10 ** 6", "10 ** 4"):
                    found.append(node.lineno)
            case ast.Call(func=ast.Attribute(attr="scaleb"), args=[ast.UnaryOp() | ast.Constant()]):
                found.append(node.lineno)
            case ast.Call(func=ast.Name(id="divmod"), args=[_, ast.Constant(value=1_000_000 | 10_000)]):
                found.append(node.lineno)
            case _:
                pass
    return found


def test_money_is_reckoned_with_its_named_numbers() -> None:
    """`MICROS` and `CENT` of `ledger/money.py`: a zero too many would be a tenfold charge."""
    found = {
        f"{_name(path)}:{line}"
        for path in _files()
        for line in _money_in(path.read_text(encoding="utf-8"))
        if _name(path) not in NO_MONEY and not _name(path).startswith("bot/sandbox/")
    }
    assert {one.partition(":")[0] for one in found} - {MONEY} == set()


@pytest.mark.parametrize(
    "planted",
    [
        "cents = micros // 10_000",
        "micros = 25 * 1_000_000",
        "micros = 1000000 * 25",
        "micros = 10**6 * 25",
        "major, rest = divmod(micros, 1_000_000)",
        "amount = Decimal(micros).scaleb(-6)",
    ],
)
def test_a_planted_number_of_money_is_seen(planted: str) -> None:
    """However it is written."""
    assert _money_in(planted) == [1]


WRITES = {"values", "set_trouble", "set_policy", "audit", "again", "dead", "set_named_value", "Pause"}
WRITES |= {one.__name__ for one in get_args(AnyNotice)}
"""What puts its arguments into rows."""


def _sentences_in(text: str) -> list[int]:
    """Give the lines that write a sentence into a row: text of ours with a space in it."""
    return [
        part.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in WRITES
        for argument in (*node.args, *(one.value for one in node.keywords))
        for part in ast.walk(argument)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value.strip()
    ]


def test_rows_keep_codes_and_views_make_the_sentences() -> None:
    """A sentence in a row cannot be mended, counted or said in another place's words."""
    found = [
        f"{_name(path)}:{line}"
        for path in _files()
        for line in _sentences_in(path.read_text(encoding="utf-8"))
        # SQL is no sentence, and what ends there is no row of ours.
        if "/migrations/" not in _name(path) and not _name(path).startswith("bot/sandbox/")
    ]
    assert found == []


@pytest.mark.parametrize(
    "planted",
    [
        'insert(differences).values(cause="the books have nothing")',
        'tx.book.set_trouble(wallet_id, f"the bank declined {card}")',
        'MoneyParked(object_id=object_id, cause="it names no payment")',
        'tx.book.set_policy(wallet_id, off, actor="redbar", reason="the card is gone")',
        'Pause(PauseCode.LEGACY, text="there is no card")',
    ],
)
def test_a_planted_sentence_is_seen(planted: str) -> None:
    """However it gets there."""
    assert _sentences_in(planted) == [1]
