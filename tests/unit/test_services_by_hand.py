"""Right of way: cases of a node or two in which every instant is known by hand.

As in `recovery_case`: a node has two GPUs, a job saves after each 100 s of work, which stops it for
10 s; beginning again takes 20 s and 3 s to read.
"""

import numpy as np
import pytest
from recovery_case import STORAGE, down, hall, jobs, run

from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.results.outcome import outcome


def work(*rows, kinds=None):
    """Jobs by (submit, work, GPUs), and replicas by (from, until, GPUs, "replica")."""
    rows = sorted(rows, key=lambda row: row[0])
    serves = [len(row) == 4 for row in rows]
    plain = [
        (row[0], min(row[1], 1e6) - row[0], row[2]) if one else row[:3]
        for row, one in zip(rows, serves, strict=True)
    ]
    until_s = [row[1] if one else np.nan for row, one in zip(rows, serves, strict=True)]
    kinds = kinds or ["serving" if one else "training" for one in serves]
    names = [f"chat/{at}-1" if one else f"job-{at}" for at, one in enumerate(serves)]
    return jobs(*plain, until_s=until_s, kind=kinds, job_id=names)


def starts(case):
    return case.jobs["start_s"].tolist()


def ends(case):
    return case.jobs["end_s"].tolist()


def spells(case, row):
    """(start, end) of each spell for which a row held its first node."""
    held = case.allocations[case.allocations["job"] == row]
    return list(zip(held["start_s"], held["end_s"], strict=True))


def test_a_job_saves_gives_way_and_goes_on():
    case = run(hall(1), work((0, 1000, 2), (200, 500, 2, "replica")))
    # It has worked for 100 s, saved, and worked for 90 s more when the replica is wanted.
    assert spells(case, 0) == [(0, 210), (500, 1413)]
    assert spells(case, 1) == [(210, 500)]
    # From 500: 23 s to begin again, 810 s of work, eight saves.
    assert case.end(0) == 500 + 23 + 810 + 8 * 10
    assert case.spent(0) == {"restart": 46, "checkpoint": 2 * (10 + 10 + 80), "useful": 2000}
    assert case.spent(1) == {"useful": 580}
    assert case.jobs["preemptions"].tolist() == [1, 0]
    assert case.jobs["state"].tolist() == ["completed", "completed"]
    assert case.hall("stranded", "idle") == [0, 0]


def test_free_gpus_are_taken_first():
    case = run(hall(2), work((0, 1000, 2), (200, 500, 2, "replica")))
    assert starts(case) == [0, 200]
    assert case.jobs["preemptions"].tolist() == [0, 0]
    assert ends(case)[1] == 500


def test_where_nobody_says_what_saving_takes_jobs_are_suspended_at_once():
    table = work((0, 1000, 2), (200, 500, 2, "replica"))
    record = Simulation(hall(1), table, Fifo(), BestFit()).run()
    tables = outcome(record, table, hall(1))
    assert tables.jobs["start_s"].tolist() == [0, 200]
    assert tables.jobs["end_s"].tolist() == [1300, 500]
    assert tables.gpu_time["useful"] == 2 * 1300


def test_who_does_not_save_loses_all_its_work():
    table = work((0, 1000, 2), (200, 500, 2, "replica"), kinds=["interactive", "serving"])
    case = run(hall(1), table)
    assert spells(case, 0) == [(0, 200), (500, 1520)]
    assert case.spent(0) == {"restart": 40, "lost": 400, "useful": 2000}


def test_a_replica_wanted_for_less_than_the_save_is_withdrawn():
    case = run(hall(1), work((0, 1000, 2), (200, 205, 2, "replica")))
    assert case.jobs["state"].tolist() == ["completed", "failed"]
    assert np.isnan(case.jobs["start_s"][1])
    assert case.end(1) == 205
    assert case.spent(1) == {}
    assert spells(case, 0) == [(0, 210), (210, 1123)]  # it gave way all the same


def test_a_replica_does_not_wait_behind_the_head_of_the_queue():
    """At 10 s a job of four GPUs waits for both nodes; at 20 s a replica of one GPU starts."""
    table = work((0, 80, 1), (0, 80, 2), (10, 50, 4), (20, 60, 1, "replica"))
    for backfill in (False, True):
        case = run(hall(2), table, backfill=backfill)
        assert starts(case) == [0, 0, 80, 20]


