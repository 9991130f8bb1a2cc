"""Which nodes are lit: by hand, by brute force, and for random halls."""

from dataclasses import replace

import numpy as np
import pytest
from hall_cases import MOST_W, REST_W, Sums, drawn_w, hall, halls
from hypothesis import assume, given
from hypothesis import strategies as st

from twin.errors import PolicyError
from twin.policies.power_view import DEMAND_DARK, HEAT_DARK, LIT, POWER_DARK, Curve
from twin.registry import make_policy


def light(name, seen, **options):
    return make_policy("lighting", name, options).light(seen)


def lit(name, seen, **options):
    return np.flatnonzero(light(name, seen, **options) == LIT).tolist()


def at_power(seen, gpu_w):
    """(n_node,) power of nodes whose GPUs draw so much each, written out."""
    found = []
    for i in range(len(seen.pool)):
        run = seen.tdp_w[i] - seen.gpu_idle_w[i]
        slope = (seen.nameplate_w[i] - seen.idle_w[i]) / run
        found.append(seen.idle_w[i] + slope * (gpu_w - seen.gpu_idle_w[i]))
    return np.array(found)


# -- nameplate


def test_nameplate_lights_what_could_draw_its_most_whole_racks_first():
    assert lit("nameplate", hall(12, [("site", 0, 5 * MOST_W + 10)])) == [0, 1, 2, 3, 4]
    # Rack 0 has no room for all its nodes: racks 1 and 2 come first, and there is no fifth rack.
    seen = hall(12, [("site", 0, 9 * MOST_W), ("rack", 0, 3 * MOST_W)])
    assert lit("nameplate", seen) == [0, 4, 5, 6, 7, 8, 9, 10, 11]


def test_overhead_and_dark_nodes_take_their_part():
    seen = hall(4, [("site", 0, 23_000.0)])
    seen = replace(seen, drawn_w=Sums(seen.units, 1000.0, 1.1))
    assert lit("nameplate", seen) == [0, 1]  # 22 kW / 1.1 = 20 kW
    seen = replace(seen, cap_w=np.array([1000.0 + 1.1 * 24_000]))
    assert lit("nameplate", seen) == [0, 1, 2]
    seen = replace(seen, off_w=np.full(4, 100.0))  # the fourth draws 100 W more than there are
    assert lit("nameplate", seen) == [0, 1]


def test_nodes_in_repair_are_lit_last():
    down = np.array([True, True, False, False])
    assert lit("nameplate", hall(4, [("site", 0, 3 * MOST_W)], down=down)) == [0, 2, 3]


def test_what_the_caps_would_have_left_lit_is_dark_for_heat():
    """Caps leave five nodes: the first rack and one more. Cooling leaves two of the first rack."""
    seen = hall(8, [("site", 0, 5 * MOST_W)], heat_cap_w=np.repeat([MOST_W / 2, np.inf], 4))
    assert light("nameplate", seen).tolist() == [LIT, *[HEAT_DARK] * 3, *[LIT] * 4]
    seen = replace(seen, cap_w=np.array([MOST_W]))
    assert light("nameplate", seen).tolist() == [LIT, *[POWER_DARK] * 7]


@given(seen=halls())
def test_nameplate_fits_under_every_cap_and_leaves_no_room(seen):
    answer = light("nameplate", seen)
    assert_fits_and_is_full(seen, answer, seen.nameplate_w)


@given(seen=halls(quadratic_per_w=3e-6), name=st.sampled_from(["nameplate", "dark"]))
def test_losses_that_grow_with_the_square_leave_all_caps_kept(seen, name):
    answer = light(name, seen)
    drawn = drawn_w(seen, answer, seen.nameplate_w)
    none = drawn_w(seen, np.full(len(answer), POWER_DARK), seen.nameplate_w)
    assert ((drawn <= seen.cap_w * (1 + 1e-9)) | (drawn == none)).all()


