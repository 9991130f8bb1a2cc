"""Checkpoint intervals, expected times, availability and spares: by hand, by force, by chance."""

from itertools import product
from math import e, exp, expm1, factorial, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from twin.errors import DomainError
from twin.physics.checkpoints import (
    best_interval_s,
    daly_interval_s,
    expected_ettr,
    expected_lost_s,
    expected_wall_exact_s,
    expected_wall_s,
    first_order_ettr,
    young_interval_s,
)
from twin.physics.reliability import (
    availability,
    birth_death,
    job_mttf_s,
    k_of_n_availability,
    spares_for,
    straggler_factor,
    temperature_factor,
)

HOUR = 3600.0
DAY = 24 * HOUR


def spread(low, high):
    """Floats between two bounds, every power of ten alike."""
    return st.floats(log(low), log(high)).map(exp)


# -- the interval


def test_worked_check():
    """A minute to write, four hours to a failure, five minutes to begin again."""
    w, m, r = 60.0, 4 * HOUR, 300.0
    assert young_interval_s(w, m) == pytest.approx(1314.5, abs=0.05)
    assert daly_interval_s(w, m) == pytest.approx(1274.8, abs=0.05)
    assert best_interval_s(w, m) == pytest.approx(1274.8, abs=0.05)
    assert expected_ettr(best_interval_s(w, m), w, r, m) == pytest.approx(0.8927, abs=5e-5)
    assert first_order_ettr(young_interval_s(w, m), w, r, m) == pytest.approx(0.8837, abs=5e-5)


@pytest.mark.parametrize(
    ("mttf_min", "published_min", "unit"), [(1440, 117, 0), (360, 57, 0), (15, 9.1, 1)]
)
def test_intervals_that_daly_published(mttf_min, published_min, unit):
    """Captions of figures 3 to 5: dumps of 5 minutes."""
    assert round(float(daly_interval_s(300, 60 * mttf_min)) / 60, unit) == published_min


@given(spread(1e-10, 300), spread(1e-3, 1e3))
def test_no_interval_beats_the_best(write, times):
    """For all writes, and at the root of ``(1 - u) e^u = e^(-w/M)`` that is the optimum."""
    best = float(best_interval_s(write, 1.0))
    at_best, other = expected_ettr([best, best * times], write, 0.1, 1.0)
    assert other <= at_best * (1 + 1e-12)
    if write < 20:  # later the optimum is M to the last digits
        assert -best - np.log1p(-best) == pytest.approx(write, rel=1e-8)


@pytest.mark.parametrize("write", [1e-8, 1e-6, 1e-3, 0.1, 1.0, 5.0])
def test_a_wrong_interval_costs(write):
    """The optimum is where it is said to be: a tenth off on either side is worse."""
    best = float(best_interval_s(write, 1.0))
    at_best, below, above = expected_ettr(np.array([1, 0.9, 1.1]) * best, write, 0, 1.0)
    assert below < at_best
    assert above < at_best


def test_intervals_agree_where_writes_are_short_and_part_where_they_are_not():
    w = np.array([1e-9, 1e-7, 1e-5])
    best = best_interval_s(w, 1.0)
    assert daly_interval_s(w, 1.0) == pytest.approx(best, rel=1e-9)
    assert young_interval_s(w, 1.0) == pytest.approx(best, rel=2e-3)
    assert young_interval_s(0.1, 1.0) / best_interval_s(0.1, 1.0) == pytest.approx(1.17, abs=0.005)
    assert daly_interval_s([2.0, 7.0], 1.0).tolist() == [1, 1]
    assert best_interval_s(30.0, 1.0) == pytest.approx(1, abs=1e-12)
    # The two ways of computing the optimum meet.
    below, above = best_interval_s(np.array([1 - 1e-12, 1 + 1e-12]) * 1e-6, 1.0)
    assert below == pytest.approx(above, rel=1e-9)


