"""Small pieces of Markdown that the generated parts are made of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a table."""
    columns = list(header)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join(' --- ' for _ in columns)}|"
    for row in rows:
        yield f"| {' | '.join(cell(text) for text in row)} |"


def cell(text: str) -> str:
    """Text on one line that cannot end a cell."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|").strip()


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: double backquotes become single ones, line breaks blanks."""
    return cell(inspect.cleandoc(docstring or "").replace("``", "`"))
