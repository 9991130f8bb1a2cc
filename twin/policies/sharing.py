"""Budgets and those who draw on them: who fits, who is paused, and how far each may rise.

Items (jobs, parts of their curves, nodes) draw on domains, several at once because domains are
nested. Everything here is a pure function of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.policies.power_view import Demand

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TINY = 1e-12  # of a budget, lost to rounding when watts are summed in another order


@dataclass(frozen=True)
class Draws:
    """A sparse matrix as a list: ``item[e]`` draws ``watts[e]`` on ``domain[e]``."""

    domain: Ids
    item: Ids
    watts: Array

    def of(self, entries: Mask | Ids) -> Draws:
        """Only these entries, or all in this order."""
        return Draws(self.domain[entries], self.item[entries], self.watts[entries])

    def sum_w(self, part: Array, n_domain: int) -> Array:
        """(n_domain,) what is drawn if of each item this part, 0 to 1, draws. [W]"""
        drawn = np.bincount(self.domain, self.watts * part[self.item], n_domain)
        return np.asarray(drawn, float)


def draws(share: csr_array, full_w: Array, domains: Mask) -> Draws:
    """What each item draws on those ``domains`` if it draws ``full_w``.

    Parameters
    ----------
    share : (n_domain, n_item) sparse array
        Watts that a domain draws for each watt of an item.
    full_w : (n_item,) array
        [W]
    domains : (n_domain,) bool array
    """
    domain = np.repeat(np.arange(len(domains)), np.diff(share.indptr))
    here = domains[domain] & (share.data > 0)
    item = share.indices[here].astype(np.int64)
    return Draws(domain[here], item, share.data[here] * full_w[item])


def fits(drawn_w: Array, budget_w: Array) -> Mask:
    """(n_domain,) whether this is within the budgets, but for rounding."""
    within: Mask = drawn_w <= budget_w + _TINY * np.abs(budget_w)
    return within


def crowded(demand: Demand, power_w: Array) -> Mask:
    """(n_domain,) whether a domain cannot give its jobs those powers."""
    return ~fits(demand.share @ (power_w - demand.idle_w), demand.budget_w)


def by_seniority(demand: Demand) -> Ids:
    """Jobs in the order in which they are kept running: by priority, then the oldest first."""
    return np.lexsort((demand.start_s, -demand.priority))


def first_fit(on: Draws, room_w: Array, order: Ids) -> Mask:
    """Take items in ``order``, each that fits beside all those taken before it.

    Parameters
    ----------
    on : Draws
        An item once in each domain.
    room_w : (n_domain,) array
        [W]
    order : (n_item,) array
        All items, the first to be taken first.

    Returns
    -------
    (n_item,) bool array
        Whether an item is taken. No other item fits beside those.

    Notes
    -----
    In rounds. What fits even if all before it were taken that still may be is taken; what does not
    fit beside those before it that are taken already never will. The first that is in doubt always
    comes to an end that way, and most often all of them do within a few rounds.
    """
    n = len(order)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    # Sums run within each domain in the order of the items.
    on = on.of(np.lexsort((place[on.item], on.domain)))
    left_w = (room_w + _TINY * np.abs(room_w))[on.domain]
    dropped = np.zeros(n, bool)
    while True:
        most_w = _running_sum(np.where(dropped[on.item], 0.0, on.watts), on.domain)
        taken = ~dropped
        taken[on.item[most_w > left_w]] = False
        doubt = ~(taken | dropped)
        if not doubt.any():
            return taken
        least_w = _running_sum(np.where(taken[on.item], on.watts, 0.0), on.domain)
        never = on.item[doubt[on.item] & (least_w + on.watts > left_w)]
        # Sums that differ by rounding alone could leave the first in doubt for ever.
        dropped[never if len(never) else order[doubt[order]][:1]] = True


def filled(on: Draws, room_w: Array, start: Array, end: Array) -> Array:
    """Raise all items together until the budgets are used up: progressive filling.

    A level rises from below. An item grows from nothing to what it draws at most while the level
    goes from its ``start`` to its ``end``, and stops for good as soon as one of its domains is
    full; those that stand in other domains go on.

    Parameters
    ----------
    on : Draws
    room_w : (n_domain,) array
        Not negative. [W]
    start, end : (n_item,) arrays
        ``start < end`` for all that draw anything.

    Returns
    -------
    (n_item,) array
        Part of what it draws at most that each item gets, 0 to 1.

    Notes
    -----
    A domain whose level is the least one for all its items can be closed at once, whatever becomes
    of the others: their levels only rise when items stop. So nested domains take a few rounds.
    This gives max-min fairness with respect to the level.

    Sources
    -------
    [bertsekas1992] section 6.5.2 for filling by rounds.
    """
    n = len(start)
    part = np.ones(n)
    on = on.of(on.watts > 0)
    left_w = room_w.copy()
    while len(on.item):
        level = _levels(on, left_w, start, end)
        least = np.full(n, np.inf)
        np.minimum.at(least, on.item, level[on.domain])
        waits = np.zeros(len(left_w), bool)
        waits[on.domain[least[on.item] < level[on.domain]]] = True
        closing = ~waits[on.domain] & np.isfinite(level[on.domain])
        if not closing.any():  # nothing is full: all go on to the end
            break
        stopped = np.zeros(n, bool)
        stopped[on.item[closing]] = True
        ids = np.flatnonzero(stopped)
        part[ids] = np.clip((least[ids] - start[ids]) / (end[ids] - start[ids]), 0.0, 1.0)
        left_w = np.maximum(left_w - on.sum_w(np.where(stopped, part, 0.0), len(left_w)), 0.0)
        on = on.of(~stopped[on.item])
    return part


def trimmed(on: Draws, room_w: Array, part: Array) -> Array:
    """Take back what rounding or a solver's tolerance has given beyond the budgets.

    Parameters
    ----------
    on, room_w
        As for `filled`.
    part : (n_item,) array
        0 to 1.

    Returns
    -------
    (n_item,) array
        No part is greater than it was, and all budgets hold.
    """
    drawn_w = on.sum_w(part, len(room_w))
    room_w = np.maximum(room_w, 0.0)
    scale = np.divide(room_w, drawn_w, out=np.ones(len(room_w)), where=drawn_w > room_w)
    least = np.ones(len(part))
    np.minimum.at(least, on.item, scale[on.domain])
    return part * least


def shared(demand: Demand, start: Array, end: Array, order: Ids | None = None) -> Array:
    """Power of every job if all rise together from their floors, each from ``start`` to ``end``.

    Parameters
    ----------
    demand : Demand
    start, end : (n_job,) arrays
        Levels at which a job leaves its floor, and at which it has full power; see `filled`.
    order : (n_job,) array, optional
        Jobs in the order in which they are kept where not even the floors fit; by seniority if
        not given.

    Returns
    -------
    (n_job,) array
        [W]
    """
    full = crowded(demand, demand.top_w)
    if not full.any():
        return demand.top_w.copy()
    running = kept(demand, full, by_seniority(demand) if order is None else order)
    rise_w = np.where(running, demand.top_w - demand.floor_w, 0.0)
    on, room_w = draws(demand.share, rise_w, full), above_floor_w(demand, running)
    part = trimmed(on, room_w, filled(on, room_w, start, end))
    return risen(demand, running, part * rise_w)


def kept(demand: Demand, full: Mask, order: Ids) -> Mask:
    """(n_job,) which jobs run: all, if their floors fit in the domains that are ``full``."""
    at_floor = draws(demand.share, demand.floor_w - demand.idle_w, full)
    drawn_w = at_floor.sum_w(np.ones(len(order)), len(full))
    if np.all(fits(drawn_w, demand.budget_w) | ~full):
        return np.ones(len(order), bool)
    return first_fit(at_floor, demand.budget_w, order)


def above_floor_w(demand: Demand, running: Mask) -> Array:
    """(n_domain,) what is left of the budgets with those jobs at their floors, 0 or more. [W]"""
    floor_w = np.where(running, demand.floor_w - demand.idle_w, 0.0)
    return np.asarray(np.maximum(demand.budget_w - demand.share @ floor_w, 0.0), float)


def risen(demand: Demand, running: Mask, rise_w: Array) -> Array:
    """(n_job,) power of jobs that run so much above their floors; others rest. [W]"""
    power_w = np.minimum(demand.floor_w + rise_w, demand.top_w)
    return np.asarray(np.where(running, power_w, demand.idle_w), float)


def _running_sum(values: Array, group: Ids) -> Array:
    """Sums from the first of each group on; groups are adjacent."""
    if not len(values):
        return values
    total = np.cumsum(values)
    first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    before = np.repeat(total[first] - values[first], np.diff(np.r_[first, len(values)]))
    return np.asarray(total - before, float)


def _levels(on: Draws, room_w: Array, start: Array, end: Array) -> Array:
    """(n_domain,) the level at which each is full; inf where all that draws on it fits."""
    # What is drawn is linear between the points where an item begins to rise or has risen.
    slope = on.watts / (end[on.item] - start[on.item])
    domain = np.concatenate([on.domain, on.domain])
    point = np.concatenate([start[on.item], end[on.item]])
    order = np.lexsort((point, domain))
    domain, point = domain[order], point[order]
    slope = _running_sum(np.concatenate([slope, -slope])[order], domain)
    step = np.zeros(len(point))
    step[1:] = np.where(domain[1:] == domain[:-1], slope[:-1] * np.diff(point), 0.0)
    drawn_w = _running_sum(step, domain)
    level = np.full(len(room_w), np.inf)
    short = ~fits(on.sum_w(np.ones(len(start)), len(room_w)), room_w)
    below = (drawn_w <= room_w[domain]) & short[domain]
    last = np.full(len(room_w), -1)
    np.maximum.at(last, domain[below], np.flatnonzero(below))
    at = last[short]
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = (room_w[short] - drawn_w[at]) / slope[at]
    level[short] = point[at] + np.where(slope[at] > 0, beyond, 0.0)
    return level
