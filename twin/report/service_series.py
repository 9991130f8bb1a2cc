"""Replicas and GPUs over time: what services wanted and had, and what they and jobs held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.report.batch import is_replica
from twin.report.held import Array, Held, bin_edges, held_by
from twin.report.source import length_s
from twin.results.services import service_of
from twin.results.store import Results
from twin.tables import look_up

MOST_SERVICES = 4  # colours of services
_MOST_POOLS = 3
JOBS, OTHERS = "jobs", "other services"


@dataclass(frozen=True)
class Series:
    """A service over time.

    Attributes
    ----------
    name : str
    gpus : int
        Of a replica.
    share : float
        Of the replica-time wanted that was had, 0..1.
    edges_s : (n_bin + 1,) array
        [s]
    wanted, had : (n_bin,) arrays
        Replicas, means over the bins.
    from_s, to_s : (n_spell,) arrays
        From when to when each replica was wanted. [s]
    """

    name: str
    gpus: int
    share: float
    edges_s: Array
    wanted: Array
    had: Array
    from_s: Array
    to_s: Array


@dataclass(frozen=True)
class WhoHeld:
    """GPUs by who held them: services in the order of their panels, then jobs."""

    holders: tuple[str, ...]
    edges_s: Array
    pools: tuple[Held, ...]


def largest_services(run: Results) -> list[str]:
    """Names of the services, those that wanted most GPU-time first."""
    told = look_up(run.summary, "services.by_service") or {}
    return sorted(told, key=lambda name: (-told[name]["wanted_gpu_s"], name))


def shown_services(run: Results) -> list[str]:
    """Those that have a panel and a colour of their own; the rest stand together."""
    names = largest_services(run)
    return names if len(names) <= MOST_SERVICES else names[: MOST_SERVICES - 1]


def wanted_and_had(run: Results) -> list[Series]:
    """Replicas of the largest services over time; none if the run does not say."""
    domains, end_s = getattr(run, "domains", None), length_s(run)
    if domains is None or not len(domains) or not end_s > 0:
        return []
    jobs = run.jobs[is_replica(run.jobs)]
    service = service_of(jobs)
    found = []
    for name in shown_services(run):
        mine = domains[(domains["domain"] == name).to_numpy()]
        wanted, had = (
            mine[(mine["quantity"] == f"{what}_replicas").to_numpy()]
            for what in ("wanted", "served")
        )
        if not len(wanted) or len(wanted) != len(had):
            continue
        found.append(
            Series(
                name=name,
                gpus=int(jobs["gpus"].to_numpy()[service == name].max(initial=0)),
                share=float(look_up(run.summary, "services.by_service")[name]["served_share"]),
                edges_s=np.append(wanted["time_s"].to_numpy(float), end_s),
                wanted=wanted["value"].to_numpy(float),
                had=had["value"].to_numpy(float),
                from_s=jobs["submit_s"].to_numpy(float)[service == name],
                to_s=np.minimum(jobs["until_s"].to_numpy(float)[service == name], end_s),
            )
        )
    return found


def most_wanted(one: Series, edges_s: Array) -> Array:
    """(n_bin,) the most replicas that were wanted at a time, in each bin."""
    times_s = np.concatenate([one.to_s, one.from_s])
    change = np.repeat([-1, 1], [len(one.to_s), len(one.from_s)])
    order = np.argsort(times_s, kind="stable")  # at one time they go before others come
    times_s, wanted = times_s[order], np.cumsum(change[order])
    last = np.append(np.diff(times_s) > 0, True)[: len(times_s)]
    times_s, wanted = times_s[last], np.append(0, wanted[last])
    most = wanted[np.searchsorted(times_s, edges_s[:-1], side="right")].astype(float)
    bin_ = np.searchsorted(edges_s, times_s, side="right") - 1
    inside = bin_ < len(most)
    np.maximum.at(most, bin_[inside], wanted[1:][inside])
    return most


def joined(edges_s: Array, values: Array, most: int) -> tuple[Array, Array]:
    """Means over wider bins, whose edges are some of those of the finer ones: exact."""
    wide_s = bin_edges(float(edges_s[-1]), most)
    first = np.unique(np.searchsorted(edges_s[:-1], wide_s[:-1] * (1 - 1e-12)))
    first = first[first < len(values)]
    width_s = np.diff(edges_s)
    means = np.add.reduceat(values * width_s, first) / np.add.reduceat(width_s, first)
    return np.append(edges_s[first], edges_s[-1]), means


def who_held(run: Results, most: int) -> WhoHeld:
    """GPUs that services and jobs held, in at most so many bins."""
    edges_s = bin_edges(max(length_s(run), 1.0), most)
    return who_held_at(run, edges_s)


def who_held_at(run: Results, edges_s: Array) -> WhoHeld:
    """The same in given bins, as `twin.report.held.bin_edges` makes them."""
    holders, code = _holders(run)
    found = held_by(run, code, len(holders), edges_s, pools=True)
    used = [pool for pool in found if pool.parts.any()]
    if len(used) > _MOST_POOLS:
        used = held_by(run, code, len(holders), edges_s, pools=False)
    return WhoHeld(holders, edges_s, tuple(used))


def _holders(run: Results) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    names = largest_services(run)
    shown = shown_services(run)
    if len(shown) < len(names):
        shown = [*shown, OTHERS]
    place = {name: min(at, len(shown) - 1) for at, name in enumerate(names)}
    service = service_of(run.jobs) if "until_s" in run.jobs else np.full(len(run.jobs), "")
    code = np.array([place.get(name, len(shown)) for name in service], np.intp)
    return (*shown, JOBS), code
