"""What giving way costs a job, to the second."""

import numpy as np
import pytest
from schedulers_case import costly, hall, made, play, spells, work

from twin.errors import PolicyError
from twin.failures.model import Incident
from twin.policies.base import Scheduler
from twin.policies.decisions import Preempt, Wake
from twin.results.outcome import outcome

NODE = hall(1, 4)
SHARES = ("startup", "restart", "checkpoint", "lost", "useful")


class At(Scheduler):
    """First in, first out; job 0 is preempted at the times given, and waits until job 1 is over."""

    preempts = True

    def __init__(self, *times_s):
        self.times_s = times_s

    def choose(self, queue, cluster):
        for at_s in self.times_s:
            if at_s > cluster.now_s:
                yield Wake(at_s)
                break
        if cluster.now_s in self.times_s:
            for job in cluster.running:
                if job.row == 0 and cluster.can_preempt(job):
                    yield Preempt(job)
        for job in sorted(queue, key=lambda job: -job.row):
            if cluster.fits(job.shape):
                yield job


def spent(record, job=0):
    """GPU-time of a job by share, without those that are 0."""
    found = {name: float(record.lives[name][job]) for name in SHARES}
    return {name: value for name, value in found.items() if abs(value) > 1e-9}


def test_a_preempted_job_pays_for_one_checkpoint_and_one_restart():
    jobs = work((0, 1000, 4), (100, 50, 4))
    record = play(NODE, jobs, "srtf", reliability=costly())
    # It saves from 100 to 160, the other one runs to 210, and it goes on at 240.
    assert spells(record, 0) == [(0, 160), (210, 240 + 900)]
    assert spells(record, 1) == [(160, 210)]
    assert spent(record) == {"checkpoint": 240.0, "restart": 120.0, "useful": 4000.0}
    assert spent(record, 1) == {"useful": 200.0}
    assert record.lives["preemptions"].tolist() == [1, 0]
    assert record.lives["restarts"][0] == 0  # those are after interruptions


def test_it_is_suspended_for_nothing_where_nobody_says_what_saving_takes():
    jobs = work((0, 1000, 4), (100, 50, 4))
    for reliability in (None, costly(restart_s=0.0, levels=())):
        record = play(NODE, jobs, "srtf", reliability=reliability)
        assert spells(record, 0) == [(0, 100), (150, 1050)]
        assert spent(record) == {"useful": 4000.0}


def test_a_kind_that_does_not_save_loses_all():
    jobs = work((0, 1000, 4), (100, 50, 4), kind=["interactive", "training"])
    record = play(NODE, jobs, "srtf", reliability=costly())
    assert spells(record, 0) == [(0, 100), (150, 150 + 30 + 1000)]
    assert spent(record) == {"restart": 120.0, "lost": 400.0, "useful": 4000.0}


def test_preempted_while_it_starts():
    """It has done nothing, saves nothing and starts as before."""
    jobs = work((0, 1000, 4), (40, 50, 4))
    record = play(NODE, jobs, At(40.0), reliability=costly(startup_s=100.0))
    assert spells(record, 0) == [(0, 40), (190, 1290)]
    assert spent(record) == {"startup": 160.0 + 400.0, "useful": 4000.0}


def test_preempted_while_it_begins_again():
    """What was saved the first time is not lost, and need not be saved again."""
    jobs = work((0, 1000, 4), (100, 50, 4), (220, 5, 4))
    record = play(NODE, jobs, At(100.0, 220.0), reliability=costly())
    assert spells(record, 0) == [(0, 160), (210, 220), (225, 225 + 30 + 900)]
    assert spent(record) == {"checkpoint": 240.0, "restart": 40.0 + 120.0, "useful": 4000.0}


def test_it_cannot_give_way_twice_at_once():
    jobs = work((0, 1000, 4), (100, 50, 4))
    record = play(NODE, jobs, At(100.0, 130.0), reliability=costly())
    assert record.lives["preemptions"][0] == 1


def test_a_fault_while_it_saves_costs_what_was_not_saved():
    """The node fails at 130 for 100 s: the work since the start is lost, and the saving with it."""
    fault = Incident(130.0, "node", "node", 0, 100.0)
    jobs = work((0, 1000, 4), (100, 50, 4))
    record = play(NODE, jobs, "srtf", reliability=costly(incidents=(fault,)))
    assert spells(record, 0)[0] == (0, 130)
    assert spells(record, 1) == [(230, 280)]
    assert spells(record, 0)[1] == (280, 280 + 30 + 1000)
    assert spent(record) == {
        "checkpoint": 120.0, "lost": 400.0, "restart": 120.0, "useful": 4000.0
    }  # fmt: skip
    assert spent(record, 1) == {"useful": 200.0}


