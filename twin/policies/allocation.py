"""The best use of watts: the greatest sum of speeds under budgets, for concave curves.

A concave curve is cut into straight pieces, each less steep than the one before. Under a single
budget the steepest pieces of all jobs are bought first, which is optimal as in the continuous
knapsack [dantzig1957]; under several the same pieces are the variables of a linear program, which
HiGHS solves [huangfu2018]. There a curve has eight pieces at most: on the smooth curves of GPUs
that costs less than a thousandth of full speed, and is ten times as quick.
"""

from __future__ import annotations

from collections import defaultdict
from copy import copy

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvariantError
from twin.policies.hull import concave
from twin.policies.power_view import Demand
from twin.policies.sharing import Draws, filled, fits, trimmed

Array = NDArray[np.float64]
Ids = NDArray[np.int64]

_FEW = 8  # pieces of a curve in a linear program


class Pieces:
    """The concave curves of all jobs from floor to full power, cut at their corners.

    Attributes
    ----------
    gpus : (n_job,) array
    hull : (n_job,) array
        Which of the distinct curves a job has; curve ``k`` has ``count[k]`` pieces from
        ``first[k]`` on.
    height_w, gain : (n_piece,) arrays
        What a piece takes for one GPU, and the speed that it brings. [W], [-]
    floor_rate : (n_job,) array
        Speed at the floor.
    rise_w : (n_job,) array
        What brings any speed at all, above the floor. [W]
    """

    def __init__(self, demand: Demand) -> None:
        keys = np.column_stack([demand.curve, demand.floor_w, demand.top_w])
        distinct, self.hull = _distinct(keys)
        hulls = [concave(demand.curves[int(c)], f, t) for c, f, t in distinct.tolist()]
        # The last piece may be level: power without speed.
        steps = [(np.diff(hull.power_w), np.diff(hull.rate)) for hull in hulls]
        steps = [(height_w[gain > 0], gain[gain > 0]) for height_w, gain in steps]
        self.gpus = demand.gpus
        self.count = np.array([len(gain) for _, gain in steps], np.int64)
        self.first = np.cumsum(self.count) - self.count
        self.height_w = np.concatenate([height_w for height_w, _ in steps])
        self.gain = np.concatenate([gain for _, gain in steps])
        self.floor_rate = np.array([hull.rate[0] for hull in hulls])[self.hull]
        self.rise_w = np.array([height_w.sum() for height_w, _ in steps])[self.hull]

    def thinned(self) -> Pieces:
        """The same curves in few pieces each, with corners on the curves, shorter where they bend.

        A chord is off by its length squared times the curvature, so each gets the same sum of the
        roots of what the slope falls by.
        """
        owner = np.repeat(np.arange(len(self.count)), self.count)
        first = self.first[owner]
        bend = np.zeros(len(owner))
        falls = -np.diff(self.gain / self.height_w) * (self.height_w[1:] + self.height_w[:-1])
        bend[1:] = np.where(owner[1:] == owner[:-1], np.sqrt(np.maximum(falls, 0.0)), 0.0)
        so_far = np.cumsum(bend)
        run = so_far - so_far[first]
        whole = run[first + self.count[owner] - 1]
        run = np.floor(_FEW * run / np.where(whole > 0, whole, 1.0)).clip(0, _FEW - 1)
        run = np.where(self.count[owner] <= _FEW, np.arange(len(owner)) - first, run)
        kept, piece = np.unique(owner * _FEW + run.astype(np.int64), return_inverse=True)
        thin = copy(self)
        thin.height_w = np.asarray(np.bincount(piece, self.height_w), float)
        thin.gain = np.asarray(np.bincount(piece, self.gain), float)
        thin.count = np.bincount(kept // _FEW, minlength=len(self.count))
        thin.first = np.cumsum(thin.count) - thin.count
        return thin

    def of(self, hulls: Ids) -> tuple[Ids, Ids]:
        """The pieces of these curves one after the other, and which of the list each is of."""
        owner = np.repeat(np.arange(len(hulls)), self.count[hulls])
        offset = np.cumsum(self.count[hulls]) - self.count[hulls]
        return self.first[hulls][owner] + np.arange(len(owner)) - offset[owner], owner


def best_rise_w(pieces: Pieces, on: Draws, room_w: Array) -> Array:
    """Power of one GPU of each job above its floor, for the greatest sum of GPUs times speed.

    Parameters
    ----------
    pieces : Pieces
    on : Draws
        What domains draw for each watt of one GPU of a job.
    room_w : (n_domain,) array
        What the jobs may draw above their floors. [W]

    Returns
    -------
    (n_job,) array
        Jobs that draw on nothing have all that brings them speed. [W]
    """
    domains = np.unique(on.domain)
    if len(on.item) == len(np.unique(on.item)):  # no job stands in two of them
        return _steepest_first(pieces, on, room_w)
    # Often one of them binds alone: what is best for it is best if the others hold as well.
    need_w = on.sum_w(pieces.rise_w, len(room_w))
    scarce = room_w[domains] / np.maximum(need_w[domains], 1e-300)
    tightest = on.of(on.domain == domains[np.argmin(scarce)])
    rise_w = _steepest_first(pieces, tightest, room_w)
    if np.all(fits(on.sum_w(rise_w, len(room_w)), room_w)):
        return rise_w
    return _linear_program(pieces.thinned(), on, room_w)


def _steepest_first(pieces: Pieces, on: Draws, room_w: Array) -> Array:
    """Each job draws on at most one domain, so that these have nothing to do with each other."""
    rise_w = pieces.rise_w.copy()
    # Jobs that are alike, but for their size, get the same power.
    ratio = _coarse(on.watts / pieces.gpus[on.item])
    alike, group = _distinct(np.column_stack([on.domain, pieces.hull[on.item], ratio]))
    domain, hull = alike[:, 0].astype(np.int64), alike[:, 1].astype(np.int64)
    piece, owner = pieces.of(hull)
    if len(piece):
        steepness = pieces.gain[piece] / (pieces.height_w[piece] * alike[owner, 2])
        rank = np.unique(-_coarse(steepness), return_inverse=True)[1].astype(float)
        watts = np.bincount(group, on.watts)[owner] * pieces.height_w[piece]
        buyers = Draws(domain[owner], np.arange(len(piece)), watts)
        part = trimmed(buyers, room_w, filled(buyers, room_w, rank, rank + 1))
        rise_w[on.item] = np.bincount(owner, part * pieces.height_w[piece], len(hull))[group]
    return rise_w


def _linear_program(pieces: Pieces, on: Draws, room_w: Array) -> Array:
    """The same where jobs draw on several domains: each piece is a variable from 0 to 1."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    groups = _alike(pieces, on)
    group = np.full(len(pieces.gpus), -1)
    for number, jobs in enumerate(groups):
        group[jobs] = number
    hull = pieces.hull[[jobs[0] for jobs in groups]]
    gpus = np.bincount(group[group >= 0], pieces.gpus[group >= 0])
    piece, owner = pieces.of(hull)
    used = np.unique(on.domain)
    watts = csr_array(  # adds up what alike jobs draw
        (on.watts, (on.domain, group[on.item])), shape=(len(room_w), len(groups))
    )[used]
    drawn = (watts[:, owner] * pieces.height_w[piece]).tocsr()
    scale = np.maximum(room_w[used], drawn.max(axis=1).toarray().ravel())
    scale[scale == 0] = 1.0
    answer = linprog(
        -pieces.gain[piece] * gpus[owner] / gpus.sum(),
        A_ub=drawn.multiply(1 / scale[:, np.newaxis]).tocsr(),
        b_ub=room_w[used] / scale,
        bounds=(0, 1),
        method="highs",
        options={"presolve": False},  # which takes longer than it saves here
    )
    if answer.x is None:
        raise InvariantError(f"efficient: no allocation of watts was found: {answer.message}")
    rise_w = pieces.rise_w.copy()
    found_w = np.bincount(owner, np.clip(answer.x, 0, 1) * pieces.height_w[piece], len(groups))
    rise_w[group >= 0] = found_w[group[group >= 0]]
    # The solver holds its constraints to 1e-7 of their scale; budgets hold.
    part = trimmed(
        Draws(on.domain, on.item, on.watts * rise_w[on.item]), room_w, np.ones(len(rise_w))
    )
    return rise_w * part


def _alike(pieces: Pieces, on: Draws) -> list[list[int]]:
    """Jobs with the same curve that weigh on all domains in the same way but for their size."""
    weighs: dict[int, list[tuple[int, float]]] = defaultdict(list)
    ratio = _coarse(on.watts / pieces.gpus[on.item])
    for job, domain, each in zip(on.item.tolist(), on.domain.tolist(), ratio.tolist(), strict=True):
        weighs[job].append((domain, each))
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for job, parts in weighs.items():
        alike[int(pieces.hull[job]), *parts].append(job)
    return list(alike.values())


def _distinct(keys: Array) -> tuple[Array, Ids]:
    """The distinct rows, sorted, and which of them each row is."""
    order = np.lexsort(keys.T[::-1])
    rows = keys[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    which = np.empty(len(rows), np.int64)
    which[order] = np.cumsum(new) - 1
    return rows[new], which


def _coarse(values: Array) -> Array:
    """To 40 bits, so that what differs by rounding alone is the same."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**40), exponent - 40), float)
