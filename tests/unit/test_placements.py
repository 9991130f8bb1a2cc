"""Placements of gangs: valid, bounded, and each as good by its own measure as it says."""

from itertools import combinations
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.errors import PolicyError
from twin.policies.placements.topology_aware import mean_hops
from twin.policies.view import HallHeat, Shape
from twin.registry import PLACEMENTS, make_policy
from twin.site.fleet import Fleet
from twin.site.layout import Pool, lay_out

BUILT_IN = [n for n in PLACEMENTS.names() if PLACEMENTS.get(n).__module__.startswith("twin.")]
PATIENT = [
    ("pack", {"strict": True}),
    ("rail-aligned", {"strict": True}),
    ("buddy", {}),
]  # they let a job wait though nodes are free
ANY = [(name, {}) for name in BUILT_IN if name != "buddy"]
ANY += [("pack", {"within": "rack"}), ("spread", {"across": "ups"})]


def place(name, options, gpus, index):
    return make_policy("placements", name, options).place(gpus, index)


@st.composite
def pools(draw, most=24):
    """A pool of any shape, any number of GPUs free on each node, and these numbers."""
    nodes, size = draw(st.integers(1, most)), draw(st.sampled_from([2, 4, 8]))
    domain, rack = draw(st.sampled_from([1, 2])), draw(st.integers(1, 5))
    row, leaf = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    halls = ("a", "b")[: draw(st.integers(1, min(2, ceil(nodes / rack))))]
    pool = Pool("p", "n", "", size, nodes, nodes_per_rack=rack, domain_nodes=domain,
                racks_per_row=row, nodes_per_leaf=leaf, halls=halls)  # fmt: skip
    index = Fleet(lay_out([pool])).index[0]
    some = st.one_of(st.just(size), st.integers(0, size))
    free = draw(st.lists(some, min_size=nodes, max_size=nodes))
    for node, gpus in enumerate(free):
        if gpus != size:
            index.move(node, size, gpus)
    return index, free


def fits(gpus, free, size):
    """Whether there is one node, or whole nodes enough."""
    if gpus < size:
        return max(free) >= gpus
    return free.count(size) >= ceil(gpus / size)


@pytest.mark.parametrize(("name", "options"), ANY + PATIENT)
@settings(max_examples=60, deadline=None)
@given(used=pools(), data=st.data())
def test_places_are_there_and_nothing_beyond_the_bound_has_one(name, options, used, data):
    index, free = used
    size = index.gpus_per_node
    policy = make_policy("placements", name, options)
    gpus = data.draw(st.integers(1, (len(free) + 1) * size))
    found = policy.place(gpus, index)
    if found:
        nodes = [node for node, _ in found]
        assert len(set(nodes)) == len(nodes) == ceil(gpus / size)
        assert all(free[node] >= taken for node, taken in found)
        assert [taken for _, taken in found] == ([gpus] if gpus < size else [size] * len(nodes))
    if (name, options) not in PATIENT:
        assert bool(found) == fits(gpus, free, size)
    bound = policy.largest(index)
    assert gpus <= bound or not found


@pytest.mark.parametrize(("name", "options"), ANY + PATIENT)
@settings(max_examples=30, deadline=None)
@given(used=pools(), data=st.data())
def test_an_empty_pool_takes_any_job_of_its_size(name, options, used, data):
    """So that nothing waits for ever, whatever waits for a unit or a cell."""
    index, free = used
    for node, gpus in enumerate(free):
        if gpus != index.gpus_per_node:
            index.move(node, gpus, index.gpus_per_node)
    gpus = data.draw(st.integers(1, index.free_gpus))
    assert place(name, options, gpus, index)


@settings(max_examples=100, deadline=None)
@given(pools(), st.data())
def test_first_and_worst_fit_are_what_a_scan_finds(used, data):
    index, free = used
    gpus = data.draw(st.integers(1, index.gpus_per_node - 1))
    first = next(((v, gpus) for v, f in enumerate(free) if f >= gpus), None)
    assert place("first-fit", {}, gpus, index) == (first and (first,))
    most = (free.index(max(free)), gpus) if max(free) >= gpus else None
    assert place("worst-fit", {}, gpus, index) == (most and (most,))


