"""Demands for power made by hand and at random, and what is asked of every answer to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy.sparse import csr_array

from twin.policies.power_view import Curve, Demand

# Shares of what full power takes in a domain, in whole percent.
BUDGETS = st.integers(-20, 130).map(lambda percent: percent / 100)

LINE = Curve(np.array([200.0, 700.0]), np.array([0.5, 1.0]))


def demand(
    share: Sequence[Sequence[float]],
    budget_w: Sequence[float],
    curves: Sequence[Curve] = (LINE,),
    curve: Sequence[int] | None = None,
    **more: Any,
) -> Demand:
    """One job a column of ``share``, one domain a row; GPUs at 100 W rest, from 200 to 700 W."""
    matrix = np.array(share, float).reshape(len(budget_w), -1)
    n = matrix.shape[1]
    which = np.zeros(n, np.int64) if curve is None else np.array(curve)
    floor_w = np.array([curves[k].power_w[0] for k in which])
    top_w = np.array([curves[k].power_w[-1] for k in which])
    budget = np.array(budget_w, float)
    idle_w = np.full(n, 100.0)
    drawn_w = matrix @ (top_w - idle_w)
    made = Demand(
        now_s=0.0,
        gpus=np.maximum(1, np.round(matrix[0])).astype(np.int64),
        kind=["training"] * n,
        phase=["training"] * n,
        priority=np.zeros(n, np.int64),
        start_s=np.arange(n, dtype=float),
        idle_w=idle_w,
        floor_w=floor_w,
        top_w=top_w,
        tdp_w=np.full(n, 700.0),
        power_w=top_w.copy(),
        curve=which,
        curves=curves,
        share=csr_array(matrix),
        budget_w=budget,
        load=np.divide(drawn_w, budget, out=np.full(len(budget), 9.0), where=budget > 0),
        cap_w=np.maximum(budget, 1.0),
    )
    arrays = {k: np.array(v) if k not in ("kind", "phase") else v for k, v in more.items()}
    return replace(made, **arrays)


def drawn_w(asked: Demand, power_w: Any) -> Any:
    """(n_domain,) what is drawn above rest. [W]"""
    return asked.share @ (power_w - asked.idle_w)


def speed(asked: Demand, power_w: Any) -> float:
    """Sum over the jobs of GPUs times speed; nothing from those that are paused."""
    total = 0.0
    for job, watts in enumerate(power_w.tolist()):
        curve = asked.curves[asked.curve[job]]
        if watts != asked.idle_w[job]:
            total += asked.gpus[job] * np.interp(watts, curve.power_w, curve.rate)
    return float(total)


def check(asked: Demand, power_w: Any) -> None:
    """What must hold of every answer of a policy that keeps caps."""
    assert power_w.shape == asked.idle_w.shape
    resting = power_w == asked.idle_w
    assert (resting | ((power_w >= asked.floor_w) & (power_w <= asked.top_w))).all()
    possible = asked.budget_w >= 0
    held = drawn_w(asked, power_w) <= asked.budget_w * (1 + 1e-9)
    assert held[possible].all(), (drawn_w(asked, power_w), asked.budget_w)
    # Where not even rest fits, all that draws there is paused.
    beyond = asked.share.toarray()[~possible] > 0
    assert resting[beyond.any(axis=0)].all()
    # Nobody is paused where the floors fit.
    if (drawn_w(asked, asked.floor_w) <= asked.budget_w).all():
        assert not resting.any()


@st.composite
def concave_curves(draw: st.DrawFn) -> Curve:
    """Steps of falling steepness from a floor; the last may be level."""
    n = draw(st.integers(1, 5))
    steps_w = np.array(draw(st.lists(st.floats(1, 200), min_size=n, max_size=n)))
    slopes = np.sort(draw(st.lists(st.floats(1e-4, 1), min_size=n, max_size=n)))[::-1].copy()
    slopes[-1] *= draw(st.sampled_from([0.0, 1.0])) if n > 1 else 1.0
    gain = np.cumsum(slopes * steps_w)
    least = draw(st.floats(0, 0.9))
    power_w = draw(st.floats(110, 300)) + np.r_[0, np.cumsum(steps_w)]
    return Curve(power_w, np.r_[least, least + (1 - least) * gain / gain[-1]])


@st.composite
def demands(
    draw: st.DrawFn,
    most_jobs: int = 8,
    most_domains: int = 4,
    budgets: SearchStrategy[float] = BUDGETS,
    floors_fit: bool = False,
) -> Demand:
    """Jobs in domains at random; each budget is a share of what full power takes there."""
    jobs, domains = draw(st.integers(1, most_jobs)), draw(st.integers(1, most_domains))
    curves = draw(st.lists(concave_curves(), min_size=1, max_size=3))
    pick = st.integers(0, len(curves) - 1)
    curve = draw(st.lists(pick, min_size=jobs, max_size=jobs))
    weight = st.one_of(st.just(0.0), st.integers(1, 64).map(float), st.floats(0.5, 100))
    row = st.lists(weight, min_size=jobs, max_size=jobs)
    share = np.array(draw(st.lists(row, min_size=domains, max_size=domains)))
    kinds = st.sampled_from(["training", "batch", "interactive", "serving"])
    priorities = st.lists(st.integers(0, 2), min_size=jobs, max_size=jobs)
    asked = demand(
        share,
        [0.0] * domains,
        curves,
        curve,
        gpus=draw(st.lists(st.integers(1, 512), min_size=jobs, max_size=jobs)),
        kind=draw(st.lists(kinds, min_size=jobs, max_size=jobs)),
        phase=draw(st.lists(st.sampled_from(["decode", "prefill"]), min_size=jobs, max_size=jobs)),
        priority=draw(priorities),
    )
    full_w, low_w = drawn_w(asked, asked.top_w), drawn_w(asked, asked.floor_w)
    part = np.array(draw(st.lists(budgets, min_size=domains, max_size=domains)))
    budget_w = low_w + part * (full_w - low_w) if floors_fit else part * full_w
    load = np.divide(full_w, budget_w, out=np.full(domains, 9.0), where=budget_w > 0)
    return replace(asked, budget_w=budget_w, load=load, cap_w=np.maximum(budget_w, 1.0))
