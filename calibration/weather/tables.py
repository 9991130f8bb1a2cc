"""The table of the README, and those of docs/explanation/validation-power.md on cooling."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).with_name("README.md")
PAGE = Path(__file__).parents[2] / "docs/explanation/validation-power.md"
BEGIN = "<!-- cooling: written by calibration/weather/fit.py -->\n"
END = "<!-- end of cooling -->\n"
COLUMNS = {
    "spread": "standard deviation of the year",
    "in_sample": "left: in sample",
    "held_out_days": "every other day held out",
    "held_out_weeks": "one week of four held out",
    "days": "left of daily means",
}


def filled(page: Path, tables: str) -> str:
    """The text of a page with its tables anew."""
    before, rest = page.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + tables + END + after


def of_errors(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """The table of the README."""
    head = ["place", "bulb", *(f"{title} [K]" for title in COLUMNS.values())]
    rows = [
        [name, bulb, *(f"{errors[key]:.2f}" for key in COLUMNS)]
        for name, bulbs in found.items()
        for bulb, errors in bulbs.items()
    ]
    rule = ["---", "---", *["---:"] * len(COLUMNS)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, rule, *rows))
