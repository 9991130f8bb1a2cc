"""A reservation begins where replicas stand, which nobody may stop: plans go on around them."""

import numpy as np
from recovery_case import hall, jobs

from twin.kernel.reserved import Reservation
from twin.kernel.simulation import Simulation
from twin.policies.placements.first_fit import FirstFit
from twin.policies.schedulers.conservative import ConservativeBackfill


def test_a_plan_where_more_is_taken_than_there_is():
    """All but one GPU have replicas; the reserved node has that one, or none at all."""
    table = jobs(
        (0, 9000, 1),
        (0, 9000, 2),
        (90, 20, 1),
        until_s=[9000.0, 9000.0, np.nan],
        job_id=["chat/0", "chat/1", "job"],
        kind=["serving", "serving", "training"],
        group=["", "", "a"],
    )
    asked = Reservation(
        name="r", pool=0, nodes=1, start_s=100.0, end_s=400.0, groups=("a",), notice_s=50.0
    )
    simulation = Simulation(
        hall(2), table, ConservativeBackfill(), FirstFit(), reservations=[asked]
    )
    record = simulation.run(3000.0)
    assert record.end_s[2] - record.start_s[2] == 20
