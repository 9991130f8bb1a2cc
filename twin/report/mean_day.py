"""The mean day of a run: what services and jobs hold by the hour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import gcd

import numpy as np

from twin.report.held import Array, Held
from twin.report.service_series import who_held_at
from twin.report.settings import settings
from twin.report.source import length_s
from twin.results.store import Results

_DAY_S, _STEP_S = 86400, 1800
_STEPS = _DAY_S // _STEP_S
_LEAST_DAYS = 2


@dataclass(frozen=True)
class MeanDay:
    """GPUs held by the time of day, means over all whole days of a run.

    Attributes
    ----------
    holders : tuple of str
    pools : tuple of Held
        ``parts`` are (n_holder, 48), ``guests`` (48,): half hours from 00:00 on.
    days : int
    dated : bool
        Whether the scenario says at which time of day second 0 lies; it is 00:00 otherwise.
    """

    holders: tuple[str, ...]
    pools: tuple[Held, ...]
    days: int
    dated: bool

    def clock(self, step: int) -> str:
        """The time of day at which a step begins."""
        return f"{step // 2:02d}:{30 * (step % 2):02d}"


def day_of(run: Results) -> MeanDay | None:
    """The mean day; None if the run is shorter than two days or does not say who held what.

    Notes
    -----
    Whole days from second 0 on, so that each time of day counts equally often; what lies beyond the
    last whole day is left out. The start counts to the minute.
    """
    days = int(length_s(run) // _DAY_S)
    if days < _LEAST_DAYS:
        return None
    start = _start(run)
    since_s = 3600 * start.hour + 60 * start.minute if start is not None else 0
    step_s = gcd(_STEP_S, since_s)  # so that half hours of the clock are whole steps of the run
    found = who_held_at(run, np.arange(0.0, days * _DAY_S + 1, step_s))
    if not found.pools:
        return None
    pools = []
    for pool in found.pools:
        day = _folded(np.vstack([pool.parts, pool.guests]), days, since_s // step_s)
        pools.append(replace(pool, parts=day[:-1], guests=day[-1]))
    return MeanDay(found.holders, tuple(pools), days, start is not None)


def _folded(parts: Array, days: int, since: int) -> Array:
    """Days laid on each other, from 00:00 on, in half hours; ``since`` in steps."""
    day = parts.reshape(len(parts), days, -1).mean(axis=1)
    day = np.roll(day, since, axis=1)
    return np.asarray(day.reshape(len(parts), _STEPS, -1).mean(axis=2))


def _start(run: Results) -> datetime | None:
    try:
        return datetime.fromisoformat(settings(run.scenario_yaml).get("start", ""))
    except ValueError:
        return None
