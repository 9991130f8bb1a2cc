"""Rail-aligned places against every choice of groups, and by hand."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.registry import make_policy
from twin.site.fleet import Fleet
from twin.site.layout import Pool, lay_out

GPUS = 4


@st.composite
def halls(draw):
    """Some groups of leaves in one or two halls, and which nodes are wholly free."""
    leaf, per_hall = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    names = ("a", "b")[: draw(st.integers(1, 2))]
    nodes = leaf * per_hall * len(names)
    if len(names) == 1:  # the last group may be smaller
        nodes -= draw(st.integers(0, min(leaf - 1, nodes - 1)))
    site = lay_out([Pool("p", "n", "", GPUS, nodes, nodes_per_rack=leaf, racks_per_row=per_hall,
                         nodes_per_leaf=leaf, halls=names)])  # fmt: skip
    index = Fleet(site).index[0]
    whole = draw(st.lists(st.booleans(), min_size=nodes, max_size=nodes))
    for node, free in enumerate(whole):
        if not free:
            index.move(node, GPUS, draw(st.integers(0, GPUS - 1)))
    return index, whole


def by_unit(units, nodes):
    return {unit: [node for node in nodes if units[node] == unit] for unit in sorted(set(units))}


def least(n, rooms):
    """The fewest of some rooms that hold ``n``, by trying all."""
    for k in range(1, len(rooms) + 1):
        if any(sum(some) >= n for some in combinations(rooms, k)):
            return k
    return 99


@settings(max_examples=400, deadline=None)
@given(halls(), st.booleans(), st.data())
def test_never_more_groups_than_the_least_possible(used, strict, data):
    index, whole = used
    nodes = [node for node, free in enumerate(whole) if free]
    n = data.draw(st.integers(1, max(len(nodes), 1)))
    policy = make_policy("placements", "rail-aligned", {"strict": strict})
    leaf, hall = index.units("leaf"), index.units("hall")
    free = {unit: len(there) for unit, there in by_unit(leaf, nodes).items()}
    size = {unit: len(there) for unit, there in by_unit(leaf, range(len(whole))).items()}
    hall_of = dict(zip(leaf, hall, strict=True))
    fewest = least(n, list(free.values()))

    found = [node for node, _ in policy.place(n * GPUS, index) or ()]
    if n > len(nodes) or (strict and fewest > least(n, list(size.values()))):
        assert not found
        return
    assert len(set(found)) == n and all(whole[node] for node in found)
    taken = {unit: len(there) for unit, there in by_unit(leaf, found).items() if there}
    assert len(taken) == fewest

    if fewest == 1:  # the tightest that holds it whole
        (unit,) = taken
        assert free[unit] == min(room for room in free.values() if room >= n)
        return
    left = {unit for unit in taken if taken[unit] < free[unit]}
    assert len(left) <= 1  # parts after whole groups, and one part at most
    one = {
        name: least(n, [room for unit, room in free.items() if hall_of[unit] == name]) == fewest
        for name in set(hall)
    }
    spanned = {hall_of[unit] for unit in taken}
    if any(one.values()):
        (name,) = spanned
        rooms = {each: sum(free[u] for u in free if hall_of[u] == each) for each in one}
        assert rooms[name] == min(rooms[each] for each in one if one[each])
    for unit in left:
        others = [u for u in free if u not in taken and hall_of[u] in spanned]
        assert not any(taken[unit] <= free[u] < free[unit] for u in others)


@settings(max_examples=200, deadline=None)
@given(halls(), st.booleans())
def test_its_bound_is_the_largest_job_that_it_places(used, strict):
    index, whole = used
    policy = make_policy("placements", "rail-aligned", {"strict": strict})
    fits = [gpus for gpus in range(1, len(whole) * GPUS + 1) if policy.place(gpus, index)]
    assert policy.largest(index) == max(fits, default=0)


def groups(sizes, of=4, halls=("a",)):
    """Groups of four nodes with so many wholly free, the lowest taken first."""
    site = lay_out([Pool("p", "n", "", 8, of * len(sizes), nodes_per_rack=of,
                         racks_per_row=len(sizes) // len(halls), nodes_per_leaf=of,
                         halls=halls)])  # fmt: skip
    index = Fleet(site).index[0]
    for group, free in enumerate(sizes):
        for node in range(of - free):
            index.move(group * of + node, 8, 7)
    return index


def spans(index, gpus, **options):
    found = make_policy("placements", "rail-aligned", options).place(gpus, index)
    return found and [index.units("leaf")[node] for node, _ in found]


def test_by_hand():
    index = groups([3, 4, 2, 1])
    assert spans(index, 16) == [2, 2]  # the tightest that holds it
    assert spans(index, 40) == [1, 1, 1, 1, 3]  # a whole group, and the tightest for the rest
    assert spans(index, 56) == [1, 1, 1, 1, 0, 0, 0]
    assert spans(index, 80) == [1] * 4 + [0] * 3 + [2] * 2 + [3]
    assert spans(index, 7) == [3]  # a broken node, where least is whole
    assert spans(groups([3, 4, 0, 1]), 40, strict=True) == [1, 1, 1, 1, 3]
    assert spans(groups([3, 3, 2, 1]), 56, strict=True) is None  # an empty pool would give it two
    assert spans(groups([3, 3, 2, 1]), 48, strict=True) == [0, 0, 0, 1, 1, 1]
    assert spans(groups([3, 3, 2, 1]), 32, strict=True) is None  # and this one


def test_a_job_stays_in_one_hall_where_pack_takes_two():
    index = groups([4, 2, 3, 3], halls=("a", "b"))
    assert spans(index, 48) == [0, 0, 0, 0, 1, 1]
    index = groups([4, 1, 3, 3], halls=("a", "b"))
    assert spans(index, 48) == [2, 2, 2, 3, 3, 3]
    assert spans(index, 48, fabric="site") == [0, 0, 0, 0, 2, 2]
    packed = make_policy("placements", "pack", {}).place(48, index)
    assert {index.units("leaf")[node] for node, _ in packed} == {0, 2}
