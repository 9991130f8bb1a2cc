"""Laws against their closed forms, against each other, and against their own samples."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from pytest import approx
from scipy import stats

from twin.distributions import (
    Choice,
    Constant,
    Distribution,
    Earliest,
    Empirical,
    Exponential,
    Gamma,
    Lognormal,
    Truncated,
    Uniform,
    Weibull,
    residual_quantile,
)
from twin.errors import DomainError
from twin.workload.laws import LognormalMixture, SessionSize

# Each continuous law beside scipy's own, which shares no code with ours but the special functions.
SCIPY = [
    (Exponential(50.0), stats.expon(scale=50.0)),
    (Weibull(0.8, 50_000.0), stats.weibull_min(0.8, scale=50_000.0 / math.gamma(1 + 1 / 0.8))),
    (Weibull(3.0, 2.0), stats.weibull_min(3.0, scale=2.0 / math.gamma(1 + 1 / 3.0))),
    (Lognormal(1200.0, 2.0), stats.lognorm(2.0, scale=1200.0)),
    (Gamma(0.25, 40.0), stats.gamma(0.25, scale=160.0)),
    (Gamma(9.0, 40.0), stats.gamma(9.0, scale=40.0 / 9.0)),
    (Uniform(3.0, 7.0), stats.uniform(3.0, 4.0)),
]
MIXTURE = LognormalMixture((0.4, 0.3, 0.3), (100.0, 1700.0, 33_000.0), (1.0, 1.1, 1.4), 5.2e6)
CONTINUOUS = [
    *(law for law, _ in SCIPY),
    Empirical((0.0, 1.0, 4.0, 100.0)),
    Truncated(Lognormal(1200.0, 2.0), 60.0, 86400.0),
    Truncated(Weibull(0.8, 50_000.0), 0.0, math.inf),
    MIXTURE,
    Earliest((Weibull(0.5, 1e6), Weibull(4.0, 2e5))),
]
STEPPED = [
    Constant(5.0),
    Choice((1.0, 2.0, 8.0), (5.0, 3.0, 2.0)),
    Choice((1.0, 2.0, 8.0), (0.0, 1.0, 0.0)),
    Empirical((2.0, 2.0, 2.0, 6.0, 9.0)),
    Truncated(Choice((1.0, 2.0, 8.0), (5.0, 3.0, 2.0)), 2.0, 8.0),
    Lognormal(7.0, 0.0),
    Earliest((Exponential(20.0), Choice((2.0, 8.0), (1.0, 2.0)))),
]


def name(law: object) -> str:
    """A short name in test reports."""
    return type(law).__name__.lower()


@pytest.mark.parametrize(("law", "theirs"), SCIPY, ids=map(name, (law for law, _ in SCIPY)))
def test_mean_cdf_and_quantiles_are_those_of_scipy(law: Distribution, theirs) -> None:
    p = np.linspace(0.001, 0.999, 97)
    assert law.mean == approx(theirs.mean(), rel=1e-12)
    assert law.quantile(p) == approx(theirs.ppf(p), rel=1e-9)
    assert law.cdf(theirs.ppf(p)) == approx(p, rel=1e-9)


@pytest.mark.parametrize("law", CONTINUOUS, ids=name)
def test_quantile_inverts_cdf(law: Distribution) -> None:
    p = np.linspace(0.0005, 0.9995, 401)
    # The mixture's quantiles come from a table: 1e-5 of the quantity by its docstring.
    assert law.cdf(law.quantile(p)) == approx(p, abs=2e-6 if law is MIXTURE else 1e-9)


@pytest.mark.parametrize("law", [*CONTINUOUS, *STEPPED], ids=name)
def test_quantile_is_the_smallest_value_that_reaches_p(law: Distribution) -> None:
    p = np.linspace(0.0, 1.0, 103)[1:-1]
    x = law.quantile(p)
    slack = 2e-6 if law is MIXTURE else 1e-12
    assert (law.cdf(x) >= p - slack).all()
    assert (law.cdf(x - 1e-6 * np.maximum(x, 1e-9)) <= p + slack).all()


@pytest.mark.parametrize("law", [*CONTINUOUS, *STEPPED], ids=name)
def test_cdf_rises_from_zero_to_one_and_takes_scalars(law: Distribution) -> None:
    x = np.concatenate([[-1.0, 0.0], np.geomspace(1e-3, 1e9, 200), [math.inf]])
    cdf = law.cdf(x)
    assert cdf[0] == 0.0
    assert cdf[-1] == approx(1.0, abs=1e-12)
    assert (np.diff(cdf) >= -1e-15).all()
    assert float(law.cdf(7.0)) == approx(law.cdf(np.asarray([7.0]))[0])
    assert float(law.quantile(0.5)) == approx(law.quantile(np.asarray([0.5]))[0])


@pytest.mark.parametrize("law", [*CONTINUOUS, *STEPPED], ids=name)
def test_the_ends_of_the_unit_interval_are_answered_without_warnings(law: Distribution) -> None:
    low, high = law.quantile([0.0, 1.0])
    assert 0 <= low <= high


@pytest.mark.parametrize("law", CONTINUOUS, ids=name)
def test_samples_follow_the_law(law: Distribution) -> None:
    """Kolmogorov-Smirnov: the distance exceeds 2.23/sqrt(n) once in 10,000 times."""
    n = 20_000
    sample = law.sample(default_rng(5), n)
    assert stats.kstest(sample, law.cdf).statistic < 2.23 / math.sqrt(n)


@pytest.mark.parametrize("law", STEPPED, ids=name)
def test_samples_of_stepped_laws_reach_each_step(law: Distribution) -> None:
    """Each step of the distribution within four binomial standard errors."""
    n = 20_000
    sample = law.sample(default_rng(6), n)
    for x in (1.0, 2.0, 5.0, 6.0, 7.0, 8.0, 9.0):
        p = float(law.cdf(x))
        assert (sample <= x).mean() == approx(p, abs=4 * math.sqrt(p * (1 - p) / n) + 1e-12)


@pytest.mark.parametrize("law", [*CONTINUOUS, *STEPPED], ids=name)
def test_mean_is_the_integral_of_the_quantiles(law: Distribution) -> None:
    # In the middle by the midpoint rule, in the last 1e-4 on a grid that closes in on 1.
    p = (np.arange(400_000) + 0.5) / 400_000 * (1 - 1e-4)
    tail = 1 - np.geomspace(1e-4, 1e-15, 4000)
    x = law.quantile(tail)
    integral = law.quantile(p).mean() * (1 - 1e-4)
    integral += ((x[1:] + x[:-1]) / 2 * np.diff(tail)).sum()
    assert law.mean == approx(integral, rel=2e-3)


def test_known_values() -> None:
    assert Weibull(0.8, 50_000.0).cdf(Weibull(0.8, 50_000.0).scale) == approx(1 - math.exp(-1))
    assert Lognormal(1200.0, 2.0).mean == approx(1200 * math.exp(2))
    assert Lognormal(1200.0, 2.0).quantile(0.5) == approx(1200)
    assert Choice((1.0, 2.0, 8.0), (5.0, 3.0, 2.0)).mean == approx(2.7)
    assert Empirical((0.0, 10.0, 20.0)).mean == 10
    assert Empirical((0.0, 10.0, 20.0)).cdf([5.0, 10.0, 15.0]) == approx([0.25, 0.5, 0.75])
    assert Uniform(3.0, 7.0).mean == 5


def test_truncated_exponential_has_its_closed_form_mean() -> None:
    """E[X | a < X < b] = m + (a e^(-a/m) - b e^(-b/m)) / (e^(-a/m) - e^(-b/m))."""
    m, a, b = 10.0, 2.0, 25.0
    lower, upper = math.exp(-a / m), math.exp(-b / m)
    law = Truncated(Exponential(m), a, b)
    assert law.mean == approx(m + (a * lower - b * upper) / (lower - upper), rel=1e-4)


def test_truncation_keeps_weight_that_sits_on_its_limits() -> None:
    law = Truncated(Choice((1.0, 2.0, 8.0), (5.0, 3.0, 2.0)), 2.0, 8.0)
    assert law.cdf([1.0, 1.999, 2.0, 7.9, 8.0]) == approx([0, 0, 0.6, 0.6, 1])
    assert law.mean == approx(0.6 * 2 + 0.4 * 8, rel=1e-4)
    assert Truncated(Constant(5.0), 5.0, 9.0).quantile(0.3) == 5


def test_a_value_without_weight_is_never_drawn() -> None:
    law = Choice((1.0, 2.0, 3.0), (0.0, 0.1, 0.0))
    assert set(law.quantile([0.0, 0.5, 1.0])) == {2.0}
    sevenths = Choice((1.0, 2.0, 3.0, 4.0), (1 / 7, 5 / 7, 1 / 7, 0.0))
    assert sevenths.quantile(1.0) == 3


@pytest.mark.parametrize("kinds", [1, 3])
def test_mixture_of_equal_kinds_is_the_truncated_lognormal(kinds: int) -> None:
    mixture = LognormalMixture((0.5,) * kinds, (1200.0,) * kinds, (2.0,) * kinds, 86400.0)
    plain = Truncated(Lognormal(1200.0, 2.0), 0.0, 86400.0)
    p = np.linspace(0.001, 0.999, 99)
    assert mixture.cdf(plain.quantile(p)) == approx(p, abs=1e-9)
    assert mixture.quantile(p) == approx(plain.quantile(p), rel=1e-5)
    assert mixture.mean == approx(plain.mean, rel=1e-4)


def test_session_size_is_a_law_on_whole_numbers() -> None:
    law = SessionSize(exponent=0.8, scale=1.1, most=3000)
    k = np.arange(0, 3001)
    share = law.survival(k[:-1]) - law.survival(k[1:])
    assert share.sum() == approx(1)
    assert law.survival(0) == 1
    assert law.survival(3000) == approx(0, abs=1e-15)
    assert law.mean == approx(share @ k[1:])
    assert law.mean_between(1, 30) + law.mean_between(31, 3000) == approx(law.mean)
    assert law.mean_between(3001, 4000) == 0


@given(
    exponent=st.floats(0.2, 8),
    scale=st.floats(0.05, 50),
    most=st.integers(1, 5000),
    p=st.floats(0, 1),
)
def test_session_size_quantiles_invert_its_survival(
    exponent: float, scale: float, most: int, p: float
) -> None:
    law = SessionSize(exponent, scale, most)
    n = int(law.quantile(p))
    assert 1 <= n <= most
    assert 1 - law.survival(n) >= p - 1e-9
    assert n == 1 or 1 - law.survival(n - 1) <= p + 1e-9


@given(
    quantiles=st.lists(st.floats(0, 1e6), min_size=2, max_size=30).map(sorted),
    p=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_empirical_reaches_p_and_stays_within_its_quantiles(
    quantiles: list[float], p: list[float]
) -> None:
    law = Empirical(tuple(quantiles))
    x = law.quantile(p)
    assert ((x >= quantiles[0]) & (x <= quantiles[-1])).all()
    # One unit in the last place of x moves the cdf by as much over the narrowest step.
    gaps = [b - a for a, b in pairwise(quantiles) if b > a]
    slack = 1e-9 + 1e-15 * quantiles[-1] / min(gaps) if gaps else 1e-9
    assert (law.cdf(x) >= np.asarray(p) - slack).all()


@given(
    weights=st.lists(st.floats(0, 10), min_size=1, max_size=12).filter(lambda w: sum(w) > 1e-6),
    p=st.floats(0, 1),
)
def test_choice_draws_only_what_has_weight(weights: list[float], p: float) -> None:
    law = Choice(tuple(map(float, range(len(weights)))), tuple(weights))
    assert weights[int(law.quantile(p))] > 0
    assert law.cdf(len(weights) - 1.0) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1.0), "constant: must be zero or above"),
        (lambda: Constant(math.nan), "constant"),
        (lambda: Exponential(0.0), "exponential: mean must be above zero"),
        (lambda: Exponential(math.inf), "exponential"),
        (lambda: Weibull(-1.0, 5.0), "weibull: shape must be above zero"),
        (lambda: Weibull(0.001, 5.0), "weibull: shape must be 0.01 or above"),
        (lambda: Lognormal(0.0, 1.0), "lognormal: median must be above zero"),
        (lambda: Lognormal(1.0, -0.1), "lognormal: sigma must lie in"),
        (lambda: Lognormal(1.0, 99.0), "lognormal: sigma must lie in"),
        (lambda: Gamma(math.nan, 1.0), "gamma: shape must be above zero"),
        (lambda: Uniform(5.0, 5.0), "uniform: needs 0 <= low < high"),
        (lambda: Uniform(-1.0, 5.0), "uniform"),
        (lambda: Choice((), ()), "at least one of each"),
        (lambda: Choice((1.0, 2.0), (1.0,)), "as many weights as values"),
        (lambda: Choice((2.0, 1.0), (1.0, 1.0)), "ascending order"),
        (lambda: Choice((1.0, 1.0), (1.0, 1.0)), "ascending order, each once"),
        (lambda: Choice((-1.0, 1.0), (1.0, 1.0)), "zero or above"),
        (lambda: Choice((1.0, 2.0), (0.0, 0.0)), "with a sum above zero"),
        (lambda: Choice((1.0, 2.0), (2.0, -1.0)), "weights must be zero or above"),
        (lambda: Empirical((1.0,)), "two or more ascending"),
        (lambda: Empirical((2.0, 1.0)), "ascending"),
        (lambda: Empirical((1.0, math.nan)), "ascending"),
        (lambda: Empirical((1.0, math.inf)), "finite"),
        (lambda: Truncated(Exponential(1.0), 5.0, 5.0), "needs low < high"),
        (lambda: Truncated(Uniform(0.0, 1.0), 5.0, 6.0), "no mass"),
        (lambda: LognormalMixture((), (), (), 1.0), "as many weights"),
        (lambda: LognormalMixture((0.0,), (1.0,), (1.0,), 9.0), "their sum above"),
        (lambda: replace(MIXTURE, sigmas=(1.0, 1.0, 0.0)), "above zero and finite"),
        (lambda: replace(MIXTURE, longest=50.0), "no value fits"),
        (lambda: SessionSize(1.0, 1.0, 0), "most must be above zero"),
    ],
)
def test_parameters_that_make_no_law_are_refused(make, message: str) -> None:
    with pytest.raises(DomainError, match=message):
        make()


# ---- the first of several lives


@given(st.lists(st.floats(1e-3, 1e9), min_size=2, max_size=5), st.floats(0, 1, exclude_max=True))
def test_the_first_of_exponential_lives_is_exponential(means: list[float], p: float) -> None:
    first = Earliest(tuple(map(Exponential, means)))
    theirs = Exponential(1 / sum(1 / mean for mean in means))
    assert float(first.quantile(p)) == approx(float(theirs.quantile(p)), rel=1e-12)
    assert first.mean == approx(theirs.mean, rel=1e-8)


def test_the_first_of_equal_weibull_lives_is_weibull() -> None:
    """The minimum of n has the scale n^(-1/shape) of one."""
    first = Earliest((Weibull(0.7, 900.0),) * 3)
    theirs = Weibull(0.7, 900.0 * 3 ** (-1 / 0.7))
    p = np.concatenate([np.geomspace(1e-12, 0.5, 40), 1 - np.geomspace(0.5, 1e-9, 40)])
    assert first.quantile(p) == approx(theirs.quantile(p), rel=1e-12)
    assert first.mean == approx(theirs.mean, rel=1e-7)


def test_the_first_of_unlike_lives_is_the_least_of_draws() -> None:
    laws = (Weibull(0.5, 1e6), Lognormal(3e5, 0.4), Gamma(3.0, 4e5))
    first = Earliest(laws)
    n, rng = 200_000, default_rng(3)
    least = np.min([law.sample(rng, n) for law in laws], axis=0)
    assert stats.kstest(least, first.cdf).statistic < 2.23 / math.sqrt(n)
    assert first.mean == approx(least.mean(), abs=4 * least.std() / math.sqrt(n))


def test_the_first_with_steps_keeps_their_places() -> None:
    first = Earliest((Exponential(20.0), Constant(8.0)))
    reached = -math.expm1(-8 / 20)
    assert first.quantile([reached + 0.01, 0.9, 1.0]).tolist() == [8.0, 8.0, 8.0]
    assert first.mean == approx(20 * reached, rel=1e-3)
    assert Earliest((Constant(0.0), Exponential(1.0))).mean == 0.0


def test_the_first_of_one_is_refused() -> None:
    with pytest.raises(DomainError, match="needs two or more laws, found 1"):
        Earliest((Exponential(1.0),))


# ---- what is left of a life

AGED = [law for law in CONTINUOUS if law is not MIXTURE]


@pytest.mark.parametrize("law", AGED, ids=name)
@pytest.mark.parametrize("gone", [0.01, 0.5, 0.99])
def test_what_is_left_follows_the_conditional_law(law: Distribution, gone: float) -> None:
    age = float(law.quantile(gone))
    p = np.linspace(0.01, 0.99, 50)
    left = residual_quantile(law, age, p)
    conditional = (law.cdf(age + left) - law.cdf(age)) / (1 - law.cdf(age))
    assert conditional == approx(p, abs=1e-9)


@pytest.mark.parametrize(
    ("law", "theirs"),
    [
        (Lognormal(10.0, 0.5), stats.lognorm(0.5, scale=10.0)),
        (Gamma(4.0, 10.0), stats.gamma(4.0, scale=2.5)),
        (Earliest((Gamma(4.0, 10.0), Gamma(4.0, 10.0))), None),
    ],
    ids=["lognormal", "gamma", "earliest"],
)
def test_what_is_left_is_right_far_in_the_tail(law: Distribution, theirs) -> None:
    """Where survival is 1e-40 and less, `1 - cdf` is zero; scipy's own log survival is not."""
    age = 400.0
    left = residual_quantile(law, age, [0.1, 0.5, 0.9])
    log_sf = theirs.logsf if theirs else lambda x: 2 * stats.gamma(4.0, scale=2.5).logsf(x)
    assert float(log_sf(age)) < -25
    assert log_sf(age + left) - log_sf(age) == approx(np.log([0.9, 0.5, 0.1]), rel=1e-6)


