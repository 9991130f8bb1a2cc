"""Whether nodes fail again because they are lemons or because they were not mended.

A node fails at a background rate times its own gamma factor. After each repair there is a chance
that it was not mended: then it also fails again after a lognormal time. Likelihood of the times in
service between faults, of all nodes, the last ones censored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from faults import NODES, TICK_D, Array
from scipy.optimize import brentq, minimize
from scipy.special import expit, ndtr, roots_genlaguerre
from scipy.stats import chi2

MOST_SHAPE = 100.0  # a gamma factor this even is none


def intervals(faults: pd.DataFrame, until_d: float) -> pd.DataFrame:
    """Times in service: ``node``, ``from_d``, ``to_d``; ``before`` and ``then`` are faults.

    ``before`` is the group of the fault that was repaired just before, ``then`` the class of the
    one that ended the interval, ``again`` its group; None where there is none.
    """
    ordered = faults.sort_values(["node", "start_d"], kind="stable")
    by = ordered.groupby("node")
    ended = pd.DataFrame(
        {
            "node": ordered.node,
            "from_d": by.end_d.shift().fillna(0.0),
            "to_d": ordered.start_d,
            "before": by.group.shift(),
            "then": ordered.cls,
            "again": ordered.group,
        }
    )
    last = by.tail(1)
    last = last[~last.open]
    running = pd.DataFrame({"node": last.node, "from_d": last.end_d, "before": last.group})
    never = pd.DataFrame({"node": np.setdiff1d(np.arange(NODES), faults.node), "from_d": 0.0})
    every = pd.concat([ended, running, never]).fillna({"to_d": until_d})
    return every.sort_values(["node", "from_d"], ignore_index=True)


@dataclass(frozen=True)
class Form:
    """What a model has, and so which unbounded numbers make it."""

    recurs: bool = True
    lemons: bool = False
    groups: tuple[str, ...] = ("all",)  # of faults, each with its own chance to stay unmended
    shape: float = MOST_SHAPE  # of the lemons' gamma factor, where it is held

    def model(self, free: Array) -> Recurrence:
        """Rates come first, then chances, then the law of the return, then the lemons."""
        n_last = self.recurs * (len(self.groups) + 2) + self.lemons
        rates, rest = np.split(np.asarray(free, float), [len(free) - n_last])
        shape = float(np.exp(min(rest[-1], np.log(MOST_SHAPE)))) if self.lemons else self.shape
        if not self.recurs:
            return Recurrence(np.exp(rates), {"all": 0.0}, 1.0, 1.0, shape)
        chances, law = np.split(rest[: n_last - self.lemons], [len(self.groups)])
        unmended = dict(zip(self.groups, map(float, expit(chances)), strict=True))
        median_d, sigma = map(float, np.exp(law))
        return Recurrence(np.exp(rates), unmended, median_d, sigma, shape)

    def start(self, rates_per_d: Array) -> list[float]:
        """Where the search begins."""
        law = [*[-0.5] * len(self.groups), -1.0, 1.0] if self.recurs else []
        return [*np.log(rates_per_d), *law, *[0.5] * self.lemons]


@dataclass(frozen=True)
class Recurrence:
    """Rates, the chance that a repair mends nothing, and how soon that shows."""

    rates_per_d: Array  # background, by period
    unmended: dict[str, float]  # by group of fault, or "all"
    median_d: float
    sigma: float
    shape: float  # of the gamma factor of the nodes; MOST_SHAPE is none

    def survival(self, t: Array) -> Array:
        """P(a fault that was not mended has not come back by t)."""
        t = np.maximum(np.asarray(t, float), 1e-9)
        return ndtr(-(np.log(t) - np.log(self.median_d)) / self.sigma)

    def density(self, t: Array) -> Array:
        z = (np.log(t) - np.log(self.median_d)) / self.sigma
        return np.exp(-z * z / 2) / (np.sqrt(2 * np.pi) * self.sigma * t)


@dataclass(frozen=True)
class Fit:
    """The most likely model of a form."""

    form: Form
    free: Array
    log_likelihood: float

    @property
    def model(self) -> Recurrence:
        return self.form.model(self.free)

    @property
    def aic(self) -> float:
        return 2 * len(self.free) - 2 * self.log_likelihood


class Likelihood:
    """Of one set of records, for models with and without lemons, recurrence and periods."""

    def __init__(self, faults: pd.DataFrame, until_d: float, period_d: float | None = None) -> None:
        d = intervals(faults, until_d)
        self.table = d
        edges = np.arange(0, until_d, period_d or until_d)
        ends = np.append(edges[1:], until_d)
        start, end = d.from_d.to_numpy()[:, None], d.to_d.to_numpy()[:, None]
        self.exposure_d = np.clip(np.minimum(end, ends) - np.maximum(start, edges), 0, None)
        self.period = np.minimum(np.searchsorted(ends, d.to_d, side="right"), len(edges) - 1)
        self.lasts_d = np.maximum((d.to_d - d.from_d).to_numpy(), TICK_D / 2)
        self.failed = d.then.notna().to_numpy()
        self.repaired = d.before.notna().to_numpy()
        self.first_of_node = np.searchsorted(d.node, np.arange(NODES))

    def _parts(self, of: Recurrence) -> tuple[Array, Array]:
        """Chance that no recurrence came so far, and density of one now."""
        if "all" in of.unmended:
            unmended = np.full(len(self.lasts_d), of.unmended["all"])
        else:
            unmended = self.table.before.map(of.unmended).fillna(0.0).to_numpy()
        unmended = np.where(self.repaired, unmended, 0.0)
        none = 1 - unmended + unmended * of.survival(self.lasts_d)
        return none, unmended * of.density(self.lasts_d)

    def value(self, of: Recurrence) -> float:
        """Log-likelihood; the gamma factor is integrated out by Gauss-Laguerre quadrature."""
        none, now = self._parts(of)
        if of.shape >= MOST_SHAPE:
            factor, weight = np.ones(1), np.ones(1)
        else:
            factor, weight = roots_genlaguerre(32, of.shape - 1)
            factor, weight = factor / of.shape, weight / weight.sum()
        hazard = of.rates_per_d[self.period][:, None] * factor
        log = np.log(
            np.where(self.failed[:, None], none[:, None] * hazard + now[:, None], none[:, None])
        )
        log -= (self.exposure_d @ of.rates_per_d)[:, None] * factor
        of_node = np.add.reduceat(log, self.first_of_node)
        top = of_node.max(axis=1, keepdims=True)
        return float((top[:, 0] + np.log(np.exp(of_node - top) @ weight)).sum())

    def fit(self, form: Form) -> Fit:
        """Search from the plain rates."""
        n = self.exposure_d.shape[1]
        events = np.maximum(np.bincount(self.period[self.failed], minlength=n), 1)
        best = minimize(
            lambda free: -self.value(form.model(free)),
            form.start(events / self.exposure_d.sum(axis=0)),
            method="BFGS",
            options={"gtol": 1e-3},
        )
        return Fit(form, best.x, -float(best.fun))

    def intervals(self, best: Fit) -> tuple[Recurrence, Recurrence]:
        """Models of the lower and of the upper ends of 95 % of each number, by curvature."""
        step = 1e-3 * np.eye(len(best.free))

        def at(free: Array) -> float:
            return self.value(best.form.model(free))

        def bend(g: Array, h: Array) -> float:
            x = best.free
            return (at(x + g + h) - at(x + g - h) - at(x - g + h) + at(x - g - h)) / 4e-6

        hessian = np.array([[bend(g, h) for h in step] for g in step])
        half = 1.96 * np.sqrt(np.diag(np.linalg.inv(-hessian)))
        return best.form.model(best.free - half), best.form.model(best.free + half)

    def least_shape(self, best: Fit) -> float:
        """The most uneven gamma factor that 95 % do not rule out beside recurrence."""

        def beyond(log_shape: float) -> float:
            held = self.fit(Form(shape=float(np.exp(log_shape))))
            return held.log_likelihood - best.log_likelihood + chi2.ppf(0.95, 1) / 2

        top = np.log(min(best.model.shape, MOST_SHAPE / 1.01))
        return float(np.exp(brentq(beyond, -1.0, top, xtol=1e-3)))

    def own_shares(self, of: Recurrence) -> Array:
        """Chance that each interval ended in a fault of its own, not in a return."""
        none, now = self._parts(of)
        own = none * of.rates_per_d[self.period]
        return np.where(self.failed, own / (own + now), 0.0)

    def same_group(self, of: Recurrence) -> float:
        """Share of the returns that come back as a fault of the group that was repaired."""
        returns = np.where(self.failed, 1 - self.own_shares(of), 0.0)
        same = (self.table.before == self.table.again).to_numpy()
        return float(returns[same].sum() / returns.sum())
