"""Attained and entitled GPUs, Jain's index and rho, recounted second by second."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_case import GROUPS, cases

from twin.metrics import fairness as metric
from twin.metrics import steps
from twin.metrics.max_min import max_min

few = settings(max_examples=25, deadline=None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_jain_lies_between_one_over_n_and_one(values):
    found = metric.jain(np.array(values))
    assert 1 / len(values) - 1e-9 <= found <= 1 + 1e-9


@given(st.floats(1e-3, 1e6), st.integers(1, 20))
def test_jain_at_its_ends(value, n):
    assert metric.jain(np.full(n, value)) == pytest.approx(1)
    assert metric.jain(np.eye(n)[0] * value) == pytest.approx(1 / n)


def second_by_second(case):
    """Attained, demanded and entitled GPUs by group and second, by loops."""
    horizon = int(case.horizon_s)
    attained, demand = np.zeros((len(GROUPS), horizon)), np.zeros((len(GROUPS), horizon))
    held = list(case.allocations.itertuples(index=False))
    for row, job in enumerate(case.jobs.itertuples(index=False)):
        group = GROUPS.index(job.group)
        leave = case.horizon_s if np.isnan(job.end_s) else job.end_s
        if job.state == "rejected":
            continue
        for t in range(horizon):
            gpus = sum(
                int(a.gpu_mask).bit_count()
                for a in held
                if a.job == row and a.start_s <= t < a.end_s
            )
            attained[group, t] += gpus
            demand[group, t] += gpus or (job.gpus if job.submit_s <= t < leave else 0)
    entitled = max_min(demand, np.ones_like(demand), case.site.n_gpus)
    return attained, demand, entitled


def error_of(attained, entitled):
    """Total variation of one second, by loops; None while nobody holds anything."""
    if not (sum(attained) and sum(entitled)):
        return None
    pairs = zip(attained, entitled, strict=True)
    return sum(abs(a / sum(attained) - e / sum(entitled)) for a, e in pairs) / 2


@few
@given(cases())
def test_against_a_recount(case):
    found = metric.fairness(case.jobs, case.allocations, case.site.n_gpus, case.horizon_s)
    groups = sorted(set(case.jobs["group"]))
    if len(groups) < 2:
        assert found == {}
        return
    attained, demand, entitled = second_by_second(case)
    got, due = attained.sum(axis=1), entitled.sum(axis=1)
    x = [g / d for g, d in zip(got, due, strict=True) if d > 0]
    assert found["tenants"] == len(groups)
    assert found["tenant_kind"] == "group"
    squares = sum(v * v for v in x)
    assert found["jain"] == pytest.approx(sum(x) ** 2 / (len(x) * squares) if squares else 1.0)
    errors = [error_of(attained[:, t], entitled[:, t]) for t in range(attained.shape[1])]
    known = [error for error in errors if error is not None]
    assert ("share_error" in found) == bool(known)
    if known:
        assert found["share_error"] == pytest.approx(np.mean(known))
    present = (demand > 0).sum(axis=0)
    rho = []
    for job in case.jobs[case.jobs["state"] == "completed"].itertuples(index=False):
        if job.run_s > 0 and job.jct_s > 0:
            n = np.mean([present[t] for t in range(int(job.submit_s), int(job.end_s))])
            slower = max(1, job.gpus / (case.site.n_gpus / max(n, 1)))
            rho.append(job.jct_s / (job.run_s * slower))
    assert ("rho_mean" in found) == bool(rho)
    if rho:
        assert found["rho_mean"] == pytest.approx(np.mean(rho))
        assert found["rho_max"] == pytest.approx(max(rho))
        assert found["rho_fair_share"] == pytest.approx(np.mean([r <= 1 + 1e-6 for r in rho]))


@few
@given(cases(), st.integers(1, 9))
def test_over_time_against_a_recount(case, bin_s):
    args = case.jobs, case.allocations, case.site.n_gpus, case.horizon_s
    found = metric.fairness_over_time(*args, float(bin_s))
    starts = list(range(0, int(case.horizon_s), bin_s))
    assert found["time_s"].tolist() == starts
    if case.jobs["group"].nunique() < 2:
        assert found["error"].isna().all()
        return
    attained, _, entitled = second_by_second(case)
    for at, start in enumerate(starts):
        span = slice(start, min(start + bin_s, int(case.horizon_s)))
        for group in sorted(set(case.jobs["group"])):
            row = GROUPS.index(group)
            told = found[f"attained_gpus[{group}]"][at], found[f"entitled_gpus[{group}]"][at]
            assert told == pytest.approx((attained[row, span].mean(), entitled[row, span].mean()))
        pairs = zip(attained[:, span].T, entitled[:, span].T, strict=True)
        known = [e for e in (error_of(*pair) for pair in pairs) if e is not None]
        if known:
            assert found["error"][at] == pytest.approx(np.mean(known))
        else:
            assert np.isnan(found["error"][at])


@few
@given(cases())
def test_the_others_count_as_many(case):
    """With three of four groups put together, shares stay those of the groups."""
    if case.jobs["group"].nunique() < 3:
        return
    args = case.jobs, case.allocations, case.site.n_gpus, case.horizon_s
    apart = metric.shares(*args)
    before = metric.MOST_TENANTS
    try:
        metric.MOST_TENANTS = 1
        found = metric.shares(*args)
    finally:
        metric.MOST_TENANTS = before
    first, others = found.tenants.names
    assert others == "others"
    assert found.starts_s.tolist() == apart.starts_s.tolist()
    row = apart.tenants.names.index(first)
    np.testing.assert_allclose(found.attained[0], apart.attained[row])
    np.testing.assert_allclose(found.attained[1], np.delete(apart.attained, row, 0).sum(axis=0))
    np.testing.assert_allclose(found.present, apart.present)
    # Together they may use what one of them leaves to another, so the first gets no more.
    assert (found.entitled[0] <= apart.entitled[row] + 1e-9).all()


@few
@given(cases(), st.integers(1, 40))
def test_with_too_many_changes_states_are_sampled(case, cells):
    before = steps.MOST_CELLS
    args = case.jobs, case.allocations, case.site.n_gpus, case.horizon_s
    exact = metric.shares(*args)
    try:
        steps.MOST_CELLS = cells
        found = metric.shares(*args)
    finally:
        steps.MOST_CELLS = before
    if exact is None:
        assert found is None
        return
    at = np.searchsorted(exact.starts_s, found.starts_s)
    assert found.starts_s.tolist() == exact.starts_s[at].tolist()
    np.testing.assert_allclose(found.attained, exact.attained[:, at])
    np.testing.assert_allclose(found.entitled, exact.entitled[:, at])
    assert found.lasted_s.sum() == pytest.approx(case.horizon_s)
