"""Power: what draws it, what it may draw, and who decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twin.assumptions import DEFAULT_EPOCH
from twin.building.site import node_type
from twin.errors import InputError
from twin.registry import make_policy

if TYPE_CHECKING:
    from twin.kernel.power import Powering
    from twin.scenario.schema import Scenario
    from twin.site.layout import Site
    from twin.workload.jobs import Workload


def build_powering(scenario: Scenario, site: Site, workload: Workload | None) -> Powering | None:
    """What draws power, what it may draw, and who decides; None if the scenario has no power.

    The workload is asked for its calendar alone.

    Raises
    ------
    InputError
        If a figure that is needed is not known, or a cap is below what stands there draws at rest.
    """
    if scenario.power is None:
        return None
    from twin.facility.asked import power_model
    from twin.kernel.at_rest import check_caps
    from twin.kernel.power import Powering
    from twin.site.domains import Domains

    if scenario.site.node_list is not None:
        raise InputError(
            "power: the nodes of site.node_list have no known power; describe the site by pools"
        )
    policies = scenario.policies
    nodes = [node_type(pool.node) for pool in scenario.site.pools]
    known = scenario.start or (workload.epoch if workload else None)
    epoch = known or DEFAULT_EPOCH
    domains = Domains(site)
    model = power_model(scenario.power, domains, nodes, epoch, scenario.horizon_s)
    if known is None and scenario.power.has_dates():
        told = f"Second 0 is {epoch:%A, %d %B %Y}, 00:00, because the scenario gives no start."
        model = replace(model, assumed=(told, *model.assumed))
    check_caps(model, domains, may_darken=policies.lighting.name != "all-on")
    return Powering(
        model=model,
        power=make_policy("power", policies.power.name, policies.power.options),
        lighting=make_policy("lighting", policies.lighting.name, policies.lighting.options),
        admission=make_policy("admission", policies.admission.name, policies.admission.options),
    )
