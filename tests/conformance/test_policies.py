"""One list that every registered policy meets, those of plug-ins included."""

import numpy as np
import pytest

from twin.errors import InvariantError, PolicyError
from twin.kernel.simulation import Simulation
from twin.policies.base import PlacementPolicy, Scheduler
from twin.policies.decisions import Wake
from twin.registry import PLACEMENTS, SCHEDULERS, make_policy
from twin.site.index import FreeIndex
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

SITE = lay_out([Pool("p", "node", "", 8, 3)])


# Of policies that cannot do without any.
OPTIONS = {"quotas": {"gpus": {"": 12}}}


# Every scheduler with one placement and every placement with one scheduler.
PAIRS = [(name, "best-fit") for name in SCHEDULERS.names()]
PAIRS += [("easy-backfill", name) for name in PLACEMENTS.names() if name != "best-fit"]


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request):
    return request.param


@pytest.fixture
def scheduler(pair):
    return make_policy("schedulers", pair[0], OPTIONS.get(pair[0], {}))


@pytest.fixture
def placement(pair):
    return make_policy("placements", pair[1], {})


def random_jobs(seed, n=300):
    rng = np.random.default_rng(seed)
    return job_table(
        {
            "submit_s": rng.exponential(30, n).cumsum(),
            "run_s": rng.lognormal(4, 1, n),
            "gpus": rng.choice([1, 2, 4, 8, 13, 24], n),
            "user": rng.choice(["ada", "bob"], n),
        }
    )


def test_empty_queue_and_no_free_gpu(scheduler, placement):
    """Asked with nothing waiting, or with nothing free, a scheduler does nothing."""
    jobs = job_table({"submit_s": [0.0, 1.0], "run_s": [50.0, 1.0], "gpus": [24, 1]})
    simulation = Simulation(SITE, jobs, scheduler, placement)
    decisions = scheduler.choose(simulation.queue, simulation.cluster)
    assert all(isinstance(decision, Wake) for decision in decisions)
    record = simulation.run()
    assert record.start_s[0] == 0.0
    if not scheduler.preempts:
        assert record.start_s[1] == 50.0


def test_all_work_is_done_and_nothing_runs_before_its_submit(scheduler, placement):
    jobs = random_jobs(1)
    record = Simulation(SITE, jobs, scheduler, placement).run()
    assert not np.isnan(record.end_s).any()
    assert (record.start_s >= jobs["submit_s"].to_numpy()).all()
    if not scheduler.preempts:
        np.testing.assert_allclose(record.end_s - record.start_s, jobs["run_s"])
    held = record.allocations
    gpu_s = (held["end_s"] - held["start_s"]) * np.bitwise_count(held["gpu_mask"].astype(np.uint64))
    held_s = np.bincount(held["job"], gpu_s, len(jobs))
    whole = jobs["gpus"] <= 8  # others get whole nodes
    np.testing.assert_allclose(held_s[whole], (jobs["run_s"] * jobs["gpus"])[whole])


def test_same_answer_twice_and_inputs_untouched(scheduler, placement):
    jobs = random_jobs(2)
    before = jobs.copy(deep=True)
    first = Simulation(SITE, jobs, scheduler, placement).run()
    second = Simulation(SITE, jobs, scheduler, placement).run()
    np.testing.assert_array_equal(first.start_s, second.start_s)
    for name, column in first.allocations.items():
        np.testing.assert_array_equal(column, second.allocations[name])
    assert before.equals(jobs)


@pytest.mark.parametrize("gpus", [1, 3, 8, 9, 16])
@pytest.mark.parametrize("name", PLACEMENTS.names())
def test_placements_are_whole_or_none(name, gpus):
    placement = make_policy("placements", name, {})
    index = FreeIndex(nodes=2, gpus_per_node=8)
    index.move(0, 8, 2)
    index.move(1, 8, 7)
    place = placement.place(gpus, index)
    if gpus > 7:
        assert place is None
    else:
        assert sum(taken for _, taken in place) >= gpus
        assert len({node for node, _ in place}) == len(place)
        assert all(taken <= {0: 2, 1: 7}[node] for node, taken in place)


class StartsWhatDoesNotFit(Scheduler):
    def choose(self, queue, cluster):
        yield from queue


class StartsNothing(Scheduler):
    def choose(self, queue, cluster):
        yield from ()


class Hoards(PlacementPolicy):
    def place(self, gpus, pool):
        return [(0, 1)]


def test_a_policy_cannot_break_conservation():
    """What a policy must not do is refused where it does it, by name and time."""
    jobs = random_jobs(3)
    fit = make_policy("placements", "best-fit", {})
    with pytest.raises(PolicyError, match=r"StartsWhatDoesNotFit chose .* does not fit now"):
        Simulation(SITE, jobs, StartsWhatDoesNotFit(), fit).run()
    with pytest.raises(InvariantError, match="StartsNothing never starts them"):
        Simulation(SITE, jobs, StartsNothing(), fit).run()
    with pytest.raises(PolicyError, match=r"placement .* gave 1 GPUs"):
        Simulation(SITE, jobs, make_policy("schedulers", "fifo", {}), Hoards()).run()
