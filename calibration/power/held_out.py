"""How wrong the laws are on networks that they have not seen, and on GPUs that are not theirs."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import numpy as np
from model import NAMES, Law, default_law, fit, predict_many
from sweeps import Array, Sweep


@dataclass(frozen=True)
class Errors:
    """Predicted against measured: a row a job, a column a limit, without the highest."""

    power_w: Array  # measured
    rate: Array  # measured
    power_error: Array  # predicted over measured, less 1
    rate_error: Array

    def part(self, columns: list[int]) -> Errors:
        """Some of the limits."""
        return Errors(*(values[:, columns] for values in astuple(self)))


def errors(law: Law, tdp_w: float, jobs: list[Sweep]) -> Errors:
    """What the law makes of the jobs."""
    return _compare(predict_many(law, tdp_w, jobs), jobs)


def without_a_model(jobs: list[Sweep]) -> Errors:
    """Errors of no model at all: the job draws the limit and runs as fast as before."""
    return _compare(
        [(np.minimum(job.cap_w, job.power_w[-1]), np.ones_like(job.rate)) for job in jobs], jobs
    )


def _compare(predicted: list[tuple[Array, Array]], jobs: list[Sweep]) -> Errors:
    power_w = np.array([job.power_w[:-1] for job in jobs])
    rate = np.array([job.rate[:-1] for job in jobs])
    told_w, told_rate = (np.array([one[i][:-1] for one in predicted]) for i in (0, 1))
    return Errors(power_w, rate, told_w / power_w - 1, told_rate / rate - 1)


def joined(many: list[Errors]) -> Errors:
    return Errors(*(np.concatenate(parts) for parts in zip(*map(astuple, many), strict=True)))


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


def told(found: Errors) -> dict[str, Any]:
    """Median and 90th percentile of the size of the errors, and the median error."""
    result: dict[str, Any] = {"rows": int(found.rate.size)}
    for name, values in (("rate", found.rate_error), ("power", found.power_error)):
        result[name] = {
            "median": float(np.median(np.abs(values))),
            "p90": float(np.quantile(np.abs(values), 0.9)),
            "bias": float(np.median(values)),
        }
    return result


def by_cap(found: Errors, caps_w: Array) -> list[dict[str, Any]]:
    """`told` at each limit, with the medians over jobs of what was measured and predicted."""
    rows = []
    for i, cap in enumerate(caps_w[:-1]):
        one = found.part([i])
        medians = {
            "rate": (one.rate, one.rate * (1 + one.rate_error)),
            "power_w": (one.power_w, one.power_w * (1 + one.power_error)),
        }
        rows.append(
            {"cap_w": float(cap), "errors": told(one)}
            | {name: [float(np.median(each)) for each in pair] for name, pair in medians.items()}
        )
    return rows


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
