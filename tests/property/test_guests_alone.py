"""Guests beside one service, against a small simulation written without the kernel.

Replicas of two GPUs hold all nodes, and jobs come at random: who computes when, and how fast,
follows from the load, the order of the queue and the room in berths.
"""

from math import inf

import numpy as np
import pytest

from twin.kernel.guests import Hosting
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.policies.guests.fill import Fill
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.fifo import Fifo
from twin.site.layout import Pool, lay_out
from twin.workload.hosting import Host, Hosts
from twin.workload.jobs import job_table

END_S = 4000.0
LEAST = 0.15


def drawn(seed):
    """Nodes, load steps, harm, cost, and jobs by submit time, work and GPUs."""
    rng = np.random.default_rng(seed)
    time_s = np.concatenate([[0.0], np.sort(rng.uniform(0, END_S, 12))])
    n = 30
    return (
        int(rng.integers(1, 5)),
        (time_s, rng.uniform(0, 1, len(time_s))),
        *rng.uniform(0, 0.5, 2),
        np.sort(rng.uniform(0, END_S / 2, n)),
        rng.exponential(150.0, n),
        rng.choice([1, 1, 2, 3, 4, 5], n),
    )


def simulated_alone(nodes, load, harm, cost, submit_s, work_s, gpus):
    """Start and end of each job, and the GPU-time that guests had."""
    start_s, end_s = np.full(len(submit_s), np.nan), np.full(len(submit_s), np.nan)
    left_s, free, beside = work_s.copy(), [2] * nodes, {}  # job -> GPUs by node
    waiting, now_s, had_gpu_s = [], 0.0, 0.0
    while now_s < END_S:
        host = min(load[1][np.searchsorted(load[0], now_s, side="right") - 1] * (1 + harm), 1.0)
        speed = (1 - host) * (1 - cost)
        for job in list(waiting):
            place = room(free, gpus[job]) if speed >= LEAST else None
            if place is not None:
                waiting.remove(job)
                beside[job], start_s[job] = place, now_s
                for node, count in place.items():
                    free[node] -= count
        ends_s = {job: now_s + left_s[job] / speed if speed else inf for job in beside}
        later_s = [time_s for time_s in (*submit_s, *load[0]) if time_s > now_s]
        next_s = min(END_S, *later_s, *ends_s.values()) if later_s or ends_s else END_S
        had_gpu_s += sum(gpus[job] for job in beside) * (1 - host) * (next_s - now_s)
        for job in list(beside):
            left_s[job] -= speed * (next_s - now_s)
            if ends_s[job] == next_s:
                end_s[job] = next_s
                for node, count in beside.pop(job).items():
                    free[node] += count
        waiting += np.flatnonzero(submit_s == next_s).tolist()
        now_s = next_s
    return start_s, end_s, had_gpu_s


def room(free, gpus):
    """The tightest node that has room for all, or whole nodes for what is more than a node."""
    if gpus <= 2:
        fits = [(count, node) for node, count in enumerate(free) if count >= gpus]
        return {min(fits)[1]: gpus} if fits else None
    whole = [node for node, count in enumerate(free) if count == 2][: -(-gpus // 2)]
    if 2 * len(whole) < gpus:
        return None
    return {node: min(2, gpus - 2 * at) for at, node in enumerate(whole)}


@pytest.mark.parametrize("seed", range(12))
def test_guests_against_a_simulation_of_their_own(seed):
    nodes, load, harm, cost, submit_s, work_s, gpus = case = drawn(seed)
    fits = gpus <= 2 * nodes  # who never fits is refused before
    submit_s, work_s, gpus = submit_s[fits], work_s[fits], gpus[fits]
    n = len(gpus)
    table = job_table(
        {
            "job_id": [f"chat/{i}" for i in range(nodes)] + [f"job-{i}" for i in range(n)],
            "submit_s": np.concatenate([np.zeros(nodes), submit_s]),
            "run_s": np.concatenate([np.full(nodes, 2 * END_S), work_s]),
            "gpus": np.concatenate([np.full(nodes, 2), gpus]),
            "until_s": np.concatenate([np.full(nodes, 2 * END_S), np.full(n, np.nan)]),
        }
    )
    host = Host("chat", *load, True, 0.5, harm, cost)
    of_row = np.where(np.arange(nodes + n) < nodes, 0, -1).astype(np.int32)
    hosting = Hosting(Hosts((host,), of_row), Fill(least=LEAST), lambda *_: True)
    site = lay_out([Pool("main", "node", "", 2, nodes)])
    record = Simulation(
        site, table, Fifo(), BestFit(), reliability=nothing_fails(), hosting=hosting
    ).run(END_S)
    start_s, end_s, had_gpu_s = simulated_alone(*case[:4], submit_s, work_s, gpus)
    np.testing.assert_allclose(record.start_s[nodes:], start_s, atol=1e-3)
    np.testing.assert_allclose(record.end_s[nodes:], end_s, atol=1e-3)
    assert np.isfinite(end_s).sum() > 0
    assert record.lives is not None
    assert -record.lives["lent_gpu_s"][nodes:].sum() == pytest.approx(had_gpu_s, rel=1e-6)
