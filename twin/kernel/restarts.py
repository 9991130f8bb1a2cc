"""Jobs that begin again: let in a few at a time, and reading at the bandwidth that they share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from simpy import Event

from twin.failures.restart import RestartModel
from twin.kernel.clock import COMPLETIONS, Clock

if TYPE_CHECKING:
    from twin.kernel.life import Life

_WAITING, _BEGINNING, _READING, _STUCK = range(1, 5)


class Restarts:
    """Every restart passes three stations: the regulator, the fixed part, the storage.

    The regulator lets in so many GPUs at a time, in order of coming; one job that is larger than
    that goes alone. At the storage each node of the jobs that read gets the same share of the
    bandwidth, up to its own link's: the common progress, in bytes a node, is one number that grows
    with time, and a job is done when that has grown by what each of its nodes must read.
    """

    def __init__(
        self, clock: Clock, model: RestartModel, done: Callable[[Life, float], None]
    ) -> None:
        self._clock = clock
        self._admit_gpus = model.admit_gpus
        self._storage = model.storage
        self._done = done
        self._admitted_gpus = 0
        self._waiting: deque[Life] = deque()
        self._readers: list[tuple[float, int, Life]] = []
        self._reading_nodes = 0
        self._read_bytes = 0.0  # by each node that has read all the while
        self._as_of_s = 0.0
        self._next: Event | None = None
        self._closed = False
        self._stuck: list[Life] = []

    def begin(
        self, life: Life, now_s: float, fixed_s: float, node_bytes: float, reads: bool = False
    ) -> None:
        """A job comes to begin again: ``fixed_s``, then ``node_bytes`` for each of its nodes.

        ``reads``: it needs the storage, however little it reads.
        """
        life.restart = fixed_s, node_bytes, life.gang_nodes, life.job.gpus
        life.reads_storage = reads
        life.station = _WAITING
        self._waiting.append(life)
        self._let_in(now_s)

    def leave(self, life: Life, now_s: float) -> None:
        """A job that is beginning again is interrupted once more."""
        if life.station == _WAITING:
            self._waiting.remove(life)
            self._let_in(now_s)  # it may have stood in the way of smaller ones
        elif life.station:
            if life.station == _READING:
                self._settle(now_s)
                self._reading_nodes -= life.restart[2]
                self._readers = [entry for entry in self._readers if entry[2] is not life]
                self._readers.sort()
                self._plan()
            elif life.station == _STUCK:
                self._stuck.remove(life)
            self._dismiss(life, now_s)
        life.station = 0

    def _admit(self, life: Life, now_s: float) -> None:
        self._admitted_gpus += life.restart[3]
        life.station = _BEGINNING
        life.event = self._clock.call_at(now_s + life.restart[0], COMPLETIONS, self._begun, life)

    def _dismiss(self, life: Life, now_s: float) -> None:
        self._admitted_gpus -= life.restart[3]
        self._let_in(now_s)

    def _let_in(self, now_s: float) -> None:
        while self._waiting:
            gpus = self._waiting[0].restart[3]
            if self._admitted_gpus and self._admitted_gpus + gpus > self._admit_gpus:
                break
            self._admit(self._waiting.popleft(), now_s)

    def _begun(self, event: Event) -> None:
        life: Life = event._value
        if life.event is event:
            life.event = None
            self._go_on(life, self._clock._now)

    def _go_on(self, life: Life, now_s: float) -> None:
        if life.reads_storage and self._closed:
            life.station = _STUCK
            self._stuck.append(life)
        elif life.restart[1]:
            self._read(life, now_s)
        else:
            self._over(life, now_s)

    def _over(self, life: Life, now_s: float) -> None:
        life.station = 0
        self._dismiss(life, now_s)
        self._done(life, now_s)

    # -- the storage

    def close(self, now_s: float) -> None:
        """The storage cannot be read: whoever reads waits, and whoever is about to."""
        self._settle(now_s)
        self._closed = True
        self._plan()

    def open(self, now_s: float) -> None:
        """It can be read again."""
        self._settle(now_s)
        self._closed = False
        self._plan()
        stuck, self._stuck = self._stuck, []
        for life in stuck:
            self._go_on(life, now_s)

    def _read(self, life: Life, now_s: float) -> None:
        self._settle(now_s)
        life.station = _READING
        self._reading_nodes += life.restart[2]
        heappush(self._readers, (self._read_bytes + life.restart[1], life.job.row, life))
        self._plan()

    def _bytes_per_s(self) -> float:
        storage = self._storage
        if self._closed:
            return 0.0
        if storage is None or not self._reading_nodes:
            return inf
        return min(storage.read_bytes_per_s / self._reading_nodes, storage.node_read_bytes_per_s)

    def _settle(self, now_s: float) -> None:
        if self._readers:
            self._read_bytes += (now_s - self._as_of_s) * self._bytes_per_s()
        self._as_of_s = now_s

    def _plan(self) -> None:
        self._next = None
        if self._readers and not self._closed:
            left_bytes = max(self._readers[0][0] - self._read_bytes, 0.0)
            at_s = self._as_of_s + left_bytes / self._bytes_per_s()
            self._next = self._clock.call_at(at_s, COMPLETIONS, self._one_has_read, None)

    def _one_has_read(self, event: Event) -> None:
        if event is not self._next:
            return
        now_s = self._clock._now
        self._settle(now_s)
        target_bytes = self._readers[0][0]
        self._read_bytes = max(self._read_bytes, target_bytes)
        ready = []
        while self._readers and self._readers[0][0] <= target_bytes:
            life = heappop(self._readers)[2]
            self._reading_nodes -= life.restart[2]
            ready.append(life)
        self._plan()
        for life in ready:
            self._over(life, now_s)
