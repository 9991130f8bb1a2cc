"""How often to save: the optimum of the simulation, and what the policies make of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

import numpy as np
import pytest
from failing import Run, agrees, alike, fails, hall, mean_and_half

from twin.distributions import Choice
from twin.failures.model import FailureModel
from twin.failures.restart import RestartModel, SaveLevel
from twin.physics.checkpoints import (
    best_interval_s,
    daly_interval_s,
    expected_ettr,
    young_interval_s,
)
from twin.policies.base import CheckpointPolicy
from twin.policies.checkpoints.adaptive import Adaptive
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.view import SaveView
from twin.registry import make_policy

M, WRITE, RESTART = 10_000.0, 500.0, 300.0
SAVES = RestartModel(restart_s=RESTART, levels=(SaveLevel("storage", 1, WRITE),))
ENDLESS_S = 1e9


def ettr(interval_s: float, seed: int) -> np.ndarray:
    """(150,) useful share of the time of jobs that never end, each under its own failures."""
    n, horizon_s = 150, 40 * M
    run = Run(
        site=hall(n),
        jobs=alike(n, ENDLESS_S),
        classes=[fails("gpu", M)],
        seed=seed,
        checkpoint=Fixed(every_s=interval_s),
        restarts=SAVES,
    )
    return run.record(horizon_s).lives["useful"] / horizon_s


def test_a_sweep_finds_the_best_interval():
    """By the vertex of a parabola through the three best of five intervals, met by equal luck.

    The best interval itself is not among them.
    """
    best_s = float(best_interval_s(WRITE, M))
    intervals_s = best_s * np.asarray([0.45, 0.7, 1.1, 1.6, 2.3])
    means = []
    for interval_s in intervals_s:
        mean, half = mean_and_half(ettr(interval_s, seed=1))
        agrees(mean, float(expected_ettr(interval_s, WRITE, RESTART, M)), half, 0.03)
        means.append(mean)
    at = int(np.argmax(means))
    assert 0 < at < len(means) - 1
    three = slice(at - 1, at + 2)
    square, slope, _ = np.polyfit(np.log(intervals_s[three]), means[three], 2)
    found_s = float(np.exp(-slope / (2 * square)))
    agrees(found_s, best_s, 0.1 * best_s, 0.11)


# -- policies


@dataclass(frozen=True)
class Noted(CheckpointPolicy):
    """A policy whose answers are written down, with what it saw."""

    policy: CheckpointPolicy
    answers: list[tuple[SaveView, float]] = field(default_factory=list)

    def interval_s(self, save: SaveView) -> float:
        answer_s = self.policy.interval_s(save)
        self.answers.append((save, answer_s))
        return answer_s


FORMULAS = {"young": young_interval_s, "daly": daly_interval_s, "best": best_interval_s}


@pytest.mark.parametrize("name", FORMULAS)
def test_policies_save_as_often_as_their_formula_says(name):
    """16 GPUs on two nodes; nothing fails in time, so the end tells how many checkpoints."""
    gpu_s, node_s, write_s, work_s = 16e8, 2e9, 5.0, 1e5
    mttf_s = 1 / (16 / gpu_s + 2 / node_s)
    policy = Noted(make_policy("checkpoints", name, {}))
    run = Run(
        site=hall(2, 8),
        jobs=alike(1, work_s, 16),
        classes=[fails("gpu", gpu_s), fails("node", node_s)],
        seed=1,
        checkpoint=policy,
        restarts=RestartModel(levels=(SaveLevel("storage", 1, write_s),)),
    )
    record = run.record()
    ((save, interval_s),) = policy.answers
    assert save.mttf_s == pytest.approx(mttf_s)
    assert interval_s == pytest.approx(float(FORMULAS[name](write_s, mttf_s)))
    saves = ceil(work_s / interval_s) - 1
    assert saves > 1
    assert record.end_s[0] == pytest.approx(work_s + saves * write_s)


def test_adaptive_finds_the_interval_of_the_true_rate():
    """Some nodes fail half as often as nominal, some two and a half times as often."""
    n, horizon_s, factors = 24, 600 * M, np.asarray([0.5, 2.5])
    policy = Noted(Adaptive())
    run = Run(
        site=hall(n),
        jobs=alike(n, ENDLESS_S),
        classes=[fails("gpu", M)],
        seed=3,
        checkpoint=policy,
        restarts=SAVES,
        others=FailureModel(lemons=Choice(tuple(factors), (0.75, 0.25))),
    )
    interruptions = run.record(horizon_s).lives["interruptions"]
    assert interruptions.min() > 200
    first_s = [answer_s for save, answer_s in policy.answers if not save.interruptions]
    assert first_s == pytest.approx([float(daly_interval_s(WRITE, M))] * n)

    late = [(save, answer_s) for save, answer_s in policy.answers if save.interruptions > 200]
    rate = np.asarray([save.interruptions / save.ran_s for save, _ in late])
    lemon = rate * M > factors.mean()
    last_s = np.asarray([answer_s for _, answer_s in late])
    for of, factor in zip((~lemon, lemon), factors, strict=True):
        true_s = float(daly_interval_s(WRITE, M / factor))
        np.testing.assert_allclose(last_s[of], true_s, rtol=0.15)  # four standard errors
        agrees(last_s[of].mean(), true_s, 0.03 * true_s, 0.031)
