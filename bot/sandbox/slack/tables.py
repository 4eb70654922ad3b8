"""What Slack takes and refuses of charts, tables and cards: blocks that hold figures, not controls. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from bot.sandbox.slack.elements import (
    Place,
    Problems,
    counted,
    elements,
    items,
    needed_text,
    only,
    optional_text,
    picture,
    string,
)

# Slack's page says six series, newer validators twelve: the stand-in holds to the stricter word.
SERIES_MAX = 6
POINTS_MAX = 20
_CELLS = {"raw_text": "text", "raw_number": "value text", "rich_text": "elements", "action_cell": "element"}


def chart(block: Mapping[str, Any], at: str) -> Problems:
    """Check a data_visualization block."""
    if "title" not in block:
        yield "missing required field: title", at
    else:
        yield from string(block["title"], 50, f"{at}/title", least=1)
    drawn = block.get("chart")
    if not isinstance(drawn, dict):
        yield "missing required field: chart", at
        return
    here = f"{at}/chart"
    if drawn.get("type") == "pie":
        yield from only(drawn, "segments", here)
        yield from _points(drawn.get("segments"), SERIES_MAX, f"{here}/segments", positive=True)
    elif drawn.get("type") in ("bar", "area", "line"):
        yield from only(drawn, "series axis_config", here)
        yield from _series(drawn, here)
    else:
        yield "must be a valid enum value", f"{here}/type"


def _series(drawn: Mapping[str, Any], at: str) -> Problems:
    axis = drawn.get("axis_config")
    if not isinstance(axis, dict):
        yield "missing required field: axis_config", at
        return
    yield from only(axis, "categories x_label y_label", f"{at}/axis_config")
    categories = axis.get("categories")
    yield from _labels(categories, f"{at}/axis_config/categories")
    for name in ("x_label", "y_label"):
        if name in axis:
            yield from string(axis[name], 50, f"{at}/axis_config/{name}", least=1)
    series = drawn.get("series")
    yield from counted(series, 1, SERIES_MAX, f"{at}/series")
    names = [one.get("name") for one in items(series)]
    if len(set(map(str, names))) != len(names):
        yield "series names must be unique", f"{at}/series"
    for index, one in enumerate(items(series)):
        here = f"{at}/series/{index}"
        yield from only(one, "name data", here)
        yield from string(one.get("name"), 20, f"{here}/name", least=1)
        yield from _points(one.get("data"), POINTS_MAX, f"{here}/data", positive=False)
        if sorted(str(point.get("label")) for point in items(one.get("data"))) != sorted(
            map(str, items(categories))
        ):
            yield "must provide exactly one data point per category", f"{here}/data"


def _labels(labels: object, at: str) -> Problems:
    yield from counted(labels, 1, POINTS_MAX, at)
    for index, one in enumerate(items(labels)):
        yield from string(one, 20, f"{at}/{index}", least=1)
    if len(set(map(str, items(labels)))) != len(items(labels)):
        yield "items must be unique", at


def _points(points: object, most: int, at: str, *, positive: bool) -> Problems:
    yield from counted(points, 1, most, at)
    for index, point in enumerate(items(points)):
        here = f"{at}/{index}"
        yield from only(point, "label value", here)
        yield from string(point.get("label"), 20, f"{here}/label", least=1)
        value = point.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield "must provide a number", f"{here}/value"
        elif positive and value <= 0:
            yield "must be greater than 0", f"{here}/value"


def data_table(block: Mapping[str, Any], at: str) -> Problems:
    """Check a data_table block."""
    if not block.get("caption"):
        yield "missing required field: caption", at
    rows = block.get("rows")
    yield from counted(rows, 2, 201, f"{at}/rows")
    yield from _rows(rows, at, header=True)
    size = block.get("page_size", 5)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 100:
        yield "must be between 1 and 100", f"{at}/page_size"


def table(block: Mapping[str, Any], at: str) -> Problems:
    """Check a table block."""
    rows = block.get("rows")
    yield from counted(rows, 1, 100, f"{at}/rows")
    yield from _rows(rows, at, header=False)
    if "column_settings" in block:
        yield from counted(block["column_settings"], 1, 20, f"{at}/column_settings")


def _rows(rows: object, at: str, *, header: bool) -> Problems:
    widths = {len(items(row)) for row in items(rows)}
    if header and len(widths) > 1:
        yield "all rows must have the same number of cells", f"{at}/rows"
    for index, row in enumerate(items(rows)):
        yield from counted(row, 1, 20, f"{at}/rows/{index}")
        for column, cell in enumerate(items(row)):
            here = f"{at}/rows/{index}/{column}"
            kind = cell.get("type") if isinstance(cell, dict) else None
            if kind not in _CELLS or (header and index == 0 and kind == "rich_text"):
                yield f"unsupported type: {kind}", f"{here}/type"
                continue
            yield from only(cell, _CELLS[kind], here)
            if kind in ("raw_text", "raw_number"):
                yield from string(cell.get("text"), 3000, f"{here}/text", least=1)


def card(block: Mapping[str, Any], place: Place, at: str) -> Problems:
    """Check a card, by itself or in a carousel."""
    yield from only(block, "hero_image title subtitle body subtext actions icon slack_icon", at)
    if not any(name in block for name in ("hero_image", "title", "actions", "body")):
        yield "must define one of `hero_image`, `title`, `actions` or `body`", at
    for name, longest in (("title", 150), ("subtitle", 150), ("body", 200), ("subtext", 200)):
        yield from optional_text(block, name, longest, at)
    if "actions" in block:
        yield from counted(block["actions"], 1, 3, f"{at}/actions")
        yield from elements(block["actions"], frozenset({"button"}), place, f"{at}/actions")
    if "hero_image" in block:
        yield from picture(block["hero_image"], place, f"{at}/hero_image")


def container_title(block: Mapping[str, Any], at: str) -> Problems:
    """Check the title of a container, which may be plain or rich."""
    if "rich_text_title" not in block:
        yield from needed_text(block, "title", 150, at, plain=True)
