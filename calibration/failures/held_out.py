"""The fit of days 0 to 140 held against days 140 to 210, which it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from dated import Dated, by_period, expected_out
from faults import DAYS, NODES, TRAIN_DAYS, Array, counts_by_node, nodes_out
from laws import Law, Weibull, fit, ks, log_likelihoods, observed_quantile
from rates import BLOCK_D, block_counts, dispersion, log_negative_binomial, up_node_days
from recurrence import Form, Likelihood, Recurrence
from scipy.special import comb
from scipy.stats import poisson, rankdata

WORST = NODES // 20
TEST_DAYS = DAYS - TRAIN_DAYS


@dataclass(frozen=True)
class Nodes:
    """What each model expects of each node in the test, from what it did before.

    Each is an array (node, count) of probabilities.
    """

    alike: Array
    lemons: Array  # for good: what a node did before tells its factor
    new_lemons: Array  # drawn anew: what a node did before tells nothing
    unmended: Array


def expect(train: pd.DataFrame, shape: float, again: Recurrence) -> Nodes:
    """Chances of each count of faults of each node."""
    past, n = counts_by_node(train), np.arange(60)
    mean = past.mean()
    ahead = mean * TEST_DAYS / TRAIN_DAYS
    alike = np.tile(poisson.pmf(n, ahead), (NODES, 1))
    # The gamma factor given the past is gamma again.
    posterior = ahead * (shape + past) / (shape + mean)
    lemons = np.exp(log_negative_binomial(n, posterior[:, None], (shape + past)[:, None]))
    anew = np.exp(log_negative_binomial(n, ahead, shape))
    return Nodes(alike, lemons, np.tile(anew, (NODES, 1)), _unmended(train, again, n))


def _unmended(train: pd.DataFrame, again: Recurrence, n: Array) -> Array:
    """Poisson faults, each with a geometric number of returns; some returns are still pending."""
    u = again.unmended["all"]
    in_service = up_node_days(train, TRAIN_DAYS) / (NODES * TRAIN_DAYS)
    starts = np.arange(1, len(n))
    own = poisson.pmf(starts, float(again.rates_per_d.mean()) * TEST_DAYS * in_service)
    ways = comb(n[1:, None] - 1, starts - 1) * (1 - u) ** starts
    ways = ways * u ** np.maximum(n[1:, None] - starts, 0) * (starts <= n[1:, None])
    chances = np.concatenate([[1 - own.sum()], ways @ own])
    geometric = np.where(n > 0, (1 - u) * u ** np.maximum(n - 1.0, 0), 0.0)
    with_return = np.convolve(chances, geometric)[: len(n)]
    last = train.sort_values("start_d").groupby("node").tail(1).set_index("node").end_d
    age_d = np.maximum(TRAIN_DAYS - last, 0.0)  # a node that is out comes back and may return
    came = again.survival(age_d) - again.survival(age_d + TEST_DAYS)
    pending = pd.Series(u * came / (1 - u + u * again.survival(age_d)), last.index)
    pending = pending.reindex(range(NODES), fill_value=0.0).to_numpy()[:, None]
    return (1 - pending) * chances + pending * with_return


def count_errors(train: pd.DataFrame, test: pd.DataFrame, nodes: Nodes) -> dict[str, Any]:
    """How many faults, on which nodes."""
    past, seen = counts_by_node(train), counts_by_node(test)
    n = np.arange(nodes.alike.shape[1])
    worst = np.argsort(-past, kind="stable")[:WORST]
    ahead = len(train) * TEST_DAYS / TRAIN_DAYS
    wander = dispersion(block_counts(train, TRAIN_DAYS))
    result: dict[str, Any] = {
        "observed": len(test),
        "worst_share_observed": _share_of_worst(seen),
        "past_worst_share_observed": float(seen[worst].sum() / seen.sum()),
        "rank_correlation_observed": _rank(past, seen),
        "wander_interval": _interval(ahead, ahead * wander * (1 + TEST_DAYS / TRAIN_DAYS)),
    }
    rng = np.random.default_rng(0)
    for name, chances in vars(nodes).items():
        means = chances @ n
        spread = float((chances @ n**2 - means**2).sum())
        # The rate itself is known from the training counts only, which scatter alike.
        spread *= 1 + TEST_DAYS / TRAIN_DAYS
        cumulated = chances.cumsum(axis=1)
        drawn = [(cumulated < rng.random((NODES, 1))).sum(axis=1) for _ in range(200)]
        result[name] = {
            "faults": float(means.sum()),
            "interval": _interval(float(means.sum()), spread),
            "worst_share": float(np.mean([_share_of_worst(counts) for counts in drawn])),
            "rank_correlation": float(np.mean([_rank(past, counts) for counts in drawn])),
            "past_worst_share": float(means[worst].sum() / means.sum()),
            "log_score_per_node": float(np.log(chances[np.arange(NODES), seen]).mean()),
        }
    return result


def _share_of_worst(counts: Array) -> float:
    """Share of the faults on the 5 % of nodes that have most of them."""
    return float(np.sort(counts)[-WORST:].sum() / max(counts.sum(), 1))


def _rank(past: Array, counts: Array) -> float:
    """Spearman's rank correlation of the faults of a node before and after."""
    return float(np.corrcoef(rankdata(past), rankdata(counts))[0, 1])


