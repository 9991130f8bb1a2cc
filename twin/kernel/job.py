"""A job while it waits or runs. Before and after, it is a row of a table."""

from __future__ import annotations

from math import isnan, nan

from twin.kernel.columns import Columns
from twin.policies.view import Shape
from twin.site.fleet import Held


class Job:
    """One waiting or running job; made when it arrives, dropped when it ends.

    Attributes
    ----------
    before, behind : Job or None
        Neighbours in the queue, once it waits.
    place : float
        Its place in queue order: its row, unless it was put behind jobs that came after it.
    expected_end_s : float
        Start plus estimate, once it runs. [s]
    held : Held
        The GPUs that it holds, once it runs.
    surplus_gpus : int
        GPUs held and not asked for, the rest of its last node, once it runs.
    asked : Shape
        What it asks for; ``shape`` is another while a scheduler has given it more or less.
    preemptions : int
        How often a scheduler has preempted it.
    run_s : float
        Work at nominal speed; without end if it is a replica of a service. [s]
    """

    __slots__ = (
        "_columns",
        "asked",
        "before",
        "behind",
        "duration_s",
        "estimate_s",
        "expected_end_s",
        "gpus",
        "held",
        "place",
        "preemptions",
        "row",
        "run_s",
        "shape",
        "start_s",
        "submit_s",
        "surplus_gpus",
    )

    before: Job | None
    behind: Job | None
    expected_end_s: float
    held: Held
    surplus_gpus: int

    def __init__(
        self,
        row: int,
        submit_s: float,
        run_s: float,
        estimate_s: float,
        shape: Shape,
        columns: Columns,
    ) -> None:
        self.row = row
        self.place: float = row
        self.submit_s = submit_s
        self.run_s = run_s
        self.estimate_s = self.duration_s = estimate_s
        self.shape = self.asked = shape
        self.preemptions = 0
        self.gpus = shape.gang_gpus
        self.start_s = nan
        self._columns = columns

    def __repr__(self) -> str:
        return f"Job(row={self.row}, gpus={self.gpus}, submit_s={self.submit_s})"

    def take_shape(self, shape: Shape) -> None:
        """From now on it has another size, or another choice of pools."""
        self.shape = shape
        self.gpus = shape.gang_gpus

    def gpus_on(self, node: int) -> int:
        """GPUs that it holds on one node."""
        return self.held[node].bit_count()

    @property
    def user(self) -> str:
        """Who submitted it."""
        return str(self._columns.get("user", self.row))

    @property
    def group(self) -> str:
        """Group, queue or virtual cluster."""
        return str(self._columns.get("group", self.row))

    @property
    def job_kind(self) -> str:
        """Training, batch, interactive or serving."""
        return str(self._columns.get("kind", self.row))

    @property
    def model(self) -> str:
        """The model that it trains or serves; empty if not stated."""
        return str(self._columns.get("model", self.row))

    @property
    def priority(self) -> int:
        """Higher goes first, under policies that heed it."""
        return int(self._columns.get("priority", self.row))

    @property
    def qos(self) -> str:
        """Quality of service; empty if not stated."""
        return str(self._columns.get("qos", self.row))

    @property
    def deadline_s(self) -> float:
        """When it should have ended; NaN if nobody says. [s]"""
        return float(self._columns.get("deadline_s", self.row))

    @property
    def until_s(self) -> float:
        """Until when a service wants this replica; NaN for any other job. [s]"""
        return float(self._columns.get("until_s", self.row))

    @property
    def data_bytes(self) -> float:
        """What is moved back if it ends in a cloud; NaN if not stated. [bytes]"""
        return float(self._columns.get("data_bytes", self.row))

    @property
    def min_gpus(self) -> int:
        """Fewest GPUs that it can run on."""
        return int(self._columns.get("min_gpus", self.row)) or self.asked.gpus

    @property
    def max_gpus(self) -> int:
        """Most GPUs that it can make use of."""
        return int(self._columns.get("max_gpus", self.row)) or self.asked.gpus

    @property
    def since_s(self) -> float:
        """When it last began to wait or, if it runs, to run. [s]"""
        return self._columns.since_s[self.row]

    @property
    def began_s(self) -> float:
        """When it last began to compute, if it runs; ``inf`` while it starts. [s]"""
        return self._columns.began_s[self.row]

    def left_s(self, now_s: float) -> float:
        """Expected duration of what it has left to do. [s]"""
        return self.estimate_s if isnan(self.start_s) else max(self.expected_end_s - now_s, 0.0)

    def attained_gpu_s(self, now_s: float) -> float:
        """GPU-time that it has held so far. [GPU s]"""
        held_gpu_s = self._columns.served_gpu_s[self.row]
        if isnan(self.start_s):
            return held_gpu_s
        return held_gpu_s + self.gpus * (now_s - self._columns.since_s[self.row])
