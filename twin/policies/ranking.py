"""The waiting jobs in an order that is kept from one decision to the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import JobsView, QueueView

Keys = NDArray[np.float64]
_MANY = 32  # newcomers from which on it is quicker to sort all anew


class Ranking:
    """Rows of waiting jobs, least key first, ties in queue order.

    The key of a job is taken when it begins to wait and stays until all are ranked anew.

    Attributes
    ----------
    keys, rows : (n,) arrays
    as_of_s : float
        When all were last ranked. [s]
    """

    def __init__(self) -> None:
        self.keys: Keys = np.zeros(0)
        self.rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self.as_of_s = -np.inf

    def rank_all(self, queue: QueueView, key: Callable[[JobsView], Keys], now_s: float) -> None:
        """Take the keys of all waiting jobs anew."""
        table = queue.table(queue.rows)
        self._sort(np.asarray(key(table), float), table.rows)
        self.as_of_s = now_s
        queue.joined = []

    def update(self, queue: QueueView, key: Callable[[JobsView], Keys]) -> None:
        """Put in who came since, take out who went."""
        joined = queue.joined
        if joined is None:  # nobody has followed the queue so far
            self.rank_all(queue, key, self.as_of_s)
            return
        if joined:
            rows = np.array([job.row for job in joined])
            if len(rows) > 1:
                rows = np.unique(rows)
            joined.clear()
            if len(self.rows) and rows[0] <= self.rows.max():  # some may be back
                self._keep(~np.isin(self.rows, rows))
            rows = rows[queue.still_waiting(rows)]
            keys = np.asarray(key(queue.table(rows)), float)
            if len(rows) > _MANY:
                self._sort(np.append(self.keys, keys), np.append(self.rows, rows))
            else:
                for one, row in zip(keys.tolist(), rows.tolist(), strict=True):
                    self._put(one, row)
        if len(self.rows) != len(queue):
            self._keep(queue.still_waiting(self.rows))

    def _put(self, key: float, row: int) -> None:
        keys, rows = self.keys, self.rows
        first, last = keys.searchsorted(key, "left"), keys.searchsorted(key, "right")
        at = int(first + rows[first:last].searchsorted(row))
        # As numpy's `insert` does it, without its overhead.
        self.keys = np.concatenate((keys[:at], (key,), keys[at:]))
        self.rows = np.concatenate((rows[:at], (row,), rows[at:]))

    def _sort(self, keys: Keys, rows: NDArray[np.int64]) -> None:
        order = np.lexsort((rows, keys))
        self.keys, self.rows = keys[order], rows[order]

    def _keep(self, which: NDArray[np.bool_]) -> None:
        self.keys, self.rows = self.keys[which], self.rows[which]