@given(cap_w=st.floats(0, 3e6), quadratic_per_w=st.sampled_from([0.0, 1e-7, 2e-7]))
def test_losses_that_grow_with_the_square_leave_no_room_for_two(cap_w, quadratic_per_w):
    """They reach a third with all 200 lit, where the chord ends that room is measured with."""
    seen = hall(200, [("site", 0, cap_w)])
    seen = replace(seen, drawn_w=Sums(seen.units, 0.0, 1.05, quadratic_per_w))
    fit = [n for n in range(201) if (w := n * MOST_W) * (1.05 + quadratic_per_w * w) <= cap_w]
    assert len(fit) - 2 <= len(lit("nameplate", seen)) <= len(fit) - 1


def assert_fits_and_is_full(seen, answer, need_w):
    none = drawn_w(seen, np.full(len(answer), POWER_DARK), need_w)
    drawn = drawn_w(seen, answer, need_w)
    assert ((drawn <= seen.cap_w * (1 + 1e-9) + 1e-6) | (drawn == none)).all()
    heat_w = np.where(answer == LIT, need_w, seen.off_w)
    for unit in set(seen.units["cdu"].tolist()):
        here = seen.units["cdu"] == unit
        limit_w = seen.heat_cap_w[here].sum()
        assert heat_w[here].sum() <= limit_w * (1 + 1e-9) or not (answer[here] == LIT).any()
    for node in np.flatnonzero(answer != LIT):
        with_it = answer.copy()
        with_it[node] = LIT
        over = (drawn_w(seen, with_it, need_w) > seen.cap_w).any()
        here = seen.units["cdu"] == seen.units["cdu"][node]
        heat = np.where(with_it == LIT, need_w, seen.off_w)[here].sum()
        assert over or heat > seen.heat_cap_w[here].sum()
        assert not (answer[node] == HEAT_DARK and np.isinf(seen.heat_cap_w[node]))


# -- dark


@given(
    seen=halls(),
    order=st.sampled_from(["oldest", "hottest", "rack-power", "whole", "rotate"]),
    at=st.sampled_from([0.5, 0.8, 1.0]),
)
def test_dark_fits_under_every_cap_and_leaves_no_room(seen, order, at):
    need_w = np.maximum(at_power(seen, at * 700.0), seen.floor_w)
    answer = light("dark", seen, order=order, at=at)
    assert_fits_and_is_full(seen, answer, need_w)


@given(seen=halls(), unit=st.sampled_from(["rack", "row"]))
def test_units_are_lit_whole_or_not_at_all(seen, unit):
    answer = light("dark", seen, unit=unit)
    for number in set(seen.units[unit].tolist()):
        assert len(set((answer[seen.units[unit] == number] == LIT).tolist())) == 1


def test_more_nodes_are_lit_the_less_each_may_draw():
    seen = hall(12, [("site", 0, 30_000.0)])
    # A node at half of 700 W a GPU: 2 kW + 6 kW x 250 / 600.
    assert lit("dark", seen, at=1.0) == [0, 1, 2]
    assert len(lit("dark", seen, at=0.5)) == int(30_000 / (REST_W + 6000 * 250 / 600))
    assert len(lit("dark", seen, at=0.1)) == 10  # 3 kW at the least cap


def test_orders_by_hand():
    three = [("site", 0, 3 * MOST_W)]
    ages = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.0])
    assert lit("dark", hall(6, three, age_s=ages), order="oldest") == [1, 3, 5]
    inlet = np.array([30.0, 22.0, 31.0, 22.4, 25.0, 21.0])
    assert lit("dark", hall(6, three, inlet_degc=inlet), order="hottest") == [1, 3, 5]
    # The second rack has only two nodes: less power than the first.
    assert lit("dark", hall(6, three), order="rack-power") == [0, 4, 5]
    worn = np.array([7.0, 7.0, 7.0, 0.0, 0.0, 0.0]) * 86400
    assert lit("dark", hall(6, three, lit_s=worn), order="rotate", every="7 d") == [3, 4, 5]
    assert lit("dark", hall(6, three, lit_s=worn / 3), order="rotate", every="7 d") == [0, 1, 2]
    seen = hall(12, [("site", 0, 6 * MOST_W), ("rack", 0, 3 * MOST_W)])
    assert lit("dark", seen, order="whole") == [0, 1, 4, 5, 6, 7]
    assert lit("dark", seen, order="whole", unit="rack") == [4, 5, 6, 7]


