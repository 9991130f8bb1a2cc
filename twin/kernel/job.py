"""A job while it waits or runs. Before and after, it is a row of a table."""

from __future__ import annotations

from math import nan
from typing import Any

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
    """

    __slots__ = (
        "_details",
        "before",
        "behind",
        "estimate_s",
        "expected_end_s",
        "gpus",
        "held",
        "place",
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
        details: JobDetails,
    ) -> None:
        self.row = row
        self.place: float = row
        self.submit_s = submit_s
        self.run_s = run_s
        self.estimate_s = estimate_s
        self.shape = shape
        self.gpus = shape.gpus - shape.standby_gpus
        self.start_s = nan
        self._details = details

    def __repr__(self) -> str:
        return f"Job(row={self.row}, gpus={self.gpus}, submit_s={self.submit_s})"

    def gpus_on(self, node: int) -> int:
        """GPUs that it holds on one node."""
        return self.held[node].bit_count()

    @property
    def user(self) -> str:
        """Who submitted it."""
        return str(self._details.get("user", self.row))

    @property
    def group(self) -> str:
        """Group, queue or virtual cluster."""
        return str(self._details.get("group", self.row))

    @property
    def job_kind(self) -> str:
        """Training, batch, interactive or serving."""
        return str(self._details.get("kind", self.row))

    @property
    def model(self) -> str:
        """The model that it trains or serves; empty if not stated."""
        return str(self._details.get("model", self.row))

    @property
    def priority(self) -> int:
        """Higher goes first, under policies that heed it."""
        return int(self._details.get("priority", self.row))


class JobDetails:
    """Columns of the job table that few policies ask for, looked up when they do."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs
        self._columns: dict[str, list[Any]] = {}

    def get(self, column: str, row: int) -> Any:
        """One cell."""
        values = self._columns.get(column)
        if values is None:
            values = self._columns[column] = self._jobs[column].tolist()
        return values[row]
