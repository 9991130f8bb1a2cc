"""What a recovery policy from outside may answer, and what it may not."""

from dataclasses import dataclass

import pytest
from recovery_case import down, hall, jobs, run

from twin.errors import InvariantError
from twin.policies.actions import Action, GiveUp, Hold, Requeue, Restart, Shrink
from twin.policies.base import RecoveryPolicy

ONE = jobs((0, 1000, 4))
GONE = [down(300, 1)]


@dataclass(frozen=True)
class Always(RecoveryPolicy):
    """Answers the same each time, and remembers what it saw."""

    answer: Action

    def recover(self, hit):
        seen.append(
            (hit.now_s, hit.since_s, hit.retries, hit.missing_gpus, hit.missing_nodes,
             hit.gang_nodes, hit.back_s, hit.are_back, hit.shrunk)
        )  # fmt: skip
        return self.answer


seen: list[tuple[object, ...]] = []


def test_giving_up():
    """280 s are done and 200 saved, which somebody may yet use."""
    case = run(hall(2), jobs((0, 1000, 4), (10, 50, 2)), incidents=GONE, recovery=Always(GiveUp()))
    assert case.jobs["state"].tolist() == ["failed", "completed"]
    assert case.jobs["end_s"].tolist() == [300, 350]
    assert case.spent() == {"useful": 800, "lost": 320, "checkpoint": 80}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Hold(300.0), "a time that is not ahead"),
        (Hold(float("nan")), "a time that is not ahead"),
        (Restart(("spare", "free")), "not enough nodes"),
        (Shrink(replica_nodes=2), "no replica left whole"),
        (None, "no action"),
    ],
)
def test_what_cannot_be_done_is_said(answer, message):
    with pytest.raises(InvariantError, match=message):
        run(hall(2), ONE, incidents=GONE, recovery=Always(answer))


def test_borrowing_from_a_pool_that_is_not_there():
    wrong = Restart(("borrow",), borrow_from="nowhere")
    with pytest.raises(InvariantError, match="nowhere"):
        run(hall(2), ONE, incidents=GONE, recovery=Always(wrong))


def test_what_a_policy_sees():
    """It is asked when the node is lost, when that is back at 500, and at 600, as it wished."""
    seen.clear()
    run(hall(2), ONE, incidents=[down(300, 1, 200)], recovery=Always(Hold(600.0)), horizon_s=550)
    lost = (1, 2, 1, 2)
    assert seen == [(300, 300, *lost, 500, False, False), (500, 300, *lost, 500, True, False)]


def test_a_policy_is_asked_at_the_time_that_it_named():
    with pytest.raises(InvariantError, match="not ahead"):
        run(hall(2), ONE, incidents=GONE, recovery=Always(Hold(600.0)))


def test_a_job_that_gives_back_a_gang_that_is_whole():
    """Software failed; the policy wants another gang all the same."""
    from twin.distributions import Constant
    from twin.failures.model import FaultClass

    crash = FaultClass("crash", "job", Constant(300), ())
    case = run(hall(2), jobs((0, 400, 4)), classes=[crash], recovery=Always(Requeue()))
    assert case.end() == 323 + 200 + 10
