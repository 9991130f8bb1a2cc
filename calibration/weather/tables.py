"""The table of the README."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- table: written by fit.py -->\n", "<!-- end of table -->\n"
COLUMNS = {
    "spread": "standard deviation of the year",
    "in_sample": "left: in sample",
    "held_out_days": "every other day held out",
    "held_out_weeks": "one week of four held out",
    "days": "left of daily means",
}


def filled(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """The README with its table anew."""
    before, rest = README.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    head = ["place", "bulb", *(f"{title} [K]" for title in COLUMNS.values())]
    rows = [
        [name, bulb, *(f"{errors[key]:.2f}" for key in COLUMNS)]
        for name, bulbs in found.items()
        for bulb, errors in bulbs.items()
    ]
    rule = ["---", "---", *["---:"] * len(COLUMNS)]
    lines = ["| " + " | ".join(cells) + " |\n" for cells in (head, rule, *rows)]
    return before + BEGIN + "".join(lines) + END + after
