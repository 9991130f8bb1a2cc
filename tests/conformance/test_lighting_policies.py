"""What every registered policy of lighting or admission must hold to, those of plug-ins too."""

from copy import deepcopy
from dataclasses import fields

import numpy as np
import pytest
from hall_cases import hall, halls
from hypothesis import given

from twin.policies.base import AdmissionPolicy, LightingPolicy
from twin.policies.power_view import DEMAND_DARK, HEAT_DARK, LIT, POWER_DARK
from twin.registry import ADMISSION, LIGHTING, make_policy

HEEDING_CAPS = ["dark", "dim-or-dark", "nameplate"]


@pytest.fixture(params=LIGHTING.names())
def lighting(request):
    return make_policy("lighting", request.param, {})


@pytest.mark.parametrize("name", LIGHTING.names())
@given(seen=halls())
def test_every_node_has_its_answer_twice_the_same_from_inputs_untouched(name, seen):
    before = deepcopy(seen)
    made = make_policy("lighting", name, {})
    answer = made.light(seen)
    assert answer.shape == seen.lit.shape
    assert np.isin(answer, [LIT, POWER_DARK, HEAT_DARK, DEMAND_DARK]).all()
    np.testing.assert_array_equal(answer, made.light(seen))
    for field in fields(seen):
        if field.name not in ("units", "curves", "drawn_w"):
            np.testing.assert_array_equal(getattr(seen, field.name), getattr(before, field.name))


def test_without_caps_and_with_work_all_are_lit(lighting):
    seen = hall(12, busy=np.ones(12, bool))
    assert (lighting.light(seen) == LIT).all()


@pytest.mark.parametrize("name", HEEDING_CAPS)
def test_a_cap_at_no_power_darkens_all_of_its_domain_and_no_more(name):
    for cap_w in (0.0, -1e5):
        answer = make_policy("lighting", name, {}).light(hall(12, [("rack", 1, cap_w)]))
        np.testing.assert_array_equal(answer == POWER_DARK, [False] * 4 + [True] * 4 + [False] * 4)


@pytest.mark.parametrize("name", HEEDING_CAPS)
def test_busy_nodes_are_darkened_last(name):
    busy = np.zeros(12, bool)
    busy[[5, 9, 10]] = True
    answer = make_policy("lighting", name, {}).light(hall(12, [("site", 0, 33_000.0)], busy=busy))
    assert (answer[busy] == LIT).all()
    assert (answer == LIT).sum() < 12


@pytest.mark.parametrize("name", HEEDING_CAPS)
def test_what_only_cooling_forbids_is_heat_dark(name):
    made = make_policy("lighting", name, {})
    heat_cap_w = np.repeat([np.inf, 0.0, np.inf], 4)
    answer = made.light(hall(12, heat_cap_w=heat_cap_w))
    np.testing.assert_array_equal(answer, np.repeat([LIT, HEAT_DARK, LIT], 4))
    answer = made.light(hall(12, [("rack", 1, 0.0), ("rack", 2, 0.0)], heat_cap_w=heat_cap_w))
    np.testing.assert_array_equal(answer, np.repeat([LIT, POWER_DARK, POWER_DARK], 4))


def test_reviews_are_in_the_future(lighting):
    assert isinstance(lighting, LightingPolicy)
    assert lighting.review_s > 0


class Ahead:
    """An outlook in which nothing ever changes."""

    def price_usd_per_j(self, at_s):
        return -1.0

    carbon_kg_per_j = wet_bulb_degc = price_usd_per_j

    def changes_s(self, what, from_s, to_s):
        return []


class Job:
    job_kind = "batch"


@pytest.mark.parametrize("name", ADMISSION.names())
def test_no_job_is_released_before_it_is_submitted(name):
    made = make_policy("admission", name, {})
    assert isinstance(made, AdmissionPolicy)
    assert made.release_s(Job(), 77.0, Ahead()) == 77.0