def test_what_was_to_be_saved_by_a_fault_is_not_saved_by_the_next_preemption():
    """After the fault it is preempted as it begins again: the lost work stays lost."""
    fault = Incident(130.0, "node", "node", 0, 100.0)
    jobs = work((0, 1000, 4), (100, 50, 4), (290, 10, 4))
    record = play(NODE, jobs, At(100.0, 290.0), reliability=costly(incidents=(fault,)))
    assert spells(record, 0) == [(0, 130), (280, 290), (300, 300 + 30 + 1000)]
    assert spent(record)["lost"] == 400.0 and spent(record)["useful"] == 4000.0


def test_nothing_is_saved_while_the_storage_is_away():
    """Neither by a job that was about to save before."""
    fault = Incident(130.0, "node", "node", 0, 100.0)
    away = Incident(400.0, "storage", "site", 0, 200.0, "no_storage")
    jobs = work((0, 1000, 4), (100, 50, 4), (500, 200, 4))
    for faults, lost_gpu_s in (((away,), 4 * (500 - 240)), ((fault, away), 4 * (100 + 190))):
        record = play(NODE, jobs, At(100.0, 500.0), reliability=costly(incidents=faults))
        # Of the first 100 s a copy is there where no fault came before it.
        assert spent(record)["lost"] == lost_gpu_s
        assert spent(record)["useful"] == 4000.0


def test_regular_checkpoints_go_on_from_where_it_gave_way():
    """A checkpoint after each 300 s of work; giving way at 350 (290 since one) is one more."""
    jobs = work((0, 1000, 4), (650, 50, 4))
    record = play(NODE, jobs, "srtf", reliability=costly(every_s=300.0))
    # Work 300, saves to 360, works to 650 (590 done), saves to 710; 760 restart, from 790 on 410
    # of work and one checkpoint after 300.
    assert spells(record, 0) == [(0, 710), (760, 790 + 410 + 60)]
    assert spent(record) == {"checkpoint": 4 * 180.0, "restart": 120.0, "useful": 4000.0}


@pytest.mark.parametrize("write_s", [0.0, 60.0])
def test_the_ledger_of_the_hall_balances(write_s):
    jobs = work((0, 1000, 3), (100, 50, 4), (120, 20, 2), (130, 7, 1))
    record = play(NODE, jobs, "srtf", reliability=costly(write_s=write_s))
    tables = outcome(record, jobs, NODE)
    assert sum(tables.gpu_time.values()) == pytest.approx(4 * record.horizon_s)
    held = np.bitwise_count(tables.allocations["gpu_mask"].to_numpy())
    spent_s = held * (tables.allocations["end_s"] - tables.allocations["start_s"])
    by_job = np.bincount(tables.allocations["job"], spent_s, 4)
    of_jobs = sum(record.lives[name] for name in SHARES)
    np.testing.assert_allclose(by_job, of_jobs)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("time-slice", {"quantum": "20 s"}),
        ("gavel", {"round": "20 s"}),
        ("themis", {"round": "20 s"}),
    ],
)
def test_turns_shorter_than_a_restart_are_not_all_restarts(name, options):
    """A restart takes 30 s, a turn 20 s: all jobs end nevertheless."""
    jobs = work((0, 200, 4), (0, 200, 4), (0, 200, 4))
    record = play(NODE, jobs, made(name, **options), reliability=costly(write_s=10.0))
    np.testing.assert_allclose(record.lives["useful"], 800.0)
    assert (record.lives["restart"] <= record.lives["useful"] * 2).all()


def test_turns_of_jobs_that_lose_all_when_they_give_way_are_refused():
    """They would never end; within a horizon they may."""
    jobs = work((0, 200, 4), (0, 200, 4), kind=["interactive", "interactive"])
    scheduler = made("time-slice", quantum="20 s")
    with pytest.raises(PolicyError, match=r"TimeSlice chose .* 1000 times .* would never end"):
        play(NODE, jobs, scheduler, reliability=costly())
    record = play(NODE, jobs, scheduler, horizon_s=50_000.0, reliability=costly())
    assert np.isnan(record.end_s).all()


def test_estimates_of_a_job_that_gave_way_are_of_what_is_left():
    """SRTF compares what is left, the restart included: 900 s left and 30 s."""
    seen = {}

    class Looks(At):
        def choose(self, queue, cluster):
            for job in queue:
                seen[cluster.now_s, job.row] = job.left_s(cluster.now_s)
            yield from super().choose(queue, cluster)

    jobs = work((0, 1000, 4), (100, 50, 4))
    play(NODE, jobs, Looks(100.0), reliability=costly())
    assert seen[210.0, 0] == 930.0
    assert made("srtf").preempts
