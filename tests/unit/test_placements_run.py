"""Placements within a run: what they are told of jobs, power and heat is what is so then."""

from collections import Counter
from dataclasses import dataclass
from math import inf

import numpy as np
import pytest
from powered_site import Cooling, cap, failing, hall, jobs, model, run

from twin.build import build
from twin.errors import PolicyError, ScenarioError
from twin.kernel.shapes import shapes_of
from twin.kernel.simulation import Simulation
from twin.policies.base import PlacementPolicy
from twin.policies.placements.best_fit import BestFit
from twin.registry import make_policy
from twin.run import load
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table


def by(name, **options):
    """A simulation that places by this policy, whatever it is given."""

    class Placed(Simulation):
        def __init__(self, site, work, scheduler, placement, **more):
            placement = make_policy("placements", name, options)
            super().__init__(site, work, scheduler, placement, **more)

    return Placed


def nodes(record):
    """First node of each job."""
    first = {}
    for job, node in zip(record.allocations["job"], record.allocations["node"], strict=True):
        first.setdefault(int(job), int(node))
    return [first[job] for job in sorted(first)]


def placed(name, table, site, **options):
    fifo = make_policy("schedulers", "fifo", {})
    return nodes(Simulation(site, table, fifo, make_policy("placements", name, options)).run())


SITE = lay_out([Pool("p", "node", "", 8, 3)])


def test_jobs_of_one_user_keep_together_or_apart():
    """Node 0 has room for all; who shares it depends on the label, until its job has ended."""
    table = job_table(
        {
            "submit_s": [0.0, 1.0, 2.0, 3.0, 200.0],
            "run_s": [100.0, 1000.0, 100.0, 100.0, 100.0],
            "gpus": [2, 7, 1, 1, 1],
            "user": ["ada", "bob", "ada", "bob", "ada"],
        }
    )
    # Best fit fills node 1, where bob leaves one GPU; then the lowest node.
    assert placed("best-fit", table, SITE) == [0, 1, 1, 0, 1]
    assert placed("affinity", table, SITE, by="user") == [0, 1, 0, 1, 1]
    assert placed("anti-affinity", table, SITE, by="user") == [0, 1, 1, 0, 1]
    apart = job_table({"submit_s": [0.0] * 5, "run_s": [9.0] * 5, "gpus": [1] * 5,
                       "user": ["ada", "ada", "bob", "ada", "ada"]})  # fmt: skip
    assert placed("anti-affinity", apart, SITE, by="user") == [0, 1, 0, 2, 0]
    assert placed("anti-affinity", apart, SITE) == [0] * 5  # nobody has a group


def test_jobs_that_a_placement_tells_apart_are_of_several_shapes():
    users, models = ["a", "b", "a", "b", ""], ["m", "m", "m", "n", "m"]
    table = job_table({"submit_s": [0.0] * 5, "run_s": [1.0] * 5, "gpus": [8, 2, 2, 2, 2],
                       "user": users, "model": models})  # fmt: skip
    shapes, shape_of = shapes_of(table, SITE)
    assert [(s.gpus, s.labels) for s in shapes] == [(2, ()), (8, ())]
    shapes, shape_of = shapes_of(table, SITE, by=("user", "model"))
    assert [s.gpus for s in shapes] == sorted(s.gpus for s in shapes)
    told = [(shapes[at].gpus, *shapes[at].labels) for at in shape_of]
    columns = (table[name] for name in ("gpus", "user", "model"))
    assert told == list(zip(*columns, strict=True))
    assert len(shapes) == 5


@pytest.mark.parametrize("reliability", [None, failing()])
def test_jobs_go_to_the_row_with_most_room_under_its_cap(reliability):
    """A node draws 400 W at rest and 1200 W at work; jobs that have just started count at once."""
    site, work = hall(4, racks_per_row=1), jobs((0, 100, 2), (0, 100, 2), (0, 100, 2))
    seen = run(site, work, model(site), kind=by("power-aware"), reliability=reliability)
    assert nodes(seen.record) == [0, 2, 1]
    tight = model(site, cap(0.0, inf, 1000.0, "row", 1))
    seen = run(site, work, tight, kind=by("power-aware"), reliability=reliability, horizon_s=50.0)
    assert nodes(seen.record) == [0, 1, 2]


