"""Every registered overflow policy meets one list, those of plug-ins with options to give too."""

from dataclasses import MISSING, fields

import pytest
from cloud_case import TERMS, jobs, place, run

from twin.policies.base import OverflowPolicy
from twin.policies.decisions import Burst, Wake
from twin.registry import OVERFLOW, make_policy

NEEDED = {"by-cost": {"usd_per_gpu_h_of_delay": 5.0}}  # options without a default


def made(name):
    return make_policy("overflow", name, NEEDED.get(name, {}))


class Watched(OverflowPolicy):
    """Asks another policy twice, and looks at what it says."""

    def __init__(self, policy):
        self.policy = policy
        self.answers = []

    def overflow(self, cloud):
        before = [(job.row, job.asked, job.shape) for job in cloud.waiting()]
        for answer in self.policy.overflow(cloud):
            if isinstance(answer, Wake):
                assert answer.at_s > cloud.now_s
            else:
                assert isinstance(answer, Burst) and answer.pool in cloud.pools
                assert 0 <= answer.nodes <= cloud.left(answer.pool)
                assert all(answer.pool in cloud.pools_for(job) for job in answer.jobs)
                assert {job.row for job in answer.jobs} <= {row for row, *_ in before}
            self.answers.append(answer)
            yield answer
        # What has been said is done: there is nothing left to say but when to ask again.
        assert all(isinstance(answer, Wake) for answer in self.policy.overflow(cloud))


@pytest.mark.parametrize("name", OVERFLOW.names())
def test_it_says_what_can_be_done_and_says_it_once(name):
    work = jobs(*((10.0 * at, 400, 1 + at % 2) for at in range(12)))
    watched = Watched(made(name))
    case = run(place(), work, watched)
    assert (case.tables.jobs["state"] == "completed").all()
    again = run(place(), work, Watched(made(name)))
    assert again.rentals == case.rentals and again.ends == case.ends


@pytest.mark.parametrize("name", OVERFLOW.names())
def test_it_is_not_asked_where_nobody_waits(name):
    watched = Watched(made(name))
    run(place(), jobs((0, 100, 1), (0, 100, 1)), watched)
    assert watched.answers == []


@pytest.mark.parametrize("name", OVERFLOW.names())
def test_its_options_have_defaults_or_are_needed(name):
    cls = OVERFLOW.get(name)
    needed = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
    assert needed == set(NEEDED.get(name, {}))


@pytest.mark.parametrize("name", OVERFLOW.names())
def test_a_cloud_of_one_node_will_do(name):
    case = run(place(TERMS, rented=1), jobs((0, 900, 2), (0, 900, 2), (0, 900, 2)), made(name))
    assert (case.tables.jobs["state"] == "completed").all()
