"""Groups of nodes: kept as a pool changes, they answer as a count from scratch would."""

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.site.fleet import Fleet
from twin.site.index import FreeIndex
from twin.site.layout import Pool, lay_out

LEVELS = ("rack", "leaf", "row")


@st.composite
def used_pools(draw):
    """A pool, some of whose nodes were given out after groups were asked for, and free counts."""
    nodes, size = draw(st.integers(1, 40)), draw(st.sampled_from([1, 4]))
    site = lay_out([Pool("p", "n", "", size, nodes, nodes_per_rack=draw(st.integers(1, 6)),
                         racks_per_row=draw(st.integers(1, 4)),
                         nodes_per_leaf=draw(st.integers(1, 9)))])  # fmt: skip
    index, free = Fleet(site).index[0], [size] * nodes
    moves = st.lists(st.tuples(st.integers(0, nodes - 1), st.integers(0, size)), max_size=40)
    for part in (draw(moves), draw(moves)):
        for node, after in part:
            if free[node] != after:
                index.move(node, free[node], after)
                free[node] = after
        for level in LEVELS:  # from the first time on they are told of changes
            index.groups(level)
        index.groups("leaf", "row")
        index.tiers("rack", "row", "hall")
    return index, free


@settings(max_examples=200, deadline=None)
@given(used_pools(), st.data())
def test_groups_count_what_a_scan_counts(used, data):
    index, free = used
    size = index.gpus_per_node
    for levels in (*((level,) for level in LEVELS), ("leaf", "row")):
        groups = index.groups(*levels)
        units = list(zip(*(index.units(level) for level in levels), strict=True))
        assert [groups.units[group] for group in groups.of] == units
        whole = [[v for v in nodes if free[v] == size] for nodes in groups.members]
        assert groups.free == list(map(len, whole))
        assert groups.most() == max(groups.free)
        n = data.draw(st.integers(1, groups.largest + 2))
        enough = [(f, g) for g, f in enumerate(groups.free) if f >= n]
        assert groups.tightest(n) == (min(enough)[1] if enough else -1)
        just = [g for g, f in enumerate(groups.free) if f == n]
        assert groups.exactly(n) == (just[0] if just else -1)
        order = sorted((-f, g) for g, f in enumerate(groups.free) if f)
        assert list(groups.emptiest()) == [g for _, g in order]
        group = data.draw(st.integers(0, len(groups) - 1))
        assert index.wholly_free_in(levels, group, n) == whole[group][:n]
        gpus = data.draw(st.integers(1, size))
        fits = [(free[v], v) for v in groups.members[group] if free[v] >= gpus]
        assert index.tightest_in(levels, group, gpus) == (min(fits)[1] if fits else -1)
        if len(levels) == 1:
            some = data.draw(st.lists(st.sampled_from(range(len(groups))), unique=True))
            room = [g for g in some if any(free[v] >= gpus for v in groups.members[g])]
            assert sorted(index.with_room(*levels, set(some), gpus)) == sorted(room)


@settings(max_examples=100, deadline=None)
@given(used_pools())
def test_tiers_count_the_whole_racks_of_each_row_and_the_whole_rows(used):
    index, free = used
    racks, rows, halls = index.tiers("rack", "row", "hall")
    full = [rack for rack, nodes in enumerate(racks.members) if len(nodes) == racks.largest]
    whole = {r for r in full if all(free[v] == index.gpus_per_node for v in racks.members[r])}
    assert rows.free == [len(whole & set(members)) for members in rows.members]
    assert sorted(rack for members in rows.members for rack in members) == full
    for row, members in enumerate(rows.members):
        nodes = [node for rack in members for node in racks.members[rack]]
        assert {index.units("row")[node] for node in nodes} == {rows.units[row][0]}
    most = max(map(len, rows.members))
    whole_rows = [r for r, of in enumerate(rows.members) if len(of) == most and set(of) <= whole]
    assert halls.free == [len(whole_rows)]


@settings(max_examples=100, deadline=None)
@given(used_pools(), st.data())
def test_nodes_in_the_order_of_their_fit(used, data):
    index, free = used
    gpus = data.draw(st.integers(1, index.gpus_per_node))
    fits = [v for _, v in sorted((f, v) for v, f in enumerate(free) if f >= gpus)]
    assert list(index.fitting(gpus)) == fits
    assert index.having(gpus) == len(fits)
    assert [index.nth(gpus, k) for k in range(len(fits))] == fits
    assert index.first(gpus) == min(fits, default=-1)
    assert index.fewest(gpus) == (free[fits[0]] if fits else -1)
    just = [v for v, f in enumerate(free) if f == gpus]
    assert list(index.all_with(gpus)) == just
    assert index.exactly(gpus) == (just[0] if just else -1)


def test_a_copy_answers_alike_and_goes_its_own_way():
    site = lay_out([Pool("p", "n", "", 8, 8, nodes_per_rack=2, racks_per_row=2)])
    index = Fleet(site).index[0]
    racks, rows = index.tiers("rack", "row")
    index.move(0, 8, 5)
    copy = index.copy()
    copy.move(2, 8, 0)
    assert (racks.free, rows.free, index.changes) == ([1, 2, 2, 2], [1, 2], 1)
    racks, rows = copy.tiers("rack", "row")
    assert (racks.free, rows.free, copy.changes) == ([1, 1, 2, 2], [0, 2], 2)
    assert copy.groups("rack") is racks and copy.groups("hall").free == [6]
    assert copy.wholly_free_in(("rack",), 1, 2) == [3]


def test_the_nth_node_is_found_in_a_large_pool():
    """More than one word of the index, and holes in it."""
    index = FreeIndex(3000, 8)
    for node in range(0, 3000, 7):
        index.move(node, 8, 3)
    order = list(index.fitting(2))
    assert [index.nth(2, k) for k in range(3000)] == order


def test_a_pool_that_stands_nowhere_is_one_group():
    groups = FreeIndex(5, 8).groups("row")
    assert (len(groups), groups.free, groups.units) == (1, [5], [(0,)])
