"""What is read on a surface, and what Slack would refuse of it; with the facts that surfaces are made of."""

from typing import Any

from bot.sandbox.slack.blocks import problems, view_problems
from bot.slack.views.blocks import Message
from bot.slack.views.example_facts import *  # noqa: F403 - tests name them beside what is below


def refused_by_slack(shown: Message | dict[str, Any]) -> list[str]:
    """Give what Slack would refuse of a message or view; every picture counts as ready."""
    if isinstance(shown, dict):
        surface = "home" if shown["type"] == "home" else "modal"
        return view_problems(shown, surface, lambda _: "")
    found = problems(shown.blocks, "message", lambda _: "")
    for one in shown.attachments:
        found += problems(one["blocks"], "message", lambda _: "")
    assert shown.text
    assert len(shown.text) <= 4_000
    return found


def blocks_of(shown: Message | dict[str, Any]) -> list[dict[str, Any]]:
    """Give all blocks, those beside a coloured bar too."""
    if isinstance(shown, dict):
        return list(shown["blocks"])
    return [*shown.blocks, *(block for one in shown.attachments for block in one["blocks"])]


def words_of(shown: Message | dict[str, Any]) -> str:
    """Give everything that is read on a surface, one text a line."""
    return "\n".join(_texts(blocks_of(shown)))


def _texts(node: object) -> list[str]:
    if isinstance(node, list):
        return [text for one in node for text in _texts(one)]
    if not isinstance(node, dict):
        return []
    if node.get("type") in ("plain_text", "mrkdwn"):
        return [str(node["text"])]
    return [text for value in node.values() for text in _texts(value)]


def buttons_of(shown: Message | dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the buttons by their text."""
    return {one["text"]["text"]: one for one in _buttons(blocks_of(shown))}


def _buttons(node: object) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for one in node for found in _buttons(one)]
    if not isinstance(node, dict):
        return []
    mine = [node] if node.get("type") == "button" else []
    return mine + [found for value in node.values() for found in _buttons(value)]
