"""Reservations of a scenario, as the simulation takes them: times from the start, known names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING

from twin.errors import Problem, ScenarioError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from twin.kernel.reservation import Reservation
    from twin.scenario.reservations import Reservation as Asked
    from twin.scenario.schema import Scenario
    from twin.site.layout import Site
    from twin.workload.jobs import Workload


def build_reservations(
    scenario: Scenario, site: Site, workload: Workload
) -> tuple[Reservation, ...]:
    """Nodes that are reserved for some jobs.

    Raises
    ------
    ScenarioError
        If the site has no such pool, the workload no calendar for a date, or no job of a group or
        user that is named: every such fault, each with its path.
    InputError
        If a pool has not as many nodes at some time.
    """
    asked = scenario.policies.reservations
    if not asked:
        return ()
    from twin.kernel.reservation import Reservation, check_nodes

    pools = [pool.name for pool in site.pools]
    epoch = scenario.start or workload.epoch
    problems: list[Problem] = []
    made = []
    for at, one in enumerate(asked):
        faults = [
            Problem(message, f"policies.reservations[{at}].{key}")
            for key, message in _faults(one, pools, epoch, workload.jobs)
        ]
        problems += faults
        if faults:
            continue
        start_s, end_s = (_since_s(moment, epoch) for moment in (one.start, one.end))
        known_s = inf if one.notice_s is None else one.notice_s
        kept = (one.name, pools.index(one.pool), one.nodes, start_s, end_s, one.drain_s)
        made.append(Reservation(*kept, one.group, one.user, known_s))
    if problems:
        raise ScenarioError(problems)
    check_nodes(made, site)
    return tuple(made)


def _faults(
    one: Asked, pools: list[str], epoch: datetime | None, jobs: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """What is wrong with a reservation: keys, each with a message."""
    if one.pool not in pools:
        yield "pool", f"the site has no pool {one.pool!r}; {did_you_mean(one.pool, pools)}"
    if isinstance(one.start, datetime) and epoch is None:
        yield (
            "start",
            "is a date, but the jobs have no calendar; give the scenario a start, or a duration "
            "since the first submit, for example 3 days",
        )
    elif _since_s(one.start, epoch) < 0:
        yield "start", f"{one.start} lies before the start of the run, {epoch}; give a later one"
    own = jobs[jobs["until_s"].isna()]  # replicas of services use no reservation
    for key, names in (("group", one.group), ("user", one.user)):
        known = sorted({str(name) for name in own[key].unique()} - {""})
        for place, name in enumerate(names):
            if name not in known:
                below = f"{key}[{place}]" if len(names) > 1 else key
                yield below, f"no job is of {key} {name!r}; {did_you_mean(name, known)}"


def _since_s(moment: datetime | float, epoch: datetime | None) -> float:
    """When, from the start of the run. [s]"""
    if not isinstance(moment, datetime):
        return moment
    assert epoch is not None
    return (moment - epoch).total_seconds()
