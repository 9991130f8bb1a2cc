"""Colours, type and measures of every picture. Labels and units come from `twin.tables`.

One unit of a picture is one CSS pixel at its nominal width, so that sizes here are sizes on screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2933"
MUTED = "#5b6770"
RULE = "#d8dde2"
PAPER = "#ffffff"
BOUGHT = "#c3cbd3"
SERIES = "#2f6690"  # a single quantity
WASH = "#bcd2e3"  # its lighter companion
OVER = "#d55e00"  # what is above a limit
SHADE = "#f7edd8"  # behind what happened meanwhile

# Hues far apart for the common kinds of colour blindness (after Paul Tol's qualitative sets), and
# lightness that alternates between neighbours of a ledger, so that greyscale keeps them apart.
SHARE_COLOURS: Mapping[str, str] = {
    "dark": "#2b3138",
    "down": "#a83a6e",
    "spare": "#c7b8dd",
    "idle": "#dde2e6",
    "stranded": "#e69f00",
    "startup": "#88ccee",
    "restart": "#228899",
    "checkpoint": "#a6d5a0",
    "lost": "#b82e1f",
    "exposed_comm": "#ddcc77",
    "throttled": "#80408f",
    "straggling": "#f0a58f",
    "interference": "#8a6d3b",
    "useful": "#1d5c8a",
}
# Where energy goes beside what GPUs draw; the rest has the colours of their time.
ENERGY_COLOURS: Mapping[str, str] = {
    "cooling": "#56a3c9",
    "conversion": "#b5651d",
    "network": "#9fc5a8",
    "host": "#5f7f3a",
}
# Why GPUs are not powered: greys for the site's own choice, warm for limits that bind.
DARK_COLOURS: Mapping[str, str] = {
    "demand": "#9aa4ae",
    "stranded": "#a97b1c",
    "power": SHARE_COLOURS["dark"],
    "heat": "#c4533d",
}
# Shares of racks on a map, from none to the end of the scale: falling lightness.
RAMPS: Mapping[str, tuple[str, ...]] = {
    "power": ("#edf3f8", "#86b5d4", "#2f6f9f", "#0b2c47"),
    "dark": ("#f0f1f2", "#9aa3ab", "#1c2228"),
    "throttled": ("#f5eff7", "#b98ac4", "#80408f", "#34103f"),
}
# What failures cost, in the ledger's colours where it has the same thing; neighbours in a bar
# differ in lightness too.
LOSS_COLOURS: Mapping[str, str] = {
    "down": SHARE_COLOURS["down"],
    "idled": "#e69f00",
    "lost": "#7a1f1f",
    "restart": "#44a0b5",
    "slowed": SHARE_COLOURS["straggling"],
}
# Who shares GPUs with services: the services, dark to light, and then jobs.
SERVICE_COLOURS = ("#1d5c8a", "#7db8dc", "#0c2f49", "#b9d8ea")
BATCH = "#e69f00"
# Jobs on a map: the hues of Okabe and Ito; the last is for all others that were hit.
JOB_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d3b")
BUSY = "#3d7fb0"  # GPUs that jobs hold: close to useful, and not the same thing

# One colour and one dash a run: the pair tells runs apart in greyscale too.
RUN_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#a3387a",
    "#e69f00",
    "#1f2933",
    "#56b4e9",
    "#7f7f7f",
)
RUN_DASHES: tuple[Any, ...] = (
    "solid",
    (0, (5, 2)),
    (0, (1, 1.2)),
    (0, (6, 2, 1, 2)),
    (0, (9, 3)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (2, 2)),
    (0, (4, 4)),
)
BEHIND = "#8d97a1"  # runs that stand back where there are too many
# Groups of jobs: hues far apart, and lightness in eight steps that neighbours do not share.
GROUP_COLOURS = (
    "#1f5f9e",
    "#e69f00",
    "#22244f",
    "#a6d5a0",
    "#d5502e",
    "#f2dc8c",
    "#7a1c4d",
    "#4a9bc8",
)
# Share of a node that is held, in eighths.
HELD_COLOURS = (
    "#f1f4f6",
    "#cfdfea",
    "#a9c9de",
    "#7fadcb",
    "#5a92b8",
    "#3c77a1",
    "#255d87",
    "#13466c",
    "#082f4d",
)
# Small jobs light, large jobs dark: an order, so one ramp of falling lightness.
SIZE_COLOURS = ("#dba11c", "#d2652d", "#a93a5c", "#653a84", "#22244f")

STYLE: Mapping[str, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, small, in the page's own type
    "font.family": "DejaVu Sans",  # ships with matplotlib, and is wider than what pages use
    "text.parse_math": False,  # a run may be called "$x$"
    "axes.unicode_minus": True,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 4,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.pad": 6,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.handlelength": 1.1,
    "legend.handleheight": 0.8,
    "legend.borderpad": 0,
    "legend.borderaxespad": 0,
    "lines.solid_capstyle": "butt",
    "path.simplify": True,
}


@dataclass(frozen=True)
class Shape:
    """A width that pictures are drawn for: wide pages, phones, or several in a row on both.

    Parameters
    ----------
    name : str
        ``"wide"``, ``"narrow"`` or ``"small"``; the style sheet knows them.
    width, font : float
        Nominal width and size of type. [px]
    names, values : float
        Room for names left of bars, and for values right of them. [px]
    bins : int
        Points that a line over time may have.
    time_ticks : tuple of float
        Where a logarithmic axis of durations is labelled. [s]
    """

    name: str
    width: float
    font: float
    names: float
    values: float
    bins: int
    time_ticks: tuple[float, ...]

    def letters(self, width: float) -> int:
        """How many letters of its type stand side by side in a width. [px]"""
        return int(width / (0.56 * self.font))

    def figure(self, height: float) -> Figure:
        """An empty figure of this width."""
        return Figure(figsize=(self.width / 72, height / 72), dpi=72, facecolor="none")

    def axes(
        self, figure: Figure, *, left: float, right: float, top: float, bottom: float, **kwargs: Any
    ) -> Axes:
        """Axes at margins from the figure's four edges. [px]"""
        width, height = (72 * size for size in figure.get_size_inches())
        box = (
            left / width,
            bottom / height,
            max(1.0, width - left - right) / width,
            max(1.0, height - top - bottom) / height,
        )
        axes = figure.add_axes(box, facecolor="none", **kwargs)
        axes.tick_params(labelsize=self.font)
        return axes


