"""How busy the replicas of services are, and what guests find beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.catalog import models, parts
from twin.errors import CatalogError
from twin.workload.tides import from_zero, read_tide, wave

if TYPE_CHECKING:
    from twin.scenario.services import Load, Service

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Host:
    """A service whose replicas do not need their GPUs all the time.

    Attributes
    ----------
    name : str
        The service.
    time_s, busy : (n_step,) arrays
        Share of its time that a replica needs its GPUs, from each time to the next; the first time
        is 0. [s], [0..1]
    welcomes : bool
        Whether guests may use the rest.
    memory : float
        Share of each GPU's memory that they find free.
    harm, cost : float
        As in `twin.physics.guests`.
    """

    name: str
    time_s: Array
    busy: Array
    welcomes: bool = False
    memory: float = 0.0
    harm: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class Hosts:
    """All such services, and which rows of the job table are replicas of which.

    Attributes
    ----------
    hosts : tuple of Host
    of_row : (n_job,) array
        Number of the host; -1 for jobs, and for replicas that are always busy.
    """

    hosts: tuple[Host, ...]
    of_row: NDArray[np.int32]


def hosts_of(
    services: Sequence[Service], jobs: pd.DataFrame, seed: int, epoch: datetime, end_s: float
) -> Hosts | None:
    """The services that say how busy they are; None if there are none.

    Parameters
    ----------
    services : sequence of Service
    jobs : DataFrame
        The job table, with their replicas.
    seed : int
        The run's seed; the noise of each service is drawn from a stream of its own.
    epoch : datetime
        Calendar time of second 0.
    end_s : float
        When the run ends, or the last replica. [s]

    Raises
    ------
    InputError
        If a file of shares makes no sense.
    """
    made, names = [], []
    for service in services:
        if service.busy is None:
            continue
        names.append(service.name)
        tide = _tide(service.busy, seed, f"services/{service.name}/busy", epoch, end_s)
        terms = service.guests
        if terms is None:
            made.append(Host(service.name, *tide))
        else:
            made.append(Host(service.name, *tide, True, terms.memory, terms.harm, terms.cost))
    if not made:
        return None
    service_of = jobs["job_id"].astype("str").str.partition("/")[0]
    number = service_of.map({name: at for at, name in enumerate(names)})
    of_row = number.where(jobs["until_s"].notna()).fillna(-1).to_numpy().astype(np.int32)
    return Hosts(tuple(made), of_row)


def _tide(asked: Load, seed: int, name: str, epoch: datetime, end_s: float) -> tuple[Array, Array]:
    if asked.share is not None:
        return np.zeros(1), np.array([asked.share])
    if asked.daily is not None:
        time_s, busy = wave(asked.daily, seed, name, epoch, end_s)
        busy = np.clip(busy, 0.0, 1.0)
    elif asked.steps is not None:
        time_s, busy = np.array(asked.steps, float).T
    else:
        assert asked.file is not None  # the schema sees to it
        time_s, busy = read_tide(Path(asked.file.path), epoch, "busy", _IS_SHARE)
    # Before the first that is told, as much as then.
    return from_zero(time_s, busy, before=float(busy[0]))


def _is_share(values: Array) -> NDArray[np.bool_]:
    return np.asarray((values >= 0) & (values <= 1))


_IS_SHARE = (_is_share, "must be a share from 0 to 1")


@lru_cache(maxsize=4096)
def fits_memory(model: str, gpu_type: str, share: float) -> bool:
    """Whether a model finds the memory that it takes in a share of a GPU's.

    Where the catalog does not know the one or the other, it is taken to.
    """
    if share <= 0.0:
        return False
    try:
        taken_bytes = models.model(model).memory_bytes
        there_bytes = parts.gpu(gpu_type).memory_bytes
    except CatalogError:
        return True
    if taken_bytes is None or there_bytes is None:
        return True
    return taken_bytes <= share * there_bytes
