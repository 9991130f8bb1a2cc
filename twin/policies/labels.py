"""Users and groups: the waiting jobs of each, oldest first, and whether a name is any job's."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

import numpy as np

from twin.errors import PolicyError, did_you_mean
from twin.policies.view import ClusterView, QueueView


def require_any(option: str, names: Iterable[str], known: Iterable[str], column: str) -> None:
    """Refuse names of which no job of the run has any: they are mistyped.

    Raises
    ------
    PolicyError
        Some names that no job has are fine: a window of a trace may be without them.
    """
    asked, there = set(names), {name for name in known if name}
    if asked and there and not asked & there:
        hint = did_you_mean(min(asked), there)
        raise PolicyError(f"{option}: no job has the {column} {', '.join(sorted(asked))}; {hint}")


class Waiting:
    """A heap of rows for each label of a column, brought up to date when it is asked."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._rows: dict[int, list[int]] = {}

    def update(self, queue: QueueView, cluster: ClusterView) -> None:
        """Take up the jobs that have come since."""
        codes = cluster.usage(self._column).codes
        if queue.joined is None:
            for row in queue.rows.tolist():
                self._rows.setdefault(int(codes[row]), []).append(row)
            for rows in self._rows.values():
                heapify(rows)
            queue.joined = []
            return
        for job in queue.joined:
            heappush(self._rows.setdefault(int(codes[job.row]), []), job.row)
        queue.joined.clear()

    def labels(self) -> Iterable[int]:
        """Labels with jobs that wait, or have waited."""
        return [label for label, rows in self._rows.items() if rows]

    def behind(self, label: int, row: int, queue: QueueView) -> int | None:
        """The row of the oldest waiting job of a label that is younger than this one."""
        rows = np.array([one for one in self._rows[label] if one > row], np.int64)
        found = rows[queue.still_waiting(rows)] if len(rows) else rows
        return int(found.min()) if len(found) else None

    def oldest(self, label: int, queue: QueueView) -> int | None:
        """The row of the oldest waiting job of a label; None if none waits."""
        rows = self._rows[label]
        while rows:
            row = rows[0]
            if queue.still_waiting(np.array([row]))[0]:
                return row
            heappop(rows)
        return None
