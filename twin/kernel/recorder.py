"""The one way out of the kernel: columns appended to, tables at the end."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.kernel.incidents import Incidents
from twin.kernel.life import SHARES, Life
from twin.kernel.meter import PowerRecord
from twin.site.fleet import Held

if TYPE_CHECKING:
    from twin.kernel.reservation import ReservedRecord

Array = NDArray[np.float64]

COMPLETED, FAILED, REJECTED, RUNNING, QUEUED, NOT_SUBMITTED = range(6)

# One row of the change log: the state from `time_s` until the next row's time.
LOG_COLUMNS = (
    "time_s",
    "busy_gpus",
    "idle_gpus",
    "stranded_gpus",
    "queued_jobs",
    "queued_gpus",
    "running_jobs",
)
# What its rows have beside these where power is computed, and where something may fail.
POWER_COLUMNS = (
    *("dark_gpus", "busy_w", "stranded_w", "spare_w", "throttled_gpus"),
    *("power_dark_gpus", "heat_dark_gpus", "demand_dark_gpus", "stranded_dark_gpus"),
)
CLOUD_COLUMNS = ("dark_gpus", "rented_gpus")  # where there are clouds; power is not computed then
HAZARD_COLUMNS = ("working_gpus", "down_gpus", "spare_gpus")


@dataclass(frozen=True)
class Record:
    """All that a simulation saw, as arrays.

    Attributes
    ----------
    horizon_s : float
        Simulated time, from 0.
    log : dict of (n_change,) arrays
        `LOG_COLUMNS` and `HAZARD_COLUMNS`: the state from each change to the next, the last to
        the horizon.
    start_s, end_s : (n_job,) arrays
        First start and end; NaN where there was none.
    held_gpus, nodes : (n_job,) arrays
        GPUs held (asked for or not) and nodes of the last start; 0 where there was none.
    state : (n_job,) array
        One of the constants of this module.
    allocations : dict of (n_allocation,) arrays
        ``job, node, gpu_mask, start_s, end_s``.
    lives : dict of (n_job,) arrays or None
        Where something may fail: GPU-time by share, ``restarts``, ``interruptions``,
        ``preemptions``, ``interrupted_s``, the energy of its GPUs by share, ``<share>_j``, and
        ``lent_gpu_s``, GPU-time that it left to others, below zero what it got so.
    incidents : Incidents or None
    power : PowerRecord or None
        Where power is computed.
    asked_gpus, gpu_share : (n_job,) arrays or None
        Where GPUs are shared: GPUs asked for, and what each job gets of each GPU that it holds, in
        parts of a GPU. [-]
    served : dict of (n_spell,) arrays or None
        Where there are services: ``job, start_s, end_s`` of each spell for which a replica worked.
    displaced : dict of (n_job,) arrays or None
        Where there are services: ``jobs`` that gave way to each replica, and ``lost_gpu_s``, what
        they spent on saving or had not saved.
    rentals : dict of (n_rental,) arrays or None
        Where there are clouds: `twin.kernel.rentals.COLUMNS`.
    reserved : ReservedRecord or None
        Where there are reservations.
    stays : dict of (n_stay,) arrays or None
        Where there may be guests: as ``allocations``, of GPUs that another job holds meanwhile.
    events : int
        SimPy events fired.
    """

    horizon_s: float
    log: dict[str, Array]
    start_s: Array
    end_s: Array
    held_gpus: NDArray[np.int64] | Array
    nodes: NDArray[np.int32]
    state: NDArray[np.int8]
    allocations: dict[str, NDArray[np.generic]]
    events: int
    lives: dict[str, Array] | None = None
    incidents: Incidents | None = None
    power: PowerRecord | None = None
    asked_gpus: Array | None = None
    gpu_share: Array | None = None
    served: dict[str, Array] | None = None
    displaced: dict[str, Array] | None = None
    rentals: dict[str, Array] | None = None
    reserved: ReservedRecord | None = None
    stays: dict[str, NDArray[np.generic]] | None = None

    @property
    def spells(self) -> dict[str, NDArray[np.generic]]:
        """Allocations and stays together."""
        if self.stays is None:
            return self.allocations
        return {
            name: np.concatenate([column, self.stays[name]])
            for name, column in self.allocations.items()
        }


class Recorder:
    """Takes down arrivals, starts, ends and changes of state while the simulation runs.

    Attributes
    ----------
    log : array of float
        The change log, row after row of `LOG_COLUMNS`.
    start_s, end_s : arrays of float
        By row of the job table; NaN until it happens.
    """

    def __init__(self, n_jobs: int) -> None:
        self.log = array("d")
        self.start_s = array("d", [np.nan]) * n_jobs
        self.end_s = array("d", [np.nan]) * n_jobs
        self._submitted = 0
        self._rejected: list[int] = []
        self._failed: list[int] = []
        self._waiting_again: list[int] = []
        self._held = array("q")  # job, node, mask of each allocation in turn
        # Only where jobs may change nodes; otherwise they hold them from start to end.
        self._held_from_s = array("d")
        self._held_to_s = array("d")
        self._as_guest: list[int] = []  # allocations of GPUs that another job holds
        self._lives: dict[int, tuple[float, ...]] = {}
        self._served = array("d")  # row, start, end of each spell in turn
        self._displaced: dict[int, list[float]] = {}  # by replica: jobs, and what they lost

    def submitted(self, row: int) -> None:
        """A job arrived; they do so in the order of their rows."""
        self._submitted = row + 1

    def rejected(self, row: int) -> None:
        """A job arrived that no pool could ever hold."""
        self._submitted = row + 1
        self._rejected.append(row)

    def holds(self, row: int, held: Held) -> None:
        """A job was given GPUs."""
        for node, mask in held.items():
            self._held.extend((row, node, mask))

    def hold(self, row: int, node: int, mask: int, now_s: float, *, as_guest: bool = False) -> int:
        """A job was given GPUs of one node that it may lose before it ends; the allocation."""
        self._held.extend((row, node, mask))
        if as_guest:
            self._as_guest.append(len(self._held_to_s))
        self._held_from_s.append(now_s)
        self._held_to_s.append(np.nan)
        return len(self._held_to_s) - 1

    def release(self, allocation: int, now_s: float) -> None:
        """It holds them no longer."""
        self._held_to_s[allocation] = now_s

    def ended(self, life: Life, now_s: float, failed: bool) -> None:
        """A job that might have failed is over."""
        self.end_s[life.job.row] = now_s
        if failed:
            self._failed.append(life.job.row)
        self.keep(life)

    def keep(self, life: Life) -> None:
        """Take down what became of a job, at its end or at the horizon."""
        counts = (life.restarts, life.interruptions, life.preemptions, life.away_s)
        self._lives[life.job.row] = (*life.spent, *counts, life.lent_gpu_s, *life.joules)
        if life.spells is not None:
            ends = [*life.spells, life.since_s]  # the last is used by a spell that is not over
            for start_s, end_s in zip(ends[::2], ends[1::2], strict=False):
                self._served.extend((life.job.row, start_s, end_s))

    def withdrawn(self, row: int, now_s: float) -> None:
        """A replica of a service is wanted no longer, and has not run."""
        self.end_s[row] = now_s
        self._failed.append(row)

    def gave_way(self, row: int, jobs: int, lost_gpu_s: float) -> None:
        """Jobs gave way to a replica, and what that cost them."""
        told = self._displaced.setdefault(row, [0.0, 0.0])
        told[0] += jobs
        told[1] += lost_gpu_s

    def waits_again(self, row: int) -> None:
        """A job that has run waits in the queue at the horizon."""
        self._waiting_again.append(row)

    def record(
        self,
        horizon_s: float,
        events: int,
        incidents: Incidents | None = None,
        power: PowerRecord | None = None,
        *,
        with_lives: bool = False,
        with_services: bool = False,
        guests: bool = False,
        rentals: dict[str, Array] | None = None,
        reserved: ReservedRecord | None = None,
    ) -> Record:
        """Everything taken down, as arrays; ``with_lives`` where something may fail."""
        log = self._log_columns(with_lives, power is not None, rentals is not None)
        start_s = np.frombuffer(self.start_s, float)
        end_s = np.frombuffer(self.end_s, float)
        n_jobs = len(start_s)
        held = np.frombuffer(self._held, np.int64).reshape(-1, 3)
        job = held[:, 0].astype(np.int32)
        gpus = np.bitwise_count(held[:, 2].astype(np.uint64))
        state = np.full(n_jobs, QUEUED, np.int8)
        state[~np.isnan(start_s)] = RUNNING
        state[~np.isnan(end_s)] = COMPLETED
        state[self._failed] = FAILED
        state[self._waiting_again] = QUEUED
        state[self._rejected] = REJECTED
        state[self._submitted :] = NOT_SUBMITTED
        from_s, to_s = start_s[job], end_s[job]
        nodes = np.bincount(job, minlength=n_jobs).astype(np.int32)
        if len(self._held_from_s):
            from_s = np.frombuffer(self._held_from_s, float)
            to_s = np.frombuffer(self._held_to_s, float)
            nodes = self._last_nodes(job, from_s, to_s, n_jobs)
        spells: dict[str, NDArray[np.generic]] = {
            "job": job,
            "node": held[:, 1].astype(np.int32),
            "gpu_mask": held[:, 2],
            "start_s": from_s,
            "end_s": np.where(np.isnan(to_s), horizon_s, to_s),
        }
        as_guest = np.zeros(len(job), bool)
        as_guest[self._as_guest] = True
        return Record(
            horizon_s=horizon_s,
            log=log,
            start_s=start_s,
            end_s=end_s,
            held_gpus=np.bincount(job, weights=gpus, minlength=n_jobs).astype(np.int64),
            nodes=nodes,
            state=state,
            allocations={name: column[~as_guest] for name, column in spells.items()},
            stays={name: column[as_guest] for name, column in spells.items()} if guests else None,
            events=events,
            lives=self.lives() if with_lives else None,
            incidents=incidents,
            power=power,
            served=self._spells() if with_services else None,
            displaced=self._gave_way() if with_services else None,
            rentals=rentals,
            reserved=reserved,
        )

    def _spells(self) -> dict[str, Array]:
        spells = np.frombuffer(self._served, float).reshape(-1, 3)
        return {name: spells[:, i] for i, name in enumerate(("job", "start_s", "end_s"))}

    def _gave_way(self) -> dict[str, Array]:
        table = np.zeros((len(self.start_s), 2))
        if self._displaced:
            table[list(self._displaced)] = list(self._displaced.values())
        return {"jobs": table[:, 0], "lost_gpu_s": table[:, 1]}

    def _log_columns(self, fails: bool, powered: bool, bursts: bool) -> dict[str, Array]:
        names = LOG_COLUMNS + POWER_COLUMNS * powered + CLOUD_COLUMNS * bursts
        names += HAZARD_COLUMNS * fails
        rows = np.frombuffer(self.log, float).reshape(-1, len(names))
        log = {name: rows[:, i] for i, name in enumerate(names)}
        none = np.zeros(len(rows))
        if not fails:
            log |= {"working_gpus": log["busy_gpus"], "down_gpus": none, "spare_gpus": none}
        if not powered:
            log = dict.fromkeys(POWER_COLUMNS, none) | log
        return log

    def _last_nodes(
        self, job: NDArray[np.int32], from_s: Array, to_s: Array, n_jobs: int
    ) -> NDArray[np.int32]:
        """(n_job,) nodes that held each job when it was last given any."""
        last_s = np.full(n_jobs, -np.inf)
        np.maximum.at(last_s, job, from_s)
        open_s = np.where(np.isnan(to_s), np.inf, to_s)
        # What it lost at that very time is not counted, a start of no duration is.
        then = job[(from_s == last_s[job]) | ((from_s < last_s[job]) & (open_s > last_s[job]))]
        return np.bincount(then, minlength=n_jobs).astype(np.int32)

    def lives(self) -> dict[str, Array]:
        """What became of each job, where it might have failed."""
        n_jobs = len(self.start_s)
        counts = ("restarts", "interruptions", "preemptions", "interrupted_s", "lent_gpu_s")
        names = (*SHARES, *counts, *(f"{share}_j" for share in SHARES))
        table = np.zeros((n_jobs, len(names)))
        if self._lives:
            table[list(self._lives)] = list(self._lives.values())
        return {name: table[:, i] for i, name in enumerate(names)}
