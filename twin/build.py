"""Scenario + catalog -> Site, Workload, Policies: what the user wrote becomes what stands there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.assumptions import assumptions
from twin.building.power import build_powering
from twin.building.reliability import build_reliability
from twin.building.reservations import build_reservations
from twin.building.services import build_hosting
from twin.building.site import build_site
from twin.building.workload import build_estimates, build_speeds, build_workload
from twin.errors import InputError
from twin.registry import make_policy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twin.kernel.cloud import Bursting
    from twin.kernel.guests import Hosting
    from twin.kernel.hazards import Reliability
    from twin.kernel.power import Powering
    from twin.kernel.reservation import Reservation
    from twin.kernel.shared import Lending
    from twin.policies.base import PlacementPolicy, Scheduler
    from twin.scenario.schema import Scenario
    from twin.site.layout import Site
    from twin.workload.jobs import Workload
    from twin.workload.speeds import Speeds

MAX_HORIZON_S = 1e12  # thirty thousand years; integrals over it are far from overflow


@dataclass(frozen=True)
class Built:
    """All that a simulation starts from."""

    site: Site
    workload: Workload
    scheduler: Scheduler
    placement: PlacementPolicy
    estimate_s: NDArray[np.float64] | None  # None: the true durations
    assumptions: tuple[str, ...]
    reliability: Reliability | None = None  # None: nothing fails, starts or saves
    powering: Powering | None = None  # None: power is not computed
    speeds: Speeds | None = None  # None: jobs run at their nominal speed on all GPUs
    bursting: Bursting | None = None  # None: no pool is a cloud
    lending: Lending | None = None  # None: no job shares a GPU
    reservations: tuple[Reservation, ...] = ()
    hosting: Hosting | None = None  # None: replicas of services need their GPUs all the time

    @property
    def expected_mtti_s(self) -> Callable[[str, int], float] | None:
        """Mean time to interruption of a job by pool and GPUs, where anything may fail. [s]"""
        if self.reliability is None:
            return None
        from twin.failures.hazard import Hazard
        from twin.site.domains import Domains

        return Hazard(self.reliability.failures, Domains(self.site)).of_pool


def build(scenario: Scenario) -> Built:
    """Everything that the scenario asks for, ready to run.

    Raises
    ------
    InputError
        If the trace cannot be read, the scenario asks of it what it does not hold, or the horizon
        is beyond all reason.
    """
    from twin.kernel.cloud import assumed
    from twin.kernel.lending import lending_of

    if scenario.horizon_s is not None and scenario.horizon_s > MAX_HORIZON_S:
        raise InputError(
            f"horizon: {scenario.horizon_s:g} s is beyond {MAX_HORIZON_S:g} s; give a shorter one, "
            "or drained to run until all jobs have ended"
        )
    site = build_site(scenario)
    workload = build_workload(scenario, site)
    policies = scenario.policies
    powering = build_powering(scenario, site, workload)
    speeds = build_speeds(scenario, site, workload)
    told = powering.model.assumed if powering is not None else ()
    rented = assumed(site)
    return Built(
        site=site,
        workload=workload,
        scheduler=make_policy("schedulers", policies.scheduler.name, policies.scheduler.options),
        placement=make_policy("placements", policies.placement.name, policies.placement.options),
        estimate_s=build_estimates(scenario, workload),
        assumptions=(*assumptions(scenario, workload, powering, speeds), *told, *rented),
        reliability=build_reliability(scenario, site, powering),
        powering=powering,
        lending=lending_of(scenario, site, workload.jobs),
        speeds=speeds,
        bursting=build_bursting(scenario, site),
        reservations=build_reservations(scenario, site, workload),
        hosting=build_hosting(scenario, workload),
    )


def build_bursting(scenario: Scenario, site: Site) -> Bursting | None:
    """When nodes of clouds are rented; None if there is no cloud."""
    if not site.cloud_pools:
        return None
    from twin.kernel.cloud import Bursting

    overflow = scenario.policies.overflow
    return Bursting(make_policy("overflow", overflow.name, overflow.options), scenario.seed)
