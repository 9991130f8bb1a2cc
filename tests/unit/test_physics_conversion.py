"""Losses of converters: by hand, against solvers of another kind, and what is refused."""

from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from twin.errors import DomainError
from twin.physics.conversion import NO_LOSS, Loss, loss_from_efficiency

part = st.floats(0, 0.3)
loads = st.floats(0, 1)
efficiencies = st.floats(0.5, 1)


@st.composite
def losses(draw: st.DrawFn) -> Loss:
    """Of a converter rated for 1 W, with efficiencies that may peak anywhere."""
    fixed, quadratic = draw(part), draw(part)
    least = -2 * sqrt(fixed * quadratic)
    return Loss(fixed, draw(st.floats(least, 0.3)), quadratic)


def test_by_hand():
    # 100 W out of 1 kW: 10 W always, 1 % of what is passed on, and 0.00002 x 100^2 = 0.2 W.
    loss = Loss(10.0, 0.01, 0.00002)
    assert loss.loss_w(100.0) == pytest.approx(10 + 1 + 0.2)
    assert loss.input_w(100.0) == pytest.approx(111.2)
    assert loss.efficiency(100.0) == pytest.approx(100 / 111.2)
    assert loss.output_w(111.2) == pytest.approx(100.0)
    np.testing.assert_allclose(loss.input_w(np.array([0.0, 100.0, 1000.0])), [10, 111.2, 1040])


def test_no_loss_passes_all_on():
    assert NO_LOSS.input_w(7.0) == 7.0
    assert NO_LOSS.output_w(7.0) == 7.0


@given(losses(), loads)
def test_output_undoes_input(loss, load):
    drawn = loss.input_w(load)
    found = brentq(lambda out: loss.input_w(out) - drawn, -1.0, 2.0, xtol=1e-14)
    assert loss.output_w(drawn) == pytest.approx(load, abs=1e-12)
    assert found == pytest.approx(load, abs=1e-9)


@given(st.floats(1e-18, 1e-9), loads)
def test_output_keeps_its_digits_where_losses_are_tiny(tiny, load):
    loss = Loss(0.0, 0.0, tiny)
    assert loss.output_w(load) == pytest.approx(load, rel=2e-9)
    assert loss.output_w(loss.input_w(load)) == pytest.approx(load, rel=1e-15, abs=1e-18)


@given(losses())
def test_what_is_drawn_without_its_fixed_part_passes_less_than_nothing(loss):
    assume(loss.fixed_w > 1e-6)
    assert loss.output_w(loss.fixed_w) == pytest.approx(0, abs=1e-12)
    assert loss.output_w(0.0) < 0


@given(losses(), st.tuples(loads, loads, loads))
def test_never_a_gain_and_never_above_a_chord(loss, at):
    low, middle, high = sorted(at)
    assert loss.loss_w(middle) >= -1e-12
    assume(high - low > 1e-6)
    share = (middle - low) / (high - low)
    chord = (1 - share) * loss.loss_w(low) + share * loss.loss_w(high)
    assert loss.loss_w(middle) <= chord + 1e-12


@given(losses(), st.floats(1e-3, 1e9), loads)
def test_a_converter_of_another_rating_has_the_same_efficiency_at_the_same_share(
    loss, rated_w, load
):
    scaled = loss.scaled(rated_w)
    assert scaled.input_w(load * rated_w) == pytest.approx(rated_w * loss.input_w(load), rel=1e-12)


@given(losses(), st.floats(1, 1e6), loads, st.integers(2, 8))
def test_feeds_that_share_a_load_are_one_converter_of_their_ratings(loss, rated_w, load, feeds):
    each = loss.scaled(rated_w / feeds)
    assert feeds * each.input_w(load * rated_w / feeds) == pytest.approx(
        loss.scaled(rated_w).input_w(load * rated_w), rel=1e-12
    )


@given(st.floats(1, 1e6), efficiencies, efficiencies, efficiencies)
def test_goes_through_three_efficiencies_or_says_that_none_does(rated_w, full, half, fifth):
    at = np.array([0.2, 0.5, 1.0])
    lost = at * (1 / np.array([fifth, half, full]) - 1)
    quadratic, linear, fixed = np.polyfit(at, lost, 2)  # the same three points another way
    least = -2 * sqrt(max(fixed, 0.0) * max(quadratic, 0.0))
    margin = min(fixed, quadratic, linear - least, linear + 1)
    assume(abs(margin) > 1e-9)
    if margin < 0:
        with pytest.raises(DomainError, match="no convex loss goes through"):
            loss_from_efficiency(rated_w, full=full, half=half, fifth=fifth)
        return
    loss = loss_from_efficiency(rated_w, full=full, half=half, fifth=fifth)
    assert [loss.efficiency(x * rated_w) for x in at] == pytest.approx([fifth, half, full])
    assert loss.fixed_w / rated_w == pytest.approx(fixed, abs=1e-9)
    assert loss.linear == pytest.approx(linear, abs=1e-9)


def test_two_efficiencies_make_a_transformer_and_one_makes_a_share():
    loss = loss_from_efficiency(1e6, full=0.985, half=0.99)
    assert loss.linear == 0
    assert loss.efficiency(1e6) == pytest.approx(0.985)
    assert loss.efficiency(5e5) == pytest.approx(0.99)
    # The best load of a transformer is where what is fixed equals what is resistive.
    best_w = sqrt(loss.fixed_w / loss.quadratic_per_w)
    assert loss.efficiency(best_w) > max(loss.efficiency(0.9 * best_w), 0.99)
    share = loss_from_efficiency(500.0, full=0.8)
    assert share.input_w(np.array([0.0, 4.0, 400.0])) == pytest.approx([0, 5, 500])


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.0001, nan, inf])
@pytest.mark.parametrize("where", ["full", "half", "fifth"])
def test_an_efficiency_out_of_range_is_named(where, bad):
    given_ = {"full": 0.9, "half": 0.92, "fifth": 0.9, where: bad}
    with pytest.raises(DomainError, match=f"{where}: must be an efficiency above 0, at most 1"):
        loss_from_efficiency(1.0, **given_)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((-0.01, 0.0, 0.0), "fixed_w and quadratic_per_w must be zero or above"),
        ((0.0, 0.1, -0.01), "fixed_w and quadratic_per_w must be zero or above"),
        ((0.0, -0.01, 0.1), "more would come out than goes in"),
        ((0.01, -0.3, 0.01), "linear must be -0.02 or above, found -0.3"),
        ((nan, 0.0, 0.0), "must be finite"),
        ((0.0, inf, 0.0), "must be finite"),
    ],
)
def test_what_is_no_loss_is_refused(parts, words):
    with pytest.raises(DomainError, match=words):
        Loss(*parts)


@pytest.mark.parametrize("rated_w", [0.0, -1.0, inf, nan])
def test_a_rating_out_of_range_is_refused(rated_w):
    with pytest.raises(DomainError, match="rated_w: must be above zero and finite"):
        Loss(0.01, 0.0, 0.0).scaled(rated_w)


def test_efficiency_at_a_fifth_needs_that_at_half():
    with pytest.raises(DomainError, match="half: needed"):
        loss_from_efficiency(1.0, full=0.9, fifth=0.9)