def test_headroom_is_what_the_unit_and_all_above_it_leave():
    site = hall(4, racks_per_row=1)
    built = model(site, cap(0.0, inf, 3000.0), cap(0.0, inf, 1900.0, "row", 0))
    seen = run(site, jobs((0, 100, 2)), built, horizon_s=10.0)
    index = seen.simulation.cluster.fleet.index[0]
    # Of 3000 W the site draws 1200 + 3 x 400; row 0 draws 1600 of 1900, row 1 has 2400 - 800.
    assert index.headroom_w("rack") == [300.0, 600.0]
    assert index.headroom_w("site") == [600.0]
    with pytest.raises(PolicyError, match="power has no level leaf; it has rack, row, ups"):
        index.headroom_w("leaf")


@dataclass(frozen=True)
class Cooled(Cooling):
    """Cooling for so much heat in every hall."""

    def capacity_w(self, hall, now_s):
        return (2500.0, 3000.0)[hall]


def test_jobs_go_to_the_hall_whose_cooling_has_most_to_spare():
    site = hall(4, halls=("a", "b"))
    work = jobs((0, 100, 2), (0, 100, 2), (0, 100, 1))
    seen = run(site, work, model(site, cooling=Cooled()), kind=by("thermal-aware"))
    assert nodes(seen.record) == [2, 0, 3]  # 3000 - 1600 is less than 2500 - 800


def test_a_scheduler_that_preempts_keeps_account_of_labels():
    """Spells that end early, and places that were tried out, leave nothing behind."""
    rng = np.random.default_rng(3)
    table = job_table(
        {
            "submit_s": rng.exponential(20, 200).cumsum(),
            "run_s": rng.lognormal(4, 1, 200),
            "gpus": rng.choice([1, 2, 4, 8, 16], 200),
            "user": rng.choice(["ada", "bob", "cy"], 200),
        }
    )
    srtf = make_policy("schedulers", "srtf", {})
    for name in ("affinity", "anti-affinity"):
        policy = make_policy("placements", name, {"by": "user"})
        simulation = Simulation(SITE, table, srtf, policy)
        record = simulation.run()
        assert not np.isnan(record.end_s).any()
        index = simulation.cluster.fleet.index[0]
        assert [index.nodes_with((user,)) for user in ("ada", "bob", "cy")] == [{}, {}, {}]


def test_jobs_by_group_are_those_of_its_nodes_at_any_time():
    """Kept from one change to the next, they are what a sum over the nodes gives."""
    rng = np.random.default_rng(8)
    users = ["ada", "bob", "cy"]
    table = job_table({"submit_s": rng.exponential(15, 150).cumsum(),
                       "run_s": rng.lognormal(4, 1, 150), "gpus": rng.choice([1, 2, 8, 24], 150),
                       "user": rng.choice(users, 150)})  # fmt: skip
    site = lay_out([Pool("p", "node", "", 8, 7, nodes_per_rack=2, racks_per_row=2)])
    seen = 0

    class Heedful(PlacementPolicy):
        distinguishes = ("user",)

        def place(self, gpus, pool):
            return BestFit().place(gpus, pool)

        def place_shape(self, shape, pool):
            nonlocal seen
            for level in ("rack", "row", "node"):
                of, found = pool.groups(level).of, pool.jobs_in(level, shape.labels)
                counted = Counter()
                for node, here in pool.nodes_with(shape.labels).items():
                    counted[of[node]] += here
                assert found == counted
                seen += len(found) > 1
            return self.place(shape.gpus, pool)

    Simulation(site, table, make_policy("schedulers", "srtf", {}), Heedful()).run()
    assert seen > 100


def test_a_placement_by_power_needs_power(tmp_path):
    file = tmp_path / "hot.yaml"
    text = (
        "name: hot\nsite: {pools: [{name: a, node: dgx-h100, nodes: 4}]}\n"
        "workload: {synthetic: {jobs: 3}}\npolicies: {placement: thermal-aware}\n"
    )
    file.write_text(text)
    with pytest.raises(ScenarioError, match=r":4:12 policies.placement: thermal-aware goes"):
        load(file)
    file.write_text(text + "power: {}\n")
    assert build(load(file)).placement.needs_power