def test_random_nodes_have_equal_chances_and_can_be_drawn_again():
    index = Fleet(lay_out([Pool("p", "n", "", 8, 10)])).index[0]
    index.move(3, 8, 1)
    policy, drawn, pairs = make_policy("placements", "random", {}), [], []
    for _ in range(3600):
        index.move(0, 8, 7)
        index.move(0, 7, 8)
        found, pair = policy.place(2, index), policy.place(16, index)
        assert found == policy.place(2, index)
        drawn.append(found[0][0])
        pairs += [node for node, _ in pair]
    for nodes, each in ((drawn, 400), (pairs, 800)):  # nine nodes will do
        counts = np.bincount(nodes, minlength=10)
        assert counts[3] == 0
        assert abs(np.delete(counts, 3) - each).max() < 5 * each**0.5
    others = [place("random", {"seed": seed}, 16, index) for seed in range(20)]
    assert len(set(map(tuple, others))) > 10


@settings(max_examples=200, deadline=None)
@given(pools(), st.sampled_from(["rack", "leaf", "row"]), st.booleans(), st.data())
def test_packed_jobs_stand_in_the_fewest_units(used, level, strict, data):
    """Counted by hand: the roomiest units first are as few as can be."""
    index, free = used
    size, unit_of = index.gpus_per_node, index.units(level)
    whole = [node for node, f in enumerate(free) if f == size]
    n = data.draw(st.integers(1, len(free)))
    found = place("pack", {"within": level, "strict": strict}, n * size, index)
    room = {unit: [unit_of[v] for v in whole].count(unit) for unit in unit_of}
    if max(room.values()) >= n:
        (unit,) = {unit_of[node] for node, _ in found}
        assert room[unit] == min(r for r in room.values() if r >= n)
    elif strict and n <= max(unit_of.count(unit) for unit in unit_of):
        assert found is None
    elif found:
        rooms = np.cumsum(sorted(room.values(), reverse=True))
        assert len({unit_of[node] for node, _ in found}) == 1 + np.searchsorted(rooms, n)


@settings(max_examples=200, deadline=None)
@given(pools(), st.sampled_from(["rack", "leaf", "row", "hall"]), st.data())
def test_spread_takes_the_roomiest_units_in_turn(used, level, data):
    index, free = used
    size, unit_of = index.gpus_per_node, index.units(level)
    whole = [node for node, f in enumerate(free) if f == size]
    n = data.draw(st.integers(1, len(free)))
    found = place("spread", {"across": level}, n * size, index)
    by_unit = [[v for v in whole if unit_of[v] == unit] for unit in sorted(set(unit_of))]
    by_unit.sort(key=len, reverse=True)  # stable, so that of several the lowest is first
    turns = [nodes[turn] for turn in range(len(whole)) for nodes in by_unit if turn < len(nodes)]
    assert [node for node, _ in found or ()] == (turns[:n] if n <= len(whole) else [])


@settings(max_examples=100, deadline=None)
@given(pools(), st.data())
def test_a_small_job_is_packed_where_fewest_whole_nodes_are(used, data):
    index, free = used
    size, unit_of = index.gpus_per_node, index.units("rack")
    gpus = data.draw(st.integers(1, size - 1))
    found = place("pack", {"within": "rack"}, gpus, index)
    if found is None:
        return
    node = found[0][0]
    assert free[node] == min(f for f in free if f >= gpus)
    room = {unit: sum(free[v] == size for v, u in enumerate(unit_of) if u == unit)
            for unit in unit_of}  # fmt: skip
    alike = [v for v, f in enumerate(free) if f == free[node]]
    assert room[unit_of[node]] == min(room[unit_of[v]] for v in alike)


HOPS = st.sampled_from(
    [
        {"scale-up": 2.0, "leaf": 2.0, "row": 2.0, "hall": 2.0},
        {"leaf": 1.0},
        {"rack": 5.0, "leaf": 1.0, "hall": 3.0},
        {"row": 7.0, "scale-up": 1.0},
    ]
)


