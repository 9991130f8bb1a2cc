"""Templates to one HTML file that stands alone: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from twin.errors import StorageError
from twin.report import numbers


@cache
def _environment() -> Environment:
    """Templates beside this file; all that is put into them is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=numbers.count,
        percent=numbers.percent,
        duration=numbers.duration,
        gpu_hours=numbers.gpu_hours,
    )
    return environment


def render(template: str, **values: Any) -> str:
    """The template's text with these values."""
    return _environment().get_template(template).render(values)


def save(path: Path, text: str) -> None:
    """Write a page.

    Raises
    ------
    StorageError
        If the disk is full or the place may not be written.
    """
    try:
        # A lone surrogate in a name cannot be written as UTF-8; as a character reference it can.
        path.write_text(text, encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    except OSError as error:
        raise StorageError(f"{path}: the report could not be written: {error.strerror}") from error
