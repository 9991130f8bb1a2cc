"""Replicas of services: they start when they are wanted, others give way, and they end in time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf, isnan

import numpy as np
import pandas as pd
from simpy import Event

from twin.kernel.clock import COMPLETIONS, Clock
from twin.kernel.cluster import Cluster
from twin.kernel.job import Job
from twin.kernel.life import CHECKPOINT, LOST, RUNNING, Life
from twin.kernel.queue import Queue
from twin.kernel.recorder import Recorder
from twin.kernel.training import Training
from twin.policies.right_of_way import Candidate, RightOfWay
from twin.policies.view import Placement, Shape


def has_services(jobs: pd.DataFrame) -> bool:
    """Whether some rows of a job table are replicas of services."""
    return "until_s" in jobs and bool(jobs["until_s"].notna().any())


def working_s(jobs: pd.DataFrame) -> list[float]:
    """(n_job,) work of each job; that of a replica of a service has no end. [s]"""
    run_s = jobs["run_s"]
    if has_services(jobs):
        run_s = run_s.where(jobs["until_s"].isna(), np.inf)
    found: list[float] = run_s.tolist()
    return found


class Services:
    """Starts replicas before the scheduler has its turn; batch jobs give way to them.

    A replica for which others must save first waits so long, and what it is to get is kept for it.
    """

    def __init__(
        self, training: Training, cluster: Cluster, queue: Queue, clock: Clock, recorder: Recorder
    ) -> None:
        self._training = training
        self._cluster = cluster
        self._queue = queue
        self._clock = clock
        self._recorder = recorder
        # Jobs that save, by row: for whom, the preemption meant, what they had lost before.
        self._saving: dict[int, tuple[int, int, float]] = {}
        training.on_gave_way = self._gave_way

    def arrive(self, job: Job) -> None:
        """A replica is wanted from now on, and until the time that its row says."""
        self._queue.set_aside(job)
        until_s = job.until_s
        if until_s < inf:
            self._clock.call_at(until_s, COMPLETIONS, self._is_over, job)

    def settle(self, now_s: float) -> None:
        """Start the replicas that wait, the oldest first, or make others give way to them."""
        cluster, queue = self._cluster, self._queue
        free = _Free(cluster)
        way: RightOfWay | None = None
        hopeless: set[int] = set()
        for row in sorted(queue.aside):
            job = queue.aside[row]
            if job.shape.index in hopeless:
                continue
            place = free.place(job.shape)
            if place is not None:
                if way is not None:
                    way.take(place)  # before they are gone in truth, which it looks at
                self._start(job, place, now_s)
                free.changed()
                continue
            if way is None:
                candidates = partial(self._candidates, now_s)
                way = RightOfWay(cluster.sketch(), cluster.site, candidates)
            place, victims = way.room_for(job.shape)
            if place is None:
                hopeless.add(job.shape.index)
                continue
            free.ask_about(place, victims)
            for victim in victims:
                assert isinstance(victim.job, Job)
                self._displace(victim.job, job, now_s)
            if cluster.is_free(place, job.shape.gpus) and not (
                cluster.refuses is not None and cluster.refuses(place)
            ):
                self._start(job, place, now_s)
                free.changed()
            else:
                free.promise(place, job.until_s, victims)
        free.tell()

    def _start(self, job: Job, place: Placement, now_s: float) -> None:
        self._queue.take_up(job)
        job.start_s = now_s
        job.expected_end_s = job.until_s
        self._cluster.start(job, place)
        self._training.start(job, now_s)

    def _candidates(self, now_s: float) -> list[Candidate]:
        """Those who may give way, the oldest start first."""
        cluster, lives = self._cluster, self._training.lives
        can_preempt, down = cluster.can_preempt, cluster.fleet.down_mask
        found = []
        for job in cluster.running:
            if can_preempt(job):
                life = lives[job.row]
                gpus_on = {}
                for node, mask in job.held.items():
                    gpus = (mask & ~down[node]).bit_count()
                    if gpus:
                        gpus_on[node] = gpus
                loss_gpu_s = job.gpus * self._loss_s(life, now_s)
                found.append(Candidate(job, loss_gpu_s, job.since_s, life.pool, gpus_on))
        return found

    def _loss_s(self, life: Life, now_s: float) -> float:
        """What giving way now would cost a job. [s]"""
        model, progress = self._training.model, life.progress
        levels = progress.levels
        again_s = model.restart_s + (levels[-1].read_s if levels else 0.0)
        if life.phase != RUNNING:  # it has begun for nothing
            return again_s + now_s - life.job.since_s
        if levels:
            return again_s + levels[-1].write_s
        # Where saving takes time, who does not save loses everything.
        lost_s = progress.work_s + (now_s - progress.as_of_s) if model.levels else 0.0
        return again_s + lost_s

    def _displace(self, victim: Job, replica: Job, now_s: float) -> None:
        training = self._training
        life = training.lives[victim.row]
        training.accounts.settle(life, now_s)
        self._saving[victim.row] = replica.row, victim.preemptions + 1, _lost_gpu_s(life)
        self._recorder.gave_way(replica.row, 1, 0.0)
        training.preempt(victim, now_s)

    def _gave_way(self, job: Job) -> None:
        """A job has given all back, to a replica or to a job that the scheduler prefers."""
        told = self._saving.pop(job.row, None)
        if told is not None and told[1] == job.preemptions:
            lost_gpu_s = _lost_gpu_s(self._training.lives[job.row]) - told[2]
            self._recorder.gave_way(told[0], 0, lost_gpu_s)
        self._queue.put_back(job)

    def _is_over(self, event: Event) -> None:
        """A replica is wanted no longer."""
        job: Job = event._value
        now_s = self._clock._now
        lives = self._training.lives
        life = lives.get(job.row)
        if job.row not in self._queue.aside:
            if life is not None:  # otherwise it was given up before
                self._training.dismiss(life, now_s)
            return
        self._queue.take_up(job)
        if not self._queue.aside:
            self._cluster.promise(())
        if life is None:
            self._recorder.withdrawn(job.row, now_s)
            return
        del lives[job.row]
        if not isnan(life.interrupted_s):
            life.away_s += now_s - life.interrupted_s
        self._recorder.ended(life, now_s, failed=True)


class _Free:
    """What is free at one instant beside the places that are promised to replicas.

    To tell the cluster of promises takes a look at all of them and at all jobs that save. It is
    told before it is asked what they may forbid, and at the end.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._promises: list[tuple[Placement, float]] = []
        self._promised: set[int] = set()  # nodes
        self._untold: set[int] = set()  # nodes of which the cluster may have to keep more, or less
        self._full: set[int] = set()  # shapes that find no place until something changes
        cluster.promise(())

    def place(self, shape: Shape) -> Placement | None:
        """Where a replica could start now."""
        if shape.index in self._full:
            return None
        self.tell()
        place = self._cluster.place(shape)
        if place is None:
            self._full.add(shape.index)
        return place

    def changed(self) -> None:
        """Somebody has started, or given GPUs back."""
        self._full.clear()

    def ask_about(self, place: Placement, victims: Sequence[Candidate]) -> None:
        """It will be asked whether a place is free, once these have been told to leave."""
        # If nobody must leave, it is not free: that is why the shape found no place.
        if victims and any(node in self._untold for node, _ in place):
            self.tell()

    def promise(self, place: Placement, until_s: float, victims: Sequence[Candidate]) -> None:
        """A place is kept until a time; these were told to leave, and save first or are gone."""
        left = {node for victim in victims for node in victim.gpus_on}
        # Less may be kept of a node that they leave, if some of it was promised before.
        if not left.isdisjoint(self._promised) or any(
            victim.job.row not in self._cluster.leaving for victim in victims
        ):
            self.changed()
        self._promises.append((place, until_s))
        nodes = [node for node, _ in place]
        self._promised.update(nodes)
        self._untold.update(nodes, left)

    def tell(self) -> None:
        """From now on the cluster keeps all that is promised."""
        if self._untold:
            self._cluster.promise(self._promises)
            self._untold.clear()


def _lost_gpu_s(life: Life) -> float:
    """What a job has spent on saving, and lost unsaved. [GPU s]"""
    return life.spent[CHECKPOINT] + life.spent[LOST]
