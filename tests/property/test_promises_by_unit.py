"""Promises under placements that keep a job within units: they are kept, and nobody starves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedulers_case import made, work

from twin.kernel.simulation import Simulation
from twin.registry import make_policy
from twin.site.layout import Pool, lay_out

STRICT = {
    "pack": {"within": "leaf", "strict": True},
    "buddy": {"levels": ["rack", "row"]},
    "rail-aligned": {"strict": True},
}


@st.composite
def loads(draw):
    """Some units, the last of them perhaps smaller, and work at whole seconds."""
    size, unit = draw(st.sampled_from([1, 2])), draw(st.integers(2, 4))
    nodes = draw(st.integers(unit + 1, 4 * unit))
    racks_per_row = draw(st.integers(1, 3))
    pool = Pool(
        *("p", "node", "", size, nodes),
        nodes_per_leaf=unit,
        nodes_per_rack=unit,
        racks_per_row=racks_per_row,
    )
    row = st.tuples(
        st.integers(0, 30).map(float),
        st.integers(1, 12).map(float),
        st.integers(1, nodes * size),
    )
    narrow = st.tuples(
        st.integers(0, 30).map(float), st.integers(1, 12).map(float), st.integers(1, size)
    )
    rows = draw(st.lists(narrow | row, min_size=3, max_size=25))
    return lay_out([pool]), work(*sorted(rows, key=lambda row: row[0]))


class Promised:
    """A cluster that takes down the first promise made to each job."""

    def __init__(self, cluster, promised_s):
        self._cluster, self._promised_s = cluster, promised_s

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def reserve(self, job):
        reservation = self._cluster.reserve(job)
        self._promised_s.setdefault(job.row, reservation.start_s)
        return reservation


def run(site, jobs, placement, scheduler="easy-backfill"):
    """What was promised to each job first, and the run."""
    promised_s = {}
    policy = made(scheduler)

    class Heard(type(policy)):
        def choose(self, queue, cluster):
            yield from super().choose(queue, Promised(cluster, promised_s))

    heard = object.__new__(Heard)
    heard.__dict__.update(policy.__dict__)
    return promised_s, Simulation(site, jobs, heard, placement).run()


@pytest.mark.parametrize("name", STRICT)
@settings(max_examples=50, deadline=None)
@given(load=loads())
def test_the_head_starts_no_later_than_it_was_promised(name, load):
    site, jobs = load
    promised_s, record = run(site, jobs, make_policy("placements", name, STRICT[name]))
    for row, start_s in promised_s.items():
        assert record.start_s[row] <= start_s


@pytest.mark.parametrize("name", [*STRICT, "best-fit"])
@settings(max_examples=40, deadline=None)
@given(load=loads(), data=st.data())
def test_alone_in_the_queue_a_job_starts_just_when_it_was_promised(name, load, data):
    """All nodes but one are busy, each for a while: the placement is asked as they come free."""
    site, _ = load
    size, times = site.pools[0].gpus_per_node, st.integers(1, 9).map(float)
    n_busy = site.n_nodes - 1
    busy_s = data.draw(st.lists(times, min_size=n_busy, max_size=n_busy))
    wanted = data.draw(st.integers(size + 1, site.n_gpus))
    jobs = work(*[(0.0, run_s, size) for run_s in busy_s], (0.5, 1.0, wanted))
    placement = make_policy("placements", name, STRICT.get(name, {}))
    promised_s, record = run(site, jobs, placement)
    assert promised_s == {len(busy_s): record.start_s[-1]}


@pytest.mark.parametrize("name", STRICT)
def test_small_jobs_that_keep_coming_do_not_starve_a_wide_one(name):
    """Three units of two nodes, and one node of each busy: of the first until 10 s, else for long.

    From 5 s on a job of one node and 10 s comes every 5 s. As three nodes are free, such a job
    leaves two for the wide one, but not two of one unit: at every end of one in the first unit
    another would run there on the other node.
    """
    pool = Pool("p", "node", "", 1, 6, nodes_per_leaf=2, nodes_per_rack=2)
    # Of two nodes each, so that they stand in units of their own; then one node of each is left.
    long = [(0.0, 10.0, 1), (0.0, 3.0, 1), (0.0, 1000.0, 1), (0.0, 3.0, 1), (0.0, 1000.0, 1)]
    small = [(5.0 * k, 10.0, 1) for k in range(1, 100)]
    rows = sorted([*long, (4.0, 1.0, 2), *small], key=lambda row: row[0])
    jobs = work(*rows)
    wide = rows.index((4.0, 1.0, 2))
    placement = make_policy("placements", name, STRICT[name])
    promised_s, record = run(lay_out([pool]), jobs, placement)
    assert promised_s[wide] == record.start_s[wide] == 10.0
