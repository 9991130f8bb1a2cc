"""Completion times of jobs that fail, save and begin again, against exact expected values.

Each node runs one job, so that every run holds thousands of independent replications. Nodes that
have no job any more do not fail: they would only cost time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from math import ceil, exp, expm1

import numpy as np
import pytest
from failing import Run, agrees, alike, fails, hall, mean_and_half

from twin.distributions import Constant
from twin.failures.model import FaultClass
from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel.recorder import Record
from twin.physics.checkpoints import expected_wall_s
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.checkpoints.none import NoCheckpoints
from twin.policies.recoveries.replace import Replace

N = 2500
M, TAU, WRITE, RESTART = 2000.0, 1000.0, 200.0, 600.0
STORAGE = SaveLevel("storage", 1, WRITE)
GPU = fails("gpu", M, idle_rate=0.0)


def record_of(run: Run) -> Record:
    """A run of one job on each node, which starts it at second 0 and ends it some time."""
    record = run.record()
    assert not record.start_s.any()
    assert not np.isnan(record.end_s).any()
    return record


def saving(work_s: float, restarts: RestartModel, seed: int, **more) -> Run:
    """A job on each of `N` nodes of one GPU that fails every `M` seconds in the mean."""
    told = {"checkpoint": Fixed(every_s=TAU), "classes": [GPU]} | more
    return Run(site=hall(N), jobs=alike(N, work_s), seed=seed, restarts=restarts, **told)


def piece_s(length_s: float, mttf_s: float = M, restart_s: float = RESTART) -> float:
    """Expected time until a piece is done without a failure: ``M e^(R/M) (e^(c/M) - 1)``. [s]

    Before its first attempt there is no restart; one that is interrupted begins anew.
    """
    return mttf_s * exp(restart_s / mttf_s) * expm1(length_s / mttf_s)


def test_without_checkpoints():
    """``M e^(R/M) (e^(W/M) - 1)``."""
    work_s = 2000.0
    run = saving(work_s, RestartModel(restart_s=RESTART), 1, checkpoint=NoCheckpoints())
    mean, half = mean_and_half(record_of(run).end_s)
    agrees(mean, piece_s(work_s), half, 0.07)


@cache
def with_checkpoints(work_s: float) -> Record:
    return record_of(saving(work_s, RestartModel(restart_s=RESTART, levels=(STORAGE,)), 2))


@pytest.mark.parametrize("work_s", [6 * TAU, 5.3 * TAU], ids=["whole", "broken"])
def test_with_checkpoints(work_s):
    """Every piece but the last is followed by a checkpoint; failures are Poisson all the time."""
    record = with_checkpoints(work_s)
    before = ceil(work_s / TAU) - 1
    last_s = work_s - before * TAU
    mean, half = mean_and_half(record.end_s)
    exact_s = float(expected_wall_s(before * TAU, TAU, WRITE, RESTART, M)) + piece_s(last_s)
    agrees(mean, exact_s, half, 0.025)

    # Wald's equation, for the faults of all the time and of the time at work.
    n_faults = len(record.incidents) / N
    agrees(n_faults, exact_s / M, half / M + 3.3 * (n_faults / N) ** 0.5, 0.05)
    mean, half = mean_and_half(record.lives["interruptions"])
    pieces = before * expm1((TAU + WRITE) / M) + expm1(last_s / M)
    agrees(mean, pieces, half, 0.05)
    mean, half = mean_and_half(record.lives["interrupted_s"])
    agrees(mean, pieces * M * expm1(RESTART / M), half, 0.05)


def test_the_interval_tells_the_form_from_its_neighbours():
    """A checkpoint after the last piece, or restarts that cannot fail, would be seen."""
    mean, half = mean_and_half(with_checkpoints(6 * TAU).end_s)
    last_too_s = 6 * piece_s(TAU + WRITE)
    safe = exp(-RESTART / M) * (1 + RESTART / M)
    safe_restarts_s = safe * (5 * piece_s(TAU + WRITE) + piece_s(TAU))
    restart_first_s = 5 * piece_s(TAU + WRITE) + piece_s(TAU) + M * expm1(RESTART / M)
    for wrong_s in (last_too_s, safe_restarts_s, restart_first_s):
        assert abs(mean - wrong_s) > half


def test_startup_can_fail_too():
    """The first start takes ``startup``; if it is interrupted, a restart takes its place."""
    startup_s = 900.0
    restarts = RestartModel(startup_s, RESTART, levels=(STORAGE,))
    mean, half = mean_and_half(record_of(saving(3 * TAU, restarts, 3)).end_s)
    starting_s = -M * expm1(-startup_s / M) * exp(RESTART / M)
    exact_s = starting_s + 2 * piece_s(TAU + WRITE) + piece_s(TAU)
    agrees(mean, exact_s, half, 0.03)


def test_detection_on_hardware():
    """Until the fault is found the node is down, and fails no more: ``M + d`` for ``M``."""
    detection_s = 300.0
    cls = replace(GPU, detection=Constant(detection_s))
    run = saving(4 * TAU, RestartModel(restart_s=RESTART, levels=(STORAGE,)), 4, classes=[cls])
    mean, half = mean_and_half(record_of(run).end_s)
    exact_s = (3 * piece_s(TAU + WRITE) + piece_s(TAU)) * (M + detection_s) / M
    agrees(mean, exact_s, half, 0.03)


def test_faults_of_software():
    """They come while the job runs only: ``(M + d + R) (e^(c/M) - 1)`` a piece."""
    detection_s = 300.0
    cls = FaultClass("code", "job", GPU.life, (), detection=Constant(detection_s))
    run = saving(4 * TAU, RestartModel(restart_s=RESTART, levels=(STORAGE,)), 5, classes=[cls])
    mean, half = mean_and_half(record_of(run).end_s)
    pieces = 3 * expm1((TAU + WRITE) / M) + expm1(TAU / M)
    agrees(mean, (M + detection_s + RESTART) * pieces, half, 0.03)


def test_a_gang_fails_as_often_as_all_its_parts_together():
    """Four nodes of eight GPUs: ``1/M = 32/M_gpu + 4/M_node``; the rest of the gang is held."""
    n, gpu_s, node_s = 1000, 80_000.0, 20_000.0
    mttf_s = 1 / (32 / gpu_s + 4 / node_s)
    run = Run(
        site=hall(4 * n, 8),
        jobs=alike(n, 4 * TAU, 32),
        classes=[fails("gpu", gpu_s, idle_rate=0.0), fails("node", node_s, idle_rate=0.0)],
        seed=6,
        recovery=Replace(),
        checkpoint=Fixed(every_s=TAU),
        restarts=RestartModel(restart_s=RESTART, levels=(STORAGE,)),
    )
    mean, half = mean_and_half(record_of(run).end_s)
    exact_s = 3 * piece_s(TAU + WRITE, mttf_s) + piece_s(TAU, mttf_s)
    agrees(mean, exact_s, half, 0.05)


# -- copies that go on behind the job, and several levels


@dataclass(frozen=True)
class Exact:
    """Expected completion time by a linear equation for each state that a job can be in.

    The job computes a piece with ``pieces`` behind it, or begins again; it knows how many pieces
    each level holds safely, how many are on their way there, and the checkpoints begun.
    """

    work_s: float
    interval_s: float
    restart_s: float
    levels: tuple[SaveLevel, ...]
    faults: dict[str, float]  # level of failure domain -> rate [1/s]
    states: dict[tuple, int] = field(default_factory=dict)

    def times_s(self) -> tuple[float, float]:
        """From start to end, and of that at work, checkpoints included."""
        nothing = (0,) * len(self.levels)
        todo = [("compute", 0, nothing, nothing, 0)]
        self.states[todo[0]] = 0
        rows = []
        while todo:
            spent_s, then = self._leave(todo.pop(0))
            for state in then:
                if state not in self.states:
                    self.states[state] = len(self.states)
                    todo.append(state)
            rows.append((spent_s, then))
        left = np.eye(len(rows))
        for row, (_, then) in enumerate(rows):
            for state, chance in then.items():
                left[row, self.states[state]] -= chance
        spent_s = np.asarray([spent_s for spent_s, _ in rows])
        at_work = np.asarray([state[0] == "compute" for state in self.states])
        total_s, working_s = np.linalg.solve(left, np.column_stack([spent_s, spent_s * at_work]))[0]
        return float(total_s), float(working_s)

    def _leave(self, state):
        """Expected time in a state, and the chances of those that come next."""
        rate = sum(self.faults.values())
        then = {}

        def add(state, chance):
            then[state] = then.get(state, 0.0) + chance

        if state[0] == "restart":
            _, read_from, saved, turn = state
            lasts_s = self.restart_s + (self.levels[read_from].read_s if read_from >= 0 else 0.0)
            self._fail(add, saved, turn, -expm1(-rate * lasts_s))
            nothing = (0,) * len(self.levels)
            add(("compute", max(saved), saved, nothing, turn), exp(-rate * lasts_s))
            return -expm1(-rate * lasts_s) / rate, then

        _, pieces, saved, coming, turn = state
        last = self.work_s - pieces * self.interval_s <= self.interval_s
        compute_s = self.work_s - pieces * self.interval_s if last else self.interval_s
        next_turn = (turn + 1) % self.levels[-1].every
        written = [level for level in self.levels if next_turn % level.every == 0]
        lasts_s = compute_s + (0.0 if last else sum(level.write_s for level in written))
        arrives_s = [level.flush_s for level in self.levels]
        cuts = sorted({0.0, compute_s, lasts_s, *(at_s for at_s in arrives_s if at_s < lasts_s)})
        for from_s, to_s in pairwise(cuts):
            chance = exp(-rate * from_s) - exp(-rate * to_s)
            here = next_turn if from_s >= compute_s else turn
            self._fail(add, _arrived(saved, coming, arrives_s, from_s), here, chance)
        if not last:
            saved = _arrived(saved, coming, arrives_s, lasts_s)
            new = [level in written for level in self.levels]
            at_once = [on and not level.flush_s for on, level in zip(new, self.levels, strict=True)]
            saved = tuple(np.where(at_once, pieces + 1, saved).tolist())
            coming = tuple(((np.asarray(new) & ~np.asarray(at_once)) * (pieces + 1)).tolist())
            add(("compute", pieces + 1, saved, coming, next_turn), exp(-rate * lasts_s))
        return -expm1(-rate * lasts_s) / rate, then

    def _fail(self, add, saved, turn, chance):
        rate = sum(self.faults.values())
        for domain, part in self.faults.items():
            outlives = [level.outlives({domain}) for level in self.levels]
            left = tuple((np.asarray(saved) * outlives).tolist())
            read_from = left.index(max(left)) if max(left) else -1  # the fastest that has most
            add(("restart", read_from, left, turn), chance * part / rate)


def _arrived(saved, coming, arrives_s, at_s):
    """What is safe at a time within a piece."""
    here = (np.asarray(coming) > 0) & (np.asarray(arrives_s) <= at_s)
    return tuple(np.where(here, coming, saved).tolist())


def test_the_equations_give_the_closed_form():
    faults = {"gpu": 0.4 / M, "node": 0.6 / M}
    found_s, working_s = Exact(6 * TAU, TAU, RESTART, (STORAGE,), faults).times_s()
    assert working_s == pytest.approx(found_s * exp(-RESTART / M), rel=1e-12)
    assert found_s == pytest.approx(5 * piece_s(TAU + WRITE) + piece_s(TAU), rel=1e-12)


SOON = SaveLevel("storage", 1, 50.0, flush_s=600.0, read_s=150.0)
PEER = SaveLevel("peer", 1, 20.0, read_s=30.0, survives=frozenset({"job", "gpu"}))
DEEP = SaveLevel("storage", 3, 150.0, read_s=300.0)
SLOW = SaveLevel("storage", 3, 50.0, flush_s=800.0, read_s=300.0)


@pytest.mark.parametrize(
    "levels",
    [(SOON,), (PEER, DEEP), (PEER, SLOW)],
    ids=["flush", "two levels", "two levels with flush"],
)
def test_levels_and_copies_behind_the_job(levels):
    """Safe once the copy is there; peer memory survives GPUs and not nodes.

    Gangs of two nodes: of one that loses all its nodes at once nothing stays in their memory.
    """
    faults = {"gpu": 0.7 / M, "node": 0.3 / M}
    classes = [
        fails("gpu", 2 / faults["gpu"], takes="gpu", idle_rate=0.0),
        fails("node", 2 / faults["node"], idle_rate=0.0),
    ]
    run = Run(
        site=hall(2 * N),
        jobs=alike(N, 6 * TAU, gpus=2),
        classes=classes,
        seed=7,
        recovery=Replace(),
        checkpoint=Fixed(every_s=TAU),
        restarts=RestartModel(restart_s=200.0, levels=levels),
    )
    record = record_of(run)
    exact_s, working_s = Exact(6 * TAU, TAU, 200.0, levels, faults).times_s()
    mean, half = mean_and_half(record.end_s)
    agrees(mean, exact_s, half, 0.035)
    at_once = tuple(replace(level, flush_s=0.0) for level in levels)
    if at_once != levels:  # when the copy arrives matters
        assert abs(mean - Exact(6 * TAU, TAU, 200.0, at_once, faults).times_s()[0]) > half
    mean, half = mean_and_half(record.lives["interruptions"])
    agrees(mean, working_s / M, half, 0.06)