_DAY_S = 86400.0
WIDE = Shape(
    name="wide",
    width=960,
    font=13,
    names=190,
    values=170,
    bins=480,
    time_ticks=(1, 10, 60, 600, 3600, 6 * 3600, _DAY_S, 7 * _DAY_S, 30 * _DAY_S, 365 * _DAY_S),
)
NARROW = Shape(
    name="narrow",
    width=360,
    font=12,
    names=112,
    values=66,
    bins=160,
    time_ticks=(1, 60, 3600, _DAY_S, 30 * _DAY_S),
)
SMALL = Shape(
    name="small",
    width=300,
    font=12,
    names=108,
    values=0,
    bins=140,
    time_ticks=NARROW.time_ticks,
)
SHAPES = (WIDE, NARROW)


def baseline(font: float, lines: int = 1) -> float:
    """Where the last line of a text stands that is to be centred, whatever its letters. [px]"""
    return -(0.36 + 0.55 * (lines - 1)) * font


def title(axes: Axes, text: str, shape: Shape, *, left: float = 0.0, up: float = 9.0) -> None:
    """Say what a panel shows, ``up`` pixels above it and ``left`` of its left edge."""
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-left, up),
        textcoords="offset points",
        fontsize=shape.font,
        fontweight="bold",
        va="bottom",
        ha="left",
        color=INK,
        annotation_clip=False,
    )


def note(axes: Axes, text: str, shape: Shape) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=shape.font,
        color=MUTED,
    )


def legend(
    axes: Axes,
    shape: Shape,
    entries: Iterable[tuple[str, str]],
    *,
    columns: int,
    up: float,
    left: float = 0.0,
) -> None:
    """Colour patches with names, ``up`` pixels above the panel and ``left`` of its left edge."""
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=colour, edgecolor=MUTED, linewidth=0.4, label=name)
        for name, colour in entries
    ]
    # matplotlib fills columns; people read lines.
    handles = [patch for column in range(columns) for patch in patches[column::columns]]
    height = axes.bbox.height or 1.0
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-left / (axes.bbox.width or 1.0), 1 + up / height),
        ncols=columns,
        fontsize=shape.font,
        columnspacing=1.2,
        handletextpad=0.5,
        labelcolor=INK,
    )


def cut(text: str, length: int) -> str:
    """As much of a name as fits, on one line."""
    kept = (c if c.isprintable() or c == "\N{NO-BREAK SPACE}" else "\ufffd" for c in text)
    plain = "".join(kept)
    return plain if len(plain) <= length else plain[: max(length, 2) - 1] + "…"


def run_name(index: int, name: str, length: int) -> str:
    """A run in a picture: its letter, and as much of its name as fits, on one line."""
    return f"{run_letter(index)}\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}{cut(name, length)}"


def short_names(names: Sequence[str], length: int) -> list[str]:
    """As much of each name as fits: its beginning, or both ends where beginnings are alike."""
    found = [cut(name, length) for name in names]
    return found if len(set(found)) == len(set(names)) else [both_ends(n, length) for n in names]


def both_ends(text: str, length: int) -> str:
    """As much of a name as fits, less its middle: names of one family differ at the end.

    >>> both_ends("on-premise-with-spot", 11)
    'on-pr…-spot'
    """
    plain = cut(text, max(len(text), 2))
    if len(plain) <= length:
        return plain
    kept = max(length - 1, 2)
    return plain[: kept - kept // 2] + "…" + plain[len(plain) - kept // 2 :]


@dataclass(frozen=True)
class Stroke:
    """How the line of a run is drawn."""

    colour: str
    dash: Any
    strong: bool = True  # not one of many that stand back behind a few

    @property
    def width(self) -> float:
        """Of the line. [px]"""
        return 2.0 if self.strong else 1.3

    @property
    def dasharray(self) -> str:
        """The dash for a stroke two pixels wide in SVG; empty if solid."""
        if self.dash == "solid":
            return ""
        return " ".join(f"{2 * length:g}" for length in self.dash[1])


def run_stroke(index: int) -> Stroke:
    """Colour and dash of a run; after eight they begin again."""
    return Stroke(RUN_COLOURS[index % len(RUN_COLOURS)], RUN_DASHES[index % len(RUN_DASHES)])


def run_strokes(number: int, foremost: Sequence[int]) -> list[Stroke]:
    """Strokes of all runs of a page: of more than eight, a few have colours and the rest is grey.

    Parameters
    ----------
    number : int
        How many runs there are.
    foremost : sequence of int
        Those that have colours where there are too many for all.
    """
    if number <= len(RUN_COLOURS):
        return [run_stroke(index) for index in range(number)]
    strokes = [Stroke(BEHIND, "solid", strong=False)] * number
    for place, index in enumerate(dict.fromkeys(foremost)):
        strokes[index] = run_stroke(place)
    return strokes


def run_letter(index: int) -> str:
    """A, B, ..., Z, then 27, 28, ..."""
    return chr(ord("A") + index) if index < 26 else str(index + 1)
