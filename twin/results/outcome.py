"""A finished simulation as tables: the columns of `twin.tables`, nothing computed beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twin.facility.tariff import Tariff
from twin.kernel import recorder
from twin.kernel.incidents import KINDS
from twin.kernel.ledger import job_shares
from twin.kernel.recorder import Record
from twin.kernel.timeline import bin_means, bin_starts, bin_width_s
from twin.results.power import (
    PowerSeen,
    domain_rows,
    domain_series,
    node_gpu_s,
    power_seen,
    tariff_series,
    timeline_columns,
)
from twin.results.rentals import egress, rentals, rented_series
from twin.results.reservations import reservations
from twin.results.services import guest_series, replicas, service_series
from twin.results.spells import migrations, waiting
from twin.site.domains import LEVELS, Domains
from twin.site.layout import Site
from twin.tables import (
    ALLOCATIONS,
    DOMAINS,
    INCIDENTS,
    JOB_STATES,
    JOBS,
    POWER,
    STAYS,
    TIMELINE,
    Table,
)


@dataclass(frozen=True)
class Outcome:
    """All tables of a run, and the ledgers over them."""

    jobs: pd.DataFrame
    allocations: pd.DataFrame
    incidents: pd.DataFrame
    timeline: pd.DataFrame
    domains: pd.DataFrame
    power: pd.DataFrame | None  # None where power is not computed
    gpu_time: dict[str, float]
    energy: dict[str, float] | None
    power_seen: PowerSeen | None
    horizon_s: float
    not_submitted: int  # jobs whose submit time lies beyond the horizon
    replicas: pd.DataFrame | None = None  # beside `jobs`; None where there are no services
    rentals: pd.DataFrame | None = None  # None where there are no clouds
    reservations: pd.DataFrame | None = None  # a row each; None where there are none
    stays: pd.DataFrame | None = None  # None where no service leaves gaps
    egress: dict[str, tuple[float, float]] | None = None  # cloud -> bytes moved back, USD


# The recorder's constants, in order, as places in JOB_STATES.
_STATE_CODES = np.array(
    [JOB_STATES.index(s) for s in ("completed", "failed", "rejected", "running", "queued")]
)


def outcome(
    record: Record,
    jobs: pd.DataFrame,
    site: Site,
    timeline_bin_s: float | None = None,
    tariff: Tariff | None = None,
) -> Outcome:
    """Tables from what the simulation took down.

    Parameters
    ----------
    record : Record
    jobs : DataFrame
        The job table that was simulated.
    site : Site
    timeline_bin_s : float, optional
        Width of the bins of the time series. [s] Chosen to give a few hundred if not given.
    tariff : Tariff, optional
        Prices and carbon, for series of them beside that of power.

    Raises
    ------
    InvariantError
        If the GPU-time ledger does not balance.
    """
    from twin.kernel.energy_ledger import energy
    from twin.kernel.ledger import gpu_time

    asked = jobs["gpus"].to_numpy() if record.asked_gpus is None else record.asked_gpus
    shares = job_shares(record, asked)
    ledger = gpu_time(record, shares, site.n_gpus)
    starts_s = bin_starts(record.horizon_s, timeline_bin_s or bin_width_s(record.horizon_s))
    kept = np.flatnonzero(record.state != recorder.NOT_SUBMITTED)
    served = replicas(record)
    rented = rentals(record, site)
    series = service_series(record, jobs, starts_s)
    series += guest_series(record, starts_s)
    series += rented_series(rented, site, record.horizon_s, starts_s)
    return Outcome(
        jobs=_jobs(record, jobs, shares, site).iloc[kept].reset_index(drop=True),
        allocations=_frame(ALLOCATIONS, record.allocations),
        stays=_frame(STAYS, record.stays) if record.stays is not None else None,
        incidents=_incidents(record, jobs, site),
        timeline=_timeline(record, starts_s),
        domains=_domains(record, jobs["submit_s"].to_numpy(), site, starts_s, tariff, series),
        power=_power(record, site, shares["throttled"]),
        power_seen=power_seen(record),
        gpu_time=ledger,
        energy=energy(record) if record.power is not None else None,
        horizon_s=record.horizon_s,
        not_submitted=len(jobs) - len(kept),
        replicas=served.iloc[kept].reset_index(drop=True) if served is not None else None,
        rentals=rented,
        reservations=reservations(record, jobs, site),
        egress=egress(record, jobs, site) if rented is not None else None,
    )


def _jobs(record: Record, jobs: pd.DataFrame, shares: dict[str, Any], site: Site) -> pd.DataFrame:
    n = len(jobs)
    submit_s = jobs["submit_s"].to_numpy()
    pool_of = np.full(n, len(site.pools), np.int32)
    held = record.spells
    pool_of[held["job"]] = site.node_pool[held["node"]]
    names = [*(pool.name for pool in site.pools), ""]
    columns: dict[str, Any] = {
        "job_id": jobs["job_id"],
        "submit_s": submit_s,
        "start_s": record.start_s,
        "end_s": record.end_s,
        "gpus": jobs["gpus"].to_numpy(),
        "nodes": record.nodes,
        "wait_s": record.start_s - submit_s,
        "queued_s": _queued_s(record, submit_s),
        "jct_s": record.end_s - submit_s,
        "run_s": jobs["run_s"].to_numpy(),
        "user": jobs["user"],
        "group": jobs["group"],
        "kind": jobs["kind"],
        **{name: jobs[name] for name in ("gpu_fraction", "deadline_s", "qos", "model", "until_s")},
        "pool": _categories(pool_of, names),
        "state": _categories(_STATE_CODES[np.minimum(record.state, recorder.QUEUED)], JOB_STATES),
        "energy_j": np.full(n, np.nan),
    }
    if record.power is not None:
        columns["energy_j"] = sum(record.power.joules.values())
    for name in ("restarts", "preemptions", "interruptions", "interrupted_s"):
        columns[name] = record.lives[name] if record.lives is not None else np.zeros(n)
    columns["migrations"] = migrations(held["job"], held["node"], held["start_s"], held["end_s"], n)
    columns |= {f"{name}_gpu_s": values for name, values in shares.items()}
    columns["guest_fraction"] = np.zeros(n)
    if record.stays is not None and record.lives is not None:
        held_gpu_s = sum(shares.values())
        as_guest_gpu_s = np.maximum(-record.lives["lent_gpu_s"], 0.0)
        columns["guest_fraction"] = as_guest_gpu_s / np.where(held_gpu_s > 0, held_gpu_s, 1.0)
    return _frame(JOBS, columns)


def _queued_s(record: Record, submit_s: Any) -> Any:
    """(n_job,) for how long each job was there without holding anything. [s]"""
    ended = ~np.isnan(record.end_s)
    leave_s = np.where(ended, record.end_s, record.horizon_s)
    rejected = record.state == recorder.REJECTED
    leave_s = np.where(rejected | (leave_s < submit_s), submit_s, leave_s)
    if record.lives is None:  # who starts holds its GPUs to the end
        from_s = np.where(np.isnan(record.start_s), leave_s, record.start_s)
        return np.asarray(from_s - submit_s)
    held = record.spells
    spells = waiting(submit_s, leave_s, held["job"], held["start_s"], held["end_s"])
    job, from_s, to_s = spells
    return np.bincount(job, to_s - from_s, len(submit_s))


def _incidents(record: Record, jobs: pd.DataFrame, site: Site) -> pd.DataFrame:
    seen = record.incidents
    if seen is None or not len(seen):
        return _frame(INCIDENTS, {})
    n = len(seen)
    hits = np.unique(np.frombuffer(seen.hits, np.int64).reshape(-1, 2), axis=0)
    incident, row = hits[:, 0], hits[:, 1]
    # Who has no name counts as a user of his own.
    user = jobs["user"].cat.codes.to_numpy(np.int64)[row]
    nameless = (jobs["user"].to_numpy() == "")[row]
    user = np.where(nameless, -1 - row, user)
    users = np.unique(np.column_stack([incident, user]), axis=0)[:, 0]
    domains, job_ids = Domains(site), jobs["job_id"].to_numpy()
    columns: dict[str, Any] = {
        "time_s": np.frombuffer(seen.time_s, float),
        "component": _categories(np.frombuffer(seen.component, np.int16), seen.components),
        "component_id": np.frombuffer(seen.part, np.int64),
        "domain": [
            f"job {job_ids[unit]}" if level < 0 else domains.name(LEVELS[level], unit)
            for level, unit in zip(seen.level, seen.unit, strict=True)
        ],
        "kind": _categories(np.frombuffer(seen.kind, np.int8), KINDS),
        "jobs_hit": np.bincount(incident, minlength=n),
        "users_hit": np.bincount(users, minlength=n),
    }
    for name in ("gpus_down", "gpus_idled", "nodes_hit", "recovered_s"):
        columns[name] = getattr(seen, name)
    for name in ("down", "idled", "lost", "restart", "slowed"):
        columns[f"{name}_gpu_s"] = getattr(seen, f"{name}_gpu_s")
    return _frame(INCIDENTS, columns)


def _timeline(record: Record, starts_s: np.ndarray[Any, Any]) -> pd.DataFrame:
    log = record.log
    counts = {name: values for name, values in log.items() if name != "time_s"}
    columns: dict[str, Any] = bin_means(log["time_s"], counts, record.horizon_s, starts_s)
    columns["time_s"] = starts_s
    for name in ("it_power_w", "facility_power_w", "pue"):
        columns[name] = np.full(len(starts_s), np.nan)
    if record.power is not None:
        columns |= timeline_columns(record, starts_s)
    return _frame(TIMELINE, columns)


def _power(
    record: Record, site: Site, throttled_gpu_s: np.ndarray[Any, Any]
) -> pd.DataFrame | None:
    if record.power is None:
        return None
    lost = node_gpu_s(record, site, throttled_gpu_s)
    return _frame(POWER, domain_rows(record, site, lost, record.power.nameplate_w))


def _domains(
    record: Record,
    submit_s: np.ndarray[Any, Any],
    site: Site,
    starts_s: np.ndarray[Any, Any],
    tariff: Tariff | None,
    services: list[pd.DataFrame],
) -> pd.DataFrame:
    parts = _pools(record, site, starts_s) + services
    if record.asked_gpus is not None:
        parts.append(_filling(record, submit_s, site, starts_s))
    if record.power is not None:
        parts += domain_series(record, site, starts_s)
    if tariff is not None:
        parts += tariff_series(tariff, record.horizon_s, starts_s)
    if not parts:
        return _frame(DOMAINS, {})
    joined = pd.concat(parts, ignore_index=True)
    return _frame(DOMAINS, {column.name: joined[column.name] for column in DOMAINS.columns})


def _filling(
    record: Record, submit_s: np.ndarray[Any, Any], site: Site, starts_s: np.ndarray[Any, Any]
) -> pd.DataFrame:
    """GPUs asked for so far and GPUs held of these now, parts as such, of the whole site."""
    come = submit_s <= record.horizon_s
    arrived = np.cumsum(record.asked_gpus[come])  # type: ignore[index] # asked where it is known
    since_s = np.concatenate([[0.0], submit_s[come]])
    asked = bin_means(
        since_s, {"arrived": np.concatenate([[0.0], arrived])}, record.horizon_s, starts_s
    )
    held = bin_means(
        record.log["time_s"], {"allocated": record.log["busy_gpus"]}, record.horizon_s, starts_s
    )
    series = {f"{name}_gpus": values for name, values in (asked | held).items()}
    series |= {f"{name}_share": values / site.n_gpus for name, values in (asked | held).items()}
    n = len(starts_s)
    return pd.DataFrame(
        {
            "time_s": np.tile(starts_s, len(series)),
            "domain": "site",
            "quantity": np.repeat(list(series), n),
            "value": np.concatenate(list(series.values())),
        }
    )


def _pools(record: Record, site: Site, starts_s: np.ndarray[Any, Any]) -> list[pd.DataFrame]:
    """GPUs held in each pool; a site of one pool has it in the timeline already."""
    if len(site.pools) < 2:
        return []
    held = record.allocations
    pool = site.node_pool[held["node"]]
    gpus = np.bitwise_count(held["gpu_mask"].astype(np.uint64)).astype(float)
    if record.gpu_share is not None:
        gpus *= record.gpu_share[held["job"]]
    parts = []
    for p, built in enumerate(site.pools):
        here = pool == p
        time_s = np.concatenate([[0.0], held["start_s"][here], held["end_s"][here]])
        change = np.concatenate([[0.0], gpus[here], -gpus[here]])
        order = np.argsort(time_s, kind="stable")
        value = np.cumsum(change[order])
        mean = bin_means(time_s[order], {"held_gpus": value}, record.horizon_s, starts_s)
        parts.append(
            pd.DataFrame(
                {
                    "time_s": starts_s,
                    "domain": built.name,
                    "quantity": "held_gpus",
                    "value": mean["held_gpus"],
                }
            )
        )
    return parts


def _categories(codes: np.ndarray[Any, Any], names: Sequence[str]) -> pd.Series[Any]:
    """A categorical column; all names stay known, those that nobody has included."""
    return pd.Series(pd.Categorical.from_codes(codes.tolist(), pd.Index(names)))


def _frame(table: Table, columns: dict[str, Any]) -> pd.DataFrame:
    """A DataFrame with just the columns of a table, in its order and with its dtypes."""
    made = {}
    for column in table.columns:
        dtype = "str" if column.dtype == "string" else column.dtype
        made[column.name] = pd.Series(columns.get(column.name, []), dtype=None).astype(dtype)
    return pd.DataFrame(made)