def test_the_head_of_the_queue_does_not_see_replicas_that_wait():
    """Node 0 serves; a second replica of two GPUs can have none, and job 2 still starts."""
    table = work((0, 100, 2, "replica"), (0, 300, 2, "replica"), (0, 100, 2, "replica"),
                 (100, 50, 2), (20, 90, 2, "replica"))  # fmt: skip
    case = run(hall(2), table)
    state = dict(zip(case.jobs["submit_s"], case.jobs["state"], strict=True))
    assert state[20] == "failed"
    assert case.jobs["start_s"][case.jobs["submit_s"] == 100].item() == 100


@pytest.mark.parametrize("scheduler", [Fifo(), EasyBackfill()])
def test_what_is_free_is_kept_while_others_save(scheduler):
    """A replica of four GPUs: node 1 is free at 200, node 0 once job 0 has saved, at 210.

    Job 1 comes at 205 and would fit on node 1 until then.
    """
    table = work((0, 1000, 2), (200, 400, 4, "replica"), (205, 50, 2))
    case = run(hall(2), table, backfill=isinstance(scheduler, EasyBackfill))
    assert starts(case) == [0, 210, 400]
    assert case.jobs["state"].tolist() == ["completed"] * 3
    # Free and kept from 200 to 210: stranded, for a replica waits.
    assert case.hall("stranded") == [2 * 10]


def test_a_replica_takes_what_comes_free_before_others_have_saved():
    """Job 1 ends at 200 by itself, then at 204, while job 0 saves for the replica until 210."""
    table = work((0, 1000, 2), (0, 190, 2), (200, 400, 2, "replica"))
    case = run(hall(2), table)
    assert starts(case)[2] == 200
    assert case.jobs["preemptions"].tolist() == [0, 0, 0]
    table = work((0, 1000, 2), (0, 194, 2), (200, 400, 2, "replica"), (205, 50, 2))
    case = run(hall(2), table)
    assert starts(case) == [0, 0, 204, 400]
    assert spells(case, 0)[:2] == [(0, 210), (210, case.end(0))]


def test_starting_up_is_not_serving():
    table = work((100, 400, 2, "replica"))
    case = run(hall(1), table, startup_s=30.0)
    assert case.spent(0) == {"startup": 60, "useful": 540}
    served = case.simulation.recorder
    assert list(served._served) == [0, 130, 400]


def test_a_replica_that_loses_its_node_goes_on_elsewhere():
    """Its node fails at 50; job 1 on the other node gives way and has saved at 60."""
    table = work((0, 500, 2, "replica"), (0, 1000, 2))
    case = run(hall(2), table, incidents=[down(50, 0, 1000)])
    assert spells(case, 0) == [(0, 50), (60, 500)]
    assert case.spent(0) == {"restart": 40, "useful": 2 * (50 + 420)}  # 20 s to begin again
    assert case.jobs["preemptions"].tolist() == [0, 1]


def test_who_lost_its_node_and_waits_to_the_end_has_failed():
    case = run(hall(1), work((0, 500, 2, "replica")), incidents=[down(50, 0, 1000)])
    assert case.jobs["state"].tolist() == ["failed"]
    assert case.end(0) == 500
    assert case.spent(0) == {"useful": 100}


def test_who_is_wanted_to_the_end_of_the_run_runs_then():
    case = run(hall(1), work((100, np.inf, 2, "replica")), horizon_s=1000.0)
    assert case.jobs["state"].tolist() == ["running"]
    assert case.hall("idle", "useful") == [200, 1800]


def test_replicas_do_not_give_way():
    table = work((0, 100, 2, "replica"), (50, 150, 2, "replica"))
    case = run(hall(1), table, levels=(STORAGE,))
    assert starts(case) == [0, 100]
    assert ends(case) == [100, 150]


def test_waiting_replicas_count_as_waiting():
    """From 50 to 100 one waits: its two GPUs are in the log, and no GPU is idle."""
    table = work((0, 100, 1, "replica"), (50, 150, 2, "replica"))
    case = run(hall(1), table)
    names = ("time_s", "queued_jobs", "queued_gpus", "stranded_gpus", "idle_gpus")
    record = case.simulation.recorder.record(150, 0, with_lives=True)
    log = np.column_stack([record.log[name] for name in names])
    at_50 = log[log[:, 0] == 50][-1].tolist()
    assert at_50 == [50, 1, 2, 1, 0]
    assert log[log[:, 0] == 100][-1].tolist() == [100, 0, 0, 0, 0]