@pytest.mark.parametrize("interval_s", [young_interval_s, daly_interval_s, best_interval_s])
def test_intervals_at_the_ends(interval_s):
    assert interval_s([0.0, 1.0], inf).tolist() == [inf, inf]  # nothing fails, nothing is saved
    assert interval_s(0, 100.0) == 0  # what is free is done all the time
    # So rare are failures that only the first order is left.
    assert interval_s(1.0, 1e14) == pytest.approx(sqrt(2e14), rel=1e-6)
    assert interval_s(np.ones((3, 1)), np.ones(4)).shape == (3, 4)


# -- the expected times


def runs(work_s, tau_s, write_s, restart_s, mttf_s, *, write_last, n, seed):
    """Wall times of n jobs, and what each failure cost, by a walk along drawn failure times."""
    rng = np.random.default_rng(seed)
    walls, lost = [], []
    for _ in range(n):
        now_s, done_s, fail_s = 0.0, 0.0, rng.exponential(mttf_s)
        while done_s < work_s:
            piece_s = min(tau_s, work_s - done_s)
            last = done_s + piece_s >= work_s
            end_s = now_s + piece_s + (write_s if write_last or not last else 0.0)
            if end_s <= fail_s:
                now_s, done_s = end_s, done_s + piece_s
                continue
            lost.append(fail_s - now_s)
            begun_s = fail_s
            fail_s += rng.exponential(mttf_s)
            while fail_s < begun_s + restart_s:  # a restart that fails begins anew
                begun_s = fail_s
                fail_s += rng.exponential(mttf_s)
            now_s = begun_s + restart_s
        walls.append(now_s)
    return np.array(walls), np.array(lost)


def agrees(sample, expected, within):
    """The mean is that expected to four standard errors, and the errors are small enough."""
    error = sample.std(ddof=1) / sqrt(len(sample))
    assert 4 * error < within * expected
    assert sample.mean() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    ("write_s", "restart_s", "mttf_s"), [(60, 300, 4000), (400, 900, 2000), (5, 0, 500)]
)
def test_expected_wall_against_a_simulation(write_s, restart_s, mttf_s):
    work_s, tau_s, n = 12_000.0, 1000.0, 4000
    told = (work_s, tau_s, write_s, restart_s, mttf_s)
    walls, lost = runs(*told, write_last=True, n=n, seed=1)
    agrees(walls, float(expected_wall_s(*told)), 0.06)
    agrees(lost, float(expected_lost_s(tau_s + write_s, mttf_s)), 0.06)


@pytest.mark.parametrize("work_s", [300.0, 3000.0, 3300.0])
def test_expected_wall_of_finite_work_against_a_simulation(work_s):
    told = (work_s, 1000.0, 400.0, 600.0, 2000.0)
    walls, _ = runs(*told, write_last=False, n=6000, seed=2)
    expected = float(expected_wall_exact_s(*told))
    agrees(walls, expected, 0.07)
    # The interval is narrow enough to tell: with a restart before the first attempt, or with a
    # write after the last segment, the mean would be seen to differ.
    error = walls.std(ddof=1) / sqrt(len(walls))
    assert 2000 * expm1(600 / 2000) > 4 * error
    assert expected_wall_s(*told) - expected > 4 * error or work_s < 1000


def test_expected_wall_exact_by_hand():
    """Two segments saved, the third not: M = 1, R = ln 2."""
    segment, last = exp(0.5 + 0.1) - 1, exp(0.3) - 1
    assert expected_wall_exact_s(1.3, 0.5, 0.1, log(2), 1.0) == pytest.approx(
        2 * (2 * segment + last)
    )
    # Work of whole intervals: `expected_wall_s` has one checkpoint more.
    more = expected_wall_s(1.5, 0.5, 0.1, 0, 1) - expected_wall_exact_s(1.5, 0.5, 0.1, 0, 1)
    assert more == pytest.approx(exp(0.6) - exp(0.5))


@given(st.integers(1, 1000), spread(1e-3, 1e6))
def test_rounding_adds_no_segment(n, tau_s):
    """n intervals of work have n - 1 checkpoints, however the product was rounded."""
    wall_s = expected_wall_exact_s(n * tau_s, tau_s, tau_s, 0, inf)
    assert wall_s == pytest.approx((2 * n - 1) * tau_s)


