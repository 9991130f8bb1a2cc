"""Who shares a cluster: groups, or users where there are no groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.int64]

OTHERS = "others"


@dataclass(frozen=True)
class Tenants:
    """Groups or users, the largest first; those beyond the largest stand together as the last.

    Attributes
    ----------
    kind : str
        ``group`` or ``user``.
    names : tuple of str
        The last is `OTHERS` if ``others`` is above 0.
    of_job : (n_job,) array
        Place in ``names`` of each job's tenant.
    others : int
        How many the last one stands for; 0 if each has a place of its own.
    own : (n_job,) array
        A number for each job's tenant, those among the others told apart.
    """

    kind: Literal["group", "user"]
    names: tuple[str, ...]
    of_job: Codes
    others: int
    own: Codes


def tenants(jobs: pd.DataFrame, most: int) -> Tenants:
    """The tenants of a run by what they asked for: groups, or users if there is but one group.

    Parameters
    ----------
    jobs : DataFrame
        `twin.tables.JOBS`.
    most : int
        Tenants that have a place of their own, by GPU-time asked for.
    """
    kind: Literal["group", "user"] = "group" if jobs["group"].nunique() > 1 else "user"
    return largest(jobs, kind, most)


def largest(jobs: pd.DataFrame, kind: Literal["group", "user"], most: int) -> Tenants:
    """The same by one column; who has no name there counts as one tenant without a name."""
    own, found = pd.factorize(jobs[kind])
    asked_gpu_s = np.bincount(own, asked_gpus(jobs) * jobs["run_s"].to_numpy(), len(found))
    order = np.argsort(-asked_gpu_s, kind="stable")
    place = np.empty(len(found), np.int64)
    place[order] = np.arange(len(found))
    names = [str(found[at]) for at in order[:most]]
    others = len(found) - len(names)
    if others:
        names.append(OTHERS)
        place = np.minimum(place, most)
    return Tenants(kind, tuple(names), place[own], others, own)


def asked_gpus(jobs: pd.DataFrame) -> NDArray[np.float64]:
    """(n_job,) GPUs that each job asked for, parts of them counted as parts."""
    gpus: NDArray[np.float64] = jobs["gpus"].to_numpy() * jobs["gpu_fraction"].to_numpy()
    return gpus
