"""Waits in queues that have closed forms, within the confidence interval of the simulation."""

from math import factorial, sqrt

import numpy as np
import pytest
from scipy.stats import t as student

from twin.kernel.simulation import Simulation
from twin.policies.placements.best_fit import BestFit
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.site.layout import Pool, lay_out
from twin.streams import stream
from twin.workload.jobs import job_table


def mean_wait(servers, arrival_rate, run_s, seed, scheduler, batches=40):
    """Mean wait and the half width of its 99.9 % interval, by batch means after a warm-up."""
    n = len(run_s)
    submit_s = stream(seed, "arrivals").exponential(1 / arrival_rate, n).cumsum()
    jobs = job_table({"submit_s": submit_s, "run_s": run_s, "gpus": np.ones(n, int)})
    site = lay_out([Pool("servers", "one GPU", "", 1, servers)])
    record = Simulation(site, jobs, scheduler, BestFit()).run()
    wait_s = (record.start_s - submit_s)[n // 10 :]
    means = wait_s[: len(wait_s) // batches * batches].reshape(batches, -1).mean(axis=1)
    half = student.ppf(0.9995, batches - 1) * means.std(ddof=1) / sqrt(batches)
    return wait_s.mean(), half


def erlang_c(servers, offered):
    """P(wait > 0) of M/M/c."""
    top = offered**servers / factorial(servers) * servers / (servers - offered)
    return top / (sum(offered**k / factorial(k) for k in range(servers)) + top)


@pytest.mark.parametrize("scheduler", [Fifo(), EasyBackfill()], ids=["fifo", "easy"])
@pytest.mark.parametrize(("servers", "rho"), [(1, 0.6), (2, 0.8), (8, 0.8), (32, 0.85)])
def test_wait_of_m_m_c(servers, rho, scheduler):
    """Wq = C(c, a) / (c mu - lambda). All jobs ask for one GPU, so EASY has nobody to pass."""
    mu = 1 / 100.0
    arrival_rate = rho * servers * mu
    expected = erlang_c(servers, rho * servers) / (servers * mu - arrival_rate)
    run_s = stream(11, "durations").exponential(1 / mu, 80_000)
    mean, half = mean_wait(servers, arrival_rate, run_s, 11, scheduler)
    assert half < 0.3 * expected  # the interval is narrow enough for the test to mean something
    assert mean == pytest.approx(expected, abs=half)


def test_erlang_c_is_the_published_one():
    assert erlang_c(2, 1.6) == pytest.approx(0.7111, abs=5e-5)


@pytest.mark.parametrize("cv2", [0.0, 1 / 3, 4.0])
def test_wait_of_m_g_1(cv2):
    """Pollaczek-Khinchine: Wq = rho (1 + cv^2) / (2 (1 - rho)) service times."""
    rho, service_s, n = 0.7, 60.0, 120_000
    rng = stream(5, "durations")
    run_s = np.full(n, service_s) if cv2 == 0 else rng.gamma(1 / cv2, service_s * cv2, n)
    expected = service_s * rho * (1 + cv2) / (2 * (1 - rho))
    mean, half = mean_wait(1, rho / service_s, run_s, 5, Fifo())
    assert half < 0.3 * expected
    assert mean == pytest.approx(expected, abs=half)


def test_busy_servers_of_m_g_infinity():
    """With servers to spare the number busy is Poisson(lambda E[S]): mean equals variance."""
    rate, mean_s, n = 0.5, 40.0, 60_000
    submit_s = stream(3, "arrivals").exponential(1 / rate, n).cumsum()
    run_s = stream(3, "durations").lognormal(np.log(mean_s) - 0.5, 1.0, n)
    jobs = job_table({"submit_s": submit_s, "run_s": run_s, "gpus": np.ones(n, int)})
    record = Simulation(lay_out([Pool("p", "n", "", 1, 200)]), jobs, Fifo(), BestFit()).run()
    assert np.array_equal(record.start_s, submit_s)  # nobody waits
    log = record.log
    inside = (log["time_s"] > 2000) & (log["time_s"] < submit_s[-1])
    time_s, busy = log["time_s"][inside], log["busy_gpus"][inside]
    weight = np.diff(time_s) / (time_s[-1] - time_s[0])
    mean = weight @ busy[:-1]
    variance = weight @ (busy[:-1] - mean) ** 2
    # Integrated autocorrelation of about E[S^2]/E[S] on either side gives the effective sample.
    independent = (time_s[-1] - time_s[0]) / (2 * mean_s * np.e)
    error = sqrt(rate * mean_s / independent)
    assert mean == pytest.approx(rate * mean_s, abs=4 * error)
    assert variance == pytest.approx(rate * mean_s, rel=4 * sqrt(2 / independent))


@pytest.mark.parametrize("scheduler", [Fifo(), EasyBackfill()], ids=["fifo", "easy"])
def test_littles_law(scheduler):
    """L = lambda W holds exactly over a run that starts and ends empty."""
    rng = stream(9, "jobs")
    n = 5000
    submit_s = rng.exponential(20.0, n).cumsum()
    jobs = job_table(
        {
            "submit_s": submit_s,
            "run_s": rng.lognormal(4, 1.2, n),
            "gpus": rng.choice([1, 2, 4, 8, 16], n),
        }
    )
    record = Simulation(lay_out([Pool("p", "n", "", 8, 4)]), jobs, scheduler, BestFit()).run()
    log = record.log
    lasted_s = np.diff(log["time_s"], append=record.horizon_s)
    assert lasted_s @ log["queued_jobs"] == pytest.approx((record.start_s - submit_s).sum())
    assert lasted_s @ log["running_jobs"] == pytest.approx((record.end_s - record.start_s).sum())