def test_rotation_looks_again_and_others_do_not():
    assert make_policy("lighting", "dark", {"order": "rotate", "every": "3 d"}).review_s == 259200
    assert make_policy("lighting", "dark", {"order": "oldest"}).review_s == np.inf


def test_nodes_are_not_switched_for_nothing():
    """Of equals the lit ones stay lit."""
    burns = np.array([False, False, True, True])
    seen = hall(4, [("site", 0, 2 * MOST_W)], lit=burns)
    assert lit("dark", seen, order="oldest") == [2, 3]


def test_a_week_of_wear_each():
    """Four nodes, power for two: after eight weeks each was lit for four."""
    seen, worn, week = hall(4, [("site", 0, 2 * MOST_W)]), np.zeros(4), 7 * 86400.0
    for _ in range(8):
        on = light("dark", replace(seen, lit_s=worn), order="rotate") == LIT
        worn = worn + week * on
    assert worn.tolist() == [4 * week] * 4


# -- dim or dark


def bent(host_w, power, gpus=8, nodes=40, cap_w=0.0):
    """Nodes whose host draws ``host_w`` for each GPU; speed is the root of GPU power."""
    gpu_w = np.linspace(50, 700, 2601)
    idle_w = np.full(nodes, gpus * (100.0 + host_w))
    return hall(
        nodes,
        [("site", 0, cap_w)],
        curves=[Curve(gpu_w, (gpu_w / 700) ** power)],
        idle_w=idle_w,
        nameplate_w=idle_w + gpus * 600.0,
        floor_w=np.full(nodes, gpus * (50.0 + host_w)),
    )


@pytest.mark.parametrize(("host_w", "power"), [(150.0, 0.5), (300.0, 0.5), (100.0, 0.7)])
def test_the_optimum_is_where_marginal_speed_equals_mean_speed(host_w, power):
    """r = P^a and a host of h: r' = r / (P + h) at P = h a / (1 - a)."""
    best_w = host_w * power / (1 - power)
    for count in (3, 11, 27):
        cap_w = count * 8 * (best_w + host_w)
        assert len(lit("dim-or-dark", bent(host_w, power, cap_w=cap_w * (1 + 1e-9)))) == count


