"""What one file alone may write out: the keys of the ledger, and the numbers of money."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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


# Where a million or ten thousand counts something else. The sandbox is outside, and has its own amounts.
NO_MONEY = {
    "ledger/storage/postgres.py",  # versions of PostgreSQL: 140000 is 14
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