def test_what_is_left_of_weibull_and_exponential_lives_in_closed_form() -> None:
    p = np.asarray([1e-12, 0.3, 0.999])
    assert residual_quantile(Exponential(9.0), 1e9, p) == approx(Exponential(9.0).quantile(p))
    # Rayleigh at an age of 1000 scales: r = sqrt(a² + g) - a = g / (sqrt(a² + g) + a).
    rayleigh = Weibull(2.0, math.gamma(1.5))
    g = -np.log1p(-p)
    assert residual_quantile(rayleigh, 1000.0, p) == approx(g / (np.sqrt(1e6 + g) + 1000), rel=1e-9)
    assert residual_quantile(rayleigh, 0.0, p) == approx(rayleigh.quantile(p))
    assert residual_quantile(Weibull(5.0, 1.0), 1e-80, p) == approx(Weibull(5.0, 1.0).quantile(p))


def test_infant_mortality_makes_the_old_live_longer_and_wear_out_the_other_way() -> None:
    for law, longer in ((Weibull(0.5, 100.0), True), (Weibull(3.0, 100.0), False)):
        median = float(law.quantile(0.5))
        assert (float(residual_quantile(law, 50.0, 0.5)) > median) is longer


def test_no_life_lasts_beyond_its_end() -> None:
    assert residual_quantile(Uniform(3.0, 7.0), 5.0, [0.0, 0.5, 1.0]).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(DomainError, match="no life lasts 8"):
        residual_quantile(Uniform(3.0, 7.0), 8.0, 0.5)