@settings(max_examples=150, deadline=None)
@given(pools(most=11), HOPS, st.data())
def test_topology_aware_places_are_nearly_the_best_of_all(used, hops, data):
    """Against every choice of nodes; the search says that it may miss the best by a little."""
    index, free = used
    size = index.gpus_per_node
    whole = [node for node, f in enumerate(free) if f == size]
    if len(whole) < 2:
        return
    n = data.draw(st.integers(2, len(whole)))
    found = place("topology-aware", {"hops": hops}, n * size, index)
    unit_of = [index.units(level) for level in hops]

    def mean(nodes):
        return mean_hops([[units[v] for units in unit_of] for v in nodes], list(hops.values()))

    least = min(map(mean, combinations(whole, n)))
    assert mean([node for node, _ in found]) <= 1.1 * least + 1e-9


def test_mean_hops_by_hand():
    """Four nodes on two leaves of one row: 2 of 6 pairs share a leaf, all share the row."""
    assert mean_hops([[0, 0], [0, 0], [1, 0], [1, 0]], [3.0, 5.0]) == pytest.approx(3.0 * 4 / 6)
    assert mean_hops([[0, 0]], [3.0, 5.0]) == 0


# -- buddy cells

CELLS = (1, 2, 4, 8, 16, 32)  # GPUs: parts of a node of 4, the node, a rack of 2, a row of 2 racks
ROWS = 3


