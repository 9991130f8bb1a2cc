"""The scheduler's turn: it is asked once an instant, and what it decides is done."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from simpy import Event

from twin.errors import InvariantError
from twin.kernel.clock import CAPS, Clock, Moment
from twin.kernel.cluster import Cluster
from twin.kernel.columns import Columns
from twin.kernel.deciding import Deciding
from twin.kernel.job import Job
from twin.kernel.queue import Queue
from twin.kernel.training import Training
from twin.policies.base import Scheduler
from twin.policies.decisions import Preempt, Start, Wake
from twin.policies.view import JobView, Placement

_IDLE_WAKES = 1000  # in a row, with nothing running and nothing to come
_FRUITLESS = 1000  # preemptions of a job in a row, nothing of its work being kept
# So many wakes in so little time, and nothing done: each a step nearer to a time never reached.
_RESTLESS, _RESTLESS_S = 10_000, 10.0


class Turn:
    """Asks the scheduler, and lets jobs start and give way as it says.

    Parameters
    ----------
    scheduler : Scheduler
    limit_s : float
        Wall-clock time that it may take for one decision. [s]
    queue, cluster, clock, columns
        Of the simulation.
    is_coming : callable
        Whether something is still ahead that may let waiting jobs start.
    could_start : callable
        Whether nothing but the scheduler holds back what waits now.

    Attributes
    ----------
    deciding : Deciding
        How long decisions take.
    woken : bool
        Whether it asked for this instant.
    begin : callable
        Called with a job that has its GPUs, and the time.
    training : Training or None
        The lives of jobs, where they can give way.
    drains : bool
        Whether the run goes on until all jobs have ended.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        limit_s: float,
        queue: Queue,
        cluster: Cluster,
        clock: Clock,
        columns: Columns,
        is_coming: Callable[[], bool],
        could_start: Callable[[], bool],
    ) -> None:
        self.deciding = Deciding(scheduler, limit_s)
        self.woken = False
        self.begin: Callable[[Job, float], None]
        self.training: Training | None = None
        self.drains = False
        self._scheduler = scheduler
        self._queue = queue
        self._cluster = cluster
        self._clock = clock
        self._columns = columns
        self._is_coming = is_coming
        self._could_start = could_start
        self._wake: Moment | None = None
        self._idle_wakes = 0
        self._wakes_in_row, self._first_wake_s = 0, 0.0

    @property
    def awaits_wake(self) -> bool:
        """Whether it has asked for a time that is ahead."""
        return self._wake is not None

    def decide(self, now_s: float) -> None:
        """Its turn."""
        deciding = self.deciding
        deciding.begin(now_s)
        self.woken, acted = False, False
        try:
            for decision in self._scheduler.choose(self._queue, self._cluster):
                if type(decision) is Job:
                    self.start(decision, now_s)
                elif isinstance(decision, Wake):
                    self._wake_at(decision.at_s, now_s)
                    continue
                elif isinstance(decision, Preempt):
                    self._preempt(decision.job, now_s)
                elif isinstance(decision, Start):
                    self._start_as(decision, now_s)
                else:
                    raise deciding.wrong(decision, "which is no job and no decision")
                acted = True
        except (Exception, SystemExit) as error:
            told = deciding.failed(error)
            if told is error:
                raise
            raise told from error
        finally:
            deciding.end()
        if acted:
            self._idle_wakes = self._wakes_in_row = 0

    def start(self, job: Job, now_s: float, at: Placement | None = None) -> None:
        """Start a waiting job as it asks, there or where the placement says."""
        cluster = self._cluster
        self.deciding.about = job
        if not self._columns.waiting[job.row]:
            raise self.deciding.wrong(job, "which does not wait")
        placement = at or cluster.place(job.shape, job)
        if placement is None:
            raise self.deciding.wrong(job, "which does not fit now")
        self._queue.remove(job)
        job.start_s = now_s
        job.expected_end_s = now_s + job.estimate_s
        if cluster.rates is not None:
            pool = cluster.fleet.node_pool[placement[0][0]]
            job.expected_end_s = now_s + job.estimate_s / cluster.rate(job, pool, job.gpus)
        cluster.start(job, placement)
        self.begin(job, now_s)

    def _start_as(self, decision: Start, now_s: float) -> None:
        """Start a job on other GPUs than it asks for."""
        job, cluster, deciding = decision.job, self._cluster, self.deciding
        if not isinstance(job, Job):
            raise deciding.wrong(job, "which is no job")
        deciding.about = job
        if not self._scheduler.preempts:
            raise deciding.wrong(job, "otherwise than it asks, without saying preempts = True")
        if not self._columns.waiting[job.row]:
            raise deciding.wrong(job, "which does not wait")
        for name, number in (("gpus", decision.gpus), ("pool", decision.pool)):
            if not isinstance(number, int):
                raise deciding.wrong(job, f"with {name}={number!r}, which is no whole number")
        gpus = decision.gpus or job.gpus
        if not min(job.min_gpus, job.gpus) <= gpus <= max(job.max_gpus, job.gpus):
            least, most = job.min_gpus, job.max_gpus
            raise deciding.wrong(job, f"with {gpus} GPUs; it can use {least} to {most}")
        if decision.pool >= 0 and decision.pool not in job.shape.pools:
            raise deciding.wrong(job, f"in pool {decision.pool}, which will not do for it")
        at = self._checked(decision, job, gpus)
        shape = cluster.shape(job, gpus, decision.pool)
        placement = at or cluster.place(shape, job)
        if placement is None:
            raise deciding.wrong(job, f"with {gpus} GPUs, which does not fit now")
        self._queue.remove(job)
        job.take_shape(shape)
        pool = cluster.fleet.node_pool[placement[0][0]]
        job.start_s = now_s
        job.expected_end_s = now_s + job.estimate_s / cluster.rate(job, pool, gpus)
        cluster.start(job, placement)
        self.begin(job, now_s)

    def _checked(self, decision: Start, job: Job, gpus: int) -> Placement | None:
        """The nodes that a decision names, if it does, which must be free and will do."""
        at, deciding = decision.at, self.deciding
        if at is None:
            return None
        try:
            pairs = [(int(node), int(count)) for node, count in at]
        except (TypeError, ValueError):
            told = f"at {at!r}; write nodes and the GPUs on each, such as [(0, 8), (1, 8)]"
            raise deciding.wrong(job, told) from None
        if not self._cluster.is_free(pairs, gpus, job):
            raise deciding.wrong(job, f"at {pairs}, where that many GPUs are not free")
        if not self._cluster.will_do(pairs, job.shape):
            raise deciding.wrong(job, f"at {pairs}, which is not in one pool that it may use")
        return pairs

    def _preempt(self, job: JobView, now_s: float) -> None:
        if not isinstance(job, Job):
            raise self.deciding.wrong(job, "to be preempted, which is no job")
        self.deciding.about = job
        if not self._scheduler.preempts:
            raise self.deciding.wrong(job, "to be preempted, without saying preempts = True")
        if not self._cluster.can_preempt(job):
            raise self.deciding.wrong(job, "to be preempted, which does not run, or saves already")
        assert self.training is not None
        if self.drains and self.training.lives[job.row].fruitless >= _FRUITLESS:
            raise self.deciding.wrong(
                job,
                f"to be preempted once more, after {_FRUITLESS} times in a row without work that "
                f"was kept: it would never end. Jobs of kind {job.job_kind} may lose all when they "
                "give way; give longer turns or rounds, or the run a horizon",
            )
        self.training.preempt(job, now_s)

    # -- when it asks to be asked

    def _wake_at(self, at_s: float, now_s: float) -> None:
        if not isinstance(at_s, int | float):
            told = "which is no number of seconds since the start"
            raise self.deciding.wrong(f"to be asked again at {at_s!r}", told)
        if not at_s > now_s:
            raise self.deciding.wrong(f"to be asked again at {at_s} s", "which is not ahead")
        if self.asks_in_vain():  # something must happen first: nodes may be dark for good
            return
        pending = self._wake
        if at_s < inf and (pending is None or at_s < pending.time_s):
            self._wake = self._clock.call_at(at_s, CAPS, self._wakes, None)

    def _wakes(self, event: Event) -> None:
        if event is not self._wake:
            return
        self._wake, self.woken = None, True
        self._heed_restlessness(self._clock._now)
        self._idle_wakes = 0 if self._cluster.running_jobs else self._idle_wakes + 1
        if self.asks_in_vain() and self._could_start():
            raise self.never_starts()

    def _heed_restlessness(self, now_s: float) -> None:
        if not self._wakes_in_row:
            self._first_wake_s = now_s
        self._wakes_in_row += 1
        if self._wakes_in_row < _RESTLESS:
            return
        if now_s - self._first_wake_s < _RESTLESS_S:
            self.deciding.begin(now_s)
            raise self.deciding.wrong(
                f"to be asked again {_RESTLESS} times in {now_s - self._first_wake_s:g} s",
                "and did nothing; ask for a time by which something will have changed",
            )
        self._wakes_in_row = 0

    def asks_in_vain(self) -> bool:
        """Whether it was asked so often and did nothing that the passing of time will not help."""
        if self._idle_wakes <= _IDLE_WAKES or self._cluster.running_jobs:
            return False
        return not self._is_coming()

    def never_starts(self) -> InvariantError:
        """Jobs wait for ever although nothing runs."""
        return InvariantError(
            f"{len(self._queue)} jobs wait at {self._clock.now} s, nothing runs and nothing "
            f"arrives: the scheduler {type(self._scheduler).__name__} never starts them, or the "
            f"placement {self._cluster.placement_name} finds them no place"
        )
