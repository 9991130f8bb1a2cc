"""What is taken for granted on the way from the user's input to the answer, in sentences."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from twin.registry import SCHEDULERS

if TYPE_CHECKING:
    import pandas as pd

    from twin.kernel.power import Powering
    from twin.scenario.schema import Scenario
    from twin.workload.jobs import Workload
    from twin.workload.speeds import Speeds

DEFAULT_EPOCH = datetime(2025, 1, 1)  # second 0 where nobody says; a Wednesday

NEVER_FAILS = "GPUs and nodes never fail."
ONLY_POWER_FAILS = "Nodes never fail of themselves: only breakers and heat switch them off."
NOMINAL = (
    "A job runs at its nominal speed wherever it is: no network, no slow peers, no neighbours."
)
BUT_TURNS = (
    "A job runs at its nominal speed but for those that share its GPUs: no network, no slow peers."
)
CAPPED = (
    "A job runs at its nominal speed but for caps of power: no network, no slow peers, no "
    "neighbours. Its GPUs run at one operating point."
)
AS_FAST = (
    "A job runs as fast as its GPUs are for its model, wherever they stand: no network, no slow "
    "peers, no neighbours."
)
SUSPENDED = (
    "A preempted job loses nothing and saving takes no time, because recovery says nothing of "
    "checkpoints."
)
NO_TIME_TO_START = "Starting a job takes no time."
NOR_A_REPLICA = "Starting a job or a replica takes no time."
SERVED = (
    "A replica of a service serves while it holds its GPUs and works; requests are not simulated."
)
NO_START = "Second 0 is {:%A, %d %B %Y}, 00:00, because the scenario gives no start."
WITH_GAPS = (
    "A replica of {} leaves the rest of its GPUs' time, spread evenly over every moment; such time "
    "counts as idle, or as stranded while work waits, until a guest has it."
)
BESIDE = (
    "A guest computes whenever its host does not: it goes as fast as the gap is wide, less "
    "{:.3g} % for making room; the host loses {:.3g} % of the time that it works ({})."
)
BUT_HOSTS = (
    "A job runs at its nominal speed but for guests and their hosts: no network, no slow peers."
)
LEAVES = (
    "A guest saves before a replica ends whose demand falls. It is not preempted for jobs, and "
    "stays where it is when GPUs come free."
)
LOSES = "Where a replica fails, its guests lose what they had not saved."
MEMORY = (
    "A guest finds enough memory beside its host where the catalog does not know how much its "
    "model takes."
)
ENDS_KNOWN = "Schedulers know when each replica of a service will be wanted no longer."
FREE_TO_STOP = "Jobs give way to services at no cost, because recovery says nothing of checkpoints."
NO_STARTUP = "Starting a job takes no time, and nothing is preempted."
FAILS = (
    "Only what the failure classes name fails, and no part of a node that is out of service.",
    "A job runs at its nominal speed but for the slow parts and links that the scenario lets fail.",
    "A node that a fault takes is repaired as a whole; jobs use no part of it meanwhile.",
    "Schedulers expect a node back after the median of its repair, and a job by its nominal speed.",
)
NO_POWER = "Power, cooling and energy are not computed."


def assumptions(
    scenario: Scenario,
    workload: Workload,
    powering: Powering | None = None,
    speeds: Speeds | None = None,
) -> list[str]:
    """What was taken for granted on the way from the user's input to the answer."""
    from twin.kernel.lending import assumed, disturbs

    jobs: pd.DataFrame = workload.jobs
    found = list(workload.intake.notes)
    if scenario.workload.estimates == "exact":
        found.append("The scheduler knows the exact duration of every job.")
    if scenario.workload.services:
        found += _served(scenario, workload)
    if (jobs["nodes"] > 0).any():
        found.append(
            "The number of nodes that a job asked for is not heeded: jobs take as few as will do."
        )
    preempts = SCHEDULERS.get(scenario.policies.scheduler.name).preempts
    fails = scenario.failures is not None
    if fails and scenario.recovery.checkpoint is None:
        found.append("No job saves its work: an interruption costs all of it.")
    if fails:
        found += FAILS
    else:
        found.append(ONLY_POWER_FAILS if powering and powering.model.may_interrupt else NEVER_FAILS)
        if speeds is not None:
            found.append(AS_FAST)
        else:
            slowed = scenario.sharing is not None and disturbs(scenario.sharing, jobs)
            alone = BUT_HOSTS if _lodges(scenario) else NOMINAL
            found.append(BUT_TURNS if slowed else alone if powering is None else CAPPED)
        if not scenario.recovery.startup_s:
            gives_way = preempts or scenario.policies.reservations
            served = bool(scenario.workload.services)
            found.append(NOR_A_REPLICA if served else NO_TIME_TO_START if gives_way else NO_STARTUP)
    reserved = scenario.policies.reservations
    if (preempts or reserved) and scenario.recovery.checkpoint is None:
        found.append(SUSPENDED)
    if speeds is not None:
        found += speeds.assumptions(sorted(map(str, set(jobs["model"]))))
    if powering is None:
        found.append(NO_POWER)
    return [*found, *assumed(scenario.sharing, jobs)]


def _served(scenario: Scenario, workload: Workload) -> list[str]:
    """What was taken for granted about services."""
    found = [SERVED, ENDS_KNOWN]
    tides = any(service.replicas.daily for service in scenario.workload.services)
    if tides and scenario.start is None and workload.epoch is None and scenario.power is None:
        found.append(NO_START.format(DEFAULT_EPOCH))
    if scenario.recovery.checkpoint is None:
        found.append(FREE_TO_STOP)
    return found + _hosted(scenario)


def _hosted(scenario: Scenario) -> list[str]:
    """What was taken for granted about the gaps that services leave, and guests in them."""
    partly = [service for service in scenario.workload.services if service.busy is not None]
    found = [WITH_GAPS.format(", ".join(service.name for service in partly))] if partly else []
    hosts = [service for service in partly if service.guests is not None]
    if not _lodges(scenario):
        return found
    terms: dict[tuple[float, float], list[str]] = {}
    for service in hosts:
        assert service.guests is not None
        terms.setdefault((service.guests.cost, service.guests.harm), []).append(service.name)
    found += [
        BESIDE.format(100 * cost, 100 * harm, ", ".join(names))
        for (cost, harm), names in terms.items()
    ]
    return [*found, LEAVES, *([LOSES] if scenario.failures is not None else []), MEMORY]


def _lodges(scenario: Scenario) -> bool:
    """Whether jobs may be guests; the schema sees to it that there is a host then."""
    return scenario.policies.guests.name != "never"
