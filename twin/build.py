"""Scenario + catalog -> Site, Workload, Policies: what the user wrote becomes what stands there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twin.assumptions import DEFAULT_EPOCH, assumptions
from twin.errors import InputError, Problem, ScenarioError, did_you_mean
from twin.registry import make_policy
from twin.reservations import build_reservations
from twin.site.layout import Hosts, Pool, Site, lay_out
from twin.site.terms import Terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twin.catalog.parts import NodeType
    from twin.kernel.cloud import Bursting
    from twin.kernel.guests import Hosting
    from twin.kernel.hazards import Reliability
    from twin.kernel.power import Powering
    from twin.kernel.reserved import Reservation
    from twin.kernel.shared import Lending
    from twin.policies.base import PlacementPolicy, Scheduler
    from twin.scenario import site as asked
    from twin.scenario.cloud import Cloud
    from twin.scenario.schema import Scenario
    from twin.scenario.sharing import Sharing
    from twin.workload.jobs import Workload
    from twin.workload.speeds import Speeds

DEFAULT_NODES_PER_RACK = 4
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


def build_site(scenario: Scenario) -> Site:
    """The fleet, its pools and where they stand."""
    asked_site = scenario.site
    if asked_site.node_list is not None:
        pools, listed = _listed_pools(asked_site.node_list)
        return lay_out(pools, name=asked_site.name, regions=asked_site.regions, hosts=listed)
    pools = [_pool(pool) for pool in asked_site.pools]
    hosts = _hosts(asked_site.pools)
    return lay_out(pools, name=asked_site.name, regions=asked_site.regions, hosts=hosts)


def _hosts(pools: Sequence[asked.Pool]) -> Hosts | None:
    """CPUs and memory of the nodes, NaN where nothing is said; None if nothing is of any."""
    given = [(pool.node.cpus, pool.node.memory_bytes) for pool in pools]
    if all(cpus is None and memory_bytes is None for cpus, memory_bytes in given):
        return None
    nodes = [pool.nodes for pool in pools]
    cpus, memory_bytes = (
        np.repeat([np.nan if value is None else float(value) for value in values], nodes)
        for values in zip(*given, strict=True)
    )
    return Hosts(cpus, memory_bytes, np.arange(sum(nodes)))


def node_type(ref: asked.NodeRef) -> NodeType:
    """A node of the catalog with the user's overrides, or a nameless one made from its GPUs."""
    from twin.catalog import parts

    base = parts.node(ref.use) if ref.use else parts.NodeType(name="", gpus=ref.gpus or 1)
    given = {"gpus": ref.gpus, "gpu": ref.gpu, "max_power_w": ref.max_power_w}
    return parts.with_overrides(base, {k: v for k, v in given.items() if v is not None})


def _pool(asked_pool: asked.Pool) -> Pool:
    ref, node = asked_pool.node, node_type(asked_pool.node)
    nodes_per_rack = asked_pool.nodes_per_rack or node.nodes_per_rack or DEFAULT_NODES_PER_RACK
    domain = asked_pool.scale_up_domain or node.scale_up_domain
    return Pool(
        name=asked_pool.name,
        node_type=ref.use or f"{node.gpus}-GPU node",
        gpu_type=node.gpu or "",
        gpus_per_node=node.gpus,
        nodes=asked_pool.nodes,
        halls=asked_pool.halls,
        nodes_per_rack=nodes_per_rack,
        racks_per_row=asked_pool.racks_per_row,
        domain_nodes=nodes_per_rack if domain == "rack" else 1,
        nodes_per_leaf=asked_pool.nodes_per_leaf,
        racks_per_cdu=asked_pool.racks_per_cdu,
        rows_per_ups=asked_pool.rows_per_ups,
        spares=asked_pool.spares,
        spares_per=asked_pool.spares_per,
        age_s=asked_pool.age_s,
        price_usd_per_s=asked_pool.price_usd_per_s,
        cloud=_terms(asked_pool.cloud),
    )


