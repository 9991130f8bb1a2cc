"""The nodes around an incident, before, after and when all was well: who was where?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from twin.report.moments import FREE, OTHER, OTHER_TOO, Moment, Moments, Rack
from twin.report.theme import BOUGHT, INK, JOB_COLOURS, MUTED, PAPER, RULE, Shape, cut, title

_SIDES = (16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3)  # of a node, the largest that fits [px]
_NAME, _GAP, _KEY = 17.0, 9.0, 20.0  # row name above racks, between rows, line of the key [px]
_TITLE, _BESIDE = 30.0, 20.0  # above a map, between maps [px]
_GREY = {FREE: PAPER, OTHER: BOUGHT, OTHER_TOO: "#dfe4e9"}
_HATCH = "////"


@dataclass(frozen=True)
class _Block:
    """Racks of one row side by side at a place of the map. [px, y downwards]"""

    name: str
    racks: Sequence[Rack]
    x: float
    y: float


def node_map(found: Moments, shape: Shape) -> Figure:
    """Three maps, side by side or below each other; a square is a node, a column a rack.

    Parameters
    ----------
    found : Moments
        What to show, from `twin.report.moments`.
    """
    wide = shape.width > 500
    width = (shape.width - 2 * _BESIDE) / 3 if wide else shape.width
    side, blocks, height = _place(found.racks, width, 420.0 if wide else 300.0)
    entries = _entries(found, shape)
    columns = 4 if wide else 1
    key = _KEY * -(-len(entries) // columns) + 8
    rows = 1 if wide else len(found.panels)
    figure = shape.figure(key + rows * (_TITLE + height + 14))
    for index, panel in enumerate(found.panels):
        column, row = (index, 0) if wide else (0, index)
        top = key + row * (_TITLE + height + 14) + _TITLE
        axes = shape.axes(
            figure, left=column * (width + _BESIDE), top=top,
            right=shape.width - column * (width + _BESIDE) - width,
            bottom=(rows - 1 - row) * (_TITLE + height + 14) + 14,
        )  # fmt: skip
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        title(axes, panel.title, shape)
        _draw(axes, panel, blocks, side, shape)
        if index == 0:
            _key(axes, entries, columns, shape, up=_TITLE + 2)
    return figure


def _place(racks: Sequence[Rack], width: float, most: float) -> tuple[float, list[_Block], float]:
    """The size of a node, the rows laid out like words of a text, and the height that takes."""
    for side in _SIDES:
        across = max(1, int(width // side))
        blocks: list[_Block] = []
        x = y = line = 0.0
        for row, group in groupby(racks, key=lambda rack: rack.row):
            inside = list(group)
            for start in range(0, len(inside), across):
                part = inside[start : start + across]
                wide = max(side * len(part), 46.0)
                name = 0.0 if start else _NAME  # the rest of a row that is too long for a line
                tall = name + side * max(len(rack.nodes) for rack in part)
                if x and x + wide > width:
                    x, y, line = 0.0, y + line + (_GAP if name else 3.0), 0.0
                blocks.append(_Block("" if start else f"row {row}", part, x, y + name))
                x, line = x + wide + _GAP, max(line, tall)
        if y + line <= most or side == _SIDES[-1]:
            return side, blocks, y + line
    raise AssertionError("the smallest side is always taken")


def _draw(axes: Axes, panel: Moment, blocks: Sequence[_Block], side: float, shape: Shape) -> None:
    """Runs of nodes of one kind in a rack are one rectangle; all of a kind are one path."""
    kinds: dict[tuple[int, bool, bool], list[tuple[float, float, float, float]]] = {}
    for block in blocks:
        axes.text(
            block.x, block.y - 5, block.name, fontsize=shape.font - 2, color=MUTED, va="baseline"
        )
        for column, rack in enumerate(block.racks):
            nodes = np.asarray(rack.nodes)
            kind = list(
                zip(panel.holder[nodes], panel.down[nodes], panel.idled[nodes], strict=True)
            )
            at = 0
            for each, run in groupby(kind):
                n = len(list(run))
                x, y = block.x + side * column, block.y + side * at
                kinds.setdefault(each, []).append((x, y, side, side * n))
                at += n
    for (holder, down, idled), boxes in sorted(kinds.items()):
        style = _style(int(holder), bool(down), bool(idled))
        axes.add_patch(PathPatch(_path(boxes), linewidth=0, clip_on=False, **style))
    _grid(axes, blocks, side)
    if panel.marked.any():
        inside = [
            (block.x + side * column, block.y + side * at, side, side)
            for block in blocks
            for column, rack in enumerate(block.racks)
            for at, node in enumerate(rack.nodes)
            if panel.marked[node]
        ]
        axes.add_patch(
            PathPatch(_path(inside), fill=False, edgecolor=INK, linewidth=1.6, clip_on=False)
        )


def _style(holder: int, down: bool, idled: bool) -> dict[str, Any]:
    """Fill and hatch of a node."""
    if down:
        return {"facecolor": INK, "edgecolor": "#aab4bd", "hatch": _HATCH}
    colour = JOB_COLOURS[holder] if holder >= 0 else _GREY[holder]
    if idled:
        return {"facecolor": _pale(colour), "edgecolor": colour, "hatch": _HATCH}
    return {"facecolor": colour, "edgecolor": "none"}


def _grid(axes: Axes, blocks: Sequence[_Block], side: float) -> None:
    """Lines between nodes, and a frame around each row."""
    lines: list[tuple[float, float, float, float]] = []
    frames: list[tuple[float, float, float, float]] = []
    for block in blocks:
        sizes = [len(rack.nodes) for rack in block.racks]
        # Racks of a row are alike, but for the last one of a pool, which may hold less.
        lines += [
            (block.x, block.y + side * k, side * sum(n > k for n in sizes), 0.0)
            for k in range(1, max(sizes))
        ]
        for n, same in groupby(enumerate(sizes), key=lambda item: item[1]):
            columns = [column for column, _ in same]
            x, height = block.x + side * columns[0], side * n
            frames.append((x, block.y, side * len(columns), height))
            frames += [(block.x + side * at, block.y, 0.0, height) for at in columns[1:]]
    for boxes, colour, width in ((lines, RULE, 0.6), (frames, MUTED, 0.5)):
        axes.add_patch(
            PathPatch(_path(boxes), fill=False, edgecolor=colour, linewidth=width, clip_on=False)
        )


def _path(boxes: Iterable[tuple[float, float, float, float]]) -> Path:
    """Rectangles, or lines where they have no height or width, as one path."""
    points: list[tuple[float, float]] = []
    codes: list[np.uint8] = []
    for x, y, width, height in boxes:
        if width and height:
            points += [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
            codes += [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY]
        else:
            points += [(x, y), (x + width, y + height)]
            codes += [Path.MOVETO, Path.LINETO]
    return Path(np.array(points).reshape(-1, 2), codes)


def _entries(found: Moments, shape: Shape) -> list[Patch]:
    """Patches of the key: what the incident did, then jobs."""
    shown = np.concatenate([np.asarray(rack.nodes) for rack in found.racks])
    seen = {int(holder) for panel in found.panels for holder in np.unique(panel.holder[shown])}
    entries = []
    if found.takes == "down":
        entries.append(Patch(label="down", linewidth=0.4, **_style(FREE, True, False)))
    if found.takes == "hit":
        entries.append(Patch(label="hit", facecolor=PAPER, edgecolor=INK, linewidth=1.6))
    if any(panel.idled.any() for panel in found.panels):
        label = "held, standing still"
        entries.append(Patch(label=label, linewidth=0.4, **_style(0, False, True)))
    letters = shape.letters(shape.width / 4 - 40 if shape.width > 500 else shape.width - 40)
    for index, name in enumerate(found.jobs):
        entries.append(Patch(label=cut(name, letters), **_style(index, False, False)))
    if seen & {OTHER, OTHER_TOO}:
        entries.append(Patch(facecolor=BOUGHT, label="jobs not hit"))
    if FREE in seen:
        entries.append(Patch(facecolor=PAPER, edgecolor=MUTED, linewidth=0.6, label="no job"))
    return entries


def _key(axes: Axes, entries: Sequence[Patch], columns: int, shape: Shape, *, up: float) -> None:
    # matplotlib fills columns; people read lines.
    handles = [patch for column in range(columns) for patch in entries[column::columns]]
    axes.legend(
        handles=handles, loc="lower left", ncols=columns, fontsize=shape.font, columnspacing=1.2,
        handletextpad=0.5, labelcolor=INK, bbox_to_anchor=(0, 1 + up / (axes.bbox.height or 1.0)),
    )  # fmt: skip


def _pale(colour: str) -> tuple[float, float, float]:
    """A colour with three parts of white."""
    red, green, blue = to_rgb(colour)
    return (red + 3) / 4, (green + 3) / 4, (blue + 3) / 4
