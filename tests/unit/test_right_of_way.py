"""Who gives way: against every other choice, on nodes small enough to try them all."""

from itertools import chain, combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.kernel.sketch import Sketch
from twin.policies.placements.best_fit import BestFit
from twin.policies.right_of_way import Candidate, RightOfWay
from twin.policies.view import Shape
from twin.site.fleet import Fleet
from twin.site.layout import Pool, lay_out


class Running:
    """A job on some nodes."""

    def __init__(self, row, held, since_s=0.0):
        self.row, self.held, self.since_s = row, held, since_s
        self.gpus = sum(mask.bit_count() for mask in held.values())


def hall(nodes, gpus=4):
    return lay_out([Pool("main", "node", "", gpus, nodes)])


def candidates(fleet, *asked):
    """Jobs by (placement, loss), the later the row the later the start."""
    found = []
    for row, (placement, loss) in enumerate(asked):
        job = Running(row, fleet.take(placement), since_s=float(row))
        gpus_on = {node: mask.bit_count() for node, mask in job.held.items()}
        pool = fleet.node_pool[placement[0][0]]
        found.append(Candidate(job, loss, job.since_s, pool, gpus_on))
    return found


def room_for(shape, here, sketch, site):
    return RightOfWay(sketch, site, lambda: here).room_for(shape)


def rows(victims):
    return sorted(each.job.row for each in victims)


def test_nobody_leaves_where_there_is_room():
    fleet = Fleet(hall(2))
    here = candidates(fleet, ([(0, 4)], 0.0))
    place, victims = room_for(Shape(0, 4, (0,)), here, Sketch(fleet, BestFit()), fleet.site)
    assert list(place) == [(1, 4)]
    assert victims == []


def test_who_loses_least_leaves_and_of_equals_who_started_last():
    fleet = Fleet(hall(3))
    here = candidates(fleet, ([(0, 4)], 9.0), ([(1, 4)], 5.0), ([(2, 4)], 5.0))
    place, victims = room_for(Shape(0, 2, (0,)), here, Sketch(fleet, BestFit()), fleet.site)
    assert list(place) == [(2, 2)]
    assert rows(victims) == [2]


def test_one_small_loss_is_better_than_a_large_job_or_many():
    fleet = Fleet(hall(2))
    here = candidates(fleet, ([(0, 1)], 3.0), ([(0, 3)], 4.0), ([(1, 2)], 5.0), ([(1, 2)], 8.0))
    _, victims = room_for(Shape(0, 2, (0,)), here, Sketch(fleet, BestFit()), fleet.site)
    assert rows(victims) == [1]


def test_a_job_of_several_nodes_is_asked_once():
    fleet = Fleet(hall(3))
    here = candidates(fleet, ([(0, 4), (1, 4)], 6.0), ([(2, 4)], 4.0))
    sketch = Sketch(fleet, BestFit())
    place, victims = room_for(Shape(0, 8, (0,)), here, sketch, fleet.site)
    assert sorted(place) == [(0, 4), (1, 4)]
    assert rows(victims) == [0]
    assert [sketch.free(node) for node in range(3)] == [0, 0, 0]


def test_where_nothing_helps_nobody_leaves():
    fleet = Fleet(hall(2))
    here = candidates(fleet, ([(0, 2)], 1.0), ([(1, 4)], 1.0))
    fleet.take([(0, 1)])  # by somebody who stays
    sketch = Sketch(fleet, BestFit())
    place, victims = room_for(Shape(0, 8, (0,)), here, sketch, fleet.site)
    assert place is None
    assert victims == []
    assert [sketch.free(node) for node in range(2)] == [1, 0]


@st.composite
def halls(draw):
    """A few nodes of four GPUs, with jobs of one or two nodes on them and others that stay."""
    n = draw(st.integers(1, 4))
    free = [4] * n
    asked = []
    for _ in range(draw(st.integers(0, 6))):
        node, gpus = draw(st.integers(0, n - 1)), draw(st.integers(1, 4))
        placement = [(node, gpus)]
        other = draw(st.integers(0, n - 1))
        if other != node and gpus == 4 and draw(st.booleans()):
            placement.append((other, 4))
        if all(free[v] >= g for v, g in placement):
            for v, g in placement:
                free[v] -= g
            asked.append((placement, float(draw(st.integers(0, 5)))))
    stay = [draw(st.integers(0, f)) for f in free]
    return n, asked, stay, draw(st.integers(1, 4 * n))


