"""Services as rows of the job table: a row for each spell for which a replica is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.errors import InputError
from twin.workload.jobs import Intake, Workload, job_table
from twin.workload.tides import from_zero, read_tide, wave

if TYPE_CHECKING:
    from twin.scenario.services import Daily, Service

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_MOST = 100_000  # replicas
_MOST_ROWS = 20_000_000


@dataclass(frozen=True)
class Tide:
    """Replicas wanted over time.

    Attributes
    ----------
    time_s : (n_step,) array
        Ascending, the first at 0. [s]
    replicas : (n_step,) array
        How many are wanted from each time to the next, the last to the end.
    """

    time_s: Array
    replicas: Counts


def no_jobs(start: datetime | None) -> Workload:
    """A workload of services alone, before they come."""
    empty = job_table({"submit_s": [], "run_s": [], "gpus": []})
    return Workload(empty, Intake("the scenario", "services"), epoch=start)


def with_services(
    workload: Workload,
    services: Sequence[Service],
    seed: int,
    epoch: datetime,
    horizon_s: float | None,
) -> Workload:
    """A workload and, in queue order among its jobs, the rows of services.

    Parameters
    ----------
    workload : Workload
        The jobs; none of them is changed.
    services : sequence of Service
    seed : int
        The run's seed; each service draws its noise from a stream of its own.
    epoch : datetime
        Calendar time of second 0.
    horizon_s : float or None
        When the run ends. [s] None: with the last submit of a job.

    Raises
    ------
    InputError
        If a service wants nothing at all, a file of it makes no sense, or it has no end.
    """
    end_s = horizon_s
    if end_s is None:
        end_s = float(workload.jobs["submit_s"].max()) if len(workload.jobs) else 0.0
        if end_s <= 0.0:
            raise InputError(
                "workload.services: nothing says how long they are wanted, because all jobs come "
                "at one time; give the scenario a horizon, such as 7 days"
            )
    tables = [workload.jobs]
    for service in services:
        tide = demand(service, seed, epoch, end_s)
        tables.append(rows_of(service, tide, end_s, closed=horizon_s is None))
        if not len(tables[-1]):
            raise InputError(
                f"workload.services: {service.name} wants no replica before the end of the run; "
                "raise its demand or leave it out"
            )
    return replace(workload, jobs=_in_queue_order(tables))


def demand(service: Service, seed: int, epoch: datetime, end_s: float) -> Tide:
    """Replicas that a service wants from second 0 to ``end_s``."""
    asked = service.replicas
    if asked.daily is not None:
        return daily(asked.daily, seed, f"services/{service.name}", epoch, end_s)
    if asked.steps is not None:
        times, replicas = zip(*asked.steps, strict=True)
        return _from_zero(np.array(times, float), np.array(replicas, np.int64))
    assert asked.file is not None  # the schema sees to it
    return _read(Path(asked.file.path), epoch)


def daily(asked: Daily, seed: int, name: str, epoch: datetime, end_s: float) -> Tide:
    """A smooth daily tide in steps, rounded to whole replicas: `twin.workload.tides.wave`."""
    time_s, wanted = wave(asked, seed, name, epoch, end_s)
    replicas = np.minimum(np.floor(wanted + 0.5), _MOST).astype(np.int64)
    return _from_zero(time_s, replicas)


def spells(tide: Tide, end_s: float) -> tuple[Counts, Array, Array]:
    """The spells for which each replica is wanted.

    Replica ``k``, from 0, is wanted while demand exceeds ``k``.

    Returns
    -------
    replica, from_s, to_s : (n_spell,) arrays
        In the order of their begin; none empty, and those of one replica apart. A spell that is
        not over by ``end_s`` ends there. [s]
    """
    open_s: list[float] = []
    found: list[tuple[float, int, float]] = []
    for time_s, wanted in zip(tide.time_s.tolist(), tide.replicas.tolist(), strict=True):
        if time_s >= end_s:
            break
        while len(open_s) > wanted:
            since_s = open_s.pop()
            found.append((since_s, len(open_s), time_s))
        open_s += [time_s] * (wanted - len(open_s))
        if len(found) + len(open_s) > _MOST_ROWS:
            raise InputError(
                f"workload.services: replicas come and go more than {_MOST_ROWS:,} times; give "
                "them longer steps or a shorter horizon"
            )
    found += [(since_s, k, end_s) for k, since_s in enumerate(open_s)]
    found.sort()
    table = np.array(found, float).reshape(-1, 3)
    return table[:, 1].astype(np.int64), table[:, 0], table[:, 2]


def rows_of(service: Service, tide: Tide, end_s: float, *, closed: bool) -> pd.DataFrame:
    """The rows of one service.

    ``closed``: what is still wanted at ``end_s`` ends then; otherwise it goes on, and the run ends.
    Rows are named by service, replica and turn: ``chat/3-2`` is the second spell of replica 3.
    """
    replica, from_s, to_s = spells(tide, end_s)
    until_s = to_s if closed else np.where(to_s >= end_s, inf, to_s)
    turn = pd.Series(replica).groupby(replica).cumcount().to_numpy()
    names = [
        f"{service.name}/{k + 1}-{n + 1}"
        for k, n in zip(replica.tolist(), turn.tolist(), strict=True)
    ]
    columns: dict[str, Any] = {
        "job_id": names,
        "submit_s": from_s,
        "run_s": to_s - from_s,
        "estimate_s": to_s - from_s,
        "gpus": np.full(len(names), service.gpus),
        "until_s": until_s,
    }
    told = {"kind": "serving", "user": service.user, "group": service.group}
    told |= {"pool": service.pool, "model": service.model}
    columns |= {key: [text or ""] * len(names) for key, text in told.items()}
    return job_table(columns)


def _from_zero(time_s: Array, replicas: Counts) -> Tide:
    """From second 0 on: what was wanted before that last holds then; nothing before the first."""
    return Tide(*from_zero(time_s, replicas, before=0))


def _in_queue_order(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Job tables as one: by submit time, ties in the order of the tables."""
    joined: dict[str, Any] = {}
    for name, dtype in tables[0].dtypes.items():
        parts: list[pd.Series[Any]] = [table[str(name)] for table in tables]
        if isinstance(dtype, pd.CategoricalDtype):
            from pandas.api.types import union_categoricals

            joined[str(name)] = pd.Series(union_categoricals(parts))
        else:
            joined[str(name)] = pd.concat(parts, ignore_index=True)
    table = pd.DataFrame(joined)
    order = np.argsort(table["submit_s"].to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _read(path: Path, epoch: datetime) -> Tide:
    time_s, replicas = read_tide(path, epoch, "replicas", _IS_COUNT)
    return _from_zero(time_s, replicas.astype(np.int64))


def _is_count(replicas: Array) -> NDArray[np.bool_]:
    """Which numbers are counts of replicas."""
    there = np.isfinite(replicas) & (replicas >= 0) & (replicas <= _MOST)
    whole: NDArray[np.bool_] = replicas == np.floor(np.where(there, replicas, 0.0))
    return there & whole


_IS_COUNT = (_is_count, f"must be a whole number from 0 to {_MOST}")
