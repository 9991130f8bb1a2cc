"""Rounds by hand: a job that is moved loses the save and the restart, not the round."""

from collections.abc import Sequence
from dataclasses import dataclass

from cloud_case import by, jobs, place
from schedulers_case import costly, hall, made, play, spells, work

from twin.kernel.cloud import Bursting
from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.rounds import Grant, RoundScheduler
from twin.policies.view import ClusterView, JobView


@dataclass(frozen=True, kw_only=True)
class Swing(RoundScheduler):
    """The one job goes from pool to pool."""

    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        return [Grant(jobs[0], pool=round(cluster.now_s / self.round_s) % 2)]


def test_a_moved_job_starts_where_it_is_granted_as_soon_as_it_has_saved():
    record = play(
        hall(1, 1, (1, 1)),
        work((0, 250, 1)),
        Swing(round_s=100),
        reliability=costly(write_s=5, restart_s=10),
    )
    # Rounds begin at 0, 100 and 200. It works 100 s, then 85 s after 5 s of saving and 10 s of
    # restart, then the last 65 s after the same.
    assert spells(record, 0) == [(0, 105), (105, 205), (205, 280)]


def test_without_known_speeds_gavel_gives_each_job_its_part_of_each_pool():
    record = play(hall(1, 1, (1, 1)), work(*[(0, 7200, 1)] * 2), made("gavel", aware=False))
    held = record.allocations
    for job in (0, 1):
        for node in (0, 1):
            mine = (held["job"] == job) & (held["node"] == node)
            assert (held["end_s"] - held["start_s"])[mine].sum() == 3600


@dataclass(frozen=True, kw_only=True)
class IntoTheCloud(RoundScheduler):
    """The oldest job alone: at home first, then wherever it may go that comes last."""

    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        return [Grant(jobs[0], pool=0 if cluster.now_s < 700 else jobs[0].asked.pools[-1])]


def test_a_running_job_is_not_put_back_for_a_cloud_that_it_may_then_not_use():
    """The second job may overflow from 10 s on, and starts at home at 500 s all the same."""
    site = place()
    simulation = Simulation(
        site,
        jobs((0, 500, 2), (10, 1000, 2)),
        IntoTheCloud(round_s=100),
        BestFit(),
        bursting=Bursting(by("by-wait", patience="300 s"), 1),
    )
    record = simulation.run()
    assert spells(record, 1) == [(500, 1500)]
    assert record.lives["preemptions"].tolist() == [0, 0]
