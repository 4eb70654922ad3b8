"""What of a message, a Home tab or a form Slack refuses, and the same without it. Pure.

A refusal names the part by a JSON pointer in `response_metadata`, or it does not. Each part has a key by which a
workspace remembers that it was refused; the words of a part that is left out stay.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from bot.slack.views.blocks import Block, mrkdwn, plain
from bot.slack.views.text import plainly

WORDS_MAX = 3_000
"""The longest text of a section."""
POINTERS_MAX = 4
"""How many refusals that point at a part are followed for one content; after that less is kept of all of it."""
PICTURE = "picture:"
"""What the key of a picture begins with; its file's id follows."""
_POINTER = re.compile(r"(?:/attachments/(?P<bar>\d+))?/blocks/(?P<block>\d+)(?P<inside>[^\]\s]*)")
_INSIDE = re.compile(r"/(?P<name>elements|fields)/(?P<number>\d+)")


Change = Callable[[Block], Block | None]
"""Gives what is left of a block; None for nothing."""


class Surface(StrEnum):
    """Where blocks are shown: Slack takes some kinds of block in one place alone."""

    MESSAGE = "message"
    HOME = "home"
    MODAL = "modal"


class Kept(IntEnum):
    """How much is kept of content that Slack refuses without saying which part."""

    EVERYTHING = 0
    SECTIONS = 1
    """The words of each block, as a section of its own."""
    WORDS = 2
    """One sentence after the other: a message's text alone, a Home or a form of one section."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is shown: the blocks of a message and of its coloured bars, or those of a Home tab or a form."""

    surface: Surface
    text: str
    """What stands alone for screen readers; empty for Home and forms."""
    blocks: Sequence[Block]
    bars: Sequence[Block] = ()
    """A message's attachments, each with blocks."""

    def without(self, refused: Collection[str]) -> "Content":
        """Leave out the parts that were refused."""
        return self._with(lambda one: _left(one, refused, self.surface)) if refused else self

    def kept(self, kept: Kept) -> "Content":
        """Keep less: only the words of each block, or nothing but words."""
        match kept:
            case Kept.EVERYTHING:
                return self
            case Kept.SECTIONS:
                return self._with(_in_words)
            case Kept.WORDS:
                said = " ".join(plainly(one["text"]) for block in self.blocks for one in _texts(block))
                alone = (
                    [_section(plain(said[:WORDS_MAX]))]
                    if self.surface is not Surface.MESSAGE and said
                    else []
                )
                return replace(self, blocks=alone, bars=())

    def pictures(self) -> frozenset[str]:
        """Give the keys of all pictures."""
        inside = (part for block in self._blocks() for part in (block, block.get("accessory") or {}))
        return frozenset(filter(None, map(_picture_key, inside)))

    def pointed_at(self, messages: Sequence[str]) -> frozenset[str]:
        """Give the keys of the parts at which a refusal points; none where it points nowhere in the content."""
        return frozenset(key for one in messages for key in self._pointed_at(one))

    def digest(self) -> str:
        """Give a name for exactly this content."""
        return _digest([self.surface, self.text, *self._blocks()])

    def _pointed_at(self, said: str) -> Iterator[str]:
        for found in _POINTER.finditer(said):
            block = self._block(found["bar"], int(found["block"]))
            if block is not None:
                yield _key_at(block, found["inside"], said, self.surface)

    def _block(self, bar: str | None, number: int) -> Block | None:
        blocks = self.blocks
        if bar is not None:
            blocks = self.bars[int(bar)].get("blocks", []) if int(bar) < len(self.bars) else []
        return blocks[number] if number < len(blocks) else None

    def _blocks(self) -> Iterator[Block]:
        yield from self.blocks
        for bar in self.bars:
            yield from bar.get("blocks", [])

    def _with(self, change: Change) -> "Content":
        bars = [{**bar, "blocks": _changed(bar.get("blocks", []), change)} for bar in self.bars]
        return replace(
            self, blocks=_changed(self.blocks, change), bars=[bar for bar in bars if bar["blocks"]]
        )


