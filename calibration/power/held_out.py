"""How wrong the laws are on networks that they have not seen, and on GPUs that are not theirs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from model import NAMES, Law, default_law, fit, predict_many
from sweeps import Array, Sweep


@dataclass(frozen=True)
class Errors:
    """Relative errors: a row a job, a column a limit, without the highest."""

    power: Array
    rate: Array


def errors(law: Law, tdp_w: float, jobs: list[Sweep]) -> Errors:
    """Predicted over measured, less 1."""
    told = predict_many(law, tdp_w, jobs)
    return Errors(
        np.array([p[:-1] / job.power_w[:-1] - 1 for (p, _), job in zip(told, jobs, strict=True)]),
        np.array([r[:-1] / job.rate[:-1] - 1 for (_, r), job in zip(told, jobs, strict=True)]),
    )


def joined(many: list[Errors]) -> Errors:
    return Errors(
        np.concatenate([one.power for one in many]), np.concatenate([one.rate for one in many])
    )


def without_network(jobs: list[Sweep], tdp_w: float) -> dict[str, tuple[Law, Errors]]:
    """For each network the law of the others, and its errors on that network."""
    found = {}
    for network in sorted({job.network for job in jobs}):
        law = fit([job for job in jobs if job.network != network], tdp_w)
        found[network] = law, errors(law, tdp_w, [job for job in jobs if job.network == network])
    return found


def without_each_job(jobs: list[Sweep], tdp_w: float) -> Errors:
    """Errors on each batch size, from the law of all other configurations of that GPU."""
    return joined(
        [errors(fit([o for o in jobs if o is not job], tdp_w), tdp_w, [job]) for job in jobs]
    )


def without_a_model(jobs: list[Sweep]) -> Errors:
    """Errors of no model at all: the job draws the limit and runs as fast as before."""
    return Errors(
        np.array([np.minimum(j.cap_w, j.power_w[-1])[:-1] / j.power_w[:-1] - 1 for j in jobs]),
        np.array([1 / j.rate[:-1] - 1 for j in jobs]),
    )


def told(found: Errors) -> dict[str, Any]:
    """Median and 90th percentile of the size of the errors, and the median error."""
    result: dict[str, Any] = {"rows": int(found.rate.size)}
    for name, values in (("rate", found.rate), ("power", found.power)):
        result[name] = {
            "median": float(np.median(np.abs(values))),
            "p90": float(np.quantile(np.abs(values), 0.9)),
            "bias": float(np.median(values)),
        }
    return result


def by_cap(found: Errors, caps_w: Array) -> list[dict[str, Any]]:
    """`told` at each limit."""
    return [
        {"cap_w": float(cap), **told(Errors(found.power[:, [i]], found.rate[:, [i]]))}
        for i, cap in enumerate(caps_w[:-1])
    ]


def of_gpu(jobs: list[Sweep], tdp_w: float) -> dict[str, Any]:
    """Everything about one type of GPU: its law, and the errors on what was held out."""
    bound = [job for job in jobs if job.bound]
    folds = without_network(bound, tdp_w)
    law, held_out = fit(bound, tdp_w), joined([each for _, each in folds.values()])
    others = [job for job in jobs if not job.bound]
    spread = {
        name: [f([getattr(one, name) for one, _ in folds.values()]) for f in (min, max)]
        for name in NAMES
    }
    return {
        "tdp_w": tdp_w,
        "configurations": len(jobs),
        "bound": len(bound),
        "law": asdict(law),
        "law_without_a_network": spread,
        "in_sample": told(errors(law, tdp_w, bound)),
        "held_out_network": told(held_out),
        "held_out_configuration": told(without_each_job(bound, tdp_w)),
        "held_out_all_rows": told(joined([held_out, errors(law, tdp_w, others)])),
        "default_curve": told(errors(default_law(), tdp_w, bound)),
        "no_model": told(without_a_model(bound)),
        "by_network": {network: told(each) for network, (_, each) in folds.items()},
        "by_cap": by_cap(held_out, jobs[0].cap_w),
    }


def transfer(law: Law, own: Law, tdp_w: float, jobs: list[Sweep]) -> dict[str, Any]:
    """Errors of another GPU's law in shares of TDP; and with this GPU's idle draw put in."""
    bound = [job for job in jobs if job.bound]
    idle = replace(law, idle=own.idle)
    return {
        "as_it_is": told(errors(law, tdp_w, bound)),
        "with_its_idle": told(errors(idle, tdp_w, bound)),
        "by_cap": by_cap(errors(law, tdp_w, bound), jobs[0].cap_w),
    }
