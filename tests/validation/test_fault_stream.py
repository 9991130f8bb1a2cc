"""Failures drawn by address and merged, against one SimPy process a part with its own stream.

Everything is held to 99.9 %; the seeds are fixed.
"""

from __future__ import annotations

from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
import simpy
from failing import agrees, fails, hall
from scipy.special import ndtri
from scipy.stats import chisquare, ks_2samp, kstest, nbinom, spearmanr

from twin.distributions import Distribution, Exponential, Gamma, Lognormal, Weibull
from twin.failures.model import FailureModel, FaultClass
from twin.failures.stream import FaultStream
from twin.site.domains import Domains

MEAN_S, REPAIR_S, HORIZON_S, PARTS = 100.0, 7.0, 2500.0, 2000

LAWS: dict[str, tuple[Distribution, object]] = {
    "exponential": (Exponential(MEAN_S), lambda rng: rng.exponential(MEAN_S)),
    "weibull": (
        Weibull(0.7, MEAN_S),
        lambda rng: rng.weibull(0.7) * MEAN_S / 1.2658235060572,  # Gamma(1 + 1/0.7)
    ),
    "lognormal": (Lognormal(60.0, 1.0), lambda rng: 60.0 * np.exp(rng.normal())),
}
Failures = list[tuple[float, int, float]]  # time, part, how long it lived


def stream(cls: FaultClass, nodes: int, horizon_s: float, seed: int, **more) -> FaultStream:
    domains = Domains(hall(nodes, 4))
    return FaultStream(FailureModel((cls,), **more), domains, seed, horizon_s)


def drawn(cls: FaultClass, nodes: int, horizon_s: float, seed: int, **more) -> Failures:
    """By the stream of the kernel; every part is back ``REPAIR_S`` after it failed."""
    source = stream(cls, nodes, horizon_s, seed, **more)
    born_s = dict.fromkeys(range(nodes * (4 if cls.of == "gpu" else 1) * cls.per), 0.0)
    found: Failures = []
    while source.next_s() <= horizon_s:
        at_s, index, part, turn, _ = source.pop()
        found.append((at_s, part, at_s - born_s[part]))
        born_s[part] = at_s + REPAIR_S
        source.renew(index, part, turn + 1, born_s[part])
    return found


def one_process_a_part(life_s, parts: int, horizon_s: float, seed: int) -> Failures:
    """The same by SimPy, as anybody would write it."""
    env = simpy.Environment()
    found: Failures = []

    def live(part: int, rng: np.random.Generator):
        while True:
            lived_s = life_s(rng)
            yield env.timeout(lived_s)
            found.append((env.now, part, lived_s))
            yield env.timeout(REPAIR_S)

    for part, one in enumerate(np.random.SeedSequence(seed).spawn(parts)):
        env.process(live(part, np.random.default_rng(one)))
    env.run(horizon_s)
    return found