class Attempts:
    """The tries to have some content shown: each shows what Slack has not refused yet."""

    def __init__(self, content: Content, known: Collection[str]) -> None:
        self._content = content
        self._known = known
        self._pointed_out: set[str] = set()
        self._guessed: set[str] = set()
        """Pictures, where a refusal pointed nowhere: they are the likeliest."""
        self._pointers = 0
        self._begun = next((one for one in reversed(Kept) if self._less(one) in known), Kept.EVERYTHING)
        self._kept = self._begun

    def shown(self) -> Content:
        """Give what is to be shown next."""
        return self._content.without({*self._known, *self._pointed_out, *self._guessed}).kept(self._kept)

    def not_ready(self) -> bool:
        """Go on without pictures, since one is not ready. Gives False where there is none left."""
        pictures = self.shown().pictures()
        self._pointed_out |= pictures
        return bool(pictures)

    def refused(self, messages: Sequence[str]) -> bool:
        """Go on with less, by what a refusal says. Gives False where nothing less is left."""
        shown = self.shown()
        self._pointers += 1
        pointed = shown.pointed_at(messages) if self._pointers <= POINTERS_MAX else frozenset()
        pictures = shown.pictures()
        if pointed:
            self._pointed_out |= pointed
        elif pictures:
            self._guessed |= pictures
        elif self._kept is Kept.WORDS:
            return False
        else:
            self._kept = Kept(self._kept + 1)
        return True

    def learned(self) -> frozenset[str]:
        """Give the keys to remember, once what is shown was taken."""
        if self._kept is Kept.EVERYTHING:
            return frozenset(self._pointed_out | self._guessed)
        if self._kept is self._begun:
            return frozenset(self._pointed_out)
        return frozenset({*self._pointed_out, self._less(self._kept)})

    def _less(self, kept: Kept) -> str:
        return f"{kept.name.lower()}:{self._content.digest()}"


def picture_key(file_id: str) -> str:
    """Give the key of a picture."""
    return f"{PICTURE}{file_id}"


def _changed(blocks: Sequence[Block], change: Change) -> list[Block]:
    return [left for one in blocks if (left := change(one)) is not None]


def _key_at(block: Block, inside: str, said: str, surface: Surface) -> str:
    """Give the key of what a pointer into a block means: a part of it that can go alone, or the whole block."""
    if inside.startswith("/accessory") and "accessory" in block:
        return _picture_key(block["accessory"]) or _part_key(block["accessory"])
    found = _INSIDE.match(inside)
    if found is not None and int(found["number"]) < len(block.get(found["name"], [])):
        return _part_key(block[found["name"]][int(found["number"])])
    if inside == "/type" and "unsupported type" in said:
        return _type_key(block, surface)
    return _picture_key(block) or _part_key(block)


def _left(block: Block, refused: Collection[str], surface: Surface) -> Block | None:
    if _picture_key(block) in refused:
        return None
    if _type_key(block, surface) in refused or _part_key(block) in refused:
        worded = _in_words(block)
        return None if worded is None or _part_key(worded) in refused else worded
    left = dict(block)
    accessory = left.get("accessory")
    if accessory is not None and {_picture_key(accessory), _part_key(accessory)} & {*refused}:
        del left["accessory"]
    for name in ("elements", "fields"):
        if name in left:
            left[name] = [one for one in left[name] if _part_key(one) not in refused]
            if not left[name]:
                del left[name]
    needs = {"actions": ("elements",), "context": ("elements",), "section": ("text", "fields")}
    needed = needs.get(block["type"], ())
    return left if not needed or any(name in left for name in needed) else None


def _in_words(block: Block) -> Block | None:
    """Give the words of a block as a section; None where it has none."""
    texts = _texts(block)
    if len(texts) == 1:
        return _section(texts[0])
    words = "\n".join(str(one["text"]) for one in texts)
    return _section(mrkdwn(words[:WORDS_MAX])) if words else None


def _section(text: Block) -> Block:
    return {"type": "section", "text": text}


def _texts(block: Block) -> list[Block]:
    """Give the text objects of a block that is made of words."""
    match block["type"]:
        case "section":
            parts = [block.get("text") or {}, *block.get("fields", [])]
        case "header":
            parts = [block["text"]]
        case "context":
            parts = block["elements"]
        case _:
            parts = []
    return [one for one in parts if one.get("text")]


def _type_key(block: Block, surface: Surface) -> str:
    return f"type:{surface}:{block['type']}"


def _picture_key(part: Block) -> str:
    file_id = (part.get("slack_file") or {}).get("id")
    return picture_key(file_id) if file_id else ""


def _part_key(part: Block) -> str:
    return f"part:{_digest({name: value for name, value in part.items() if name != 'block_id'})}"


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]
