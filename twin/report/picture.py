"""A figure as inline SVG in several shapes; the style sheet shows the one that fits."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from twin.report.theme import SHAPES, STYLE, Shape


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Parameters
    ----------
    svg : Markup
        One ``<svg>`` a shape, one after the other.
    caption : str
        What it shows and how to read it; plain text.
    """

    svg: Markup
    caption: str


def picture(
    name: str,
    draw: Callable[[Shape], Figure],
    *,
    text: str,
    caption: str = "",
    shapes: Sequence[Shape] = SHAPES,
) -> Picture:
    """Draw a figure in each shape.

    Parameters
    ----------
    name : str
        Unique on its page: ids inside the SVG come from it, so equal input gives equal bytes.
    draw : callable
        Shape -> matplotlib Figure.
    text : str
        The picture in words, for those who do not see it.
    """
    parts = [_svg(draw, shape, f"{name}-{shape.name}", text) for shape in shapes]
    return Picture(Markup("\n").join(parts), caption)


def _svg(draw: Callable[[Shape], Figure], shape: Shape, salt: str, text: str) -> Markup:
    out = io.StringIO()
    style: Any = {**STYLE, "font.size": shape.font, "svg.hashsalt": salt}
    with mpl.rc_context(style), warnings.catch_warnings():
        # Names in scripts that the measuring font lacks are shown in the page's font all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        draw(shape).savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    # Everything user-supplied in it was escaped by matplotlib's XML writer.
    return Markup(_inline(out.getvalue(), shape, text))


_TAG = re.compile(r"<[a-zA-Z][^>]*>")
_LONG = re.compile(r"(\d+\.\d)\d+")  # a tenth of a pixel will do
_STILL = re.compile(r' transform="rotate\(-?0 [^"]*\)"')
_NAME = re.compile(r' id="(?![mph][0-9a-f]{10}")[^"]*"')
_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_FONT = re.compile(r"font: (?:(\w+) )?([\d.]+px) '[^;\"]*")
_EMPTY = re.compile(
    r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>|<metadata>.*?</metadata>", re.DOTALL
)
_BETWEEN = re.compile(r">\s+<")
_SPACE = re.compile(r"\s*\n\s*")


def _inline(svg: str, shape: Shape, text: str) -> str:
    """matplotlib's SVG without what a page does not need: a third of the size."""
    head = re.search(r'viewBox="[^"]*"', svg)
    body = _EMPTY.sub("", svg[svg.index(">", svg.index("<svg")) + 1 :])
    body = _BETWEEN.sub("><", _TAG.sub(_shorter, body))
    opening = (
        f'<svg class="{shape.name}" role="img" aria-label="{escape(text)}" '
        f"{head[0] if head else ''}>"
    )
    return opening + body.strip()


def _shorter(tag: re.Match[str]) -> str:
    text = _SPACE.sub(" ", tag[0]) if "\n" in tag[0] else tag[0]  # path data comes in lines
    text = _NAME.sub("", _STILL.sub("", text)).replace("xlink:href", "href")
    text = _FAMILY.sub("", _FONT.sub(_font, text))
    if text.startswith("<path") and " C " not in text and " Q " not in text:
        text = text.replace(" L ", " ")  # after M, coordinates alone mean a line
    return _LONG.sub(r"\1", text)


def _font(style: re.Match[str]) -> str:
    """matplotlib before 3.10 writes the short form, which would name the family."""
    weight = f"font-weight: {style[1]}; " if style[1] else ""
    return f"{weight}font-size: {style[2]}"
