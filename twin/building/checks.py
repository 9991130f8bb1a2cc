"""What can be found wrong with a scenario when its parts are put together, without a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.building.power import build_powering
from twin.building.reservations import build_reservations
from twin.building.site import build_site
from twin.building.workload import build_workload, check_gpu_types

if TYPE_CHECKING:
    from twin.scenario.schema import Scenario


def check_power(scenario: Scenario) -> None:
    """Raise `InputError` if what the scenario says of power does not hold together."""
    if scenario.power is not None:
        build_powering(scenario, build_site(scenario), None)


def check_jobs(scenario: Scenario) -> None:
    """Raise `ScenarioError` if jobs that are written out ask for what nobody knows."""
    if any(job.gpu_types for job in scenario.workload.jobs):
        check_gpu_types(scenario, build_site(scenario))


def check_reservations(scenario: Scenario) -> None:
    """Raise `InputError` if reservations ask for what the site or the workload does not have."""
    if scenario.policies.reservations:
        site = build_site(scenario)
        build_reservations(scenario, site, build_workload(scenario, site))