@st.composite
def shares(draw):
    """What the empty pool, three rows of 32 GPUs each, is divided into: cells of each size."""
    whole, cells = [32] * ROWS, []
    while whole:
        cell = whole.pop()
        if cell > 1 and draw(st.integers(0, 3)):
            whole += [cell // 2] * 2
        else:
            cells.append(cell)
    return cells


@settings(max_examples=150, deadline=None)
@given(shares(), st.data())
def test_whoever_keeps_to_their_cells_always_finds_one(cells, data):
    """Jobs of powers of two come and go at will, of each size never more than there are cells."""
    site = lay_out([Pool("p", "n", "", 4, 8 * ROWS, nodes_per_rack=4, racks_per_row=2)])
    fleet, policy = Fleet(site), make_policy("placements", "buddy", {})
    quota = {size: cells.count(size) for size in CELLS}
    running = []
    for _ in range(data.draw(st.integers(1, 60))):
        size = data.draw(st.sampled_from([size for size in CELLS if quota[size]]))
        mine = [job for job in running if job[0] == size]
        if mine and (len(mine) == quota[size] or data.draw(st.booleans())):
            job = data.draw(st.sampled_from(mine))
            running.remove(job)
            fleet.give_back(job[1])
        else:
            found = policy.place(size, fleet.index[0])
            assert found, f"{size} of {quota}, running {[job[0] for job in running]}"
            running.append((size, fleet.take(found)))
            for level, most in (("rack", 16), ("row", 32)):
                if size <= most:
                    assert len({fleet.index[0].units(level)[node] for node, _ in found}) == 1


def test_best_fit_breaks_the_promise_that_buddy_cells_keep():
    """Two jobs of 1 and 2 GPUs on nodes of 4: best fit puts a third where it spoils a cell of 2."""
    index = Fleet(lay_out([Pool("p", "n", "", 4, 2)])).index[0]
    index.move(0, 4, 3)
    index.move(1, 4, 2)
    assert place("best-fit", {}, 1, index)[0][0] == 1
    assert place("buddy", {}, 1, index)[0][0] == 0


def test_buddy_takes_a_rack_of_a_broken_row_before_a_whole_row():
    site = lay_out([Pool("p", "n", "", 8, 16, nodes_per_rack=2, racks_per_row=4)])
    index = Fleet(site).index[0]
    index.move(9, 8, 0)  # a rack of the second row is broken
    assert [node for node, _ in place("buddy", {}, 8, index)] == [8]
    assert [node for node, _ in place("buddy", {}, 16, index)] == [10, 11]
    assert [node for node, _ in place("buddy", {}, 64, index)] == list(range(8))
    assert [node for node, _ in place("buddy", {}, 24, index)] == [10, 11, 12]
    assert len(place("buddy", {}, 80, index)) == 10


# -- what is left of power and cooling, and who runs where


def halls():
    site = lay_out([Pool("p", "n", "", 8, 6, halls=("a", "b", "c"), nodes_per_rack=2)])
    return Fleet(site).index[0]


def test_power_aware_goes_where_most_is_left():
    index = halls()
    index.headroom_w = lambda level: {"hall": (5.0, 9.0, 7.0), "row": (5.0, 4.0, 7.0)}[level]
    index.move(2, 8, 0)
    assert place("power-aware", {"across": "hall"}, 2, index) == ((3, 2),)
    assert place("power-aware", {}, 2, index) == ((4, 2),)
    assert place("power-aware", {"across": "hall"}, 16, index) == [(4, 8), (5, 8)]  # holds it whole
    assert [v for v, _ in place("power-aware", {"across": "hall"}, 24, index)] == [3, 4, 5]


def test_thermal_aware_goes_to_the_coolest_hall_and_then_to_the_best_cooled():
    index = halls()
    index.hall_heat = lambda: (HallHeat(24.0, 5e3), HallHeat(24.0, 8e3), HallHeat(27.0, 9e3))
    assert place("thermal-aware", {}, 16, index) == [(2, 8), (3, 8)]
    index.hall_heat = lambda: (HallHeat(24.0, 5e3), HallHeat(25.0, 8e3), HallHeat(23.0, -1e3))
    assert place("thermal-aware", {}, 1, index) == ((4, 1),)


def test_affinity_and_its_contrary():
    index = halls()
    jobs = {("node", "ada"): {4: 2, 1: 1}, ("hall", "ada"): {2: 2, 0: 1}}
    index.jobs_in = lambda level, labels: jobs.get((level, *labels), {})
    index.move(4, 8, 1)

    def nodes(name, level, gpus, user="ada"):
        policy = make_policy("placements", name, {"by": "user", "level": level})
        found = policy.place_shape(Shape(0, gpus, (0,), labels=(user,)), index)
        return [node for node, _ in found]

    assert nodes("affinity", "node", 1) == [4]
    assert nodes("affinity", "node", 2) == [1]  # the most that has room
    assert nodes("affinity", "hall", 2) == [5]
    assert nodes("affinity", "hall", 24) == [5, 0, 1]
    assert nodes("affinity", "node", 1, "bob") == [4]  # as best fit has it
    assert nodes("anti-affinity", "node", 1) == [0]
    assert nodes("anti-affinity", "hall", 16) == [2, 3]
    assert nodes("anti-affinity", "hall", 40) == [2, 3, 0, 1, 5]
    assert nodes("anti-affinity", "hall", 1, "bob") == [4]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pack", {"within": "node"}, r"pack.within: Input should be 'scale-up'"),
        ("buddy", {"levels": []}, r"buddy.levels: give one level at least"),
        ("buddy", {"levels": ["row", "rack"]}, r"units of row do not lie whole in larger units"),
        ("buddy", {"levels": ["rack", "leaf"]}, r"units of rack do not lie whole in larger units"),
        ("topology-aware", {"hops": {}}, r"hops: give one level at least"),
        ("topology-aware", {"hops": {"leaf": 0}}, r"hops.leaf: must be above 0, found 0"),
        ("topology-aware", {"hops": {"pod": 1}}, r"topology-aware.hops: Input should be"),
        ("topology-aware", {"tries": 0}, r"tries: must be 1 or above"),
        ("affinity", {"by": "queue"}, r"affinity.by: Input should be 'group', 'user' or 'model'"),
        ("random", {"seed": "two"}, r"random.seed: .* found 'two'"),
    ],
)
def test_options_are_checked(name, options, words):
    with pytest.raises(PolicyError, match=words):
        make_policy("placements", name, options)