@given(
    cap_w=st.floats(0, 40 * 8 * 900.0),
    host_w=st.sampled_from([60.0, 125.0, 250.0]),
    power=st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_equals_brute_force_over_the_number_of_nodes(cap_w, host_w, power):
    seen = bent(host_w, power, cap_w=cap_w)

    def work(n):
        """All nodes alike: none where the least cap does not fit."""
        curve = seen.curves[0]
        return n * np.interp(cap_w / (8 * n) - host_w, curve.power_w, curve.rate, left=0.0)

    found = len(lit("dim-or-dark", seen))
    best = max(work(n) for n in range(1, 41))
    assert (work(found) if found else 0.0) >= best * (1 - 1e-9)


def test_all_are_dimmed_before_any_goes_dark():
    best_w = 8 * (150.0 + 150.0)  # root of power, host of 150 W: the best is at 150 W
    assert len(lit("dim-or-dark", bent(150.0, 0.5, cap_w=40 * best_w))) == 40
    assert len(lit("dim-or-dark", bent(150.0, 0.5, cap_w=30 * best_w))) == 30


def test_each_cap_is_solved_for_itself():
    best_w = 8 * 300.0
    seen = bent(150.0, 0.5, cap_w=1e9)
    seen = replace(
        seen,
        cap_level=["rack", "rack"],
        cap_unit=[0, 2],
        cap_w=np.array([3 * best_w, 2 * best_w]),
    )
    answer = light("dim-or-dark", seen)
    assert [(answer[4 * r : 4 * r + 4] == LIT).sum() for r in range(4)] == [3, 4, 2, 4]


@given(seen=halls())
def test_dim_or_dark_can_run_at_its_floor_at_least(seen):
    """What is lit fits at the least power of its GPUs, in pools mixed as they may be."""
    least_w = at_power(seen, 200.0)
    assume((least_w >= seen.off_w).all())
    answer = light("dim-or-dark", seen)
    none = drawn_w(seen, np.full(len(answer), POWER_DARK), least_w)
    drawn = drawn_w(seen, answer, least_w)
    assert ((drawn <= seen.cap_w * (1 + 1e-9) + 1e-6) | (drawn == none)).all()


def test_the_pool_with_the_most_speed_for_a_watt_comes_first():
    seen = hall(8, [("site", 0, 4 * MOST_W)], pool=np.repeat([0, 1], 4).astype(np.int32))
    slow = Curve(np.array([699.0, 700.0]), np.array([0.99, 1.0]))
    quick = Curve(np.array([200.0, 700.0]), np.array([0.9, 1.0]))
    assert lit("dim-or-dark", replace(seen, curves=[slow, quick]))[-4:] == [4, 5, 6, 7]


# -- sleep


def idle(minutes, **more):
    """One pool; nodes free for so many minutes, busy where that is None."""
    busy = np.array([m is None for m in minutes])
    since_s = [np.nan if m is None else 6000.0 - 60.0 * m for m in minutes]
    return hall(len(minutes), now_s=6000.0, busy=busy, idle_since_s=np.array(since_s), **more)


def test_sleep_after_a_while_but_for_a_reserve():
    seen = idle([None, 3, 10, 30, 9.99])
    assert light("sleep", seen).tolist() == [LIT, LIT, DEMAND_DARK, DEMAND_DARK, LIT]
    assert light("sleep", seen, after="40 min").tolist() == [LIT] * 5
    assert lit("sleep", seen, after="0 s") == [0]
    # Two are free for less than ten minutes: they are the reserve; of three the latest stays too.
    assert lit("sleep", seen, reserve=2) == [0, 1, 4]
    assert lit("sleep", seen, reserve=3) == [0, 1, 2, 4]


def test_waiting_jobs_wake_as_many_nodes_as_they_need():
    dark = np.array([True, False, False, False, True])
    seen = idle([None, 50, 40, 30, 20], lit=dark)
    assert lit("sleep", seen) == [0]
    waits = replace(seen, waiting_gpus=np.array([17]))
    assert lit("sleep", waits) == [0, 1, 2, 4]  # the lit one, and the first two that are dark
    assert lit("sleep", replace(seen, waiting_gpus=np.array([1000]))) == [0, 1, 2, 3, 4]
    down = np.array([False, True, False, False, False])
    assert lit("sleep", replace(waits, down=down)) == [0, 1, 2, 3, 4]  # 1 is in repair


def test_sleep_counts_each_pool_for_itself():
    seen = idle([50, 40, 30, 20], pool=np.array([0, 0, 1, 1], np.int32))
    seen = replace(seen, waiting_gpus=np.array([0, 8]))
    assert lit("sleep", seen) == [3]
    assert lit("sleep", seen, reserve=1) == [1, 2, 3]


@given(seen=halls(), reserve=st.integers(0, 3))
def test_work_is_never_put_to_sleep_and_what_is_needed_is_awake(seen, reserve):
    answer = light("sleep", seen, reserve=reserve)
    assert (answer[seen.busy] == LIT).all()
    for pool, waiting in enumerate(seen.waiting_gpus):
        free = (seen.pool == pool) & ~seen.busy & ~seen.down
        gpus = seen.gpus[free & (answer == LIT)].sum()
        wanted = waiting + reserve * seen.gpus[seen.pool == pool][0]
        assert gpus >= min(wanted, seen.gpus[free].sum())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("dark", {"at": 0.0}, r"dark\.at: must be above 0 and at most 1, found 0"),
        ("dark", {"at": 1.2}, r"dark\.at: must be above 0"),
        ("dark", {"every": "0 s"}, r"dark\.every: must be above 0 s"),
        ("dark", {"order": "newest"}, r"dark\.order: .*'oldest'"),
        ("dark", {"unit": "hall"}, r"dark\.unit: .*'node'"),
        ("sleep", {"after": "-1 min"}, r"sleep\.after: must be 0 s or above"),
        ("sleep", {"reserve": -1}, r"sleep\.reserve: must be 0 or above"),
        ("sleep", {"review": "0 s"}, r"sleep\.review: must be above 0 s"),
    ],
)
def test_options_out_of_range(name, options, words):
    with pytest.raises(PolicyError, match=words):
        make_policy("lighting", name, options)