def _terms(cloud: Cloud | None) -> Terms | None:
    """On what terms a cloud has nodes; None for nodes of one's own."""
    if cloud is None:
        return None
    terms = Terms(
        price_usd_per_s=cloud.price_usd_per_s,
        provisioning_s=cloud.provisioning_s,
        minimum_s=cloud.minimum_s,
        idle_s=cloud.idle_s,
        egress_usd_per_byte=cloud.egress_usd_per_byte,
        data_bytes=cloud.data_bytes,
    )
    spot = cloud.spot
    if spot is None:
        return terms
    return replace(terms, mean_life_s=spot.mean_life_s, notice_s=spot.notice_s)


def _listed_pools(node_list: asked.NodeList) -> tuple[list[Pool], Hosts]:
    """One pool for each GPU model and node size of a published node list, largest pool first."""
    from twin.workload.traces.nodes import read_nodes

    nodes = read_nodes(Path(node_list.path), format=node_list.format)
    with_gpus = nodes[nodes["gpus"] > 0].reset_index(drop=True)
    if with_gpus.empty:
        raise InputError(f"{node_list.path}: no node in it has a GPU; give a list of GPU nodes")
    by_pool = []
    for _, rows in with_gpus.groupby(["gpu_model", "gpus"], observed=True):
        model, gpus = str(rows["gpu_model"].iloc[0]), int(rows["gpus"].iloc[0])
        pool = Pool(f"{model or 'gpu'}x{gpus}", f"{gpus}-GPU node", model, gpus, len(rows))
        by_pool.append((pool, rows))
    by_pool.sort(key=lambda pair: (-pair[0].gpus, pair[0].name))
    listed = np.concatenate([rows.index.to_numpy() for _, rows in by_pool])  # row of each node
    cpus, memory_bytes = (with_gpus[name].to_numpy()[listed] for name in ("cpus", "memory_bytes"))
    order = np.argsort(listed, kind="stable")
    return [pool for pool, _ in by_pool], Hosts(cpus, memory_bytes, order)


def build_workload(scenario: Scenario, site: Site) -> Workload:
    """The jobs: read or drawn, then transformed in the order written.

    Raises
    ------
    InputError
        If nothing is left to run, or a job asks for a pool that the site does not have.
    """
    from twin.workload.transforms import apply

    spec = scenario.workload
    jobs_asked = spec.trace is not None or spec.synthetic is not None or bool(spec.jobs)
    if spec.trace is not None:
        from twin.workload.traces.base import read_trace

        workload = read_trace(
            Path(spec.trace.path),
            format=spec.trace.format,
            on_bad_row=spec.trace.on_bad_row,
            columns=spec.trace.columns,
            include=spec.trace.include,
        )
    elif spec.jobs:
        from twin.workload.written import written

        check_gpu_types(scenario, site)
        workload = written(spec.jobs, start=scenario.start)
    elif spec.synthetic is None:
        from twin.workload.services import no_jobs

        workload = no_jobs(scenario.start)
    else:
        from twin.workload.synthetic import generate

        workload = generate(spec.synthetic, scenario.seed, site.own_gpus, start=scenario.start)
    workload = apply(workload, spec.transforms, scenario.seed, site.own_gpus)
    if workload.jobs.empty and (jobs_asked or not spec.services):
        raise InputError(
            f"{workload.intake.source}: no job is left to run after the transforms "
            f"(dropped: {workload.intake.dropped or 'none'}); widen the window or the size cap"
        )
    workload = _parts_of_gpus(workload, scenario.sharing)
    if spec.services:
        workload = _with_services(scenario, workload, site)
    known = {pool.name for pool in site.pools}
    wanted = set(workload.jobs["pool"].cat.categories) - {""}
    if wanted - known:
        raise InputError(
            f"{workload.intake.source}: jobs ask for pools {sorted(wanted - known)} that the site "
            f"does not have; it has {sorted(known)}"
        )
    return workload


def _parts_of_gpus(workload: Workload, sharing: Sharing | None) -> Workload:
    """The workload as the site takes it: where GPUs are not shared, each job has its own.

    Raises
    ------
    InputError
        If there are jobs without GPUs, and nothing else that they ask for runs out.
    """
    jobs = workload.jobs
    none = int((jobs["gpus"] == 0).sum())
    if none and (sharing is None or "cpus" not in sharing.limits):
        raise InputError(
            f"{workload.intake.source}: {none} jobs ask for no GPU; write sharing: "
            "{limits: [cpus]}, so that they take CPUs, or leave them out (include: ran)"
        )
    shared = int((jobs["gpu_fraction"] < 1).sum())
    if sharing is not None or not shared:
        return workload
    note = f"{shared} jobs ask for part of a GPU; each is given a whole one."
    intake = replace(workload.intake, notes=(*workload.intake.notes, note))
    return replace(workload, jobs=jobs.assign(gpu_fraction=1.0), intake=intake)


