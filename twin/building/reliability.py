"""Reliability: what may fail, what beginning again takes, and who decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.errors import InputError, did_you_mean
from twin.registry import make_policy

if TYPE_CHECKING:
    from twin.kernel.hazards import Reliability
    from twin.kernel.power import Powering
    from twin.scenario.schema import Scenario
    from twin.site.layout import Site


def build_reliability(
    scenario: Scenario, site: Site, powering: Powering | None = None
) -> Reliability | None:
    """What may fail, what beginning again takes, and who decides; None if nothing is asked for.

    Raises
    ------
    InputError
        If an incident names a unit that the site does not have.
    """
    from twin.scenario.recovery import Recovery

    spares = any(pool.spares for pool in site.pools)
    outages = powering is not None and powering.model.may_interrupt
    if not (scenario.failures or scenario.recovery != Recovery() or spares or outages):
        return None
    from twin.failures.asked import check_site, failure_model, restart_model
    from twin.kernel.hazards import Reliability
    from twin.site.domains import Domains

    failures = failure_model(scenario.failures)
    check_site(failures, Domains(site), scenario.horizon_s or 0.0)
    policies = scenario.policies
    recovery = make_policy("recoveries", policies.recovery.name, policies.recovery.options)
    lender, pools = getattr(recovery, "pool", None), [pool.name for pool in site.pools]
    if lender is not None and lender not in pools:
        raise InputError(
            f"policies.recovery.{policies.recovery.name}.pool: the site has no pool {lender!r}; "
            f"{did_you_mean(lender, pools)}"
        )
    return Reliability(
        failures=failures,
        restarts=restart_model(scenario.recovery),
        recovery=recovery,
        checkpoint=make_policy(
            "checkpoints", policies.checkpoint.name, policies.checkpoint.options
        ),
        retirement=make_policy(
            "retirements", policies.retirement.name, policies.retirement.options
        ),
        seed=scenario.seed,
    )
