"""Promises to replicas: told to the cluster when it matters, they do what they would if always."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.failures.restart import RestartModel, SaveLevel
from twin.kernel import services
from twin.kernel.hazards import nothing_fails
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.registry import make_policy
from twin.results.outcome import outcome
from twin.site.layout import Pool, lay_out
from twin.workload.jobs import job_table

END_S = 600
Lazy = services._Free


class Eager(Lazy):
    """Looks at what is free each time, and tells of each promise at once."""

    def place(self, shape):
        return self._cluster.place(shape)

    def promise(self, place, until_s, victims):
        super().promise(place, until_s, victims)
        self.tell()


@st.composite
def cases(draw):
    """Jobs that save and others that do not, and replicas of two sizes that come in surges."""
    size, nodes = draw(st.sampled_from([4, 8, 16])), draw(st.integers(1, 4))
    rows = []
    for _ in range(draw(st.integers(1, 20))):
        at_s, run_s = draw(st.integers(0, 40)), draw(st.integers(20, END_S))
        gpus = draw(st.one_of(st.integers(1, size), st.just(2 * size)))
        kind = draw(st.sampled_from(["training", "training", "interactive"]))
        rows.append((at_s, run_s, min(gpus, size * nodes), kind, np.nan))
    for _ in range(draw(st.integers(1, 3))):
        from_s = draw(st.integers(30, 100))
        lasts_s = draw(st.integers(20, 200))
        for gpus in draw(st.lists(st.integers(1, size), min_size=1, max_size=2)):
            count = draw(st.integers(1, 6))
            rows += [(from_s, lasts_s, gpus, "serving", from_s + lasts_s)] * count
    rows.sort(key=lambda row: row[0])
    return lay_out([Pool("main", "node", "", size, nodes)]), tabled(rows)


def tabled(rows):
    """A job table by (submit, work, GPUs, kind, until)."""
    names = ("submit_s", "run_s", "gpus", "kind", "until_s")
    table = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    table["job_id"] = [f"a/{i}-1" if row[3] == "serving" else str(i) for i, row in enumerate(rows)]
    return job_table(table)


def played(site, table, scheduler, free):
    levels = (SaveLevel("storage", 1, write_s=15.0, read_s=2.0),)
    reliability = nothing_fails(RestartModel(restart_s=5.0, levels=levels, kinds=("training",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "_Free", free)
        policy = make_policy("schedulers", scheduler, {})
        simulation = Simulation(site, table, policy, BestFit(), reliability=reliability)
        return outcome(simulation.run(5000.0), table, site)


@pytest.mark.parametrize("scheduler", ["fifo", "easy-backfill"])
@settings(max_examples=30, deadline=None)
@given(cases())
def test_telling_late_changes_nothing(scheduler, case):
    late, at_once = (played(*case, scheduler, free) for free in (Lazy, Eager))
    for name in ("jobs", "allocations"):
        pd.testing.assert_frame_equal(getattr(late, name), getattr(at_once, name))


def test_what_is_kept_for_one_replica_is_not_given_to_the_next():
    """A node of 16 GPUs, two of them free; eight serve already.

    The first replica of four GPUs takes the free ones and those of job 2, which saves. For the
    second, job 1 saves too and job 0 leaves at once: four GPUs are free now, two of them kept.
    """
    rows = [
        (0, 500, 2, "interactive", np.nan),
        (0, 500, 2, "training", np.nan),
        (1, 500, 2, "training", np.nan),
        (2, 500, 8, "serving", 502),
        (100, 200, 4, "serving", 300),
        (100, 200, 4, "serving", 300),
    ]
    for free in (Lazy, Eager):
        done = played(lay_out([Pool("main", "node", "", 16, 1)]), tabled(rows), "fifo", free)
        assert done.jobs["start_s"].tolist() == [0, 0, 1, 2, 115, 115]


def test_what_comes_free_meanwhile_is_taken_first():
    """The second replica has job 2 leave node 1 at once; the third starts there beside it.

    On node 0 two GPUs more will be free than the first replica takes, but job 1 saves until 115.
    """
    rows = [
        (0, 500, 5, "serving", 500),
        (0, 500, 3, "training", np.nan),
        (0, 500, 8, "interactive", np.nan),
        (100, 200, 1, "serving", 300),
        (100, 200, 4, "serving", 300),
        (100, 200, 1, "serving", 300),
    ]
    for free in (Lazy, Eager):
        done = played(lay_out([Pool("main", "node", "", 8, 2)]), tabled(rows), "fifo", free)
        assert done.jobs["start_s"].tolist() == [0, 0, 0, 115, 100, 100]


def test_the_cluster_is_told_of_many_promises_in_few_words(monkeypatch):
    """Forty replicas displace forty jobs that save: all promises in one look, not one for each."""
    n = 40
    rows = [(0, 500, 4, "training", np.nan)] * n + [(100, 300, 4, "serving", 400)] * n
    told = []
    promise = services.Cluster.promise
    monkeypatch.setattr(
        services.Cluster,
        "promise",
        lambda self, made: (told.append(len(made)), promise(self, made)),
    )
    site = lay_out([Pool("main", "node", "", 4, n)])
    done = played(site, tabled(rows), "fifo", Lazy)
    assert (done.jobs["start_s"][n:] == 115).all()
    assert [count for count in told if count] == [n]