def _with_services(scenario: Scenario, workload: Workload, site: Site) -> Workload:
    """The jobs, and the replicas of the services beside them."""
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


def build_estimates(scenario: Scenario, workload: Workload) -> NDArray[np.float64] | None:
    """What schedulers are told of each job's duration. [s] None for the truth.

    Raises
    ------
    InputError
        If estimates of the trace are asked for and some job has none, or if a factor makes one
        too large for a number.
    """
    spec = scenario.workload.estimates
    jobs = workload.jobs
    if spec == "exact":
        return None
    if spec == "trace":
        estimate_s: NDArray[np.float64] = jobs["estimate_s"].to_numpy()
        missing = int((~np.isfinite(estimate_s)).sum())
        if missing:
            raise InputError(
                f"workload.estimates: trace, but {missing} of {len(jobs)} jobs in "
                f"{workload.intake.source} have no estimate; write exact, or "
                "{exact_times: <distribution>} for estimates with an error"
            )
        return estimate_s
    from twin.streams import stream

    guessed = jobs["until_s"].isna().to_numpy()  # how long a replica is wanted is no guess
    factor = np.ones(len(jobs))
    factor[guessed] = spec.factor.sample(stream(scenario.seed, "estimates"), int(guessed.sum()))
    with np.errstate(over="ignore", invalid="ignore"):
        estimate_s = jobs["run_s"].to_numpy() * factor
    if not np.isfinite(estimate_s).all():
        raise InputError(
            "workload.estimates.exact_times: makes some estimates too large for a number; "
            "give smaller factors"
        )
    return estimate_s


def build_speeds(scenario: Scenario, site: Site, workload: Workload) -> Speeds | None:
    """How fast jobs run on which GPUs; None if all are alike.

    Raises
    ------
    InputError
        If nobody says how fast a model is on a type of GPU that its jobs may get.
    """
    asked_speeds = scenario.workload.speeds
    if asked_speeds is None:
        return None
    from twin.workload.speeds import Speeds

    speeds = Speeds(asked_speeds.reference, asked_speeds.table, asked_speeds.serial)
    here = {pool.gpu_type for pool in site.pools}
    of_job = workload.jobs.groupby(["model", "gpu_types"], observed=True).size().index
    for model, wanted in of_job:
        speeds.check([str(model)], sorted(here & set(wanted.split("|")) if wanted else here))
    speeds.check_names([str(model) for model, _ in of_job])
    return speeds


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


def check_power(scenario: Scenario) -> None:
    """Raise `InputError` if what the scenario says of power does not hold together."""
    if scenario.power is not None:
        build_powering(scenario, build_site(scenario), None)


def check_jobs(scenario: Scenario) -> None:
    """Raise `ScenarioError` if jobs that are written out ask for what nobody knows."""
    if any(job.gpu_types for job in scenario.workload.jobs):
        check_gpu_types(scenario, build_site(scenario))


def check_gpu_types(scenario: Scenario, site: Site) -> None:
    """Raise `ScenarioError` if a job that is written out asks for GPUs that nobody knows."""
    from twin.catalog import parts

    here = {pool.gpu_type for pool in site.pools} - {""}
    known = here | set(parts.names("gpus"))
    wrong = [
        Problem(
            f"no GPU of the type {name!r} is known; {did_you_mean(name, sorted(here or known))}",
            f"workload.jobs[{at}].gpu_types[{k}]",
        )
        for at, job in enumerate(scenario.workload.jobs)
        for k, name in enumerate(job.gpu_types)
        if name not in known
    ]
    if wrong:
        raise ScenarioError(wrong)


def check_reservations(scenario: Scenario) -> None:
    """Raise `InputError` if reservations ask for what the site or the workload does not have."""
    if scenario.policies.reservations:
        site = build_site(scenario)
        build_reservations(scenario, site, build_workload(scenario, site))


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
