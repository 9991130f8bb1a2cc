"""What commands print beside their text: JSON for machines, and a bar for who waits."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer


def print_json(content: Any) -> None:
    """Print plain JSON, arrays and paths included."""
    from twin.results.store import plain

    typer.echo(json.dumps(plain(content), indent=2, default=str, allow_nan=False))


class progress:  # noqa: N801 - reads as a verb in a with statement
    """A bar on a terminal, silent when piped; calling it moves the bar."""

    def __init__(self, text: str, *, quiet: bool) -> None:
        self._text = text
        self._bar: Any = None
        self._task: Any = None
        self._quiet = quiet or not sys.stderr.isatty()

    def __enter__(self) -> progress:
        if not self._quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._text, total=None)
        return self

    def __call__(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