def _interval(mean: float, variance: float) -> tuple[float, float]:
    """95 %, normal."""
    half = 1.96 * float(np.sqrt(variance))
    return max(mean - half, 0.0), mean + half


def time_errors(train: pd.DataFrame, until: pd.DataFrame) -> dict[str, Any]:
    """Models of times in service: what they say of those in the test, given the training.

    The log-likelihood of all days less that of the first, both with what the first taught; here as
    what is gained by it over the model that has all nodes alike.
    """
    before, after = Likelihood(train, TRAIN_DAYS), Likelihood(until, DAYS)
    forms = {
        "alike": Form(recurs=False),
        "lemons": Form(recurs=False, lemons=True),
        "unmended": Form(),
        "both": Form(lemons=True),
    }
    scores = {}
    for name, form in forms.items():
        model = before.fit(form).model
        scores[name] = after.value(model) - before.value(model)
    ended_d = until.sort_values("start_d").groupby("node").end_d.shift()
    test = until.start_d >= TRAIN_DAYS
    again = before.fit(Form()).model
    soon = again.unmended["all"] * (1 - float(again.survival(np.asarray(1.0))))
    return {
        "gain": {name: score - scores["alike"] for name, score in scores.items()},
        "within_a_day": {
            "unmended": soon,
            "alike": len(train) / up_node_days(train, TRAIN_DAYS),
            "observed": float((until.start_d - ended_d < 1.0)[test].mean()),
        },
    }


def given_past(train: pd.DataFrame, test: pd.DataFrame, nodes: Nodes) -> pd.DataFrame:
    """Faults a node in the test by its faults before, as expected and as seen."""
    past, seen = counts_by_node(train), counts_by_node(test)
    n = np.arange(nodes.alike.shape[1])
    table = pd.DataFrame(
        {
            "past": np.minimum(past, 4),
            "nodes": 1,
            "lemons": nodes.lemons @ n,
            "unmended": nodes.unmended @ n,
            "seen": seen,
        }
    )
    by = table.groupby("past")
    return by.mean().assign(nodes=by.nodes.sum())


def repair_errors(law: Law, floor: Law, test: pd.DataFrame) -> dict[str, float]:
    """A law of repair against repairs it has not seen; ``floor`` is fitted to them."""
    quantiles = {
        f"q{round(100 * p)}_ratio": float(law.quantile(np.asarray(p)) / observed_quantile(test, p))
        for p in (0.25, 0.5, 0.75, 0.9)
    }
    return {
        "log_score_per_fault": float(log_likelihoods(law, test).mean()),
        "log_score_of_refit": float(log_likelihoods(floor, test).mean()),
        "ks": ks(law, test),
        "ks_of_refit": ks(floor, test),
        **quantiles,
    }


def score_by_group(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Log-likelihood a repair where each group of faults has a Weibull law of its own."""
    total = 0.0
    for group, of_group in test.groupby("group"):
        law = fit(Weibull, train[train.group == group].reset_index(drop=True)).law
        total += float(log_likelihoods(law, of_group).sum())
    return total / len(test)


def out_errors(law: Dated | Law, train: pd.DataFrame, until: pd.DataFrame) -> dict[str, float]:
    """Mean number of nodes out over the test: forecast on its first day, and seen."""
    daily = np.zeros(DAYS)
    daily[TRAIN_DAYS:] = len(train) / TRAIN_DAYS
    times_d = np.arange(TRAIN_DAYS, DAYS, 0.5) + 0.25
    known = train[train.open]
    forecast = float(expected_out(law, daily, times_d, known).mean())
    return {"forecast": forecast, "observed": nodes_out(until, TRAIN_DAYS, DAYS)}


def months_out(faults: pd.DataFrame, change: Dated) -> dict[str, list[float]]:
    """Mean number of nodes out in each 30 days of the fit: by M/G/infinity, and seen.

    The arrivals are those of each ten days as they were: this tries the laws of repair alone.
    """
    daily = np.repeat(block_counts(faults, DAYS) / BLOCK_D, BLOCK_D)
    times_d, edges_d = np.arange(0, DAYS, 0.5) + 0.25, np.arange(0, DAYS + 1, 30)
    single = fit(Weibull, faults).law
    return {
        "seen": [nodes_out(faults, a, b) for a, b in pairwise(edges_d)],
        "weibull": list(by_period(expected_out(single, daily, times_d), times_d, edges_d)),
        "dated": list(by_period(expected_out(change, daily, times_d), times_d, edges_d)),
    }
