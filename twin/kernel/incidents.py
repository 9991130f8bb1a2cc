"""Incidents as they happen: one row each, with what it cost added up as it becomes known."""

from __future__ import annotations

from array import array
from math import nan

FAIL_STOP, SLOW, SILENT, DEGRADED, MAINTENANCE, CAP, BREAKER, THERMAL, RECLAIM = range(9)
KINDS = (
    *("fail_stop", "slow", "silent", "degraded", "maintenance"),
    *("cap", "breaker", "thermal", "reclaim"),
)


class Incidents:
    """Columns by incident.

    Attributes
    ----------
    down_gpu_s, idled_gpu_s, lost_gpu_s, restart_gpu_s, slowed_gpu_s : list of float
        GPU-time that it took out of service, that healthy GPUs of the gangs it hit stood idle
        until they began again, that was rolled back, that went into restarts, and that slow parts
        cost. [GPU s]
    recovered_s : list of float
        When parts and jobs were all well again; NaN if they are not.
    open : list of int
        Parts and jobs that are not well yet.
    """

    def __init__(self) -> None:
        self.time_s = array("d")
        self.component = array("h")
        self.part = array("q")
        self.level = array("b")
        self.unit = array("q")
        self.kind = array("b")
        self.gpus_down: list[int] = []
        self.gpus_idled: list[int] = []
        self.nodes_hit: list[int] = []
        self.down_gpu_s: list[float] = []
        self.idled_gpu_s: list[float] = []
        self.lost_gpu_s: list[float] = []
        self.restart_gpu_s: list[float] = []
        self.slowed_gpu_s: list[float] = []
        self.recovered_s: list[float] = []
        self.open: list[int] = []
        self.hits = array("q")  # incident, job row in turn
        self.components: list[str] = []

    def __len__(self) -> int:
        return len(self.time_s)

    def component_code(self, name: str) -> int:
        """The number of a component name."""
        if name not in self.components:
            self.components.append(name)
        return self.components.index(name)

    def begin(
        self, now_s: float, component: int, part: int, level: int, unit: int, kind: int
    ) -> int:
        """A new incident; its number."""
        self.time_s.append(now_s)
        self.component.append(component)
        self.part.append(part)
        self.level.append(level)
        self.unit.append(unit)
        self.kind.append(kind)
        for counts in (self.gpus_down, self.gpus_idled, self.nodes_hit, self.open):
            counts.append(0)
        for values in (
            self.down_gpu_s,
            self.idled_gpu_s,
            self.lost_gpu_s,
            self.restart_gpu_s,
            self.slowed_gpu_s,
        ):
            values.append(0.0)
        self.recovered_s.append(nan)
        return len(self.recovered_s) - 1

    def hit(self, incident: int, row: int) -> None:
        """It hits a job."""
        self.hits.append(incident)
        self.hits.append(row)

    def trouble(self, incident: int) -> None:
        """One more part or job that has to recover from it."""
        self.open[incident] += 1

    def well(self, incident: int, now_s: float) -> None:
        """One of them has recovered."""
        left = self.open[incident] - 1
        self.open[incident] = left
        if not left:
            self.recovered_s[incident] = now_s
