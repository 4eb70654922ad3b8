"""The hash chain through a wallet's transfers, and the digest that stands in it for erasable text. Pure.

Each transfer's hash is SHA-256 over the hash before it and a JSON array of its columns in order: integers, instants in
microseconds, lower case ids, text in NFC. The same bytes come out whatever database the columns were read from.
"""

import unicodedata
from collections.abc import Sequence
from hashlib import sha256

import msgspec

GENESIS = bytes(32)
"""What the first transfer of a wallet follows."""

NO_TEXT = b""
"""In place of the digest, of a transfer that never had a text: it has no row of text either."""

_encode = msgspec.json.Encoder().encode


def link(head: bytes, columns: Sequence[object], text_digest: bytes) -> bytes:
    """Give the hash of a transfer that follows `head`."""
    return link_covered(head, (*columns, text_digest.hex()))


def link_covered(head: bytes, covered: tuple[object, ...]) -> bytes:
    """The same of everything that is covered in one piece: the columns, and the text's digest in hexadecimal."""
    plain = _encode(
        covered
    )  # written out: a call more in this place costs a fiftieth of a walk along all transfers
    return sha256(head + (plain if plain.isascii() else _normal(plain))).digest()


def digest_of_text(salt: bytes, reference: str, description: str) -> bytes:
    """Give what the chain covers of free text: salted, so that erased text cannot be guessed back from it."""
    return sha256(salt + _canonical([reference, description])).digest()


def _canonical(values: Sequence[object]) -> bytes:
    plain = _encode(values)
    return plain if plain.isascii() else _normal(plain)


def _normal(plain: bytes) -> bytes:
    return unicodedata.normalize("NFC", plain.decode()).encode()