@pytest.mark.parametrize("name", LAWS)
def test_the_same_law_as_one_process_a_part(name):
    law, life_s = LAWS[name]
    ours = drawn(fails("gpu", MEAN_S, life=law, per=2), PARTS // 8, HORIZON_S, seed=1)
    plain = one_process_a_part(life_s, PARTS, HORIZON_S, seed=2)
    assert {part for _, part, _ in ours} == set(range(PARTS))

    times_s = [np.asarray([at_s for at_s, _, _ in failures]) for failures in (ours, plain)]
    assert all((np.diff(times) >= 0).all() for times in times_s)
    assert ks_2samp(*map(np.diff, times_s)).pvalue > 1e-3
    assert ks_2samp(*times_s).pvalue > 1e-3  # when in the run, after all began at once
    lives_s = [[lived_s for _, _, lived_s in failures] for failures in (ours, plain)]
    assert ks_2samp(*lives_s).pvalue > 1e-3
    counts = [np.bincount([part for _, part, _ in failures]) for failures in (ours, plain)]
    assert ks_2samp(*counts).pvalue > 1e-3
    half = ndtri(0.9995) * sqrt(sum(count.var() / PARTS for count in counts))
    agrees(counts[0].mean(), counts[1].mean(), half, 0.03)


def test_the_comparison_can_fail():
    """Another law of the same mean is found out."""
    ours = drawn(fails("gpu", MEAN_S, life=Weibull(0.8, MEAN_S)), PARTS // 4, HORIZON_S, seed=1)
    plain = one_process_a_part(LAWS["weibull"][1], PARTS, HORIZON_S, seed=2)
    lives_s = [[lived_s for _, _, lived_s in failures] for failures in (ours, plain)]
    assert ks_2samp(*lives_s).pvalue < 1e-6


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("age_s", [0.0, 80.0])
def test_first_lives_follow_the_law_of_what_is_left(name, age_s):
    law = LAWS[name][0]
    cls = fails("node", MEAN_S, life=law, age_s=age_s)
    first_s = [lived_s for _, _, lived_s in lives(stream(cls, 4000, np.inf, seed=3), 4000)]

    def cdf(left_s):
        return 1 - np.exp(law.log_survival(age_s + left_s) - law.log_survival(age_s))

    assert kstest(first_s, cdf).pvalue > 1e-3


def lives(source: FaultStream, n: int) -> Failures:
    """The next failures of parts that nobody mends."""
    return [(at_s, part, at_s) for at_s, _, part, _, _ in (source.pop() for _ in range(n))]


def test_lives_by_address_are_independent():
    """Of the same part one after the other, and of parts side by side."""
    of_part: dict[int, list[float]] = {}
    cls = fails("node", MEAN_S)
    for _, part, lived_s in drawn(cls, PARTS, HORIZON_S, seed=4):
        of_part.setdefault(part, []).append(lived_s)
    # As many of each part: whether the last one ends in time depends on the others.
    table = np.asarray([of_part[part][:8] for part in sorted(of_part) if len(of_part[part]) >= 8])
    assert len(table) > 0.99 * PARTS
    for turn, next_turn in pairwise(table.T):
        assert spearmanr(turn, next_turn).pvalue > 1e-3
    one_after_the_other = spearmanr(table[:, :-1].ravel(), table[:, 1:].ravel())
    side_by_side = spearmanr(table[:-1].ravel(), table[1:].ravel())
    assert min(one_after_the_other.pvalue, side_by_side.pvalue) > 1e-3


@pytest.mark.parametrize("of", ["node", "gpu"])
def test_counts_of_lemons_are_negative_binomial(of):
    """Rates that differ by a gamma law of shape k: counts a node vary by ``mean (1 + mean/k)``."""
    nodes, shape, mean = 20_000, 0.5, 4.0
    parts = 4 if of == "gpu" else 1
    horizon_s = 1000.0
    cls = fails(of, horizon_s * parts / mean)
    source = stream(cls, nodes, horizon_s, seed=5, lemons=Gamma(shape, 1.0))
    counts = np.zeros(nodes, int)
    while source.next_s() <= horizon_s:  # mended at once
        at_s, index, part, turn, _ = source.pop()
        counts[source.node_of(cls, part)] += 1
        source.renew(index, part, turn + 1, at_s)
    law = nbinom(shape, shape / (shape + mean))
    edges = [0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 30]
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * nodes
    seen = np.bincount(np.digitize(counts, edges, right=True), minlength=len(expected))
    assert chisquare(seen, expected).pvalue > 1e-3
    agrees(counts.mean(), mean, ndtri(0.9995) * law.std() / sqrt(nodes), 0.05)
    kurtosis = float(law.stats(moments="k"))
    half = ndtri(0.9995) * law.var() * sqrt((kurtosis + 2) / nodes)
    agrees(counts.var(ddof=1), mean * (1 + mean / shape), half, 0.1)
