"""Services: their replicas beside the jobs, and what they leave of their GPUs' time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.assumptions import DEFAULT_EPOCH
from twin.errors import InputError
from twin.registry import make_policy

if TYPE_CHECKING:
    from twin.kernel.guests import Hosting
    from twin.scenario.schema import Scenario
    from twin.site.layout import Site
    from twin.workload.jobs import Workload


def add_services(scenario: Scenario, workload: Workload, site: Site) -> Workload:
    """The jobs, and the replicas of the services beside them.

    Raises
    ------
    InputError
        If a replica fits no pool that it may use.
    """
    from twin.workload.services import with_services

    services = scenario.workload.services
    for at, service in enumerate(services):
        pools = [pool for pool in site.pools if service.pool in (None, pool.name)]
        most = max((pool.gpus for pool in pools), default=None)
        if most is not None and service.gpus > most:
            raise InputError(
                f"workload.services[{at}].gpus: a replica of {service.gpus} GPUs fits no pool that "
                f"it may use; the largest has {most}"
            )
    epoch = scenario.start or workload.epoch or DEFAULT_EPOCH
    return with_services(workload, services, scenario.seed, epoch, scenario.horizon_s)


def build_hosting(scenario: Scenario, workload: Workload) -> Hosting | None:
    """What services leave of their GPUs' time, and who gets it; None if they need all of it.

    Raises
    ------
    InputError
        If a file of shares makes no sense.
    """
    from twin.workload.hosting import fits_memory, hosts_of

    services = scenario.workload.services
    if not any(service.busy is not None for service in services):
        return None
    from twin.kernel.guests import Hosting

    epoch = scenario.start or workload.epoch or DEFAULT_EPOCH
    jobs = workload.jobs
    last_s = float(jobs["submit_s"].max()) if scenario.horizon_s is None else scenario.horizon_s
    hosts = hosts_of(services, jobs, scenario.seed, epoch, last_s)
    guests = scenario.policies.guests
    policy = make_policy("guests", guests.name, guests.options)
    return Hosting(hosts, policy, fits_memory) if hosts is not None else None