def test_a_little_more_work_takes_a_checkpoint_more():
    assert expected_wall_exact_s([3.0, 3.001], 1, 0.5, 0, inf) == pytest.approx([4, 4.501])
    assert expected_wall_exact_s(0.3, 0.1, 0.5, 0, inf) == pytest.approx(1.3)  # 0.3/0.1 < 3
    assert 3 * 0.1 / 0.1 > 3
    assert expected_wall_exact_s(3 * 0.1, 0.1, 0.5, 0, inf) == pytest.approx(1.3)


def test_times_at_the_ends():
    # Nothing fails: only the writes are left.
    assert expected_wall_s(3600, 600, 60, 300, inf) == pytest.approx(3960)
    assert expected_wall_exact_s(3600, 600, 60, 300, inf) == pytest.approx(3900)
    assert expected_ettr(600, 60, 300, inf) == pytest.approx(600 / 660)
    assert first_order_ettr(600, 60, 300, inf) == pytest.approx(0.9)
    assert expected_lost_s(660, inf) == 330
    rare = 1e15
    assert expected_wall_s(3600, 600, 60, 300, rare) == pytest.approx(3960)
    assert expected_wall_exact_s(3600, 600, 60, 300, rare) == pytest.approx(3900)
    # Nothing is saved: one segment, and in the long run no progress at all.
    assert expected_wall_exact_s(100, inf, 60, 50, 200) == pytest.approx(
        200 * exp(0.25) * expm1(0.5)
    )
    assert expected_ettr(inf, 60, 300, HOUR) == 0
    assert expected_ettr(inf, 60, 300, inf) == 1
    assert expected_lost_s(inf, HOUR) == HOUR
    assert expected_lost_s(inf, inf) == inf
    # Beyond floating point, and no work.
    assert expected_wall_s(1, 1e6, 0, 0, 1.0) == inf
    assert expected_wall_exact_s([0, 1e6], inf, 1, 1e6, 1.0).tolist() == [0, inf]
    assert expected_wall_s(0, 1e6, 0, 0, 1.0) == 0


@given(spread(1e-3, 1e3), st.floats(0, 10), st.floats(0, 10), spread(1e-2, 1e6))
def test_first_order_is_never_above(tau_s, write_s, restart_s, mttf_s):
    exact = expected_ettr(tau_s, write_s, restart_s, mttf_s)
    near = first_order_ettr(tau_s, write_s, restart_s, mttf_s)
    assert 0 <= exact <= 1
    assert near <= exact + 1e-12
    # Of second order: no further off than the square of what is lost.
    assert exact - near <= (1 - near) ** 2 + 1e-12


@given(spread(1e-9, 1e3))
def test_lost_time_is_the_mean_of_a_cut_off_exponential(cycle):
    """Against quadrature; the mean lies in the first half of the cycle."""
    within = quad(lambda t: t * exp(-t * cycle), 0, 1, points=[min(0.5, 5 / cycle)])[0]
    expected = cycle**2 * within / -expm1(-cycle)
    assert expected_lost_s(cycle, 1.0) == pytest.approx(expected, rel=1e-7)
    assert expected_lost_s(cycle, 1.0) <= min(cycle / 2, 1.0)


def test_lost_time_is_smooth_where_the_series_ends():
    below, above = expected_lost_s(np.array([0.01 - 1e-9, 0.01 + 1e-9]), 1.0)
    slope = 1 / 2 - 0.01 / 6
    assert above - below == pytest.approx(2e-9 * slope, rel=1e-6)


def test_times_broadcast():
    tau = np.array([[300.0], [600.0], [900.0]])
    m = np.array([HOUR, DAY])
    for found in (
        expected_wall_s(DAY, tau, 60, 300, m),
        expected_wall_exact_s(DAY, tau, 60, 300, m),
        expected_ettr(tau, 60, 300, m),
        first_order_ettr(tau, 60, 300, m),
        expected_lost_s(tau + 60, m),
    ):
        assert found.shape == (3, 2)
    assert expected_wall_exact_s(DAY, tau, 60, 300, m)[1, 0] == expected_wall_exact_s(
        DAY, 600, 60, 300, HOUR
    )