@settings(max_examples=300, deadline=None)
@given(halls())
def test_no_choice_is_cheaper_on_one_node_and_none_is_missed(drawn):
    n, asked, stay, gpus = drawn
    fleet = Fleet(hall(n))
    here = candidates(fleet, *asked)
    for node, held in enumerate(stay):
        if held:
            fleet.take([(node, held)])
    free = [mask.bit_count() for mask in fleet.free_mask]
    sketch = Sketch(fleet, BestFit())
    place, victims = room_for(Shape(0, gpus, (0,)), here, sketch, fleet.site)

    def fits(leave):
        cleared = list(free)
        for each in leave:
            for node, count in each.gpus_on.items():
                cleared[node] += count
        if gpus <= 4:
            return max(cleared) >= gpus
        return sum(count == 4 for count in cleared) >= -(-gpus // 4)

    choices = [
        choice
        for choice in chain.from_iterable(combinations(here, k) for k in range(len(here) + 1))
        if fits(choice)
    ]
    assert (place is not None) == bool(choices)
    if place is None:
        assert victims == []
        assert [sketch.free(node) for node in range(n)] == free
        return
    # The place is free once the victims are gone, and taken in the sketch; all others stay.
    after = list(free)
    for each in victims:
        for node, count in each.gpus_on.items():
            after[node] += count
    for node, count in place:
        after[node] -= count
    assert min(after) >= 0
    assert [sketch.free(node) for node in range(n)] == after
    # None of them could have stayed.
    for one in victims:
        assert any(after[node] < count for node, count in one.gpus_on.items())
    if gpus <= 4 and all(len(each.gpus_on) == 1 for each in here):
        loss = sum(each.loss_gpu_s for each in victims)
        cheapest = min(sum(each.loss_gpu_s for each in choice) for choice in choices)
        assert loss == cheapest


def test_who_may_leave_is_asked_once_somebody_must():
    fleet = Fleet(hall(2))
    here = candidates(fleet, ([(0, 4)], 1.0))
    asked = []
    way = RightOfWay(Sketch(fleet, BestFit()), fleet.site, lambda: asked.append(1) or here)
    assert way.room_for(Shape(0, 4, (0,))) == ([(1, 4)], [])
    assert not asked
    assert rows(way.room_for(Shape(0, 4, (0,)))[1]) == [0]
    assert way.room_for(Shape(0, 4, (0,))) == (None, [])
    assert len(asked) == 1


def test_jobs_of_other_pools_stay():
    site = lay_out([Pool("a", "node", "", 4, 1), Pool("b", "node", "", 4, 1)])
    fleet = Fleet(site)
    here = candidates(fleet, ([(0, 4)], 1.0), ([(1, 4)], 9.0))
    way = RightOfWay(Sketch(fleet, BestFit()), site, lambda: here)
    assert rows(way.room_for(Shape(0, 4, (1,)))[1]) == [1]
    assert way.room_for(Shape(0, 4, (1,))) == (None, [])
    assert rows(way.room_for(Shape(1, 4, (0, 1)))[1]) == [0]


def test_a_node_that_was_cleared_for_nothing_will_do_for_the_next_replica():
    """Node 3 is cleared first; then job 1 leaves three nodes, and the lowest two are taken."""
    fleet = Fleet(hall(4))
    here = candidates(fleet, ([(3, 4)], 1.0), ([(0, 4), (1, 4), (2, 4)], 9.0))
    way = RightOfWay(Sketch(fleet, BestFit()), fleet.site, lambda: here)
    assert rows(way.room_for(Shape(0, 8, (0,)))[1]) == [1]
    place, victims = way.room_for(Shape(0, 8, (0,)))
    assert sorted(place) == [(2, 4), (3, 4)]
    assert rows(victims) == [0]


def test_where_less_is_free_by_now_others_must_leave():
    """Two GPUs more: job 0 would do on node 0 until its free GPU is taken, then job 1 must go."""
    jobs = ([(0, 1)], 1.0), ([(0, 2)], 5.0), ([(1, 4)], 0.5), ([(2, 4)], 7.0)
    for taken, expected in (("", [0]), ("by others", [1]), ("by a replica", [1])):
        fleet = Fleet(hall(3))
        here = candidates(fleet, *jobs)
        way = RightOfWay(Sketch(fleet, BestFit()), fleet.site, lambda here=here: here)
        assert rows(way.room_for(Shape(0, 2, (0,)))[1]) == [2]
        way.take([(1, 2)])
        if taken == "by others":
            way.take([(0, 1)])
        elif taken:
            assert way.room_for(Shape(1, 1, (0,))) == ([(0, 1)], [])
        assert rows(way.room_for(Shape(0, 2, (0,)))[1]) == expected


@st.composite
def crowds(draw):
    """Nodes of four GPUs full of small jobs, some of which hold a part of another node too."""
    n = draw(st.integers(1, 4))
    free = [4] * n
    asked = []
    for node in [*range(n)] * 3:
        gpus = draw(st.integers(1, 3))
        if free[node] < gpus:
            continue
        placement = [(node, gpus)]
        other = draw(st.integers(0, n - 1))
        if other != node and free[other] >= gpus and draw(st.booleans()):
            placement.append((other, gpus))
        for v, g in placement:
            free[v] -= g
        asked.append((placement, float(draw(st.integers(0, 5)))))
    sizes = draw(st.lists(st.integers(1, 4 * min(n, 2)), min_size=1, max_size=2))
    return n, asked, draw(st.lists(st.sampled_from([0, *sizes]), min_size=2, max_size=8))


@settings(max_examples=200, deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_what_is_kept_from_one_replica_to_the_next_changes_nothing(drawn, random):
    """Several in a row go where they would if everything were found anew for each."""
    n, asked, sizes = drawn
    fleet = Fleet(hall(n))
    here = candidates(fleet, *asked)
    sketch, other = Sketch(fleet, BestFit()), Sketch(fleet, BestFit())
    way = RightOfWay(sketch, fleet.site, lambda: here)
    left = list(here)
    for gpus in sizes:
        free = [v for v in range(n) if sketch.free(v)]
        if free and not gpus:  # somebody else is given what is free
            place = [(random.choice(free), 1)]
            way.take(place)
            other.take(place)
        elif gpus:
            shape = Shape(gpus, gpus, (0,))
            found = way.room_for(shape)
            assert found == room_for(shape, left, other, fleet.site)
            left = [each for each in left if each not in found[1]]
            assert [sketch.free(v) for v in range(n)] == [other.free(v) for v in range(n)]
