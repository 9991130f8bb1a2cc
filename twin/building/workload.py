"""The workload: its jobs, what schedulers are told of their durations, and how fast they run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twin.building.services import add_services
from twin.errors import InputError, Problem, ScenarioError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twin.scenario.schema import Scenario
    from twin.scenario.sharing import Sharing
    from twin.site.layout import Site
    from twin.workload.jobs import Workload
    from twin.workload.speeds import Speeds


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
        workload = add_services(scenario, workload, site)
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
