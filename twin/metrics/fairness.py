"""How fairly tenants share a cluster: attained against entitled GPUs, and finish-time fairness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.metrics.max_min import max_min
from twin.metrics.stay import stay
from twin.metrics.steps import piece_starts, stacked
from twin.metrics.tenants import Tenants, asked_gpus, tenants
from twin.results.spells import waiting

Array = NDArray[np.float64]

MOST_TENANTS = 50  # beyond them the rest stand together, with a weight of their number


@dataclass(frozen=True)
class Shares:
    """Who held what, and who was entitled to what, over pieces of time.

    Attributes
    ----------
    tenants : Tenants
    starts_s, lasted_s : (n_piece,) arrays
        Start and length of each piece. [s]
    attained, entitled : (n_tenant, n_piece) arrays
        GPUs held, and GPUs that would be a fair share.
    present : (n_piece,) array
        Tenants with work there, waiting or running; each of the others counts.
    """

    tenants: Tenants
    starts_s: Array
    lasted_s: Array
    attained: Array
    entitled: Array
    present: Array


def shares(
    jobs: pd.DataFrame,
    allocations: pd.DataFrame,
    n_gpus: float,
    horizon_s: float,
    edges_s: Array | None = None,
) -> Shares | None:
    """Attained and entitled GPUs of each tenant; None if there is but one, or no time.

    Parameters
    ----------
    jobs, allocations : DataFrame
        Tables of a run.
    n_gpus : float
        GPUs installed, up or not.
    horizon_s : float
        Simulated time. [s]
    edges_s : array, optional
        Starts of bins, at which pieces are cut as well. [s]

    Notes
    -----
    Tenants are groups, or users if there is but one group. A tenant demands what its waiting jobs
    ask for and its running jobs hold. Entitled is the max-min fair share: all that have work get
    the same, nobody more than it demands (`twin.metrics.max_min`). Demand is asked size: what an
    elastic job could use beyond it counts only while it holds it.
    """
    who = tenants(jobs, MOST_TENANTS)
    if len(who.names) < 2 or not horizon_s > 0:
        return None
    gpus, n = asked_gpus(jobs), len(who.names)
    held_job = allocations["job"].to_numpy()
    start_s, end_s = allocations["start_s"].to_numpy(), allocations["end_s"].to_numpy()
    held = held_gpus(jobs, allocations)
    submit_s, leave_s = stay(jobs, horizon_s)
    job, from_s, to_s = waiting(submit_s, leave_s, held_job, start_s, end_s)
    held_row, row = who.of_job[held_job], who.of_job[job]
    starts_s = piece_starts([start_s, end_s, from_s, to_s], horizon_s, 2 * n, edges_s)
    attained = _over(starts_s, held_row, start_s, end_s, held, n)
    demand = _over(starts_s, row, from_s, to_s, gpus[job], n)
    demand += attained
    if (jobs["gpu_fraction"].to_numpy() < 1).any():
        # Sums of parts of GPUs leave rests where they should be nothing.
        attained, demand = attained.round(6), demand.round(6)
    weight = np.ones((n, 1))
    if who.others:
        weight = np.ones_like(demand)
        weight[-1] = _present(who, submit_s, leave_s, starts_s)
    return Shares(
        tenants=who,
        starts_s=starts_s,
        lasted_s=np.diff(starts_s, append=horizon_s),
        attained=attained,
        entitled=max_min(demand, weight, n_gpus),
        present=((demand > 0) * weight).sum(axis=0),
    )


def held_gpus(jobs: pd.DataFrame, allocations: pd.DataFrame) -> Array:
    """(n_held,) GPUs of each row of the allocations, parts of GPUs counted as parts."""
    whole = np.bitwise_count(allocations["gpu_mask"].to_numpy().astype(np.uint64))
    gpus: Array = whole * jobs["gpu_fraction"].to_numpy()[allocations["job"].to_numpy()]
    return gpus


def jain(values: Array) -> float:
    """Jain's index: 1 if all are equal, 1 / n if one has all [jain1984].

    Notes
    -----
    ``(sum x)^2 / (n sum x^2)``; 1 where all are zero.
    """
    squares = len(values) * float(values @ values)
    return float(values.sum()) ** 2 / squares if squares else 1.0


def share_errors(found: Shares) -> Array:
    """(n_piece,) total-variation distance between who holds GPUs and who should.

    Notes
    -----
    ``1/2 sum |attained / all attained - entitled / all entitled|``: the share of the GPUs held that
    would have to change hands, 0 to 1. NaN while nothing is held.
    """
    held, due = found.attained.sum(axis=0), found.entitled.sum(axis=0)
    known = (held > 0) & (due > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = found.attained / held
        apart -= found.entitled / due
    return np.where(known, np.abs(apart, out=apart).sum(axis=0) / 2, np.nan)


def finish_time_fairness(
    jobs: pd.DataFrame, found: Shares, n_gpus: float, horizon_s: float
) -> Array:
    """rho of each completed job: its completion time over that on a share of its own.

    Returns
    -------
    (n_completed,) array
        Jobs without work, or with no time between submit and end, are left out, and so are
        replicas of services. [-]

    Notes
    -----
    ``rho = T_shared / T_alone`` with ``T_shared`` the JCT and ``T_alone = run_s x max(1, gpus /
    share)``: the job alone, without any wait, on ``share = n_gpus / n`` GPUs. ``n`` is the time
    mean, over the job's stay, of the tenants that had work. It is the ``T_id`` of Themis with one
    job an app: a job larger than the share runs on it at a speed in proportion to its size, other
    jobs of the same tenant do not wait for each other in ``T_alone``, and a share is no whole
    number of GPUs or nodes.

    Sources
    -------
    [mahajan2020] for rho and for T_id.
    """
    known = (jobs["run_s"] > 0).to_numpy() & (jobs["jct_s"] > 0).to_numpy()
    known &= jobs["until_s"].isna().to_numpy()
    done = known & (jobs["state"] == "completed").to_numpy()
    jct_s, submit_s = jobs["jct_s"].to_numpy()[done], jobs["submit_s"].to_numpy()[done]
    edges_s = np.append(found.starts_s, horizon_s)
    so_far = np.concatenate([[0.0], np.cumsum(found.present * found.lasted_s)])
    met = np.interp(submit_s + jct_s, edges_s, so_far) - np.interp(submit_s, edges_s, so_far)
    n = np.maximum(met / jct_s, 1.0)
    slower = np.maximum(1.0, asked_gpus(jobs)[done] * n / n_gpus)
    rho: Array = jct_s / (jobs["run_s"].to_numpy()[done] * slower)
    return rho


def fairness(
    jobs: pd.DataFrame, allocations: pd.DataFrame, n_gpus: float, horizon_s: float
) -> dict[str, Any]:
    """Jain's index, error of the shares and rho; nothing if there is but one tenant.

    Notes
    -----
    ``jain`` is over each tenant's attained over entitled GPU-time of the whole run. ``share_error``
    is the time mean of `share_errors` while GPUs were held.
    """
    found = shares(jobs, allocations, n_gpus, horizon_s)
    if found is None:
        return {}
    attained_gpu_s = found.attained @ found.lasted_s
    entitled_gpu_s = found.entitled @ found.lasted_s
    asked = entitled_gpu_s > 0
    made: dict[str, Any] = {
        "tenants": len(found.tenants.names) - 1 + max(found.tenants.others, 1),
        "tenant_kind": found.tenants.kind,
        "jain": jain(attained_gpu_s[asked] / entitled_gpu_s[asked]),
    }
    error = share_errors(found)
    known = np.isfinite(error)
    if known.any():
        made["share_error"] = float(np.average(error[known], weights=found.lasted_s[known]))
    rho = finish_time_fairness(jobs, found, n_gpus, horizon_s)
    if len(rho):
        made |= {
            "rho_mean": float(rho.mean()),
            "rho_p50": float(np.median(rho)),
            "rho_p99": float(np.percentile(rho, 99)),
            "rho_max": float(rho.max()),
            # Times of months leave a rounding of their own in the difference of two of them.
            "rho_fair_share": float((rho <= 1 + 1e-6).mean()),
        }
    return made


def fairness_over_time(
    jobs: pd.DataFrame, allocations: pd.DataFrame, n_gpus: float, horizon_s: float, bin_s: float
) -> pd.DataFrame:
    """Time means of attained and entitled GPUs of each tenant, and of the error of the shares.

    Parameters
    ----------
    jobs, allocations, n_gpus, horizon_s
        As in `shares`.
    bin_s : float
        Width of the bins. [s]

    Returns
    -------
    DataFrame
        (n_bin, 2 + 2 n_tenant): ``time_s`` (start of the bin) and ``error`` (`share_errors`, mean
        over the time in which it is known, NaN if there is none), then ``attained_gpus[name]`` and
        ``entitled_gpus[name]``. Without tenants to compare, ``error`` is NaN and there are no more.

    Notes
    -----
    Exact as long as `twin.metrics.steps.piece_starts` is.
    """
    edges_s = np.arange(max(int(np.ceil(horizon_s / bin_s)), 1), dtype=np.float64) * bin_s
    edges_s = edges_s[edges_s < horizon_s] if horizon_s > 0 else edges_s[:1]
    found = shares(jobs, allocations, n_gpus, horizon_s, edges_s)
    columns: dict[str, Any] = {"time_s": edges_s, "error": np.full(len(edges_s), np.nan)}
    if found is None:
        return pd.DataFrame(columns)
    first = np.searchsorted(found.starts_s, edges_s)
    width_s = np.add.reduceat(found.lasted_s, first)
    error = share_errors(found)
    known_s = np.add.reduceat(np.where(np.isfinite(error), found.lasted_s, 0.0), first)
    summed = np.add.reduceat(np.nan_to_num(error) * found.lasted_s, first)
    np.divide(summed, known_s, out=columns["error"], where=known_s > 0)
    for what in ("attained", "entitled"):
        value = getattr(found, what) * found.lasted_s
        means = np.add.reduceat(value, first, axis=1) / width_s
        for name, mean in zip(found.tenants.names, means, strict=True):
            columns[f"{what}_gpus[{name}]"] = mean
    return pd.DataFrame(columns)


def _over(
    starts_s: Array, row: NDArray[Any], from_s: Array, to_s: Array, gpus: Array, n_rows: int
) -> Array:
    """(n_row, n_piece) GPUs of spells, summed by row."""
    change = np.concatenate([gpus, -gpus])
    times_s = np.concatenate([from_s, to_s])
    return stacked(starts_s, np.concatenate([row, row]), times_s, change, n_rows)


def _present(who: Tenants, submit_s: Array, leave_s: Array, starts_s: Array) -> Array:
    """(n_piece,) how many of the others have work."""
    other = (who.of_job == len(who.names) - 1) & (leave_s > submit_s)
    own = np.concatenate([who.own[other], who.own[other]])
    times_s = np.concatenate([submit_s[other], leave_s[other]])
    change = np.repeat([1, -1], int(other.sum()))
    order = np.lexsort((-change, times_s, own))
    jobs_there = np.cumsum(change[order])  # each tenant's jobs all leave: the sum runs on
    comes = (change[order] > 0) & (jobs_there == 1)
    goes = jobs_there == 0
    moved = np.where(comes, 1.0, np.where(goes, -1.0, 0.0))
    none = np.zeros(len(order), np.int64)
    there: Array = stacked(starts_s, none, times_s[order], moved, 1)[0]
    return there