# -- rates and availability


@pytest.mark.parametrize(
    ("per_1000_node_days", "gpus", "hours"),
    [(3.79, 16_384, 3.09), (6.50, 16_384, 1.80), (6.50, 131_072, 0.225), (2.34, 16_384, 5.0)],
)
def test_job_mttf_of_published_clusters(per_1000_node_days, gpus, hours):
    """Llama 3; RSC-1 and its extrapolation; RSC-2: nodes of eight GPUs."""
    nodes = np.full(gpus // 8, per_1000_node_days / (1000 * DAY))
    assert job_mttf_s(nodes) / HOUR == pytest.approx(hours, rel=0.005)


def test_job_mttf():
    assert job_mttf_s([[1e-3, 3e-3], [0, 0]]).tolist() == [250, inf]
    assert job_mttf_s(0.5) == 2
    assert job_mttf_s([]) == inf


def test_availability():
    assert availability(99, 1) == pytest.approx(0.99)
    assert availability([inf, 1], [5, 0]).tolist() == [1, 1]


@pytest.mark.parametrize("a", [0.0, 0.1, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("n", [1, 4, 8])
def test_k_of_n_by_enumeration(n, a):
    up = [sum(state) for state in product([0, 1], repeat=n)]
    chance = [a**u * (1 - a) ** (n - u) for u in up]
    for k in range(n + 1):
        expected = sum(c for u, c in zip(up, chance, strict=True) if u >= k)
        assert k_of_n_availability(k, n, a) == pytest.approx(expected, abs=1e-14)


def test_k_of_n_of_a_rack():
    """A domain of 72 GPUs that all must be up loses about 72 (1 - A) of its time."""
    assert k_of_n_availability(72, 72, 0.999) == pytest.approx(0.999**72)
    assert 1 - k_of_n_availability(72, 72, 1 - 1e-6) == pytest.approx(72e-6, rel=1e-4)
    assert (np.diff(k_of_n_availability([72, 68, 64], 72, 0.99)) > 0).all()
    assert k_of_n_availability(0, 0, 0.5) == 1


# -- the number of failed units


def by_generator(n, spares, failing, repairing, crews, hot):
    """Solve pi Q = 0 with sum pi = 1, Q filled event by event."""
    size = n + spares + 1
    q = np.zeros((size, size))
    for failed in range(size):
        for unit in range(n + spares - failed):  # those that are up, the first n at work
            if unit < n or hot:
                q[failed, failed + 1] += failing
        for _ in range(int(min(failed, crews))):
            q[failed, failed - 1] += repairing
        q[failed, failed] = -q[failed].sum()
    equations = np.vstack([q.T, np.ones(size)])
    return np.linalg.lstsq(equations, np.eye(size + 1)[-1], rcond=None)[0]


@pytest.mark.parametrize("hot", [True, False])
@pytest.mark.parametrize("crews", [1, 2, inf])
@pytest.mark.parametrize(("n", "spares", "failing"), [(1, 0, 0.3), (3, 2, 0.2), (5, 4, 0.7)])
def test_birth_death_against_the_generator(n, spares, failing, crews, hot):
    law = birth_death(n, spares, failing, 1.0, crews, hot=hot)
    assert law == pytest.approx(by_generator(n, spares, failing, 1.0, crews, hot), abs=1e-12)


def test_hot_spares_by_the_states_of_every_unit():
    """Four units, each up or down; two crews pick among the failed at random: 16 states."""
    states = list(product([0, 1], repeat=4))  # 1: failed
    q = np.zeros((16, 16))
    for here, state in enumerate(states):
        for unit, failed in enumerate(state):
            other = states.index((*state[:unit], 1 - failed, *state[unit + 1 :]))
            q[here, other] = min(sum(state), 2) / sum(state) if failed else 0.4
        q[here, here] = -q[here].sum()
    chance = np.linalg.lstsq(np.vstack([q.T, np.ones(16)]), np.eye(17)[-1], rcond=None)[0]
    expected = np.bincount([sum(state) for state in states], weights=chance)
    assert birth_death(3, 1, 0.4, 1.0, 2) == pytest.approx(expected, abs=1e-12)


def test_birth_death_has_the_laws_it_should():
    """As many crews as it takes: k of n. One unit: availability. Cold and many: Poisson."""
    law = birth_death(8, 3, 0.05, 1.0)
    assert law[:4].sum() == pytest.approx(k_of_n_availability(8, 11, availability(20, 1)))
    assert birth_death(1, 0, 1 / 90, 1 / 10, 1)[0] == pytest.approx(availability(90, 10))
    cold = birth_death(50, 40, 0.1, 1.0, hot=False)  # 5 out in the mean: 40 never are
    poisson = [exp(-5) * 5**j / factorial(j) for j in range(20)]
    assert cold[:20] == pytest.approx(poisson, abs=1e-12)
    assert (np.cumsum(cold) + 1e-12 >= np.cumsum(birth_death(50, 40, 0.1, 1.0))).all()


def test_birth_death_at_the_ends():
    assert birth_death(3, 1, 0.0, 1.0).tolist() == [1, 0, 0, 0, 0]
    large = birth_death(20_000, 200, 1e-8, 1e-5, 15)  # 20 out in the mean, and too few crews
    assert large.shape == (20_201,)
    assert large.sum() == pytest.approx(1)
    mean = large @ np.arange(20_201)
    assert (20_200 - mean) * 1e-8 == pytest.approx(15e-5)  # what fails is what the crews repair


# -- spares


@pytest.mark.parametrize(
    ("nodes", "per_1000_days", "repair_days", "mean_out", "spares"),
    [
        (2048, 6.50, 1, 13.3, [20, 22, 26]),
        (1250, 4.15, 1, 5.2, [9, 11, 14]),
        (3072, 3.79, 0.5, 5.8, [10, 12, 15]),
    ],
)
def test_table_of_spares(nodes, per_1000_days, repair_days, mean_out, spares):
    """The table is computed from the mean as it prints it, to one place."""
    assert round(nodes * per_1000_days / 1000 * repair_days, 1) == mean_out
    assert spares_for([0.95, 0.99, 0.999], mean_out).tolist() == spares


def test_the_one_figure_of_the_table_that_rounding_decides():
    """5.2 out in the mean need 14 for 99.9 %; the 5.1875 that it was rounded from need 13."""
    assert [int(spares_for(0.999, out)) for out in (5.2, 5.1875)] == [14, 13]
    enough = [sum(exp(-out) * out**j / factorial(j) for j in range(14)) for out in (5.2, 5.1875)]
    assert enough[0] < 0.999 < enough[1]
    exact = [2048 * 6.5e-3, 3072 * 3.79e-3 / 2]  # the other rows are the same either way
    assert spares_for([[0.95], [0.99], [0.999]], exact).T.tolist() == [[20, 22, 26], [10, 12, 15]]


@given(st.floats(0, 0.99999), st.floats(0, 60))
def test_spares_by_adding_up(confidence, mean_out):
    """The fewest: the Poisson terms are added until they suffice."""
    found = int(spares_for(confidence, mean_out))
    term, terms = exp(-mean_out), []
    for j in range(found + 1):
        terms.append(term)
        term *= mean_out / (j + 1)
    assert sum(terms) >= confidence - 1e-12
    assert found == 0 or sum(terms[:-1]) < confidence + 1e-12


def test_spares_broadcast_and_at_the_ends():
    assert spares_for(np.full((2, 1), 0.99), [1.0, 2.0, 3.0]).shape == (2, 3)
    assert spares_for([0.0, 0.9, 0.999], 0.0).tolist() == [0, 0, 0]
    assert spares_for(0.5, 1e6) == pytest.approx(1e6, abs=2)


# -- heat and stragglers


def test_temperature_factor():
    assert temperature_factor([55, 65, 45, 60], 55).tolist() == pytest.approx([1, 2, 0.5, sqrt(2)])
    assert temperature_factor(75, 55, doubling_k=20) == 2
    assert temperature_factor(75, 55, inf) == 1


def test_straggler_factor():
    assert straggler_factor(0.1, [1, e**2 // 1]).tolist() == pytest.approx(
        [1, 1 + 0.1 * sqrt(2 * log(7))]
    )
    assert straggler_factor(0, 16_384) == 1


@pytest.mark.parametrize(("n", "too_much"), [(8, 0.43), (1000, 0.15), (16_000, 0.11)])
def test_straggler_factor_bounds_the_largest_of_normal_times(n, too_much):
    """Against the exact mean of the largest of n, by quadrature."""

    def density(z):
        return z * n * norm.pdf(z) * norm.cdf(z) ** (n - 1)

    largest = quad(density, -8, 12, points=[0, 3, 5], limit=200)[0]
    assert straggler_factor(0.05, n) >= 1 + 0.05 * largest
    excess = float(straggler_factor(1.0, n) - 1)
    assert excess / largest - 1 == pytest.approx(too_much, abs=0.005)


# -- refusals


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: young_interval_s(-1, 1), "write_s: must be zero or above and finite, found -1"),
        (lambda: daly_interval_s(1, 0), r"job_mttf_s: must be above zero \(inf for never\)"),
        (lambda: best_interval_s([1, inf], 1), "write_s: must be zero or above and finite"),
        (lambda: best_interval_s(1, [5.0, -3.0]), "job_mttf_s: .* found -3"),
        (lambda: expected_wall_s(1, 0, 1, 1, 1), "interval_s: must be above zero"),
        (lambda: expected_wall_s(-5, 1, 1, 1, 1), "work_s: .* found -5"),
        (lambda: expected_wall_exact_s(inf, 1, 1, 1, 1), "work_s: .* found inf"),
        (lambda: expected_wall_exact_s(1, -1, 1, 1, 1), "interval_s: .* found -1"),
        (lambda: expected_ettr(1, 1, float("nan"), 1), "restart_s: .* found nan"),
        (lambda: first_order_ettr(1, 1, -2, 1), "restart_s: .* found -2"),
        (lambda: expected_lost_s(0, 1), "cycle_s: must be above zero"),
        (lambda: job_mttf_s([1e-6, -1e-6]), "rates_per_s: .* found -1e-06"),
        (lambda: availability(0, 1), "mtbf_s: must be above zero"),
        (lambda: availability(1, -1), "mttr_s: must be zero or above"),
        (lambda: k_of_n_availability(3, 2, 0.5), "k: cannot need 3 of 2"),
        (lambda: k_of_n_availability(1.5, 2, 0.5), "k: must be a whole number"),
        (lambda: k_of_n_availability(1, 2, 1.01), "a: must be a fraction from 0 to 1, found 1.01"),
        (lambda: birth_death(0, 1, 1, 1), "n_working: must be 1 or more"),
        (lambda: birth_death(1, -1, 1, 1), "spares: must be a whole number, zero or above"),
        (lambda: birth_death(1, 1, -1, 1), "failure_rate_per_s: .* found -1"),
        (lambda: birth_death(1, 1, 1, 0), "repair_rate_per_s: must be above zero"),
        (lambda: birth_death(1, 1, 1, inf), "repair_rate_per_s: must be finite"),
        (lambda: birth_death(1, 1, 1, 1, 0), "crews: must be a whole number, 1 or more, or inf"),
        (lambda: birth_death(1, 1, 1, 1, 1.5), "crews: .* found 1.5"),
        (lambda: spares_for(1, 5), "confidence: no number of spares is always enough"),
        (lambda: spares_for(0.9, -1), "mean_out: must be zero or above and finite"),
        (lambda: temperature_factor(-300, 20), "temperature_degc: must be above -273.15 degC"),
        (lambda: temperature_factor(20, inf), "reference_degc: .* found inf"),
        (lambda: temperature_factor(20, 20, 0), "doubling_k: must be above zero"),
        (lambda: straggler_factor(0.1, 0), "n: must be 1 rank or more"),
        (lambda: straggler_factor(-0.1, 5), "cv: must be zero or above"),
    ],
)
def test_refusals_name_the_argument_and_what_would_do(ask, words):
    with pytest.raises(DomainError, match=words):
        ask()
