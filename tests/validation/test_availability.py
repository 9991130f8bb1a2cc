"""Nodes out of service and spares against birth-death chains and M/G/infinity."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from failing import Run, agrees, alike, fails, hall, mean_and_half, means_by_batch, repair
from scipy.special import ndtri
from scipy.stats import chisquare, poisson

from twin.distributions import Exponential, Lognormal
from twin.failures.model import FailureModel
from twin.physics.reliability import availability, birth_death
from twin.policies.recoveries.replace import Replace
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

HOUR = 3600.0
UP_S, REPAIR_S = 100 * HOUR, 10 * HOUR


def gang_is_whole(n: int, spares: int, crews: float, idle_rate: float) -> float:
    """Share of the time in which a job holds all ``n`` nodes of ``n + spares``, exactly.

    A Markov chain over the nodes that the job holds and those that stand idle, solved as a linear
    system. A lost node is replaced at once if one stands idle; a job that lacks more than stand
    idle takes none and keeps what it holds, which goes on failing.
    """
    states = [(held, idle) for held in range(n + 1) for idle in range(n + spares + 1 - held)]
    states = [(held, idle) for held, idle in states if held == n or idle < n - held]
    at = {state: row for row, state in enumerate(states)}
    flow = np.zeros((len(states), len(states)))
    for held, idle in states:
        down = n + spares - held - idle

        def goes_to(held, idle, rate, row=at[held, idle]):
            if rate:
                state = (n, idle - (n - held)) if idle >= n - held else (held, idle)
                flow[row, at[state]] += rate
                flow[row, row] -= rate

        goes_to(held - 1, idle, held / UP_S)
        goes_to(held, idle - 1, idle_rate * idle / UP_S)
        goes_to(held, idle + 1, min(down, crews) / REPAIR_S)
    law = np.linalg.lstsq(
        np.vstack([flow.T * REPAIR_S, np.ones(len(states))]),
        np.append(np.zeros(len(states)), 1.0),
        rcond=None,
    )[0]
    return float(sum(law[at[state]] for state in states if state[0] == n))


def job_on_spares(pools: int, n: int, spares: int, crews: float, idle_rate: float, seed: int):
    """A job of ``n`` nodes in each of many pools that never ends and waits for nodes, no more."""
    names = [f"pool-{i}" for i in range(pools)]
    repaired = repair(Exponential(REPAIR_S), crew=True)
    return Run(
        site=lay_out([Pool(name, "node", "", 1, n + spares, spares=spares) for name in names]),
        jobs=job_table(
            {
                "submit_s": np.zeros(pools),
                "run_s": np.full(pools, 1e12),
                "gpus": np.full(pools, n),
                "pool": names,
            }
        ),
        classes=[fails("node", UP_S, repair=repaired, idle_rate=idle_rate)],
        seed=seed,
        recovery=Replace(),
        others=FailureModel(crews=crews),
    )


@pytest.mark.parametrize("idle_rate", [1.0, 0.0], ids=["hot", "cold"])
@pytest.mark.parametrize("spares", [0, 1, 2])
def test_share_of_time_in_which_the_gang_is_whole(spares, idle_rate):
    """As many crews as it takes; each pool is a replication. Cold spares do not fail."""
    pools, n, from_s, horizon_s = 50, 8, 100 * HOUR, 2500 * HOUR
    record = job_on_spares(pools, n, spares, inf, idle_rate, seed=1).record(horizon_s)
    batches = means_by_batch(record, "working_gpus", from_s, 24) / (n * pools)
    mean, half = mean_and_half(batches)
    agrees(mean, gang_is_whole(n, spares, inf, idle_rate), half, 0.06)


@pytest.mark.parametrize("idle_rate", [1.0, 0.0], ids=["hot", "cold"])
def test_one_crew(idle_rate):
    """Repairs wait for each other."""
    n, spares, horizon_s = 6, 2, 200_000 * HOUR
    record = job_on_spares(1, n, spares, 1, idle_rate, seed=2).record(horizon_s)
    mean, half = mean_and_half(means_by_batch(record, "working_gpus", 1000 * HOUR, 40) / n)
    agrees(mean, gang_is_whole(n, spares, 1, idle_rate), half, 0.03)
    assert abs(gang_is_whole(n, spares, inf, idle_rate) - mean) > half  # the crew matters
    assert abs(gang_is_whole(n, spares, 1, 1 - idle_rate) - mean) > half  # and so do idle spares


@pytest.mark.parametrize("crews", [1, 2, inf])
def test_hot_spares_are_the_birth_death_chain_of_the_physics(crews):
    law = birth_death(8, 2, 1 / UP_S, 1 / REPAIR_S, crews)
    assert law[:3].sum() == pytest.approx(gang_is_whole(8, 2, crews, 1.0), rel=1e-9)


@pytest.mark.parametrize("crews", [1, 2, inf])
def test_cold_spares_are_better_than_the_chain_of_the_physics(crews):
    """There what is up and too little for the job goes on failing; here what came back rests."""
    law = birth_death(8, 2, 1 / UP_S, 1 / REPAIR_S, crews, hot=False)
    exact = gang_is_whole(8, 2, crews, 0.0)
    assert law[:3].sum() < exact == pytest.approx(law[:3].sum(), rel=0.07)


# -- how many nodes are out of service


@pytest.mark.parametrize(
    "law",
    [Exponential(REPAIR_S), Lognormal(REPAIR_S / np.exp(0.5), 1.0)],
    ids=["exponential", "lognormal"],
)
def test_nodes_out_of_service_are_poisson(law):
    """Of N nodes that fail seldom, N r m are out, whatever the law of repairs (M/G/infinity)."""
    nodes, up_s = 2000, 4000 * HOUR
    out = nodes * REPAIR_S / (up_s + REPAIR_S)  # those that are out do not fail
    step_s, samples = 50 * HOUR, 400
    run = Run(
        site=hall(nodes),
        jobs=alike(1, 1.0),
        classes=[fails("node", up_s, repair=repair(law))],
        seed=4,
    )
    record = run.record(step_s * (samples + 2))
    at_s = step_s * (2 + np.arange(samples))  # far enough apart to be independent
    seen = record.log["down_gpus"][np.searchsorted(record.log["time_s"], at_s, "right") - 1]
    half = ndtri(0.9995) * sqrt(out / samples)
    agrees(seen.mean(), out, half, 0.1)
    agrees(seen.var(ddof=1), out, ndtri(0.9995) * sqrt(2 / samples) * out, 0.25)
    cells = np.arange(1, 10)  # 0 to 1, 2, ..., 9, 10 and more
    expected = np.diff(np.concatenate([[0.0], poisson.cdf(cells, out), [1.0]])) * samples
    counts = np.bincount(np.digitize(seen, cells, right=True), minlength=len(expected))
    assert expected.min() > 5
    assert chisquare(counts, expected).pvalue > 1e-3


def test_availability_of_nodes():
    """``MTBF / (MTBF + MTTR)``, in the ledger."""
    nodes, horizon_s = 500, 1000 * HOUR
    run = Run(
        site=hall(nodes),
        jobs=alike(1, 1.0),
        classes=[fails("node", UP_S, repair=repair(Lognormal(REPAIR_S, 0.5)))],
        seed=5,
    )
    record = run.record(horizon_s)
    down = means_by_batch(record, "down_gpus", 50 * HOUR, 19) / nodes
    mean, half = mean_and_half(down)
    agrees(mean, 1 - float(availability(UP_S, Lognormal(REPAIR_S, 0.5).mean)), half, 0.05)
