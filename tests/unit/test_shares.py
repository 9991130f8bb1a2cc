"""State of shared GPUs, and placements on it, against naive loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.build import build
from twin.errors import InvariantError
from twin.policies.fragmentation import Fragmentation
from twin.registry import make_policy
from twin.run import load
from twin.site.layout import Hosts, Pool, lay_out
from twin.site.shares import WHOLE, Ask, SharedFleet, Typical, sliced

SHARING = ("best-fit", "dot-product", "gpu-clustering", "gpu-packing", "fgd", "random")
POOLS = [Pool("a", "n", "A", 4, 3), Pool("b", "n", "B", 2, 4)]


def fleet(typical=None, pools=POOLS, cpus=16.0, memory_bytes=64e9, order=None):
    n = sum(pool.nodes for pool in pools)
    order = np.arange(n) if order is None else np.asarray(order)
    hosts = Hosts(np.full(n, cpus), np.full(n, memory_bytes), order)
    return SharedFleet(lay_out(pools, hosts=hosts), ("cpus", "memory"), typical)


def ask(gpus=1, milli=WHOLE, cpus=1, gb=1, pools=(0, 1)):
    return Ask(gpus, milli, cpus * 1000, gb * 10**9, pools)


def seen(shares):
    """All that can be read of it, to compare before and after."""
    return (
        *(shares.free_milli.tolist(), shares.free_cpu_milli.tolist()),
        *(shares.free_memory_bytes.tolist(), shares.tenants.tolist()),
        *(list(shares.free_mask), shares.free_gpus, *shares.rest_milli),
        [index.sizes for index in shares.index],
    )


asks = st.one_of(
    st.builds(
        ask, st.just(1), st.integers(1, 999), st.integers(0, 8), st.integers(0, 30),
        st.sampled_from([(0,), (1,), (0, 1)]),
    ),
    st.builds(ask, st.integers(0, 4), st.just(WHOLE), st.integers(0, 8), st.integers(0, 30)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", SHARING)
def test_nothing_is_given_twice_and_all_comes_back(name, data):
    wanted = data.draw(st.lists(asks, min_size=1, max_size=40))
    order = data.draw(st.permutations(range(7)))
    shares = fleet(Typical(tuple(wanted), (1,) * len(wanted)), order=order)
    fresh, placement = seen(shares), make_policy("placements", name, {})
    held = []
    for each in wanted:
        fits = naive_fits(shares, each, held)
        assert shares.fits(each).tolist() == fits
        found = placement.share(each, shares)
        assert (found is None) == (not any(fits))
        if found is not None:
            place, gpus = found
            assert fits[place]
            held.append((each, place, gpus, shares.take_share(each, place, gpus)))
        check(shares, held)
        if held and data.draw(st.booleans()):
            gone = held.pop(data.draw(st.integers(0, len(held) - 1)))
            shares.give_back_share(gone[0], gone[3])
            check(shares, held)
    for each, _, _, masks in held:
        shares.give_back_share(each, masks)
    assert seen(shares) == fresh


def check(shares, held):
    """Everything over again from who holds what."""
    n, size = len(shares.gpus), shares.most_gpus
    used, cpus, memory = np.zeros((n, size), int), np.zeros(n, int), np.zeros(n, int)
    for each, place, gpus, masks in held:
        assert masks == {shares.node_at[place]: sum(1 << gpu for gpu in gpus)}
        used[place, list(gpus)] += each.milli if each.gpus else 0
        cpus[place] += each.cpu_milli
        memory[place] += each.memory_bytes
    there = np.arange(size) < shares.gpus[:, None]
    assert (used <= WHOLE * there).all()
    assert (cpus <= 16000).all() and (memory <= 64e9).all()
    assert (shares.free_milli == WHOLE * there - used).all()
    assert (shares.free_cpu_milli == 16000 - cpus).all()
    assert (shares.free_memory_bytes == 64 * 10**9 - memory).all()
    free = (there & (used == 0)).sum()
    assert shares.free_gpus == free == sum(mask.bit_count() for mask in shares.free_mask)
    assert sum(shares.rest_milli) == (WHOLE * there - used).sum() - WHOLE * free


def naive_fits(shares, each, held):
    fits = []
    for place in range(len(shares.gpus)):
        enough = sum(1 for milli in shares.free_milli[place] if milli >= each.milli)
        fits.append(
            bool(
                shares.pool[place] in each.pools
                and enough >= each.gpus
                and shares.free_cpu_milli[place] >= each.cpu_milli
                and shares.free_memory_bytes[place] >= each.memory_bytes
            )
        )
    return fits


def test_a_shared_gpu_is_not_free_for_a_job_that_wants_it_whole():
    shares = fleet()
    held = shares.take_share(ask(1, 300), 0, (2,))
    assert held == {0: 0b100}
    assert shares.free_mask[0] == 0b1011
    with pytest.raises(InvariantError, match="too little is free of a GPU"):
        shares.take_share(ask(1), 0, (2,))
    with pytest.raises(InvariantError, match="too little is free of a GPU"):
        shares.take_share(ask(1, 701), 0, (2,))
    with pytest.raises(InvariantError, match="too few CPUs"):
        shares.take_share(ask(1, 700, cpus=16), 0, (2,))
    with pytest.raises(InvariantError, match="too little memory"):
        shares.take_share(ask(1, 700, gb=64), 0, (2,))
    with pytest.raises(InvariantError, match="the wrong GPUs"):
        shares.take_share(ask(2), 0, (1,))
    other = shares.take_share(ask(1, 700), 0, (2,))
    shares.give_back_share(ask(1, 300), held)
    assert shares.free_mask[0] == 0b1011
    shares.give_back_share(ask(1, 700), other)
    assert shares.free_mask[0] == 0b1111
    with pytest.raises(InvariantError, match="nobody holds"):
        shares.give_back_share(ask(1, 700), other)


def test_no_part_of_a_gpu_that_is_down_is_given_out():
    shares = fleet()
    held = shares.take_share(ask(1, 300), 0, (0,))
    shares.fail(0, 0b1111)
    assert shares.free_milli[0].tolist() == [0, 0, 0, 0]
    assert shares.down_gpus == 3  # the shared one leaves service when its last part is given back
    shares.give_back_share(ask(1, 300), held)
    assert shares.down_gpus == 4
    shares.mend(0, 0b1111)
    assert shares.free_milli[0].tolist() == [WHOLE] * 4


def test_whole_nodes_taken_otherwise_have_no_part_to_give():
    shares = fleet()
    shares.darken(0)
    shares.set_aside(1)
    held = shares.take([(2, 3)])
    assert shares.free_milli[:3].tolist() == [[0] * 4, [0] * 4, [0, 0, 0, WHOLE]]
    shares.lighten(0)
    shares.release_spare(1)
    shares.give_back(held)
    assert (shares.free_milli[:3] == WHOLE).all()


@pytest.mark.parametrize(
    ("fraction", "milli"),
    [(0.01, 142), (1 / 7, 142), (0.15, 285), (0.46, 571), (0.5, 571), (6 / 7, 857), (1.0, 1000)],
)
def test_slices_of_sevenths(fraction, milli):
    assert sliced(fraction, 7) == milli


@given(st.integers(1, 16), st.lists(st.floats(0.001, 1.0), min_size=1, max_size=20))
def test_as_many_slices_fit_as_there_are(slices, fractions):
    taken = [min(max(int(np.ceil(f * slices - 1e-9)), 1), slices) for f in fractions]
    fits = sum(sliced(f, slices) for f in fractions) <= WHOLE
    assert fits == (sum(taken) <= slices)


# -- fragmentation


def naive_fragments(free, cpus, pool, typical):
    """Thousandths of GPUs that are fragments, times the jobs: [weng2023], job by job."""
    total = 0
    for each, count in zip(typical.asks, typical.counts, strict=True):
        enough = sum(1 for milli in free if milli >= each.milli)
        takes = each.gpus and pool in each.pools and enough >= each.gpus and cpus >= each.cpu_milli
        lost = [milli for milli in free if not takes or milli < each.milli]
        total += count * sum(lost)
    return total


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_fragmentation_equals_a_naive_loop(data):
    wanted = data.draw(st.lists(asks, min_size=1, max_size=12))
    counts = data.draw(st.lists(st.integers(1, 50), min_size=len(wanted), max_size=len(wanted)))
    typical = Typical(tuple(wanted), tuple(counts))
    measure = Fragmentation(typical, 1.0, 2, 4)
    free = np.array(data.draw(st.lists(st.integers(0, 10), min_size=4, max_size=4))) * 100
    cpus, pool = data.draw(st.integers(0, 9)) * 1000, data.draw(st.integers(0, 1))
    found = measure.usable(np.array([pool]), np.array([cpus]), free[None])[0]
    lost = naive_fragments(free.tolist(), cpus, pool, typical)
    assert measure.jobs * free.sum() - found == lost
    milli = data.draw(st.integers(1, WHOLE))
    after = measure.usable_after(np.array([pool]), np.array([cpus]), free[None], milli)[0]
    for gpu in range(4):
        if free[gpu] < milli:
            assert after[gpu] == -1
        else:
            left = free.copy()
            left[gpu] -= milli
            lost = naive_fragments(left.tolist(), cpus, pool, typical)
            assert measure.jobs * left.sum() - after[gpu] == lost


def test_only_the_most_frequent_asks_count():
    typical = Typical((ask(1, 500), ask(2), ask(1, 100)), (60, 35, 5))
    assert Fragmentation(typical, 0.95, 2, 4).jobs == 95
    assert Fragmentation(typical, 0.5, 2, 4).jobs == 60
    assert Fragmentation(typical, 1.0, 2, 4).jobs == 100


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fgd_takes_the_place_where_fragmentation_grows_least(data):
    wanted = data.draw(st.lists(asks, min_size=3, max_size=25))
    typical = Typical(tuple(wanted), tuple(range(1, len(wanted) + 1)))
    shares = fleet(typical)
    fgd = make_policy("placements", "fgd", {"popularity": 1.0, "steps": 0})
    for each in wanted:
        found = fgd.share(each, shares)
        tried = []
        for place in np.flatnonzero(shares.fits(each)).tolist():
            free = shares.free_milli[place]
            cpus, pool = int(shares.free_cpu_milli[place]), int(shares.pool[place])
            before = naive_fragments(free.tolist(), cpus, pool, typical)
            shared = each.gpus == 1 and each.milli < WHOLE
            whole = tuple(np.flatnonzero(free >= each.milli)[: each.gpus].tolist())
            choices = [(g,) for g in range(4) if free[g] >= each.milli] if shared else [whole]
            for gpus in choices:
                left = free.copy()
                left[list(gpus)] -= each.milli
                after = naive_fragments(left.tolist(), cpus - each.cpu_milli, pool, typical)
                tried.append((after - before, place, gpus))
        assert found == (min(tried)[1:] if tried else None)
        if found is not None:
            shares.take_share(each, *found)


# -- placements by hand


def share(name, each, shares, **options):
    return make_policy("placements", name, options).share(each, shares)


def test_best_fit_leaves_the_least():
    shares = fleet()
    shares.take_share(ask(1, 600), 1, (3,))
    shares.take_share(ask(1, 500), 1, (1,))
    shares.take_share(ask(2), 0, (0, 1))
    # Nodes of 2 GPUs have as many left as node 0, but more CPUs; on node 1 GPU 3 is the tightest.
    assert share("best-fit", ask(1, 300), shares) == (0, (2,))
    assert share("best-fit", ask(1, 300, pools=(1,)), shares) == (3, (0,))
    assert share("best-fit", ask(1, 400, pools=(0,)), shares) == (0, (2,))
    shares.take_share(ask(1, 900), 1, (0,))
    assert share("best-fit", ask(1, 400, pools=(0,)), shares) == (1, (3,))


def test_packing_prefers_gpus_in_use_then_nodes_in_use():
    shares = fleet()
    assert share("gpu-packing", ask(1, 300), shares) == (3, (0,))  # an idle node of 2 GPUs
    shares.take_share(ask(1, 500), 1, (1,))
    assert share("gpu-packing", ask(1, 300), shares) == (1, (1,))
    assert share("gpu-packing", ask(1, 600), shares) == (1, (0,))
    assert share("gpu-packing", ask(3), shares) == (1, (0, 2, 3))
    assert share("gpu-packing", ask(4), shares) == (0, (0, 1, 2, 3))


def test_clustering_keeps_kinds_together():
    shares = fleet()
    shares.take_share(ask(2), 0, (0, 1))
    shares.take_share(ask(1, 500), 1, (0,))
    assert share("gpu-clustering", ask(1, 600, pools=(0,)), shares) == (1, (1,))
    assert share("gpu-clustering", ask(2, pools=(0,)), shares) == (0, (2, 3))
    assert share("gpu-clustering", ask(1, pools=(0,)), shares) == (2, (0,))  # idle before others
    shares.take_share(ask(4), 2, (0, 1, 2, 3))
    assert share("gpu-clustering", ask(1, pools=(0,)), shares) == (0, (2,))


def test_dot_product_takes_where_least_of_what_is_asked_is_left():
    shares = fleet()
    shares.take_share(ask(1, 100, cpus=12), 0, (0,))
    shares.take_share(ask(3, cpus=1), 1, (0, 1, 2))
    only = {"pools": (0,), "gb": 1}
    assert share("dot-product", ask(1, 10, cpus=4, **only), shares, steps=0) == (0, (0,))
    assert share("dot-product", ask(1, 999, cpus=0, **only), shares, steps=0) == (1, (3,))


def test_ties_go_by_the_order_in_which_nodes_were_listed():
    shares = fleet(order=[6, 5, 4, 3, 2, 1, 0])
    assert share("gpu-packing", ask(1, 300), shares) == (0, (0,))
    assert shares.take_share(ask(1, 300), 0, (0,)) == {6: 1}


LIST = """node,gpu_model,gpus,cpus,memory_bytes
n0,T4,2,16,1e9
n1,A100,8,96,4e9
n2,T4,2,64,2e9
n3,,0,32,1e9
n4,A100,8,128,8e9
n5,T4,1,8,3e9
"""


def test_a_node_list_keeps_what_its_nodes_have_and_their_order(tmp_path):
    """Ids go by pool, largest first; places by the list, where ties are broken."""
    (tmp_path / "nodes.csv").write_text(LIST)
    (tmp_path / "s.yaml").write_text(
        "name: s\nhorizon: 1 h\nsite: {node_list: {path: nodes.csv}}\n"
        "workload: {jobs: [{gpus: 1, run: 1 h}]}\nsharing: {limits: [cpus, memory]}\n"
    )
    built = build(load(tmp_path / "s.yaml"))
    assert [pool.name for pool in built.site.pools] == ["A100x8", "T4x2", "T4x1"]
    shares = SharedFleet(built.site, built.lending.limits)
    assert shares.gpus.tolist() == [2, 8, 2, 8, 1]
    assert (shares.free_cpu_milli // 1000).tolist() == [16, 96, 64, 128, 8]
    assert (shares.free_memory_bytes // 10**9).tolist() == [1, 4, 2, 8, 3]
    assert shares.node_at.tolist() == [2, 0, 3, 1, 4]
    assert shares.pool.tolist() == [1, 0, 1, 0, 2]
    small = Ask(1, 500, 20_000, 0, (0, 1, 2))
    assert shares.fits(small).tolist() == [False, True, True, True, False]
    assert shares.take_share(small, 2, (1,)) == {3: 0b10}
